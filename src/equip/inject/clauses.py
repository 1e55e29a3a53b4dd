"""Which ``with`` and which ``except`` clause a statement stands in, by what these have put on the stack.

While the body of a ``with`` runs, its exit function is on the stack; in a clause, the exception that was handled
before is. A statement that leaves them, or does nothing, is in no range of their handlers. What shows is that it comes
before that value is taken from the stack, for the call that leaves the ``with`` or by POP_EXCEPT.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import NamedTuple

from equip import isa
from equip.code.exceptions import Handler
from equip.code.sites import find_jumps
from equip.inject.ranges import Ranges

_COPY = isa.OP["COPY"]
_SWAP = isa.OP["SWAP"]
_POP_EXCEPT = isa.OP["POP_EXCEPT"]
_CHECKS = isa.ops("CHECK_EXC_MATCH")
_PUSHES_EXCEPTION = isa.Scan(isa.ops("PUSH_EXC_INFO"))


def _any(names: str) -> bytes:
    """A pattern for one instruction of these, with its prefixes."""
    prefix = re.escape(bytes([isa.EXTENDED_ARG]))
    return prefix + b"*[" + b"".join(re.escape(bytes([opcode])) for opcode in sorted(isa.ops(names))) + b"]"


_UNNAMING = re.compile(
    _any("LOAD_CONST LOAD_COMMON_CONSTANT")
    + _any("STORE_FAST STORE_NAME STORE_GLOBAL STORE_DEREF")
    + _any("DELETE_FAST DELETE_NAME DELETE_GLOBAL DELETE_DEREF")
    + _any("RERAISE"),
    re.DOTALL,
)
"""What lets go of the exception that a clause has called by a name, when another is raised in it."""


class Clause(NamedTuple):
    """A handler, whose code begins at ``start``, and what cleans up at the end of it."""

    start: int
    cleanup: Handler


class Clauses:
    """What is left of the ``with`` statements and ``except`` clauses of a code object."""

    def __init__(self, ranges: Ranges) -> None:
        self._ranges = ranges

    def with_at(self, unit: int, covering: Handler | None) -> Handler | None:
        """The handler of the innermost ``with`` whose body ``unit`` is in, if ``covering`` is around it."""
        ranges = self._ranges
        line = ranges.lines.at(unit) if self._withs else None
        found: Handler | None = None
        for handler in self._withs:
            if (
                handler.start < unit < handler.target
                and (found is None or handler.depth >= found.depth)
                and ranges.lines.at(handler.target + 1) != line  # that of the ``with`` itself is not in it
                and ranges.is_inside(handler, covering)
                and ranges.depth(unit) >= handler.depth
                and ranges.kept(handler.start, unit) >= handler.depth
            ):
                found = handler
        return found

    def clause_at(self, unit: int, covering: Handler | None) -> Handler | None:
        """What cleans up after the innermost clause that ``unit`` is in, or lets go of its name, if ``covering`` is
        around it."""
        around = [clause for clause in self._all if clause.start < unit < clause.cleanup.target]
        if not around:
            return None
        ranges = self._ranges
        if ranges.opcodes[unit] == _POP_EXCEPT and ranges.opcodes[unit - 1] != _SWAP:  # it takes what a clause has put
            if len(around) > 1:
                depth = ranges.depth(unit)
                around = [clause for clause in around if clause.cleanup.depth == depth]
        else:
            depth = ranges.depth(unit)
            around = [
                clause
                for clause in around
                if clause.cleanup.depth <= depth and ranges.kept(clause.start + 1, unit) >= clause.cleanup.depth
            ]
        if not around or not ranges.is_inside(around[-1].cleanup, covering):
            return None
        return self._unnaming_at(unit, around[-1].cleanup)

    @cached_property
    def _withs(self) -> list[Handler]:
        return [handler for handler in self._ranges.handlers if self._ranges.is_of_with(handler.target)]

    @cached_property
    def _all(self) -> list[Clause]:
        """Every clause, outer ones first."""
        ranges = self._ranges
        found: list[Clause] = []
        for at in _PUSHES_EXCEPTION.positions(ranges.opcodes):
            cleanup = ranges.at(at)
            if cleanup is not None and ranges.opcodes[cleanup.target] == _COPY:
                found.append(Clause(at, cleanup))
        return found

    def _unnaming_at(self, unit: int, cleanup: Handler) -> Handler:
        """What lets go of the name of the clause that ``unit`` is in, or the cleanup itself where it has none."""
        ranges = self._ranges
        for first, target in self._unnaming:
            around = ranges.at(target)
            if first < unit < target and around is not None and around.target == cleanup.target:
                return Handler(unit, unit + 1, target, cleanup.depth, True)
        return cleanup

    @cached_property
    def _unnaming(self) -> list[tuple[int, int]]:
        """Where each clause with a name begins, and what lets go of that: it is the last of the clause."""
        opcodes = self._ranges.opcodes
        ends = {match.end(): match.start() for match in _UNNAMING.finditer(opcodes)}
        if not ends:
            return []
        jumps = find_jumps(self._ranges.raw)
        return [
            (jump.at, ends[jump.target])
            for jump in jumps
            if jump.target in ends and opcodes[jump.start - 1] in _CHECKS
        ]
