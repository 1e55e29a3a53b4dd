"""Merging plans: nothing twice, nothing lost, private names where they belong."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from equip.inject.request import Insertion, JoinPoint, Plan
from equip.program.merge import merge_plans
from equip.program.record import identity

BEFORE, AFTER, IMPORT = JoinPoint.BEFORE, JoinPoint.AFTER, JoinPoint.IMPORT


def test_the_same_is_not_added_again() -> None:
    plan: Plan = {(1,): [Insertion(BEFORE, "a", probe="P")], (): [Insertion(IMPORT, "import a", probe="P")]}
    assert merge_plans(plan, plan) == plan
    assert merge_plans({}, plan) == plan
    assert merge_plans(plan, {}) == plan


def test_another_is_added_behind() -> None:
    a, b = Insertion(BEFORE, "a", probe="P"), Insertion(BEFORE, "b", probe="Q")
    assert merge_plans({(1,): [a]}, {(1,): [b, a]}) == {(1,): [a, b]}


def test_each_part_of_an_insertion_tells_it_apart() -> None:
    one = Insertion(JoinPoint.LINENO, "a", 3, False, "P")
    others = [
        Insertion(JoinPoint.LINENO, "b", 3, False, "P"),
        Insertion(JoinPoint.LINENO, "a", 4, False, "P"),
        Insertion(JoinPoint.LINENO, "a", 3, True, "P"),
        Insertion(JoinPoint.LINENO, "a", 3, False, "Q"),
        Insertion(JoinPoint.BEFORE, "a", 3, False, "P"),
    ]
    for other in others:
        assert len(merge_plans({(1,): [one]}, {(1,): [other]})[1,]) == 2
        assert (2,) in merge_plans({(1,): [one]}, {(2,): [one]})


def test_asked_for_twice_is_there_twice() -> None:
    a = Insertion(BEFORE, "a", probe="P")
    assert merge_plans({(1,): [a]}, {(1,): [a, a]}) == {(1,): [a, a]}
    assert len(merge_plans({(1,): [a, a]}, {(1,): [a]})[1,]) == 2


def test_a_module_import_counts_once_whoever_asked() -> None:
    mine, yours = Insertion(IMPORT, "import a", probe="P"), Insertion(IMPORT, "import a", probe="Q")
    assert merge_plans({(): [mine]}, {(): [yours]}) == {(): [mine]}
    assert len(merge_plans({(1,): [mine]}, {(1,): [yours]})[1,]) == 2


def test_groups_of_what_is_added_do_not_clash() -> None:
    recorded = Insertion(BEFORE, "t = 1", probe="P", group=0)
    added = [Insertion(BEFORE, "t = 2", probe="P", group=0), Insertion(AFTER, "t", probe="P", group=0)]
    merged = merge_plans({(1,): [recorded]}, {(1,): added})[1,]
    assert [one.group for one in merged] == [0, 1, 1]


def test_what_was_asked_for_together_shares_its_names() -> None:
    before, after = Insertion(BEFORE, "t = 1", probe="P", group=3), Insertion(AFTER, "t", probe="P", group=3)
    recorded = Insertion(BEFORE, "t = 1", probe="P", group=0)
    assert [one.group for one in merge_plans({(1,): [recorded]}, {(1,): [before, after]})[1,]] == [0, 0]


insertions = st.lists(
    st.builds(
        Insertion,
        st.sampled_from([BEFORE, AFTER]),
        st.sampled_from(["a", "b", "c"]),
        probe=st.sampled_from(["P", "Q"]),
        group=st.integers(0, 3),
    ),
    max_size=8,
)


@given(insertions, insertions)
def test_merging_is_a_union_of_multisets_and_settles(first: list[Insertion], second: list[Insertion]) -> None:
    merged = merge_plans({(1,): first}, {(1,): second}).get((1,), [])
    assert Counter(map(identity, merged)) == Counter(map(identity, first)) | Counter(map(identity, second))
    assert merged[: len(first)] == first
    assert merge_plans({(1,): merged}, {(1,): second}).get((1,), []) == merged
