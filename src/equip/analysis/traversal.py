"""Ways through a control flow graph: in an order, along edges, from one block to another.

``backwards`` follows edges from target to source and begins at the exit. Blocks that are not reached that way
are left out; all orders follow the edges of a block in the order of ``ControlFlow.edges_from``, so that they are the
same each time. Nothing here is recursive.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence

from equip.analysis.controlflow import BasicBlock, ControlFlow, Edge


def preorder(flow: ControlFlow, *, backwards: bool = False) -> tuple[BasicBlock, ...]:
    """Blocks as a depth-first search comes to them, the entry first."""
    return _blocks(flow, _search(flow, backwards)[0])


def postorder(flow: ControlFlow, *, backwards: bool = False) -> tuple[BasicBlock, ...]:
    """Blocks as a depth-first search leaves them: a block behind all that it leads to, but for cycles."""
    return _blocks(flow, _search(flow, backwards)[1])


def reverse_postorder(flow: ControlFlow, *, backwards: bool = False) -> tuple[BasicBlock, ...]:
    """Blocks in the reverse of the postorder: a block before all that it leads to, but for cycles."""
    return _blocks(flow, _search(flow, backwards)[1][::-1])


def breadth_first(flow: ControlFlow, *, backwards: bool = False) -> tuple[BasicBlock, ...]:
    """Blocks by the least number of edges that lead to them."""
    outgoing, root = _direction(flow, backwards)
    found = {root: None}
    pending = deque(found)
    while pending:
        for node in outgoing[pending.popleft()]:
            if node not in found:
                found[node] = None
                pending.append(node)
    return _blocks(flow, found)


def walk(flow: ControlFlow, visitor: Callable[[Edge], object], *, backwards: bool = False) -> None:
    """Call ``visitor`` once for each edge that is reached, depth first: an edge before those behind its block.

    When it returns False (and not just something false), what is behind the edge is not followed from there.
    """
    start = flow.exit if backwards else flow.entry
    edges = flow.edges_to if backwards else flow.edges_from
    seen = {start}
    pending = [iter(edges(start))]
    while pending:
        for edge in pending[-1]:
            block = edge.source if backwards else edge.target
            if visitor(edge) is not False and block not in seen:
                seen.add(block)
                pending.append(iter(edges(block)))
                break
        else:
            pending.pop()


def reachable_from(flow: ControlFlow, block: BasicBlock, *, backwards: bool = False) -> frozenset[BasicBlock]:
    """The blocks to which control can come from a block (backwards: from which it can come there), itself included."""
    outgoing, _ = _direction(flow, backwards)
    first = flow.node(block)
    seen = {first}
    pending = [first]
    while pending:
        for node in outgoing[pending.pop()]:
            if node not in seen:
                seen.add(node)
                pending.append(node)
    return frozenset(flow.nodes[node] for node in seen)


def simple_paths(
    flow: ControlFlow, source: BasicBlock, target: BasicBlock, *, limit: int | None = None, longest: int | None = None
) -> Iterator[tuple[Edge, ...]]:
    """The paths from one block to another that pass no block twice, as edges.

    There can be very many: at most ``limit`` of them, of at most ``longest`` edges. Of a block to itself there is one,
    which is empty. Parts of the graph from which the target cannot be reached are not entered.
    """
    if limit is not None and limit <= 0:
        return
    useful = reachable_from(flow, target, backwards=True)
    if flow.node(source) == flow.node(target):
        yield ()
        return
    count = 0
    path: list[Edge] = []
    inside = {source}
    pending = [iter(flow.edges_from(source))]
    while pending:
        edge = next(pending[-1], None)
        if edge is None or (longest is not None and len(path) >= longest):
            pending.pop()
            if path:
                inside.discard(path.pop().target)
        elif edge.target is target:
            yield (*path, edge)
            count += 1
            if count == limit:
                return
        elif edge.target in useful and edge.target not in inside:
            path.append(edge)
            inside.add(edge.target)
            pending.append(iter(flow.edges_from(edge.target)))


def _direction(flow: ControlFlow, backwards: bool) -> tuple[Sequence[Sequence[int]], int]:
    if backwards:
        return flow.shape.predecessors, flow.shape.count + 1
    return flow.shape.successors, 0


def _blocks(flow: ControlFlow, numbers: Sequence[int] | dict[int, None]) -> tuple[BasicBlock, ...]:
    nodes = flow.nodes
    return tuple(nodes[number] for number in numbers)


def _search(flow: ControlFlow, backwards: bool) -> tuple[list[int], list[int]]:
    """Preorder and postorder of a depth-first search."""
    outgoing, root = _direction(flow, backwards)
    before, after = [root], []
    seen = {root}
    path = [(root, iter(outgoing[root]))]
    while path:
        node, ways = path[-1]
        for target in ways:
            if target not in seen:
                seen.add(target)
                before.append(target)
                path.append((target, iter(outgoing[target])))
                break
        else:
            after.append(node)
            path.pop()
    return before, after
