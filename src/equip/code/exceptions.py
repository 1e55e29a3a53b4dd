"""The exception table: which handler covers which code units.

``decode`` and ``encode`` are inverse on every table that the compiler makes: byte for byte. Ranges are
half-open, in code units, sorted and disjoint. Source: CPython ``InternalDocs/exception_handling.md``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
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


def decode(table: bytes) -> list[Handler]:
    """The handlers of an exception table. Raises ``InvalidCodeError`` when it is truncated or no such table."""
    if _TOO_LARGE.search(table):
        raise InvalidCodeError("exception table: a number that is too large")
    found: list[Handler] = []
    numbers: list[int] = []
    value = 0
    for byte in table:
        if byte & 0x80 and (numbers or value) and len(numbers) % 4:
            raise InvalidCodeError(f"exception table: entry {len(found)} is incomplete")
        value = (value << 6) | (byte & 63)
        if byte & 64:
            continue
        numbers.append(value)
        value = 0
        if len(numbers) == 4:
            start, length, target, depth_lasti = numbers
            found.append(Handler(start, start + length, target, depth_lasti >> 1, bool(depth_lasti & 1)))
            numbers.clear()
    if numbers or value:
        raise InvalidCodeError(f"exception table: truncated in entry {len(found)}")
    if len(table.translate(None, _NO_START)) != len(found):
        raise InvalidCodeError("exception table: an entry is not marked where it begins, or marked elsewhere")
    return found


_TOO_LARGE = re.compile(rb"[\x40-\x7f\xc0-\xff]{6}")
_NO_START = bytes(range(128))


def encode(handlers: Iterable[Handler]) -> bytes:
    """The table for these handlers, in the order given."""
    out = bytearray()
    for start, end, target, depth, lasti in handlers:
        first = len(out)
        for value in (start, end - start, target, (depth << 1) | lasti):
            _append_varint(out, value)
        out[first] |= 0x80
    return bytes(out)


def _append_varint(out: bytearray, value: int) -> None:
    if value < 64:
        out.append(value)
        return
    for shift in range((value.bit_length() - 1) // 6 * 6, 0, -6):
        out.append(64 | ((value >> shift) & 63))
    out.append(value & 63)


def same_handler(one: Handler | None, other: Handler | None) -> bool:
    """Whether exceptions go the same way with both, ranges aside."""
    return one is other or (one is not None and other is not None and one[2:] == other[2:])


def paint(base: Iterable[Handler], overlays: Iterable[tuple[int, int, Handler | None]]) -> list[Handler]:
    """``base`` with other handlers, or none, in some ranges; later overlays win over earlier ones.

    Neighbours that end up with the same handler become one range.
    """
    ranges = [(h.start, h.end, h) for h in base if h.start < h.end]
    for start, end, handler in overlays:
        if start >= end:
            continue
        cut: list[tuple[int, int, Handler]] = []
        for s, e, h in ranges:
            if e <= start or s >= end:
                cut.append((s, e, h))
                continue
            if s < start:
                cut.append((s, start, h))
            if e > end:
                cut.append((end, e, h))
        if handler is not None:
            cut.append((start, end, handler))
        ranges = cut
    merged: list[Handler] = []
    for s, e, h in sorted(ranges, key=lambda r: r[0]):
        if merged and merged[-1].end == s and merged[-1][2:] == h[2:]:
            merged[-1] = merged[-1]._replace(end=e)
        else:
            merged.append(h._replace(start=s, end=e))
    return merged
