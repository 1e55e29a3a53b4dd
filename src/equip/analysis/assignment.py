"""Definite assignment: the locals that are bound at a place, whatever way led there.

What binds a local: a parameter, a store, and a read that went well. ``del`` unbinds it, and the stores that restore
the variables of an inlined comprehension may (as the compiler has it). Cells and names are left out, since other code
can bind and unbind them.
"""

from __future__ import annotations

from collections.abc import Iterable

from equip.analysis.bitvectors import Change, ForwardBits
from equip.analysis.controlflow import ControlFlow
from equip.analysis.solver import solve_forward
from equip.analysis.variables import Access, Accesses, VariableKind


class DefiniteAssignment:
    """The bound locals of a code object, a function, a declaration or its ``ControlFlow``."""

    def __init__(self, code: object) -> None:
        self.flow = code if isinstance(code, ControlFlow) else ControlFlow(code)
        self._accesses = accesses = Accesses(self.flow)
        self._locals = accesses.bits(VariableKind.LOCAL)
        bound = sum(1 << accesses.numbers[one] for one in accesses.parameters if one in accesses.numbers)
        shape = self.flow.shape
        changes = [
            Change(),
            *(
                accesses.forward_change(node, [(one.offset, *self._effect(one)) for one in accesses.by_node[node]])
                for node in range(1, shape.count + 1)
            ),
        ]
        self._unbound = solve_forward(shape, ForwardBits(shape, changes, self._locals & ~bound))

    def unbound_before(self, offset: int) -> frozenset[str]:
        """The locals that may be unbound before the instruction at an offset (bytes); none where control never is."""
        node = self.flow.node(self.flow.block_at(offset))
        before = (one for one in self._accesses.by_node[node] if one.offset < offset)
        return self._names(self._through(before, self._unbound[node] or 0))

    def assigned_before(self, offset: int) -> frozenset[str]:
        """The locals that are bound before the instruction at an offset (bytes) whenever control comes there."""
        every = frozenset(one.name for one in self._accesses.variables if one.kind is VariableKind.LOCAL)
        return every - self.unbound_before(offset)

    def possibly_unbound(self) -> tuple[Access, ...]:
        """The reads (and deletions) in reachable code that may find their local unbound, in order."""
        found: list[Access] = []
        for node in range(1, self.flow.shape.count + 1):
            state = self._unbound[node]
            if state is None:
                continue
            for access in self._accesses.by_node[node]:
                if state >> self._accesses.numbers[access.variable] & 1 and not access.binds:
                    found.append(access)
                state = self._through((access,), state)
        return tuple(found)

    def _through(self, accesses: Iterable[Access], state: int) -> int:
        for access in accesses:
            gen, kill = self._effect(access)
            state = (state & ~kill) | gen
        return state

    def _effect(self, access: Access) -> tuple[int, int]:
        """What it adds to the locals that may be unbound, and what it takes from them."""
        bit = (1 << self._accesses.numbers[access.variable]) & self._locals
        return (bit if access.unbinds or access.restoring else 0), bit

    def _names(self, bits: int) -> frozenset[str]:
        return frozenset(one.name for number, one in enumerate(self._accesses.variables) if bits >> number & 1)
