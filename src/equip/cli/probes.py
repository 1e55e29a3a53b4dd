"""The options that say what goes where: the same for every command that takes probes."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import click

import equip
from equip.cli import settings
from equip.cli.app import Mistake, own_files
from equip.delivery.described import visitors_in_file
from equip.delivery.planning import Visitor

_Function = TypeVar("_Function", bound=Callable[..., Any])

_HELP = {
    "before": "Run CODE first in the functions WHERE, as in 'shop.*:Cart.*'.",
    "after": "Run CODE before each return of the functions WHERE.",
    "on-raise": "Run CODE when an exception leaves the functions WHERE.",
    "on-line": "Run CODE each time the line WHERE, as in 'shop.cart:42' or 'shop/cart.py:42', is encountered.",
}


@dataclass
class Asked:
    """What the options ask for: probes, and visitors named ``FILE.py:NAME``."""

    probes: list[equip.Probe] = field(default_factory=list)
    used: list[str] = field(default_factory=list)
    made: list[Visitor] = field(default_factory=list)

    @property
    def visitors(self) -> list[Visitor]:
        return [*self.probes, *self.made]

    def require_any(self) -> None:
        """Raises ``Mistake`` if nothing was asked for."""
        if not self.visitors:
            raise Mistake("there is nothing to put in: say --before WHERE CODE, or another probe (see --help)")


def probe_options(command: _Function) -> _Function:
    """All the options for probes; the command gets them as the keyword arguments that ``asked_for`` takes."""
    conditions = [
        click.option("--when", metavar="CONDITION", help="Only when this is true, in the program's own names."),
        click.option("--limit", type=click.IntRange(1), metavar="N", help="At most N hits of each probe."),
        click.option("--every", type=float, metavar="SECONDS", help="At most once in so many seconds."),
        click.option("--lifespan", type=float, metavar="SECONDS", help="Only for so many seconds."),
        click.option("--suppress", is_flag=True, help="An exception in a probe is reported; the program carries on."),
        click.option("--no-reentry", is_flag=True, help="Not for what a probe itself calls."),
        click.option(
            "--use", multiple=True, type=click.Path(), metavar="FILE.py:NAME", help="A visitor of one's own, or a list."
        ),
        click.option("--probes", "sets", multiple=True, metavar="NAME", help="Those that pyproject.toml names so."),
    ]
    for option in reversed(conditions):
        command = option(command)
    for kind in reversed(_HELP):
        command = click.option(f"--{kind}", nargs=2, multiple=True, metavar="WHERE CODE", help=_HELP[kind])(command)
    return command


def asked_for(
    *, use: tuple[str, ...], sets: tuple[str, ...], suppress: bool, no_reentry: bool, **options: Any
) -> Asked:
    """What these options ask for. Raises ``Mistake``, and ``EquipError`` for what is wrong with a probe."""
    pairs = {kind: options.pop(kind.replace("-", "_")) for kind in _HELP}
    given = {name: value for name, value in options.items() if value is not None}
    asked = Asked(used=list(use))
    given |= {"suppress": suppress, "reentrant": not no_reentry}
    for kind, found in pairs.items():
        asked.probes += [settings.KINDS[kind](where, code, **given) for where, code in found]
    for name in sets:
        found_set = settings.probe_set(name)
        asked.probes += found_set.probes
        asked.used += found_set.used
    own_files.update(os.path.abspath(one.rpartition(":")[0]) for one in asked.used)
    asked.made = [visitor for one in asked.used for visitor in visitors_in_file(one)]
    return asked
