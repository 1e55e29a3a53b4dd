"""The instructions of a code object as integers, decoded once for all rules, at C speed."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import compress
from types import CodeType
from typing import Final

from equip import isa
from equip.analysis.shape import Numbers, blocks_of
from equip.code.instruction import slot_names

_NO_PREFIX: Final = bytes(number != isa.EXTENDED_ARG for number in range(256))


class Decoded:
    """A code object whose instructions, jumps and exception table are whole.

    ``opcodes``, ``args`` and ``at`` are parallel: the opcode of each instruction, its whole argument, and the code unit
    of the opcode itself. Prefixes and cache entries are no instructions. ``starts`` has the code unit at which each
    block begins, ``covers`` the number of the handler that covers it, or -1 (empty without handlers).
    """

    __slots__ = ("args", "at", "code", "covers", "handlers", "opcodes", "slots", "starts")

    def __init__(self, code: CodeType) -> None:
        """Raises ``InvalidCodeError`` for what is not whole."""
        raw = code.co_code
        self.code = code
        blocks = blocks_of(raw, code.co_exceptiontable, code.co_qualname)
        self.starts: Numbers = blocks.starts
        self.handlers = blocks.table
        self.covers = blocks.handlers
        self.slots = slot_names(code)
        units = blocks.opcodes
        opcodes = units.translate(None, b"\0")
        args: Sequence[int] = bytes(compress(raw[1::2], units))
        at: Sequence[int] = list(compress(range(len(units)), units))
        if isa.EXTENDED_ARG in opcodes:
            whole = list(args)
            prefix = opcodes.find(isa.EXTENDED_ARG)
            while prefix >= 0:
                whole[prefix + 1] |= whole[prefix] << 8
                prefix = opcodes.find(isa.EXTENDED_ARG, prefix + 1)
            kept = opcodes.translate(_NO_PREFIX)
            args, at = list(compress(whole, kept)), list(compress(at, kept))
            opcodes = bytes(compress(opcodes, kept))
        self.opcodes, self.args, self.at = opcodes, args, at

    def index(self, unit: int) -> int:
        """The instruction that begins at a code unit, its prefixes included."""
        return bisect_left(self.at, unit)

    def end(self, index: int) -> int:
        """The code unit behind an instruction and its caches."""
        return self.at[index] + 1 + isa.CACHES[self.opcodes[index]]

    def target(self, index: int) -> int:
        """The code unit that a jump goes to."""
        arg = self.args[index]
        return self.end(index) + (arg if self.opcodes[index] in isa.FORWARD else -arg)
