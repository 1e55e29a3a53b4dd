"""The instructions of a code object as integers, decoded once for all rules."""

from __future__ import annotations

from types import CodeType
from typing import NamedTuple

from equip import isa
from equip.analysis.shape import Shape, shape_of
from equip.code import exceptions
from equip.code.instruction import slot_names


class Word(NamedTuple):
    """An instruction. ``at`` is the code unit of its opcode, ``end`` the one behind its caches."""

    at: int
    opcode: int
    arg: int
    end: int


class Decoded:
    """A code object whose instructions, jumps and exception table are whole."""

    __slots__ = ("code", "first", "handlers", "raw", "shape", "slots", "words")

    def __init__(self, code: CodeType) -> None:
        """Raises ``InvalidCodeError`` for what is not whole."""
        self.code = code
        self.raw = code.co_code
        self.shape: Shape = shape_of(self.raw, code.co_exceptiontable, code.co_qualname)
        self.handlers = exceptions.decode(code.co_exceptiontable) if code.co_exceptiontable else []
        self.slots = slot_names(code)
        self.words, self.first = _words(self.raw)


def _words(raw: bytes) -> tuple[list[Word], dict[int, int]]:
    """The instructions, and by the code unit where one begins (prefixes included) its index."""
    words: list[Word] = []
    first: dict[int, int] = {}
    caches, extended, make = isa.CACHES, isa.EXTENDED_ARG, Word._make
    index, units, prefix, start = 0, len(raw) // 2, 0, 0
    while index < units:
        opcode = raw[2 * index]
        arg = prefix | raw[2 * index + 1]
        if opcode == extended:
            prefix = arg << 8
            index += 1
            continue
        first[start] = len(words)
        end = index + 1 + caches[opcode]
        words.append(make((index, opcode, arg, end)))
        prefix, index, start = 0, end, end
    return words, first


def target_of(word: Word) -> int:
    """The code unit that a jump goes to."""
    return word.end + word.arg if word.opcode in isa.FORWARD else word.end - word.arg
