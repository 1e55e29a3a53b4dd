"""What stands in the picture of a control flow graph or a dominator tree."""

from __future__ import annotations

import dis
import linecache
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import CodeType
from typing import TYPE_CHECKING, Final

from equip import isa
from equip.analysis.pictures.figure import Arrow, Box, Figure, Row
from equip.errors import InvalidCodeError

if TYPE_CHECKING:
    from equip.analysis.controlflow import BasicBlock, ControlFlow, Edge
    from equip.analysis.dominators import DominatorTree
    from equip.code.instruction import Instruction

Label = Callable[["Edge"], "str | None"]
"""What stands at an edge; None or an empty string: the name of its kind."""

WIDEST: Final = 72
"""Letters of a line of text; longer ones are cut."""
_UNMARKED: Final = ("FALLTHROUGH", "JUMP")


def flow_figure(
    flow: ControlFlow,
    *,
    source: bool = True,
    instructions: bool = True,
    exceptions: bool = True,
    loops: bool = True,
    limit: int = 40,
    label: Label | None = None,
) -> Figure:
    """The graph. Of edges of the kind RAISE only those are there that are the one way out of their block, and without
    ``exceptions`` none of these nor of the kind EXCEPTION. ``limit`` is how many instructions of a block are shown."""
    edges = [edge for edge in flow.edges if _is_shown(flow, edge, exceptions)]
    handlers = {edge.target for edge in flow.edges if edge.kind.name == "EXCEPTION"}
    led_to = {edge.target for edge in edges} | {edge.source for edge in edges}
    shown = [
        block
        for block in flow.nodes
        if not block.is_virtual or block in led_to or block is flow.entry
    ]
    boxes = [
        _virtual(flow, block)
        if block.is_virtual
        else Box(
            block.index,
            (*_head(flow, block, loops), *_text(flow, block, source, limit if instructions else 0)),
            _style(flow, block, handlers),
            _depth(flow, block) if loops else 0,
            f"block {block.index}: offsets {block.start} to {block.end}{_lines(block)}",
        )
        for block in shown
    ]
    labels = label if label is not None else conditions(flow)
    arrows = tuple(
        Arrow(edge.source.index, edge.target.index, _cut(label_of(edge, labels), 44), edge.kind.name.lower())
        for edge in edges
    )
    groups = (
        tuple(
            (f"loop {number}", tuple(sorted(block.index for block in loop.blocks)), loop.depth)
            for number, loop in enumerate(flow.loops, 1)
        )
        if loops
        else ()
    )
    return Figure(f"control flow of {flow.code.co_qualname}", tuple(boxes), arrows, groups, flow.exit.index)


def tree_figure(tree: DominatorTree, *, post: bool = False, source: bool = True) -> Figure:
    """The dominator tree, or the post-dominator tree: arrows lead from each block to those right below it."""
    flow = tree.flow
    children = tree.post_children if post else tree.children
    order: list[BasicBlock] = []
    pending = [flow.exit if post else flow.entry]
    while pending:
        block = pending.pop()
        order.append(block)
        pending += reversed([one for one in children(block) if one is not block])
    boxes = tuple(
        _virtual(flow, block)
        if block.is_virtual
        else Box(block.index, (*_head(flow, block, loops=False), *_text(flow, block, source, 0)), "block")
        for block in order
    )
    arrows = tuple(
        Arrow(block.index, one.index) for block in order for one in children(block) if one is not block
    )
    return Figure(f"{'post-dominator' if post else 'dominator'} tree of {flow.code.co_qualname}", boxes, arrows)


def conditions(flow: ControlFlow) -> Label:
    """The conditions of edges, as far as they can be rebuilt."""
    from equip.analysis.conditions import Conditions

    return Conditions(flow).source_of


def label_of(edge: Edge, label: Label) -> str:
    """What stands at an edge."""
    found = label(edge)
    return found or ("" if edge.kind.name in _UNMARKED else edge.kind.value)


def block_text(flow: ControlFlow, block: BasicBlock) -> str:
    """A block in words: what stands in its box."""
    if block.is_virtual:
        return _virtual(flow, block).rows[0].text
    return "\n".join(row.text for row in (*_head(flow, block, loops=False), *_text(flow, block, True, 40)))


