"""Random control flow, and what dominators, frontiers, loops and dependences are by their definitions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import CodeType

from hypothesis import strategies as st

from equip import ControlFlow, isa

Graph = Sequence[Sequence[int]]
"""Successors by node: 0 is the entry, the last node the exit."""


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Anything: unreachable nodes, cycles that nothing leaves, several edges between two nodes."""
    last = draw(st.integers(1, 12))
    targets = st.lists(st.integers(1, last), max_size=3)
    return [[1], *(draw(targets) for _ in range(last - 1)), []]


def reversed_graph(graph: Graph) -> list[list[int]]:
    found: list[list[int]] = [[] for _ in graph]
    for node, targets in enumerate(graph):
        for target in targets:
            found[target].append(node)
    return found


# -- code -------------------------------------------------------------------------------------------------------------

_TEST = "POP_JUMP_IF_TRUE" if "POP_JUMP_IF_TRUE" in isa.OP else "POP_JUMP_FORWARD_IF_TRUE"
_ENDS = ("on", "return", "raise", "test", "test", "test", "jump", "loop", "loop", "loop")


def unit(name: str, arg: int = 0) -> bytes:
    return bytes([isa.OP[name], arg]) + bytes(2 * isa.CACHES[isa.OP[name]])


@st.composite
def flows(draw: st.DrawFn) -> ControlFlow:
    """The graph of code that no compiler made: any jumps, also into loops."""
    count = draw(st.integers(1, 9))
    ends = [draw(st.sampled_from(_ENDS)) for _ in range(count)]
    targets = [draw(st.integers(0, count)) for _ in range(count)]
    sizes = [draw(st.integers(1, 2)) for _ in range(count)]
    return ControlFlow(code_of(ends, targets, sizes), exceptions=draw(st.booleans()))


_PLAIN = (lambda: None).__code__


def code_of(ends: Sequence[str], targets: Sequence[int], sizes: Sequence[int]) -> CodeType:
    """Blocks of NOPs that end as ``ends`` says; a test whose target is not behind it jumps to the last block.

    A loop is a test around a jump in any direction.
    """
    lengths = [2 * size + len(_end(end, 0, True)) for end, size in zip(ends, sizes, strict=True)]
    offsets = [sum(lengths[:i]) for i in range(len(lengths) + 1)]
    raw = bytearray()
    for i, (end, size) in enumerate(zip(ends, sizes, strict=True)):
        target = targets[i] if end != "test" or targets[i] > i else len(ends)
        raw += unit("NOP") * size
        distance = (offsets[target] - offsets[i + 1]) // 2
        raw += _end(end, abs(distance), distance >= 0)
    raw += unit("NOP") + unit("RETURN_VALUE")
    return _PLAIN.replace(co_code=bytes(raw), co_linetable=b"", co_exceptiontable=b"")


def _end(end: str, distance: int, forward: bool) -> bytes:
    if end == "on":
        return b""
    if end == "return":
        return unit("RETURN_VALUE")
    if end == "raise":
        return unit("RAISE_VARARGS")
    if end == "test":
        return unit(_TEST, distance)
    caches = isa.CACHES[isa.OP["JUMP_BACKWARD"]]  # which JUMP_FORWARD has not
    jump = unit("NOP") * caches + unit("JUMP_FORWARD", distance) if forward else unit("JUMP_BACKWARD", distance)
    return unit(_TEST, len(jump) // 2) + jump if end == "loop" else jump


# -- definitions ------------------------------------------------------------------------------------------------------


def reached(graph: Graph, root: int, without: Iterable[int] = ()) -> set[int]:
    avoided = set(without)
    seen = {root} - avoided
    pending = list(seen)
    while pending:
        for node in graph[pending.pop()]:
            if node not in seen and node not in avoided:
                seen.add(node)
                pending.append(node)
    return seen


def dominated(graph: Graph, root: int) -> list[set[int]]:
    """By node: the nodes that it dominates; nothing where the root does not reach it."""
    everything = reached(graph, root)
    return [everything - reached(graph, root, [node]) if node in everything else set() for node in range(len(graph))]


def immediate(graph: Graph, root: int) -> list[int]:
    """By node: its closest strict dominator; the root's is itself, -1 where it is not reached."""
    below = dominated(graph, root)
    found = []
    for node in range(len(graph)):
        strict = [one for one in range(len(graph)) if one != node and node in below[one]]
        closest = [one for one in strict if all(one in below[other] for other in strict)]
        found.append(root if node == root else closest[0] if closest else -1)
    return found


def frontier(graph: Graph, root: int) -> list[set[int]]:
    below = dominated(graph, root)
    edges = [(node, target) for node, targets in enumerate(graph) for target in targets]
    return [
        {target for node, target in edges if node in below[one] and (target not in below[one] or target == one)}
        for one in range(len(graph))
    ]
