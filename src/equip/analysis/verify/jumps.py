"""What jumps that can go two ways do to the abstract frame."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from equip import isa
from equip.analysis.verify import kinds
from equip.analysis.verify.frame import Frame
from equip.analysis.verify.kinds import OBJECT, SETS
from equip.isa import demands

Branch = Callable[[Frame, int], list[int]]
"""Changes the frame to what it is where control goes on, and returns the stack at the target. Raises ``Fault``."""


def _for_iter(frame: Frame, arg: int) -> list[int]:
    stack = frame.stack
    if demands.INDEXED:
        frame.peek(1, SETS["index"], "index")
    frame.peek(1 + demands.INDEXED, kinds.ITER, "iterator")
    ended = [*stack, OBJECT] if demands.LOOP_PHANTOM else stack[:-1]
    stack.append(OBJECT)
    return ended


def _send(frame: Frame, arg: int) -> list[int]:
    frame.pop(OBJECT, "object")
    stack = frame.stack
    if demands.INDEXED:
        frame.peek(1, SETS["index"], "index")
    frame.peek(1 + demands.INDEXED, kinds.ITER, "iterator")
    ended = [*stack, OBJECT] if demands.SEND_COMPANION else [*stack[:-1], OBJECT]
    stack.append(OBJECT)
    return ended


def _pop_jump(allowed: int, expected: str, frame: Frame, arg: int) -> list[int]:
    frame.pop(allowed, expected)
    return frame.stack


def _jump_or_pop(frame: Frame, arg: int) -> list[int]:
    frame.peek(1, OBJECT, "object")
    kept = list(frame.stack)
    frame.stack.pop()
    return kept


_POP_JUMP: Final = partial(_pop_jump, OBJECT, "object")
ON_NONE: Final = isa.ops("POP_JUMP_IF_NONE POP_JUMP_FORWARD_IF_NONE POP_JUMP_BACKWARD_IF_NONE")
"""Jumps that are taken when the value is None."""
ON_NOT_NONE: Final = isa.ops("POP_JUMP_IF_NOT_NONE POP_JUMP_FORWARD_IF_NOT_NONE POP_JUMP_BACKWARD_IF_NOT_NONE")
_OR_POP: Final = isa.ops("JUMP_IF_TRUE_OR_POP JUMP_IF_FALSE_OR_POP")

BRANCHES: Final[dict[int, Branch]] = {
    **dict.fromkeys(isa.TRUE_JUMPS | isa.FALSE_JUMPS, _POP_JUMP),
    **dict.fromkeys(_OR_POP, _jump_or_pop),
    isa.OP["FOR_ITER"]: _for_iter,
    isa.OP["SEND"]: _send,
}
