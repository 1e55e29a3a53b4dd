"""The regions of inlined comprehensions, in which a variable of the frame is not the function's own.

From 3.12 on a comprehension runs in the frame around it: LOAD_FAST_AND_CLEAR saves the variables that it
binds, a STORE_FAST for each restores them. In between they are the comprehension's, even where the function
has a variable of the same name, cell or not.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import CodeType
from typing import NamedTuple

from equip import isa
from equip.analysis.depths import stack_depths
from equip.code import exceptions
from equip.code.instruction import Instruction, instructions

_CLEAR = isa.OP.get("LOAD_FAST_AND_CLEAR", -1)
_SAVING = frozenset({_CLEAR, isa.OP["MAKE_CELL"]})
_STORES = isa.ops("STORE_FAST STORE_FAST_STORE_FAST STORE_FAST_LOAD_FAST")
_TWO_STORES = isa.ops("STORE_FAST_STORE_FAST")


class Access(NamedTuple):
    """One access to a variable: the name, and whether it is a comprehension's and not the function's own."""

    name: str
    borrowed: bool


def accesses(code: CodeType) -> dict[int, tuple[Access, ...]]:
    """By offset: the variables that an instruction names, in order (two for a super-instruction)."""
    found = instructions(code)
    inside = _regions(code, found)
    result: dict[int, tuple[Access, ...]] = {}
    for instruction in found:
        names = _named(instruction)
        if names:
            first, second = inside.get(instruction.offset, (frozenset(), frozenset()))
            result[instruction.offset] = tuple(
                Access(name, name in region) for name, region in zip(names, (first, second), strict=False)
            )
    return result


def own_locals(code: CodeType) -> frozenset[str]:
    """The variables of the frame that the function itself uses; parameters always count."""
    count = code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & 4) + bool(code.co_flags & 8)
    own = set(code.co_varnames[:count])
    raw = code.co_code
    for offset, named in accesses(code).items():
        if raw[offset] != isa.OP["MAKE_CELL"]:
            own |= {access.name for access in named if not access.borrowed}
    return frozenset(own)


def _named(instruction: Instruction) -> tuple[str, ...]:
    operand = isa.OPERAND[instruction.opcode]
    if operand == "slot":
        return (str(instruction.argval),)
    if operand == "pair" and isinstance(instruction.argval, tuple):
        return tuple(str(name) for name in instruction.argval)
    return ()


_Inside = dict[int, tuple[frozenset[str], frozenset[str]]]


def _regions(code: CodeType, found: tuple[Instruction, ...]) -> _Inside:
    """By offset: the names that are a comprehension's, for the first and for the second operand."""
    inside: _Inside = {}
    if _CLEAR < 0 or _CLEAR not in code.co_code[::2]:
        return inside
    depths = stack_depths(code)
    handlers = exceptions.decode(code.co_exceptiontable)
    positions = {instruction.offset: i for i, instruction in enumerate(found)}
    i = 0
    while i < len(found):
        first = i
        names: set[str] = set()
        while found[i].opcode in _SAVING and (names or found[i].opcode == _CLEAR):
            if found[i].opcode == _CLEAR:
                names.add(str(found[i].argval))
            i += 1
        if names and found[first].offset in depths:
            walk = _Walk(found, positions, depths, handlers, depths[found[first].offset], len(names))
            walk.run(first, frozenset(names), inside)
        i += not names
    return inside


class _Walk(NamedTuple):
    """From the first save of a comprehension to the last restore, on every path."""

    found: tuple[Instruction, ...]
    positions: dict[int, int]
    depths: dict[int, int]
    handlers: list[exceptions.Handler]
    depth: int
    """Before the first save: the iterator of the comprehension is on top."""
    saved: int

    def run(self, first: int, names: frozenset[str], inside: _Inside) -> None:
        pending, seen = [(first, names)], {(first, names)}
        while pending:
            i, state = pending.pop()
            instruction = self.found[i]
            after = self._mark(instruction, state, inside)
            for offset, following in self._successors(instruction, state, after):
                step = (self.positions[offset], following)
                if following and step not in seen:
                    seen.add(step)
                    pending.append(step)

    def _mark(self, instruction: Instruction, state: frozenset[str], inside: _Inside) -> frozenset[str]:
        """Note the names of the comprehension at an instruction; the names still saved behind it."""
        depth = self.depths.get(instruction.offset, 0)
        names = _named(instruction)
        between = after = state
        if instruction.opcode in _STORES:
            between = after = self._restored(names[0], depth, state)
            if instruction.opcode in _TWO_STORES:
                after = self._restored(names[1], depth - 1, between)
        before = inside.get(instruction.offset, (frozenset(), frozenset()))
        inside[instruction.offset] = (before[0] | state, before[1] | between)
        return after

    def _restored(self, name: str, depth: int, state: frozenset[str]) -> frozenset[str]:
        """A store with the iterator gone from the stack is the restore of its variable."""
        return state - {name} if depth <= self.depth + self.saved + 1 else state

    def _successors(
        self, instruction: Instruction, state: frozenset[str], after: frozenset[str]
    ) -> Iterator[tuple[int, frozenset[str]]]:
        if instruction.target is not None:
            yield instruction.target, after
        if instruction.opcode not in isa.NO_FALLTHROUGH:
            yield instruction.end, after
        unit = instruction.offset // 2
        for handler in self.handlers:
            if handler.start <= unit < handler.end and handler.depth >= self.depth:
                yield 2 * handler.target, state
