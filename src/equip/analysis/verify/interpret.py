"""The abstract interpretation: states go along the edges until nothing changes.

Blocks are run in the order of the code, again and again while a state at their start has changed; what a block does is
``meaning``. An exception goes to the handler from each instruction that can raise, with the stack cut to the
handler's depth.
"""

from __future__ import annotations

from typing import Final

from equip import isa
from equip.analysis.verify import kinds
from equip.analysis.verify.decoded import Decoded, Word, target_of
from equip.analysis.verify.frame import Frame, State, join
from equip.analysis.verify.meaning import BRANCHES, ON_NONE, ON_NOT_NONE, STEPS, pushed
from equip.analysis.verify.problem import Fault
from equip.code.exceptions import Handler

_COPY: Final = isa.OP["COPY"]
Trace = list[tuple[Word, tuple[int, ...]]]


class Interpretation:
    """The states of one code object."""

    def __init__(self, decoded: Decoded) -> None:
        self.decoded = decoded
        self.frame = Frame(decoded)
        self.limit = decoded.code.co_stacksize
        starts = decoded.shape.starts
        self.block_at = {start: number for number, start in enumerate(starts)}
        self.words = self._words_by_block(starts)
        self.handlers: list[Handler | None] = [None] * len(starts)
        if decoded.handlers:
            self.handlers = [decoded.handlers[h] if h >= 0 else None for h in decoded.shape.handlers]
        self.states: list[State | None] = [None] * len(starts)
        self.changed = bytearray(len(starts))

    def _words_by_block(self, starts: object) -> list[list[Word]]:
        decoded = self.decoded
        first = [decoded.first[start] for start in decoded.shape.starts]
        return [decoded.words[a:b] for a, b in zip(first, [*first[1:], len(decoded.words)], strict=True)]

    def run(self) -> tuple[Fault, Trace] | None:
        """The first broken invariant, with the stacks before the instructions that lead to it."""
        self.states[0] = self.frame.state()
        self.changed[0] = 1
        block = 0
        while (block := self.changed.find(1)) >= 0:
            self.changed[block] = 0
            try:
                self._run_block(block)
            except Fault as fault:
                return fault, self._trace(block, fault.unit)
        return None

    def _trace(self, block: int, unit: int) -> Trace:
        trace: Trace = []
        state = self.states[block]
        assert state is not None
        self.frame.put(state)
        for word in self.words[block]:
            trace.append((word, tuple(self.frame.stack)))
            if word.at == unit:
                break
            if word.opcode in STEPS:
                STEPS[word.opcode](self.frame, word.arg)
        return trace

    def _run_block(self, block: int) -> None:
        frame = self.frame
        state = self.states[block]
        assert state is not None
        frame.put(state)
        handler = self.handlers[block]
        word = self.words[block][0]
        try:
            if word.opcode in isa.PUSHES_FRAMES and block:
                self._raise_before(block, word)
            if handler is None:
                for word in self.words[block]:
                    if word.opcode in STEPS:
                        STEPS[word.opcode](frame, word.arg)
                        if len(frame.stack) > self.limit:
                            self._overflow(len(frame.stack))
            else:
                last = None
                for word in self.words[block]:
                    last = self._covered(word, handler, last)
            self._leave(block, word)
        except Fault as fault:
            fault.unit = word.at if fault.unit < 0 else fault.unit
            raise

    def _covered(self, word: Word, handler: Handler, last: State | None) -> State | None:
        """Run an instruction that a handler covers; the state that last went to the handler."""
        frame = self.frame
        before = len(frame.stack)
        quiet = word.opcode in isa.QUIET
        if not quiet:
            now = State(tuple(frame.stack[: handler.depth]), frame.bound, frame.cells)
        if word.opcode in STEPS:
            STEPS[word.opcode](frame, word.arg)
            floor = min(before, len(frame.stack) - pushed(word.opcode, word.arg))
            if len(frame.stack) > self.limit:
                self._overflow(len(frame.stack))
        else:
            floor = before - (word.opcode in isa.TRUE_JUMPS or word.opcode in isa.FALSE_JUMPS)
        if quiet:
            return last
        if floor < handler.depth:
            raise Fault("handler", f"expected at least {handler.depth} values that stay for the handler, found {floor}")
        if now != last:
            self._enter_handler(handler, now)
        return now

    def _enter_handler(self, handler: Handler, now: State) -> None:
        pushes = (kinds.LASTI, kinds.EXC) if handler.lasti else (kinds.EXC,)
        if handler.depth + len(pushes) > self.limit:
            self._overflow(handler.depth + len(pushes))
        self._enter(self.block_at[handler.target], State(now.stack + pushes, now.bound, now.cells))

    def _raise_before(self, block: int, word: Word) -> None:
        """What a called function raises is looked up at the code unit before the call."""
        handler, own = self.handlers[block - 1], self.handlers[block]
        if handler is None or handler == own or self.decoded.first.get(word.at) is None:
            return
        frame = self.frame
        if handler.depth > len(frame.stack) - 1:
            raise Fault("handler", "expected no handler with more values on the stack for what is called here to raise to")
        self._enter_handler(handler, State(tuple(frame.stack[: handler.depth]), frame.bound, frame.cells))

    def _leave(self, block: int, word: Word) -> None:
        """Go on from the last instruction of a block."""
        frame, opcode = self.frame, word.opcode
        branch = BRANCHES.get(opcode)
        if branch is not None:
            stack = branch(frame, word.arg)
            if max(len(stack), len(frame.stack)) > self.limit:
                self._overflow(max(len(stack), len(frame.stack)))
            stack = self._known_exception(block, opcode, stack)
            self._enter(self.block_at[target_of(word)], State(tuple(stack), frame.bound, frame.cells))
            self._enter(block + 1, frame.state())
        elif opcode in isa.UNCONDITIONAL:
            self._enter(self.block_at[target_of(word)], frame.state())
        elif opcode not in isa.LEAVING:
            self._enter(block + 1, frame.state())

    def _known_exception(self, block: int, opcode: int, stack: list[int]) -> list[int]:
        """Behind COPY 1 and a test for None, what is left on top is known to be an exception on one of the ways."""
        words = self.words[block]
        frame = self.frame
        if len(words) > 1 and words[-2].opcode == _COPY and words[-2].arg == 1 and frame.stack:
            if opcode in ON_NONE:
                stack = list(stack)
                frame.stack[-1] &= ~kinds.NONE
            elif opcode in ON_NOT_NONE:
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
