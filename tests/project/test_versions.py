"""Versions: one place knows them, and everything that lists them lists the same."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest

from equip import isa

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "equip"
OUTSIDE = [path for path in sorted(SOURCE.rglob("*.py")) if path.parent.name != "isa"]
ASKS_VERSION = {"version_info", "hexversion", "version", "python_version", "python_version_tuple"}


@pytest.mark.parametrize("path", OUTSIDE, ids=lambda path: str(path.relative_to(SOURCE)))
def test_only_isa_asks_for_the_version(path: Path) -> None:
    """Elsewhere there are behaviours, by name (``sys.implementation`` names the cache files: no version test)."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr in ASKS_VERSION
        and isinstance(node.value, ast.Name)
        and node.value.id in {"sys", "platform"}
    ]
    found += [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and node.module in {"sys", "platform"}
        and ASKS_VERSION & {alias.name for alias in node.names}
    ]
    assert not found


def test_every_list_of_versions_is_the_same() -> None:
    known = {f"3.{minor}" for minor in isa.KNOWN_MINORS}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    prefix = "Programming Language :: Python :: "
    named = [name for name in project["classifiers"] if re.fullmatch(rf"{prefix}3\.\d+", name)]
    assert {name.removeprefix(prefix) for name in named} == known
    assert project["requires-python"] == f">={min(known)}"
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        import pythons
    finally:
        sys.path.remove(str(ROOT / "tools"))
    assert set(pythons.SUPPORTED) == known
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "--require-all" in ci
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(version in readme for version in known)
