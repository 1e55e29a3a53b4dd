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

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from itertools import compress
from types import CodeType
from typing import NamedTuple

from equip import isa
from equip.code import exceptions
from equip.code.edit import FALLTHROUGH, Ways
from equip.code.exceptions import Handler
from equip.code.sites import Jump, find_jumps

_NO_CANDIDATES = isa.ops("RESUME END_FOR END_SEND END_ASYNC_FOR") | isa.ops("POP_ITER")
_SEND = isa.OP["SEND"]
_YIELD = isa.OP["YIELD_VALUE"]
_FOR_ITER = isa.OP["FOR_ITER"]
_END_FOR = isa.OP.get("END_FOR", -1)
_LOOPS = isa.ops("JUMP_BACKWARD")


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


def encounters(code: CodeType, restored: Mapping[int, int]) -> dict[int, list[Encounter]]:
    """The encounters of every line of ``code``, by line; ``restored`` as in ``regions.Unprotected``."""
    return _Lines(code).encounters(restored)


class _Lines:
    def __init__(self, code: CodeType) -> None:
        self.code = code
        self.raw = raw = code.co_code
        self.jumps = find_jumps(raw)
        self.handlers = exceptions.decode(code.co_exceptiontable) if code.co_exceptiontable else []
        self.line_of: list[int | None] = []
        for start, end, line in code.co_lines():
            self.line_of += [line] * ((end - start) // 2)
        opcodes = raw[::2]
        # Caches are zeros, and no instruction is.
        self.ops = list(compress(range(len(opcodes)), opcodes))
        """Code unit of each instruction's opcode."""
        self.starts = self.ops
        """Code unit of each instruction's first prefix."""
        if isa.EXTENDED_ARG in opcodes:
            self._join_prefixes(opcodes)
        self.first = bisect_left(self.ops, opcodes.index(isa.RESUME))
        self.jumps_to: dict[int, list[Jump]] = {}
        for jump in self.jumps:
            if jump.opcode not in isa.COMPANION_JUMPS:
                self.jumps_to.setdefault(jump.target, []).append(jump)
        self.handlers_to: dict[int, list[Handler]] = {}
        for handler in self.handlers:
            self.handlers_to.setdefault(handler.target, []).append(handler)

    def _join_prefixes(self, opcodes: bytes) -> None:
        """A prefix belongs to the instruction behind it."""
        starts: list[int] = []
        ops: list[int] = []
        prefixed = False
        for unit in self.ops:
            if not prefixed:
                starts.append(unit)
            prefixed = opcodes[unit] == isa.EXTENDED_ARG
            if not prefixed:
                ops.append(unit)
        self.starts, self.ops = starts, ops

    def encounters(self, restored: Mapping[int, int]) -> dict[int, list[Encounter]]:
        found: dict[int, list[Encounter]] = {}
        starts = self.starts
        candidates = self._line_starts()
        for start in (*self.jumps_to, *self.handlers_to):
            i = bisect_left(starts, start)
            if i > self.first and not (
                isa.LINE_EVENTS_AT_CANDIDATES and self.raw[2 * self.ops[i]] in _NO_CANDIDATES
            ):
                candidates.add(i)
        candidates.update(self._behind_companions())
        line_of, jumps_to, handlers_to, leaving = self.line_of, self.jumps_to, self.handlers_to, isa.NO_FALLTHROUGH
        for i in sorted(candidates):
            start = starts[i]
            line = line_of[start]
            if line is None:
                continue
            if start not in jumps_to and start not in handlers_to:
                # Only what falls through comes here.
                if self.raw[2 * self.ops[i - 1]] in leaving or not self._fires_falling(i, line):
                    continue
                here = [Encounter(start, start, None, line)]
            else:
                here = self._ways(i, line)
            if here:
                if start in restored:
                    here = [Encounter(restored[start], restored[start], FALLTHROUGH, line, early=True)]
                if line in found:
                    found[line] += here
                else:
                    found[line] = here
        return found

    def _behind_companions(self) -> Iterator[int]:
        """The instructions that an exhausted FOR_ITER and a finished SEND really go on at."""
        if not isa.LINE_EVENTS_AT_CANDIDATES:
            return
        for jump in self.jumps:
            if jump.opcode == _FOR_ITER or jump.opcode == _SEND:
                i = bisect_left(self.starts, jump.target) + (isa.FOR_ITER_SKIPS if jump.opcode == _FOR_ITER else 1)
                if self.raw[2 * self.ops[i]] not in _NO_CANDIDATES:
                    yield i

    def _line_starts(self) -> set[int]:
        """The instructions behind the first RESUME that begin a line."""
        starts, ops, raw = self.starts, self.ops, self.raw
        found: set[int] = set()
        current: int | None = None
        for first, end, line in self.code.co_lines():
            i = bisect_left(starts, first // 2)
            if i <= self.first:
                i = self.first + 1
            last = end // 2
            if isa.LINE_EVENTS_AT_CANDIDATES:
                while i < len(ops) and starts[i] < last and raw[2 * ops[i]] in _NO_CANDIDATES:
                    i += 1
            if i >= len(ops) or starts[i] >= last:
                continue
            if line != current:
                found.add(i)
            current = line
        if not isa.LINE_EVENTS_AT_CANDIDATES and self.first + 1 < len(ops):
            found.add(self.first + 1)
        return found

    # -- the ways into one instruction ---------------------------------------------------------------------

    def _ways(self, i: int, line: int) -> list[Encounter]:
        start = self.starts[i]
        falls = self.raw[2 * self.ops[i - 1]] not in isa.NO_FALLTHROUGH
        falling = falls and self._fires_falling(i, line)
        jumps = self.jumps_to.get(start, ())
        firing = [jump for jump in jumps if self._fires_jumping(i, jump, line)]
        handlers = self.handlers_to.get(start, ())
        raises, all_raise = self._raises(i, line, handlers)
        if not (falling or firing or raises):
            return []
        if falling == falls and len(firing) == len(jumps) and all_raise:
            return [Encounter(start, start, None, line)]
        return self._some_ways(start, line, falls, falling, firing, raises)

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
            found += [Encounter(j.start, start, None, self.line_of[j.at]) for j in direct]
        if falling or firing or raises:
            # From a conditional jump the snippet may go behind the code; it then carries the jump's line.
            source = self.line_of[firing[0].at] if firing else None
            ways = Ways(falling, frozenset(jump.at for jump in firing), raises)
            found.append(Encounter(start, start, ways, line if source is None else source))
        return found

    def _fires_falling(self, i: int, line: int) -> bool:
        previous = i - 1
        differs = self.line_of[self.starts[previous]] != line
        if not isa.LINE_EVENTS_AT_CANDIDATES:
            return previous <= self.first or differs
        j = i - isa.LOOP_END
        if j > self.first and self.raw[2 * self.ops[j]] == _END_FOR:
            loop = self._loop_that_ends_at(self.starts[j])
            if loop is not None:
                return self.line_of[loop.at] != line
        return differs or self.raw[2 * self.ops[previous]] == isa.RESUME

    def _loop_that_ends_at(self, end: int) -> Jump | None:
        """The FOR_ITER that goes to the code unit ``end`` when it is exhausted."""
        return next((jump for jump in self.jumps if jump.target == end and jump.opcode == _FOR_ITER), None)

    def _fires_jumping(self, i: int, jump: Jump, line: int) -> bool:
        differs = self.line_of[jump.at] != line
        if not isa.LINE_EVENTS_AT_CANDIDATES:
            return differs or (self.starts[i] < jump.at and self.raw[2 * self.ops[i]] != _SEND)
        return differs or jump.opcode in _LOOPS

    def _raises(
        self, i: int, line: int, handlers: Sequence[Handler]
    ) -> tuple[tuple[tuple[int, int], ...], bool]:
        """The ranges of instructions whose exceptions arrive with an event, and whether these are all."""
        ranges: list[tuple[int, int]] = []
        everything = True
        for handler in handlers:
            fires = False
            for unit in range(handler.start, handler.end):
                if self.raw[2 * unit]:  # a cache belongs to its instruction
                    fires = self._fires_raising(i, unit, line)
                if fires:
                    if ranges and ranges[-1][1] == unit:
                        ranges[-1] = (ranges[-1][0], unit + 1)
                    else:
                        ranges.append((unit, unit + 1))
                else:
                    everything = False
        return tuple(ranges), everything

    def _fires_raising(self, i: int, unit: int, line: int) -> bool:
        if self.line_of[unit] != line:
            return True
        if not isa.LINE_EVENTS_AT_CANDIDATES:
            return self.starts[i] < unit and self.raw[2 * self.ops[i]] != _SEND
        return isa.THROW_RESUMES and self.raw[2 * unit] in (_YIELD, isa.RESUME)
