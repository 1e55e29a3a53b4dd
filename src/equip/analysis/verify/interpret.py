"""The abstract interpretation: states go along the edges until nothing changes.

Blocks are run in the order of the code, again and again while a state at their start has changed; what a block does is
``meaning``. An exception goes to the handler from each instruction that can raise, with the stack cut to the
handler's depth.
"""

from __future__ import annotations

from typing import Final

from equip import isa
from equip.analysis.verify import kinds
from equip.analysis.verify.decoded import Decoded
from equip.analysis.verify.frame import Frame, State, join
from equip.analysis.verify.jumps import BRANCHES, ON_NONE, ON_NOT_NONE
from equip.analysis.verify.meaning import STEPS, pushed
from equip.analysis.verify.problem import Fault
from equip.code.exceptions import Handler

_STOP_ITERATION: Final = bytes([isa.OP.get("CALL_INTRINSIC_1", 0), isa.OP["RERAISE"]])
_COPY: Final = isa.OP["COPY"]
_ON_NONE: Final = ON_NONE | ON_NOT_NONE
_QUIET: Final = bytes(opcode in isa.QUIET | isa.ops("MAKE_CELL") for opcode in range(256))
"""MAKE_CELL raises only when there is no memory. Where a comprehension takes over a cell of the function, the compiler
has it in the range of a handler that needs that cell, which is not there yet: it does not count on that, either."""
Trace = list[tuple[int, tuple[int, ...]]]
"""Instructions, by their index, and the stack before each."""


