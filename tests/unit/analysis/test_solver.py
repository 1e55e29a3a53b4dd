"""The solver against the definitions of what it finds: ways through random graphs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from equip.analysis.bitvectors import BackwardBits, Change, ForwardBits
from equip.analysis.shape import EXCEPTION, JUMP, Shape
from equip.analysis.solver import reverse_postorder, solve_backward, solve_forward

Graph = tuple[Shape, list[Change]]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Nodes 0 (entry) to n + 1 (exit), any edges but into the entry and out of the exit, any changes of four bits."""
    count = draw(st.integers(1, 7))
    targets = st.lists(st.integers(1, count + 1), max_size=3)
    successors: list[Sequence[int]] = [(1,), *(draw(targets) for _ in range(count)), ()]
    kinds = [[draw(st.sampled_from([JUMP, EXCEPTION])) for _ in one] for one in successors]
    kinds[0] = [JUMP]
    predecessors: list[list[int]] = [[] for _ in successors]
    for source, found in enumerate(successors):
        for target in found:
            predecessors[target].append(source)
    bits = st.integers(0, 15)
    changes = [Change(), *(Change(*(draw(bits) for _ in range(4))) for _ in range(count)), Change()]
    return Shape(count, list(range(count)), successors, kinds, predecessors, ()), changes


def leaves(change: Change, kind: int, bit: int, has: bool) -> bool:
    """Whether a bit is there when control leaves on an edge of a kind."""
    gen, kill = (change[2], change[3]) if kind == EXCEPTION else (change[0], change[1])
    return bool(gen & bit) or (has and not kill & bit)


@settings(max_examples=300)
@given(graphs(), st.integers(0, 15))
def test_forward_sets_are_what_some_way_from_the_entry_brings(graph: Graph, at_entry: int) -> None:
    shape, changes = graph
    found = solve_forward(shape, ForwardBits(shape, changes, at_entry))
    for bit in (1, 2, 4, 8):
        start = (0, bool(at_entry & bit))
        seen, pending = {start}, [start]
        while pending:
            node, has = pending.pop()
            for target, kind in zip(shape.successors[node], shape.kinds[node], strict=True):
                step = (target, leaves(changes[node], kind, bit, has) if node else has)
                if step not in seen:
                    seen.add(step)
                    pending.append(step)
        for node, state in enumerate(found):
            if state is None:
                assert (node, True) not in seen
                assert (node, False) not in seen
            else:
                assert bool(state & bit) == ((node, True) in seen)


@settings(max_examples=300)
@given(graphs(), st.integers(0, 15))
def test_backward_sets_are_what_some_way_to_a_use_asks_for(graph: Graph, at_exit: int) -> None:
    shape, changes = graph
    found = solve_backward(shape, BackwardBits(shape, changes, at_exit))
    last = len(shape.successors) - 1
    for bit in (1, 2, 4, 8):
        for first in range(last + 1):
            seen, pending, wanted = {first}, [first], False
            while pending and not wanted:
                node = pending.pop()
                wanted = bool((at_exit if node == last else changes[node].gen) & bit)
                for target, kind in zip(shape.successors[node], shape.kinds[node], strict=True):
                    kill = changes[node].raised_kill if kind == EXCEPTION else changes[node].kill
                    if not kill & bit and target not in seen:
                        seen.add(target)
                        pending.append(target)
            assert bool(found[first] & bit) == wanted


@settings(max_examples=200)
@given(graphs())
def test_reverse_postorder_has_each_node_before_what_only_it_leads_to(graph: Graph) -> None:
    shape, _ = graph
    order = reverse_postorder(shape.successors)
    place = {node: i for i, node in enumerate(order)}
    assert order[0] == 0
    assert len(place) == len(order)
    for node in order[1:]:
        sources = [one for one in shape.predecessors[node] if one in place]
        assert sources
        assert any(place[one] < place[node] for one in sources)


def test_a_long_chain_needs_no_recursion_and_each_node_once() -> None:
    count = 50_000
    successors: list[Sequence[int]] = [(i + 1,) for i in range(count + 1)]
    successors.append(())
    predecessors: list[list[int]] = [[], *([i] for i in range(count + 1))]
    shape = Shape(count, range(count), successors, [[JUMP]] * (count + 1) + [[]], predecessors, ())
    visits: list[int] = []

    class Counting(ForwardBits):
        def transfer(self, node: int, state: int) -> Sequence[int]:
            visits.append(node)
            return super().transfer(node, state)

    found = solve_forward(shape, Counting(shape, [Change()] * (count + 2), 1))
    assert found[-1] == 1
    assert visits == list(range(count + 1))
