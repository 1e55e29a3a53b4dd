"""Join points as places in the code units of a code object."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from types import CodeType

from equip import isa
from equip.analysis.depths import stack_depths
from equip.code import exceptions
from equip.code.exceptions import Handler
from equip.code.instruction import Instruction, instructions
from equip.code.linker import stop_iteration_handler

_RETURNS = isa.matcher(isa.RETURNS)
_NOP = isa.OP["NOP"]
_POP_EXCEPT = isa.OP["POP_EXCEPT"]
_PUSH_EXC_INFO = isa.OP["PUSH_EXC_INFO"]
_PUSHES_EXCEPTION = isa.matcher(frozenset({_PUSH_EXC_INFO}))
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
    """The code unit behind the first RESUME: the first of the body."""
    raw = code.co_code
    return raw[::2].index(isa.RESUME) + 1 + isa.CACHES[isa.RESUME]


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
    raw = code.co_code
    found: list[tuple[int, int]] = []
    for match in _RETURNS.finditer(raw[::2]):
        start = index = match.start()
        while start and raw[2 * start - 2] == isa.EXTENDED_ARG:
            start -= 1
        found.append((start, index))
    return found


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
        self.code = code
        self.raw = code.co_code
        self.handlers = exceptions.decode(code.co_exceptiontable) if code.co_exceptiontable else []
        self._starts = [handler.start for handler in self.handlers]
        self._entries = {handler.target: handler for handler in reversed(self.handlers)}
        self.final = stop_iteration_handler(self.raw, self.handlers)
        self._lines: list[int | None] | None = None
        self._tries: list[tuple[int, int, Handler]] | None = None
        self._depths: dict[int, int] | None = None
        self._unused: dict[int, int] | None = None

    def is_final(self, handler: Handler | None) -> bool:
        """Whether it is the compiler's own last handler of a generator."""
        return handler is not None and self.final is not None and handler.target == self.final.target

    def at(self, unit: int) -> Handler | None:
        """The handler whose range has this code unit in it."""
        found = bisect_right(self._starts, unit) - 1
        if found < 0 or unit >= self.handlers[found].end:
            return None
        return self.handlers[found]

    def of_statement(self, unit: int) -> Handler | None:
        """The handler around a statement before the instruction at ``unit``.

        It differs from ``at`` in a few places. The NOP of a ``try:`` line is in no range, not even that of the
        ``try`` around it. A ``break``, a ``continue`` and the ``return`` of a constant have left the ``try`` when
        their first instruction is reached, and the ``except`` clause when that is POP_EXCEPT. At the first
        instruction of a handler the stack is not yet what the handler's own cleanup expects.
        """
        if not self.handlers:
            return None
        covering = self.at(unit)
        entered = self._entries.get(unit)
        if entered is not None:
            return self._around(covering, entered.depth)
        if self.raw[2 * unit] == _POP_EXCEPT:
            return self._cleanup_left(unit) or covering or self.final
        body = self._body_at(unit, covering) or self._empty_body_at(unit)
        if body is not None:
            return body
        if covering is None and self.raw[2 * unit] == _NOP:
            inner = self.at(unit + 1)
            if inner is not None:
                return self._around(self.at(inner.target), inner.depth) or self.final
        return covering or self.final

    def _body_at(self, unit: int, covering: Handler | None) -> Handler | None:
        """The handler of the innermost ``try`` whose body the line of ``unit`` is in, if ``covering`` is around it.

        The lines of a body are those from the first that the handler covers to the one before the handler's own.
        """
        line = self._line(unit)
        bodies = [body for body in self._bodies() if line is not None and body[0] <= line < body[1]]
        if not bodies:
            return None
        first = max(body[0] for body in bodies)
        copies = [handler for start, _, handler in bodies if start == first]
        before = [handler for handler in copies if handler.start <= unit]
        found = before[-1] if before else copies[0]
        if covering is None or self.is_final(covering):
            return found
        around = {handler.target for handler in self._outwards(found)} - {found.target}
        return found if covering.target in around else None

    def _bodies(self) -> list[tuple[int, int, Handler]]:
        """First line, line of the handler, and handler of each range of a ``try`` with ``except`` or ``finally``.

        What a handler inside the body covers is in the body, too.
        """
        if self._tries is None:
            firsts: dict[int, int] = {}
            for handler in self.handlers:
                lines = [line for unit in range(handler.start, handler.end) if (line := self._line(unit))]
                if lines:
                    for one in self._outwards(handler):
                        firsts[one.target] = min(min(lines), firsts.get(one.target, lines[0]))
            firsts = {target: first for target, first in firsts.items() if self.raw[2 * target] == _PUSH_EXC_INFO}
            count = len(self.raw) // 2
            own = {target: next(filter(None, map(self._line, range(target, count))), 0) for target in firsts}
            self._tries = [
                (firsts[handler.target], own[handler.target], handler)
                for handler in self.handlers
                if handler.target in firsts
            ]
        return self._tries

    def _empty_body_at(self, unit: int) -> Handler | None:
        """The handler of a ``try`` that its first statement, the one at ``unit``, leaves: it covers nothing.

        The line of such a handler is the next one that has code.
        """
        unused = self._unused_handlers()
        line = self._line(unit) if unused else None
        if line is None:
            return None
        following = min((one for one in map(self._line, range(len(self.raw) // 2)) if one and one > line), default=0)
        if following not in unused:
            return None
        return Handler(unit, unit + 1, unused[following], self._depth(unit), False)

    def _unused_handlers(self) -> dict[int, int]:
        """The code unit of each handler that covers nothing, by its first line."""
        if self._unused is None:
            count = len(self.raw) // 2
            targets = {handler.target for handler in self.handlers}
            self._unused = {
                next(filter(None, map(self._line, range(match.start(), count))), 0): match.start()
                for match in _PUSHES_EXCEPTION.finditer(self.raw[::2])
                if match.start() not in targets
            }
        return self._unused

    def _outwards(self, handler: Handler | None) -> Iterator[Handler]:
        """A handler, and where what it lets through goes, one after the other."""
        seen: set[int] = set()
        while handler is not None and handler.target not in seen:
            seen.add(handler.target)
            yield handler
            handler = self.at(handler.target)

    def _cleanup_left(self, unit: int) -> Handler | None:
        """The cleanup of the ``except`` clause that the POP_EXCEPT at ``unit`` leaves."""
        cleanups = [
            handler
            for handler in self.handlers
            if handler.lasti and self.raw[2 * handler.target] != _PUSH_EXC_INFO and not self.is_final(handler)
        ]
        if len({handler.depth for handler in cleanups}) > 1:
            depth = self._depth(unit)
            cleanups = [handler for handler in cleanups if handler.depth == depth]
        return max((handler for handler in cleanups if handler.end <= unit), key=lambda one: one.end, default=None)

    def _depth(self, unit: int) -> int:
        if self._depths is None:
            self._depths = stack_depths(self.code)
        return self._depths.get(2 * unit, 0)

    def _line(self, unit: int) -> int | None:
        if self._lines is None:
            self._lines = []
            for start, end, line in self.code.co_lines():
                self._lines += [line] * ((end - start) // 2)
        return self._lines[unit]

    def _around(self, handler: Handler | None, depth: int) -> Handler | None:
        """The first handler, going outwards, that leaves no more than ``depth`` on the stack."""
        return next((one for one in self._outwards(handler) if one.depth <= depth), None)
