"""Which modules must stay as they are, so that a probe does not fire inside itself.

These are the modules that snippets import, and what those import in turn, be it only when a function of theirs is
called. The packages around them are not among them: a snippet that imports ``shop.tracing`` leaves ``shop`` to be
instrumented. What libraries (installed, or of Python itself) import is not followed, unless they are to be
instrumented: they do not know of the program.
"""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import CodeType

from equip.delivery.lookup import code_at, is_another, is_library, locate
from equip.inject.request import Plan
from equip.inject.snippet import parse
from equip.program.imports import Imported, find_imported

Absolute = tuple[str, tuple[str, ...]]
"""What an import statement says, relative to nothing: the module, the names taken from it."""


def snippet_imports(source: str) -> Iterator[Imported]:
    """What the import statements of a snippet say. Raises ``SnippetError`` if it cannot be parsed."""
    if "import" not in source:
        return
    for statement in parse(source).body:
        for node in ast.walk(statement):
            if isinstance(node, ast.Import):
                yield from ((0, alias.name, ()) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield node.level, node.module or "", tuple(alias.name for alias in node.names)


def absolute(imports: Iterable[Imported], package: str) -> Iterator[Absolute]:
    """What import statements in a module of ``package`` ("" for none) say; those that cannot work are left out."""
    around = package.split(".") if package else []
    for dots, module, names in imports:
        if dots <= len(around) + 1:
            base = around[: len(around) - dots + 1] if dots else []
            yield ".".join([*base, *filter(None, [module])]), names


class Following:
    """Goes from import statements to the modules that they bring in, and on to what these import in turn.

    ``find`` gives the modules that may be meant by a name, ``imports_of`` what one of them imports, ``shown`` what it
    is called. ``found`` has what there is so far, each with what imports it, for a message.
    """

    def __init__(
        self,
        find: Callable[[str], Sequence[str]],
        imports_of: Callable[[str], Iterable[Absolute]],
        shown: Callable[[str], str] = str,
    ) -> None:
        self._find = find
        self._imports_of = imports_of
        self._shown = shown
        self.found: dict[str, str] = {}

    def follow(self, statements: Iterable[tuple[str, Absolute]]) -> list[Absolute]:
        """Follow statements, each with what it stands in. Returns those that are about nothing that can be found."""
        missing = []
        pending = deque(statements)
        while pending:
            why, said = pending.popleft()
            meant = dict.fromkeys(self._meant(*said))
            if not meant:
                missing.append(said)
            for one in meant:
                if one not in self.found:
                    self.found[one] = why
                    pending += [(f"the module {self._shown(one)}", more) for more in self._imports_of(one)]
        return missing

    def _meant(self, module: str, names: tuple[str, ...]) -> Iterator[str]:
        """The modules that an import statement is about: those in a package rather than the package itself."""
        submodules = [found for name in names if (found := self._find(f"{module}.{name}" if module else name))]
        for found in submodules:
            yield from found
        if module and (not names or len(submodules) < len(names)):
            yield from self._find(module)


# -- in a tree of files ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Known:
    """A module of a tree. ``stem`` is its path without suffix, that of its folder if it is a package.

    ``longer`` and ``shorter`` are the names it has if folders further up, or further down, are where modules are
    looked for. ``codes`` gives its code, at each optimisation level.
    """

    stem: str
    name: str
    is_package: bool
    codes: Callable[[], Iterable[CodeType]]
    longer: Sequence[str] = ()
    shorter: Sequence[str] = ()


def modules_behind(plans: Iterable[tuple[str, Plan]], modules: Iterable[Known]) -> dict[str, str]:
    """The modules that the snippets of ``plans`` bring in, by their stems, each with what imports it, for a message.

    ``plans`` are by the stem of the module that they are for. Raises ``SnippetError``.
    """
    importing: dict[tuple[str, str], tuple[Imported, ...]] = {}
    for stem, plan in plans:
        for source in {one.source for insertions in plan.values() for one in insertions}:
            imported = tuple(snippet_imports(source))
            if imported:
                importing[stem, source] = imported
    if not importing:
        return {}
    tree = _Tree(modules)
    statements: dict[Absolute, str] = {}
    for (stem, source), imported in importing.items():
        for said in absolute(imported, tree.package_of(stem)):
            statements.setdefault(said, f"the snippet {source.strip().splitlines()[0]!r}")
    following = Following(tree.find, tree.imports_of, tree.shown)
    following.follow((why, said) for said, why in statements.items())
    return following.found


class _Tree:
    """The modules of a tree by their stems, and those of the program that are elsewhere, by their names."""

    def __init__(self, modules: Iterable[Known]) -> None:
        self._modules = {one.stem: one for one in modules}
        self._surely: dict[str, list[str]] = {}
        self._maybe: dict[str, list[str]] = {}
        for one in self._modules.values():
            for name in (one.name, *one.longer):
                self._surely.setdefault(name, []).append(one.stem)
            for name in one.shorter:
                self._maybe.setdefault(name, []).append(one.stem)

    def find(self, name: str) -> Sequence[str]:
        """What may be meant by a name in an import statement."""
        if name in self._surely:
            return self._surely[name]
        maybe = [stem for stem in self._maybe.get(name, ()) if not is_another(name, stem)]
        if maybe:
            return maybe
        spec = locate(name)
        return [] if spec is None or is_library(spec) else [name]

    def shown(self, key: str) -> str:
        """The name of a module."""
        return self._modules[key].name if key in self._modules else key

    def package_of(self, key: str) -> str:
        """The package that relative imports in a module start from."""
        if key in self._modules:
            is_package = self._modules[key].is_package
        else:
            spec = locate(key)
            is_package = spec is not None and spec.submodule_search_locations is not None
        return self.shown(key) if is_package else self.shown(key).rpartition(".")[0]

    def imports_of(self, key: str) -> Iterator[Absolute]:
        """What a module imports."""
        for code in self._codes_of(key):
            yield from absolute(find_imported(code), self.package_of(key))

    def _codes_of(self, key: str) -> Iterable[CodeType]:
        if key in self._modules:
            return self._modules[key].codes()
        spec = locate(key)
        code = None if spec is None else code_at(spec)
        return [] if code is None else [code]
