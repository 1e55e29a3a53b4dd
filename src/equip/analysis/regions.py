"""The regions of inlined comprehensions, in which a variable of the frame is not the function's own.

From 3.12 on a comprehension runs in the frame around it: LOAD_FAST_AND_CLEAR saves the variables that it
binds, a STORE_FAST for each restores them. In between they are the comprehension's, even where the function
has a variable of the same name, cell or not.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from types import CodeType
from typing import NamedTuple

from equip import isa
from equip.analysis.depths import stack_depths
from equip.code import exceptions
from equip.code.exceptions import Handler
from equip.code.instruction import Instruction, instructions

_CLEAR = isa.OP.get("LOAD_FAST_AND_CLEAR", -1)
_SAVING = frozenset({_CLEAR, isa.OP["MAKE_CELL"]})
_SWAP = isa.OP["SWAP"]
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


class Unprotected(NamedTuple):
    """Where an exception would leave a region without the variables being restored. Positions are code units."""

    covered: dict[int, Handler]
    """For what the handler that restores them does not cover, but could: that handler."""
    restored: dict[int, int]
    """For the instructions of that handler: the one at which they are."""


def unprotected(code: CodeType) -> Unprotected:
    """The places inside regions at which the compiler, knowing that nothing there raises, has no handler."""
    found = instructions(code)
    result = Unprotected({}, {})
    for walk, first, names in _walks(code, found):  # the inner ones last
        uncovered: dict[int, Instruction] = {}
        walk.run(first, names, {}, uncovered)
        restoring = min(walk.entered, key=_depth, default=None)
        if restoring is None:
            continue
        _taken(uncovered, found[first].end // 2)  # the other saves
        units, end = _taken(uncovered, restoring.target)
        result.restored.update(dict.fromkeys(units, end))
        for at, instruction in uncovered.items():
            is_swapped = found[walk.positions[instruction.offset] - 1].opcode == _SWAP
            if walk.depths[instruction.offset] >= restoring.depth and not is_swapped:
                result.covered[at] = restoring
    return result


def _taken(uncovered: dict[int, Instruction], unit: int) -> tuple[list[int], int]:
    """Take out what follows one another from ``unit`` on; the units, and the one behind."""
    units = []
    while unit in uncovered:
        units.append(unit)
        unit = uncovered.pop(unit).end // 2
    return units, unit


_depth = attrgetter("depth")


_Inside = dict[int, tuple[frozenset[str], frozenset[str]]]


def _regions(code: CodeType, found: tuple[Instruction, ...]) -> _Inside:
    """By offset: the names that are a comprehension's, for the first and for the second operand."""
    inside: _Inside = {}
    for walk, first, names in _walks(code, found):
        walk.run(first, names, inside, {})
    return inside


def has_regions(code: CodeType) -> bool:
    """Whether there are inlined comprehensions that save variables."""
    return _CLEAR >= 0 and _CLEAR in code.co_code[::2]


def _walks(code: CodeType, found: tuple[Instruction, ...]) -> Iterator[tuple[_Walk, int, frozenset[str]]]:
    """Each region with the position of its first save and the names that it saves."""
    if not has_regions(code):
        return
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
            walk = _Walk(found, positions, depths, handlers, depths[found[first].offset], len(names), set())
            yield walk, first, frozenset(names)
        i += not names


class _Walk(NamedTuple):
    """From the first save of a comprehension to the last restore, on every path."""

    found: tuple[Instruction, ...]
    positions: dict[int, int]
    depths: dict[int, int]
    handlers: list[Handler]
    depth: int
    """Before the first save: the iterator of the comprehension is on top."""
    saved: int
    entered: set[Handler]
    """The handlers that are found inside."""

    def run(self, first: int, names: frozenset[str], inside: _Inside, uncovered: dict[int, Instruction]) -> None:
        """Fill in what is inside, by offset, and which instructions no handler inside covers, by code unit."""
        pending, seen = [(first, names)], {(first, names)}
        while pending:
            i, state = pending.pop()
            instruction = self.found[i]
            after = self._mark(instruction, state, inside)
            handler = self._handler(instruction)
            ways = list(self._successors(instruction, after))
            if handler is not None:
                self.entered.add(handler)
                ways.append((2 * handler.target, state))
            elif i != first:
                uncovered[instruction.offset // 2] = instruction
            for offset, following in ways:
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

    def _successors(self, instruction: Instruction, after: frozenset[str]) -> Iterator[tuple[int, frozenset[str]]]:
        if instruction.target is not None:
            yield instruction.target, after
        if instruction.opcode not in isa.NO_FALLTHROUGH:
            yield instruction.end, after

    def _handler(self, instruction: Instruction) -> Handler | None:
        """The handler inside the region that covers an instruction."""
        unit = instruction.offset // 2
        for handler in self.handlers:
            if handler.start <= unit < handler.end and handler.depth >= self.depth:
                return handler
        return None
