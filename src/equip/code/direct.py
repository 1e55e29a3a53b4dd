"""Linking in one pass: the common case, in which nothing has to go elsewhere.

Fragments are simply put between the original code units, and jumps that get too long for their prefixes get more of
them. Where that is not enough, ``link_directly`` returns None, and the general linker does the same work with the same
result (a test compares them).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, chain, pairwise
from types import CodeType
from typing import NamedTuple, TypeAlias

from equip import isa
from equip.code import exceptions
from equip.code.assembly import Value, assemble, mould_of, stamped
from equip.code.edit import Edit, Inherit, Ways
from equip.code.exceptions import Handler
from equip.code.fragment import Fragment, Stamp, Use
from equip.code.inlays import Inlay, inlay_of, splice_inlays
from equip.code.jumps import Jumps
from equip.code.pools import Pools
from equip.code.sites import falls_into, find_jumps

_made = tuple.__new__
"""Makes a named tuple of a tuple of all its fields: half of what its own constructor costs."""


class Direct(NamedTuple):
    """The parts of the new code object that the edit changes."""

    units: bytes
    linetable: bytes
    exceptiontable: bytes
    stack: int


class Image(NamedTuple):
    """What stands at one place, assembled: code units, their locations, stack need."""

    hot: bytes
    inlay: Inlay
    stack: int


Row: TypeAlias = tuple[int, int, Ways | None, Handler | Inherit | None, int, int | None]
"""(at, part, ways, covered, depth, line): as in ``Edit``, with a number that stands for what goes in."""
Runs: TypeAlias = Sequence[tuple[Image, int]]
"""What goes in at places that follow one another: so many times the same, then so many times the next."""


class Covered(NamedTuple):
    """``units`` units that go in before the instruction at ``at``, behind ``before`` others, are to stand in
    ``handler``."""

    at: int
    before: int
    units: int
    handler: Handler | None


Raises: TypeAlias = tuple[tuple[int, int], ...]
"""Ranges of units whose exceptions arrive at a place, as in ``Ways``."""


class Job(NamedTuple):
    """A code object, and what is to go in before the instructions at ``ats``, which are in order, each once."""

    code: CodeType
    ats: Sequence[int]
    runs: Runs
    bypassed: Mapping[int, Raises]
    """The places that jumps pass by, and exceptions, too, but for those raised in these ranges."""
    covered: Sequence[Covered]
    """What is for a handler that it names, where there are handlers."""
    stack: int
    numbers: Sequence[int]
    """Those of the exception table (``exceptions.numbers_of``)."""


def job_of(code: CodeType, rows: Sequence[Row], images: Sequence[Image | None]) -> Job | None:
    """The job for what is to go in, in the order of the places; ``images`` are those of each part, None where a part
    has more than what stands at its place. None where all that takes the general linker."""
    raw = code.co_code
    ats: list[int] = []
    found: list[Image] = []
    bypassed: dict[int, Raises] = {}
    handled: list[Covered] = []
    need, last = code.co_stacksize, -1
    for at, part, ways, covered, depth, _ in rows:
        image = images[part]
        if image is None:
            return None
        need = max(need, depth + image.stack)
        before = 0
        if at != last:
            last = at
            ats.append(at)
            found.append(image)
        else:
            if bypassed.get(at) != (None if ways is None else ways.raises) and _has_other_ways(code, at):
                return None
            before = len(found[-1].hot) >> 1
            found[-1] = _behind(found[-1], image)
        if ways is not None:
            if is_in_the_way(raw, at, ways):
                return None
            bypassed[at] = ways.raises
        if code.co_exceptiontable and not isinstance(covered, Inherit):
            if raw[2 * at] in isa.PUSHES_FRAMES:
                return None
            handled.append(Covered(at, before, len(image.hot) >> 1, covered))
    numbers = exceptions.numbers_of(code.co_exceptiontable)
    return Job(code, ats, [(image, 1) for image in found], bypassed, handled, need, numbers)


def is_in_the_way(raw: bytes, at: int, ways: Ways) -> bool:
    """Whether what is for some ways into the instruction at ``at`` cannot simply stand in front of it.

    What falls through runs it there, so it has to be for that; jumps and exceptions need not.
    """
    return bool(ways.jumps) or ways.apart or ways.fallthrough is not falls_into(raw, at)


def link_directly(code: CodeType, edits: Sequence[Edit], pools: Pools) -> Direct | None:
    """``code`` with ``edits``, sorted by place, or None where that takes the general linker."""
    rows: list[Row] = []
    parts: dict[Use, int] = {}
    for edit in edits:
        if edit.removed or edit.use is None:
            return None
        part = parts.setdefault(edit.use, len(parts))
        rows.append((edit.at, part, edit.ways, edit.covered, edit.depth, edit.line))
    job = job_of(code, rows, [joined((assemble(use, pools),)) for use in parts])
    return None if job is None else link_jobs([job])[0]


def joined(fragments: Iterable[Fragment]) -> Image | None:
    """The image of fragments, one behind the other; None when they have parts that do not stand there."""
    found: Image | None = None
    for fragment in fragments:
        if fragment.cold or fragment.covered or fragment.jumps:
            return None
        image = Image(fragment.hot, inlay_of(fragment.hot_pieces), fragment.stack)
        found = image if found is None else _behind(found, image)
    return found


class Stencil(NamedTuple):
    """What stands at one place, with zeros for its symbols, and where these go."""

    hot: bytes
    inlay: Inlay
    stack: int
    stamps: tuple[Stamp, ...]

    def filled(self, values: Sequence[Value]) -> Image | None:
        """The image for these values of the symbols; None when one of them takes more room."""
        hot = stamped(self.hot, self.stamps, values)
        return None if hot is None else _made(Image, (hot, self.inlay, self.stack))


def stencil_of(uses: Iterable[tuple[Use, Sequence[int]]]) -> Stencil | None:
    """The stencil of uses, one behind the other, each with the numbers that its symbols have among the values; None
    when they have parts that do not stand there, as for ``joined``."""
    moulds: list[Fragment] = []
    stamps: list[Stamp] = []
    since = 0
    for use, numbers in uses:
        fragment, its_stamps, _ = mould_of(use)
        stamps += [Stamp(numbers[number], since + at, shift, most) for number, at, shift, most in its_stamps]
        moulds.append(fragment)
        since += len(fragment.hot)
    image = joined(moulds)
    return None if image is None else Stencil(*image, tuple(stamps))


def _behind(first: Image, second: Image) -> Image:
    return Image(first.hot + second.hot, _together(first.inlay, second.inlay), max(first.stack, second.stack))


def _together(first: Inlay, second: Inlay) -> Inlay:
    return inlay_of(first.pieces + second.pieces)


def link_jobs(jobs: Sequence[Job]) -> list[Direct | None]:
    """The code object of each job with what goes in; None where that takes the general linker.

    They are laid out one behind the other and moved together, as if they were one: what is small in each, as
    functions are, is then done for all of them in few steps.
    """
    return _Sheet(jobs).linked() if jobs else []


class _Sheet:
    """Code objects one behind the other. Positions are code units of the whole."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.jobs = jobs
        self.refused: set[int] = set()
        """The numbers of the jobs that take the general linker."""
        self.places: list[int] = []
        self.hots: list[bytes] = []
        self.inlays: list[Inlay] = []
        self.firsts: list[int] = []
        """Of each code object the index in these lists of its first place."""
        self.bypassed: dict[int, Raises] = {}
        """As in the jobs, with places of the whole."""
        raws = [job.code.co_code for job in jobs]
        self.bases = [*accumulate([len(raw) >> 1 for raw in raws], initial=0)]
        self.raw = raws[0] if len(raws) == 1 else b"".join(raws)
        places, hots, inlays, bypassed = self.places, self.hots, self.inlays, self.bypassed
        for base, (_, ats, runs, passed, _, _, _) in zip(self.bases, jobs, strict=False):
            self.firsts.append(len(places))
            places += map(base.__add__, ats)
            for (hot, inlay, _), times in runs:
                if times == 1:
                    hots.append(hot)
                    inlays.append(inlay)
                else:
                    hots += [hot] * times
                    inlays += [inlay] * times
            for at, raises in passed.items():
                bypassed[base + at] = raises
        self.firsts.append(len(places))

    def linked(self) -> list[Direct | None]:
        """The new code objects' parts."""
        places, bases = self.places, self.bases
        growth, adjusted = self._relaxed()
        bounds = [0, *[2 * at for at in places], len(self.raw)]
        between = [adjusted[start:end] for start, end in pairwise(bounds)]
        whole = b"".join(chain.from_iterable(zip(between, [*self.hots, b""], strict=True)))
        ends = [2 * (base + growth[first]) for base, first in zip(bases, self.firsts, strict=True)]
        firsts, inlays = self.firsts, self.inlays
        found: list[Direct | None] = []
        for number, (code, _, _, _, _, stack, numbers) in enumerate(self.jobs):
            if number in self.refused:
                found.append(None)
                continue
            base, first, last = bases[number], firsts[number], firsts[number + 1]
            linetable = splice_inlays(
                code.co_linetable, bases[number + 1] - base, places[first:last], inlays[first:last], base
            )
            table = self._moved_handlers(number, growth) if numbers else b""
            units = whole[ends[number] : ends[number + 1]]
            found.append(_made(Direct, (units, linetable, table, stack)))
        return found

    def _relaxed(self) -> tuple[list[int], bytes]:
        """By how much the code has grown before each place and at the end, and the original code units with their
        jumps adjusted. Where a jump is too long for its prefixes, more of them are put in front of it."""
        places, hots = self.places, self.hots
        jumps = Jumps(self.raw, self.bypassed)
        lengths = [len(hot) >> 1 for hot in hots]
        added: dict[int, int] = {}  # prefixes, by the first code unit of their jump
        while True:
            growth = [*accumulate(lengths, initial=0)]
            moved = jumps.moved(places, growth)
            longer = jumps.lacking(moved, added)
            if not longer:
                break
            for start, number in longer.items():
                if start in self.bypassed:
                    self.refused.add(bisect_right(self.bases, start) - 1)
                added[start] = added.get(start, 0) + number
                i = bisect_left(places, start)
                if i == len(places) or places[i] != start:
                    places.insert(i, start)
                    hots.insert(i, b"")
                    lengths.insert(i, 0)
                    self.inlays.insert(i, inlay_of(()))
                lengths[i] += number
                self.inlays[i] = inlay_of((*self.inlays[i].pieces, number))
        adjusted, prefixes = jumps.adjusted(moved, added)
        for start, units in prefixes.items():
            hots[bisect_left(places, start)] += units
        if prefixes:
            self.firsts = [bisect_left(places, base) for base in self.bases]
        return growth, adjusted

    def _moved_handlers(self, number: int, growth: Sequence[int]) -> bytes:
        """The exception table moved along."""
        places, base, job = self.places, self.bases[number], self.jobs[number]
        since = growth[bisect_left(places, base)]

        def moved(unit: int) -> int:
            return unit + growth[bisect_left(places, base + unit)] - since

        def behind(unit: int) -> int:
            return unit + growth[bisect_right(places, base + unit)] - since

        numbers = job.numbers
        bypassed = job.bypassed
        if not bypassed or bypassed.keys().isdisjoint(numbers[2::4]):
            table = exceptions.moved(numbers, places, growth, base)
        else:
            table = []
            for handler in exceptions.handlers_of(numbers):
                for start, end, passes in _ways_to(handler, bypassed.get(handler.target)):
                    target = moved(handler.target) if passes else behind(handler.target)
                    first = moved(start)
                    table += (first, moved(end) - first, target, handler.depth << 1 | handler.lasti)
        overlays: list[tuple[int, int, Handler | None]] = []
        starts = numbers[::4]
        for at, before, units, around in job.covered:
            named = None if around is None else (around.target, around.depth << 1 | around.lasti)
            if exceptions.covering(numbers, starts, at) == named:
                continue
            start = moved(at) + before
            if around is not None:
                target = behind(around.target) if around.target in bypassed else moved(around.target)
                around = around._replace(target=target)
            overlays.append((start, start + units, around))
        if overlays:
            return exceptions.encode(exceptions.paint(exceptions.handlers_of(table), overlays))
        return exceptions.encode_numbers(table)


def _ways_to(handler: Handler, raises: Raises | None) -> Iterator[tuple[int, int, bool]]:
    """The range of a handler in parts, and whether exceptions from each pass through what is put in at its target:
    those from ``raises`` do; all, where that is None."""
    start, end, *_ = handler
    if raises is None:
        yield start, end, True
        return
    for first, last in raises:
        first, last = max(first, start), min(last, end)
        if first >= last:
            continue
        if start < first:
            yield start, first, False
        yield first, last, True
        start = last
    if start < end:
        yield start, end, False


def _has_other_ways(code: CodeType, at: int) -> bool:
    """Whether something goes to the instruction at ``at`` that does not fall through into it."""
    if any(jump.target == at for jump in find_jumps(code.co_code)):
        return True
    return any(handler.target == at for handler in exceptions.decode(code.co_exceptiontable))
