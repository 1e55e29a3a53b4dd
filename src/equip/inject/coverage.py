"""Which handler of a code object a statement would stand in if it were written at a place."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from functools import cached_property
from types import CodeType

from equip import isa
from equip.analysis.depths import depth_at, stack_depths
from equip.analysis.regions import Regions
from equip.analysis.unproven import unproven
from equip.code import exceptions
from equip.code.edit import INHERIT, Inherit
from equip.code.exceptions import Handler
from equip.code.lines import LineSpans
from equip.code.linker import stop_iteration_handler

_NOP = isa.OP["NOP"]
_POP_EXCEPT = isa.OP["POP_EXCEPT"]
_PUSH_EXC_INFO = isa.OP["PUSH_EXC_INFO"]
_PECULIAR = isa.Scan(frozenset({_NOP, _POP_EXCEPT, _PUSH_EXC_INFO}))
_FEW = 8
"""For so many places it costs less to find the depth of the stack of each by itself than those of all the code."""
_PUSHES_EXCEPTION = isa.Scan(frozenset({_PUSH_EXC_INFO}))


class Coverage:
    """Which handler a statement would stand in if it were written at a place."""

    def __init__(self, code: CodeType) -> None:
        self.code = code
        self.raw = code.co_code
        self._opcodes = self.raw[::2]
        self.handlers = exceptions.decode(code.co_exceptiontable) if code.co_exceptiontable else []
        self._starts = [handler.start for handler in self.handlers]
        self._ends = [handler.end for handler in self.handlers]
        self._entries = {handler.target: handler for handler in reversed(self.handlers)}
        self.final = stop_iteration_handler(self.raw, self.handlers)
        self._depths_asked = 0
        self._known_beyond: dict[int, tuple[Handler, ...]] = {}
        self._copies: dict[int, list[Handler]] = {}
        self._usual: dict[tuple[int, int | None], tuple[Handler | None] | tuple[()]] = {}
        """By where a statement is, in lines and handlers: what it stands in, if that is all that counts."""
        self.regions = Regions(code, self.handlers)

    def is_final(self, handler: Handler | None) -> bool:
        """Whether it is the compiler's own last handler of a generator."""
        return handler is not None and self.final is not None and handler.target == self.final.target

    def at(self, unit: int) -> Handler | None:
        """The handler whose range has this code unit in it."""
        found = bisect_right(self._starts, unit) - 1
        return self.handlers[found] if found >= 0 and unit < self._ends[found] else None

    def there(self, at: int, place: int) -> Handler | Inherit | None:
        """What a statement that belongs before the instruction at ``place``, and is put at ``at``, is covered by."""
        covering = self.at(place)
        around = self._of_statement(place, covering, self.lines.at(place))
        return INHERIT if at == place and around is covering else around

    def on_line(self, place: int, line: int) -> Handler | Inherit | None:
        """``there`` for what is put where it belongs, before an instruction that is known to be on this line."""
        covering = self.at(place)
        around = self._of_statement(place, covering, line)
        return INHERIT if around is covering else around

    def unproven(self, covered: Iterable[tuple[int, Handler | Inherit | None]]) -> frozenset[str]:
        """The locals whose loads have to look whether they are bound when statements stand in the range of handlers:
        by the code units that they go in before."""
        if not isa.UNCHECKED_LOCALS:
            return frozenset()
        added: set[tuple[int, int]] = set()
        for at, handler in covered:
            if isinstance(handler, Handler):
                there = self.at(at)
                if there is None or there.target != handler.target:
                    added.add((at, handler.target))
        return unproven(self.code, self.handlers, added) if added else frozenset()

    def of_statement(self, unit: int) -> Handler | None:
        """The handler around a statement before the instruction at ``unit``.

        It differs from ``at`` in a few places. The NOP of a ``try:`` line is in no range, not even that of the
        ``try`` around it. A ``break``, a ``continue`` and the ``return`` of a constant have left the ``try`` when
        their first instruction is reached, and the ``except`` clause when that is POP_EXCEPT. At the first
        instruction of a handler the stack is not yet what the handler's own cleanup expects. Some instructions of
        a comprehension, of which the compiler knows that they do not raise, are not in the range of its handler.
        """
        return self._of_statement(unit, self.at(unit), self.lines.at(unit)) if self.handlers else None

    def _of_statement(self, unit: int, covering: Handler | None, line: int | None) -> Handler | None:
        restoring = self.regions.handler_at(unit) if self.regions.exist else None
        if restoring is not None:
            return restoring
        if unit in self._peculiar:
            return self._of_peculiar(unit, covering)
        key = bisect_right(self._limits, line or 0), covering and covering.start
        known = self._usual.get(key)
        if known is None:
            known = self._usual[key] = self._of_all_like(unit, covering)
        return known[0] if known else self._body_around(unit, covering) or covering or self.final

    def _of_all_like(self, unit: int, covering: Handler | None) -> tuple[Handler | None] | tuple[()]:
        """What is around ``unit`` and all others on the same lines in the same handler; nothing where they differ."""
        copies = self._innermost_at(unit)
        if self._unused or any(handler.target != copies[0].target for handler in copies):
            return ()
        inner = self._body_at(unit, covering) if copies else None
        return () if inner is not None and inner.depth else (inner or covering or self.final,)

    @cached_property
    def _peculiar(self) -> frozenset[int]:
        """The code units where more counts than in which lines and in which handler they are."""
        return frozenset({*self._entries, *_PECULIAR.positions(self._opcodes), *self.regions.restored})

    def _of_peculiar(self, unit: int, covering: Handler | None) -> Handler | None:
        entered = self._entries.get(unit)
        if entered is not None:
            if unit in self.regions.restored:
                return entered  # on the way to the restores: when it raises, too, they are what comes next
            return self._around(covering, entered.depth)
        if self.raw[2 * unit] == _PUSH_EXC_INFO:  # of a handler that covers nothing
            return self._around(covering, self._depth(unit) - 1)
        if self.raw[2 * unit] == _POP_EXCEPT:
            return self._cleanup_left(unit) or covering or self.final
        body = self._body_around(unit, covering)
        if body is not None:
            return body
        if covering is None and self.raw[2 * unit] == _NOP:
            inner = self.at(unit + 1)
            if inner is not None:
                return self._around(self.at(inner.target), inner.depth) or self.final
        return covering or self.final

    def _body_around(self, unit: int, covering: Handler | None) -> Handler | None:
        """The handler of the innermost ``try`` whose body ``unit`` is in, or what is around it, if the stack there has
        on it what that handler needs; None where ``covering`` is inside of it.

        The stack has not where a ``break`` or ``continue`` in a ``finally`` has given up what was pending, or a
        ``return`` has taken loops and handled exceptions from below its value.
        """
        found = self._body_at(unit, covering) or self._empty_body_at(unit)
        if found is None or not found.depth:
            return found
        return self._around(found, self._kept(found, unit) if self._depth(unit) else 0)

    def _kept(self, handler: Handler, unit: int) -> int:
        """How many of the values on the stack at ``unit`` are those that there are in the range of ``handler``."""
        here, there = self._stacks.get(2 * unit, ()), self._stacks.get(2 * handler.start, ())
        same = min(len(here), len(there))
        while here[:same] != there[:same]:
            same -= 1
        return same

    @cached_property
    def _stacks(self) -> dict[int, tuple[frozenset[int], ...]]:
        from equip.analysis.stackvalues import stacks_of_some_way

        return stacks_of_some_way(self.code)

    def _body_at(self, unit: int, covering: Handler | None) -> Handler | None:
        """The handler of the innermost ``try`` whose body the line of ``unit`` is in, if ``covering`` is around it.

        The lines of a body are those from the first that the handler covers to the one before the handler's own.
        """
        copies = self._innermost_at(unit)
        if not copies:
            return None
        before = [handler for handler in copies if handler.start <= unit]
        found = before[-1] if before else copies[0]
        if covering is None or self.is_final(covering):
            return found
        target = covering.target
        is_around = target != found.target and any(one.target == target for one in self._beyond(found.target))
        return found if is_around else None

    def _innermost_at(self, unit: int) -> list[Handler]:
        """The ranges of the innermost ``try`` whose body the line of ``unit`` is in, one for each copy of the body."""
        between = self._between(unit)
        found = self._copies.get(between)
        if found is None:
            line = self.lines.at(unit) or 0
            bodies = [body for body in self._bodies if body[0] <= line < body[1]]
            first = max((body[0] for body in bodies), default=0)
            found = self._copies[between] = [handler for start, _, handler in bodies if start == first]
        return found

    def _between(self, unit: int) -> int:
        """A number for the lines between two limits of bodies that the line of ``unit`` is one of; 0 is in no body."""
        return bisect_right(self._limits, self.lines.at(unit) or 0)

    @cached_property
    def _limits(self) -> list[int]:
        """The lines at which bodies begin or end."""
        return sorted({limit for body in self._bodies for limit in body[:2]})

    @cached_property
    def _bodies(self) -> list[tuple[int, int, Handler]]:
        """First line, line of the handler, and handler of each range of a ``try`` with ``except`` or ``finally``.

        What a handler inside the body covers is in the body, too.
        """
        among = self.lines.among
        own_firsts: dict[int, int] = {}
        for start, end, target, _, _ in self.handlers:
            first = min(filter(None, among(start, end)), default=0)
            if first:
                own_firsts[target] = min(first, own_firsts.get(target, first))
        firsts = own_firsts.copy()
        for target, first in own_firsts.items():
            for one in self._beyond(target):
                firsts[one.target] = min(first, firsts.get(one.target, first))
        ends = {target: self._first_line(target) for target in firsts if self.raw[2 * target] == _PUSH_EXC_INFO}
        found: list[tuple[int, int, Handler]] = []
        for handler in self.handlers:
            target = handler.target
            if target in ends and firsts[target] < ends[target]:  # not so where it is the handler of a ``with``
                found.append((firsts[target], ends[target], handler))
        return found

    def _first_line(self, unit: int) -> int:
        """The line of the first instruction from ``unit`` on that has one, or 0."""
        return next(filter(None, self.lines.from_on(unit)), 0)

    def _empty_body_at(self, unit: int) -> Handler | None:
        """The handler of a ``try`` that its first statement, the one at ``unit``, leaves: it covers nothing.

        The line of such a handler is the next one that has code.
        """
        unused = self._unused
        line = self.lines.at(unit) if unused else None
        if line is None:
            return None
        following = self._line_after(line)
        depths = self.depths
        depth = depths.get(2 * unit)
        if depth is None:
            return None
        # The compiler may have made several copies of the body, some with a value to be returned on the stack: the
        # handler of this one is behind it, and the exception comes on top of what is on the stack here.
        behind = (at for at in unused.get(following, ()) if at > unit and depths.get(2 * at) == depth + 1)
        target = next(behind, None)
        return None if target is None else Handler(unit, unit + 1, target, depth, False)

    def _line_after(self, line: int) -> int:
        """The next line that has code, 0 behind the last."""
        found = bisect_right(self._lines_with_code, line)
        return self._lines_with_code[found] if found < len(self._lines_with_code) else 0

    @cached_property
    def _lines_with_code(self) -> list[int]:
        return sorted(set(filter(None, self.lines.lines)))

    @cached_property
    def _unused(self) -> dict[int, list[int]]:
        """The code units of the handlers that cover nothing, by their first line."""
        found: dict[int, list[int]] = {}
        if self.handlers:
            targets = {handler.target for handler in self.handlers}
            for at in _PUSHES_EXCEPTION.positions(self._opcodes):
                if at not in targets:
                    found.setdefault(self._first_line(at), []).append(at)
        return found

    def _beyond(self, target: int) -> tuple[Handler, ...]:
        """Where what the handler at ``target`` lets through goes, one after the other."""
        known = self._known_beyond.get(target)
        if known is None:
            found: list[Handler] = []
            seen = {target}
            handler = self.at(target)
            while handler is not None and handler.target not in seen:
                seen.add(handler.target)
                found.append(handler)
                handler = self.at(handler.target)
            known = self._known_beyond[target] = tuple(found)
        return known

    def _cleanup_left(self, unit: int) -> Handler | None:
        """The cleanup of the ``except`` clause that the POP_EXCEPT at ``unit`` leaves."""
        cleanups = [
            handler
            for handler in self.handlers
            if handler.lasti and self.raw[2 * handler.target] != _PUSH_EXC_INFO and not self.is_final(handler)
        ]
        depth = self._depth(unit)  # deeper where a value that is returned is below what POP_EXCEPT takes
        cleanups = [handler for handler in cleanups if handler.end <= unit and handler.depth == depth]
        return max(cleanups, key=lambda one: one.end, default=None)

    def _depth(self, unit: int) -> int:
        if self._depths_asked < _FEW:
            self._depths_asked += 1
            return depth_at(self.code, self.handlers, 2 * unit) or 0
        return self.depths.get(2 * unit, 0)

    @cached_property
    def depths(self) -> dict[int, int]:
        """The depth of the stack before each instruction that can be reached, by offset."""
        return stack_depths(self.code)

    @cached_property
    def lines(self) -> LineSpans:
        """The line of each code unit."""
        return LineSpans(self.code)

    def _around(self, handler: Handler | None, depth: int) -> Handler | None:
        """The first handler, going outwards, that leaves no more than ``depth`` on the stack."""
        if handler is None or handler.depth <= depth:
            return handler
        return next((one for one in self._beyond(handler.target) if one.depth <= depth), None)
