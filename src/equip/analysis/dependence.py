"""Control dependence: which branches decide whether a block runs.

A block depends on an edge when control that takes the edge must come to the block, but control at the edge's source
need not: it post-dominates the target of the edge and does not strictly post-dominate its source. Source: Ferrante,
Ottenstein, Warren: The Program Dependence Graph and Its Use in Optimization (1987).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from equip.analysis.controlflow import BasicBlock, ControlFlow, Edge


def control_dependence(flow: ControlFlow) -> Mapping[BasicBlock, tuple[Edge, ...]]:
    """By block: the edges on which it depends, in the order of ``flow.edges``; none for what always runs.

    Of the edges that a block has so that a loop that never ends has post-dominators only the real ones are there. What
    cannot be reached decides nothing about what can.
    """
    shape, backward = flow.shape, flow.dominators.backward
    above = backward.idom
    reached = flow.dominators.forward.idom
    found: list[list[tuple[int, int]]] = [[] for _ in above]
    for source, targets in enumerate(shape.successors):
        if len(backward.incoming[source]) < 2:
            continue
        top = above[source]
        for number, target in enumerate(targets):
            node = target
            while node != top and (reached[source] >= 0 or reached[node] < 0):
                found[node].append((source, number))
                node = above[node]

    edges = [flow.edges_from(block) for block in flow.nodes]
    return MappingProxyType(
        {
            block: tuple(edges[source][number] for source, number in numbers)
            for block, numbers in zip(flow.nodes, found, strict=True)
        }
    )
