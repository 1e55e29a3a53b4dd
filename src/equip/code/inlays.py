"""Location tables of many code objects, into which the same few things go at many places.

A program repeats itself: what an entry of a table becomes when something is put into it is remembered by the bytes of
the entry. What it becomes is said by ``locations.splice``.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from functools import partial
from itertools import accumulate, chain, compress, count, pairwise
from operator import add, ne, sub
from typing import cast

from equip.code.locations import Cut, Piece, heads_of, is_told_by, splice, starts_of

_KEPT = 256


class Inlay:
    """Pieces that go in together. Made by ``inlay_of``; told apart by identity."""

    __slots__ = ("_inside", "in_front", "pieces")

    def __init__(self, pieces: tuple[Piece, ...]) -> None:
        self.pieces = pieces
        self.in_front: dict[bytes, bytes] = {}
        """How an entry begins, up to its columns, to the same with the pieces in front."""
        self._inside: dict[tuple[int, bytes], tuple[bytes, bytes]] = {}
        """So many code units and how the entry begins, to this in front of the pieces, and to these and what is behind
        them; each up to the columns."""

    def put_into(self, entry: bytes, at: int) -> tuple[int, bytes]:
        """How many of the first bytes of an entry are to be replaced, and by what, so that it has the pieces behind
        ``at`` of its code units."""
        for length in (1, 2, 3):
            begin = entry[:length]
            if at:
                inside = self._inside.get((at, begin))
                if inside is not None:
                    columns = entry[length:]
                    return len(entry), inside[0] + columns + inside[1] + columns
            elif begin in self.in_front:
                return length, self.in_front[begin]
        return self._put_into_another(entry, at)

    def _put_into_another(self, entry: bytes, at: int) -> tuple[int, bytes]:
        """``put_into`` for an entry unlike those before; what there will be for those like it is remembered."""
        begin = next(filter(is_told_by, (entry[:1], entry[:2], entry[:3])), None)
        if begin is None or any(isinstance(piece, int) for piece in self.pieces):
            return len(entry), splice(entry, [Cut(at, self.pieces)])
        spliced = splice(begin, [Cut(at, self.pieces)])
        if at:
            self._inside[at, begin] = spliced[: len(begin)], spliced[len(begin) :]
        else:
            self.in_front[begin] = spliced
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


def splice_all(
    linetables: Sequence[bytes],
    bases: Sequence[int],
    places: Sequence[int],
    inlays: Sequence[Inlay],
    firsts: Sequence[int],
) -> list[bytes]:
    """``locations.splice`` for the tables of code objects that lie one behind the other, from code unit ``bases[i]``
    each.

    Inlays go in at ``places``, code units of the whole in order, each once; ``places[firsts[i] : firsts[i + 1]]`` are
    those in table i.
    """
    whole = b"".join(linetables)
    starts, heads = starts_of(whole), heads_of(whole)
    ends = [*accumulate(map(len, linetables), initial=0)]
    if [*map(starts.__getitem__, map(partial(bisect_left, heads), ends))] != [*bases]:
        # One of them is not as long as its code: each by itself.
        return [
            splice(table, [Cut(places[i] - base, inlays[i].pieces) for i in range(first, last)])
            for table, base, (first, last) in zip(linetables, bases, pairwise(firsts), strict=False)
        ]
    holders = [bisect_right(starts, at) - 1 for at in places]
    begins = [*map(heads.__getitem__, holders)]  # what is replaced at each place: from here, in bytes
    behinds = [begin + 1 for begin in begins]  # to here
    known = [inlay.in_front.get(whole[begin : begin + 1]) for inlay, begin in zip(inlays, begins, strict=True)]
    for i in [i for i, new in enumerate(known) if new is None]:
        begin = begins[i]
        known[i] = inlays[i].in_front.get(whole[begin : begin + 2])
        behinds[i] = begin + 2
    news = cast("list[bytes]", known)  # by this, with what is not known put in below
    for i in _unusual(places, holders, starts, known):
        holder = holders[i]
        start, begin = starts[holder], begins[i]
        entry = whole[begin : heads[holder + 1]]
        first = i
        while first and holders[first - 1] == holder:
            first -= 1
            behinds[first], news[first] = begin, b""  # goes into the same entry, together with this one
        if first < i:
            cuts = [Cut(places[j] - start, inlays[j].pieces) for j in range(first, i + 1)]
            length, new = len(entry), splice(entry, cuts)
        else:
            length, new = inlays[i].put_into(entry, places[i] - start)
        behinds[i], news[i] = begin + length, new
    between = [whole[start:end] for start, end in zip([0, *behinds], [*begins, len(whole)], strict=True)]
    spliced = b"".join(chain.from_iterable(zip(between, [*news, b""], strict=True)))
    growth = [*accumulate(map(sub, map(len, news), map(sub, behinds, begins)), initial=0)]
    limits = map(add, ends, map(growth.__getitem__, firsts))
    return [spliced[start:end] for start, end in pairwise(limits)]


def _unusual(
    places: Sequence[int], holders: Sequence[int], starts: Sequence[int], news: Sequence[bytes | None]
) -> list[int]:
    """The numbers of the places that are not where an entry begins of which it is known what becomes of it."""
    found = [*compress(count(), map(ne, map(starts.__getitem__, holders), places))]
    if None in news:
        found = sorted({*found, *[i for i, new in enumerate(news) if new is None]})
    return found
