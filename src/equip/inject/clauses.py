"""Which ``with`` and which ``except`` clause a statement stands in, by what these have put on the stack.

While the body of a ``with`` runs, its exit function is on the stack; in a clause, the exception that was handled
before is. A statement that leaves them, or does nothing, is in no range of their handlers. What shows is that it comes
before that value is taken from the stack, for the call that leaves the ``with`` or by POP_EXCEPT.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from equip import isa
from equip.code.exceptions import Handler
from equip.inject.ranges import Ranges
from equip.lazy import lazy

_COPY = isa.OP["COPY"]
_CHECKS = isa.ops("CHECK_EXC_MATCH")
_CHECKS_GROUP = isa.Scan(isa.ops("CHECK_EG_MATCH"))
_PUSH_EXC_INFO = isa.OP["PUSH_EXC_INFO"]
_PUSHES_EXCEPTION = isa.Scan(frozenset({_PUSH_EXC_INFO}))


def _any(names: str) -> bytes:
    """A pattern for one instruction of these, with its prefixes."""
    prefix = re.escape(bytes([isa.EXTENDED_ARG]))
    return prefix + b"*[" + b"".join(re.escape(bytes([opcode])) for opcode in sorted(isa.ops(names))) + b"]"


_LETS_GO = (
    _any("LOAD_CONST LOAD_COMMON_CONSTANT")
    + _any("STORE_FAST STORE_NAME STORE_GLOBAL STORE_DEREF")
    + _any("DELETE_FAST DELETE_NAME DELETE_GLOBAL DELETE_DEREF")
)
"""What the exception that a clause has called by a name loses the name by."""
_UNNAMING = re.compile(_LETS_GO + _any("RERAISE"), re.DOTALL)
"""The same when another exception is raised in the clause."""
_ADDING = b"(?:" + _LETS_GO + b")?" + _any("LIST_APPEND") + _any("POP_TOP")
_GROUP = re.compile(b"(?P<check>" + _any("CHECK_EG_MATCH") + b")|" + _ADDING, re.DOTALL)
"""Where a clause of ``except*`` begins, and what adds the exception that is raised in it to those to be raised."""


class Clause(NamedTuple):
    """A handler, of which ``start`` is the first code unit where its values are on the stack, and what cleans up at
    the end of it."""

    start: int
    cleanup: Handler


class Clauses:
    """The ``with`` statements and ``except`` clauses of a code object."""

    def __init__(self, ranges: Ranges) -> None:
        self._ranges = ranges

    def with_at(self, unit: int, covering: Handler | None, line: int | None) -> Handler | None:
        """The handler of the innermost ``with`` whose body ``unit`` is in, if ``covering`` is around it."""
        ranges = self._ranges
        for handler, own_line in self._withs_inside_out:
            if (
                handler.start < unit < handler.target
                and (line or 0) > own_line
                and ranges.is_inside(handler, covering)
                and self._is_ready(handler, handler.start, unit)
            ):
                return handler
        return None

    def clause_at(self, unit: int, covering: Handler | None) -> Handler | None:
        """What cleans up after the innermost clause that ``unit`` is in, or lets go of its name, if ``covering`` is
        around it."""
        for start, cleanup in self._all_inside_out:
            if (
                start <= unit < cleanup.target
                and (self._ranges.is_inside(cleanup, covering) or self._covers(cleanup, covering))
                and self._is_ready(cleanup, start, unit, guess=True)
            ):
                return self._unnaming_at(unit, cleanup)
        return None

    def _covers(self, cleanup: Handler, covering: Handler | None) -> bool:
        """Whether the clause is left, but for its cleanup: the name is gone already."""
        return covering is not None and covering.target == cleanup.target

    def _is_ready(self, handler: Handler, start: int, unit: int, guess: bool = False) -> bool:
        """Whether all that ``handler`` needs is on the stack at ``unit``, as it is at ``start``."""
        ranges = self._ranges
        if ranges.comes_from(handler, unit):
            return True
        return ranges.depth(unit) >= handler.depth and ranges.kept(start, unit, guess) >= handler.depth

    @lazy
    def _withs_inside_out(self) -> list[tuple[Handler, int]]:
        """The ranges of every ``with`` and the line of it, inner ones first."""
        ranges = self._ranges
        withs = (handler for handler in ranges.handlers if ranges.is_of_with(handler.target))
        in_order = sorted(withs, key=lambda handler: handler.depth, reverse=True)
        return [(handler, ranges.lines.at(handler.target + 1) or 0) for handler in in_order]

    @lazy
    def _all_inside_out(self) -> list[Clause]:
        """Every clause, inner ones first."""
        ranges = self._ranges
        found = [*self.of_groups]
        for at in _PUSHES_EXCEPTION.positions(ranges.opcodes):
            cleanup = ranges.at(at)
            if cleanup is not None and ranges.opcodes[cleanup.target] == _COPY:
                found.append(Clause(at + 1, cleanup))
        return sorted(found, reverse=True)

    @lazy
    def of_groups(self) -> tuple[Clause, ...]:
        """Every clause of ``except*``. The exceptions raised so far and what is not matched yet are on the stack."""
        opcodes = self._ranges.opcodes
        found: list[Clause] = []
        open_at: list[int] = []
        for match in _GROUP.finditer(opcodes) if _CHECKS_GROUP.occurs(opcodes) else ():
            if match["check"]:
                open_at.append(match.end())
            elif open_at:
                start = open_at.pop()
                depth = self._ranges.depth(start) - 1
                found.append(Clause(start, Handler(start, match.start(), match.start(), depth, True)))
        return tuple(found)

    def _unnaming_at(self, unit: int, cleanup: Handler) -> Handler:
        """What lets go of the name of the clause that ``unit`` is in, or the cleanup itself where it has none."""
        ranges = self._ranges
        for first, target in self._unnaming:
            around = ranges.at(target)
            if first < unit < target and around is not None and around.target == cleanup.target:
                return Handler(unit, unit + 1, target, cleanup.depth, True)
        return cleanup

    @lazy
    def _unnaming(self) -> list[tuple[int, int]]:
        """Where each clause with a name begins, and what lets go of that: it is the last of the clause."""
        opcodes = self._ranges.opcodes
        ends = {match.end(): match.start() for match in _UNNAMING.finditer(opcodes)}
        if not ends:
            return []
        return [
            (jump.at, ends[jump.target])
            for jump in self._ranges.jumps
            if jump.target in ends and opcodes[jump.start - 1] in _CHECKS
        ]
