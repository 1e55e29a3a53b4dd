"""Instrumenting code objects in memory."""

from __future__ import annotations

import gc
from types import CodeType

import pytest
from programs import Calls, Returns

import equip
from equip.delivery.finder import make_entry
from equip.inject.request import Insertion

SOURCE = "def f(a):\n    return a + 1\nclass C:\n    def g(self): return [lambda: 2]\n"


def compiled() -> CodeType:
    return compile(SOURCE, "dir/mod.py", "exec", dont_inherit=True)


def test_code_runs_with_what_was_put_in(capsys: pytest.CaptureFixture[str]) -> None:
    code = compiled()
    namespace: dict[str, object] = {}
    exec(equip.instrument_code(code, [Calls(), Returns()]), namespace)
    namespace["f"](1)  # type: ignore[operator]
    namespace["C"]().g()[0]()  # type: ignore[operator]
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["call f", "return f 2", "call C.g"]
    assert lines[3].startswith("return C.g [<function")
    assert lines[4:] == ["call C.g.<locals>.<lambda>", "return C.g.<locals>.<lambda> 2"]


def test_the_code_given_is_not_changed() -> None:
    code, same = compiled(), compiled()
    assert equip.instrument_code(code, Calls()) is not code
    assert code == same


def test_nothing_asked_for_gives_the_same_object() -> None:
    class Nothing(equip.MethodVisitor):
        def visit(self, decl: equip.MethodDeclaration) -> None:  # type: ignore[override]
            """Asks for nothing."""

    code = compiled()
    assert equip.instrument_code(code, Nothing()) is code
    assert equip.instrument_code(code, []) is code


def test_names_for_fields() -> None:
    class Names(equip.ModuleVisitor):
        def visit(self, decl: equip.ModuleDeclaration) -> None:  # type: ignore[override]
            equip.SimpleRewriter(decl).insert_before("found = ['{file_name}', '{file_path}', '{module_name}']")

    namespace: dict[str, object] = {}
    exec(equip.instrument_code(compiled(), Names()), namespace)
    assert namespace["found"] == ["mod.py", "dir/mod.py", "mod"]
    exec(equip.instrument_code(compiled(), Names(), file_path="/x/y.py", module_name="z"), namespace)
    assert namespace["found"] == ["y.py", "/x/y.py", "z"]


def test_a_single_function() -> None:
    function = next(c for c in compiled().co_consts if isinstance(c, CodeType))

    class Change(equip.MethodVisitor):
        def visit(self, decl: equip.MethodDeclaration) -> None:  # type: ignore[override]
            equip.SimpleRewriter(decl).insert_before("{arg0} = 10").insert_import("import math").insert_after(
                "{return_value} = math.floor({return_value} + 0.5)"
            )

    def f(a: int) -> int:
        return a

    f.__code__ = equip.instrument_code(function, Change())
    assert f(1) == 11
    assert f.__code__.co_name == "f"


@pytest.mark.parametrize("visitor", [Calls, 3, "print(1)", [Calls(), None]])
def test_what_is_no_visitor(visitor: object) -> None:
    with pytest.raises(TypeError, match=r"visitor|pass an instance"):
        equip.instrument_code(compiled(), visitor)  # type: ignore[arg-type]


def test_mistakes_are_raised() -> None:
    class Wrong(equip.MethodVisitor):
        def visit(self, decl: equip.MethodDeclaration) -> None:  # type: ignore[override]
            equip.SimpleRewriter(decl).insert_before("def")

    with pytest.raises(equip.SnippetError):
        equip.instrument_code(compiled(), Wrong())


class EveryLine(equip.MethodVisitor):
    def visit(self, decl: equip.MethodDeclaration) -> None:
        rewriter = equip.SimpleRewriter(decl)
        for line in decl.executable_lines:
            rewriter.insert_at_line(line, "pass; int()")


@pytest.mark.parametrize("how", ["instrument_code", "make_entry"])
def test_what_was_asked_for_is_let_go_when_it_is_done(how: str) -> None:
    code = compile("def f():\n" + "    g()\n" * 100, "mod.py", "exec")
    gc.collect()
    gc.disable()
    try:
        before = sum(isinstance(one, Insertion) for one in gc.get_objects())
        if how == "instrument_code":
            assert equip.instrument_code(code, EveryLine()) is not code
        else:
            assert make_entry(code, "mod", "", [EveryLine()], in_memory=True).code is not None
        assert sum(isinstance(one, Insertion) for one in gc.get_objects()) < before + 10
    finally:
        gc.enable()
