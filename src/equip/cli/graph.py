"""``equip cfg``."""

from __future__ import annotations

import html
import os
from pathlib import Path

import click

import equip
from equip.cli.app import Mistake
from equip.cli.output import show_rows
from equip.cli.targets import code_at, find_declaration, open_module, split_target

_FORMATS = (".dot", ".html", ".svg")


@click.command("cfg", short_help="Show the control flow graph of a function.")
@click.option("-o", "--output", type=click.Path(), metavar="FILE", help="Where to draw it: a .svg, .html or .dot file.")
@click.argument("target", type=click.Path(), metavar="FILE:QUALNAME")
def cfg_command(target: str, output: str | None) -> None:
    """Show the control flow graph of a function, as a table, or drawn into a file."""
    path, qualname = split_target(target)
    if output is not None and Path(output).suffix not in _FORMATS:
        raise Mistake(f"{output}: the name has to end in {', '.join(_FORMATS)}")
    module = open_module(path)
    declaration = find_declaration(module, qualname) if qualname else module.main_module
    graph = equip.ControlFlow(code_at(module, declaration.code_path))
    if output is None:
        _show(graph)
        return
    suffix = Path(output).suffix
    drawn = graph.to_dot() if suffix == ".dot" else graph.to_svg()
    if suffix == ".html":
        title = html.escape(f"{declaration.qualname} in {os.fsencode(path).decode(errors='replace')}")
        drawn = f"<!doctype html><meta charset=utf-8><title>{title}</title><h1>{title}</h1>\n{drawn}\n"
    Path(output).write_text(drawn, encoding="utf-8")
    click.echo(f"{output}: {len(graph.blocks)} blocks, {len(graph.edges)} edges", err=True)


def _show(graph: equip.ControlFlow) -> None:
    numbers = {block: str(i) for i, block in enumerate(graph.blocks)}
    numbers[graph.entry], numbers[graph.exit] = "entry", "exit"
    rows = []
    leaving: dict[equip.BasicBlock, list[str]] = {block: [] for block in graph.blocks}
    for edge in graph.edges:
        if edge.source is not graph.entry:
            leaving[edge.source].append(f"{edge.kind.name.lower()} {numbers[edge.target]}")
    for block in graph.blocks:
        lines = sorted({line for line in block.lines if line is not None})
        shown = f"{lines[0]}-{lines[-1]}" if len(lines) > 1 else "".join(map(str, lines))
        rows.append((numbers[block], f"{block.start}-{block.end}", shown, ", ".join(leaving[block])))
    show_rows(("block", "bytes", "lines", "goes to"), rows)
