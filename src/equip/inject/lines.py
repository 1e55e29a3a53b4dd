"""When a line is encountered: the ways into instructions on which a ``line`` trace event would fire.

The rule is the one that ``sys.settrace`` follows, found by experiment and checked against it by the tests.
For a way from instruction p to instruction i of line L, i behind the first RESUME:

- 3.11: it fires if p is at or before the first RESUME, or on another line, or behind i (unless i is a SEND);
- from 3.12: i must be a candidate (it starts a line, or is the target of a jump or a handler, and is not one
  of a few instructions that never carry the event); it fires if p is on another line, or a RESUME, or a
  JUMP_BACKWARD. Behind an exhausted FOR_ITER, p is the FOR_ITER;
- from 3.13: an exception thrown into a suspended frame comes from its RESUME.

An exception comes from the instruction that raised it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from types import CodeType
from typing import NamedTuple, TypeAlias

from equip import isa
from equip.code.edit import FALLTHROUGH, Ways
from equip.code.exceptions import Handler
from equip.code.lines import LineSpans
from equip.code.sites import Jump, find_jumps
from equip.inject.coverage import Coverage

_NO_CANDIDATES = isa.ops("RESUME END_FOR END_SEND END_ASYNC_FOR") | isa.ops("POP_ITER")
_SEND = isa.OP["SEND"]
_YIELD = isa.OP["YIELD_VALUE"]
_FOR_ITER = isa.OP["FOR_ITER"]
_END_FOR = isa.OP.get("END_FOR", -1)
_LOOPS = isa.ops("JUMP_BACKWARD")
_BENDS = isa.Scan(isa.JUMPS | isa.NO_FALLTHROUGH | isa.ops("RETURN_GENERATOR YIELD_VALUE"))
"""What does not, or not at once, go on to the instruction behind it."""
_place: Callable[[Encounter], int] = itemgetter(1)


class Encounter(NamedTuple):
    """One place at which a line is encountered. Positions are code units.

    The snippet goes before the instruction at ``at``, for ``ways``; ``place`` is the instruction of the line
    itself, which differs from ``at`` where the way is a jump that the snippet is put in front of.
    """

    at: int
    place: int
    ways: Ways | None
    line_there: int | None
    """The line from which it is reached, where the snippet may have to stand elsewhere."""
    early: bool = False
    """Whether the line begins before ``place``, which is the first instruction that it can stand at."""


Encounters: TypeAlias = dict[int, int | list[Encounter]]
"""The encounters of each line of a code object, by line. Most lines are encountered at one place, by whatever comes to
it: of these there is the place only, since a large program has hundreds of thousands."""


def encounters(code: CodeType, opcodes: bytes, coverage: Coverage | None) -> Encounters:
    """The encounters of every line of ``code``, of which ``opcodes`` is ``co_code[::2]``; ``coverage`` is that of
    ``code``, None where it has no handlers."""
    if coverage is None and _BENDS.first(opcodes) == len(opcodes) - 1:
        return _of_straight(code, opcodes)
    return _Lines(code, opcodes, coverage).encounters()


def _of_straight(code: CodeType, opcodes: bytes) -> Encounters:
    """The encounters in code that runs from its beginning to its end: wherever a line begins."""
    spans = LineSpans(code)
    starts, lines = [start >> 1 for start in spans.starts], spans.lines
    body = opcodes.index(isa.RESUME) + isa.RESUME_UNITS
    first = bisect_right(starts, body) - 1
    starts[first] = body
    found: Encounters = {}
    for line, at in zip(lines[first:], starts[first:], strict=True):
        if line in found:
            _add_another(found, line, at)
        elif line is not None:
            found[line] = at
    return found


def listed(line: int, found: int | list[Encounter]) -> list[Encounter]:
    """What ``Encounters`` have for a line as a list."""
    return [Encounter(found, found, None, line)] if type(found) is int else found  # type: ignore[return-value]


class _Lines:
    """Positions are code units, those of instructions the ones of their first prefix."""

    def __init__(self, code: CodeType, opcodes: bytes, coverage: Coverage | None) -> None:
        self.coverage = coverage
        self.raw = raw = code.co_code
        self.opcodes = opcodes
        self.lines = LineSpans(code) if coverage is None else coverage.ranges.lines
        self.first = self.opcodes.index(isa.RESUME)
        self.body = self.first + isa.RESUME_UNITS
        self.jumps = find_jumps(raw) if coverage is None else coverage.ranges.jumps
        self.jumps_to: dict[int, list[Jump]] = {}
        companions = isa.COMPANION_JUMPS
        for jump in self.jumps:
            if jump.opcode not in companions:
                self.jumps_to.setdefault(jump.target, []).append(jump)
        self.handlers_to: dict[int, list[Handler]] = {}
        for handler in coverage.ranges.handlers if coverage is not None else ():
            self.handlers_to.setdefault(handler.target, []).append(handler)
        self.others: dict[int, None] = {}
        """The instructions that more than what falls through can come to, or of which it is not clear."""
        if self.jumps or self.handlers_to:
            self._find_arrivals()

    def _find_arrivals(self) -> None:
        """The instructions to which something jumps, or at which an exception arrives."""
        first, opcodes = self.first, self.opcodes
        arrivals = [*self.jumps_to, *self.handlers_to]
        if isa.LINE_EVENTS_AT_CANDIDATES:
            arrivals += self._behind_companions()
            if isa.EXTENDED_ARG in opcodes:
                arrivals = [at for at in arrivals if self._opcode(at) not in _NO_CANDIDATES]
            else:
                arrivals = [at for at in arrivals if opcodes[at] not in _NO_CANDIDATES]
        self.others = dict.fromkeys([at for at in arrivals if at > first])

    def _behind_companions(self) -> Iterator[int]:
        """The instructions that an exhausted FOR_ITER and a finished SEND really go on at."""
        for jump in self.jumps:
            if jump.opcode == _FOR_ITER or jump.opcode == _SEND:
                at = jump.target
                for _ in range(isa.FOR_ITER_SKIPS if jump.opcode == _FOR_ITER else 1):
                    at = self._behind(at)
                yield at

    # -- instructions ------------------------------------------------------------------------------------

    def _opcode(self, at: int) -> int:
        """The opcode of the instruction at ``at``, prefixes aside."""
        while self.opcodes[at] == isa.EXTENDED_ARG:
            at += 1
        return self.opcodes[at]

    def _behind(self, at: int) -> int:
        """The instruction behind the one at ``at``."""
        while self.opcodes[at] == isa.EXTENDED_ARG:
            at += 1
        return at + 1 + isa.CACHES[self.opcodes[at]]

    # -- lines -------------------------------------------------------------------------------------------

    def encounters(self) -> Encounters:
        found = self._fallen_into()
        starts, lines = self.lines.starts, self.lines.lines
        for at in sorted(self.others):
            span = bisect_right(starts, 2 * at) - 1
            line = lines[span]
            if line is None:
                continue
            is_first = starts[span] == 2 * at
            here = None if is_first and self._all_fire(at, line) else self._ways(at, line)
            if here is None:
                if line in found:
                    _add_another(found, line, at)
                else:
                    found[line] = at
            elif here:
                there = found[line] = listed(line, found.get(line, []))
                there += here
                there.sort(key=_place)
        restored = {} if self.coverage is None else self.coverage.regions.restored
        if restored:
            for line, place in found.items():
                there = listed(line, place)
                for i, one in enumerate(there):
                    if one.place in restored:
                        moved = restored[one.place]
                        there[i] = Encounter(moved, moved, FALLTHROUGH, one.line_there, early=True)
                        found[line] = there
        return found

    def _fallen_into(self) -> Encounters:
        """The encounters where a line begins and nothing but what falls through comes. Notes places in ``others``."""
        found: Encounters = {}
        opcodes, others, body = self.opcodes, self.others, self.body
        leaving, loop_end = isa.NO_FALLTHROUGH, isa.LOOP_END
        doubtful = _NO_CANDIDATES | {isa.EXTENDED_ARG} if isa.LINE_EVENTS_AT_CANDIDATES else frozenset()
        current: int | None = None
        starts = self.lines.starts
        for start, end, line in zip(starts, (*starts[1:], len(self.raw)), self.lines.lines, strict=True):
            at = start >> 1
            if at < body:
                if end <= 2 * body:
                    continue
                at = body
            if opcodes[at] in doubtful:
                candidate = self._candidate(at, end >> 1)
                if candidate is None:
                    continue
                if candidate != at:
                    if line != current:
                        others[candidate] = None
                    current = line
                    continue
            if line == current:
                continue
            current = line
            if line is None or at in others:
                continue
            if opcodes[at - loop_end] == _END_FOR:
                others[at] = None
                continue
            before = at - 1
            while not opcodes[before]:  # caches are zeros, and no instruction is
                before -= 1
            if opcodes[before] in leaving:
                continue
            if line in found:
                _add_another(found, line, at)
            else:
                found[line] = at
        return found

    def _candidate(self, at: int, end: int) -> int | None:
        """The first instruction from ``at`` on, before ``end``, that can carry the event."""
        while at < end:
            if self._opcode(at) not in _NO_CANDIDATES:
                return at
            at = self._behind(at)
        return None

    # -- the ways into one instruction ---------------------------------------------------------------------

    def _all_fire(self, at: int, line: int) -> bool:
        """Whether it is plain that each way into the instruction at ``at`` fires, of which the one before it is on
        another line. If not, each may still fire; behind a loop it depends on where that begins, too."""
        jumps = self.jumps_to.get(at)
        if jumps is None or at in self.handlers_to or self.opcodes[at - isa.LOOP_END] == _END_FOR:
            return False
        starts, lines = self.lines.starts, self.lines.lines
        return line not in [lines[bisect_right(starts, 2 * jump.at) - 1] for jump in jumps]

    def _ways(self, at: int, line: int) -> list[Encounter] | None:
        """The encounters of a line at one of its instructions; None where each way into it fires."""
        opcodes, line_of = self.opcodes, self.lines.at
        before = at - 1
        while not opcodes[before]:  # caches are zeros, and no instruction is
            before -= 1
        falls = opcodes[before] not in isa.NO_FALLTHROUGH
        falling = falls and self._fires_falling(at, before, line)
        jumps = self.jumps_to.get(at, ())
        firing = [jump for jump in jumps if line_of(jump.at) != line or self._fires_on_line(at, jump)]
        raises: tuple[tuple[int, int], ...] = ()
        all_raise = True
        if at in self.handlers_to:
            raises, all_raise = self._raises(at, line, self.handlers_to[at])
        if not (falling or firing or raises):
            return []
        if falling == falls and len(firing) == len(jumps) and all_raise:
            return None
        return self._some_ways(at, line, falls, falling, firing, raises)

    def _some_ways(
        self,
        start: int,
        line: int,
        falls: bool,
        falling: bool,
        firing: Sequence[Jump],
        raises: tuple[tuple[int, int], ...],
    ) -> list[Encounter]:
        """Some ways fire and some do not: what goes before ``start``, and what goes before jumps to it."""
        found: list[Encounter] = []
        if falls and not falling:
            # An inline snippet would be in the way of falling through: put it before the jump where that is
            # the only thing the jump does.
            direct = [jump for jump in firing if jump.opcode in isa.UNCONDITIONAL]
            firing = [jump for jump in firing if jump.opcode not in isa.UNCONDITIONAL]
            found += [Encounter(j.start, start, None, self.lines.at(j.at)) for j in direct]
        if falling or firing or raises:
            # From a conditional jump the snippet may go behind the code; it then carries the jump's line.
            source = self.lines.at(firing[0].at) if firing else None
            ways = Ways(falling, frozenset(jump.at for jump in firing), raises)
            found.append(Encounter(start, start, ways, line if source is None else source))
        return found

    def _fires_falling(self, at: int, before: int, line: int) -> bool:
        differs = self.lines.at(before) != line
        if not isa.LINE_EVENTS_AT_CANDIDATES:
            return before <= self.first or differs
        end = at - isa.LOOP_END
        if end > self.first and self.opcodes[end] == _END_FOR:
            loop = self._loop_that_ends_at(end)
            if loop is not None:
                return self.lines.at(loop.at) != line
        return differs or self.opcodes[before] == isa.RESUME

    def _loop_that_ends_at(self, end: int) -> Jump | None:
        """The FOR_ITER that goes to the code unit ``end`` when it is exhausted."""
        return next((jump for jump in self.jumps if jump.target == end and jump.opcode == _FOR_ITER), None)

    def _fires_on_line(self, at: int, jump: Jump) -> bool:
        """Whether a jump fires that is on the line it goes to."""
        if not isa.LINE_EVENTS_AT_CANDIDATES:
            return at < jump.at and self._opcode(at) != _SEND
        return jump.opcode in _LOOPS

    def _raises(
        self, at: int, line: int, handlers: Sequence[Handler]
    ) -> tuple[tuple[tuple[int, int], ...], bool]:
        """The ranges of instructions whose exceptions arrive with an event, and whether these are all."""
        ranges: list[tuple[int, int]] = []
        everything = True
        for handler in handlers:
            start, end = handler.start, handler.end
            if line not in self.lines.among(start, end):
                _extend(ranges, start, end)
                continue
            fires = False
            for unit in range(start, end):
                if self.opcodes[unit]:  # a cache belongs to its instruction
                    fires = self._fires_raising(at, unit, line)
                if fires:
                    _extend(ranges, unit, unit + 1)
                else:
                    everything = False
        return tuple(ranges), everything

    def _fires_raising(self, at: int, unit: int, line: int) -> bool:
        if self.lines.at(unit) != line:
            return True
        if not isa.LINE_EVENTS_AT_CANDIDATES:
            return at < unit and self._opcode(at) != _SEND
        return isa.THROW_RESUMES and self.opcodes[unit] in (_YIELD, isa.RESUME)


def _add_another(found: Encounters, line: int, at: int) -> None:
    """Add another place of a line to which whatever comes encounters it."""
    there = found[line] = listed(line, found[line])
    there.append(Encounter(at, at, None, line))
    there.sort(key=_place)


def _extend(ranges: list[tuple[int, int]], start: int, end: int) -> None:
    """Add a range behind the others, or to the last of them."""
    if ranges and ranges[-1][1] == start:
        ranges[-1] = (ranges[-1][0], end)
    else:
        ranges.append((start, end))
