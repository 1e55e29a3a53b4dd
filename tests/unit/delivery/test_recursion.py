"""Which modules of a tree the snippets themselves bring in."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from equip.delivery.recursion import Known, modules_behind, snippet_imports
from equip.inject.request import Insertion, JoinPoint, Plan

TREE = {
    "app": "from app.core import run",
    "app.core": "import app.trace",
    "app.trace": "import json\nfrom app import util\ndef f():\n    from . import late\n",
    "app.util": "",
    "app.late": "import app.core2",
    "app.core2": "from .deep import thing",
    "app.deep": "from .x import y",
    "app.deep.x": "",
    "json": "",
}


def known(name: str, source: str, longer: Iterable[str] = (), shorter: Iterable[str] = ()) -> Known:
    is_package = name in ("app", "app.deep")
    return Known(name, name, is_package, lambda: [compile(source, name, "exec")], tuple(longer), tuple(shorter))


def plan(*sources: str) -> Plan:
    return {(): [Insertion(JoinPoint.IMPORT, source) for source in sources]}


def behind(*sources: str, importer: str = "app.core") -> set[str]:
    return set(modules_behind([(importer, plan(*sources))], [known(*one) for one in TREE.items()]))


def test_all_that_is_reached_in_the_tree() -> None:
    assert behind("from app.trace import f") == {
        "app.trace",
        "json",
        "app.util",
        "app.late",
        "app.core2",
        "app.deep",
        "app.deep.x",
    }


def test_packages_around_are_not_meant_unless_something_of_their_own_is_taken() -> None:
    assert behind("from app import util") == {"app.util"}
    assert "app" in behind("from app import util, VERSION")
    assert "app" in behind("import app")


def test_relative_imports() -> None:
    assert behind("from . import util") == {"app.util"}
    assert behind("from .util import x") == {"app.util"}
    assert behind("from .x import y", importer="app.deep") == {"app.deep.x"}
    assert behind("from ..util import y", importer="app.deep.x") == {"app.util"}


def test_others_are_of_no_concern() -> None:
    assert behind("import sys", "from os import path", "important = 1", "print('import app')") == set()


def test_imports_anywhere_in_a_snippet_with_fields() -> None:
    source = "{arg0} = 1\nif {lineno} > 3:\n    import a.b as c\n    from ..d import {method_name}, f as g"
    found = list(snippet_imports(source))
    assert found[0] == (0, "a.b", ())
    assert found[1][:2] == (2, "d")
    assert found[1][2][1] == "f"


def test_each_module_says_why() -> None:
    found = modules_behind([("app", plan("import app.late"))], [known(*one) for one in TREE.items()])
    assert found["app.late"] == "the snippet 'import app.late'"
    assert found["app.core2"] == "the module app.late"


def test_too_many_dots_mean_nothing() -> None:
    assert behind("from ... import util", "from ....app import util", importer="app.deep.x") == set()


def test_names_if_modules_are_looked_for_elsewhere() -> None:
    tree = [
        known("log", "import top.a.helper", longer=["a.log", "top.a.log"]),
        known("a.helper", "import deep.one", longer=["top.a.helper"], shorter=["helper"]),
        known("b.log", "", longer=["top.b.log"]),
        known("src.deep.one", "from .two import x", shorter=["deep.one", "one"]),
        known("src.deep.two", "", shorter=["deep.two", "two"]),
        known("a.json", "", shorter=["json"]),
    ]
    found = modules_behind([("b.log", plan("import a.log", "import json"))], tree)
    assert found == {
        "log": "the snippet 'import a.log'",
        "a.helper": "the module log",
        "src.deep.one": "the module a.helper",
        "src.deep.two": "the module src.deep.one",
    }


def test_through_modules_that_are_not_in_the_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the program's own; nothing of them is run."""
    (tmp_path / "outside_tools" / "deep").mkdir(parents=True)
    (tmp_path / "outside_tools" / "deep" / "probe.py").write_text("def f():\n    from ..show import g\nraise Exception")
    (tmp_path / "outside_tools" / "show.py").write_text("import app.util, csv, outside_missing, outside_broken")
    (tmp_path / "outside_broken.py").write_text("def f(:")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert behind("from outside_tools.deep.probe import f") == {
        "outside_tools.deep.probe",
        "outside_tools.show",
        "outside_broken",
        "app.util",
    }
    assert not [name for name in sys.modules if name.startswith("outside_")]
    assert not list(tmp_path.rglob("*.pyc"))
