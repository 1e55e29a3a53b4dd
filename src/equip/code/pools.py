"""The pools of a code object while it is linked: constants, names and variables, by value and not by index.

What is already there is found again, by identity and type (``1``, ``1.0`` and ``True`` are three constants,
``0.0`` and ``-0.0`` two); what is new goes to the end, so that no index of the original code changes. The
one exception are the slots of cells and free variables, which stand behind the locals: ``moved_slots``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import CodeType
from typing import cast

from equip import isa
from equip.code.assembly import Resolver

_PLAIN = frozenset({str, bytes, type(None), bool, type(Ellipsis), int})
_QUIETLY_EQUAL = not sys.flags.bytes_warning
"""Whether comparing text with bytes is no offence (``python -b``)."""

_LOAD_CONST = isa.OP["LOAD_CONST"]
_LOAD_SMALL_INT = isa.OP.get("LOAD_SMALL_INT", -1)
_LOAD_COMMON_CONSTANT = isa.OP.get("LOAD_COMMON_CONSTANT", -1)
_MANY = 16
"""From how many additional constants on they are looked up in an index."""


def shared(value: object) -> object:
    """The one object of this process for a constant, and for all that is in it.

    ``marshal`` writes an object once and refers to it afterwards. For what is put in to share its parts in the same
    way in each process, whatever that compiled before, equal constants are the same object, as the compiler has
    them in a module.
    """
    kind = type(value)
    if kind is str:
        return sys.intern(cast("str", value))
    if isinstance(value, CodeType):
        return value.replace(co_consts=tuple([shared(item) for item in value.co_consts]))
    if kind is tuple:
        value = tuple([shared(item) for item in cast("tuple[object, ...]", value)])
    elif kind is frozenset:
        value = frozenset([shared(item) for item in cast("frozenset[object]", value)])
    return _shared.setdefault(constant_key(value), value)


_shared: dict[object, object] = {}
"""By their keys, the constants of snippets that are no text: few, and small."""


def constant_key(value: object) -> object:
    """A key that is equal for constants which the compiler would merge, and for no others."""
    kind = type(value)
    if kind in _PLAIN:
        return kind, value
    if kind is float or kind is complex:
        return kind, repr(value)
    if kind is tuple:
        return kind, tuple(constant_key(item) for item in value)  # type: ignore[attr-defined]
    if kind is frozenset:
        return kind, frozenset(constant_key(item) for item in value)  # type: ignore[attr-defined]
    return kind, id(value)


class Pools(Resolver):
    """The pools of ``code``, with ``locals_added`` behind its locals and ``cells_added`` behind its cells."""

    is_same_frame = True
    _locals_added: Sequence[str] = ()
    _cells_added: Sequence[str] = ()
    _slots: dict[str, int] | None = None
    _indices: dict[object, int] | None = None

    def __init__(self, code: CodeType, locals_added: Sequence[str] = (), cells_added: Sequence[str] = ()) -> None:
        self.code = code
        self.consts: tuple[object, ...] | list[object] = code.co_consts
        self.names: Sequence[str] = code.co_names
        if locals_added or cells_added:
            self.is_same_frame = False
            self._locals_added = locals_added
            self._cells_added = cells_added

    @property
    def _has_docstring(self) -> bool:
        code = self.code
        if isa.DOCSTRING_FLAG:
            return bool(code.co_flags & isa.DOCSTRING_FLAG)
        return bool(code.co_consts) and isinstance(code.co_consts[0], str)

    # -- variables ---------------------------------------------------------------------------------

    @property
    def varnames(self) -> tuple[str, ...]:
        return (*self.code.co_varnames, *self._locals_added)

    @property
    def cellvars(self) -> tuple[str, ...]:
        return (*self.code.co_cellvars, *self._cells_added)

    @property
    def slots(self) -> dict[str, int]:
        """Index in the frame by name; a parameter or local that is a cell keeps the local's index.

        Of a free variable that is a local, too, it is that of the free variable: the local belongs to an inlined
        comprehension.
        """
        if self._slots is None:
            varnames = self.varnames
            cells = [name for name in self.cellvars if name not in varnames]
            self._slots = {name: index for index, name in enumerate((*varnames, *cells, *self.code.co_freevars))}
        return self._slots

    def slot(self, name: str) -> int:
        code = self.code
        varnames = code.co_varnames
        if name in varnames and name not in code.co_freevars:
            return varnames.index(name)
        return self.slots[name]

    def moved_slots(self) -> list[int] | None:
        """New index of each slot of the original code, or None when none has moved."""
        code = self.code
        if self.is_same_frame:
            return None
        own = set(code.co_varnames)
        cells = [name for name in code.co_cellvars if name not in own]
        if not cells and not code.co_freevars:
            return None
        added = len(self.varnames) - len(code.co_varnames)
        new_own = set(self.varnames)
        more_cells = sum(name not in new_own for name in self.cellvars) - len(cells)
        count = len(code.co_varnames)
        return [
            *range(count),
            *(count + added + i for i in range(len(cells))),
            *(count + added + len(cells) + more_cells + i for i in range(len(code.co_freevars))),
        ]

    # -- constants and names -------------------------------------------------------------------------

    def const(self, value: object) -> int:
        consts = self.consts
        if type(consts) is list and len(consts) - len(self.code.co_consts) >= _MANY:
            return self._const_among_many(value)
        if not (_QUIETLY_EQUAL and type(value) in _PLAIN and value not in consts):  # it is not there, most of the time
            found = self._known_const(value)
            if found is not None:
                return found
        if type(consts) is tuple:
            self.consts = consts = [*consts]
            if not consts and not isa.DOCSTRING_FLAG and self.code.co_flags & 2:
                consts.append(None)  # the first constant of a function would be taken for its docstring
        consts.append(value)  # type: ignore[union-attr]
        return len(consts) - 1

    def _known_const(self, value: object) -> int | None:
        """The index of a constant that is there."""
        consts, kind = self.consts, type(value)
        if _QUIETLY_EQUAL and kind in _PLAIN and value in consts:  # the most frequent case, at C speed
            index = consts.index(value)
            if index and type(consts[index]) is kind:
                return index
        if kind is CodeType:
            return next((index for index, found in enumerate(consts) if found is value), None)
        key = constant_key(value)
        first = 1 if self._has_docstring else 0
        for index, found in enumerate(consts[first:], first):
            if type(found) is kind and constant_key(found) == key:
                return index
        return None

    def _const_among_many(self, value: object) -> int:
        """``const`` where so many are added that it pays to have an index of them."""
        consts = self.consts
        if self._indices is None:
            first = 1 if self._has_docstring else 0
            self._indices = {}
            for index, found in enumerate(consts[first:], first):
                self._indices.setdefault(constant_key(found), index)
        index = self._indices.setdefault(constant_key(value), len(consts))
        if index == len(consts):
            consts.append(value)  # type: ignore[union-attr]
        return index

    def load_const(self, value: object) -> tuple[int, int]:
        if isa.SMALL_INTS and type(value) is int and 0 <= value <= 255:
            return _LOAD_SMALL_INT, value
        if isa.COMMON_CONSTANTS and (value is None or isinstance(value, (bool, str, int))):
            number = isa.COMMON_CONSTANTS.get((type(value), value))
            if number is not None:
                return _LOAD_COMMON_CONSTANT, number
        return _LOAD_CONST, self.const(value)

    def add_name(self, name: str) -> int:
        names = self.names
        if not isinstance(names, list):
            self.names = names = list(names)
        names.append(name)
        return len(names) - 1
