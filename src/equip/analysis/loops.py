"""Natural loops: cycles that are entered at one block, their header, only.

A back edge leads to a block that dominates its source. The loop of a header is the header and everything from which
a back edge to it is reached without it. Cycles with several entries (irreducible ones) have no header and are no
loops: ``Loops.irreducible`` has the edges that close them. The compiler makes none, other tools may.

Inner loops are found before outer ones, which take them in as a whole: each block is walked over once for each loop
that begins there. Source: LLVM's LoopInfo.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, overload

from equip.analysis.idom import reverse_postorder

if TYPE_CHECKING:
    from equip.analysis.controlflow import BasicBlock, ControlFlow, Edge


class Loop:
    """A natural loop. Loops are compared by identity; a graph has each only once."""

    __slots__ = ("_exits", "_flow", "_members", "_own", "_sources", "children", "depth", "header", "parent")

    def __init__(self, flow: ControlFlow, header: BasicBlock, sources: Sequence[int]) -> None:
        self._flow = flow
        self._sources = sources
        self._own: list[int] = []
        self._members: frozenset[BasicBlock] | None = None
        self._exits: tuple[Edge, ...] | None = None
        self.header = header
        """Where every way into the loop begins."""
        self.parent: Loop | None = None
        """The innermost loop around it."""
        self.children: tuple[Loop, ...] = ()
        """The loops directly inside."""
        self.depth = 1
        """1 for a loop that is in no other one."""

    @property
    def blocks(self) -> frozenset[BasicBlock]:
        """Header and body, inner loops included."""
        if self._members is None:
            nodes = self._flow.nodes
            found: set[BasicBlock] = set()
            pending = [self]
            while pending:
                loop = pending.pop()
                found.update(nodes[node] for node in loop._own)
                pending += loop.children
            self._members = frozenset(found)
        return self._members

    @property
    def back_edges(self) -> tuple[Edge, ...]:
        """The edges that lead back to the header."""
        nodes = self._flow.nodes
        return tuple(
            edge for node in self._sources for edge in self._flow.edges_from(nodes[node]) if edge.target is self.header
        )

    @property
    def exits(self) -> tuple[Edge, ...]:
        """The edges that lead out of the loop, exceptions included, by source in the order of the code."""
        if self._exits is None:
            inside = self.blocks
            self._exits = tuple(
                edge
                for block in sorted(inside, key=lambda block: block.index)
                for edge in self._flow.edges_from(block)
                if edge.target not in inside
            )
        return self._exits

    def __contains__(self, block: object) -> bool:
        return block in self.blocks

    def __repr__(self) -> str:
        return f"<Loop of {self.header!r}, depth {self.depth}>"


class Loops(Sequence[Loop]):
    """The natural loops of a graph: outer ones before inner ones, then in the order of their headers."""

    def __init__(self, flow: ControlFlow) -> None:
        self._flow = flow
        self._innermost: list[Loop | None] = [None] * len(flow.shape.successors)
        self._loops = self._find()

    def around(self, block: BasicBlock) -> Loop | None:
        """The innermost loop that a block is in."""
        return self._innermost[self._flow.node(block)]

    @cached_property
    def irreducible(self) -> tuple[Edge, ...]:
        """The edges that close a cycle without leading back to a block that dominates their source.

        Which of the edges of such a cycle these are depends on where a depth-first search enters it.
        """
        flow = self._flow
        nodes = flow.nodes
        order = reverse_postorder(flow.shape.successors, 0)
        place = {node: i for i, node in enumerate(order)}
        return tuple(
            edge
            for node in sorted(order)
            for edge in flow.edges_from(nodes[node])
            if place[flow.node(edge.target)] <= place[node] and not flow.dominators.dominates(edge.target, edge.source)
        )

    def _find(self) -> tuple[Loop, ...]:
        flow = self._flow
        shape, dominance = flow.shape, flow.dominators.forward
        first, behind = dominance.intervals()
        headers: dict[int, list[int]] = {}
        for node in dominance.order:
            for source in dict.fromkeys(shape.predecessors[node]):
                if first[node] <= first[source] < behind[node]:
                    headers.setdefault(node, []).append(source)
        if not headers:
            return ()
        found = [
            self._flood(header, headers[header])
            for header in sorted(headers, key=lambda header: first[header], reverse=True)
        ]
        found.reverse()
        inner: dict[Loop, list[Loop]] = {}
        for node in dominance.order:
            loop = self._innermost[node]
            if loop is not None:
                loop._own.append(node)
        for loop in found:
            if loop.parent is not None:
                loop.depth = loop.parent.depth + 1
                inner.setdefault(loop.parent, []).append(loop)
        for loop, children in inner.items():
            loop.children = tuple(sorted(children, key=lambda child: child.header.index))
        return tuple(sorted(found, key=lambda loop: (loop.depth, loop.header.index)))

    def _flood(self, header: int, sources: list[int]) -> Loop:
        """The loop of a header. Those inside it are known already."""
        innermost, predecessors = self._innermost, self._flow.shape.predecessors
        reachable = self._flow.dominators.forward.idom
        loop = Loop(self._flow, self._flow.nodes[header], sources)
        pending = list(sources)
        while pending:
            node = pending.pop()
            if reachable[node] < 0:
                continue
            inside = innermost[node]
            if inside is None:
                innermost[node] = loop
                if node != header:
                    pending += predecessors[node]
                continue
            while inside.parent is not None:
                inside = inside.parent
            if inside is not loop:
                inside.parent = loop
                pending += predecessors[self._flow.node(inside.header)]
        innermost[header] = loop
        return loop

    @overload
    def __getitem__(self, index: int) -> Loop: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Loop, ...]: ...

    def __getitem__(self, index: int | slice) -> Loop | tuple[Loop, ...]:
        return self._loops[index]

    def __len__(self) -> int:
        return len(self._loops)

    def __iter__(self) -> Iterator[Loop]:
        return iter(self._loops)

    def __repr__(self) -> str:
        return repr(self._loops)
