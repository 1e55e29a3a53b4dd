"""How results are shown: tables and colour on a terminal, plain lines in a pipe, JSON for machines."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import IO, TypeVar

import click
from rich import progress
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

_ESCAPED = {ord(one): repr(one)[1:-1] for one in "\t\n\r"}
"""What would end a cell or a line too early: file names may have it."""
_Thing = TypeVar("_Thing")
_Function = TypeVar("_Function", bound=Callable[..., object])


def _is_terminal(stream: IO[str] | None) -> bool:
    return stream is not None and stream.isatty()  # It is None where the standard stream was closed.


def json_option(command: _Function) -> _Function:
    """The option ``--json``, as the parameter ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")(command)


def busy(doing: str) -> contextlib.AbstractContextManager[object]:
    """Show on a terminal that something long is being done."""
    if not _is_terminal(sys.stderr):
        return contextlib.nullcontext()
    return Console(stderr=True).status(f"{doing} ...")


def track(things: Sequence[_Thing], doing: str) -> Iterable[_Thing]:
    """The things in turn, with their progress shown on a terminal."""
    if not _is_terminal(sys.stderr):
        return things
    return progress.track(things, doing, console=Console(stderr=True), transient=True)


def show_json(value: object) -> None:
    click.echo(json.dumps(value, indent=2, default=str))


def show_rows(columns: Sequence[str], rows: Iterable[Sequence[object]], styles: dict[str, str] | None = None) -> None:
    """A table on a terminal; tab-separated lines without a heading elsewhere. ``styles``: by the text of a cell."""
    if not _is_terminal(sys.stdout):
        for row in rows:
            click.echo("\t".join(str(cell).translate(_ESCAPED) for cell in row))
        return
    table = Table(*[Column(name, overflow="fold") for name in columns], box=None, pad_edge=False)
    for row in rows:
        cells = [str(cell) for cell in row]
        table.add_row(*[Text(cell, style=(styles or {}).get(cell, "")) for cell in cells])
    console = Console(highlight=False, soft_wrap=True)
    with console.capture() as shown:
        console.print(table)
    click.echo(shown.get(), nl=False)  # Which can show what the encoding of the terminal cannot.




def show_diff(lines: Iterable[str]) -> None:
    """The lines of a unified diff, in colour on a terminal."""
    for line in lines:
        colour = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1])
        click.secho(line, fg=colour)
