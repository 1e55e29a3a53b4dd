"""What the instructions do that leave a frame, make it that of a generator, or suspend it."""

from __future__ import annotations

from typing import Final

from equip import isa
from equip.analysis.verify import kinds
from equip.analysis.verify.effects import Step, step_of
from equip.analysis.verify.frame import Frame
from equip.analysis.verify.kinds import OBJECT
from equip.analysis.verify.problem import Fault
from equip.isa import demands

_YIELD: Final = step_of(isa.OP["YIELD_VALUE"])


def _return_generator(frame: Frame, arg: int) -> None:
    if not frame.bound & frame.unmade:
        raise Fault("generator", "expected a frame that is no generator's yet, found one that can be")
    frame.bound = frame.bound & ~frame.unmade | frame.made
    frame.stack.append(OBJECT)


def _yield_value(frame: Frame, delegates: int) -> None:
    if not frame.bound & frame.made:
        raise Fault("generator", "expected RETURN_GENERATOR on all ways to YIELD_VALUE, found one without")
    if demands.YIELD_DELEGATES and delegates:
        _receiver(frame)
    _YIELD(frame, 0)


def _resume(frame: Frame, arg: int) -> None:
    if demands.RESUME_DELEGATES and arg & demands.RESUME_LOCATION > 1:
        _receiver(frame)


def _receiver(frame: Frame) -> None:
    """While a frame is suspended in SEND, ``throw`` and ``close`` go to what stands below the value."""
    frame.peek(2 + demands.INDEXED, OBJECT, "what it delegates to")


def _return_value(frame: Frame, arg: int) -> None:
    frame.pop(OBJECT, "object")
    _return_const(frame, arg)


def _return_const(frame: Frame, arg: int) -> None:
    if frame.stack:
        left = ", ".join(map(kinds.shown, frame.stack))
        raise Fault("left-over", f"expected an empty stack at the return, found {left}")
    if frame.suspends and not frame.bound & frame.made:
        raise Fault("generator", "expected RETURN_GENERATOR on all ways to the return, found one without")


def _reraise(frame: Frame, place: int) -> None:
    frame.pop(kinds.EXC, "exception")
    if place:
        frame.peek(place, kinds.LASTI, "offset")


STEPS: Final[dict[str, Step]] = {
    "RERAISE": _reraise,
    "RESUME": _resume,
    "RETURN_CONST": _return_const,
    "RETURN_GENERATOR": _return_generator,
    "RETURN_VALUE": _return_value,
    "YIELD_VALUE": _yield_value,
}
"""By the name of the opcode."""
