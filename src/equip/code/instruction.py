"""Readable instructions of a code object. For reading only: the linker works on code units."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType

from equip import isa
from equip.code.lines import lines_by_unit
from equip.errors import InvalidCodeError


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction. ``offset`` and ``end`` are bytes in ``co_code``: its first prefix, and what follows its caches.

    ``oparg`` is the whole argument (None without one), ``argval`` what it stands for: a constant, a name, a
    variable's name (two for a super-instruction), the offset that a jump goes to; else the argument itself.
    ``lineno`` is from 1, None where the compiler gives none.
    """

    offset: int
    opcode: int
    opname: str
    oparg: int | None
    argval: object
    lineno: int | None
    end: int

    @property
    def is_jump(self) -> bool:
        return self.opcode in isa.JUMPS

    @property
    def target(self) -> int | None:
        """Where it jumps to, in bytes; None for what is no jump."""
        return self.argval if self.opcode in isa.JUMPS and isinstance(self.argval, int) else None

    def __str__(self) -> str:
        shown = "" if self.oparg is None else f" {self.argval!r}"
        return f"{self.offset:>6} {self.opname}{shown}"


_VARARGS, _VARKEYWORDS = 4, 8


def parameter_count(code: CodeType) -> int:
    """How many of the locals are parameters, ``*args`` and ``**kwargs`` included; they are the first ones."""
    flags = code.co_flags
    return code.co_argcount + code.co_kwonlyargcount + bool(flags & _VARARGS) + bool(flags & _VARKEYWORDS)


def slot_names(code: CodeType) -> tuple[str, ...]:
    """The variables of the frame in the order of their slots: locals, cells that are none, free variables."""
    own, cells = code.co_varnames, code.co_cellvars
    if not cells:
        return own + code.co_freevars
    return (*own, *(name for name in cells if name not in own), *code.co_freevars)


def instructions(code: CodeType) -> tuple[Instruction, ...]:
    """The instructions of a code object in order. Raises ``InvalidCodeError`` where an argument is out of range."""
    return tuple(iter_instructions(code))


def iter_instructions(code: CodeType) -> Iterator[Instruction]:
    raw = code.co_code
    lines = lines_by_unit(code)
    slots = slot_names(code)
    index = 0
    count = len(raw) // 2
    while index < count:
        first, arg = index, 0
        while raw[2 * index] == isa.EXTENDED_ARG:
            arg = (arg | raw[2 * index + 1]) << 8
            index += 1
            if index == count:
                raise InvalidCodeError(f"{code.co_qualname}: the code ends in a prefix at offset {2 * first}")
        opcode = raw[2 * index]
        arg |= raw[2 * index + 1]
        if isa.OPERAND[opcode] == "?":
            raise InvalidCodeError(f"{code.co_qualname}: {opcode} at offset {2 * index} is no opcode of this Python")
        index += 1 + isa.CACHES[opcode]
        try:
            argval = _argval(code, opcode, arg, index, slots)
        except IndexError:
            raise InvalidCodeError(
                f"{code.co_qualname}: {isa.OPNAMES[opcode]} at offset {2 * first} has the argument {arg}, "
                "which its pool lacks"
            ) from None
        oparg = None if isa.OPERAND[opcode] == "-" else arg
        line = lines[first] if first < len(lines) else None
        yield Instruction(2 * first, opcode, isa.OPNAMES[opcode], oparg, argval, line, 2 * index)


def with_prefixes(raw: bytes, index: int) -> tuple[int, int]:
    """Where the prefixes of the instruction with its opcode at code unit ``index`` begin, and its whole argument."""
    start, arg = index, raw[2 * index + 1]
    while start and raw[2 * start - 2] == isa.EXTENDED_ARG:
        start -= 1
        arg |= raw[2 * start + 1] << (8 * (index - start))
    return start, arg


def _argval(code: CodeType, opcode: int, arg: int, end: int, slots: tuple[str, ...]) -> object:
    operand = isa.OPERAND[opcode]
    if operand == "-":
        return None
    if operand == "const":
        return code.co_consts[arg]
    if operand == "slot":
        return slots[arg]
    if operand == "fwd":
        return 2 * (end + arg)
    if operand == "back":
        return 2 * (end - arg)
    if operand == "pair":
        return slots[arg >> 4], slots[arg & 15]
    if operand.startswith("name"):
        return code.co_names[arg >> isa.NAME_SHIFT[opcode]]
    return arg
