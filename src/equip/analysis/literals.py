"""Constants as syntax trees."""

from __future__ import annotations

import ast
import math

from equip import isa
from equip.code.instruction import Instruction


def loaded_constant(one: Instruction) -> tuple[object] | None:
    """What an instruction that loads a constant loads, in a tuple; None for other instructions."""
    if isa.OPERAND[one.opcode] == "const":
        return (one.argval,)
    if one.opname == "LOAD_SMALL_INT":
        return (one.oparg,)
    if one.opname == "LOAD_COMMON_CONSTANT":
        return (isa.COMMON_VALUES[one.oparg or 0],)
    if one.opname == "LOAD_ASSERTION_ERROR":
        return (AssertionError,)
    return None


def literal(value: object) -> ast.expr | None:
    """The expression that is written for a constant; None when there is none."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if isinstance(value, float) and math.isnan(value):
            return None
        if value < 0 or (value == 0 and math.copysign(1, value) < 0):
            return ast.UnaryOp(ast.USub(), ast.Constant(-value))
        return ast.Constant(value)
    if value is None or value is ... or isinstance(value, (bool, str, bytes, complex)):
        return ast.Constant(value)
    if isinstance(value, (tuple, frozenset)):
        parts = [literal(one) for one in (value if isinstance(value, tuple) else sorted(value, key=repr))]
        found = [one for one in parts if one is not None]
        if len(found) != len(parts):
            return None
        if isinstance(value, tuple):
            return ast.Tuple(found, ast.Load())
        return ast.Set(found) if found else ast.Call(ast.Name("frozenset", ast.Load()), [], [])
    if isinstance(value, slice):
        inner = [literal(one) for one in (value.start, value.stop, value.step)]
        start, stop, step = (None if isinstance(one, ast.Constant) and one.value is None else one for one in inner)
        return None if None in inner else ast.Slice(start, stop, step)
    if isinstance(value, type) or callable(value):
        name = getattr(value, "__name__", "")
        return ast.Name(name, ast.Load()) if name.isidentifier() else None
    return None
