"""Which modules of a tree the snippets themselves bring in."""

from __future__ import annotations

from equip.delivery.recursion import modules_behind, snippet_imports
from equip.inject.request import Insertion, JoinPoint

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
PACKAGES = {name: name in ("app", "app.deep") for name in TREE}


def behind(*sources: str, importer: str = "app.core") -> set[str]:
    plan = {(): [Insertion(JoinPoint.IMPORT, source) for source in sources]}
    return set(modules_behind([(importer, plan)], PACKAGES, lambda name: compile(TREE[name], name, "exec")))


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
    plan = {(): [Insertion(JoinPoint.IMPORT, "import app.late")]}
    found = modules_behind([("m", plan)], PACKAGES, lambda name: compile(TREE[name], name, "exec"))
    assert found["app.late"] == "the snippet 'import app.late'"
    assert found["app.core2"] == "the module app.late"
