"""What the linker is asked to do: edits of one code object, as data.

Positions are code units of the original code.
"""

from __future__ import annotations

from dataclasses import dataclass

from equip.code.exceptions import Handler
from equip.code.fragment import Use


@dataclass(frozen=True, slots=True)
class Ways:
    """Some of the ways into an instruction: those that pass through an edit; the others pass it by.

    ``jumps`` are the positions of the jumping instructions (their opcode, behind any prefixes), ``raises``
    half-open ranges of instructions whose exceptions arrive there. What jumps or raises does not pass ``apart`` edits
    inline, where they would get the line of the place, but always behind the code.
    """

    fallthrough: bool = False
    jumps: frozenset[int] = frozenset()
    raises: tuple[tuple[int, int], ...] = ()
    apart: bool = False


FALLTHROUGH = Ways(fallthrough=True)


class Inherit:
    """The type of ``INHERIT``."""

    def __repr__(self) -> str:
        return "INHERIT"


INHERIT = Inherit()
"""Covered by the handler that covers the instruction at the place."""


@dataclass(eq=False, slots=True)
class Edit:
    """Put ``use`` before the instruction at ``at``, or in the place of the ``removed`` units from there on.

    ``ways`` None: for all the ways into it. Several edits at one place run in their order. ``covered`` is the
    handler of the original code (or None) whose range the edit stands in. ``depth`` is the stack depth there.
    ``line`` is for edits that end up behind the code, those for some ways; None: the line of the place.
    """

    at: int
    use: Use | None
    removed: int = 0
    ways: Ways | None = None
    covered: Handler | Inherit | None = INHERIT
    depth: int = 0
    line: int | None = None


@dataclass(eq=False, slots=True)
class Guard:
    """A handler around the whole body: exceptions that would leave the function go to ``use`` first.

    ``use`` begins with the offset of the raising instruction and the exception on the stack, and does not fall off
    its end. Of several
    guards the first is innermost for the program's exceptions: an exception that it raises again by an item
    in ``passes_on`` goes to the next. ``whole``: injected code is guarded, too, but for the uses in ``spared``.
    What stands before ``since`` is not guarded, nor are the instructions in ``holes``, ranges of them. Both are code
    units of the original.
    """

    use: Use
    line: int
    passes_on: frozenset[int] = frozenset()
    whole: bool = False
    spared: frozenset[Use] = frozenset()
    since: int = 0
    holes: tuple[tuple[int, int], ...] = ()
