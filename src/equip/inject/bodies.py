"""Which ``try`` a statement stands in, by its line: a ``break`` has left it when its first instruction is reached."""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

from equip import isa
from equip.code.exceptions import Handler
from equip.code.locations import has_columns, lines_below
from equip.inject.ranges import Ranges
from equip.lazy import lazy

_PUSH_EXC_INFO = isa.OP["PUSH_EXC_INFO"]
_NOP = isa.OP["NOP"]
_LEAVING = isa.NO_FALLTHROUGH | isa.UNCONDITIONAL | isa.ops("CACHE LOAD_CONST NOP POP_EXCEPT POP_ITER POP_TOP SWAP")
_NOPS = isa.Scan(frozenset({_NOP}))
_PUSHES_EXCEPTION = isa.Scan(frozenset({_PUSH_EXC_INFO}))


class Try(NamedTuple):
    """A ``try`` statement: its lines, and the code unit at which each copy of it begins."""

    first: int
    last: int
    units: list[int]


class Extent(NamedTuple):
    """How far the body of a ``try`` goes, as one of its handlers sees it."""

    first: int
    end: int
    """The first line behind it."""
    own: Try | None
    """The ``try``, if that has a line to itself."""
    start: int
    """The first code unit that the handler covers."""


class Body(NamedTuple):
    """What is inside of a ``try``, as one of its handlers sees it."""

    first: int
    end: int
    """The first line behind it."""
    ranges: list[Handler]
    """In order; the compiler may have made several copies, which have their own handlers."""
    tries: list[int]
    """The code units of ``try:``, one for each copy."""


