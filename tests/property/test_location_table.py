"""The location table's codec, and splicing against a model that has one position for each code unit."""

from __future__ import annotations

from collections.abc import Sequence
from types import CodeType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equip import InvalidCodeError
from equip.code import inlays
from equip.code.inlays import inlay_of, splice_inlays
from equip.code.locations import Cut, Location, Piece, Tail, decode, encode, injected, is_mark, splice
from property.library import code_objects

UNKNOWN = (None, None, None, None)
Position = tuple[int | None, int | None, int | None, int | None]

lines = st.integers(1, 100) | st.integers(1, 1 << 20)
columns = st.none() | st.integers(0, 140) | st.integers(0, 1 << 20)


@st.composite
def locations(draw: st.DrawFn) -> Location:
    units = draw(st.integers(1, 8))
    if draw(st.integers(0, 5)) == 0:
        return Location(units, *UNKNOWN)
    line = draw(lines)
    # A missing column with an end column is what equip marks its own entries with; the compiler never makes it.
    column, end_column = draw(st.tuples(columns, columns).filter(lambda pair: (pair[0] is None) == (pair[1] is None)))
    return Location(units, line, line + draw(st.integers(0, 3) | st.integers(0, 1 << 12)), column, end_column)


tables = st.lists(locations(), min_size=1, max_size=20)


@given(tables, lines)
def test_decode_inverts_encode(table: list[Location], first: int) -> None:
    assert decode(encode(table, first), first) == table


def test_encode_inverts_decode_for_the_compilers_tables() -> None:
    for code in code_objects():
        assert encode(decode(code.co_linetable, code.co_firstlineno), code.co_firstlineno) == code.co_linetable


def test_decode_agrees_with_the_interpreter() -> None:
    for code in code_objects():
        assert positions(code.co_linetable, code.co_firstlineno) == [
            (line, end_line, column, end_column) for line, end_line, column, end_column in code.co_positions()
        ], code


@given(tables, lines, st.data())
def test_a_truncated_table_is_refused_or_shorter(table: list[Location], first: int, data: st.DataObject) -> None:
    encoded = encode(table, first)
    cut = data.draw(st.integers(0, len(encoded) - 1))
    try:
        found = decode(encoded[:cut], first)
    except InvalidCodeError:
        return
    assert found == table[: len(found)]


@pytest.mark.parametrize("damaged", [b"\x00", b"\x7f\x80", b"\xf0", b"\xd0\x01", b"\x80"])
def test_a_damaged_table_is_refused(damaged: bytes) -> None:
    with pytest.raises(InvalidCodeError, match="location table"):
        decode(damaged, 1)


# -- splicing ------------------------------------------------------------------------------------------


def positions(table: bytes, first: int) -> list[Position]:
    """The position of each code unit; where there is no line there is nothing."""
    return [
        (entry.line, entry.end_line, entry.column, entry.end_column)
        for entry in decode(table, first)
        for _ in range(entry.units)
    ]


def line_counters(table: bytes, first: int) -> list[int]:
    """Where the line counter stands at each code unit."""
    found: list[int] = []
    for line, *_ in positions(table, first):
        found.append(line if line is not None else found[-1] if found else first)
    return found


@st.composite
def cuts(draw: st.DrawFn, units: int) -> list[Cut]:
    """Cuts in order, none inside what another one removes, with pieces that are all injected or all the program's."""
    found = []
    at = 0
    while at < units and len(found) < 6:
        at += draw(st.integers(0, units - at))
        if at >= units:
            break
        removed = draw(st.integers(0, min(3, units - at - 1)) | st.just(0))
        own = st.builds(injected, st.integers(1, 20), st.integers(1, 300))
        pieces = draw(st.lists(own, min_size=0 if removed else 1, max_size=3))
        found.append(Cut(at, pieces, removed))
        at += removed or 1
    return found


def units_of(cut: Cut) -> int:
    return sum(entry.units for piece in cut.pieces for entry in decode(piece[0] + b"\0" + piece[1], 1))


