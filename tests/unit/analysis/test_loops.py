"""Loops, dependence and traversals of functions, as their source says; and long functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from equip import BasicBlock, ControlFlow, DominatorTree, EdgeKind
from equip.analysis import traversal

NESTED = """
def f(a):
    while a(1):
        for x in a:
            a(2)
            for y in x:
                a(3)
        a(4)
    for z in a:
        a(5)
    return a(6)
"""


def function(source: str) -> Callable[..., Any]:
    scope: dict[str, Any] = {}
    exec(source, scope)
    found = scope["f"]
    assert callable(found)
    return found


def block_on(flow: ControlFlow, line: int) -> BasicBlock:
    """The block of the call on a line."""
    (found,) = {flow.block_at(i.offset) for i in flow.instructions if i.lineno == line and i.opname == "CALL"}
    return found


def test_nested_loops() -> None:
    flow = ControlFlow(function(NESTED))
    outer, last, middle, inner = flow.loops
    assert [loop.depth for loop in (outer, last, middle, inner)] == [1, 1, 2, 3]
    assert (outer.parent, middle.parent, inner.parent, last.parent) == (None, outer, middle, None)
    assert (outer.children, middle.children, inner.children) == ((middle,), (inner,), ())
    for line, loop in ((5, middle), (7, inner), (8, outer), (10, last), (11, None)):
        assert flow.loops.around(block_on(flow, line)) is loop
    assert inner.blocks < middle.blocks < outer.blocks
    assert block_on(flow, 11) not in outer
    for loop in flow.loops:
        assert all(flow.is_back_edge(edge) for edge in loop.back_edges)
        assert all(edge.source in loop and edge.target not in loop for edge in loop.exits)
    assert [edge.kind for edge in inner.exits if edge.source is inner.header] == [EdgeKind.EXHAUSTED, EdgeKind.RAISE]
    assert flow.loops.irreducible == ()
    assert len(flow.loops) == 4
    assert flow.loops[0] is outer
    assert flow.loops[1:] == (last, middle, inner)


def test_what_a_branch_decides() -> None:
    flow = ControlFlow(function("def f(a):\n if a:\n  a(1)\n else:\n  a(2)\n return a(3)"), exceptions=False)
    one, two, three = (block_on(flow, line) for line in (3, 5, 6))
    ((yes,), (no,)) = flow.control_dependence[one], flow.control_dependence[two]
    assert (yes.kind, no.kind) == (EdgeKind.TRUE, EdgeKind.FALSE)
    assert yes.source is no.source
    assert flow.control_dependence[three] == ()
    assert flow.dominators.post_dom[one] is three
    assert flow.dominators.post_dominates(three, flow.entry)


def test_a_loop_that_nothing_leaves_has_post_dominators() -> None:
    flow = ControlFlow(function("def f(a):\n while True:\n  if a: a(1)\n  a(2)"), exceptions=False)
    tree = DominatorTree(flow)
    assert flow.edges_to(flow.exit) == ()
    assert flow.exit not in tree.dom
    assert set(tree.post_dom) == set(flow.nodes)
    (loop,) = flow.loops
    first = min(loop.blocks, key=lambda block: block.index)
    assert tree.post_dom[first] is flow.exit
    assert tree.post_dominates(block_on(flow, 4), block_on(flow, 3))
    assert not tree.post_dominates(block_on(flow, 3), block_on(flow, 4))


def test_mappings() -> None:
    flow, other = ControlFlow(function(NESTED)), ControlFlow(function(NESTED))
    tree = flow.dominators
    assert tree.dom[flow.entry] is flow.entry
    assert tree.post_dom[flow.exit] is flow.exit
    assert len(tree.dom) == len(flow.nodes)
    assert dict(tree.dom) == tree.dom
    assert tree.frontier[flow.entry] == frozenset()
    for missing in (other.entry, None, 3):
        assert missing not in tree.dom
        assert missing not in tree.frontier
        assert missing not in flow.control_dependence


def test_long_functions() -> None:
    """Nothing is recursive, and nothing takes a time that grows with the square."""
    flow = ControlFlow(function("def f(a):\n" + " if a: a.b()\n" * 5000 + " while a: a.c()\n" * 100))
    assert len(flow) > 10_000
    tree = flow.dominators
    assert tree.dominates(flow.entry, flow.exit)
    assert sum(map(len, tree.frontier.values())) < 10 * len(flow)
    assert sum(map(len, tree.post_frontier.values())) < 10 * len(flow)
    assert len(flow.loops) == 100
    assert sum(map(len, flow.control_dependence.values())) < 10 * len(flow)
    for order in (traversal.preorder, traversal.postorder, traversal.reverse_postorder, traversal.breadth_first):
        for backwards in (False, True):
            assert set(order(flow, backwards=backwards)) == set(flow.nodes)
    edges: list[object] = []
    traversal.walk(flow, edges.append)
    assert len(edges) == len(flow.edges)
    (longest,) = traversal.simple_paths(flow, flow.entry, flow.exit, limit=1)
    assert longest
