"""Abstract values: what can stand in a place of the stack, as an integer.

The low 32 bits are a set of kinds; the value is one of them. Above them, ``count`` plus 1 where a count is known: the
length of a tuple, the free variables that a code object or an unfinished function wants. From bit 64 on: the slots
of the frame from which the reference may be borrowed.
"""

from __future__ import annotations

import re
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR
from types import CodeType
from typing import Final

from equip import isa
from equip.analysis.depths import stack_depths
from equip.code.instruction import instructions
from equip.errors import InvalidCodeError
from equip.isa import demands

NULL, NONE, EXC, LIST, SET, DICT, TUPLE, STR = (1 << n for n in range(8))
CODE, ITER, BOOL, FUNCTION, CELL, OTHER, NAMES, CELLS = (1 << n for n in range(8, 16))
LASTI, INDEX, PREV, OPEN, COMPREHENSION = (1 << n for n in range(16, 21))

KINDS: Final = (1 << 32) - 1
COUNTS: Final = ((1 << 64) - 1) ^ KINDS
ONE: Final = 1 << 32
GENERATES: Final = 1 << 62
"""A mark on code and functions: calling it gives a generator."""
WANTS_ITERATOR: Final = 1 << 61
"""A mark on code: its ``.0`` has to be an iterator, so its function is to be called with one, and nothing else."""
BORROWED: Final = 64
"""The bit of slot 0."""

OBJECT: Final = ((1 << 16) - 1) ^ NULL
"""Whatever the program can have: any object, of any type."""
TUPLES: Final = TUPLE | NAMES | CELLS
HELD: Final = OBJECT | LASTI | INDEX | PREV | OPEN | COMPREHENSION

SETS: Final = {
    "object": OBJECT,
    "maybe": OBJECT | NULL,
    "null": NULL,
    "any": HELD | NULL,
    "held": HELD,
    "exc": EXC,
    "rest": EXC | NONE,
    "prev": PREV,
    "lasti": LASTI,
    "iter": ITER,
    "index": INDEX | NULL,
    "more": TUPLE | NONE,
    "kwargs": DICT | NULL,
    "list": LIST,
    "set": SET,
    "dict": DICT,
    "tuple": TUPLES,
    "str": STR,
    "bool": BOOL,
    "none": NONE,
    "function": FUNCTION,
    "annotations": TUPLES | DICT,
    "code": CODE,
}
"""The sets that tables of effects name."""

_NAMES: Final = {
    NULL: "NULL",
    NONE: "None",
    EXC: "exception",
    LIST: "list",
    SET: "set",
    DICT: "dict",
    TUPLE: "tuple",
    STR: "str",
    CODE: "code",
    ITER: "iterator",
    BOOL: "bool",
    FUNCTION: "function",
    CELL: "cell",
    OTHER: "object",
    NAMES: "tuple of names",
    CELLS: "tuple of cells",
    LASTI: "offset",
    INDEX: "index",
    PREV: "handled exception",
    OPEN: "function without its closure",
    COMPREHENSION: "function that wants an iterator",
}


def join(one: int, other: int) -> int:
    """What is one or the other. A count that is not the same is lost."""
    if one == other:
        return one
    made = one | other
    return made if one & COUNTS == other & COUNTS else made & ~COUNTS


def counted(kind: int, count: int) -> int:
    return kind | (count + 1) * ONE


def count_of(value: int) -> int:
    """The count of a value, -1 when it is not known."""
    return (value & COUNTS & ~(GENERATES | WANTS_ITERATOR)) // ONE - 1


def of_constant(constant: object) -> int:
    """The abstract value of a constant."""
    known = _OF_TYPE.get(type(constant))
    if known is not None:
        return known
    if type(constant) is tuple:
        return counted(NAMES if constant and all(type(one) is str for one in constant) else TUPLE, len(constant))
    if isinstance(constant, CodeType):
        kind = constant.co_flags & (CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR)
        marks = (GENERATES if kind == CO_GENERATOR else 0) | (WANTS_ITERATOR if wants_iterator(constant) else 0)
        return counted(CODE, len(constant.co_freevars)) | marks
    return OTHER


_OF_TYPE: Final = {type(None): NONE, bool: BOOL, str: STR, int: OTHER, float: OTHER, bytes: OTHER}


def wants_iterator(code: CodeType) -> bool:
    """Whether code takes its parameter ``.0`` for an iterator without looking: a FOR_ITER takes it from the stack.

    There can be other instructions between the two; those of asynchronous comprehensions ask it for awaitables.
    """
    if ".0" not in demands.PROMISED or not code.co_argcount or code.co_varnames[0] != ".0":
        return False
    opcodes = code.co_code[::2]
    if _FOR_ITER not in opcodes or _ITERATES.search(opcodes):
        return _FOR_ITER in opcodes
    if _GET_ANEXT not in opcodes:
        return True
    try:
        depths = stack_depths(code)
    except InvalidCodeError:
        return True
    found = instructions(code)
    first = next((one for one in found if one.opcode in _LOADS and one.oparg == 0), None)
    above = depths.get(first.end) if first is not None else None
    return any(one.opcode == _FOR_ITER and depths.get(one.offset) == above for one in found)


_FOR_ITER: Final = isa.OP["FOR_ITER"]
_GET_ANEXT: Final = isa.OP["GET_ANEXT"]
_LOADS: Final = isa.ops("LOAD_FAST LOAD_FAST_BORROW")
_ITERATES: Final = re.compile(
    b"[" + b"".join(re.escape(bytes([n])) for n in sorted(_LOADS)) + b"]" + re.escape(bytes([_FOR_ITER]))
)


def shown(value: int) -> str:
    """A value, for people."""
    kinds = value & KINDS
    if kinds == OBJECT:
        text = "object"
    elif kinds == OBJECT | NULL:
        text = "object or NULL"
    elif kinds & OBJECT == OBJECT:
        text = " or ".join(["object", *(name for bit, name in _NAMES.items() if kinds & bit & ~OBJECT)])
    else:
        text = " or ".join(name for bit, name in _NAMES.items() if kinds & bit)
    if count_of(value) >= 0:
        text += f" of {count_of(value)}"
    return f"borrowed {text}" if value >> BORROWED else text
