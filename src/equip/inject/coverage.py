"""Which handler of a code object a statement would stand in if it were written at a place."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from types import CodeType

from equip import isa
from equip.analysis.regions import Regions
from equip.analysis.unproven import unproven
from equip.code.edit import INHERIT, Inherit
from equip.code.exceptions import Handler
from equip.inject.bodies import Bodies
from equip.inject.clauses import Clauses
from equip.inject.ranges import Ranges
from equip.lazy import lazy

_END_ASYNC_FOR = isa.OP["END_ASYNC_FOR"]
_COPY = isa.OP["COPY"]
_PUSH_EXC_INFO = isa.OP["PUSH_EXC_INFO"]
_POP_EXCEPT = isa.OP["POP_EXCEPT"]
_PECULIAR = isa.Scan(isa.UNCONDITIONAL | isa.ops("NOP POP_EXCEPT PUSH_EXC_INFO SWAP"))


class Coverage:
    """Which handler a statement would stand in if it were written at a place."""

    def __init__(self, code: CodeType) -> None:
        self.ranges = ranges = Ranges(code)
        self._entries = {handler.target: handler for handler in reversed(ranges.handlers)}
        self._bodies = Bodies(ranges)
        self._clauses = Clauses(ranges)
        self.regions = Regions(code, ranges.handlers)

    def there(self, at: int, place: int) -> Handler | Inherit | None:
        """What a statement that belongs before the instruction at ``place``, and is put at ``at``, is covered by."""
        covering = self.ranges.at(place)
        around = self._of_statement(place, covering, self.ranges.lines.at(place))
        return INHERIT if at == place and around is covering else around

    def on_line(self, place: int, line: int) -> Handler | Inherit | None:
        """``there`` for what is put where it belongs, before an instruction that is known to be on this line."""
        covering = self.ranges.at(place)
        around = self._of_statement(place, covering, line)
        return INHERIT if around is covering else around

    def differing(self, on_lines: Iterable[tuple[int, int]]) -> list[tuple[int, Handler | None]]:
        """For many places, and the lines that these are on: where ``on_line`` is not INHERIT, and what it is there."""
        at, final, peculiar = self.ranges.at, self.ranges.final, self._peculiar
        is_outside, restoring = self._bodies.is_outside, self.regions.handler_at if self.regions.exist else None
        found: list[tuple[int, Handler | None]] = []
        for place, line in on_lines:
            covering = at(place)
            is_plain = place not in peculiar and is_outside(line, covering) and not (restoring and restoring(place))
            around = covering or final if is_plain else self._of_statement(place, covering, line)
            if around is not covering:
                found.append((place, around))
        return found

    def unproven(self, covered: Iterable[tuple[int, Handler | Inherit | None]]) -> frozenset[str]:
        """The locals whose loads have to look whether they are bound when statements stand in the range of handlers:
        by the code units that they go in before."""
        if not isa.UNCHECKED_LOCALS:
            return frozenset()
        added = {
            (at, handler.target)
            for at, handler in covered
            if isinstance(handler, Handler) and self._may_unbind(at, handler)
        }
        return unproven(self.ranges.code, self.ranges.handlers, added) if added else frozenset()

    def _may_unbind(self, at: int, handler: Handler) -> bool:
        """Whether locals can be unbound behind ``handler`` that were not, if it handles what is before ``at``, too."""
        ranges = self.ranges
        there = ranges.at(at)
        if there is not None and there.target == handler.target:
            return False
        if ranges.opcodes[handler.target] == _COPY and ranges.at(handler.target) is None:
            return False  # does nothing more but to leave
        # What restores the variables that a comprehension has taken can unbind them.
        return self.regions.exist or not ranges.is_led_to_from(handler, at)

    def of_statement(self, unit: int) -> Handler | None:
        """The handler around a statement before the instruction at ``unit``.

        It differs from ``Ranges.at`` in a few places. The NOP of a ``try:`` line is in no range, not even that of the
        ``try`` around it. A ``break``, a ``continue`` and the ``return`` of a constant have left the ``try`` or
        ``with`` when their first instruction is reached, and the ``except`` clause when that is POP_EXCEPT. Where the
        first statement of a ``try`` is on its line, so is what belongs before that line. At the first instruction of a
        handler the stack is not yet what the handler's own cleanup expects. Some instructions of a comprehension, of
        which the compiler knows that they do not raise, are not in the range of its handler.
        """
        ranges = self.ranges
        return self._of_statement(unit, ranges.at(unit), ranges.lines.at(unit)) if ranges.handlers else None

    def is_in_try(self, around: Handler | None) -> bool:
        """Whether what ``around`` handles is in a ``try`` or ``with``, and not only in a comprehension."""
        while around is not None and around.target in self.regions.restored:
            around = self.ranges.at(around.target)
        return around is not None and not self.ranges.is_final(around)

    def _of_statement(self, unit: int, covering: Handler | None, line: int | None) -> Handler | None:
        restoring = self.regions.handler_at(unit) if self.regions.exist else None
        if restoring is not None:
            return restoring
        if unit in self._peculiar:
            return self._of_peculiar(unit, covering, line)
        return self._left_at(unit, covering, line) or covering or self.ranges.final

    @lazy
    def _peculiar(self) -> frozenset[int]:
        """The code units where more counts than in which lines and in which handler they are."""
        groups = [range(clause.start, clause.cleanup.target) for clause in self._clauses.of_groups]
        opcodes = self.ranges.opcodes
        if _END_ASYNC_FOR in opcodes:
            groups += [range(one.start, one.end) for one in self.ranges.handlers if self._ends_loop(one)]
        alone: Iterable[int] = _PECULIAR.positions(opcodes)
        if isa.EXTENDED_ARG in opcodes:
            alone = map(self.ranges.first_unit, alone)
        return frozenset(chain(self._entries, alone, self.regions.restored, self._bodies.begins, *groups))

    def _of_peculiar(self, unit: int, covering: Handler | None, line: int | None) -> Handler | None:
        ranges, entered = self.ranges, self._entries.get(unit)
        if covering is not None and self._ends_loop(covering):
            covering = ranges.at(covering.target)  # what asks for the next item is covered by that, the line is not
        if entered is not None:
            if unit in self.regions.restored:
                return entered  # on the way to the restores: when it raises, too, they are what comes next
            return ranges.around(covering, entered.depth)
        beginning = self._bodies.begins.get(unit)
        if beginning is not None:
            return self._bodies.around_begin(beginning) or ranges.final
        opcode = ranges.opcode_at(unit)
        if opcode == _PUSH_EXC_INFO:  # of a handler that covers nothing
            return ranges.around(covering, ranges.depth(unit) - 1)
        found = self._left_at(unit, covering, line)
        if opcode != _POP_EXCEPT:
            found = self._innermost(found, self._clauses.with_at(unit, covering, line))
        found = self._innermost(found, self._clauses.clause_at(unit, covering))
        return found or covering or ranges.final

    def _ends_loop(self, handler: Handler) -> bool:
        """Whether a handler ends an ``async for`` when there is no next item."""
        return self.ranges.opcode_at(handler.target) == _END_ASYNC_FOR

    def _innermost(self, one: Handler | None, other: Handler | None) -> Handler | None:
        """The inner one of two; ``other``, which the stack tells, where none is."""
        return one if other is None or (one is not None and self.ranges.is_inside(one, other)) else other

    def _left_at(self, unit: int, covering: Handler | None, line: int | None) -> Handler | None:
        """The handler of the innermost ``try`` whose body ``unit`` is in, or what is around it, if the stack there has
        on it what that handler needs; None where ``covering`` is inside of it.

        The stack has not where a ``break`` or ``continue`` in a ``finally`` has given up what was pending, or a
        ``return`` has taken loops and handled exceptions from below its value.
        """
        ranges, found = self.ranges, self._bodies.empty_at(unit, line)
        if found is not None and ranges.is_inside(found, covering):
            return found
        found = self._bodies.at(unit, covering, line)
        if found is None or not found.depth or ranges.comes_from(found, unit):
            return found
        return ranges.around(found, ranges.kept(found.start, unit) if ranges.depth(unit) else 0)
