"""Dominators, frontiers, loops and control dependence against their definitions and against networkx."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from types import CodeType
from unittest import mock

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equip import BasicBlock, ControlFlow, DominatorTree, Edge
from equip.analysis import idom, traversal
from property import graphs
from property.graphs import Graph
from property.library import code_objects, every_code_object

# -- graphs of integers -----------------------------------------------------------------------------------------------


@given(graphs.graphs(), st.sampled_from([0, 1000]))
def test_dominators_of_graphs(graph: Graph, large: int) -> None:
    with mock.patch.object(idom, "_LARGE", large):
        found = idom.dominators(graph, graphs.reversed_graph(graph))
    assert list(found.idom) == graphs.immediate(graph, 0)
    assert [set(one) for one in found.frontiers()] == graphs.frontier(graph, 0)
    check_tree(found, graph, 0)


@given(graphs.graphs(), st.sampled_from([0, 1000]))
def test_post_dominators_of_graphs(graph: Graph, large: int) -> None:
    last = len(graph) - 1
    with mock.patch.object(idom, "_LARGE", large):
        found = idom.post_dominators(graph, graphs.reversed_graph(graph))
    outgoing = found.incoming
    added = {node for node in range(len(graph)) if list(outgoing[node]) != list(graph[node])}
    assert added == traps(graph)
    assert all(list(outgoing[node]) == [*graph[node], last] for node in added)
    backwards = graphs.reversed_graph(outgoing)
    assert list(found.idom) == graphs.immediate(backwards, last)
    assert [set(one) for one in found.frontiers()] == graphs.frontier(backwards, last)
    check_tree(found, backwards, last)


def check_tree(found: idom.Dominance, graph: Graph, root: int) -> None:
    below = graphs.dominated(graph, root)
    first, behind = found.intervals()
    children = found.children()
    assert sorted(found.order) == sorted(graphs.reached(graph, root))
    assert all(len(set(one)) == len(one) for one in found.frontiers())
    for node in range(len(graph)):
        assert {one for one in found.order if first[node] <= first[one] < behind[node]} == below[node]
        assert set(children[node]) == {one for one in found.order if found.idom[one] == node and one != root}


def traps(graph: Graph) -> set[int]:
    """The first node of each cycle (or dead end) that nothing leaves and that is not the exit."""
    last = len(graph) - 1
    closed = [graphs.reached(graph, node) for node in range(len(graph))]
    return {
        min(around)
        for node, around in enumerate(closed)
        if last not in around and all(node in closed[other] for other in around)
    }


@given(st.integers(0, 2**32), st.integers(20, 120), st.booleans())
def test_large_graphs_against_networkx(seed: int, size: int, large: bool) -> None:
    """More nodes than a definition can be asked about: many ways into one node, deep trees."""
    chance = random.Random(seed)
    hub = chance.randrange(1, size)
    graph: Graph = [
        [1],
        *(
            [min(node + 1, size), *(chance.choice([hub, size, chance.randint(1, size)]) for _ in range(2))]
            for node in range(1, size)
        ),
        [],
    ]
    backwards = graphs.reversed_graph(graph)
    with mock.patch.object(idom, "_LARGE", 10 if large else 1000):
        against_networkx(idom.dominators(graph, backwards), graph, 0)
        against_networkx(idom.post_dominators(graph, backwards), backwards, size)


def against_networkx(found: idom.Dominance, graph: Graph, root: int) -> None:
    theirs = nx.DiGraph()
    theirs.add_nodes_from(range(len(graph)))
    theirs.add_edges_from((node, target) for node, targets in enumerate(graph) for target in targets)
    expected = {**nx.immediate_dominators(theirs, root), root: root}
    assert {node: found.idom[node] for node in found.order} == expected
    frontiers = nx.dominance_frontiers(theirs, root)
    ours = found.frontiers()
    assert {node: set(ours[node]) for node in found.order} == {node: set(frontiers[node]) for node in expected}


# -- graphs of code ---------------------------------------------------------------------------------------------------


def numbers(flow: ControlFlow, blocks: Mapping[BasicBlock, BasicBlock]) -> list[int]:
    return [flow.node(blocks[block]) if block in blocks else -1 for block in flow.nodes]


@given(graphs.flows())
def test_trees_of_code(flow: ControlFlow) -> None:
    tree = DominatorTree(flow)
    graph = flow.shape.successors
    assert numbers(flow, tree.dom) == graphs.immediate(graph, 0)
    below = graphs.dominated(graph, 0)
    frontiers = graphs.frontier(graph, 0)
    for block in flow.nodes:
        if block.is_reachable:
            assert {flow.node(one) for one in tree.frontier[block]} == frontiers[flow.node(block)]
            assert all(tree.dom[child] is block for child in tree.children(block))
        else:
            assert block not in tree.frontier
        for other in flow.nodes:
            expected = block is other or flow.node(other) in below[flow.node(block)]
            assert tree.dominates(block, other) == expected
    backwards = graphs.reversed_graph(tree.backward.incoming)
    assert numbers(flow, tree.post_dom) == graphs.immediate(backwards, len(graph) - 1)
    below = graphs.dominated(backwards, len(graph) - 1)
    frontiers = graphs.frontier(backwards, len(graph) - 1)
    for block in flow.nodes:
        expected = frontiers[flow.node(block)]
        if block.is_reachable:  # what cannot be reached decides nothing about it
            expected &= {flow.node(one) for one in flow.nodes if one.is_reachable}
        assert {flow.node(one) for one in tree.post_frontier[block]} == expected
        assert all(tree.post_dom[child] is block for child in tree.post_children(block))
        for other in flow.nodes:
            assert tree.post_dominates(block, other) == (flow.node(other) in below[flow.node(block)])


@given(graphs.flows())
def test_control_dependence(flow: ControlFlow) -> None:
    tree = flow.dominators
    for block in flow.nodes:
        expected = tuple(
            edge
            for edge in flow.edges
            if tree.post_dominates(block, edge.target)
            and not (tree.post_dominates(block, edge.source) and block is not edge.source)
            and len(tree.backward.incoming[flow.node(edge.source)]) > 1
            and (edge.source.is_reachable or not block.is_reachable)
        )
        assert flow.control_dependence[block] == expected
        assert {edge.source for edge in expected} <= tree.post_frontier[block]


@given(graphs.flows())
def test_loops(flow: ControlFlow) -> None:
    check_loops(flow)


def test_loops_of_the_library() -> None:
    nested = 0
    for code in code_objects():
        flow = ControlFlow(code)
        if len(flow.loops) > 0 and len(flow) < 100:
            check_loops(flow)
            nested += any(loop.depth > 1 for loop in flow.loops)
    assert nested > 10


def check_loops(flow: ControlFlow) -> None:
    tree, graph = flow.dominators, flow.shape.successors
    closing: dict[BasicBlock, list[Edge]] = {}
    for edge in flow.edges:
        if edge.source.is_reachable and tree.dominates(edge.target, edge.source):
            closing.setdefault(edge.target, []).append(edge)
    assert {loop.header: loop.back_edges for loop in flow.loops} == {h: tuple(found) for h, found in closing.items()}
    backwards = graphs.reversed_graph(graph)
    bodies = {}
    for loop in flow.loops:
        header = flow.node(loop.header)
        body = {header}
        for edge in loop.back_edges:
            body |= graphs.reached(backwards, flow.node(edge.source), [header])
        bodies[loop] = {flow.nodes[node] for node in body if flow.nodes[node].is_reachable}
        assert loop.blocks == bodies[loop]
        assert loop.exits == tuple(e for e in flow.edges if e.source in loop and e.target not in loop)
        assert all(tree.dominates(loop.header, block) for block in loop.blocks)
    for loop in flow.loops:
        around = [other for other in flow.loops if other is not loop and bodies[loop] < bodies[other]]
        assert loop.depth == len(around) + 1
        assert loop.parent is min(around, key=lambda other: len(bodies[other]), default=None)
        assert set(loop.children) == {other for other in flow.loops if other.parent is loop}
    for block in flow.nodes:
        inside = [loop for loop in flow.loops if block in loop]
        assert flow.loops.around(block) is min(inside, key=lambda loop: len(bodies[loop]), default=None)


@given(graphs.flows())
def test_cycles_are_loops_or_irreducible(flow: ControlFlow) -> None:
    """Without the edges that close a loop, and those that are said to close a cycle that is none, no cycle is left."""
    closing = {edge for loop in flow.loops for edge in loop.back_edges} | set(flow.loops.irreducible)
    rest = nx.DiGraph((e.source, e.target) for e in flow.edges if e.source.is_reachable and e not in closing)
    assert nx.is_directed_acyclic_graph(rest)
    reducible = nx.DiGraph(
        (e.source, e.target)
        for e in flow.edges
        if e.source.is_reachable and not flow.dominators.dominates(e.target, e.source)
    )
    assert (not flow.loops.irreducible) == nx.is_directed_acyclic_graph(reducible)


# -- traversals -------------------------------------------------------------------------------------------------------


@given(graphs.flows(), st.booleans())
def test_orders(flow: ControlFlow, backwards: bool) -> None:
    graph = flow.shape.successors
    root = flow.exit if backwards else flow.entry
    theirs = nx.DiGraph()
    theirs.add_node(flow.node(root))
    for node, targets in enumerate(graphs.reversed_graph(graph) if backwards else graph):
        theirs.add_edges_from((node, target) for target in targets)

    def order(blocks: Sequence[BasicBlock]) -> list[int]:
        return [flow.node(block) for block in blocks]

    preorder = order(traversal.preorder(flow, backwards=backwards))
    postorder = order(traversal.postorder(flow, backwards=backwards))
    assert preorder == list(nx.dfs_preorder_nodes(theirs, flow.node(root)))
    assert postorder == list(nx.dfs_postorder_nodes(theirs, flow.node(root)))
    assert order(traversal.reverse_postorder(flow, backwards=backwards)) == postorder[::-1]
    breadth = order(traversal.breadth_first(flow, backwards=backwards))
    distance = nx.single_source_shortest_path_length(theirs, flow.node(root))
    assert sorted(breadth) == sorted(distance)
    assert [distance[node] for node in breadth] == sorted(distance.values())


@given(graphs.flows(), st.booleans())
def test_walk(flow: ControlFlow, backwards: bool) -> None:
    seen: list[Edge] = []
    traversal.walk(flow, seen.append, backwards=backwards)
    reached = traversal.reachable_from(flow, flow.exit if backwards else flow.entry, backwards=backwards)
    assert len(seen) == len(set(seen))
    assert set(seen) == {edge for edge in flow.edges if (edge.target if backwards else edge.source) in reached}
    seen.clear()
    traversal.walk(flow, lambda edge: bool(seen.append(edge)), backwards=backwards)
    start = flow.exit if backwards else flow.entry
    assert seen == list(flow.edges_to(start) if backwards else flow.edges_from(start))


@given(graphs.flows(), st.data())
def test_simple_paths(flow: ControlFlow, data: st.DataObject) -> None:
    source, target = data.draw(st.sampled_from(flow.nodes)), data.draw(st.sampled_from(flow.nodes))
    theirs = nx.MultiDiGraph()
    theirs.add_nodes_from(flow.nodes)
    theirs.add_edges_from((edge.source, edge.target, edge.kind) for edge in flow.edges)
    if source is target:
        expected: set[tuple[Edge, ...]] = {()}
    else:
        found = nx.all_simple_edge_paths(theirs, source, target)
        expected = {tuple(Edge(*edge) for edge in path) for path in found}
    ours = list(traversal.simple_paths(flow, source, target))
    assert len(ours) == len(set(ours))
    assert set(ours) == expected
    assert list(traversal.simple_paths(flow, source, target, limit=2)) == ours[:2]
    assert list(traversal.simple_paths(flow, source, target, longest=3)) == [path for path in ours if len(path) <= 3]
    assert (target in traversal.reachable_from(flow, source)) == bool(ours)


# -- the standard library ---------------------------------------------------------------------------------------------


def check_code(code: CodeType, large: int = 1000) -> None:
    for exceptions in (True, False):
        flow = ControlFlow(code, exceptions=exceptions)
        with mock.patch.object(idom, "_LARGE", large):
            _ = flow.dominators.forward, flow.dominators.backward
        tree, graph = flow.dominators, flow.shape.successors
        against_networkx(tree.forward, graph, 0)
        outgoing = tree.backward.incoming
        assert not exceptions or outgoing is graph, "with exceptions every loop can be left"
        against_networkx(tree.backward, graphs.reversed_graph(outgoing), len(graph) - 1)
        assert not flow.loops.irreducible


def test_the_library_against_networkx() -> None:
    for i, code in enumerate(code_objects()):
        check_code(code, 1000 if i % 2 else 5)


@pytest.mark.slow
def test_the_whole_library_against_networkx() -> None:
    count = 0
    for code in every_code_object():
        check_code(code)
        count += 1
    assert count > 10_000
