"""The location table: which source position each code unit has.

``decode`` and ``encode`` are inverse on every table that the compiler makes: byte for byte. ``splice``
moves a table along with an edit without decoding it.

A table is a row of entries; each says how many code units (1 to 8) it covers and where they come from,
the line as a difference to the entry before. Source: CPython ``InternalDocs/code_objects.md``.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import NamedTuple

from equip.code.varint import read_signed_varint, read_varint, signed_varint, varint
from equip.errors import InvalidCodeError

_SHORT_LAST = 9
_ONE_LINE_0 = 10
_ONE_LINE_2 = 12
_NO_COLUMNS = 13
_LONG = 14
_NONE = 15

_ENTRY = re.compile(rb"[\x80-\xff][\x00-\x7f]*")
_PAYLOAD = bytes(range(128))
_UNITS = bytes((first & 7) + 1 for first in range(256))
"""The code units that an entry covers, by its first byte."""
_SIGNED_VARINT = re.compile(rb"[\x40-\x7f]*[\x00-\x3f]")


class Location(NamedTuple):
    """The position of ``units`` code units; lines from 1, columns from 0 in bytes, ``None`` where unknown."""

    units: int
    line: int | None
    end_line: int | None
    column: int | None
    end_column: int | None


def decode(linetable: bytes, firstlineno: int) -> list[Location]:
    """The entries of a location table. Raises ``InvalidCodeError`` when it is damaged."""
    line = firstlineno
    found: list[Location] = []
    data = iter(linetable)
    try:
        for first in data:
            if not first & 0x80:
                raise InvalidCodeError(f"location table: entry {len(found)} does not begin with a set high bit")
            kind, units = (first >> 3) & 15, (first & 7) + 1
            if kind == _NONE:
                found.append(Location(units, None, None, None, None))
            elif kind == _LONG:
                line += read_signed_varint(data)
                end_line = line + read_varint(data)
                column, end_column = read_varint(data), read_varint(data)
                found.append(Location(units, line, end_line, column - 1 if column else None,
                                      end_column - 1 if end_column else None))  # fmt: skip
            elif kind == _NO_COLUMNS:
                line += read_signed_varint(data)
                found.append(Location(units, line, line, None, None))
            elif kind >= _ONE_LINE_0:
                line += kind - _ONE_LINE_0
                found.append(Location(units, line, line, next(data), next(data)))
            else:
                second = next(data)
                column = (kind << 3) | (second >> 4)
                found.append(Location(units, line, line, column, column + (second & 15)))
    except (StopIteration, RuntimeError):
        raise InvalidCodeError(f"location table: truncated in entry {len(found)}") from None
    return found


def encode(locations: Iterable[Location], firstlineno: int) -> bytes:
    """The table for these entries, in the form that the compiler chooses for each."""
    out = bytearray()
    line = firstlineno
    for location in locations:
        out += _encode_entry(location, location.line - line if location.line is not None else 0)
        line = location.line if location.line is not None else line
    return bytes(out)


def _encode_entry(location: Location, delta: int) -> bytes:
    units, line, end_line, column, end_column = location
    if line is None:
        return _head(_NONE, units)
    if column is None and end_column is None and end_line == line:
        return _head(_NO_COLUMNS, units) + signed_varint(delta)
    if column is not None and end_column is not None and end_line == line:
        if delta == 0 and column < 80 and 0 <= end_column - column < 16:
            return _head(column >> 3, units) + bytes([((column & 7) << 4) | (end_column - column)])
        if 0 <= delta < 3 and column < 128 and end_column < 128:
            return _head(_ONE_LINE_0 + delta, units) + bytes([column, end_column])
    return (
        _head(_LONG, units)
        + signed_varint(delta)
        + varint((end_line if end_line is not None else line) - line)
        + varint(0 if column is None else column + 1)
        + varint(0 if end_column is None else end_column + 1)
    )


def _head(kind: int, units: int) -> bytes:
    return bytes([0x80 | (kind << 3) | (units - 1)])


# -- splicing ----------------------------------------------------------------------------------------


class Injected(NamedTuple):
    """Entries for injected code units, ``head + delta + rest``, where delta is the move of the line to theirs.

    They are of a form that the compiler never makes (the long one without a column, with a mark in the place of
    the end column): that is how ``provenance`` finds them again.
    """

    head: bytes
    rest: bytes


Piece = Injected | int
"""What is put in: injected units, or so many units that take the location of the instruction at the place."""


class Cut(NamedTuple):
    """At code unit ``at``: put in ``pieces``, on the line of what stands there, and drop ``removed`` units."""

    at: int
    pieces: Sequence[Piece]
    removed: int = 0


class Tail(NamedTuple):
    """Units put behind the end of the code, on ``line``."""

    pieces: Sequence[Piece]
    line: int


def injected(units: int, mark: int) -> Injected:
    """The entries for ``units`` units with a mark (from 1)."""
    payload = b"\0\0" + varint(mark + 1)
    head = _head(_LONG, min(units, 8))
    rest = payload
    while (units := units - 8) > 0:
        rest += _head(_LONG, min(units, 8)) + b"\0" + payload
    return Injected(head, rest)


def is_mark(location: Location) -> bool:
    """Whether this entry was made by ``injected``."""
    return location.column is None and location.end_column is not None


def _delta(entry: bytes) -> bytes:
    """By how much an entry moves the line, as a signed varint."""
    kind = (entry[0] >> 3) & 15
    if kind in (_NO_COLUMNS, _LONG):
        found = _SIGNED_VARINT.match(entry, 1)
        if found is None:
            raise InvalidCodeError("location table: truncated in its last entry")
        return found.group()
    if kind in (_ONE_LINE_0 + 1, _ONE_LINE_2):
        return bytes([(kind - _ONE_LINE_0) << 1])
    return b"\0"


def _still(entry: bytes) -> bytes:
    """The entry for the same position once the line counter is already there."""
    kind = (entry[0] >> 3) & 15
    if kind in (_NO_COLUMNS, _LONG):
        return entry[:1] + b"\0" + entry[1 + len(_delta(entry)) :]
    if kind in (_ONE_LINE_0 + 1, _ONE_LINE_2):
        return bytes([0x80 | (_ONE_LINE_0 << 3) | (entry[0] & 7)]) + entry[1:]
    return entry


def _resized(entry: bytes, units: int) -> bytes:
    return bytes([(entry[0] & 0xF8) | (units - 1)]) + entry[1:]


def _repeated(entry: bytes, units: int) -> bytes:
    """Entries for ``units`` units at the position of ``entry``."""
    out = b""
    while units > 0:
        out += _resized(entry, min(units, 8))
        entry = _still(entry)
        units -= 8
    return out


def splice(linetable: bytes, cuts: Sequence[Cut], tails: Sequence[Tail] = (), last_line: int = 1) -> bytes:
    """``linetable`` after the edit: ``cuts`` sorted by index, none inside another's removed units.

    ``last_line`` is the line at which the table ends, for the ``tails`` behind it.

    What is not cut keeps its line, columns and order; the line counter of everything behind a cut is unmoved.
    """
    entries: list[bytes] = _ENTRY.findall(linetable)
    starts = list(accumulate(linetable.translate(_UNITS, _PAYLOAD), initial=0))
    out: list[bytes] = []
    done = 0  # entries[:done] are copied
    rest = entries[0] if entries else b""  # what is left of entries[done]
    at = 0  # the code unit at which rest begins
    for index, pieces, removed in cuts:
        holder = bisect_right(starts, index, done) - 1
        if holder > done:
            out.append(rest)
            out += entries[done + 1 : holder]
            if holder == len(entries):
                raise InvalidCodeError(f"location table: ends before code unit {index}")
            done, rest, at = holder, entries[holder], starts[holder]
        if index > at:
            out.append(_resized(rest, index - at))
            rest = _resized(_still(rest), starts[done + 1] - index)
            at = index
        delta, still = b"\0", rest
        if 0x58 <= rest[0] & 0x78 < 0x78:  # a kind that moves the line
            delta, still = _delta(rest), _still(rest)
        for piece in pieces:
            if isinstance(piece, int):
                out.append(_repeated(rest, piece))
            else:
                head, tail = piece
                out += (head, delta, tail)
            rest, delta = still, b"\0"
        moved = 0
        while removed:
            units = starts[done + 1] - at
            if removed < units:
                rest = _resized(rest, units - removed)
                at += removed
                break
            removed -= units
            moved += read_signed_varint(iter(_delta(rest)))
            done += 1
            rest, at = entries[done] if done < len(entries) else b"", starts[done]
        if moved and rest:
            rest = _carried(entries, done, rest, moved)
    out.append(rest)
    out += entries[done + 1 :]
    if tails:
        line = last_line
        for pieces, goal in tails:
            for piece in pieces:
                delta = signed_varint(goal - line)
                line = goal
                if isinstance(piece, int):
                    out.append(_repeated(_head(_NO_COLUMNS, 1) + delta, piece))
                else:
                    out += (piece[0], delta, piece[1])
    return b"".join(out)


def _carried(entries: list[bytes], done: int, rest: bytes, lines: int) -> bytes:
    """Add ``lines`` to the next difference: that of ``rest``, or of the next entry that has one. Returns ``rest``."""
    if rest[0] & 0x78 != _NONE << 3:
        return _moved(rest, lines)
    for i in range(done + 1, len(entries)):
        if entries[i][0] & 0x78 != _NONE << 3:
            entries[i] = _moved(entries[i], lines)
            break
    return rest


def _moved(entry: bytes, lines: int) -> bytes:
    """The entry with ``lines`` added to its own difference."""
    [location] = decode(entry, 0)
    assert location.line is not None
    assert location.end_line is not None
    delta = location.line + lines
    return _encode_entry(
        location._replace(line=delta, end_line=location.end_line + lines), delta
    )
