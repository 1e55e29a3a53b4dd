"""Telling apart the code objects that a programmer wrote from those that only the compiler makes.

Comprehensions and generator expressions, the scopes of type parameters, and the functions that compute
annotations, type aliases, bounds and defaults lazily are *implicit*: nobody wrote them as a function.
"""

from __future__ import annotations

from types import CodeType
from typing import Final

from equip import isa
from equip.code import instructions

CO_OPTIMIZED: Final = 0x1
CO_VARARGS: Final = 0x4
CO_VARKEYWORDS: Final = 0x8
CO_GENERATOR: Final = 0x20
CO_COROUTINE: Final = 0x80
CO_ASYNC_GENERATOR: Final = 0x200

_INTRINSIC_TYPEALIAS: Final = 11
_INTRINSICS_OF_TYPE_PARAMETERS: Final = (2, 3, 5)
"""CALL_INTRINSIC_2 with a bound, with constraints, and with a default."""

_COMMON_NOT_IMPLEMENTED_ERROR: Final = 1
_PROLOGUE_BYTES: Final = 64


def _pair(opname: str, oparg: int) -> bytes:
    return bytes((isa.OP[opname], oparg)) if opname in isa.OP else b""


_TYPE_INTRINSICS: Final = tuple(
    pair
    for pair in (
        _pair("CALL_INTRINSIC_1", _INTRINSIC_TYPEALIAS),
        *(_pair("CALL_INTRINSIC_2", number) for number in _INTRINSICS_OF_TYPE_PARAMETERS),
    )
    if pair
)
_NONE: Final = frozenset[int]()
_FORMAT_REFUSED: Final = (
    _pair("LOAD_COMMON_CONSTANT", _COMMON_NOT_IMPLEMENTED_ERROR) + _pair("RAISE_VARARGS", 1)
    if "LOAD_COMMON_CONSTANT" in isa.OP
    else b""
)
"""How the compiler's own annotation functions refuse a format. Source cannot say it: it would look up the name."""


def is_class_body(code: CodeType) -> bool:
    """Whether the locals of ``code`` are a namespace: the body of a class (or of a module)."""
    return not code.co_flags & CO_OPTIMIZED


def is_implicit(code: CodeType) -> bool:
    """Whether only the compiler made the function ``code``; for those in ``find_lazily_evaluated`` it does not tell."""
    name = code.co_name
    if name.startswith("<"):
        return name != "<lambda>"
    return bool(_FORMAT_REFUSED) and code.co_posonlyargcount == 1 and code.co_argcount == 1 and _refuses_formats(code)


def _refuses_formats(code: CodeType) -> bool:
    """A user's own ``__annotate__`` has the same name, parameter and flags; it does not begin like this."""
    first = code.co_varnames[0]
    return first == ".format" or (first == "format" and _FORMAT_REFUSED in code.co_code[:_PROLOGUE_BYTES])


def find_lazily_evaluated(holder: CodeType) -> frozenset[int]:
    """Indices into ``co_consts`` of the code that computes a type alias, a bound or a default of ``holder``.

    Such a function looks like any other without parameters; it is told by what its holder does with it. (Where it has
    a parameter for the format that is wanted, ``is_implicit`` knows it.)
    """
    if _FORMAT_REFUSED or not _makes_types(holder.co_code):
        return _NONE
    found = set()
    candidate: int | None = None
    for instruction in instructions(holder):
        opname, oparg = instruction.opname, instruction.oparg
        if opname == "LOAD_CONST" and isinstance(instruction.argval, CodeType):
            candidate = oparg
        elif opname in ("MAKE_FUNCTION", "SET_FUNCTION_ATTRIBUTE", "BUILD_TUPLE"):
            continue
        elif candidate is not None:
            if (opname == "CALL_INTRINSIC_1" and oparg == _INTRINSIC_TYPEALIAS) or (
                opname == "CALL_INTRINSIC_2" and oparg in _INTRINSICS_OF_TYPE_PARAMETERS
            ):
                found.add(candidate)
            candidate = None
    return frozenset(found)


def _makes_types(raw: bytes) -> bool:
    """Whether one of the intrinsic functions for types is called."""
    for pair in _TYPE_INTRINSICS:
        at = raw.find(pair)
        while at > 0 and at % 2:  # an argument, and the instruction behind it
            at = raw.find(pair, at + 1)
        if at >= 0:
            return True
    return False


def code_at(module_code: CodeType, path: tuple[int, ...]) -> CodeType:
    """The code object that ``path`` (indices into ``co_consts``) names."""
    code = module_code
    for index in path:
        code = code.co_consts[index]
    return code
