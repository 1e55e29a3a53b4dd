"""The location table: which source position each code unit has.

``decode`` and ``encode`` are inverse on every table that the compiler makes: byte for byte. ``splice``
moves a table along with an edit without decoding it.

A table is a row of entries; each says how many code units (1 to 8) it covers and where they come from,
the line as a difference to the entry before. Source: CPython ``InternalDocs/code_objects.md``.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, compress, count, islice
from types import CodeType
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
_COVERED = bytes(128) + _UNITS[128:]
"""The same, and 0 for what is no first byte."""
_IS_HEAD = bytes(byte >> 7 for byte in range(256))
_IS_UNKNOWN = bytes(byte >= 0x80 | _NONE << 3 for byte in range(256))
_HAS_LONG = re.compile(b"[%c-%c]" % (0x80 | _LONG << 3, 0x87 | _LONG << 3))
_HAS_COLUMNS = re.compile(b"[%c-%c%c-%c]" % (0x80, 0x87 | _ONE_LINE_2 << 3, 0x80 | _LONG << 3, 0x87 | _LONG << 3))
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


def located(code: CodeType) -> CodeType:
    """``code``, with a table that says of each code unit that it has no location if it has none at all.

    That is how the interpreter reads an empty table, which tools that strip code leave.
    """
    if code.co_linetable or not code.co_code:
        return code
    units = len(code.co_code) // 2
    entries = [Location(min(8, units - at), None, None, None, None) for at in range(0, units, 8)]
    return code.replace(co_linetable=encode(entries, code.co_firstlineno))


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
    still: bytes
    """The whole, where delta is 0."""


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
    return Injected(head, rest, head + b"\0" + rest)


def is_mark(location: Location) -> bool:
    """Whether this entry was made by ``injected``."""
    return location.column is None and location.end_column is not None


_WITH_VARINT = frozenset(kind << 3 for kind in (_NO_COLUMNS, _LONG))
_MOVING = _WITH_VARINT | {(_ONE_LINE_0 + 1) << 3, _ONE_LINE_2 << 3}
"""The kinds of entry that can move the line."""


_UNMOVED = b"\0"
_BYTES = tuple(bytes([byte]) for byte in range(256))
_ONE_OR_TWO = {(_ONE_LINE_0 + lines) << 3: bytes([lines << 1]) for lines in (1, 2)}


def _parts(linetable: bytes, first: int) -> tuple[bytes, int, bytes, int]:
    """The entry at byte ``first``: by how much it moves the line, as a signed varint; the head (for one unit) and what
    follows it in an entry for the same position that does not move it; where what both have in common begins."""
    head = linetable[first] & 0xF8
    kind = head & 0x78
    if kind not in _MOVING:
        return _UNMOVED, head, b"", first + 1
    if kind in _ONE_OR_TWO:
        return _ONE_OR_TWO[kind], 0x80 | _ONE_LINE_0 << 3, b"", first + 1
    end = first + 2
    if linetable[first + 1 : end] >= b"\x40":
        found = _SIGNED_VARINT.match(linetable, first + 1)
        if found is None:
            raise InvalidCodeError("location table: truncated in its last entry")
        end = found.end()
    return linetable[first + 1 : end], head, b"\0", end


def _split(entry: bytes) -> tuple[bytes, bytes]:
    """By how much an entry moves the line, as a signed varint; and the entry for the same position without that."""
    delta, kind, suffix, behind = _parts(entry, 0)
    return delta, _BYTES[kind | entry[0] & 7] + suffix + entry[behind:]


def _still(entry: bytes) -> bytes:
    """The entry for the same position once the line counter is already there."""
    return _split(entry)[1]


def _resized(entry: bytes, units: int) -> bytes:
    return _BYTES[entry[0] & 0xF8 | units - 1] + entry[1:]


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
    Entries that no cut is in are copied in one piece, not looked at.
    """
    carried: Mapping[int, int] = {}
    for cut in cuts:
        if cut[2]:
            linetable, carried, left = _carrying(linetable, cuts)
            last_line -= left
            break
    starts, heads = starts_of(linetable), heads_of(linetable)
    out: list[bytes] = []
    done, last = 0, len(heads) - 1  # the entry that the last cut was in; the one behind all
    copied = 0  # bytes of the table that ``out`` has, or ``front`` stands for
    front = b""  # the beginning of what is left of the entry, where a cut was in it
    at = 0  # the code unit at which that begins
    delta, kind, suffix = _UNMOVED, 0, b""  # how its line moves, and how it begins once the line has moved
    for index, pieces, removed in cuts:
        holder = bisect_right(starts, index, done) - 1
        if holder != done or not front:
            if holder >= last:
                raise InvalidCodeError(f"location table: ends before code unit {index}")
            first = heads[holder]
            out.append(front)
            out.append(linetable[copied:first])
            done, at = holder, starts[holder]
            delta, kind, suffix, copied = _parts(linetable, first)
            front = linetable[first:copied]
        if index > at:
            out.append(_BYTES[front[0] & 0xF8 | index - at - 1] + front[1:])
            out.append(linetable[copied : heads[done + 1]])
            at, delta = index, _UNMOVED
            front = _BYTES[kind | starts[done + 1] - at - 1] + suffix
        if index in carried:
            delta = signed_varint(carried[index])
        for piece in pieces:
            if isinstance(piece, int):
                out.append(_repeated(front + linetable[copied : heads[done + 1]], piece))
                if index in carried:
                    continue  # they have no line
            elif delta is _UNMOVED:
                out.append(piece[2])
            else:
                out += (piece[0], delta, piece[1])
            if delta is not _UNMOVED:
                delta = _UNMOVED
                front = _BYTES[kind | starts[done + 1] - at - 1] + suffix
        while removed:
            units = starts[done + 1] - at
            if removed < units:
                front = _resized(front, units - removed)
                at += removed
                break
            removed -= units
            done += 1
            at, front, copied = starts[done], b"", heads[done]
            if done < last:
                delta, kind, suffix, copied = _parts(linetable, heads[done])
                front = linetable[heads[done] : copied]
    out.append(front)
    out.append(linetable[copied : heads[last]])
    out += _behind_the_end(tails, last_line)
    return b"".join(out)


