"""``equip restore``."""

from __future__ import annotations

import os

import click

import equip
from equip.cli.app import Mistake
from equip.cli.instrument import show_report
from equip.cli.output import busy, json_option
from equip.cli.targets import path_arguments


@click.command("restore")
@path_arguments
@json_option
@click.pass_context
def restore_command(ctx: click.Context, paths: tuple[str, ...], as_json: bool) -> None:
    """Bring the clean compiled files back."""
    for path in paths:
        if not os.path.exists(path):
            raise Mistake(f"{path}: no such file or folder")
    with busy("restoring"):
        report = equip.restore(paths)
    show_report(report, as_json)
    ctx.exit(1 if report.refused else 0)
