"""The exception table: which handler covers which code units.

``decode`` and ``encode`` are inverse on every table that the compiler makes: byte for byte. Ranges are
half-open, in code units, sorted and disjoint. Source: CPython ``InternalDocs/exception_handling.md``.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from equip.errors import InvalidCodeError


class Handler(NamedTuple):
    """An exception raised in ``[start, end)`` unwinds the stack to ``depth`` and goes on at ``target``.

    All positions are code units. With ``lasti`` the offset of the raising instruction is pushed before the
    exception.
    """

    start: int
    end: int
    target: int
    depth: int
    lasti: bool


_made: Callable[..., Handler] = tuple.__new__
"""Makes a ``Handler`` of a tuple of all its fields, which is what costs least."""
_MORE = rb"[\x40-\x7f]{0,4}[\x00-\x3f]"
_TABLE = re.compile(rb"(?:(?:[\x80-\xbf]|[\xc0-\xff]" + _MORE + rb")(?:" + _MORE + rb"){3})*")
"""Entries of four numbers, of up to six bytes each, the first byte marked."""
_TOO_LARGE = re.compile(rb"[\x80-\xff][\x00-\x7f]*?[\x40-\x7f]{5}")


def decode(table: bytes) -> list[Handler]:
    """The handlers of an exception table. Raises ``InvalidCodeError`` when it is truncated or no such table."""
    return handlers_of(numbers_of(table))


def handlers_of(numbers: Iterable[int]) -> list[Handler]:
    """The handlers of a table with these numbers."""
    return [
        _made(Handler, (start, start + length, target, depth_lasti >> 1, depth_lasti & 1 == 1))
        for start, length, target, depth_lasti in zip(*[iter(numbers)] * 4, strict=True)
    ]


def numbers_of(table: bytes) -> list[int]:
    """The numbers of a table, four an entry: start, length, target, and depth with lasti as its low bit."""
    if not table:
        return []
    sound = _TABLE.match(table)
    assert sound is not None
    if sound.end() != len(table):
        raise InvalidCodeError(f"exception table: {_damage(table[sound.end() :])}, at byte {sound.end()} of it")
    numbers: list[int] = []
    value = 0
    for byte in table:
        if byte & 64:
            value = (value | byte & 63) << 6
        else:
            numbers.append(value | byte & 63)
            value = 0
    return numbers


def _damage(rest: bytes) -> str:
    """What is wrong with a table whose entry at the beginning of ``rest`` is none."""
    if not rest[0] & 0x80:
        return "an entry is not marked where it begins, or marked elsewhere"
    if _TOO_LARGE.match(rest):
        return "a number that is too large"
    return "an entry is incomplete, or the next one is marked too early"


def covering(numbers: Sequence[int], starts: Sequence[int], unit: int) -> tuple[int, int] | None:
    """Target, and depth with lasti, of the entry whose range has a code unit in it.

    ``numbers`` are those of ``numbers_of``, ``starts`` every fourth.
    """
    found = 4 * (bisect_right(starts, unit) - 1)
    if found < 0 or unit >= numbers[found] + numbers[found + 1]:
        return None
    return numbers[found + 2], numbers[found + 3]


def moved(numbers: Sequence[int], places: Sequence[int], growth: Sequence[int], base: int) -> list[int]:
    """The numbers of a table when the code before ``places[i]`` has grown by ``growth[i]`` units, and that at the end
    by the last.

    Places are counted from ``base`` units before the code. What is put in at a place belongs to the range that
    begins there.
    """
    before = growth[bisect_left(places, base)]
    found: list[int] = []
    entries = iter(numbers)
    for start, length, target, depth_lasti in zip(entries, entries, entries, entries, strict=True):
        end = start + length
        end += growth[bisect_left(places, base + end)] - before
        start += growth[bisect_left(places, base + start)] - before
        target += growth[bisect_left(places, base + target)] - before
        found += (start, end - start, target, depth_lasti)
    return found


def encode(handlers: Iterable[Handler]) -> bytes:
    """The table for these handlers, in the order given."""
    numbers: list[int] = []
    for start, end, target, depth, lasti in handlers:
        numbers += (start, end - start, target, (depth << 1) | lasti)
    return encode_numbers(numbers)


def encode_numbers(numbers: Iterable[int]) -> bytes:
    """The table with these numbers, four an entry, as ``numbers_of`` gives them."""
    out = bytearray()
    entries = iter(numbers)
    for entry in zip(entries, entries, entries, entries, strict=True):
        first = len(out)
        for value in entry:
            if value < 64:
                out.append(value)
            elif value < 4096:
                out.append(64 | value >> 6)
                out.append(value & 63)
            else:
                for shift in range((value.bit_length() - 1) // 6 * 6, 0, -6):
                    out.append(64 | ((value >> shift) & 63))
                out.append(value & 63)
        out[first] |= 0x80
    return bytes(out)


def same_handler(one: Handler | None, other: Handler | None) -> bool:
    """Whether exceptions go the same way with both, ranges aside."""
    return one is other or (one is not None and other is not None and one[2:] == other[2:])


def paint(base: Iterable[Handler], overlays: Iterable[tuple[int, int, Handler | None]]) -> list[Handler]:
    """``base`` with other handlers, or none, in some ranges; later overlays win over earlier ones.

    Neighbours that end up with the same handler become one range.
    """
    ranges = sorted((h.start, h.end, h) for h in base if h.start < h.end)
    for start, end, handler in overlays:
        if start >= end:
            continue
        first, behind = bisect_left(ranges, (start,)), bisect_left(ranges, (end,))
        if first and ranges[first - 1][1] > start:
            first -= 1
        new = [(start, end, handler)] if handler is not None else []
        if first < behind:
            s, _, h = ranges[first]
            _, e, last = ranges[behind - 1]
            if s < start:
                new.insert(0, (s, start, h))
            if e > end:
                new.append((end, e, last))
        ranges[first:behind] = new
    merged: list[Handler] = []
    for s, e, h in ranges:
        if merged and merged[-1].end == s and merged[-1][2:] == h[2:]:
            s = merged.pop().start
        merged.append(h if h[0] == s and h[1] == e else _made(Handler, (s, e, *h[2:])))
    return merged