def _behind_the_end(tails: Sequence[Tail], line: int) -> Iterator[bytes]:
    """What is put behind a table that ends on ``line``."""
    for pieces, goal in tails:
        for piece in pieces:
            delta = signed_varint(goal - line)
            line = goal
            if isinstance(piece, int):
                yield _repeated(_head(_NO_COLUMNS, 1) + delta, piece)
            else:
                yield from (piece[0], delta, piece[1])


def heads_of(linetable: bytes) -> list[int]:
    """Where each entry begins in a table, in bytes, and where the last ends; tables may stand one behind the other."""
    heads = list(compress(_numbers_below(len(linetable)), linetable.translate(_IS_HEAD)))
    heads.append(len(linetable))
    return heads


_NUMBERS_KEPT = 65536
_numbers: Sequence[int] = ()


def _numbers_below(limit: int) -> Iterable[int]:
    """At least the numbers up to ``limit``. To take them from where they are costs half of what making them does."""
    global _numbers
    numbers = _numbers
    if limit > _NUMBERS_KEPT:
        return count()
    if len(numbers) < limit:
        _numbers = numbers = tuple(range(min(2 * limit, _NUMBERS_KEPT)))  # another thread may be using the old ones
    return numbers


def is_told_by(begin: bytes) -> bool:
    """Whether ``begin`` has just that part of an entry which says how its line moves: what is behind that stays the
    same when something is put in front. Not of an entry without a line, which says nothing of it."""
    kind = begin[0] & 0x78
    if kind in _WITH_VARINT:
        return len(begin) > 1 and _SIGNED_VARINT.fullmatch(begin, 1) is not None
    return len(begin) == 1 and kind != _NONE << 3


