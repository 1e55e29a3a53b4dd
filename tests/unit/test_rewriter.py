"""What a rewriter asks for, and what it refuses where it is asked."""

from __future__ import annotations

from types import CodeType, SimpleNamespace

import pytest

import equip
from equip.inject.request import Insertion, JoinPoint
from equip.program import ModuleDeclaration

SOURCE = '''"""Doc."""
import os
def f(a, b=2):
    x = a
    return x
class C:
    def g(self): pass
def h(): pass
'''


def module_of(source: str = SOURCE, *, in_memory: bool = False) -> ModuleDeclaration:
    code = compile(source, "m.py", "exec", dont_inherit=True)
    return ModuleDeclaration(code, "m.py", "m", 0, in_memory=in_memory)


@pytest.fixture
def module() -> ModuleDeclaration:
    return module_of()


def test_what_is_asked_for_at_another_line_is_like_what_was_before_but_for_the_line(module: ModuleDeclaration) -> None:
    f = module.functions[0]
    rewriter = equip.SimpleRewriter(f)
    module.probe = "P"
    rewriter.insert_at_line(4, "a").insert_at_line(5, "a").insert_at_line(4, "b").insert_at_line(5, "b", suppress=True)
    module.probe = "Q"
    rewriter.insert_at_line(4, "b", suppress=True)
    equip.SimpleRewriter(f).insert_at_line(5, "b", suppress=True).insert_at_line(4, "b", suppress=True)
    rewriter.insert_at_line(5, "b", suppress=True).insert_before("b", suppress=True)
    rewriter.insert_at_line(4, "b", suppress=True)
    assert module.plan[f.code_path] == [
        Insertion(JoinPoint.LINENO, "a", 4, probe="P"),
        Insertion(JoinPoint.LINENO, "a", 5, probe="P"),
        Insertion(JoinPoint.LINENO, "b", 4, probe="P"),
        Insertion(JoinPoint.LINENO, "b", 5, True, probe="P"),
        Insertion(JoinPoint.LINENO, "b", 4, True, probe="Q"),
        Insertion(JoinPoint.LINENO, "b", 5, True, probe="Q", group=1),
        Insertion(JoinPoint.LINENO, "b", 4, True, probe="Q", group=1),
        Insertion(JoinPoint.LINENO, "b", 5, True, probe="Q"),
        Insertion(JoinPoint.BEFORE, "b", None, True, probe="Q"),
        Insertion(JoinPoint.LINENO, "b", 4, True, probe="Q"),
    ]


@pytest.mark.parametrize("line", [99, 0, 4.0, "4", None, True])
def test_another_line_must_be_one_that_has_code(module: ModuleDeclaration, line: object) -> None:
    f = module.functions[0]
    rewriter = equip.SimpleRewriter(f).insert_at_line(4, "a")
    with pytest.raises(equip.JoinPointError, match="line"):
        rewriter.insert_at_line(line, "a")  # type: ignore[arg-type]
    assert module.plan[f.code_path] == [Insertion(JoinPoint.LINENO, "a", 4)]


def test_all_methods_return_the_rewriter_and_ask(module: ModuleDeclaration) -> None:
    module.probe = "P"
    f = module.functions[0]
    rewriter = equip.SimpleRewriter(f)
    chained = (
        rewriter.insert_before("one")
        .insert_after("two")
        .insert_on_raise("three")
        .insert_at_line(4, "four")
        .insert_import("import math", module_import=False)
        .insert_import("import sys")
        .insert_enter_code("five", import_code="import json")
        .insert_exit_code("six", import_code="import json", suppress=True)
        .insert_generic("seven", location=equip.JoinPoint.LINENO, ins_lineno=5)
        .insert_generic("eight", equip.JoinPoint.BEFORE, suppress=True)
    )
    assert chained is rewriter
    assert module.plan == {
        f.code_path: [
            Insertion(JoinPoint.BEFORE, "one", probe="P"),
            Insertion(JoinPoint.AFTER, "two", probe="P"),
            Insertion(JoinPoint.RAISE, "three", probe="P"),
            Insertion(JoinPoint.LINENO, "four", 4, probe="P"),
            Insertion(JoinPoint.IMPORT, "import math", probe="P"),
            Insertion(JoinPoint.LINENO, "seven", 5, probe="P"),
            Insertion(JoinPoint.BEFORE, "eight", suppress=True, probe="P"),
        ],
        (): [
            Insertion(JoinPoint.IMPORT, "import sys", probe="P"),
            Insertion(JoinPoint.IMPORT, "import json", probe="P"),
            Insertion(JoinPoint.MODULE_ENTER, "five", probe="P"),
            Insertion(JoinPoint.MODULE_EXIT, "six", suppress=True, probe="P"),
        ],
    }


def test_each_rewriter_has_a_group_of_its_own_in_each_function(module: ModuleDeclaration) -> None:
    f, h = module.functions
    for probe in ("P", "P", "Q"):
        module.probe = probe
        equip.SimpleRewriter(f).insert_before("t = 1").insert_after("t")
    equip.SimpleRewriter(h).insert_before("t = 1")
    assert [(one.probe, one.group) for one in module.plan[f.code_path]] == [
        *[("P", 0)] * 2,
        *[("P", 1)] * 2,
        *[("Q", 0)] * 2,
    ]
    assert module.plan[h.code_path][0].group == 0


