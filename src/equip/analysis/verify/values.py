"""What the instructions on constants, on places of the stack and on containers do to the abstract frame."""

from __future__ import annotations

from functools import partial
from typing import Final

from equip import isa
from equip.analysis.verify import kinds
from equip.analysis.verify.effects import Step
from equip.analysis.verify.frame import Frame
from equip.analysis.verify.kinds import CELL, OBJECT, SETS
from equip.analysis.verify.problem import Fault
from equip.isa import demands

_COMMON: Final[dict[int, int]] = {
    number: kinds.of_constant(key[1]) for key, number in isa.COMMON_CONSTANTS.items() if isinstance(key, tuple)
}
_NOT_COPIED: Final = SETS["any"] if isa.BORROWS else SETS["held"]


def _load_const(frame: Frame, index: int) -> None:
    frame.stack.append(frame.constants[index])


def _load_common(frame: Frame, number: int) -> None:
    frame.stack.append(_COMMON.get(number, kinds.OTHER))


def _copy(frame: Frame, place: int) -> None:
    frame.stack.append(frame.peek(place, _NOT_COPIED, "object"))


def _swap(frame: Frame, place: int) -> None:
    frame.peek(place, SETS["any"], "a value")
    stack = frame.stack
    stack[-1], stack[-place] = stack[-place], stack[-1]


def _build_tuple(frame: Frame, count: int) -> None:
    stack = frame.stack
    if count > len(stack):
        raise Fault("underflow", f"expected {count} values on the stack, found {len(stack)}")
    parts = stack[len(stack) - count :]
    for place, value in enumerate(parts):
        if value & kinds.KINDS & ~OBJECT:
            raise Fault("kind", f"expected object at {count - place} from the top, found {kinds.shown(value)}")
    is_closure = count and all(value & kinds.KINDS == CELL for value in parts)
    stack[len(stack) - count :] = [kinds.counted(kinds.CELLS if is_closure else kinds.TUPLE, count)]


def _into(kind: str, taken: int, frame: Frame, place: int) -> None:
    """LIST_APPEND and its like: ``taken`` values go into the container at a place below them."""
    for _ in range(taken):
        frame.pop(OBJECT, "object")
    frame.peek(place, SETS[kind], kind)


_CALLABLE_ABOVE: Final = 2 if demands.NULL_BELOW_CALLABLE else 3


def _dict_merge(frame: Frame, place: int) -> None:
    _into("dict", 1, frame, place)
    frame.peek(place + _CALLABLE_ABOVE, OBJECT, "object")


def _compare(frame: Frame, arg: int) -> None:
    frame.pop(OBJECT, "object")
    frame.pop(OBJECT, "object")
    frame.stack.append(kinds.BOOL if arg & demands.COMPARE_BOOL else OBJECT)


STEPS: Final[dict[str, Step]] = {
    "BUILD_TUPLE": _build_tuple,
    "COPY": _copy,
    "DICT_MERGE": _dict_merge,
    "DICT_UPDATE": partial(_into, "dict", 1),
    "LIST_APPEND": partial(_into, "list", 1),
    "LIST_EXTEND": partial(_into, "list", 1),
    "LOAD_COMMON_CONSTANT": _load_common,
    "LOAD_CONST": _load_const,
    "MAP_ADD": partial(_into, "dict", 2),
    "SET_ADD": partial(_into, "set", 1),
    "SET_UPDATE": partial(_into, "set", 1),
    "SWAP": _swap,
    **({"COMPARE_OP": _compare} if demands.COMPARE_BOOL else {}),
}
"""By the name of the opcode."""
