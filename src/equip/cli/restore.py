"""``equip restore``."""

from __future__ import annotations

import click

import equip
from equip.cli.instrument import show_report
from equip.cli.output import busy, json_option
from equip.cli.targets import check_paths, path_arguments
from equip.program.tree import find_compiled


@click.command("restore")
@path_arguments
@json_option
@click.pass_context
def restore_command(ctx: click.Context, paths: tuple[str, ...], as_json: bool) -> None:
    """Bring the clean compiled files back."""
    check_paths(paths, find_compiled(paths).passed)
    with busy("restoring"):
        report = equip.restore(paths)
    show_report(report, as_json)
    ctx.exit(1 if report.refused else 0)