def has_columns(linetable: bytes) -> bool:
    """Whether there are columns in a table: there are none with ``-X no_debug_ranges``."""
    return _HAS_COLUMNS.search(linetable) is not None


def unknown_among(linetable: bytes) -> list[tuple[int, int]]:
    """The ranges of code units without a line, in order and each as long as can be."""
    flags = linetable.translate(_IS_UNKNOWN, _PAYLOAD)
    if 1 not in flags:
        return []
    starts = starts_of(linetable)
    found: list[tuple[int, int]] = []
    first = flags.find(1)
    while first >= 0:
        end = flags.find(0, first)
        if end < 0:
            end = len(flags)
        found.append((starts[first], starts[end]))
        first = flags.find(1, end)
    return found


def unit_count(linetable: bytes) -> int:
    """How many code units a table is for."""
    return sum(linetable.translate(_UNITS, _PAYLOAD))


def starts_of(linetable: bytes) -> list[int]:
    """The first code unit of each entry of a table, and the end of the last; tables may stand one behind the other."""
    return list(accumulate(linetable.translate(_UNITS, _PAYLOAD), initial=0))


def covered_by(linetable: bytes) -> list[int]:
    """How many code units a table covers up to each of its bytes, that included."""
    return [*accumulate(linetable.translate(_COVERED))]


def lines_below(linetable: bytes, units: Sequence[int]) -> list[int]:
    """How many lines the location of each of some code units has below its first one; 0 where it has no columns."""
    if not _HAS_LONG.search(linetable):
        return [0] * len(units)
    starts, heads = starts_of(linetable), heads_of(linetable)
    found: list[int] = []
    for unit in units:
        entry = bisect_right(starts, unit) - 1
        below = 0
        if (linetable[heads[entry]] >> 3) & 15 == _LONG:
            data = iter(linetable[heads[entry] + 1 : heads[entry + 1]])
            read_signed_varint(data)
            below = read_varint(data)
        found.append(below)
    return found


def _carrying(linetable: bytes, cuts: Sequence[Cut]) -> tuple[bytes, dict[int, int], int]:
    """``linetable`` with the lines by which entries that ``cuts`` drop move the counter added to what follows them.

    Where that is injected, in an entry without a line: the lines by its code unit; where nothing follows, the lines.
    """
    entries: list[bytes] = _ENTRY.findall(linetable)
    starts = starts_of(linetable)
    to_pieces: dict[int, int] = {}
    left = 0
    since, until = -1, -1  # what is dropped without a gap: from behind the last pieces on
    for number, (index, pieces, removed) in enumerate(cuts):
        if pieces or index != until:
            since = index
        until = index + removed
        first = bisect_left(starts, index)  # what the cut begins inside of has moved the counter already
        if starts[first] != index:
            first -= since <= starts[first - 1]  # unless that is dropped from its beginning on
        elif pieces:
            first += 1  # as the first piece will have
            since += 1
        behind = bisect_right(starts, index + removed) - 1
        moved = sum(read_signed_varint(iter(_split(entry)[0])) for entry in entries[first:behind])
        if not moved:
            continue
        end = next((i for i in range(behind, len(entries)) if entries[i][0] & 0x78 != _NONE << 3), len(entries))
        following = islice(cuts, number + 1, None)
        places = (cut.at for cut in following if any(isinstance(piece, Injected) for piece in cut.pieces))
        place = next(places, starts[-1])
        if place < starts[end]:
            to_pieces[place] = to_pieces.get(place, 0) + moved
        elif end < len(entries):
            entries[end] = _moved(entries[end], moved)
        else:
            left += moved
    return b"".join(entries), to_pieces, left


def _moved(entry: bytes, lines: int) -> bytes:
    """The entry with ``lines`` added to its own difference."""
    [location] = decode(entry, 0)
    assert location.line is not None
    assert location.end_line is not None
    delta = location.line + lines
    return _encode_entry(
        location._replace(line=delta, end_line=location.end_line + lines), delta
    )
