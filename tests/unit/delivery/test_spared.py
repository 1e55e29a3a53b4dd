"""What an import hook leaves alone, told without importing it."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from equip.delivery.spared import IMPORTING, Spared, brought_in, uses_of

SOURCES = {
    "spare_app/log.py": "def note():\n    from . import show\n",
    "spare_app/show.py": "import json, spare_app.deep.one",
    "spare_app/deep/one.py": "",
    "spare_app/other.py": "",
}
NAMES = "spare_app spare_app.log spare_app.show spare_app.deep.one spare_app.other json json.decoder".split()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in SOURCES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    monkeypatch.setattr(sys, "modules", sys.modules.copy())
    return tmp_path


def test_what_is_imported_in_turn_once_it_can_be_found(folder: Path) -> None:
    spared = Spared(lambda name: False)
    assert [name for name in IMPORTING if name in spared] == []
    spared.add([("spare_app", ("log", "name"))])
    assert all(name in spared for name in IMPORTING)
    assert [name for name in NAMES if name in spared] == ["spare_app", "spare_app.log"], "not found: by name"
    sys.path.append(str(folder))
    assert [name for name in NAMES if name in spared] == [*NAMES[:4], "json"]
    assert not [name for name in sys.modules if name.startswith("spare_app")]


def test_libraries_as_far_as_the_hook_is_about_them(folder: Path) -> None:
    sys.path.append(str(folder))
    spared = Spared(lambda name: name.startswith("json"))
    spared.add([("spare_app.show", ())])
    assert [name for name in NAMES if name in spared] == [*NAMES[2:4], "json", "json.decoder"]
    assert "re" in spared
    assert "enum" not in spared


def test_a_package_is_not_meant_where_a_module_in_it_is(folder: Path) -> None:
    sys.path.append(str(folder))
    spared = Spared(lambda name: False)
    spared.add([("spare_app", ("other",)), ("spare_app.deep", ("one",))], ["spare_app.log"])
    assert [name for name in NAMES if name in spared] == ["spare_app.log", "spare_app.deep.one", "spare_app.other"]


def test_finders_that_import_something_themselves(folder: Path) -> None:
    class Finder:
        def find_spec(self, name: str, path: object, target: object = None) -> None:
            if name == "spare_app.log":
                assert "spare_app.show" not in spared
                raise ValueError(name)

    sys.path.append(str(folder))
    sys.meta_path.insert(0, Finder())  # type: ignore[arg-type]
    try:
        spared = Spared(lambda name: False)
        spared.add([("spare_app.log", ())])
    finally:
        del sys.meta_path[0]
    assert "spare_app.show" in spared


def test_snippets_of_a_module() -> None:
    imports, homes = brought_in(["import a.b", "from . import c", "from ....d import e", "import a.b"], "p.q", [])
    assert imports == (("a.b", ()), ("p.q", ("c",)))
    assert homes == ()


def test_what_a_callable_uses(folder: Path) -> None:
    (folder / "spare_tools.py").write_text(
        "import spare_app.log, spare_app.other as other, os.path\nfrom functools import partial, wraps\n"
        "import spare_app.show\n"
        "def wrapped(function):\n    @wraps(function)\n    def call(x): return function(x)\n    return call\n"
        "def inner(x): return other.f(x)\n"
        "@wrapped\ndef log(x):\n    import csv\n    return [partial_inner(y) for y in spare_app.log.note(x)]\n"
        "partial_inner = partial(inner, 1)\n"
        "def unused(): spare_app.show.f()\n"
    )
    sys.path.append(str(folder))
    tools = importlib.import_module("spare_tools")
    homes, used = uses_of(tools.log)
    assert homes == {"spare_tools"}
    assert {module for module, _ in used} == {"spare_app.log", "spare_app.other", "csv"}
    assert uses_of(print) == (set(), [])
    assert uses_of(len) == (set(), [])
