"""``equip status``."""

from __future__ import annotations

from collections import Counter

import click

import equip
from equip.cli.output import json_option, show_json, show_rows
from equip.cli.targets import check_paths, path_arguments
from equip.program.record import names_of
from equip.program.tree import find_compiled

_STYLES = {"instrumented": "green", "stale": "yellow", "not ours": "red"}


@click.command("status", short_help="Tell which compiled files are instrumented.")
@path_arguments
@click.option("--all", "everything", is_flag=True, help="Clean files, too.")
@json_option
def status_command(paths: tuple[str, ...], everything: bool, as_json: bool) -> None:
    """Tell which compiled files are instrumented, by which probes, and which of them are stale."""
    check_paths(paths, find_compiled(paths).passed)
    found = equip.status(paths)
    if as_json:
        show_json(
            [
                {"path": one.path, "pyc": one.pyc, "state": one.state, "reason": one.reason,
                 "probes": [{"name": probe.name, "digest": probe.digest} for probe in one.probes]}
                for one in found
            ]
        )  # fmt: skip
        return
    shown = [one for one in found if everything or one.state != "clean"]
    rows = [(one.state, one.pyc, names_of(one.probes) if one.probes else "", one.reason) for one in shown]
    show_rows(("state", "file", "probes", "reason"), rows, _STYLES)
    counts = Counter(one.state for one in found)
    click.echo(", ".join(f"{number} {state}" for state, number in counts.items()) or "no compiled files")
