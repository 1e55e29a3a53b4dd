"""Reaching definitions: what can have bound the value that is read, and the chains between definitions and uses.

Locals are exact: a store or ``del`` ends what reached before. Cells and names are shared with code that is not looked
at, so their definitions never end, and one from outside (offset ``ENTRY``) always reaches. Attributes and items are not
tracked. What a restoring store of an inlined comprehension puts back counts as a definition of its own.
"""

from __future__ import annotations

from functools import cached_property
from types import MappingProxyType
from typing import Final, NamedTuple

from equip.analysis.bitvectors import Change, ForwardBits
from equip.analysis.controlflow import ControlFlow
from equip.analysis.solver import solve_forward
from equip.analysis.variables import Access, Accesses, Variable, VariableKind

ENTRY: Final = -1
"""The offset of definitions that are there when the code begins: arguments, and what other code has bound."""


class Definition(NamedTuple):
    """The instruction at ``offset`` (bytes, first prefix; or ``ENTRY``) binds a variable."""

    variable: Variable
    offset: int


class ReachingDefinitions:
    """Definitions and uses in a code object, a function, a declaration or its ``ControlFlow``."""

    def __init__(self, code: object) -> None:
        self.flow = code if isinstance(code, ControlFlow) else ControlFlow(code)
        self._accesses = accesses = Accesses(self.flow)
        outside = [one for one in accesses.variables if one.kind is not VariableKind.LOCAL]
        entering = [one for one in accesses.parameters if one.kind is VariableKind.LOCAL]
        self.definitions: tuple[Definition, ...] = (
            *(Definition(one, ENTRY) for one in (*entering, *outside)),
            *dict.fromkeys(Definition(one.variable, one.offset) for one in accesses.all if one.binds),
        )
        """All definitions: those from outside, then in the order of the code."""
        self._numbers = {one: number for number, one in enumerate(self.definitions)}
        self._of: dict[Variable, int] = {}
        for number, one in enumerate(self.definitions):
            self._of[one.variable] = self._of.get(one.variable, 0) | 1 << number
        at_entry = (1 << len(entering) + len(outside)) - 1
        shape = self.flow.shape
        changes = [
            Change(),
            *(
                accesses.forward_change(node, [(one.offset, *self._effect(one)) for one in accesses.by_node[node]])
                for node in range(1, shape.count + 1)
            ),
        ]
        self._states = solve_forward(shape, ForwardBits(shape, changes, at_entry))

    def reaching(self, offset: int) -> tuple[Definition, ...]:
        """The definitions that reach the instruction at an offset (bytes), in the order of ``definitions``."""
        node = self.flow.node(self.flow.block_at(offset))
        state = self._states[node]
        if state is None:
            return ()
        for access in self._accesses.by_node[node]:
            if access.offset >= offset:
                break
            state = self._after(access, state)
        return self._listed(state)

    def definitions_of(self, offset: int) -> tuple[Definition, ...]:
        """What can have bound what the instruction at an offset (bytes) reads; nothing for what reads no variable."""
        return self._chains.get(offset, ())

    def uses_of(self, definition: Definition) -> tuple[int, ...]:
        """The offsets of the instructions that can read what a definition has bound, in order."""
        return self._uses.get(definition, ())

    @cached_property
    def _chains(self) -> MappingProxyType[int, tuple[Definition, ...]]:
        found: dict[int, tuple[Definition, ...]] = {}
        for node in range(1, self.flow.shape.count + 1):
            state = self._states[node]
            if state is None:
                continue
            for access in self._accesses.by_node[node]:
                if access.reads:
                    seen = self._listed(state & self._of.get(access.variable, 0))
                    found[access.offset] = found.get(access.offset, ()) + seen
                state = self._after(access, state)
        return MappingProxyType(found)

    @cached_property
    def _uses(self) -> dict[Definition, tuple[int, ...]]:
        found: dict[Definition, list[int]] = {}
        for offset, definitions in self._chains.items():
            for one in definitions:
                found.setdefault(one, []).append(offset)
        return {one: tuple(dict.fromkeys(offsets)) for one, offsets in found.items()}

    def _after(self, access: Access, state: int) -> int:
        gen, kill = self._effect(access)
        return (state & ~kill) | gen

    def _effect(self, access: Access) -> tuple[int, int]:
        gen = 1 << self._numbers[Definition(access.variable, access.offset)] if access.binds else 0
        ends = access.variable.kind is VariableKind.LOCAL and (access.binds or access.unbinds)
        return gen, self._of.get(access.variable, 0) if ends else 0

    def _listed(self, bits: int) -> tuple[Definition, ...]:
        found: list[Definition] = []
        while bits:
            low = bits & -bits
            found.append(self.definitions[low.bit_length() - 1])
            bits ^= low
        return tuple(found)
