"""The value stack before each instruction: how deep it is, and which instructions pushed the values on it.

An analysis on the shared solver; its states are stacks, tuples of the offsets that a value can come from. A value that
paths bring from several places comes from all of them. COPY and SWAP push nothing: they move what others pushed.
Unreachable code has no stack. What is not tracked: what the values are, and what is in a variable (``reaching``).
"""

from __future__ import annotations

from collections.abc import Sequence
from types import CodeType
from typing import Final

from equip import isa
from equip.analysis.controlflow import ControlFlow
from equip.analysis.depths import NEVER_TAKEN, unused_handlers
from equip.analysis.shape import EXCEPTION, EXHAUSTED, JUMP, RAISE, RETURN
from equip.analysis.solver import solve_forward
from equip.code import exceptions
from equip.code.sites import find_jumps
from equip.errors import InvalidCodeError
from equip.isa.pops import Step, effect, steps

UNWINDING: Final = -1
"""In the place of an instruction: the interpreter, which pushes an exception, and where it was raised, for handlers."""

Value = frozenset[int]
"""Where a value comes from: ``offset << 16 | n`` for the n-th value (the lowest is 0) that an instruction pushed."""
Stack = tuple[Value, ...]

_COPY = isa.OP["COPY"]
_SWAP = isa.OP["SWAP"]
_END_SEND = isa.OP.get("END_SEND", -1)
_YIELD = isa.OP["YIELD_VALUE"]
_SEND = isa.OP["SEND"]
_UNWOUND: Final = frozenset({UNWINDING})
_KINDS_OF_JUMPS = frozenset({JUMP, EXHAUSTED})


class StackValues:
    """Stacks before the instructions of a code object, bottom first.

    Raises ``InvalidCodeError`` where two ways into an instruction disagree on the depth or the stack underflows.
    """

    def __init__(self, code: object) -> None:
        self.flow = code if isinstance(code, ControlFlow) else ControlFlow(code)
        self.code: CodeType = self.flow.code
        problem = _Stacks(self.flow)
        self._states = solve_forward(self.flow.shape, problem)
        self._before: dict[int, Stack] = {}
        self.max_depth = 0
        """The greatest depth in reachable code, in values."""
        for node, state in enumerate(self._states[1:-1], 1):
            if state is not None:
                for step, stack in problem.run(node, state):
                    self._before[step] = stack
                    self.max_depth = max(self.max_depth, len(stack))
        self.max_depth = max(self.max_depth, problem.deepest)

    def before(self, offset: int) -> tuple[frozenset[int], ...]:
        """By value on the stack, the lowest first: the offsets (bytes, first prefix) of what can have pushed it.

        ``UNWINDING`` stands for the interpreter. Raises ``KeyError`` for what is no reachable instruction.
        """
        return tuple(frozenset(one >> 16 for one in value) for value in self._before[offset])

    def find_before(self, offset: int) -> Stack | None:
        """The same in the form of ``Value``; None for what is no reachable instruction."""
        return self._before.get(offset)

    def at_start(self, block: object) -> Stack | None:
        """The stack at the start of a block of ``flow``; None when it cannot be reached."""
        return self._states[self.flow.node(block)]  # type: ignore[arg-type]

    @property
    def depths(self) -> dict[int, int]:
        """The depth before each reachable instruction, by offset (bytes)."""
        return {offset: len(stack) for offset, stack in self._before.items()}


