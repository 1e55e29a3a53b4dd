"""A code object as the target of snippets: where it is in its module, and what its names mean there."""

from __future__ import annotations

import __future__
import enum
import re
from collections.abc import Sequence
from functools import cached_property
from types import CodeType

from equip import isa
from equip.analysis.regions import own_locals
from equip.inject.fields import FieldValues, Parameters
from equip.inject.lines import Encounter, encounters
from equip.inject.request import CodePath

_CO_OPTIMIZED = 1
_CO_GENERATOR = 0x20
_CO_COROUTINE = 0x80
_CO_ASYNC_GENERATOR = 0x200
_FUTURES = 0
for _name in __future__.all_feature_names:
    _FUTURES |= getattr(__future__, _name).compiler_flag

_UNBINDING = isa.matcher(isa.ops("DELETE_FAST LOAD_FAST_AND_CLEAR"))
_GLOBAL_STORES = isa.matcher(isa.ops("STORE_GLOBAL DELETE_GLOBAL"))
_CLEARING = isa.OP.get("LOAD_FAST_AND_CLEAR", -1)


class NameKind(enum.Enum):
    """What a name is in the scope of a target, as far as compiling a snippet depends on it."""

    BOUND = "local that is always bound"  # a parameter that nothing deletes
    LOCAL = "local that can be unbound"
    CELL = "cell"
    FREE = "free"
    GLOBAL = "global"
    DECLARED_GLOBAL = "global that the function itself assigns"
    PRIVATE = "private to the instrumentation"
    PRIVATE_CELL = "private to the instrumentation, captured by a nested function"


class Target:
    """One code object of a module. ``enclosing`` are the code objects around it, the module's first."""

    def __init__(
        self,
        code: CodeType,
        path: CodePath,
        enclosing: Sequence[CodeType],
        *,
        file_path: str,
        module_name: str,
        optimize: int,
    ) -> None:
        self.code = code
        self.path = path
        self.enclosing = tuple(enclosing)
        self.file_path = file_path
        self.module_name = module_name
        self.optimize = optimize

    def __str__(self) -> str:
        what = "module" if not self.enclosing else "function" if self.is_function else "class"
        name = self.module_name if not self.enclosing else self.code.co_qualname
        return f"{what} {name!r} ({self.file_path!r}, line {self.code.co_firstlineno})"

    @property
    def is_module(self) -> bool:
        return not self.enclosing and not self.is_function

    @property
    def is_function(self) -> bool:
        return bool(self.code.co_flags & _CO_OPTIMIZED)

    @property
    def is_generator(self) -> bool:
        return bool(self.code.co_flags & _CO_GENERATOR)

    @property
    def is_coroutine(self) -> bool:
        return bool(self.code.co_flags & _CO_COROUTINE)

    @property
    def is_async_generator(self) -> bool:
        return bool(self.code.co_flags & _CO_ASYNC_GENERATOR)

    @property
    def is_suspendable(self) -> bool:
        """Whether it can be suspended in the middle: a generator or coroutine of any kind."""
        return bool(self.code.co_flags & (_CO_GENERATOR | _CO_COROUTINE | _CO_ASYNC_GENERATOR))

    @property
    def future_flags(self) -> int:
        """The ``__future__`` features in force in it, as flags for ``compile``."""
        return self.code.co_flags & _FUTURES

    @cached_property
    def class_name(self) -> str | None:
        """The name of the innermost class around it (or of itself)."""
        for code in (self.code, *reversed(self.enclosing[1:])):
            if not code.co_flags & _CO_OPTIMIZED and not (code is self.code and self.is_module):
                return code.co_name
        return None

    @cached_property
    def parameters(self) -> Parameters:
        return Parameters.of(self.code)

    @cached_property
    def fields(self) -> FieldValues:
        code = self.code
        return FieldValues(
            self.file_path,
            self.module_name,
            self.class_name,
            code.co_name,
            code.co_qualname,
            code.co_firstlineno,
            self.parameters,
        )

    # -- names -----------------------------------------------------------------------------------------

    def mangled(self, name: str) -> str:
        """``name`` as the compiler spells it inside the class around this target."""
        if not name.startswith("__") or name.endswith("__") or self.class_name is None:
            return name
        stripped = self.class_name.lstrip("_")
        return f"_{stripped}{name}" if stripped else name

    def kind_of(self, name: str) -> NameKind:
        """What ``name`` (mangled) is in the function."""
        if not self.is_function:
            return NameKind.GLOBAL
        code = self.code
        if name in code.co_cellvars and name in self.own_locals:
            return NameKind.CELL
        if name in code.co_freevars:
            return NameKind.FREE
        if name in code.co_varnames:
            if name in self.parameters.names:
                return NameKind.LOCAL if name in self.unbindable else NameKind.BOUND
            if name in self.own_locals:
                return NameKind.LOCAL
        return NameKind.DECLARED_GLOBAL if name in self.assigned_globals else NameKind.GLOBAL

    def owns(self, name: str) -> bool:
        """Whether ``name`` is a variable of the function itself."""
        return self.kind_of(name) not in (NameKind.GLOBAL, NameKind.DECLARED_GLOBAL)

    @cached_property
    def own_locals(self) -> frozenset[str]:
        """Locals and cells of the function; not those that only an inlined comprehension uses."""
        code = self.code
        if _CLEARING >= 0 and _CLEARING in code.co_code[::2]:
            return own_locals(code)
        return frozenset(code.co_varnames + code.co_cellvars)

    @cached_property
    def unbindable(self) -> frozenset[str]:
        """Locals that some instruction takes away."""
        return self._named_by(_UNBINDING, self.code.co_varnames)

    @cached_property
    def assigned_globals(self) -> frozenset[str]:
        """Globals that the function declares and assigns."""
        return self._named_by(_GLOBAL_STORES, self.code.co_names)

    def _named_by(self, matcher: re.Pattern[bytes], pool: tuple[str, ...]) -> frozenset[str]:
        """The names in ``pool`` that the instructions found by ``matcher`` have as their argument."""
        raw = self.code.co_code
        found: set[str] = set()
        for match in matcher.finditer(raw[::2]):
            index = match.start()
            arg, scale = raw[2 * index + 1], 8
            while index and raw[2 * index - 2] == isa.EXTENDED_ARG:
                index -= 1
                arg |= raw[2 * index + 1] << scale
                scale += 8
            if arg < len(pool):
                found.add(pool[arg])
        return frozenset(found)

    @cached_property
    def encounters(self) -> dict[int, list[Encounter]]:
        """Where each line of it is encountered, by line."""
        return encounters(self.code)

    def encloses(self, name: str) -> CodeType | None:
        """The function around this one of which ``name`` is a variable, or None."""
        for code in reversed(self.enclosing):
            if code.co_flags & _CO_OPTIMIZED and (name in code.co_varnames or name in code.co_cellvars):
                return code
        return None