@given(st.data(), lines)
def test_splicing_moves_no_position(data: st.DataObject, first: int) -> None:
    table = encode(data.draw(tables), first)
    check_splice(table, first, data)


@given(st.data())
def test_splicing_the_compilers_tables(data: st.DataObject) -> None:
    code: CodeType = data.draw(st.sampled_from(code_objects()))
    check_splice(code.co_linetable, code.co_firstlineno, data)


def check_splice(table: bytes, first: int, data: st.DataObject) -> None:
    before, counters = positions(table, first), line_counters(table, first)
    chosen = data.draw(cuts(len(before)))
    tail = data.draw(st.none() | lines)
    tails = [] if tail is None else [Tail([injected(11, 7)], tail)]

    spliced = splice(table, chosen, tails, counters[-1])

    expected: list[Position | int] = []  # of an injected unit, its line
    done = 0
    for cut in chosen:
        at, _, removed = cut
        expected += before[done:at]
        expected += [counters[at]] * units_of(cut)
        done = at + removed
    expected += before[done:]
    expected += [tail] * 11 if tail is not None else []
    found = [
        entry.line if is_mark(entry) else (entry.line, entry.end_line, entry.column, entry.end_column)
        for entry in decode(spliced, first)
        for _ in range(entry.units)
    ]
    assert found == expected


# -- the same few things at many places ----------------------------------------------------------------


own_or_moved = st.builds(injected, st.integers(1, 20), st.integers(1, 3)) | st.integers(1, 2)
pieces = st.lists(own_or_moved, min_size=1, max_size=2)


@given(tables, lines, st.data())
def test_inlays_are_what_splicing_gives(table: list[Location], first: int, data: st.DataObject) -> None:
    check_inlays(encode(table, first), sum(entry.units for entry in table), data)


@given(st.data())
def test_inlays_in_the_compilers_tables(data: st.DataObject) -> None:
    code: CodeType = data.draw(st.sampled_from(code_objects()))
    check_inlays(code.co_linetable, len(code.co_code) // 2, data)


@given(tables, st.data())
def test_inlays_in_a_table_that_is_longer_than_its_code(table: list[Location], data: st.DataObject) -> None:
    check_inlays(encode(table, 1), max(1, sum(entry.units for entry in table[:-1])), data)


def check_inlays(table: bytes, units: int, data: st.DataObject) -> None:
    """``units`` are how much code the table is for."""
    own: dict[int, list[Piece]] = data.draw(st.dictionaries(st.integers(0, units - 1), pieces, max_size=6))
    base = data.draw(st.integers(0, 1000))
    order = sorted(own)
    chosen = [inlay_of(tuple(own[at])) for at in order]
    expected = splice(table, [Cut(at, own[at]) for at in order])
    for _ in range(2):  # what an entry has become is known the second time
        assert splice_inlays(table, units, [base + at for at in order], chosen, base) == expected


def test_an_inlay_behind_the_end_of_a_table_that_is_shorter_than_its_code() -> None:
    table = encode([Location(2, 1, 1, None, None)], 1)
    with pytest.raises(InvalidCodeError, match="ends before code unit 3"):
        splice_inlays(table, 4, [1, 3], [inlay_of((injected(1, 1),))] * 2, 0)


def test_places_in_the_same_entry_cost_no_more_for_what_is_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    spliced: list[int] = []

    def counting(table: bytes, cuts: Sequence[Cut]) -> bytes:
        spliced.append(len(cuts))
        return splice(table, cuts)

    monkeypatch.setattr(inlays, "splice", counting)
    table = encode([Location(2, line, line, 4, 8) for line in range(1, 500)], 1)
    places = [*range(998)]
    chosen = [inlay_of((injected(3, 1),))] * len(places)
    expected = splice(table, [Cut(at, chosen[0].pieces) for at in places])
    assert splice_inlays(table, 998, places, chosen, 0) == expected
    assert sum(spliced) < 3 * len(places)
