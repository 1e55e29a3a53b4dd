"""What an instruction takes from the value stack and puts on it.

The net effect is the interpreter's own (``dis.stack_effect``); ``POPS`` says how many values on top are not the same
ones afterwards, where that is more than the net effect says. Values below them stay what they are.
"""

from __future__ import annotations

import dis
from functools import cache

from equip.isa import CACHES, MINOR, OP, OPERAND, ops

POPS = {
    "ASYNC_GEN_WRAP": "1",
    "BEFORE_ASYNC_WITH": "1",
    "BEFORE_WITH": "1",
    "BINARY_OP": "2",
    "BINARY_SLICE": "3",
    "BINARY_SUBSCR": "2",
    "BUILD_CONST_KEY_MAP": "n+1",
    "BUILD_INTERPOLATION": "2+flag",
    "BUILD_LIST": "n",
    "BUILD_MAP": "2n",
    "BUILD_SET": "n",
    "BUILD_SLICE": "n",
    "BUILD_STRING": "n",
    "BUILD_TEMPLATE": "2",
    "BUILD_TUPLE": "n",
    "CALL": "n+2",
    "CALL_FUNCTION_EX": "3+flag" if MINOR < 14 else "4",
    "CALL_INTRINSIC_1": "1",
    "CALL_INTRINSIC_2": "2",
    "CALL_KW": "n+3",
    "CHECK_EG_MATCH": "2",
    "CHECK_EXC_MATCH": "1",
    "CLEANUP_THROW": "3",
    "COMPARE_OP": "2",
    "CONTAINS_OP": "2",
    "CONVERT_VALUE": "1",
    "FORMAT_SIMPLE": "1",
    "FORMAT_WITH_SPEC": "2",
    "GET_AITER": "1",
    "GET_AWAITABLE": "1",
    "GET_ITER": "1",
    "GET_YIELD_FROM_ITER": "1",
    "IMPORT_NAME": "2",
    "IS_OP": "2",
    "LIST_TO_TUPLE": "1",
    "LOAD_ATTR": "1",
    "LOAD_FROM_DICT_OR_DEREF": "1",
    "LOAD_FROM_DICT_OR_GLOBALS": "1",
    "LOAD_METHOD": "1",
    "LOAD_SPECIAL": "1",
    "LOAD_SUPER_ATTR": "3",
    "MATCH_CLASS": "3",
    "PREP_RERAISE_STAR": "2",
    "PUSH_EXC_INFO": "1",
    "SEND": "1",
    "SET_FUNCTION_ATTRIBUTE": "2",
    "STORE_FAST_LOAD_FAST": "1",
    "TO_BOOL": "1",
    "UNARY_INVERT": "1",
    "UNARY_NEGATIVE": "1",
    "UNARY_NOT": "1",
    "UNARY_POSITIVE": "1",
    "UNPACK_EX": "1",
    "UNPACK_SEQUENCE": "1",
    "YIELD_VALUE": "1",
}

_FORMS = {"n": (0, 1, 0), "2n": (0, 2, 0), "n+1": (1, 1, 0), "n+2": (2, 1, 0), "n+3": (3, 1, 0)}
_FLAGGED = {"2+flag": (2, 0, 1), "3+flag": (3, 0, 1)}
_POPS = {
    OP[name]: _FORMS.get(form) or _FLAGGED.get(form) or (int(form), 0, 0) for name, form in POPS.items() if name in OP
}
"""By opcode: values popped, always, for each unit of the argument, and for its lowest bit."""

_MAKING = ops("FORMAT_VALUE MAKE_FUNCTION")
"""They take as many values as their flags say, and make one."""
_PRECALL = OP.get("PRECALL", -1)
_CALL = OP["CALL"]
_RETURN_GENERATOR = OP["RETURN_GENERATOR"]


@cache
def effect(opcode: int, arg: int, jump: bool) -> tuple[int, int]:
    """How many values an instruction pops and pushes; ``jump``: where it jumps.

    COPY and SWAP move values, which the numbers do not show.
    """
    if opcode == _RETURN_GENERATOR:
        return 0, 1  # what it resumes with; until 3.12 the interpreter's own table leaves it out
    if opcode == _PRECALL:
        return 0, 0  # the interpreter's table takes the arguments off here, the interpreter itself at the CALL
    if opcode == _CALL:
        return arg + 2, 1
    net = dis.stack_effect(opcode, None if OPERAND[opcode] == "-" else arg, jump=jump)
    if opcode in _MAKING:
        return 1 - net, 1
    always, each, flag = _POPS.get(opcode, (0, 0, 0))
    pops = max(always + each * arg + flag * (arg & 1), -net)
    return pops, net + pops


Step = tuple[int, int, int, int]
"""An instruction: offset of its first prefix, opcode, argument, offset of the end."""


def steps(raw: bytes) -> list[Step]:
    """(offset of the first prefix in bytes, opcode, whole argument, offset of the end) of each instruction of
    ``co_code``, which must be whole."""
    found: list[Step] = []
    extended = OP["EXTENDED_ARG"]
    index, count, first, high = 0, len(raw), 0, 0
    while index < count:
        opcode = raw[index]
        if opcode == extended:
            high = (high | raw[index + 1]) << 8
            index += 2
            continue
        end = index + 2 + 2 * CACHES[opcode]
        found.append((first, opcode, high | raw[index + 1], end))
        index = first = end
        high = 0
    return found


