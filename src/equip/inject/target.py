"""A code object as the target of snippets: where it is in its module, and what its names mean there."""

from __future__ import annotations
import __future__

import enum
from collections.abc import Collection, Mapping, Sequence
from copy import copy
from types import CodeType
from typing import TYPE_CHECKING, NamedTuple

from equip import isa
from equip.analysis.regions import own_locals
from equip.code.instruction import parameter_count, with_prefixes
from equip.code.locations import located
from equip.inject.coverage import Coverage
from equip.inject.fields import FieldValues, Parameters
from equip.inject.lines import Encounters, encounters
from equip.lazy import lazy

if TYPE_CHECKING:
    from equip.inject.flow import FlowPlaces

_CO_OPTIMIZED = 1
_CO_STARRED = 4 | 8
_CO_GENERATOR = 0x20
_CO_COROUTINE = 0x80
_CO_ASYNC_GENERATOR = 0x200
_FUTURES = 0
for _name in __future__.all_feature_names:
    if _name != "nested_scopes":  # its flag now says that a function is inside another
        _FUTURES |= getattr(__future__, _name).compiler_flag

_SCOPE_FLAGS = _CO_OPTIMIZED | _CO_GENERATOR | _CO_COROUTINE | _CO_ASYNC_GENERATOR | _FUTURES

_UNBINDING = isa.Scan(isa.ops("DELETE_FAST LOAD_FAST_AND_CLEAR"))
_STORE_GLOBAL, _DELETE_GLOBAL = isa.OP["STORE_GLOBAL"], isa.OP["DELETE_GLOBAL"]
_GLOBAL_STORES = isa.Scan(frozenset({_STORE_GLOBAL, _DELETE_GLOBAL}))
_PECULIAR = isa.Scan(isa.ops("DELETE_FAST LOAD_FAST_AND_CLEAR STORE_GLOBAL DELETE_GLOBAL"))
_CLEARING = isa.OP.get("LOAD_FAST_AND_CLEAR", -1)


_NAMESPACE = isa.Scan(isa.ops("LOAD_NAME STORE_NAME DELETE_NAME"))
CLASS_CELLS = ("__class__", "__classdict__")
"""What the compiler keeps in cells of a class body for what is nested in it; its other cells are comprehensions'."""


class NameKind(enum.Enum):
    """What a name is in the scope of a target, as far as compiling a snippet depends on it."""

    BOUND = "local that is always bound"  # a parameter that nothing deletes
    LOCAL = "local that can be unbound"
    CELL = "cell"
    FREE = "free"
    PASSED_ON = "free for what is nested in a class body that has a variable of that name itself"
    GLOBAL = "global"
    DECLARED_GLOBAL = "global that the function itself assigns"
    PRIVATE = "private to the instrumentation"
    PRIVATE_CELL = "private to the instrumentation, captured by a nested function"

    __hash__ = object.__hash__  # members are singletons; Enum's own is dear


class Setting(NamedTuple):
    """What all targets of a module have in common."""

    file_path: str
    module_name: str
    optimize: int


