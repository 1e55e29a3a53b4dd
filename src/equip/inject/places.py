"""Join points as places in the code units of a code object."""

from __future__ import annotations

from collections.abc import Sequence
from types import CodeType

from equip import isa
from equip.analysis.depths import stack_depths
from equip.code.instruction import Instruction, instructions

RETURNS = isa.Scan(isa.RETURNS)
"""Finds the instructions that return."""
_RETURN_GENERATOR = isa.OP["RETURN_GENERATOR"]
_PUSHES_ONE = isa.ops(
    "LOAD_CONST LOAD_SMALL_INT LOAD_COMMON_CONSTANT LOAD_NAME LOAD_LOCALS LOAD_DEREF LOAD_FAST LOAD_FAST_BORROW "
    "BUILD_SET"
)
_STORES = isa.ops("STORE_NAME STORE_DEREF")
_CLASS_PREAMBLE = frozenset(
    {"__module__", "__qualname__", "__firstlineno__", "__classdict__", "__doc__", ".generic_base", "__type_params__"}
)
_MODULE_PREAMBLE = frozenset({"__doc__", "__conditional_annotations__"})


def entry(opcodes: bytes) -> int:
    """The code unit at which the body begins: behind the first RESUME; ``opcodes`` is ``co_code[::2]``.

    Behind the second one where the generator is made later than at the first (generator expressions from 3.15 on,
    which take their iterator first).
    """
    at = opcodes.index(isa.RESUME)
    if _is_made_late(opcodes, at):
        at = opcodes.index(isa.RESUME, at + 1)
    return at + isa.RESUME_UNITS


def entry_of_function(opcodes: bytes) -> int:
    """``entry`` of what is no generator and no coroutine."""
    return opcodes.index(isa.RESUME) + isa.RESUME_UNITS


def made_at(code: CodeType) -> int:
    """The code unit before which the frame of a generator expression is not yet that of a generator; 0 for others."""
    opcodes = code.co_code[::2]
    return entry(opcodes) if _is_made_late(opcodes, opcodes.index(isa.RESUME)) else 0


def entry_depth(code: CodeType) -> int:
    """The depth of the stack where the body begins."""
    opcodes = code.co_code[::2]
    return stack_depths(code)[2 * entry(opcodes)] if _is_made_late(opcodes, opcodes.index(isa.RESUME)) else 0


def _is_made_late(opcodes: bytes, resume: int) -> bool:
    return opcodes.find(_RETURN_GENERATOR, resume) > 0


def first_statement(code: CodeType) -> int:
    """The code unit at which the first statement of a module or class begins that is not its docstring, a
    ``__future__`` import or set-up of the compiler's own."""
    found = instructions(code)
    i = next(j for j, one in enumerate(found) if one.opcode == isa.RESUME) + 1
    names = _CLASS_PREAMBLE if code.co_name != "<module>" else _MODULE_PREAMBLE
    while i + 1 < len(found):
        following = _behind_set_up(found, i, names)
        if following == i:
            break
        i = following
    return found[i].offset // 2


def _behind_set_up(found: Sequence[Instruction], i: int, names: frozenset[str]) -> int:
    """The position behind one piece of set-up at ``i``; ``i`` when there is none."""
    one, two = found[i], found[i + 1]
    if one.opname == "SETUP_ANNOTATIONS":
        return i + 1
    if one.opcode in _PUSHES_ONE and two.opcode in _STORES and two.argval in names:
        return i + 2
    if i + 5 < len(found) and found[i + 2].opname == "IMPORT_NAME" and found[i + 2].argval == "__future__":
        j = i + 3
        while found[j].opname == "IMPORT_FROM" and found[j + 1].opname == "STORE_NAME":
            j += 2
        if j > i + 3 and found[j].opname == "POP_TOP":
            return j + 1
    return i


def returns(opcodes: bytes) -> list[tuple[int, int]]:
    """(first prefix, opcode) of each instruction that returns, in code units; ``opcodes`` is ``co_code[::2]``."""
    found = RETURNS.positions(opcodes)
    if isa.EXTENDED_ARG in opcodes:
        return [(_first_prefix(opcodes, index), index) for index in found]
    return [(index, index) for index in found]


def _first_prefix(opcodes: bytes, index: int) -> int:
    while index and opcodes[index - 1] == isa.EXTENDED_ARG:
        index -= 1
    return index


def returned_constant(code: CodeType, start: int, index: int) -> object:
    """The constant of a RETURN_CONST."""
    raw = code.co_code
    arg = 0
    for unit in range(start, index + 1):
        arg = arg << 8 | raw[2 * unit + 1]
    return code.co_consts[arg]