@pytest.mark.parametrize(
    ("ask", "error"),
    [
        (lambda r: r.insert_before("print("), equip.SnippetError),
        (lambda r: r.insert_before("{return_value}"), equip.SnippetError),
        (lambda r: r.insert_before("{arg7}"), equip.SnippetError),
        (lambda r: r.insert_before("yield 1"), equip.SnippetError),
        (lambda r: r.insert_at_line(99, "pass"), equip.JoinPointError),
        (lambda r: r.insert_at_line(8, "pass"), equip.JoinPointError),
        (lambda r: r.insert_generic("pass", equip.JoinPoint.LINENO), equip.JoinPointError),
    ],
)
def test_mistakes_are_raised_where_they_are_made(
    module: ModuleDeclaration, ask: object, error: type[Exception]
) -> None:
    with pytest.raises(error):
        ask(equip.SimpleRewriter(module.functions[0]))  # type: ignore[operator]
    assert not any(module.plan.values())


def test_after_on_a_module(module: ModuleDeclaration) -> None:
    with pytest.raises(equip.JoinPointError, match="MODULE_EXIT"):
        equip.SimpleRewriter(module).insert_after("pass")


def test_what_cannot_be_rewritten(module: ModuleDeclaration) -> None:
    for wrong in (None, module.code_object, module.imports[0]):
        with pytest.raises(TypeError, match="declaration"):
            equip.SimpleRewriter(wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="callable"):
        equip.SimpleRewriter(module).insert_before(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="JoinPoint"):
        equip.SimpleRewriter(module).insert_generic("pass", 1)  # type: ignore[arg-type]


# -- callables ------------------------------------------------------------------------------------

seen: list[object] = []


def log(qualname: str, arg0: object, lineno: int, *, method_name: str, extra: int = 5) -> None:
    seen.append((qualname, arg0, lineno, method_name, extra))


def run(code: CodeType) -> SimpleNamespace:
    namespace: dict[str, object] = {}
    exec(code, namespace)
    return SimpleNamespace(**namespace)


class Logging(equip.MethodVisitor):
    def __init__(self, function: object) -> None:
        self.function = function

    def visit(self, decl: equip.MethodDeclaration) -> None:  # type: ignore[override]
        if decl.formal_parameters:
            equip.SimpleRewriter(decl).insert_before(self.function)  # type: ignore[arg-type]


def test_any_callable_will_do_in_memory() -> None:
    found: list[object] = []
    code = equip.instrument_code(
        module_of().code_object, Logging(lambda arg0, qualname: found.append((qualname, arg0)))
    )
    run(code).f(7)
    assert found == [("f", 7)]


def test_a_callable_in_a_file_is_imported_by_name() -> None:
    module = module_of()
    equip.SimpleRewriter(module.functions[0]).insert_before(log)
    (call,) = module.plan[module.functions[0].code_path]
    (imported,) = module.plan[()]
    assert imported.source == f"from {__name__} import log as _equip_{__name__.replace('.', '_')}_log"
    assert call.source.endswith("_log({qualname}, {arg0}, {lineno}, method_name={method_name})")


def test_a_callable_that_is_imported_runs() -> None:
    made = equip.BytecodeObject.from_code(module_of().code_object, "m.py")
    made.accept(Logging(log))
    seen.clear()
    run(made.code).f("x")
    assert seen == [("f", "x", 3, "f", 5)]


def test_callables_that_a_file_cannot_reach() -> None:
    def local(qualname: str) -> None: ...

    rewriter = equip.SimpleRewriter(module_of().functions[0])
    for function in (local, lambda qualname: None, SimpleNamespace(a=1).__repr__):
        with pytest.raises(equip.SnippetError, match="import by name"):
            rewriter.insert_before(function)


def test_parameters_that_are_no_fields() -> None:
    def wrong(qualname: str, colour: str) -> None: ...

    rewriter = equip.SimpleRewriter(module_of(in_memory=True).functions[0])
    with pytest.raises(equip.SnippetError, match="'colour' is no field"):
        rewriter.insert_before(wrong)


@pytest.mark.parametrize(
    ("snippet", "message"),
    [
        ("a = 1\nb = (", r"^snippet line 2 'b = \(' in function 'f' \('.*', line \d+\): .* was never closed; correct"),
        ("del {qualname}", r"^snippet line 1 'del {qualname}' in function 'f' \('.*', line \d+\): .*cannot be unbound"),
        ("a = '\0'", r"^snippet .* in function 'f' \('.*', line \d+\): "),
    ],
)
def test_a_snippet_that_no_target_allows_is_reported_with_its_target(snippet: str, message: str) -> None:
    rewriter = equip.SimpleRewriter(module_of().functions[0])
    for _ in range(2):
        with pytest.raises(equip.SnippetError, match=message) as caught:
            rewriter.insert_before(snippet)
        assert type(caught.value) is equip.SnippetError
