"""The handlers of a code object as its exception table has them, and what is on the stack where."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from types import CodeType

from equip import isa
from equip.analysis.depths import depth_at, stack_depths
from equip.code import exceptions
from equip.code.exceptions import Handler
from equip.code.lines import LineSpans
from equip.code.linker import stop_iteration_handler
from equip.code.sites import Jump, find_jumps
from equip.lazy import lazy

_PUSHES_NOTHING = isa.ops("LOAD_FAST_AND_CLEAR") | (
    frozenset() if isa.BORROWS else isa.ops("LOAD_ATTR LOAD_GLOBAL LOAD_METHOD LOAD_SUPER_ATTR PUSH_NULL")
)
"""What may push nothing in place of a value: of a variable that is not bound, and for calls, which from 3.14 on POP_TOP
takes."""
_DELETE_FAST = isa.OP["DELETE_FAST"]
_WITH = bytes([isa.OP["PUSH_EXC_INFO"], isa.OP["WITH_EXCEPT_START"]])
_NOTHING = isa.ops("CACHE NOT_TAKEN")
"""What does nothing by itself. NOT_TAKEN the compiler adds when the ranges are made, and puts into any."""
_FEW = 8
"""For so many places it costs less to find the depth of the stack of each by itself than those of all the code."""


class Ranges:
    """Positions are code units."""

    def __init__(self, code: CodeType) -> None:
        self.code = code
        self.raw = code.co_code
        self.opcodes = self.raw[::2]
        self.numbers = exceptions.numbers_of(code.co_exceptiontable)
        self.handlers = exceptions.handlers_of(self.numbers)
        self._starts = [handler.start for handler in self.handlers]
        self._ends = [handler.end for handler in self.handlers]
        self.final = stop_iteration_handler(self.raw, self.handlers)
        self._depths_asked = 0
        self._known_beyond: dict[int, tuple[Handler, ...]] = {}

    def first_unit(self, unit: int) -> int:
        """Where the prefixes of the instruction at ``unit`` begin."""
        while unit and self.opcodes[unit - 1] == isa.EXTENDED_ARG:
            unit -= 1
        return unit

    def opcode_at(self, unit: int) -> int:
        """The opcode of the instruction whose first prefix is at ``unit``."""
        while self.opcodes[unit] == isa.EXTENDED_ARG:
            unit += 1
        return self.opcodes[unit]

    def is_final(self, handler: Handler | None) -> bool:
        """Whether it is the compiler's own last handler of a generator."""
        return handler is not None and self.final is not None and handler.target == self.final.target

    def is_of_with(self, target: int) -> bool:
        """Whether the handler at ``target`` is that of a ``with``."""
        return self.opcodes[target : target + 2] == _WITH

    def at(self, unit: int) -> Handler | None:
        """The handler whose range has this code unit in it."""
        found = bisect_right(self._starts, unit) - 1
        return self.handlers[found] if found >= 0 and unit < self._ends[found] else None

    def beyond(self, target: int) -> tuple[Handler, ...]:
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

    def is_inside(self, handler: Handler, other: Handler | None) -> bool:
        """Whether what is in the range of ``handler`` is inside that of ``other``, and these are not the same."""
        if other is None or self.is_final(other):
            return True
        target = other.target
        return target != handler.target and any(one.target == target for one in self.beyond(handler.target))

    def around(self, handler: Handler | None, depth: int) -> Handler | None:
        """The first handler, going outwards, that leaves no more than ``depth`` on the stack."""
        if handler is None or handler.depth <= depth:
            return handler
        return next((one for one in self.beyond(handler.target) if one.depth <= depth), None)

    # -- the stack ---------------------------------------------------------------------------------------

    def depth(self, unit: int) -> int:
        """The depth of the stack before an instruction; 0 where control never comes."""
        if self._depths_asked < _FEW:
            self._depths_asked += 1
            return depth_at(self.code, self.handlers, 2 * unit) or 0
        return self.depths.get(2 * unit, 0)

    @lazy
    def depths(self) -> dict[int, int]:
        """The depth of the stack before each instruction that can be reached, by offset."""
        return stack_depths(self.code)

    def comes_from(self, handler: Handler, unit: int) -> bool:
        """Whether one of the instructions that lead to the one at ``unit`` is in the range of ``handler``: then all
        that the handler needs is on the stack. It can be there without that, too."""
        return any(self._is_in(handler, one) for one in self._leading_to(unit))

    def is_led_to_from(self, handler: Handler, unit: int) -> bool:
        """Whether all that lead to the instruction at ``unit`` are in the range of ``handler`` and unbind no local.

        Locals that are unbound before that one can then be so in the handler anyway, even if it is not in the range.
        (Restores of what a comprehension has taken over, which can unbind a local, too, are not looked for.)
        """
        leading = [*self._leading_to(unit)]
        for one in leading:
            there = self.at(one)
            if there is None or there.target != handler.target or self.opcodes[one] == _DELETE_FAST:
                return False
        return bool(leading)

    def _leading_to(self, unit: int) -> Iterator[int]:
        """The instructions from which control comes to the one at ``unit``, other than as an exception."""
        before = unit - 1
        while before > 0 and self.opcodes[before] in _NOTHING:
            before -= 1
        if self.opcodes[before] not in isa.NO_FALLTHROUGH:
            yield before
        yield from self._origins.get(unit, ())

    def _is_in(self, handler: Handler, unit: int) -> bool:
        there = self.at(unit)
        return there is not None and (there.target == handler.target or self.is_inside(there, handler))

    @lazy
    def _origins(self) -> dict[int, list[int]]:
        """The code units of the jumps to each target."""
        found: dict[int, list[int]] = {}
        for jump in self.jumps:
            found.setdefault(jump.target, []).append(jump.start)
        return found

    @lazy
    def jumps(self) -> list[Jump]:
        """Every jump."""
        return find_jumps(self.raw)

    def kept(self, before: int, unit: int, guess: bool = False) -> int:
        """How many of the values on the stack at ``before`` are still where they were at ``unit``.

        Where only the handler of a ``try`` leads in which nothing is covered, the values on the stack are not known. If
        that is so at ``before`` they are taken as the same, with ``guess`` also if it is so at ``unit``.
        """
        from equip.analysis.stackvalues import is_known

        found = 0
        for one, other in zip(self._stacks.get(2 * unit, ()), self._stacks.get(2 * before, ()), strict=False):
            if one != other and is_known(other) and not (guess and not is_known(one)):
                break
            found += 1
        return found

    def nothings(self, unit: int) -> list[bool]:
        """For each value on the stack at ``unit``, from below, whether it can be nothing that POP_TOP does not take."""
        from equip.analysis.stackvalues import pushed_at

        return [
            any(self.opcode_at(offset >> 1) in _PUSHES_NOTHING for offset in pushed_at(one))
            for one in self._stacks.get(2 * unit, ())
        ]

    @lazy
    def _stacks(self) -> dict[int, tuple[frozenset[int], ...]]:
        from equip.analysis.stackvalues import stacks_of_some_way

        return stacks_of_some_way(self.code)

    # -- lines -------------------------------------------------------------------------------------------

    @lazy
    def lines(self) -> LineSpans:
        """The line of each code unit."""
        return LineSpans(self.code)
