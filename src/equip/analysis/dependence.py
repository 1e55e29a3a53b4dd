"""Control dependence: which branches decide whether a block runs.

A block depends on an edge when control that takes the edge must come to the block, but control at the edge's source
need not: it post-dominates the target of the edge and does not strictly post-dominate its source. Source: Ferrante,
Ottenstein, Warren: The Program Dependence Graph and Its Use in Optimization (1987).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from equip.analysis.dominators import PerBlock

if TYPE_CHECKING:
    from equip.analysis.controlflow import BasicBlock, ControlFlow, Edge


def control_dependence(flow: ControlFlow) -> Mapping[BasicBlock, tuple[Edge, ...]]:
    """By block: the edges on which it depends, in the order of ``flow.edges``; none for what always runs.

    The edges of the loops that never end are among them, the edges that they are given so that they have
    post-dominators are not.
    """
    shape = flow.shape
    above = flow.dominators.backward.idom
    found: list[list[tuple[int, int]]] = [[] for _ in above]
    for source, targets in enumerate(shape.successors):
        if len(flow.dominators.backward.incoming[source]) < 2:
            continue
        top = above[source]
        for number, target in enumerate(targets):
            node = target
            while node != top:
                found[node].append((source, number))
                node = above[node]

    def edges(node: int) -> tuple[Edge, ...]:
        return tuple(flow.edges_from(flow.nodes[source])[number] for source, number in found[node])

    return PerBlock(flow, range(len(found)), edges)
