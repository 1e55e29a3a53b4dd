"""The layers of docs/architecture.md: a module imports only from its own layer and those above it in the table."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src"
MODULES = sorted((SOURCE / "equip").rglob("*.py"))
FACE = SOURCE / "equip" / "__init__.py"


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")


def layers() -> dict[str, int]:
    """The number of each layer's modules and packages, by dotted name, as the table has them from the top."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[^|]+) \|", text, re.MULTILINE)
    found: dict[str, int] = {}
    for number, row in enumerate(rows):
        for name in re.findall(r"`([^`]+)`", row):
            dotted = name.strip("/").removesuffix(".py").replace("/", ".")
            found[dotted if dotted.startswith("equip") else f"equip.{dotted}"] = number
    return found


LAYERS = layers()
OPTIONAL = {
    "equip.analysis.pictures.graphs": {"networkx"},
    **{name: {"click", "rich"} for name in map(name_of, MODULES) if name.startswith("equip.cli")},
}
"""What a module needs beyond the standard library, when it is asked for."""


def layer_of(module: str) -> tuple[str, float]:
    """The layer of a module; ``equip`` itself (what ``from equip import x`` needs) is right above the command."""
    parts = module.split(".")
    for length in range(len(parts), 0, -1):
        name = ".".join(parts[:length])
        if name in LAYERS:
            return name, LAYERS[name]
    return module, LAYERS["equip.cli"] - 0.5


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """(line, module) of everything of equip that a module imports, at the top or anywhere else."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}:{node.lineno}: a relative import"
            assert node.module is not None
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def test_the_table_names_what_there_is() -> None:
    there = {name_of(path) for path in MODULES}
    assert set(LAYERS) <= there
    unnamed = sorted(name for name in there - {"equip"} if layer_of(name)[0] not in LAYERS)
    assert not unnamed, "modules without a layer: give them a row in docs/architecture.md"


@pytest.mark.parametrize("path", [path for path in MODULES if path != FACE], ids=name_of)
def test_imports_go_up(path: Path) -> None:
    own = layer_of(name_of(path))
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {own[0]} imports {module}"
        for line, module in imports(path)
        if module.split(".")[0] == "equip" and layer_of(module)[1] > own[1]
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_only_the_standard_library(path: Path) -> None:
    import sys

    others = {module.split(".")[0] for _, module in imports(path)} - sys.stdlib_module_names - {"equip"}
    assert others <= OPTIONAL.get(name_of(path), set())
