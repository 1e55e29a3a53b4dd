"""Which variables the instructions of a code object read, bind and unbind: what the dataflow analyses are about.

A variable is a local (a slot of the frame that only this code sees), a cell (a slot that it shares with other
functions; free variables are cells), or a name (looked up in a namespace: globals, builtins, the names of a module or
class body). A local and a name can be called the same. Attributes and items are values and no variables.

In an inlined comprehension (3.12 on) the slots of its variables are saved and cleared, and restored behind it; the
stores that restore are ``restoring``: they unbind what was unbound before.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from itertools import compress
from types import CodeType
from typing import NamedTuple

from equip import isa
from equip.analysis.bitvectors import EXCEPTIONAL, Change
from equip.analysis.controlflow import ControlFlow
from equip.analysis.stackvalues import StackValues
from equip.code.instruction import parameter_count, slot_names
from equip.isa.pops import steps


class VariableKind(enum.Enum):
    """Where a variable lives."""

    LOCAL = "local"
    CELL = "cell"
    NAME = "name"

    def __repr__(self) -> str:
        return f"VariableKind.{self.name}"


class Variable(NamedTuple):
    """A variable of a code object."""

    name: str
    kind: VariableKind


class Access(NamedTuple):
    """What an instruction does to one variable: reads it, binds it, unbinds it, or reads and unbinds it.

    ``offset`` is the instruction's (bytes, first prefix). ``restoring``: it may bind it to nothing.
    """

    offset: int
    variable: Variable
    reads: bool
    binds: bool
    unbinds: bool
    restoring: bool = False


_READ, _BIND, _UNBIND = 1, 2, 4
_DOES = {
    **dict.fromkeys(isa.SLOT_OPS | isa.kind("name0", "name1", "name2"), 0),
    **dict.fromkeys(
        isa.ops(
            "LOAD_FAST LOAD_FAST_BORROW LOAD_FAST_CHECK LOAD_DEREF LOAD_CLASSDEREF LOAD_FROM_DICT_OR_DEREF "
            "LOAD_CLOSURE LOAD_GLOBAL LOAD_NAME LOAD_FROM_DICT_OR_GLOBALS"
        ),
        _READ,
    ),
    **dict.fromkeys(isa.ops("STORE_FAST STORE_DEREF STORE_GLOBAL STORE_NAME"), _BIND),
    **dict.fromkeys(isa.ops("DELETE_FAST DELETE_DEREF DELETE_GLOBAL DELETE_NAME"), _UNBIND),
    **dict.fromkeys(isa.ops("LOAD_FAST_AND_CLEAR"), _READ | _UNBIND),
}
_TRANSLATION = bytes(bool(_DOES.get(opcode)) or isa.OPERAND[opcode] == "pair" for opcode in range(256))
_CLEAR = isa.OP.get("LOAD_FAST_AND_CLEAR", -1)
_RAISES = bytes(opcode not in isa.QUIET and opcode != 0 for opcode in range(256))


class Accesses:
    """The accesses of a code object to its variables, in order, and by block."""

    def __init__(self, flow: ControlFlow) -> None:
        self.flow = flow
        code = flow.code
        self.variables: list[Variable] = []
        """Each variable once; its number is its place."""
        self.numbers: dict[Variable, int] = {}
        self.all: list[Access] = list(self._accesses(code))
        for access in self.all:
            self._number(access.variable)
        self.by_node: list[list[Access]] = [[] for _ in flow.shape.successors]
        """By node of ``flow.shape``."""
        node, starts = 1, [*flow.shape.starts[1:], flow.shape.units]
        for access in self.all:
            while access.offset >= 2 * starts[node - 1]:
                node += 1
            self.by_node[node].append(access)

    def _number(self, variable: Variable) -> int:
        found = self.numbers.get(variable)
        if found is None:
            found = self.numbers[variable] = len(self.variables)
            self.variables.append(variable)
        return found

    def bits(self, *kinds: VariableKind) -> int:
        """The variables of these kinds as a set of bits."""
        return sum(1 << number for number, one in enumerate(self.variables) if one.kind in kinds)

    @property
    def parameters(self) -> tuple[Variable, ...]:
        """The variables that are bound when the frame begins: arguments, and the iterator of a comprehension."""
        code = self.flow.code
        cells = set(code.co_cellvars)
        return tuple(
            Variable(name, VariableKind.CELL if name in cells else VariableKind.LOCAL)
            for name in code.co_varnames[: parameter_count(code)]
        )

    def raising(self, node: int) -> list[int]:
        """The instructions of a block at which an exception can leave it: offsets in bytes, first prefixes."""
        shape = self.flow.shape
        if not EXCEPTIONAL.intersection(shape.kinds[node]):
            return []
        raw = self.flow.code.co_code
        start = shape.starts[node - 1]
        end = shape.starts[node] if node < shape.count else shape.units
        found: list[int] = []
        for i in compress(range(2 * start, 2 * end, 2), raw[2 * start : 2 * end : 2].translate(_RAISES)):
            while i and raw[i - 2] == isa.EXTENDED_ARG:
                i -= 2
            found.append(i)
        return found

    def forward_change(self, node: int, effects: Sequence[tuple[int, int, int]]) -> Change:
        """The change of a block from its effects in order: (offset, gen, kill) each."""
        gen = kill = raised_gen = 0
        raised_kill = -1
        raising = self.raising(node)
        at = 0
        for offset, added, removed in effects:
            while at < len(raising) and raising[at] <= offset:
                raised_gen |= gen
                raised_kill &= kill
                at += 1
            gen = (gen & ~removed) | added
            kill |= removed
        if at < len(raising):
            raised_gen |= gen
            raised_kill &= kill
        return Change(gen, kill, raised_gen, raised_kill if raising else 0)

    def _accesses(self, code: CodeType) -> Iterator[Access]:
        raw = code.co_code
        if 1 not in raw[::2].translate(_TRANSLATION):
            return
        slots = slot_names(code)
        cells = {*code.co_cellvars, *code.co_freevars}
        kinds = [VariableKind.CELL if name in cells else VariableKind.LOCAL for name in slots]
        variables = [Variable(name, kind) for name, kind in zip(slots, kinds, strict=True)]
        cleared = self._restores(raw)
        for offset, opcode, arg, _ in steps(raw):
            operand = isa.OPERAND[opcode]
            if operand == "slot":
                does = _DOES[opcode]
                if does:
                    restoring = offset in cleared
                    yield Access(offset, variables[arg], bool(does & 1), bool(does & 2), bool(does & 4), restoring)
            elif operand == "pair":
                for single, slot in zip(isa.PAIRS[opcode], (arg >> 4, arg & 15), strict=True):
                    does = _DOES[single]
                    restoring = bool(does & _BIND) and (offset, slot) in cleared
                    yield Access(offset, variables[slot], bool(does & 1), bool(does & 2), bool(does & 4), restoring)
            elif operand.startswith("name"):
                does = _DOES.get(opcode, 0)
                if does:
                    variable = Variable(code.co_names[arg >> isa.NAME_SHIFT[opcode]], VariableKind.NAME)
                    yield Access(offset, variable, bool(does & 1), bool(does & 2), bool(does & 4))

    def _restores(self, raw: bytes) -> frozenset[object]:
        """Where a value that LOAD_FAST_AND_CLEAR has saved is stored: offsets, with the slot for two in one."""
        if _CLEAR < 0 or _CLEAR not in raw[::2]:
            return frozenset()
        stacks = StackValues(self.flow)
        found: set[object] = set()
        saved = {offset << 16 for offset, opcode, _, _ in steps(raw) if opcode == _CLEAR}
        for offset, opcode, arg, _ in steps(raw):
            stack = stacks.find_before(offset)
            if not stack:
                continue
            if opcode == isa.OP["STORE_FAST"]:
                if stack[-1] & saved:
                    found.add(offset)
            elif opcode in _STORING_PAIRS:
                slots = (arg >> 4, arg & 15)
                singles = isa.PAIRS[opcode]
                depth = 1
                for single, slot in zip(singles, slots, strict=True):
                    if single == isa.OP["STORE_FAST"]:
                        if stack[-depth] & saved:
                            found.add((offset, slot))
                        depth += 1
        return frozenset(found)


_STORING_PAIRS = frozenset(opcode for opcode, singles in isa.PAIRS.items() if isa.OP["STORE_FAST"] in singles)
