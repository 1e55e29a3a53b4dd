"""``equip detach``."""

from __future__ import annotations

import click

import equip
from equip.cli.attach import timeout_option


@click.command("detach", short_help="Take probes out of a running process.")
@timeout_option
@click.argument("pid", type=int)
def detach_command(pid: int, timeout: float) -> None:
    """Take all probes that were attached out of the running process PID."""
    equip.detach(pid, timeout=timeout)
    click.echo(f"process {pid}: the probes are out")
