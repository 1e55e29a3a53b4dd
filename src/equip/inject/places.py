"""Join points as places in the code units of a code object."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from types import CodeType

from equip import isa
from equip.analysis.depths import stack_depths
from equip.code import exceptions
from equip.code.edit import INHERIT, Inherit
from equip.code.exceptions import Handler
from equip.code.instruction import Instruction, instructions
from equip.code.linker import stop_iteration_handler

_RETURNS = isa.Scan(isa.RETURNS)
_NOP = isa.OP["NOP"]
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


def entry(code: CodeType) -> int:
    """The code unit at which the body begins: behind the first RESUME.

    Behind the second one where the generator is made later than at the first (generator expressions from 3.15 on,
    which take their iterator first).
    """
    opcodes = code.co_code[::2]
    at = opcodes.index(isa.RESUME)
    if _is_made_late(opcodes, at):
        at = opcodes.index(isa.RESUME, at + 1)
    return at + 1 + isa.CACHES[isa.RESUME]


def entry_depth(code: CodeType) -> int:
    """The depth of the stack where the body begins."""
    opcodes = code.co_code[::2]
    return stack_depths(code)[2 * entry(code)] if _is_made_late(opcodes, opcodes.index(isa.RESUME)) else 0


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


def returns(code: CodeType) -> list[tuple[int, int]]:
    """(first prefix, opcode) of each instruction that returns, in code units."""
    opcodes = code.co_code[::2]
    found = _RETURNS.positions(opcodes)
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


class Coverage:
    """Which handler a statement would stand in if it were written at a place."""

    def __init__(self, code: CodeType) -> None:
        self.raw = code.co_code
        self.handlers = exceptions.decode(code.co_exceptiontable) if code.co_exceptiontable else []
        self._starts = [handler.start for handler in self.handlers]
        self._entries = {handler.target: handler for handler in reversed(self.handlers)}
        self.final = stop_iteration_handler(self.raw, self.handlers)

    def is_final(self, handler: Handler | None) -> bool:
        """Whether it is the compiler's own last handler of a generator."""
        return handler is not None and self.final is not None and handler.target == self.final.target

    def at(self, unit: int) -> Handler | None:
        """The handler whose range has this code unit in it."""
        found = bisect_right(self._starts, unit) - 1
        if found < 0 or unit >= self.handlers[found].end:
            return None
        return self.handlers[found]

    def there(self, at: int, place: int) -> Handler | Inherit | None:
        """What a statement that belongs before the instruction at ``place``, and is put at ``at``, is covered by."""
        around = self.of_statement(place)
        return INHERIT if at == place and around is self.at(place) else around

    def of_statement(self, unit: int) -> Handler | None:
        """The handler around a statement before the instruction at ``unit``.

        It differs from ``at`` in two places. The NOP of a ``try:`` line is in no range, not even that of the
        ``try`` around it, and neither is the body of a ``try`` that does nothing. At the first instruction of a
        handler the stack is not yet what the handler's own cleanup expects.
        """
        if not self.handlers:
            return None
        covering = self.at(unit)
        entered = self._entries.get(unit)
        if entered is not None:
            return self._around(covering, entered.depth)
        if covering is None and self.raw[2 * unit] == _NOP:
            bridge = self._on_both_sides(unit)
            if bridge is not None:
                return bridge
            inner = self.at(unit + 1)
            if inner is not None:
                return self._around(self.at(inner.target), inner.depth) or self.final
        return covering or self.final

    def _on_both_sides(self, unit: int) -> Handler | None:
        """The handler that covers what is before the NOPs around ``unit``, if it covers what is behind them, too."""
        first = last = unit
        while first and self.raw[2 * first] == _NOP and self.at(first) is None:
            first -= 1
        while last + 1 < len(self.raw) // 2 and self.raw[2 * last] == _NOP and self.at(last) is None:
            last += 1
        before, behind = self.at(first), self.at(last)
        if before is None or behind is None or before[2:] != behind[2:]:
            return None
        return before

    def _around(self, handler: Handler | None, depth: int) -> Handler | None:
        """The first handler, going outwards, that leaves no more than ``depth`` on the stack."""
        seen: set[int] = set()
        while handler is not None and handler.depth > depth and handler.target not in seen:
            seen.add(handler.target)
            handler = self.at(handler.target)
        return handler if handler is None or handler.depth <= depth else None
