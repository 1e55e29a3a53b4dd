"""The one worklist solver of the dataflow analyses: the least fixpoint of a problem over a control flow graph.

Graph, state and meaning are apart: the graph is a ``Shape``, a state is whatever the problem makes it (immutable, with
``==``), its meaning is the problem's ``transfer`` and ``join``. The problem is asked for one state an edge, so that
exceptions, branches and exhausted loops can each leave a block in their own way.

Kildall: A Unified Approach to Global Program Optimization (1973), with nodes taken in reverse postorder of the
direction. It ends when ``join`` climbs in a lattice of finite height. Unreachable nodes have no state forwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heapify, heappop, heappush
from typing import Protocol, TypeVar

from equip.analysis.shape import Shape

S = TypeVar("S")


class Forward(Protocol[S]):
    """A problem whose states follow the edges."""

    def boundary(self) -> S:
        """The state at the virtual entry."""

    def transfer(self, node: int, state: S) -> Sequence[S]:
        """The states with which control leaves a node, one for each of ``shape.successors[node]``."""

    def join(self, one: S, other: S) -> S:
        """The least state above both; equal to ``one`` when that has ``other`` in it already."""


class Backward(Protocol[S]):
    """A problem whose states go against the edges."""

    def boundary(self) -> S:
        """The state at the virtual exit."""

    def bottom(self) -> S:
        """The state of a node of which nothing is known yet."""

    def transfer(self, node: int, states: Sequence[S]) -> S:
        """The state at the start of a node from those at the start of each of ``shape.successors[node]``."""


def solve_forward(shape: Shape, problem: Forward[S]) -> list[S | None]:
    """The state at the start of each node; None for what the entry does not reach."""
    successors = shape.successors
    found: list[S | None] = [None] * len(successors)
    found[0] = problem.boundary()
    order = reverse_postorder(successors)
    rank = [0] * len(successors)
    for number, node in enumerate(order):
        rank[node] = number
    waiting = bytearray(len(successors))
    waiting[0] = 1
    pending = [0]
    while pending:
        node = order[heappop(pending)]
        waiting[node] = 0
        state = found[node]
        assert state is not None
        for target, leaving in zip(successors[node], problem.transfer(node, state), strict=True):
            known = found[target]
            if known is None:
                found[target] = leaving
            else:
                joined = problem.join(known, leaving)
                if joined is known or joined == known:
                    continue
                found[target] = joined
            if not waiting[target] and successors[target]:
                waiting[target] = 1
                heappush(pending, rank[target])
    return found


def solve_backward(shape: Shape, problem: Backward[S]) -> list[S]:
    """The state at the start of each node, unreachable ones included."""
    successors, predecessors = shape.successors, shape.predecessors
    last = len(successors) - 1
    found = [problem.bottom()] * len(successors)
    found[last] = problem.boundary()
    order = reverse_postorder(successors)
    seen = bytearray(len(successors))
    for node in order:
        seen[node] = 1
    order.reverse()
    order = [node for node in (*order, *(n for n in range(last) if not seen[n])) if node != last]
    rank = [0] * len(successors)
    for number, node in enumerate(order):
        rank[node] = number
    waiting = bytearray(b"\1") * len(successors)
    pending = list(range(len(order)))
    heapify(pending)
    while pending:
        node = order[heappop(pending)]
        waiting[node] = 0
        state = problem.transfer(node, [found[target] for target in successors[node]])
        if state == found[node]:
            continue
        found[node] = state
        for source in predecessors[node]:
            if not waiting[source]:
                waiting[source] = 1
                heappush(pending, rank[source])
    return found


def reverse_postorder(successors: Sequence[Sequence[int]], root: int = 0) -> list[int]:
    """The nodes that the root reaches, each before what it leads to but for cycles."""
    seen = bytearray(len(successors))
    seen[root] = 1
    left: list[int] = []
    pending = [(root, iter(successors[root]))]
    while pending:
        node, targets = pending[-1]
        for target in targets:
            if not seen[target]:
                seen[target] = 1
                pending.append((target, iter(successors[target])))
                break
        else:
            pending.pop()
            left.append(node)
    left.reverse()
    return left
