"""Which edges of a control flow graph need a probe so that it is known of all branches whether they ran.

A branch is an edge that leaves a block with several explicit ways on: TRUE, FALSE, EXHAUSTED, the next item of a loop.
It needs no probe where it ran exactly when some other edges ran:

- when it is the one way into a block that cannot raise, it ran if one of the edges that leave the block did: it
  dominates all of these, and together they post-dominate it;
- when it is the one way out of a block that cannot raise, it ran if one of the edges into the block did.

That is Kirchhoff's law, of which only "some or none" is left: D. E. Knuth, F. R. Stevenson: Optimal measurement points
for program frequency counts (BIT 13, 1973), and H. Agrawal: Dominators, super blocks, and program coverage (POPL 1994).
Blocks that can raise may be left unseen, so they tell nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import equip
from equip import ControlFlow, Edge, EdgeKind

IMPLICIT = (EdgeKind.EXCEPTION, EdgeKind.RAISE)


@dataclass
class Placement:
    """The branches of one code object, those that get a probe, and what tells about the others."""

    branches: list[Edge] = field(default_factory=list)
    probes: list[Edge] = field(default_factory=list)
    told_by: dict[Edge, tuple[Edge, ...]] = field(default_factory=dict)
    unknown: set[Edge] = field(default_factory=set)
    """Branches on which no code can stand, and of which nothing tells."""

    def ran(self, edge: Edge, hit: set[Edge]) -> bool:
        """Whether an edge ran, when these probes did. Definitions are never circular."""
        if edge in self.told_by:
            return any(self.ran(one, hit) for one in self.told_by[edge])
        return edge in hit


def placement_of(flow: ControlFlow, can_stand: dict[Edge, bool]) -> Placement:
    """Where probes go in a graph; ``can_stand``: whether code can stand on an edge."""
    found = Placement()
    for block in flow.reachable:
        ways = [edge for edge in flow.edges_from(block) if edge.kind not in IMPLICIT]
        if len(ways) > 1:
            found.branches += ways
    wanted = set(found.branches)
    # The innermost loops first: there a probe costs most.
    order = sorted(found.branches, key=lambda edge: (-depth_of(flow, edge), edge.source.start))
    for edge in order:
        for others in (telling_behind(flow, edge), telling_before(flow, edge)):
            useful = others and all(one in wanted or not can_stand[edge] for one in others)
            if useful and all(can_stand[one] for one in others) and not any(
                depends(found, one, edge) for one in others
            ):
                found.told_by[edge] = others
                break
    needed = {one for edge in found.branches for one in roots(found, edge)}
    found.probes = [edge for edge in flow.edges if edge in needed and can_stand[edge]]
    found.unknown = {edge for edge in found.branches if edge not in found.told_by and not can_stand[edge]}
    return found


def telling_behind(flow: ControlFlow, edge: Edge) -> tuple[Edge, ...]:
    """The edges of which one runs whenever ``edge`` does, and none otherwise: those behind its target."""
    return flow.edges_from(edge.target) if quiet(flow, edge.target) and len(flow.edges_to(edge.target)) == 1 else ()


def telling_before(flow: ControlFlow, edge: Edge) -> tuple[Edge, ...]:
    """The same: those before its source."""
    return flow.edges_to(edge.source) if quiet(flow, edge.source) and len(flow.edges_from(edge.source)) == 1 else ()


def quiet(flow: ControlFlow, block: equip.BasicBlock) -> bool:
    """Whether a block that is entered is left, and by one of its explicit edges."""
    return not block.is_virtual and not any(edge.kind in IMPLICIT for edge in flow.edges_from(block))


def depends(found: Placement, one: Edge, other: Edge) -> bool:
    """Whether what is known of ``one`` comes from ``other``."""
    return other in roots(found, one) or other in inner(found, one)


def roots(found: Placement, edge: Edge) -> set[Edge]:
    """The edges that have to be watched to know of ``edge``."""
    if edge not in found.told_by:
        return {edge}
    return {root for one in found.told_by[edge] for root in roots(found, one)}


def inner(found: Placement, edge: Edge) -> set[Edge]:
    """Everything on the way from ``edge`` to its roots."""
    if edge not in found.told_by:
        return set()
    return {edge}.union(*(inner(found, one) for one in found.told_by[edge]))


def depth_of(flow: ControlFlow, edge: Edge) -> int:
    loop = flow.loops.around(edge.source)
    return loop.depth if loop is not None else 0
