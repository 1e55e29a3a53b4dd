"""Location tables into which the same few things go at many places.

A program repeats itself: what an entry of a table becomes when something is put into it is remembered by the bytes of
the entry. What it becomes is said by ``locations.splice``.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from equip.code.locations import Cut, Piece, covered_by, is_told_by, splice

_KEPT = 256
_COLUMNS = b"\x7f" * 8
"""Stands for the columns of an entry. No number in a table has so many bytes that are not its last."""


class Inlay:
    """Pieces that go in together. Made by ``inlay_of``; told apart by identity."""

    __slots__ = ("_around", "in_front", "in_front_of_byte", "pieces")

    def __init__(self, pieces: tuple[Piece, ...]) -> None:
        self.pieces = pieces
        self.in_front: dict[bytes, bytes] = {}
        """How an entry begins, up to its columns, to the same with the pieces in front."""
        self.in_front_of_byte: dict[int, bytes] = {}
        """The same for what takes one byte."""
        self._around: dict[tuple[int, bytes], list[bytes]] = {}
        """So many code units and how the entry begins, to what there is around its columns when the pieces are behind
        these units."""

    def put_into(self, entry: bytes, at: int) -> tuple[int, bytes]:
        """How many of the first bytes of an entry are to be replaced, and by what, so that it has the pieces behind
        ``at`` of its code units."""
        for length in (1, 2, 3):
            begin = entry[:length]
            if not at and begin in self.in_front:
                return length, self.in_front[begin]
            parts = self._around.get((at, begin))
            if parts is not None:
                return len(entry), entry[length:].join(parts)
        return self._put_into_another(entry, at)

    def _put_into_another(self, entry: bytes, at: int) -> tuple[int, bytes]:
        """``put_into`` for an entry unlike those before; what there will be for those like it is remembered."""
        begin = next(filter(is_told_by, (entry[:1], entry[:2], entry[:3])), None)
        if begin is None:
            return len(entry), splice(entry, [Cut(at, self.pieces)])
        parts = splice(begin + _COLUMNS, [Cut(at, self.pieces)]).split(_COLUMNS)
        if len(parts) > 2:
            self._around[at, begin] = parts
        else:
            self.in_front[begin] = parts[0]
            if len(begin) == 1:
                self.in_front_of_byte[begin[0]] = parts[0]
        return self.put_into(entry, at)


_inlays: dict[tuple[Piece, ...], Inlay] = {}


def inlay_of(pieces: tuple[Piece, ...]) -> Inlay:
    """The inlay for these pieces, the same one as before unless that is long ago."""
    found = _inlays.get(pieces)
    if found is None:
        if len(_inlays) >= _KEPT:
            _inlays.clear()
        found = _inlays[pieces] = Inlay(pieces)
    return found


def splice_inlays(linetable: bytes, units: int, places: Sequence[int], inlays: Sequence[Inlay], base: int) -> bytes:
    """``locations.splice`` for the table of a code object with so many code units, into which inlays go at ``places``:
    in order, each once, counted from ``base`` units before the code."""
    covered = covered_by(linetable)
    if not covered or covered[-1] != units:
        return splice(linetable, _cuts(places, inlays, base))
    out: list[bytes] = []
    done = 0  # bytes of the table that ``out`` has, or what has become of them
    for at, inlay in zip(places, inlays, strict=True):
        at -= base
        begin = bisect_right(covered, at)
        new, behind = inlay.in_front_of_byte.get(linetable[begin]), begin + 1
        if new is None:
            behind = begin + 2
            new = inlay.in_front.get(linetable[begin:behind])
        if new is None or covered[begin - 1] != at:
            start = covered[begin - 1] if begin else 0
            entry = linetable[begin : bisect_right(covered, covered[begin])]
            if done > begin:  # the place before is in the same entry
                here = len(out) >> 1
                first = bisect_left(places, base + start, 0, here)
                cuts = _cuts(places[first : here + 1], inlays[first : here + 1], base + start)
                length, new = len(entry), splice(entry, cuts)
                out[-1], done = b"", begin
            else:
                length, new = inlay.put_into(entry, at - start)
            behind = begin + length
        out.append(linetable[done:begin])
        out.append(new)
        done = behind
    out.append(linetable[done:])
    return b"".join(out)


def _cuts(places: Sequence[int], inlays: Sequence[Inlay], base: int) -> list[Cut]:
    return [Cut(at - base, inlay.pieces) for at, inlay in zip(places, inlays, strict=True)]
