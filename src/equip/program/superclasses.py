"""The base classes of a class statement, read from the instructions that build the class."""

from __future__ import annotations

import dis
from collections.abc import Iterator, Sequence
from types import CodeType

from equip import isa
from equip.code import Instruction, instructions

_NAME_LOADS = isa.ops(
    "LOAD_NAME LOAD_GLOBAL LOAD_FAST LOAD_FAST_CHECK LOAD_FAST_BORROW LOAD_DEREF LOAD_CLASSDEREF "
    "LOAD_FROM_DICT_OR_DEREF LOAD_FROM_DICT_OR_GLOBALS"
)
_BODY_AND_NAME = 2
"""Arguments of ``__build_class__`` before the bases."""


def find_superclasses(holder: CodeType) -> dict[int, tuple[str, ...]]:
    """The bases, as written, of the classes made in ``holder``, by the index of their body in ``co_consts``.

    Only bases that are dotted names (``Base``, ``pkg.mod.Base``) are told; any other expression, keywords
    (``metaclass=``) and starred bases are left out.
    """
    whole = instructions(holder)
    found: dict[int, tuple[str, ...]] = {}
    building = False
    for at, instruction in enumerate(whole):
        building |= instruction.opname == "LOAD_BUILD_CLASS"
        if building and isinstance(instruction.argval, CodeType) and instruction.oparg is not None:
            building = False
            arguments = _positional_arguments(_after_class_name(whole, at))
            bases = tuple(name for name in arguments if name and not name.startswith("."))
            found.setdefault(instruction.oparg, bases)
    return found


def _after_class_name(whole: Sequence[Instruction], at: int) -> Iterator[Instruction]:
    """The instructions from the base expressions on: behind the body's function and the class name."""
    at += 1
    while whole[at].opname in ("MAKE_FUNCTION", "SET_FUNCTION_ATTRIBUTE"):
        at += 1
    return (whole[index] for index in range(at + 1, len(whole)))


def _positional_arguments(rest: Iterator[Instruction]) -> list[str | None]:
    """What stands on the stack when the class is built: a dotted name, or None for any other expression."""
    stack: list[str | None] = []
    keywords, by_keyword = 0, False
    for instruction in rest:
        opname, oparg = instruction.opname, instruction.oparg or 0
        if opname == "PRECALL":
            continue
        if opname == "KW_NAMES" or (opname == "LOAD_CONST" and isinstance(instruction.argval, tuple)):
            names = instruction.argval
            keywords = len(names) if isinstance(names, tuple) else 0
            if opname == "KW_NAMES":
                by_keyword = True
                continue
        if opname in ("CALL", "CALL_KW"):
            on_stack = opname == "CALL_KW"
            if len(stack) - on_stack == oparg - _BODY_AND_NAME:
                return stack[: len(stack) - on_stack - (keywords if on_stack or by_keyword else 0)]
            _push_result(stack, oparg + 2 + on_stack)
            by_keyword = False
        elif instruction.is_jump:
            return []
        elif not _step(stack, instruction):
            return stack
    return stack


def _push_result(stack: list[str | None], popped: int) -> bool:
    if popped > len(stack):
        return False
    del stack[len(stack) - popped :]
    stack.append(None)
    return True


def _step(stack: list[str | None], instruction: Instruction) -> bool:
    """Apply one instruction; False when it takes what stands below the bases (the class has starred ones)."""
    opname, oparg = instruction.opname, instruction.oparg
    effect = dis.stack_effect(instruction.opcode, oparg)
    if instruction.opcode in _NAME_LOADS and isinstance(instruction.argval, str):
        if opname.startswith("LOAD_FROM_DICT"):
            stack.pop()
        elif effect > 1:
            stack.append(None)
        stack.append(instruction.argval)
    elif opname.startswith("LOAD_FAST") and isinstance(instruction.argval, tuple):
        stack += instruction.argval
    elif opname.startswith("STORE_") and effect in (-1, 0) and stack:
        stack.pop()
        if isinstance(instruction.argval, tuple):  # STORE_FAST_LOAD_FAST
            stack.append(instruction.argval[1])
    elif opname == "LOAD_ATTR" and effect == 0 and stack:
        stack[-1] = f"{stack[-1]}.{instruction.argval}" if stack[-1] else None
    elif effect > 0:
        stack += [None] * effect
    elif effect <= 0 and opname not in ("NOP", "NOT_TAKEN"):
        return _push_result(stack, 1 - effect)
    return True