class Interpretation:
    """The states of one code object."""

    __slots__ = ("args", "block_at", "changed", "decoded", "first", "frame", "handlers", "limit", "opcodes", "states")

    def __init__(self, decoded: Decoded) -> None:
        starts = decoded.starts
        self.decoded = decoded
        self.opcodes, self.args = decoded.opcodes, decoded.args
        self.frame = Frame(decoded)
        self.limit = decoded.code.co_stacksize
        self.block_at = {start: number for number, start in enumerate(starts)}
        self.first = [*map(decoded.index, starts), len(decoded.opcodes)]
        self.handlers: list[Handler | None] | None = None
        if decoded.handlers:
            handlers = [self._as_run(handler) for handler in decoded.handlers]
            self.handlers = [handlers[h] if h >= 0 else None for h in decoded.covers]
        self.states: list[State | None] = [None] * len(starts)
        self.changed = bytearray(len(starts))

    def _as_run(self, handler: Handler) -> Handler:
        """The handler with what the code behind it needs on the stack.

        That is nothing for the compiler's own last handler of a generator, which looks at the exception and its offset
        only. In a generator expression of 3.15, the table has it keep an iterator that is no longer there at the end.
        """
        at = self.decoded.index(handler.target)
        ends = handler.lasti and self.opcodes[at : at + 2] == _STOP_ITERATION and self.args[at] == 3
        ends = ends and self.args[at + 1] == 1 and handler.depth < self.limit - 1
        return handler._replace(depth=0) if ends else handler

    def run(self) -> tuple[Fault, Trace] | None:
        """The first broken invariant, with the stacks before the instructions that lead to it."""
        self.states[0] = self.frame.state()
        block = 0
        changed = self.changed
        while block >= 0:
            changed[block] = 0
            try:
                self._run_block(block)
            except Fault as fault:
                return fault, self._trace(block, fault)
            block = changed.find(1)
        return None

    def _trace(self, block: int, fault: Fault) -> Trace:
        """Run a block again as far as it goes, and say where that is."""
        trace: Trace = []
        state = self.states[block]
        assert state is not None
        frame = self.frame
        frame.put(state)
        for index in range(self.first[block], self.first[block + 1]):
            trace.append((index, tuple(frame.stack)))
            try:
                STEPS[self.opcodes[index]](frame, self.args[index])
            except Fault:
                break
            if len(frame.stack) > self.limit or fault.unit == index:
                break
        fault.unit = self.decoded.at[trace[-1][0]]
        return trace

    def _run_block(self, block: int) -> None:
        frame = self.frame
        state = self.states[block]
        assert state is not None
        frame.put(state)
        first, last = self.first[block], self.first[block + 1]
        handler = None
        if self.handlers is not None:
            handler = self.handlers[block]
            if block and self.opcodes[first] in isa.PUSHES_FRAMES:
                self._raise_before(block, first)
        if handler is not None:
            self._run_covered(first, last, handler)
        else:
            stack, limit, steps = frame.stack, self.limit, STEPS
            for opcode, arg in zip(self.opcodes[first:last], self.args[first:last], strict=True):
                steps[opcode](frame, arg)
                if len(stack) > limit:
                    self._overflow(len(stack))
        self._leave(block, last - 1)

    def _run_covered(self, first: int, last: int, handler: Handler) -> None:
        """Run instructions that a handler covers; what differs from what it has seen goes to it."""
        frame, steps, limit, depth = self.frame, STEPS, self.limit, handler.depth
        stack = frame.stack
        bound, cells = -1, -1
        kept: list[int] = []
        for index in range(first, last):
            opcode, arg = self.opcodes[index], self.args[index]
            if _QUIET[opcode]:
                steps[opcode](frame, arg)
            else:
                before = len(stack)
                now, was_bound, was_cells = stack[:depth], frame.bound, frame.cells
                steps[opcode](frame, arg)
                floor = len(stack) - pushed(opcode, arg)
                if floor < depth or before < depth:
                    found = min(floor, before)
                    raise Fault(
                        "handler", f"expected at least {depth} values that stay for the handler, found {found}", index
                    )
                if was_bound != bound or now != kept or was_cells != cells:
                    kept, bound, cells = now, was_bound, was_cells
                    self._enter_handler(handler, State(tuple(kept), bound, cells))
            if len(stack) > limit:
                self._overflow(len(stack))

    def _enter_handler(self, handler: Handler, now: State) -> None:
        pushes = (kinds.LASTI, kinds.EXC) if handler.lasti else (kinds.EXC,)
        if handler.depth + len(pushes) > self.limit:
            self._overflow(handler.depth + len(pushes))
        self._enter(self.block_at[handler.target], State(now.stack + pushes, now.bound, now.cells))

    def _raise_before(self, block: int, index: int) -> None:
        """What a called function raises is looked up at the code unit before the call."""
        assert self.handlers is not None
        handler = self.handlers[block - 1]
        is_prefixed = self.decoded.at[index] > self.decoded.starts[block]  # then the unit before it is its prefix
        if handler is None or handler == self.handlers[block] or is_prefixed:
            return
        frame = self.frame
        if handler.depth > len(frame.stack) - 1:
            raise Fault(
                "handler", "expected fewer values on the stack in the handler of the code unit before a call", index
            )
        self._enter_handler(handler, State(tuple(frame.stack[: handler.depth]), frame.bound, frame.cells))

    def _leave(self, block: int, last: int) -> None:
        """Go on from the last instruction of a block; branches left the stack as it is at their target to this."""
        frame, opcode = self.frame, self.opcodes[last]
        if opcode in BRANCHES:
            stack = BRANCHES[opcode](frame, self.args[last])
            if max(len(stack), len(frame.stack)) > self.limit:
                self._overflow(max(len(stack), len(frame.stack)))
            if opcode in _ON_NONE:
                stack = self._known_exception(last, opcode, stack)
            state = frame.state()
            there = state if stack is frame.stack else State(tuple(stack), frame.bound, frame.cells)
            self._enter(self.block_at[self.decoded.target(last)], there)
            self._enter(block + 1, state)
        elif opcode in isa.UNCONDITIONAL:
            self._enter(self.block_at[self.decoded.target(last)], frame.state())
        elif opcode not in isa.LEAVING:
            self._enter(block + 1, frame.state())

    def _known_exception(self, last: int, opcode: int, stack: list[int]) -> list[int]:
        """Behind COPY 1 and a test for None, what is left on top is known to be no None on one of the ways."""
        if last and self.opcodes[last - 1] == _COPY and self.args[last - 1] == 1 and stack:
            if opcode in ON_NONE:
                stack = list(stack)
                self.frame.stack[-1] &= ~kinds.NONE
            else:
                stack = [*stack[:-1], stack[-1] & ~kinds.NONE]
        return stack

    def _enter(self, block: int, state: State) -> None:
        known = self.states[block]
        if known is None:
            self.states[block] = state
            self.changed[block] = 1
        elif known != state:
            made = join(known, state)
            if made != known:
                self.states[block] = made
                self.changed[block] = 1

    def _overflow(self, depth: int) -> None:
        raise Fault("overflow", f"expected at most co_stacksize ({self.limit}) values on the stack, found {depth}")
