"""Which handler of a code object a statement would stand in if it were written at a place."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from functools import cached_property
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

_COPY = isa.OP["COPY"]
_PUSH_EXC_INFO = isa.OP["PUSH_EXC_INFO"]
_POP_EXCEPT = isa.OP["POP_EXCEPT"]
_PECULIAR = isa.Scan(isa.UNCONDITIONAL | isa.ops("NOP POP_EXCEPT PUSH_EXC_INFO SWAP"))


class Coverage(Ranges):
    """Which handler a statement would stand in if it were written at a place."""

    def __init__(self, code: CodeType) -> None:
        super().__init__(code)
        self._entries = {handler.target: handler for handler in reversed(self.handlers)}
        self._bodies = Bodies(self)
        self._clauses = Clauses(self)
        self._usual: dict[tuple[int, int | None], tuple[Handler | None] | tuple[()]] = {}
        """By where a statement is, in lines and handlers: what it stands in, if that is all that counts."""
        self.regions = Regions(code, self.handlers)

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
                if (there is None or there.target != handler.target) and not self._is_end(handler.target):
                    added.add((at, handler.target))
        return unproven(self.code, self.handlers, added) if added else frozenset()

    def _is_end(self, target: int) -> bool:
        """Whether it is plain that what comes to the handler at ``target`` does nothing more but to leave."""
        return self.opcodes[target] == _COPY and self.at(target) is None

    def of_statement(self, unit: int) -> Handler | None:
        """The handler around a statement before the instruction at ``unit``.

        It differs from ``at`` in a few places. The NOP of a ``try:`` line is in no range, not even that of the
        ``try`` around it. A ``break``, a ``continue`` and the ``return`` of a constant have left the ``try`` or
        ``with`` when their first instruction is reached, and the ``except`` clause when that is POP_EXCEPT. Where the
        first statement of a ``try`` is on its line, so is what belongs before that line. At the first instruction of a
        handler the stack is not yet what the handler's own cleanup expects. Some instructions of a comprehension, of
        which the compiler knows that they do not raise, are not in the range of its handler.
        """
        return self._of_statement(unit, self.at(unit), self.lines.at(unit)) if self.handlers else None

    def _of_statement(self, unit: int, covering: Handler | None, line: int | None) -> Handler | None:
        restoring = self.regions.handler_at(unit) if self.regions.exist else None
        if restoring is not None:
            return restoring
        if unit in self._peculiar:
            return self._of_peculiar(unit, covering)
        key = bisect_right(self._bodies.limits, line or 0), covering and covering.start
        known = self._usual.get(key)
        if known is None:
            known = self._usual[key] = self._of_all_like(unit, covering)
        return known[0] if known else self._left_at(unit, covering) or covering or self.final

    def _of_all_like(self, unit: int, covering: Handler | None) -> tuple[Handler | None] | tuple[()]:
        """What is around ``unit`` and all others on the same lines in the same handler; nothing where they differ."""
        body = self._bodies.innermost_at(unit)
        if self._bodies.some_are_empty or (body is not None and len({one.target for one in body.ranges}) > 1):
            return ()
        inner = self._bodies.at(unit, covering)
        return () if inner is not None and inner.depth else (inner or covering or self.final,)

    @cached_property
    def _peculiar(self) -> frozenset[int]:
        """The code units where more counts than in which lines and in which handler they are."""
        groups = (range(clause.start, clause.cleanup.target) for clause in self._clauses.of_groups)
        alone: Iterable[int] = _PECULIAR.positions(self.opcodes)
        if isa.EXTENDED_ARG in self.opcodes:
            alone = map(self.first_unit, alone)
        return frozenset(chain(self._entries, alone, self.regions.restored, self._bodies.begins, *groups))

    def _of_peculiar(self, unit: int, covering: Handler | None) -> Handler | None:
        entered = self._entries.get(unit)
        if entered is not None:
            if unit in self.regions.restored:
                return entered  # on the way to the restores: when it raises, too, they are what comes next
            return self.around(covering, entered.depth)
        if covering is not None and covering.start == unit and unit in self._bodies.begins:
            return self._bodies.around_begin(covering) or self.final
        opcode = self.opcode_at(unit)
        if opcode == _PUSH_EXC_INFO:  # of a handler that covers nothing
            return self.around(covering, self.depth(unit) - 1)
        found = self._left_at(unit, covering)
        if opcode != _POP_EXCEPT:
            found = self._innermost(found, self._clauses.with_at(unit, covering))
        found = self._innermost(found, self._clauses.clause_at(unit, covering))
        return found or covering or self.final

    def _innermost(self, one: Handler | None, other: Handler | None) -> Handler | None:
        """The inner one of two; ``other``, which the stack tells, where none is."""
        return one if other is None or (one is not None and self.is_inside(one, other)) else other

    def _left_at(self, unit: int, covering: Handler | None) -> Handler | None:
        """The handler of the innermost ``try`` whose body ``unit`` is in, or what is around it, if the stack there has
        on it what that handler needs; None where ``covering`` is inside of it.

        The stack has not where a ``break`` or ``continue`` in a ``finally`` has given up what was pending, or a
        ``return`` has taken loops and handled exceptions from below its value.
        """
        found = self._bodies.empty_at(unit)
        if found is not None and self.is_inside(found, covering):
            return found
        found = self._bodies.at(unit, covering)
        if found is None or not found.depth or self.comes_from(found, unit):
            return found
        return self.around(found, self.kept(found.start, unit) if self.depth(unit) else 0)