def _is_shown(flow: ControlFlow, edge: Edge, exceptions: bool) -> bool:
    kind = edge.kind.name
    if kind == "RAISE":
        return exceptions and len(flow.edges_from(edge.source)) == 1
    return exceptions or kind != "EXCEPTION"


def _virtual(flow: ControlFlow, block: BasicBlock) -> Box:
    entry = block is flow.entry
    text = f"entry of {_cut(flow.code.co_qualname, 60)}" if entry else "exit"
    return Box(block.index, (Row(text, "head"),), "virtual")


def _style(flow: ControlFlow, block: BasicBlock, handlers: set[BasicBlock]) -> str:
    if not flow.is_reachable(block):
        return "dead"
    return "handler" if block in handlers else "block"


def _depth(flow: ControlFlow, block: BasicBlock) -> int:
    loop = flow.loops.around(block)
    return loop.depth if loop is not None else 0


def _head(flow: ControlFlow, block: BasicBlock, loops: bool) -> list[Row]:
    notes = [f"{block.index}", f"@{block.start}{_lines(block)}"]
    if not flow.is_reachable(block):
        notes.append("unreachable")
    if loops:
        notes += [f"loop {number}" for number, loop in enumerate(flow.loops, 1) if loop.header is block]
    return [Row(" · ".join(notes), "head")]


def _lines(block: BasicBlock) -> str:
    lines = block.lines
    if not lines:
        return ""
    return f", line {lines[0]}" if len(lines) == 1 else f", lines {lines[0]}-{lines[-1]}"


def _text(flow: ControlFlow, block: BasicBlock, source: bool, limit: int) -> list[Row]:
    rows = _source(flow.code, block) if source else []
    if not limit:
        return rows
    found = block.instructions
    meanings = _meanings(flow.code)
    shown = found if len(found) <= limit + 1 else found[:limit]
    rows += [Row(_cut(_instruction(one, meanings), WIDEST)) for one in shown]
    if len(shown) < len(found):
        rows.append(Row(f"       … {len(found) - len(shown)} more instructions", "note"))
    return rows


def _source(code: CodeType, block: BasicBlock) -> list[Row]:
    """The source lines of a block, where its file is there."""
    rows = []
    for line in block.lines[:12]:
        text = linecache.getline(code.co_filename, line).strip() if line > 0 else ""
        if text:
            rows.append(Row(_cut(f"{line:>4}  {text}", WIDEST), "source"))
    if rows and len(block.lines) > 12:
        rows.append(Row(f"      … {len(block.lines) - 12} more lines", "note"))
    return rows


@lru_cache(maxsize=8)
def _meanings(code: CodeType) -> dict[int, str]:
    """What ``dis`` says that arguments mean, by the end of the instruction; constants, which can be huge, left out."""
    plain = code.replace(co_consts=(None,) * len(code.co_consts))
    try:
        found = [*dis.get_instructions(plain)]
    except (IndexError, ValueError) as error:
        raise InvalidCodeError(f"{code.co_qualname}: an argument means nothing ({error}): see equip.check") from error
    return {one.offset: one.argrepr for one in found if one.argrepr and one.argval != one.argrepr}


def _instruction(one: Instruction, meanings: Mapping[int, str]) -> str:
    if one.oparg is None:
        return f"{one.offset:>6} {one.opname}"
    value = one.argval
    if isa.OPERAND[one.opcode] == "const":
        shown = f"<code {value.co_qualname}>" if isinstance(value, CodeType) else _constant(value)
    elif one.is_jump:
        shown = f"to {value}"
    elif isinstance(value, tuple):
        shown = ", ".join(map(str, value))
    elif isinstance(value, str):
        shown = value
    else:
        meaning = meanings.get(one.end - 2 - 2 * isa.CACHES[one.opcode])
        shown = f"{value} ({meaning})" if meaning else str(value)
    return f"{one.offset:>6} {one.opname} {shown}"


def _constant(value: object) -> str:
    """The ``repr`` of a constant, not much more of it made than is shown."""
    if isinstance(value, (str, bytes)) and len(value) > WIDEST:
        return repr(value[:WIDEST]) + "…"
    if isinstance(value, (tuple, frozenset)) and len(value) > WIDEST:
        return f"{type(value).__name__} of {len(value)}"
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 256:
        return f"int of {value.bit_length()} bits"
    return repr(value)


def _cut(text: str, letters: int) -> str:
    return text if len(text) <= letters else text[: letters - 1] + "…"
