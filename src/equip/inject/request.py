"""What a user asks for, as plain data: which snippet goes where in which code object."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import NamedTuple, TypeAlias


class JoinPoint(enum.Enum):
    """Where a snippet can stand in a code object."""

    BEFORE = "before"
    AFTER = "after"
    RAISE = "raise"
    LINENO = "lineno"
    MODULE_ENTER = "module-enter"
    MODULE_EXIT = "module-exit"
    IMPORT = "import"
    BLOCK = "block"
    EDGE = "edge"

    __hash__ = object.__hash__  # members are singletons; Enum's own is dear


Place: TypeAlias = tuple[int | str, ...]
"""A block, by the offset at which it begins; an edge, by the offsets of its two blocks and its kind. See ``flow``."""


class Insertion(NamedTuple):
    """One snippet at one join point.

    ``lineno`` is for ``LINENO``, ``place`` for ``BLOCK`` and ``EDGE``. ``probe`` names who asked for it. Insertions
    with the same ``(probe, group)`` in one code object share the private names that their snippets bind.
    """

    location: JoinPoint
    source: str
    lineno: int | None = None
    suppress: bool = False
    probe: str = ""
    group: int = 0
    place: Place = ()


made: Callable[..., Insertion] = tuple.__new__
"""Makes an ``Insertion`` of a tuple of all its fields, which is what costs least."""

CodePath = tuple[int, ...]
"""Indices into ``co_consts``, from the module's code object down; ``()`` is the module itself."""

Plan = dict[CodePath, list[Insertion]]
"""The insertions for each code object of a module, in the order in which they were asked for."""
