"""What calls, intrinsics and the making of functions do to the abstract frame."""

from __future__ import annotations

from typing import Final

from equip import isa
from equip.analysis.verify import kinds
from equip.analysis.verify.effects import Step, nothing, step_of
from equip.analysis.verify.frame import Frame
from equip.analysis.verify.kinds import NULL, OBJECT, SETS
from equip.analysis.verify.problem import Fault
from equip.isa import demands

_CALL_ROW: Final = isa.OP["CALL"]
_CALLED: Final = 1 if demands.NULL_BELOW_CALLABLE else 2
"""How far what is called is below the arguments, when it is no method."""


_PLAIN_CALL: Final = step_of(_CALL_ROW)


def _call(frame: Frame, count: int) -> None:
    stack = frame.stack
    if len(stack) < count + 2 or not (stack[-count - 2] | stack[-count - 1]) & _MARKED:
        _PLAIN_CALL(frame, count)
    elif not count and stack[-2] & kinds.COMPREHENSION:
        frame.pop(kinds.ITER, "iterator")
        stack[-1] = kinds.ITER if stack[-1] & kinds.GENERATES else OBJECT
    else:
        made = stack[-count - _CALLED] & kinds.GENERATES
        _PLAIN_CALL(frame, count)
        if made:
            stack[-1] = kinds.ITER


_MARKED: Final = kinds.COMPREHENSION | kinds.GENERATES


def _call_kw(frame: Frame, count: int) -> None:
    names = frame.pop(kinds.NAMES | kinds.TUPLE, "tuple of names")
    known = kinds.count_of(names)
    if not 0 <= known <= count or (known and names & kinds.TUPLE):
        raise Fault("call-names", f"expected at most {count} names, found {kinds.shown(names)}")
    _PLAIN_CALL(frame, count)


def _precall(frame: Frame, count: int) -> None:
    if not count and len(frame.stack) > 1 and frame.stack[-2] & kinds.COMPREHENSION:
        return
    frame.peek(count + 2, OBJECT | NULL, "object or NULL")
    frame.peek(count + 1, OBJECT, "object")
    frame.stack[-count - 2] = OBJECT | NULL


def _intrinsic_1(frame: Frame, number: int) -> None:
    expected = demands.INTRINSIC_1[number]
    frame.pop(SETS[expected], expected)
    frame.stack.append(SETS[demands.INTRINSIC_1_RESULTS.get(number, "object")])


def _intrinsic_2(frame: Frame, number: int) -> None:
    below, top = demands.INTRINSIC_2[number].split()
    frame.pop(SETS[top], top)
    frame.pop(SETS[below], below)
    frame.stack.append(SETS[demands.INTRINSIC_2_RESULTS.get(number, "object")])


def _wanted(frame: Frame) -> tuple[int, int]:
    """The free variables of the code object on top, and its marks."""
    code = frame.pop(kinds.CODE, "code")
    if kinds.count_of(code) < 0:
        raise Fault("closure", "expected a code object of which it is known how many free variables it has")
    return kinds.count_of(code), code & _MARKS


_MARKS: Final = kinds.GENERATES | kinds.WANTS_ITERATOR


def _function(marks: int) -> int:
    """A finished function."""
    return (kinds.COMPREHENSION if marks & kinds.WANTS_ITERATOR else kinds.FUNCTION) | marks & _MARKS


def _make_function_with(frame: Frame, flags: int) -> None:
    wanted, marks = _wanted(frame)
    if bool(wanted) != bool(flags & 8):
        raise Fault("closure", f"expected a closure of {wanted} cells, found flags {flags}")
    for flag in (8, 4, 2, 1):
        if flags & flag:
            _attribute(frame, flag, wanted)
    frame.stack.append(_function(marks))


def _make_function(frame: Frame, arg: int) -> None:
    wanted, marks = _wanted(frame)
    frame.stack.append(kinds.counted(kinds.OPEN, wanted) | marks if wanted else _function(marks))


def _attribute(frame: Frame, flag: int, wanted: int) -> None:
    """Take an attribute for a function that wants so many cells."""
    expected = demands.FUNCTION_ATTRIBUTES[flag]
    if expected != "closure":
        value = frame.pop(SETS["object" if flag == 16 else expected], expected)
        if flag == 4 and kinds.count_of(value) > 0 and kinds.count_of(value) & 1:
            raise Fault("kind", f"expected names and annotations in pairs, found {kinds.shown(value)}")
        return
    value = frame.pop(kinds.CELLS, "tuple of cells")
    if kinds.count_of(value) != wanted:
        raise Fault("closure", f"expected a closure of {wanted} cells, found {kinds.shown(value)}")


def _set_attribute(frame: Frame, flag: int) -> None:
    if flag not in demands.FUNCTION_ATTRIBUTES:
        raise Fault("argument", f"expected one of {list(demands.FUNCTION_ATTRIBUTES)}, found {flag}")
    function = frame.pop(kinds.FUNCTION | kinds.OPEN | kinds.COMPREHENSION, "function")
    wanted = kinds.count_of(function) if function & kinds.OPEN else 0
    if flag == 8 and not wanted:
        raise Fault("closure", "expected a function that wants a closure, found one that does not")
    _attribute(frame, flag, wanted)
    frame.stack.append(_function(function) if flag == 8 else function)


STEPS: Final[dict[str, Step]] = {
    "CALL_INTRINSIC_1": _intrinsic_1,
    "CALL_INTRINSIC_2": _intrinsic_2,
    "CALL": _call,
    "CALL_KW": _call_kw,
    "MAKE_FUNCTION": _make_function if "SET_FUNCTION_ATTRIBUTE" in isa.OP else _make_function_with,
    "PRECALL": _precall,
    "SET_FUNCTION_ATTRIBUTE": _set_attribute,
    "KW_NAMES": nothing,
}
"""By the name of the opcode."""
