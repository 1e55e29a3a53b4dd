"""The depth of the value stack before each instruction.

A worklist over the instructions in the order in which they are reached; the effect of an instruction is the
interpreter's own (``dis.stack_effect``), exceptions follow the exception table. Unreachable instructions
have no depth.
"""

from __future__ import annotations

import dis
from types import CodeType

from equip import isa
from equip.code import exceptions
from equip.code.instruction import Instruction, instructions
from equip.errors import InvalidCodeError


def stack_depths(code: CodeType) -> dict[int, int]:
    """Depth before the instruction at each offset (bytes; its first prefix) that can be reached.

    Raises ``InvalidCodeError`` where two ways into an instruction disagree or the stack underflows.
    """
    found = instructions(code)
    by_offset = {instruction.offset: instruction for instruction in found}
    handlers = exceptions.decode(code.co_exceptiontable)
    depths: dict[int, int] = {}
    pending: list[tuple[int, int]] = [(0, 0)]
    by_unit: dict[int, exceptions.Handler] = {}
    for handler in handlers:
        for unit in range(handler.start, handler.end):
            by_unit[unit] = handler
    while pending:
        offset, depth = pending.pop()
        known = depths.get(offset)
        if known is not None:
            if known != depth:
                raise InvalidCodeError(f"{code.co_qualname}: the stack depth at offset {offset} is {known} or {depth}")
            continue
        instruction = by_offset.get(offset)
        if instruction is None or depth < 0:
            raise InvalidCodeError(f"{code.co_qualname}: control reaches offset {offset}, which is no instruction")
        depths[offset] = depth
        pending += _successors(instruction, depth, by_unit)
    return depths


def _successors(
    instruction: Instruction, depth: int, by_unit: dict[int, exceptions.Handler]
) -> list[tuple[int, int]]:
    opcode = instruction.opcode
    found: list[tuple[int, int]] = []
    handler = by_unit.get((instruction.end - 2 * isa.CACHES[opcode]) // 2 - 1)
    if handler is not None:
        found.append((2 * handler.target, handler.depth + handler.lasti + 1))
    if instruction.target is not None and opcode not in _COMPANIONS:
        found.append((instruction.target, depth + dis.stack_effect(opcode, instruction.oparg or 0, jump=True)))
    if opcode not in isa.NO_FALLTHROUGH:
        effect = dis.stack_effect(opcode, instruction.oparg if isa.OPERAND[opcode] != "-" else None, jump=False)
        if opcode == _RETURN_GENERATOR:
            effect = 1  # what it resumes with; until 3.12 the interpreter's own table leaves it out
        found.append((instruction.end, depth + effect))
    return found


_RETURN_GENERATOR = isa.OP["RETURN_GENERATOR"]
_COMPANIONS = isa.ops("END_ASYNC_FOR") & isa.JUMPS
"""Their argument names the instruction that they belong to; control never goes there from them."""
