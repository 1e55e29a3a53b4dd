"""``equip attach``."""

from __future__ import annotations

from typing import Any

import click

import equip
from equip.cli.app import Mistake, tell
from equip.cli.output import json_option, show_json
from equip.cli.probes import asked_for, probe_options

timeout_option = click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="Wait so long for the process.",
)


@click.command("attach", short_help="Put probes into a running process.", options_metavar="[PROBES]")
@probe_options
@timeout_option
@json_option
@click.argument("pid", type=int)
def attach_command(pid: int, timeout: float, as_json: bool, **probes: Any) -> None:
    """Put probes into the running process PID, into what it has loaded and what it imports from now on.

    Needs Python 3.14 or newer here and there. `equip detach PID` takes them out again.
    """
    asked = asked_for(**probes)
    if asked.used:
        raise Mistake(f"--use {asked.used[0]}: only probes can be sent to another process, such as --before WHERE CODE")
    asked.require_any()
    found = equip.attach(pid, asked.visitors, timeout=timeout)
    if as_json:
        show_json({"pid": pid, "modules": list(found.modules), "warnings": list(found.warnings)})
    else:
        click.echo(f"process {pid}: probes are in {', '.join(sorted(found.modules)) or 'no module so far'}")
        for warning in found.warnings:
            tell(warning)
