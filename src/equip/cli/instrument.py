"""``equip instrument``."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
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
    with busy("instrumenting"), _nothing_left_behind(found.bytecode_files, dry_run):
        report = program.apply(asked.visitors, rewrite=not dry_run)
    show_report(report, as_json)
    if report.refused:
        ctx.exit(1)
    if not any(one.probes for one in report):
        ctx.exit(2)


@contextlib.contextmanager
def _nothing_left_behind(files: Sequence[str], dry_run: bool) -> Iterator[None]:
    """After a mistake, or a dry run, remove those of the compiled files that were made for it."""
    there = {file for file in files if os.path.lexists(file)}
    folders = {os.path.dirname(file) for file in files if os.path.isdir(os.path.dirname(file))}
    try:
        yield
        keep = not dry_run
    except BaseException:
        keep = False
        raise
    finally:
        if not keep:
            _remove([file for file in files if file not in there], folders)


def _remove(files: list[str], folders: set[str]) -> None:
    """Remove files that there are, and the folders that were made for them (not those in ``folders``)."""
    for file in files:
        with contextlib.suppress(FileNotFoundError):
            os.remove(file)
    for folder in {os.path.dirname(file) for file in files} - folders:
        with contextlib.suppress(OSError):
            os.rmdir(folder)


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
