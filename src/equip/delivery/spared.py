"""The modules that an import hook leaves alone: those behind snippets and callables, found before they are imported."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any, Final

from equip.delivery.lookup import code_at, is_library, locate
from equip.delivery.reach import functions_of
from equip.delivery.recursion import Absolute, Following, absolute, snippet_imports
from equip.errors import PatchError
from equip.inject.callables import is_call_import
from equip.program.imports import find_imported

IMPORTING: Final = frozenset(
    (
        "_frozen_importlib",
        "_frozen_importlib_external",
        "importlib._bootstrap",
        "importlib._bootstrap_external",
        "zipimport",
    )
)
"""The modules that carry out an import statement."""


class Spared:
    """The modules that some import statements bring in, and what these import in turn; and ``importing``, if any do.

    What cannot be found counts by its name, and is looked for again when the path has changed. Of libraries, only
    those are gone through that ``is_meant`` says the hook is about.
    """

    def __init__(self, is_meant: Callable[[str], bool], importing: Iterable[str] = IMPORTING) -> None:
        self._is_meant = is_meant
        self._importing = importing
        self._following = Following(_find, self._imports_of)
        self._said: set[Absolute] = set()
        self._missing: list[Absolute] = []
        self._names: set[str] = set()
        self._path: list[str] = []

    def add(self, statements: Iterable[Absolute], names: Iterable[str] = ()) -> None:
        """Spare what import statements bring in; of the modules ``names`` themselves, not what they import."""
        self._names.update(names)
        new = [one for one in dict.fromkeys(statements) if one not in self._said]
        if new:
            self._said.update(new)
            self._names.update(self._importing)
            self._path = list(sys.path)
            self._follow(new, self._missing)

    def __contains__(self, name: str) -> bool:
        if self._missing and self._path != sys.path:
            self._path = list(sys.path)  # First: finders that import something while they are asked ask here, too.
            self._follow(self._missing, [])
        return name in self._names or name in self._following.found

    def _follow(self, statements: Iterable[Absolute], others: list[Absolute]) -> None:
        self._missing = [*others, *self._following.follow(("", one) for one in statements)]
        for module, names in self._missing:
            self._names.update((module, *(f"{module}.{name}" for name in names)))

    def _imports_of(self, name: str) -> Iterator[Absolute]:
        spec = locate(name)
        if spec is not None and (self._is_meant(name) or not is_library(spec)):
            code = code_at(spec)
            if code is not None:
                package = name if spec.submodule_search_locations is not None else name.rpartition(".")[0]
                yield from absolute(find_imported(code), package)


def _find(name: str) -> list[str]:
    return [name] if locate(name) is not None else []


def brought_in(
    snippets: Iterable[str], package: str, callables: Iterable[Callable[..., Any]]
) -> tuple[tuple[Absolute, ...], tuple[str, ...]]:
    """What is to be spared for what was put into a module of ``package``, as ``Spared.add`` takes it.

    Raises ``SnippetError``.
    """
    said = dict.fromkeys(
        one
        for source in dict.fromkeys(snippets)
        if not is_call_import(source)
        for one in absolute(snippet_imports(source), package)
    )
    homes: set[str] = set()
    for function in callables:
        own, used = uses_of(function)
        homes |= own
        said.update(dict.fromkeys(used))
    return tuple(said), tuple(sorted(homes))


# -- callables ---------------------------------------------------------------------------------------------


def uses_of(function: Callable[..., Any]) -> tuple[set[str], list[Absolute]]:
    """The modules whose code a callable is, and what it uses of others, as if it imported that.

    Found by the names in its code and what these stand for: its module may import others for other reasons, as one
    does that sets up probes and then starts the program.
    """
    homes: set[str] = set()
    statements: list[Absolute] = []
    pending: list[object] = [function]
    seen: set[int] = set()
    while pending:
        for one in _functions(pending.pop()):
            if id(one) not in seen:
                seen.add(id(one))
                home = str(one.__globals__.get("__name__"))
                homes.add(home)
                statements += absolute(find_imported(one.__code__), str(one.__globals__.get("__package__") or ""))
                names = _names_in(one.__code__)
                for value in _values(one, names):
                    where = getattr(value, "__module__", None)
                    if isinstance(value, partial):
                        pending.append(value.func)
                    elif isinstance(value, ModuleType):
                        statements += ((module, ()) for module in _with_submodules(value.__name__, names))
                    elif where == home:
                        pending.append(value)
                    elif isinstance(where, str):
                        statements.append((where, ()))
    return homes, statements


def _functions(value: object) -> list[FunctionType]:
    if isinstance(value, FunctionType):
        return [value]
    try:
        if isinstance(value, MethodType):
            owner = value.__self__
            return functions_of(owner if isinstance(owner, type) else type(owner))
        return functions_of(value if isinstance(value, (type, partial)) else type(value))  # Of an instance, all of it.
    except PatchError:
        return []


def _names_in(code: CodeType) -> set[str]:
    inner = (_names_in(one) for one in code.co_consts if isinstance(one, CodeType))
    return set(code.co_names).union(*inner)


def _values(function: FunctionType, names: Iterable[str]) -> Iterator[object]:
    """What a function may reach by global names, and what it closes over."""
    yield from (function.__globals__[name] for name in names if name in function.__globals__)
    for cell in function.__closure__ or ():
        with contextlib.suppress(ValueError):  # Not bound yet.
            yield cell.cell_contents


def _with_submodules(module: str, names: Iterable[str]) -> Iterator[str]:
    """The modules meant by attributes of a module: those in it rather than the package itself."""
    inner = [f"{module}.{name}" for name in names if f"{module}.{name}" in sys.modules]
    for one in inner:
        yield from _with_submodules(one, names)
    if not inner:
        yield module