class Bodies:
    """The bodies of every ``try``. A body's lines are those from the one below ``try:`` to the one above the handler.

    The ``try:`` itself is a NOP whose location is that of the whole statement. Where the code has no columns, or the
    NOP is one with the first statement behind it, a body begins with the first line that its handler covers.
    """

    def __init__(self, ranges: Ranges) -> None:
        self._ranges = ranges
        self._innermost: dict[int, tuple[Body | None, Handler | None]] = {}
        """By where a line is among the limits: the innermost body, and the handler of all its copies, if it is one."""

    # -- those of which something is covered -------------------------------------------------------------

    def at(self, unit: int, covering: Handler | None, line: int | None) -> Handler | None:
        """The handler of the innermost ``try`` whose body the line of ``unit`` is in, if ``covering`` is around it."""
        body, _ = self._innermost_on(line)
        if body is None:
            return None
        found = self._of_copy(body, unit)
        return found if found is not None and self._ranges.is_inside(found, covering) else None

    def _of_copy(self, body: Body, unit: int) -> Handler | None:
        """The handler of the copy of a body that ``unit`` is in: that of the range before it, or, where the copy begins
        behind that, of what follows.

        Where the body begins with another ``try``, all that follows may be covered by the handlers of that, and what
        these let through comes to that of the body: they have been moved behind the other copies.
        """
        before = [handler for handler in body.ranges if handler.start <= unit]
        copy = bisect_right(body.tries, unit)
        begin = body.tries[copy - 1] if copy else 0
        if before and before[-1].start >= begin:
            return before[-1]
        if not copy:
            return body.ranges[0]
        end = body.tries[copy] if copy < len(body.tries) else len(self._ranges.opcodes)
        targets = {handler.target for handler in body.ranges}
        for handler in self._ranges.handlers:
            if begin <= handler.start < end:
                for one in (handler, *self._ranges.beyond(handler.target)):
                    if one.target in targets:
                        return one
        return None

    @lazy
    def begins(self) -> dict[int, Handler]:
        """The code units that a ``try`` which has no line to itself may begin with, and what covers its body.

        What the compiler adds behind the statement before it can be on its line, too.
        """
        lines = self._ranges.lines
        found: dict[int, Handler] = {}
        for body in self._all:
            for handler in body.ranges:
                line = self._begun.get(handler.target)
                if line is not None and line == lines.at(handler.start):
                    found.setdefault(handler.start, handler)
                    found.setdefault(lines.since(handler.start), handler)
        return found

    def around_begin(self, covering: Handler) -> Handler | None:
        """What is around the ``try`` that begins where the range of its handler does; it can have another handler."""
        line = self._begun[covering.target]
        around = (one for one in self._ranges.beyond(covering.target) if one.depth <= covering.depth)
        return next((one for one in around if self._begun.get(one.target) != line), None)

    def is_outside(self, line: int | None, covering: Handler | None) -> bool:
        """Whether it is plain that a line is in no body that is inside of what ``covering`` is the handler of.

        All handlers that ``at`` can find on that line go to the same place, so that one tells for all.
        """
        if self._unused:
            return False
        body, handler = self._innermost_on(line)
        if body is None:
            return True
        if handler is None:
            return False
        return (covering is not None and covering.target == handler.target) or not self._ranges.is_inside(
            handler, covering
        )

    def _innermost_on(self, line: int | None) -> tuple[Body | None, Handler | None]:
        """The body that a line is in and that no other is inside of."""
        between = bisect_right(self._limits, line or 0)
        found = self._innermost.get(between)
        if found is None:
            around = [body for body in self._all if body.first <= (line or 0) < body.end]
            # those of ``except`` and ``finally`` begin alike
            body = max(around, key=lambda body: (body.first, -body.end), default=None)
            sole = None if body is None or len({one.target for one in body.ranges}) > 1 else body.ranges[0]
            found = self._innermost[between] = body, sole
        return found

    @lazy
    def _limits(self) -> list[int]:
        """The lines at which bodies begin or end."""
        return sorted({limit for body in self._all for limit in (body.first, body.end)})

    @lazy
    def _all(self) -> list[Body]:
        """The bodies of every ``try`` with ``except`` or ``finally``."""
        found: dict[tuple[int, int], Body] = {}
        for handler in self._ranges.handlers:
            extent = self._extents.get(handler.target)
            if extent is not None and extent.first < extent.end:
                tries = extent.own.units if extent.own else []
                body = found.setdefault(extent[:2], Body(extent.first, extent.end, [], tries))
                body.ranges.append(handler)
        return [*found.values()]

    @lazy
    def _extents(self) -> dict[int, Extent]:
        """By where the handler of a ``try`` begins, if that covers something: how far the body goes."""
        ranges = self._ranges
        found: dict[int, Extent] = {}
        for handler in ranges.handlers:
            target = handler.target
            if target in found or ranges.raw[2 * target] != _PUSH_EXC_INFO or ranges.is_of_with(target):
                continue
            end = self._first_line(target)
            own = self._try_of(end)
            if own and not self._is_of(own, handler, end):
                own = None
            first = own.first + 1 if own else self._covered_from.get(target, end)
            found[target] = Extent(first, end, own, handler.start)
        return found

    @lazy
    def _begun(self) -> dict[int, int]:
        """By handler of a ``try`` that has no line to itself: the line that its first statement is on, too."""
        opcodes = self._ranges.opcodes
        return {
            target: one.first
            for target, one in self._extents.items()
            if not one.own and one.start and (opcodes[one.start - 1] != _NOP or self._has_columns)
        }

    def _try_of(self, line: int) -> Try | None:
        """The ``try`` statement that has a handler whose code begins on ``line``."""
        around = (one for one in self._tries if one.first < line <= one.last)
        return max(around, key=lambda one: one.first, default=None)

    def _is_of(self, own: Try, handler: Handler, end: int) -> bool:
        """Whether ``handler``, which begins on line ``end``, can be one of a ``try`` that is around it: what is covered
        first in one of the copies of the body is covered by it or inside of it.

        If not, it is of another ``try`` in that body, one that has no line to itself.
        """
        ranges = self._ranges
        found = [first for unit in own.units if (first := self._covered_first(unit, own.first + 1, end)) is not None]
        return not found or any(one.target == handler.target or ranges.is_inside(one, handler) for one in found)

    def _covered_first(self, unit: int, first: int, end: int) -> Handler | None:
        """What covers the first statement behind a code unit that is on a line from ``first`` to above ``end``.

        Not what leaves one: that has the same line, may stand in the place of its last NOP, and is covered otherwise.
        """
        opcodes, line_at = self._ranges.opcodes, self._ranges.lines.at
        for handler in self._ranges.handlers:
            if handler.start > unit and not self._ranges.is_final(handler):
                for at in range(handler.start, handler.end):
                    if opcodes[at] not in _LEAVING and first <= (line_at(at) or 0) < end:
                        return handler
        return None

    @lazy
    def _tries(self) -> list[Try]:
        """Every ``try`` that has a line to itself."""
        found: dict[int, Try] = {}
        nops = _NOPS.positions(self._ranges.opcodes)
        for at, below in zip(nops, lines_below(self._ranges.code.co_linetable, nops), strict=True):
            line = self._ranges.lines.at(at) if below else None
            if line is not None:
                found.setdefault(line, Try(line, line + below, [])).units.append(at)
        return [*found.values()]

    @lazy
    def _covered_from(self) -> dict[int, int]:
        """By handler: the first line of what it covers. What a handler inside of that covers is in it."""
        found: dict[int, int] = {}
        for start, end, target, _, _ in self._ranges.handlers:
            first = min(filter(None, self._ranges.lines.among(start, end)), default=0)
            if first:
                for one in (target, *(beyond.target for beyond in self._ranges.beyond(target))):
                    found[one] = min(first, found.get(one, first))
        return found

    @lazy
    def _has_columns(self) -> bool:
        return has_columns(self._ranges.code.co_linetable)

    def _first_line(self, unit: int) -> int:
        """The line of the first instruction from ``unit`` on that has one, or 0."""
        return next(filter(None, self._ranges.lines.from_on(unit)), 0)

    # -- those of which nothing is covered ---------------------------------------------------------------

    def empty_at(self, unit: int, line: int | None) -> Handler | None:
        """The handler of a ``try`` that the statement at ``unit`` leaves and of which no other has code: it covers
        nothing."""
        if line is None or not self._unused:
            return None
        depths = self._ranges.depths
        depth = depths.get(2 * unit)
        if depth is None:
            return None
        # The compiler may have made several copies of the body, some with a value to be returned on the stack: the
        # handler of this one is behind it, and the exception comes on top of what is on the stack here.
        following = [at for begin, end, at in self._unused if begin <= line < end]
        target = next((at for at in following if at > unit and depths.get(2 * at) == depth + 1), None)
        return None if target is None else Handler(unit, unit + 1, target, depth, False)

    @lazy
    def _unused(self) -> list[tuple[int, int, int]]:
        """First line of the body, line of the handler and its code unit, for each handler that covers nothing."""
        targets = {handler.target for handler in self._ranges.handlers}
        found: list[tuple[int, int, int]] = []
        for at in _PUSHES_EXCEPTION.positions(self._ranges.opcodes) if targets else ():
            if at not in targets:
                end = self._first_line(at)
                own = self._try_of(end)
                # Of the same ``try``, a handler behind another covers that.
                if own and not any(one.own == own and one.end <= end for one in self._extents.values()):
                    found.append((own.first + 1, end, at))
        return found
