"""Liveness: the locals whose value can still be read.

A local is live at a place when some way from there reads it before it binds it again. Exceptions are ways, too. Cells
are left out, since other functions can read them whenever they run; so are names, which other code can read, and
attributes. What a debugger or ``locals()`` reads does not count.
"""

from __future__ import annotations

from equip.analysis.bitvectors import BackwardBits, Change, exceptional_edges
from equip.analysis.controlflow import BasicBlock, ControlFlow
from equip.analysis.solver import solve_backward
from equip.analysis.variables import Accesses, VariableKind


class Liveness:
    """The live locals of a code object, a function, a declaration or its ``ControlFlow``."""

    def __init__(self, code: object) -> None:
        self.flow = code if isinstance(code, ControlFlow) else ControlFlow(code)
        self._accesses = Accesses(self.flow)
        self._locals = self._accesses.bits(VariableKind.LOCAL)
        shape = self.flow.shape
        changes = [Change(), *(self._change(node) for node in range(1, shape.count + 1)), Change()]
        self._exceptional = exceptional_edges(shape)
        self._states = solve_backward(shape, BackwardBits(shape, changes, 0))

    def live_in(self, block: BasicBlock) -> frozenset[str]:
        """The locals that are live where a block begins."""
        return self._names(self._states[self.flow.node(block)])

    def live_out(self, block: BasicBlock) -> frozenset[str]:
        """The locals that are live where a block ends, exceptions of it left aside."""
        return self._names(self._out(self.flow.node(block)))

    def live_before(self, offset: int) -> frozenset[str]:
        """The locals that are live before the instruction at an offset (bytes)."""
        node = self.flow.node(self.flow.block_at(offset))
        return self._names(self._back_to(node, offset))

    def is_live(self, name: str, offset: int) -> bool:
        """Whether a local is live before the instruction at an offset (bytes)."""
        return name in self.live_before(offset)

    def _out(self, node: int, exceptional: bool = False) -> int:
        found = 0
        for target, raised in zip(self.flow.shape.successors[node], self._exceptional[node], strict=True):
            if raised == exceptional:
                found |= self._states[target]
        return found

    def _back_to(self, node: int, offset: int) -> int:
        live, raised = self._out(node), self._out(node, exceptional=True)
        raising = [at for at in self._accesses.raising(node) if at >= offset]
        for access in reversed(self._accesses.by_node[node]):
            if access.offset < offset:
                break
            while raising and raising[-1] > access.offset:
                live |= raised
                raising.pop()
            bit = (1 << self._accesses.numbers[access.variable]) & self._locals
            if access.binds or access.unbinds:
                live &= ~bit
            if access.reads:
                live |= bit
        return live | raised if raising else live

    def _change(self, node: int) -> Change:
        gen = kill = raised_kill = 0
        raising = self._accesses.raising(node)
        first = raising[0] if raising else -1
        numbers = self._accesses.numbers
        for access in self._accesses.by_node[node]:
            bit = (1 << numbers[access.variable]) & self._locals
            if access.reads and not kill & bit:
                gen |= bit
            if access.binds or access.unbinds:
                kill |= bit
                if access.offset < first:
                    raised_kill |= bit
        return Change(gen, kill, 0, raised_kill)

    def _names(self, bits: int) -> frozenset[str]:
        return frozenset(one.name for number, one in enumerate(self._accesses.variables) if bits >> number & 1)
