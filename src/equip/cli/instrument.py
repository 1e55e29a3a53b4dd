"""``equip instrument``."""

from __future__ import annotations

from typing import Any

import click

import equip
from equip.cli.output import busy, json_option, show_json, show_rows
from equip.cli.probes import asked_for, probe_options
from equip.cli.targets import check_paths, path_arguments

_STYLES = {"instrumented": "green", "restored": "green", "refused": "red", "skipped": "yellow"}


@click.command("instrument", short_help="Put probes into compiled files.")
@probe_options
@click.option("--optimize", type=click.IntRange(0, 2), multiple=True, help="The optimisation levels to instrument.")
@click.option("--workers", type=click.IntRange(1), help="Processes to use; as many as are worth it by default.")
@click.option("--force-rebuild", is_flag=True, help="Compile anew, and drop what was put in before.")
@click.option("--instrument-imports", is_flag=True, help="The modules that snippets import, too.")
@click.option("--dry-run", is_flag=True, help="Try everything, write nothing.")
@json_option
@path_arguments
@click.pass_context
def instrument_command(
    ctx: click.Context,
    /,
    paths: tuple[str, ...],
    optimize: tuple[int, ...],
    workers: int | None,
    force_rebuild: bool,
    instrument_imports: bool,
    dry_run: bool,
    as_json: bool,
    **probes: Any,
) -> None:
    """Put probes into the compiled files of a program; it then runs with them by itself, without equip.

    What is in already stays, and nothing is put in twice. `equip restore` brings the clean files back.
    """
    asked = asked_for(**probes)
    asked.require_any()
    found = equip.Program(paths, optimize or None)
    check_paths(paths, found.passed)
    program = equip.Instrumentation(paths)
    for name, value in (("optimize", optimize), ("workers", workers)):
        if value:
            program.set_option(name, value)
    program.set_option("strict")
    program.set_option("force-rebuild", force_rebuild)
    program.set_option("instrument-imports", instrument_imports)
    with busy("instrumenting"):
        report = program.apply(asked.visitors, rewrite=not dry_run)
    show_report(report, as_json)
    if report.refused:
        ctx.exit(1)
    if not any(one.probes for one in report):
        ctx.exit(2)


def show_report(report: equip.Report, as_json: bool) -> None:
    """What became of each file; the notes go to standard error."""
    if as_json:
        show_json(
            {
                "files": [
                    {"path": one.path, "pyc": one.pyc, "status": one.status, "reason": one.reason,
                     "probes": list(one.probes), "written": one.written}
                    for one in report
                ],
                "notes": list(report.notes),
            }
        )  # fmt: skip
        return
    rows = [
        (one.status, one.pyc or one.path, ", ".join(name or "unnamed" for name in one.probes), one.reason)
        for one in report
        if one.status != "unchanged"
    ]
    show_rows(("status", "file", "probes", "reason"), rows, _STYLES)
    click.echo(str(report).partition("\n")[0], err=True)
    for note in report.notes:
        click.echo(note, err=True)
