"""Finding the files of a program, and what their modules are called."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from equip.program import pyc
from equip.program.tree import ModuleFile, find_compiled, find_modules, iter_cached, level_of, module_name

TAG = sys.implementation.cache_tag


def make(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return root


def names(*paths: Path) -> list[str]:
    return [file.module_name for file in find_modules(paths).modules]


def reasons(*paths: Path) -> dict[str, str]:
    return {os.path.basename(one.path): one.reason for one in find_modules(paths).passed}


def test_a_package(tmp_path: Path) -> None:
    make(tmp_path, "shop/__init__.py", "shop/b.py", "shop/a.py", "shop/sub/__init__.py", "shop/sub/c.py", "shop/x.txt")
    make(tmp_path, f"shop/__pycache__/gone.{TAG}.pyc")
    assert names(tmp_path / "shop") == ["shop", "shop.a", "shop.b", "shop.sub", "shop.sub.c"]
    first = find_modules(tmp_path / "shop").modules[0]
    assert first.source == str(tmp_path / "shop/__init__.py")
    assert first.path == first.source
    assert first.pyc == pyc.cache_path(first.source, first.optimize)


def test_paths_may_be_str_pathlike_or_several(tmp_path: Path) -> None:
    make(tmp_path, "a.py", "b.py", "c.py")
    assert [m.module_name for m in find_modules(str(tmp_path / "a.py")).modules] == ["a"]
    assert names(tmp_path / "b.py", tmp_path / "a.py", tmp_path) == ["b", "a", "c"]
    assert reasons(tmp_path, tmp_path / "a.py") == {}


def test_relative_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "shop/__init__.py")
    monkeypatch.chdir(tmp_path / "shop")
    assert [m.module_name for m in find_modules(".").modules] == ["shop"]
    assert [m.module_name for m in find_modules("__init__.py").modules] == ["shop"]


def test_levels(tmp_path: Path) -> None:
    make(tmp_path, "a.py")
    found = find_modules(tmp_path, (0, 2)).modules
    assert [(m.optimize, os.path.basename(m.pyc)) for m in found] == [(0, f"a.{TAG}.pyc"), (2, f"a.{TAG}.opt-2.pyc")]
    assert [level_of(m.pyc) for m in found] == [0, 2]


def test_sourceless_and_legacy_files(tmp_path: Path) -> None:
    make(tmp_path, "shop/__init__.pyc", "shop/a.pyc", "shop/b.pyc", "shop/b.py")
    assert [(m.module_name, m.source is None) for m in find_modules(tmp_path / "shop").modules] == [
        ("shop", True),
        ("shop.a", True),
        ("shop.b", False),
    ]
    assert "never this file" in reasons(tmp_path / "shop")["b.pyc"]
    named = find_modules(tmp_path / "shop/b.pyc").modules[0]
    assert named.source is None
    assert named.pyc.endswith("b.pyc")
    assert named.module_name == "shop.b"


def test_a_named_cache_file_stands_for_its_source(tmp_path: Path) -> None:
    make(tmp_path, "a.py", f"__pycache__/a.{TAG}.opt-1.pyc", f"__pycache__/b.{TAG}.pyc", "__pycache__/a.cpython-99.pyc")
    cache = tmp_path / "__pycache__"
    (found,) = find_modules(cache / f"a.{TAG}.opt-1.pyc").modules
    aliases = (f"{tmp_path.name}.a",)
    assert found == ModuleFile(str(tmp_path / "a.py"), str(cache / f"a.{TAG}.opt-1.pyc"), "a", 1, aliases=aliases)
    assert "source is gone" in reasons(cache / f"b.{TAG}.pyc")[f"b.{TAG}.pyc"]
    assert "another Python" in reasons(cache / "a.cpython-99.pyc")["a.cpython-99.pyc"]


def test_what_cannot_be_used_is_told(tmp_path: Path) -> None:
    make(tmp_path, "tool", "empty/readme.txt")
    (tmp_path / "broken.py").symlink_to(tmp_path / "nowhere")
    assert "no such file" in reasons(tmp_path / "missing")["missing"]
    assert "not a .py or .pyc file" in reasons(tmp_path / "tool")["tool"]
    assert "no Python files" in reasons(tmp_path / "empty")["empty"]
    assert "broken link" in reasons(tmp_path / "broken.py")["broken.py"]
    assert all(one.fault for one in find_modules([tmp_path / "missing", tmp_path / "tool"]).passed)


def test_hidden_folders_and_environments_are_passed_by_unless_named(tmp_path: Path) -> None:
    make(tmp_path, "a.py", ".git/b.py", "env/pyvenv.cfg", "env/lib/c.py")
    assert names(tmp_path) == ["a"]
    assert set(reasons(tmp_path)) == {".git", "env"}
    assert names(tmp_path / ".git") == ["b"]


def test_links_do_not_loop_and_real_folders_give_the_name(tmp_path: Path) -> None:
    make(tmp_path, "shop/__init__.py", "shop/sub/__init__.py")
    (tmp_path / "shop" / "sub" / "up").symlink_to(tmp_path / "shop", target_is_directory=True)
    (tmp_path / "shop" / "alias").symlink_to(tmp_path / "shop" / "sub", target_is_directory=True)
    assert names(tmp_path / "shop") == ["shop", "shop.sub"]


@pytest.mark.parametrize(
    ("path", "root", "expected"),
    [
        ("p/q/__init__.py", "p", "p.q"),
        ("p/q/__main__.py", "p", "p.q.__main__"),
        ("p/q/m.py", "elsewhere", "p.q.m"),
        ("free/m.py", "free", "m"),
        ("free/ns/m.py", "free", "ns.m"),
        ("free/not-a-name/m.py", "free", "m"),
        ("site-packages/ns/deep/p/m.py", "site-packages", "ns.deep.p.m"),
        ("site-packages/ns/deep/p/__init__.py", "site-packages/ns/deep/p", "ns.deep.p"),
        ("free/src/p/q.py", "free", "p.q"),
        ("p/ns/m.py", ".", "p.ns.m"),
        ("p/ns/m.py", "p", "p.ns.m"),
        ("p/ns/m.py", "p/ns", "p.ns.m"),
        ("p/ns/deep/m.py", "p/ns", "p.ns.deep.m"),
        ("p/ns/r/m.py", "p/ns", "p.ns.r.m"),
        ("p/ns/r/__init__.py", ".", "p.ns.r"),
        ("p/not-a-name/m.py", "p", "m"),
        ("p/not-a-name/r/m.py", "p", "r.m"),
    ],
)
def test_module_names(tmp_path: Path, path: str, root: str, expected: str) -> None:
    make(tmp_path, "p/__init__.py", "p/q/__init__.py", "site-packages/ns/deep/p/__init__.py", "free/src/p/__init__.py")
    make(tmp_path, "p/ns/r/__init__.py", "p/not-a-name/r/__init__.py")
    make(tmp_path, path)
    assert module_name(str(tmp_path / path), str(tmp_path / root)) == expected


@pytest.mark.parametrize(
    ("path", "root", "expected"),
    [
        ("p/m.py", "p", {"m"}),
        ("p/m.py", ".", {"here.p.m"}),
        ("p/ns/m.py", "p", {"ns.m"}),
        ("p/ns/m.py", "p/ns", {"ns.m", "m"}),
        ("p/ns/r/m.py", "p", {"ns.r.m", "r.m"}),
        ("p/ns/r/m.py", ".", {"here.p.ns.r.m", "r.m"}),
        ("free/m.py", "free", {"free.m"}),
        ("not-a-name/m.py", "not-a-name", set()),
        ("not-a-name/r/m.py", ".", set()),
    ],
)
def test_other_names(tmp_path: Path, path: str, root: str, expected: set[str]) -> None:
    here = make(tmp_path / "here", "p/__init__.py", "p/ns/r/__init__.py", "not-a-name/r/__init__.py", path)
    (found,) = (one for one in find_modules(here / root).modules if one.source == str(here / path))
    assert set(found.aliases) == expected


@pytest.mark.parametrize("name", ["quote'd", 'double"d', "new\nline", "{brace}", "x'+exit()+'", "spaced out", "a.b"])
def test_odd_names(tmp_path: Path, name: str) -> None:
    make(tmp_path, f"{name}/{name}.py")
    (found,) = find_modules(tmp_path).modules
    assert found.source == str(tmp_path / name / f"{name}.py")
    (again,) = find_modules(
        make(tmp_path, os.path.relpath(found.pyc, tmp_path)) / os.path.relpath(found.pyc, tmp_path)
    ).modules
    assert again.source == found.source


def test_all_compiled_files_of_a_module(tmp_path: Path) -> None:
    make(tmp_path, "a.py", "ab.py")
    for name in (
        f"a.{TAG}.pyc",
        f"a.{TAG}.opt-2.pyc",
        "a.cpython-99.pyc",
        "ab.cpython-99.pyc",
        "a.cpython-98.pyc.equip",
    ):
        make(tmp_path, f"__pycache__/{name}")
    module = find_modules(tmp_path / "a.py", (0,)).modules[0]
    found = [os.path.basename(path) for path in iter_cached(module)]
    assert found[0] == f"a.{TAG}.pyc"
    assert set(found[1:]) == {f"a.{TAG}.opt-2.pyc", "a.cpython-99.pyc", "a.cpython-98.pyc"}


def test_compiled_files_that_are_gone(tmp_path: Path) -> None:
    """They are found by the originals that are kept of them, also in folders with nothing else."""
    make(tmp_path, "shop/a.py", f"shop/__pycache__/a.{TAG}.opt-2.pyc.equip", f"shop/__pycache__/b.{TAG}.pyc.equip")
    make(tmp_path, "sub/only/c.pyc.equip", "sub/empty/d.txt", "e.pyc.equip")
    modules = {os.path.basename(path): file is not None for path, file in find_compiled(tmp_path).files}
    assert modules == {
        f"a.{TAG}.pyc": True,
        f"a.{TAG}.opt-2.pyc": True,
        f"b.{TAG}.pyc": False,
        "c.pyc": False,
        "e.pyc": False,
    }
    for path in ("sub", "sub/only", "e.pyc", f"shop/__pycache__/b.{TAG}.pyc"):
        found = find_compiled(tmp_path / path)
        assert len(found.files) == 1
        assert found.passed == ()
    assert [one.reason for one in find_compiled(tmp_path / "sub/empty").passed] == ["no Python files in this folder"]
    assert names(tmp_path / "e.pyc") == ["e"]
    assert names(tmp_path / "sub") == []
