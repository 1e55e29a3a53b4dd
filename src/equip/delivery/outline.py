"""A module made of nothing but the functions that are loaded, each at its qualified name, for visitors to see.

The module's own code is not to be had from what is loaded. The scopes around a function can be told from its
qualified name, and that is what fields, name mangling and visitors need of them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from types import CodeType
from typing import Final

from equip.inject.request import CodePath
from equip.program.declarations import Declaration, MethodDeclaration, ModuleDeclaration
from equip.program.pyc import running_optimize
from equip.program.tree import script_names

_LOCALS: Final = "<locals>"


def _empty(source: str, filename: str) -> CodeType:
    return next(one for one in compile(source, filename, "exec").co_consts if isinstance(one, CodeType))


_CLASS: Final = _empty("class A:\n    pass\n", "<outline>")
_FUNCTION: Final = _empty("def f():\n    pass\n", "<outline>")
_MODULE: Final = compile("", "<outline>", "exec", dont_inherit=True)
_OTHER_NAMES: Final = ("*",)
"""As a star import leaves it: there are names in the module that its code does not show."""


@dataclass(slots=True)
class _Scope:
    scopes: dict[tuple[str, bool], _Scope] = field(default_factory=dict)
    codes: list[CodeType] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Outline:
    """The code of the module, and where in it each function's code is."""

    code: CodeType
    paths: dict[int, CodePath]


class OutlineDeclaration(ModuleDeclaration):
    """What visitors see of it: the functions that are loaded, and no stand-ins for functions around them."""

    __slots__ = ("_loaded",)

    def __init__(self, made: Outline, file: str, name: str) -> None:
        aliases = names_of_loaded(name)[1:]
        super().__init__(made.code, file, name, running_optimize(), in_memory=True, aliases=aliases)
        self._loaded = set(made.paths.values())

    def walk(self) -> Iterator[Declaration]:
        for declaration in super().walk():
            path = declaration.code_path
            is_loaded = any(path[:length] in self._loaded for length in range(1, len(path) + 1))
            if is_loaded or not isinstance(declaration, MethodDeclaration):
                yield declaration


def names_of_loaded(name: str) -> tuple[str, ...]:
    """The names that a module that is loaded goes by; that of the program, the one that it is imported by, too."""
    main = sys.modules.get("__main__") if name == "__main__" else None
    spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    if spec is not None:
        return name, str(spec.name)
    if not isinstance(file, str):
        return (name,)
    return name, *script_names(file)


def outline(codes: Iterable[CodeType]) -> Outline:
    """The module that has ``codes``, which are told apart by identity."""
    root = _Scope()
    filename = ""
    for code in codes:
        filename = filename or code.co_filename
        parts = code.co_qualname.split(".")[:-1]
        scope = root
        for i, part in enumerate(parts):
            if part != _LOCALS:
                is_function = i + 1 < len(parts) and parts[i + 1] == _LOCALS
                scope = scope.scopes.setdefault((part, is_function), _Scope())
        scope.codes.append(code)
    paths: dict[int, CodePath] = {}
    whole = _build(root, _MODULE.replace(co_filename=filename), (), "", paths)
    return Outline(whole.replace(co_consts=(*whole.co_consts, _OTHER_NAMES)), paths)


def _build(scope: _Scope, empty: CodeType, path: CodePath, prefix: str, paths: dict[int, CodePath]) -> CodeType:
    consts: list[object] = list(empty.co_consts)
    for (name, is_function), inner in scope.scopes.items():
        made = (_FUNCTION if is_function else _CLASS).replace(
            co_name=name, co_qualname=prefix + name, co_filename=empty.co_filename
        )
        below = f"{prefix}{name}.{_LOCALS}." if is_function else f"{prefix}{name}."
        consts.append(_build(inner, made, (*path, len(consts)), below, paths))
    for code in scope.codes:
        paths[id(code)] = (*path, len(consts))
        consts.append(code)
    return empty.replace(co_consts=tuple(consts))
