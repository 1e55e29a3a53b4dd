"""The exception table's codec, and painting against a model that has one handler for each code unit."""

from __future__ import annotations

import dis
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equip import InvalidCodeError
from equip.code.exceptions import Handler, decode, encode, paint
from property.library import code_objects

numbers = st.integers(0, 70) | st.integers(0, 1 << 20)


@st.composite
def tables(draw: st.DrawFn, limit: int = 1 << 20) -> list[Handler]:
    """Sorted, disjoint ranges."""
    bounds = sorted(draw(st.sets(st.integers(0, limit), min_size=0, max_size=12)))
    return [
        Handler(start, end, draw(numbers), draw(st.integers(0, 40)), draw(st.booleans()))
        for start, end in pairwise(bounds)
        if draw(st.booleans())
    ]


@given(tables())
def test_decode_inverts_encode(table: list[Handler]) -> None:
    assert decode(encode(table)) == table


def test_encode_inverts_decode_for_the_compilers_tables() -> None:
    for code in code_objects():
        assert encode(decode(code.co_exceptiontable)) == code.co_exceptiontable


def test_decode_agrees_with_the_interpreter() -> None:
    for code in code_objects():
        assert [
            (2 * one.start, 2 * one.end, 2 * one.target, one.depth, one.lasti) for one in decode(code.co_exceptiontable)
        ] == [
            (one.start, one.end, one.target, one.depth, one.lasti)
            for one in dis._parse_exception_table(code)  # type: ignore[attr-defined]
        ], code


@given(tables().filter(len), st.data())
def test_a_truncated_table_is_refused_or_shorter(table: list[Handler], data: st.DataObject) -> None:
    encoded = encode(table)
    cut = data.draw(st.integers(0, len(encoded) - 1))
    try:
        found = decode(encoded[:cut])
    except InvalidCodeError:
        return
    assert found == table[: len(found)]


@pytest.mark.parametrize("damaged", [b"\x81", b"\x81\x01\x02", b"\x81\x41", b"\x81\x01\x02\x03\x84\x01"])
def test_a_damaged_table_is_refused(damaged: bytes) -> None:
    with pytest.raises(InvalidCodeError, match="exception table"):
        decode(damaged)


# -- painting ------------------------------------------------------------------------------------------

SPAN = 40


@given(tables(SPAN), st.lists(st.tuples(st.integers(0, SPAN), st.integers(0, SPAN), st.integers(0, 5)), max_size=6))
def test_painting(base: list[Handler], overlays: list[tuple[int, int, int]]) -> None:
    """Each unit has the handler that was painted over it last; the result is sorted and disjoint."""
    painted = [(start, end, Handler(0, 0, n, n, False) if n else None) for start, end, n in overlays]
    expected = by_unit(base)
    for start, end, handler in painted:
        for unit in range(start, end):
            expected[unit] = handler[2:] if handler else None

    found = paint(base, painted)

    assert by_unit(found) == expected
    assert all(one.start < one.end for one in found)
    assert all(one.end <= other.start for one, other in pairwise(found))


def by_unit(table: list[Handler]) -> list[tuple[int, int, bool] | None]:
    found: list[tuple[int, int, bool] | None] = [None] * SPAN
    for handler in table:
        found[handler.start : handler.end] = [handler[2:]] * (handler.end - handler.start)
    return found
