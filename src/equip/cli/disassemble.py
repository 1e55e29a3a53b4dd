"""``equip dis``."""

from __future__ import annotations

import difflib
import dis
from collections.abc import Iterator
from types import CodeType
from typing import Any

import click

import equip
from equip.cli.app import Mistake
from equip.cli.output import show_diff
from equip.cli.probes import asked_for, probe_options
from equip.cli.targets import code_at, find_declaration, nested, open_module, split_target
from equip.delivery.planning import complaints


@click.command("dis", short_help="Show bytecode, and what probes change in it.")
@probe_options
@click.option("--context", type=click.IntRange(0), default=3, show_default=True, help="Lines around a change.")
@click.argument("target", type=click.Path(), metavar="FILE[:QUALNAME]")
def dis_command(target: str, context: int, **probes: Any) -> None:
    """Show the bytecode of a file or of one function; with probes, what they change in it, as a diff."""
    path, qualname = split_target(target)
    module = open_module(path)
    chosen = find_declaration(module, qualname).code_path if qualname else ()
    visitors = asked_for(**probes).visitors
    before = code_at(module, chosen)
    if not visitors:
        for code in nested(before):
            click.echo("\n".join(_listing(code)))
            click.echo()
        return
    module.accept(visitors)
    after = code_at(module, chosen)
    changes = list(_diff(before, after, context))
    if not changes:
        raise Mistake("\n".join(complaints(visitors)) or f"{target}: the probes change nothing there")
    show_diff(changes)


def _diff(before: CodeType, after: CodeType, context: int) -> Iterator[str]:
    for one, other in _pairs(before, after):
        if one is not other:
            name = one.co_qualname
            titles = f"{name} (as compiled)", f"{name} (instrumented)"
            yield from difflib.unified_diff(_listing(one), _listing(other), *titles, lineterm="", n=context)


def _pairs(before: CodeType, after: CodeType) -> Iterator[tuple[CodeType, CodeType]]:
    """Each code object of a module with what became of it. What is put in is behind the constants that there were."""
    yield before, after
    for one, other in zip(before.co_consts, after.co_consts, strict=False):
        if isinstance(one, CodeType) and isinstance(other, CodeType):
            yield from _pairs(one, other)


def _listing(code: CodeType) -> list[str]:
    """The instructions without positions, so that those that only moved are the same; a star marks injected ones."""
    injected = {unit for start, end, _, _ in equip.provenance(code) for unit in range(start, end)}
    line_of: dict[int, int | None] = {}
    for start, end, line in code.co_lines():
        line_of.update(dict.fromkeys(range(start, end, 2), line))
    shown = [f"{code.co_qualname}, line {code.co_firstlineno}:"]
    current: int | None = None
    for one in dis.get_instructions(code):
        if one.opname in ("EXTENDED_ARG", "CACHE"):
            continue
        line = line_of.get(one.offset)
        mark, label = "*", ""
        if one.offset not in injected:
            mark, label = " ", "" if line is None or line == current else str(line)
            current = current if line is None else line
        shown.append(f"{label:>5} {mark} {one.opname:<28} {_argument(one, line_of)}".rstrip())
    return shown


def _argument(one: dis.Instruction, line_of: dict[int, int | None]) -> str:
    """An argument as a person reads it; of a jump, the line that it leads to."""
    if one.opcode in dis.hasjrel or one.opcode in dis.hasjabs:
        goal = line_of.get(int(one.argval))
        return "to code without a line" if goal is None else f"to line {goal}"
    if isinstance(one.argval, CodeType):
        return f"code of {one.argval.co_qualname}"  # Its address would differ in each run.
    return one.argrepr or ("" if one.arg is None else str(one.arg))
