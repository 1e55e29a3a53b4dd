"""The abstract frame that instructions change: a stack of values, and what is known of the slots."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR
from types import CodeType
from typing import Final, NamedTuple

from equip import isa
from equip.analysis.verify import kinds
from equip.analysis.verify.decoded import Decoded
from equip.analysis.verify.problem import Fault
from equip.code.instruction import parameter_count
from equip.isa import demands

_GENERATORS: Final = CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR


class State(NamedTuple):
    """Before an instruction. ``bound`` and ``cells`` are sets of slots, as bits: those that are bound on every way
    here, and those that hold a cell on every way. Behind the slots, two bits of ``bound`` say whether RETURN_GENERATOR
    has made the frame that of a generator: ``Frame.made`` on every way, ``Frame.unmade`` on none."""

    stack: tuple[int, ...]
    bound: int
    cells: int


class Frame:
    """A state that changes, and what all states of a code object share."""

    __slots__ = (
        "bound",
        "cells",
        "constants",
        "flags",
        "free",
        "made",
        "names",
        "promised",
        "slots",
        "stack",
        "suspends",
        "unmade",
    )

    def __init__(self, decoded: Decoded) -> None:
        code = decoded.code
        self.slots = decoded.slots
        self.constants = list(map(kinds.of_constant, code.co_consts))
        self.free = len(code.co_freevars)
        self.flags = code.co_flags
        self.suspends = bool(code.co_flags & _GENERATORS)
        self.made = 1 << len(self.slots)
        self.unmade = 2 << len(self.slots)
        self.names = code.co_names
        self.promised = {} if demands.PROMISED.keys().isdisjoint(self.slots) else _promised(code, self.slots)
        self.stack: list[int] = []
        self.bound = (1 << parameter_count(code)) - 1 | self.unmade
        self.cells = 0

    def put(self, state: State) -> None:
        self.stack = list(state.stack)
        self.bound, self.cells = state.bound, state.cells

    def state(self) -> State:
        return State(tuple(self.stack), self.bound, self.cells)

    def pop(self, allowed: int, expected: str) -> int:
        if not self.stack:
            raise Fault("underflow", f"expected {expected} on the stack, found it empty")
        value = self.stack.pop()
        if value & kinds.KINDS & ~allowed:
            raise Fault("kind", f"expected {expected} on top, found {kinds.shown(value)}")
        return value

    def peek(self, place: int, allowed: int, expected: str) -> int:
        """The value at a place, 1 for the top."""
        if place > len(self.stack):
            raise Fault("underflow", f"expected {expected} at {place} from the top, found {len(self.stack)} values")
        value = self.stack[-place]
        if value & kinds.KINDS & ~allowed:
            raise Fault("kind", f"expected {expected} at {place} from the top, found {kinds.shown(value)}")
        return value

    def rebind(self, slot: int) -> None:
        """A slot loses its value: no reference to it may be borrowed."""
        if isa.BORROWS:
            bit = 1 << (kinds.BORROWED + slot)
            for value in self.stack:
                if value & bit:
                    raise Fault(
                        "borrow", f"expected no borrowed reference to {self.slots[slot]} on the stack while it changes"
                    )


def _promised(code: CodeType, slots: Sequence[str]) -> dict[int, int]:
    """The kinds of the slots that no program can name."""
    return {
        slot: kinds.SETS[demands.PROMISED[name]]
        for slot, name in enumerate(slots)
        if name in demands.PROMISED and (name != ".0" or (slot == 0 and kinds.wants_iterator(code)))
    }


def join(one: State, other: State) -> State:
    """What is one or the other. Raises ``Fault`` where the depths differ."""
    if len(one.stack) != len(other.stack):
        raise Fault("merge", f"expected one depth on all ways here, found {len(one.stack)} and {len(other.stack)}")
    stack = one.stack
    if stack != other.stack:
        stack = tuple(map(kinds.join, stack, other.stack))
    return State(stack, one.bound & other.bound, one.cells & other.cells)
