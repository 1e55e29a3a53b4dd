"""Pools: constants are found again by type and value, however many are added."""

from __future__ import annotations

from types import CodeType

import pytest

from equip.code import Pools, pools

VALUES = [
    *range(1000, 1020),
    *(1, 1.0, True, 0.0, -0.0, "text", "documented", b"text", (1,), (True,), (1.0,), None, ...),
    *(frozenset({1}), frozenset({True}), (0.0, (1,)), (-0.0, (1,)), 1j, 0j, -0j, complex(0.0, -0.0)),
]


def documented(a: object) -> object:
    "documented"
    return a, 1, "text", 1.0, (1, 2)


def indices(limit: int) -> tuple[list[int], list[str]]:
    """Where the constants go, each asked for twice, when an index is kept from ``limit`` additional ones on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pools, "_MANY", limit)
        made = Pools(documented.__code__)
        found = [made.const(value) for value in (*VALUES, *reversed(VALUES))]
    return found, list(map(repr, made.consts))


@pytest.mark.parametrize("limit", [1, 16])
def test_many_constants_go_where_few_would(limit: int) -> None:
    found, consts = indices(limit)
    assert (found, consts) == indices(10**6)
    assert found[: len(VALUES)] == list(reversed(found[len(VALUES) :]))
    for index, value in zip(found, VALUES, strict=False):
        assert (type(value).__name__, consts[index]) == (type(value).__name__, repr(value))


def test_the_docstring_is_no_constant_to_be_found() -> None:
    made = Pools(documented.__code__)
    assert made.const("documented") != 0
    assert made.const("text") == documented.__code__.co_consts.index("text")


def test_equal_constants_of_snippets_are_the_same_object() -> None:
    source = "(lambda: 'a b')(); x = 1.5, (2.5, 'c d', 'a b'), {'a b', 70000} <= set(), b'e f', -0.0, 70000"
    first, second = (compile(source, "<snippet>", "exec").co_consts for _ in range(2))
    assert first == second
    for one, other in zip(map(pools.shared, first), map(pools.shared, second), strict=True):
        assert one == other
        if isinstance(one, CodeType):
            one, other = one.co_consts, other.co_consts  # type: ignore[attr-defined]
            assert [*map(id, one)] == [*map(id, other)]
        else:
            assert one is other
    assert pools.shared(1.0) is not pools.shared(1)
    assert repr(pools.shared(0.0)) != repr(pools.shared(-0.0))