class _Stacks:
    """The problem: stacks that follow the edges."""

    def __init__(self, flow: ControlFlow) -> None:
        self.shape = flow.shape
        self.name = flow.code.co_qualname
        self.deepest = 0
        self.handlers = exceptions.decode(flow.code.co_exceptiontable) if flow.code.co_exceptiontable else []
        self.parts: list[list[Step]] = [[] for _ in range(self.shape.count + 1)]
        """By node: the instructions of the block."""
        starts = [*self.shape.starts[1:], self.shape.units]
        node = 1
        for step in steps(flow.code.co_code):
            while step[0] >= 2 * starts[node - 1]:
                node += 1
            self.parts[node].append(step)

    def boundary(self) -> Stack:
        return ()

    def join(self, one: Stack, other: Stack) -> Stack:
        if one == other:
            return one
        if len(one) != len(other):
            raise InvalidCodeError(
                f"{self.name}: two ways into a block bring stacks of {len(one)} and {len(other)} values"
            )
        joined = tuple(a if a is b or b <= a else a | b for a, b in zip(one, other, strict=True))
        return one if joined == one else joined

    def transfer(self, node: int, state: Stack) -> Sequence[Stack]:
        kinds = self.shape.kinds[node]
        if not node:
            return (state,) * len(kinds)
        part = self.parts[node]
        stack = state
        for step in part[:-1]:
            stack = _step(self.name, step, stack, False)
        found: list[Stack] = []
        last = part[-1]
        for number, kind in enumerate(kinds):
            if kind == EXCEPTION:
                handler = self.handlers[self.shape.handlers[node - 1]]
                if len(state) < handler.depth:
                    raise InvalidCodeError(
                        f"{self.name}: the handler of offset {last[0]} wants {handler.depth} values, "
                        f"the stack has {len(state)}"
                    )
                found.append(state[: handler.depth] + (_UNWOUND,) * (handler.lasti + 1))
            elif kind in (RETURN, RAISE):
                found.append(())
            else:
                found.append(_step(self.name, last, stack, self._jumps(node, number, kind, last[1])))
        return found

    def _jumps(self, node: int, number: int, kind: int, opcode: int) -> bool:
        """Whether an edge is the jump of the last instruction: the second edge of a branch, the first of a jump."""
        return kind in _KINDS_OF_JUMPS or (number == 1 and opcode in isa.JUMPS)

    def run(self, node: int, state: Stack) -> list[tuple[int, Stack]]:
        """The stack before each instruction of a block."""
        found: list[tuple[int, Stack]] = []
        part = self.parts[node]
        for step in part[:-1]:
            found.append((step[0], state))
            state = _step(self.name, step, state, False)
        found.append((part[-1][0], state))
        if part[-1][1] not in isa.NO_FALLTHROUGH:
            self.deepest = max(self.deepest, len(_step(self.name, part[-1], state, False)))
        return found


def _step(name: str, step: Step, stack: Stack, jump: bool) -> Stack:
    """The stack behind an instruction; ``name`` for messages."""
    offset, opcode, arg, _ = step
    if opcode == _COPY and 0 < arg <= len(stack):
        return (*stack, stack[-arg])
    if opcode == _SWAP and 0 < arg <= len(stack):
        moved = list(stack)
        moved[-1], moved[-arg] = moved[-arg], moved[-1]
        return tuple(moved)
    if opcode == _YIELD and jump:
        opcode = _SEND  # throw() has ended what it waited for: as if the SEND had jumped
    pops, pushes = effect(opcode, arg, jump)
    if opcode == _END_SEND and pops < len(stack):
        return (*stack[: -pops - 1], stack[-1])
    if pops > len(stack):
        raise InvalidCodeError(
            f"{name}: {isa.OPNAMES[opcode]} at offset {offset} takes {pops} values, the stack has {len(stack)}"
        )
    kept = stack[: len(stack) - pops] if pops else stack
    if pushes == 1:
        return (*kept, frozenset({offset << 16}))
    return kept + tuple(frozenset({offset << 16 | n}) for n in range(pushes)) if pushes else kept


def is_known(value: Value) -> bool:
    """Whether it is not among what is below the exception in a handler that covers nothing."""
    return min(value) >= UNWINDING


def pushed_at(value: Value) -> list[int]:
    """The offsets of the instructions that a value comes from."""
    return [one >> 16 for one in value if one >= 0]


def stacks_of_some_way(code: CodeType) -> dict[int, Stack]:
    """The stack before each instruction (offset of the first prefix) as one of the ways to it leaves it.

    Handlers that cover nothing are reached, as in ``stack_depths``; what is below their exception is theirs alone.
    """
    raw = code.co_code
    follows = {step[0]: step for step in steps(raw)}
    targets = {2 * jump.start: 2 * jump.target for jump in find_jumps(raw) if jump.opcode not in NEVER_TAKEN}
    handlers = exceptions.decode(code.co_exceptiontable) if code.co_exceptiontable else []
    covering = {2 * unit: handler for handler in handlers for unit in range(handler.start, handler.end)}
    found: dict[int, Stack] = {}
    pending: list[tuple[int, Stack]] = [
        (at, tuple(frozenset({~(at << 16 | n)}) for n in range(depth))) for at, depth in unused_handlers(raw, handlers)
    ]
    pending.append((0, ()))
    while pending:
        at, stack = pending.pop()
        while at in follows and at not in found:
            found[at] = stack
            step = follows[at]
            handler = covering.get(at)
            if handler is not None:
                pending.append((2 * handler.target, stack[: handler.depth] + (_UNWOUND,) * (handler.lasti + 1)))
            if at in targets:
                pending.append((targets[at], _step(code.co_qualname, step, stack, True)))
            if step[1] in isa.NO_FALLTHROUGH:
                break
            stack = _step(code.co_qualname, step, stack, False)
            at = step[3]
    return found
