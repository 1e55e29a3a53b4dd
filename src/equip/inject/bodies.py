"""Which ``try`` a statement stands in, by its line: a ``break`` has left it when its first instruction is reached."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from functools import cached_property

from equip import isa
from equip.code.exceptions import Handler
from equip.inject.ranges import Ranges

_NOP = isa.OP["NOP"]
_PUSH_EXC_INFO = isa.OP["PUSH_EXC_INFO"]
_CHECKS = isa.Scan(isa.ops("CHECK_EXC_MATCH CHECK_EG_MATCH"))
_PUSHES_EXCEPTION = isa.Scan(frozenset({_PUSH_EXC_INFO}))


class Bodies:
    """The bodies of every ``try``. A body's lines are those from its first statement to the one before the handler."""

    def __init__(self, ranges: Ranges) -> None:
        self._ranges = ranges
        self._copies: dict[int, list[Handler]] = {}

    # -- those of which something is covered -------------------------------------------------------------

    def at(self, unit: int, covering: Handler | None) -> Handler | None:
        """The handler of the innermost ``try`` whose body the line of ``unit`` is in, if ``covering`` is around it."""
        copies = self.innermost_at(unit)
        if not copies:
            return None
        before = [handler for handler in copies if handler.start <= unit]
        found = before[-1] if before else copies[0]
        return found if self._ranges.is_inside(found, covering) else None

    def innermost_at(self, unit: int) -> list[Handler]:
        """The ranges of the innermost ``try`` whose body the line of ``unit`` is in, one for each copy of the body."""
        line = self._ranges.lines.at(unit) or 0
        between = bisect_right(self.limits, line)
        found = self._copies.get(between)
        if found is None:
            bodies = [body for body in self._all if body[0] <= line < body[1]]
            first = max((body[0] for body in bodies), default=0)
            found = self._copies[between] = [handler for start, _, handler in bodies if start == first]
        return found

    @cached_property
    def limits(self) -> list[int]:
        """The lines at which bodies begin or end."""
        return sorted({limit for body in self._all for limit in body[:2]})

    @cached_property
    def _all(self) -> list[tuple[int, int, Handler]]:
        """First line, line of the handler, and handler of each range of a ``try`` with ``except`` or ``finally``."""
        raw, firsts = self._ranges.raw, self._firsts
        ends = {target: self._first_line(target) for target in firsts if raw[2 * target] == _PUSH_EXC_INFO}
        return [
            (firsts[handler.target], ends[handler.target], handler)
            for handler in self._ranges.handlers
            if firsts.get(handler.target, 0) < ends.get(handler.target, 0)  # not so where it is that of a ``with``
        ]

    def begins_behind(self, target: int, line: int | None) -> bool:
        """Whether the handler at ``target`` is that of a ``try`` whose body is below this line."""
        return line is not None and self._is_of_try(target) and line < self._firsts.get(target, 0)

    @cached_property
    def _firsts(self) -> dict[int, int]:
        """By handler: the first line of what it covers. What a handler inside of that covers is in it, and so is the
        line of the ``try:`` that such a handler belongs to."""
        handlers, among = self._ranges.handlers, self._ranges.lines.among
        found: dict[int, int] = {}
        begins: dict[int, int] = {}
        for start, end, target, _, _ in handlers:
            first = min(filter(None, among(start, end)), default=0)
            if first:
                found[target] = min(first, found.get(target, first))
            begins.setdefault(target, start)
        for target, first in [*found.items()]:
            self._extend(found, target, begins[target], first)
        for line, targets in self._unused.items():
            first = self._line_before(line)
            if first:
                start = self._ranges.lines.starts[self._ranges.lines.lines.index(first)] >> 1
                for target in targets:
                    self._extend(found, target, start, first)
        return found

    def _extend(self, firsts: dict[int, int], target: int, start: int, first: int) -> None:
        """Note what is covered, from ``start`` on line ``first`` on, as inside the handlers around that of it, too.

        Several can begin there. Each has a line of its own, that of the NOP of its ``try:``, which is inside the next;
        but the ``except`` and the ``finally`` of the same ``try`` have one between them.
        """
        beyond = self._ranges.beyond(target)
        if not beyond:
            return
        around = (target, *(one.target for one in beyond))
        begin = [one for one in around if self._is_of_try(one) and firsts.get(one, first) >= first]
        lines = self._lines_of_tries(start, first) if begin else []
        common = len(begin) - len(lines)
        inner: int | None = None
        own = line = first  # the first line inside of the innermost that is still to come, and that of its ``try:``
        for one in around:
            if one in begin:
                if inner is not None and common > 0 and self._is_finally(one) and not self._is_finally(inner):
                    common -= 1
                else:
                    own = line
                    line = lines.pop(0) if lines else line
                firsts[one] = min(own, firsts.get(one, own))
                inner = one
            else:
                firsts[one] = min(line, firsts.get(one, line))

    def _lines_of_tries(self, start: int, first: int) -> list[int]:
        """The lines of every ``try:`` that has nothing before what begins at ``start`` on line ``first``."""
        found: list[int] = []
        while start and self._ranges.opcodes[start - 1] == _NOP:
            start -= 1
            line = self._ranges.lines.at(start)
            if line is None or line >= first or self._ranges.at(start) is not None:
                break
            found.append(line)
            first = line
        return found

    def _is_finally(self, target: int) -> bool:
        """Whether the handler of a ``try`` does not look at the exception."""
        cleanup = self._ranges.at(target)
        end = target if cleanup is None else cleanup.target
        return not _CHECKS.occurs(self._ranges.opcodes[target:end])

    def _is_of_try(self, target: int) -> bool:
        return self._ranges.opcodes[target] == _PUSH_EXC_INFO and not self._ranges.is_of_with(target)

    def _first_line(self, unit: int) -> int:
        """The line of the first instruction from ``unit`` on that has one, or 0."""
        return next(filter(None, self._ranges.lines.from_on(unit)), 0)

    # -- those of which nothing is covered ---------------------------------------------------------------

    def empty_at(self, unit: int) -> Handler | None:
        """The handler of a ``try`` that its first statement, the one at ``unit``, leaves: it covers nothing.

        The line of such a handler is the next one that has code.
        """
        line = self._ranges.lines.at(unit) if self.some_are_empty else None
        if line is None or not self._lines_of_tries(unit, line):
            return None
        depths = self._ranges.depths
        depth = depths.get(2 * unit)
        if depth is None:
            return None
        # The compiler may have made several copies of the body, some with a value to be returned on the stack: the
        # handler of this one is behind it, and the exception comes on top of what is on the stack here.
        following = self._unused.get(self._line_after(line), ())
        target = next((at for at in following if at > unit and depths.get(2 * at) == depth + 1), None)
        return None if target is None else Handler(unit, unit + 1, target, depth, False)

    @property
    def some_are_empty(self) -> bool:
        """Whether there are bodies of which nothing is covered."""
        return bool(self._unused)

    @cached_property
    def _unused(self) -> dict[int, list[int]]:
        """The code units of the handlers that cover nothing, by their first line."""
        found: dict[int, list[int]] = {}
        targets = {handler.target for handler in self._ranges.handlers}
        for at in _PUSHES_EXCEPTION.positions(self._ranges.opcodes) if targets else ():
            if at not in targets:
                found.setdefault(self._first_line(at), []).append(at)
        return found

    def _line_before(self, line: int) -> int:
        """The line with code before this one, 0 before the first."""
        found = bisect_left(self._lines_with_code, line)
        return self._lines_with_code[found - 1] if found else 0

    def _line_after(self, line: int) -> int:
        """The next line that has code, 0 behind the last."""
        found = bisect_right(self._lines_with_code, line)
        return self._lines_with_code[found] if found < len(self._lines_with_code) else 0

    @cached_property
    def _lines_with_code(self) -> list[int]:
        return sorted(set(filter(None, self._ranges.lines.lines)))
