"""Which modules of a tree must stay as they are, so that a probe does not fire inside itself.

These are the modules that snippets import, and what those import in turn, as far as it is in the tree. The
packages around them are not among them: a snippet that imports ``shop.tracing`` leaves ``shop`` to be
instrumented.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import CodeType

from equip.inject.request import Plan
from equip.inject.snippet import parse
from equip.program.imports import Imported, find_imported


def modules_behind(
    plans: Iterable[tuple[str, Plan]], packages: Mapping[str, bool], code_of: Callable[[str], CodeType]
) -> dict[str, str]:
    """The modules that the snippets of ``plans`` bring in, each with what imports it, for a message.

    ``plans`` are by the name of the module that they are for. ``packages`` has the names of all modules of the
    tree, and whether they are packages; ``code_of`` gives the code of one of them. Raises ``SnippetError``.
    """
    found: dict[str, str] = {}
    pending: list[tuple[str, str]] = []
    seen: set[tuple[str, Imported]] = set()
    for importer, plan in plans:
        for source in {one.source for insertions in plan.values() for one in insertions}:
            for imported in snippet_imports(source):
                if imported[0] == 0 and ("", imported) in seen:
                    continue
                seen.add(("" if imported[0] == 0 else importer, imported))
                shown = f"the snippet {source.strip().splitlines()[0]!r}"
                pending += [(name, shown) for name in _resolve(imported, importer, packages)]
    while pending:
        name, why = pending.pop(0)
        if name not in found:
            found[name] = why
            for imported in find_imported(code_of(name)):
                pending += [(one, f"the module {name}") for one in _resolve(imported, name, packages)]
    return found


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


def _resolve(imported: Imported, importer: str, packages: Mapping[str, bool]) -> Iterator[str]:
    """The modules of the tree that an import statement in ``importer`` is about."""
    dots, module, names = imported
    if dots:
        parts = importer.split(".")
        base = parts[: len(parts) - dots + packages.get(importer, False)]
        module = ".".join([*base, *([module] if module else [])])
    submodules = [name for name in (f"{module}.{name}" for name in names) if name in packages]
    yield from submodules
    if module in packages and (not names or len(submodules) < len(names)):
        yield module