class Target:
    """One code object of a module: constant ``index`` of the code object ``around`` it, if there is one."""

    _variables: dict[str, NameKind] | None = None
    _of_comprehensions: frozenset[str] = frozenset()
    """Names that may be variables of inlined comprehensions only; emptied when that is cleared up."""

    def __init__(
        self, code: CodeType, setting: Setting, around: Target | None = None, index: int = 0
    ) -> None:
        self.code = code = code if code.co_linetable else located(code)
        """The code object, with a location table."""
        self.setting = setting
        self.around = around
        self.index = index
        self.flags = flags = code.co_flags
        self.is_function = bool(flags & _CO_OPTIMIZED)
        if around is None:
            self.depth = 0
            self.is_module, self.in_function = not self.is_function, False
        else:
            self.depth = around.depth + 1
            """How many code objects are around it."""
            self.is_module, self.in_function = False, around.is_function or around.in_function
            """Whether it is the module's own; whether a function is around it."""
        self.opcodes = code.co_code[::2]
        """The opcode of each code unit."""
        self.scope_key = flags & _SCOPE_FLAGS | self.is_module << 32 | (setting.optimize + 2) << 40
        """What compiling a snippet depends on, names aside; a number, since it is asked for at each insertion."""

    @lazy
    def bound(self) -> dict[object, object]:
        """What snippets were bound to it already (``compiling.bind``)."""
        return {}

    @lazy
    def enclosing(self) -> Sequence[CodeType]:
        """The code objects around it, the module's first."""
        around = self.around
        return () if around is None else (*around.enclosing, around.code)

    @property
    def is_generator(self) -> bool:
        return bool(self.flags & _CO_GENERATOR)

    @property
    def is_coroutine(self) -> bool:
        return bool(self.flags & _CO_COROUTINE)

    @property
    def is_async_generator(self) -> bool:
        return bool(self.flags & _CO_ASYNC_GENERATOR)

    @property
    def is_suspendable(self) -> bool:
        return bool(self.flags & (_CO_GENERATOR | _CO_COROUTINE | _CO_ASYNC_GENERATOR))

    @property
    def future_flags(self) -> int:
        """The ``__future__`` features in force in it, as flags for ``compile``."""
        return self.flags & _FUTURES

    def __str__(self) -> str:
        name = self.setting.module_name if not self.enclosing else self.code.co_qualname
        return f"{self.what} {name!r} ({self.setting.file_path!r}, line {self.code.co_firstlineno})"

    @property
    def what(self) -> str:
        """What it is, for messages."""
        return "module" if not self.enclosing else "function" if self.is_function else "class"

    @property
    def class_name(self) -> str | None:
        """The name of the innermost class around it (or of itself)."""
        if not self.is_function and not self.is_module:
            return self.code.co_name
        for code in reversed(self.enclosing[1:]):
            if not code.co_flags & _CO_OPTIMIZED:
                return code.co_name
        return None

    @property
    def parameters(self) -> Parameters:
        return self.fields.parameters

    @lazy
    def fields(self) -> FieldValues:
        return FieldValues(self.code, self.setting.file_path, self.setting.module_name, self.class_name)

    # -- names -----------------------------------------------------------------------------------------

    def mangled(self, name: str) -> str:
        """``name`` as the compiler spells it inside the class around this target."""
        if not name.startswith("__") or name.endswith("__") or self.class_name is None:
            return name
        stripped = self.class_name.lstrip("_")
        return f"_{stripped}{name}" if stripped else name

    def with_kinds(self, kinds: Mapping[str, NameKind]) -> Target:
        """The same target as a place sees it where these variables are of other kinds."""
        found = copy(self)
        found.__dict__.pop("bound", None)
        found._variables = {**self.variables, **kinds}
        return found

    def kind_of(self, name: str) -> NameKind:
        """What ``name`` (mangled) is in the function."""
        return self.variables_for((name,)).get(name, NameKind.GLOBAL)

    @property
    def variables(self) -> dict[str, NameKind]:
        """The kind of every name that is not simply global."""
        return self.variables_for(self.code.co_varnames + self.code.co_cellvars)

    def variables_for(self, names: Collection[str]) -> dict[str, NameKind]:
        """``variables``, as far as ``names`` are concerned: telling a comprehension's from the function's is dear."""
        found = self._variables
        if found is None:
            find = self._find_variables if self.is_function else self._find_variables_of_class
            found = self._variables = find()
        if self._of_comprehensions and not self._of_comprehensions.isdisjoint(names):
            own = own_locals(self.code)
            for name in self._of_comprehensions.difference(own, self.code.co_freevars):
                found.pop(name, None)
            self._of_comprehensions = frozenset()
        return found

    def sees_as_global(self, names: frozenset[str]) -> bool:
        """Whether all of ``names`` are simply global in the function; quicker than asking for each."""
        code = self.code
        if not names.isdisjoint(code.co_varnames):
            return False
        if code.co_cellvars and not names.isdisjoint(code.co_cellvars):
            return False
        if code.co_freevars and not names.isdisjoint(code.co_freevars):
            return False
        return _STORE_GLOBAL not in self.opcodes and _DELETE_GLOBAL not in self.opcodes

    def reaches(self, names: frozenset[str]) -> bool:
        """Whether none of ``names``, which are global in the function, is a variable of a function around it."""
        if not self.in_function:
            return True
        for code in self.enclosing:
            if code.co_flags & _CO_OPTIMIZED and not (
                names.isdisjoint(code.co_varnames) and names.isdisjoint(code.co_cellvars)
            ):
                return False
        return True

    @property
    def parameter_kinds(self) -> object:
        """A key, equal for functions with as many parameters of each sort, which are of the same kinds."""
        code = self.code
        sorts = code.co_argcount, code.co_kwonlyargcount, code.co_flags & _CO_STARRED
        cells = code.co_cellvars
        if not cells and not _PECULIAR.occurs(self.opcodes):
            return sorts  # all are bound
        names = code.co_varnames[: parameter_count(code)]
        variables = self.variables_for(names)
        return sorts, tuple([variables[name] for name in names])

    def _find_variables(self) -> dict[str, NameKind]:
        code, opcodes = self.code, self.opcodes
        locals_ = code.co_varnames
        cells = code.co_cellvars
        found = dict.fromkeys(locals_, NameKind.LOCAL)
        found.update(dict.fromkeys(locals_[: parameter_count(code)], NameKind.BOUND))
        if _PECULIAR.occurs(opcodes):
            if _GLOBAL_STORES.occurs(opcodes):
                declared = dict.fromkeys(self._named_by(_GLOBAL_STORES, code.co_names), NameKind.DECLARED_GLOBAL)
                found = declared | found
            if _UNBINDING.occurs(opcodes):
                slots = (*locals_, *(name for name in cells if name not in locals_))
                unbindable = self._named_by(_UNBINDING, slots)
                found.update(dict.fromkeys(unbindable, NameKind.LOCAL))
                if _CLEARING >= 0 and _CLEARING in opcodes:
                    self._of_comprehensions = unbindable
        if cells:
            found.update(dict.fromkeys(cells, NameKind.CELL))
        if code.co_freevars:
            found.update(dict.fromkeys(code.co_freevars, NameKind.FREE))
        return found

    def _find_variables_of_class(self) -> dict[str, NameKind]:
        """A class body (or module) has what it binds in its namespace, which no snippet needs to know of."""
        code = self.code
        found = {name: NameKind.CELL for name in CLASS_CELLS if name in code.co_cellvars}
        for name in code.co_freevars:
            found[name] = NameKind.PASSED_ON if self.keeps(name) else NameKind.FREE
        return found

    def keeps(self, name: str) -> bool:
        """Whether a class body (or module) itself has ``name`` in its namespace."""
        return name in self._kept

    @lazy
    def _kept(self) -> frozenset[str]:
        return self._named_by(_NAMESPACE, self.code.co_names)

    def owns(self, name: str) -> bool:
        """Whether ``name`` is a variable of the function itself."""
        return self.kind_of(name) not in (NameKind.GLOBAL, NameKind.DECLARED_GLOBAL)

    def _named_by(self, scan: isa.Scan, pool: tuple[str, ...]) -> frozenset[str]:
        """The names in ``pool`` that the instructions found by ``scan`` have as their argument."""
        raw = self.code.co_code
        found: set[str] = set()
        for index in scan.positions(self.opcodes):
            _, arg = with_prefixes(raw, index)
            if arg < len(pool):
                found.add(pool[arg])
        return frozenset(found)

    @lazy
    def encounters(self) -> Encounters:
        """Where each line of it is encountered, by line."""
        return encounters(self.code, self.opcodes, self.coverage if self.code.co_exceptiontable else None)

    @lazy
    def coverage(self) -> Coverage:
        """What a statement at a place is covered by."""
        return Coverage(self.code)

    @lazy
    def flow(self) -> FlowPlaces:
        """Its basic blocks and edges as places. Raises ``InvalidCodeError``."""
        from equip.inject.flow import FlowPlaces

        return FlowPlaces(self.code, str(self), self.coverage.regions.restored)

    def encloses(self, name: str) -> CodeType | None:
        """The function around this one of which ``name`` is a variable, or None."""
        for code in reversed(self.enclosing):
            if code.co_flags & _CO_OPTIMIZED and (name in code.co_varnames or name in code.co_cellvars):
                is_inlined = _CLEARING >= 0 and _CLEARING in code.co_code[::2] and name not in own_locals(code)
                if not is_inlined:
                    return code
        return None
