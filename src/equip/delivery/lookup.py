"""Finding modules by their names, as the import system would, without running anything of them or around them."""

from __future__ import annotations

import importlib.machinery
import os
import pkgutil
import sys
from collections.abc import Iterable
from importlib.machinery import ModuleSpec
from types import CodeType
from typing import Any

from equip.program.tree import is_installed


class OwnFinder:
    """A finder of equip's own, which is not asked."""


def locate(name: str) -> ModuleSpec | None:
    """Where the module with that name would come from; None if nothing has it."""
    around, path = name.rpartition(".")[0], None
    if around:
        found = locate(around)
        path = None if found is None else found.submodule_search_locations
        if path is None:
            return None
    for finder in sys.meta_path:
        if not isinstance(finder, OwnFinder):
            spec = _ask(finder, name, path)
            if spec is not None:
                return spec
    return getattr(sys.modules.get(name), "__spec__", None)


def _ask(finder: Any, name: str, path: Iterable[str] | None) -> ModuleSpec | None:
    try:
        if finder is importlib.machinery.PathFinder:  # It wants the packages around a namespace package to be loaded.
            return _find_on(sys.path if path is None else path, name)
        found: ModuleSpec | None = finder.find_spec(name, path)
    except Exception:  # Whoever imports the module will hear of it.
        return None
    return found


def _find_on(path: Iterable[str], name: str) -> ModuleSpec | None:
    portions: list[str] = []
    for entry in path:
        importer: Any = pkgutil.get_importer(entry or os.getcwd())
        spec: ModuleSpec | None = None if importer is None else importer.find_spec(name)
        if spec is not None and spec.loader is not None:
            return spec
        if spec is not None:
            portions += spec.submodule_search_locations or ()
    if not portions:
        return None
    found = ModuleSpec(name, None, is_package=True)
    found.submodule_search_locations = portions
    return found


def is_library(spec: ModuleSpec) -> bool:
    """Whether a module is of the standard library, or installed beside it, or equip's."""
    top = spec.name.partition(".")[0]
    if top in sys.stdlib_module_names or top == "equip":
        return True
    return any(is_installed(place) for place in (spec.origin, *(spec.submodule_search_locations or ())) if place)


def code_at(spec: ModuleSpec) -> CodeType | None:
    """The code of a module; None where there is none to be had. Nothing is kept on disk, as it may not be imported."""
    get_code: Any = getattr(spec.loader, "get_code", None)
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        code: CodeType | None = None if get_code is None else get_code(spec.name)
    except Exception:  # Whoever imports the module will hear of it.
        return None
    finally:
        sys.dont_write_bytecode = before
    return code


def is_another(name: str, stem: str) -> bool:
    """Whether this Python has something else by ``name`` than the file or folder ``stem`` (without suffix)."""
    top, *below = name.split(".")
    for _ in below:
        stem = os.path.dirname(stem)
    spec = locate(top)
    if spec is None:
        return False
    places = spec.submodule_search_locations or [os.path.splitext(spec.origin or "")[0]]
    return os.path.realpath(stem) not in map(os.path.realpath, places)
