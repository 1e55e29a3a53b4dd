"""Failures of snippets (what they say, what their fields and names mean), each reduced to the smallest one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import equip

Ask = Callable[[equip.SimpleRewriter], object]


def instrumented(source: str, ask: Ask, name: str = "f") -> dict[str, Any]:
    """The names of a module with what ``ask`` wants in the function, class or (``"module"``) module of that name."""

    def put(found: str, decl: Any) -> None:
        if found == name:
            ask(equip.SimpleRewriter(decl))

    class Methods(equip.MethodVisitor):
        def visit(self, meth_decl: equip.MethodDeclaration) -> None:
            put(meth_decl.method_name, meth_decl)

    class Classes(equip.ClassVisitor):
        def visit(self, class_decl: equip.TypeDeclaration) -> None:
            put(class_decl.type_name, class_decl)

    class Modules(equip.ModuleVisitor):
        def visit(self, module_decl: equip.ModuleDeclaration) -> None:
            put("module", module_decl)

    namespace: dict[str, Any] = {"__name__": "program"}
    visitors = [Methods(), Classes(), Modules()]
    exec(equip.instrument_code(compile(source, "program.py", "exec"), visitors, verify=True), namespace)
    return namespace


def returned(snippet: str, *arguments: object, source: str = "def f(a=3, b=4): return a") -> Any:
    """What ``f`` returns with a snippet at its end."""
    return instrumented(source, lambda rewriter: rewriter.insert_after(snippet))["f"](*arguments)


# -- indentation -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("snippet", "value"),
    [
        ('{return_value} = """a\n   \nb"""', "a\n   \nb"),
        ('    {return_value} = """a\n    b\n   \n  c"""', "a\n    b\n   \n  c"),
        ('\n    x = 1\n    {return_value} = f"""{x}\n    {arg0}"""\n    ', "1\n    3"),
        ("\t{return_value} = '''a\n\tb'''\n", "a\n\tb"),
        ("    # a comment\n  # less\n    if 1:\n  # least\n        {return_value} = '''\n    '''\n", "\n    "),
        ("    {return_value} = 'a\\\n    b'", "a    b"),
        ("\n    {return_value} = [\n  1,\n2]\n", [1, 2]),
    ],
)
def test_indentation_of_code_is_removed_and_strings_stay(snippet: str, value: object) -> None:
    assert returned(snippet) == value
    all_of_them = {"when": "(\na)", "limit": 5, "reentrant": False}
    for options in ({"when": "a"}, {"limit": 5}, {"reentrant": False}, all_of_them):
        probe = equip.after("*:f", snippet, **options)  # type: ignore[arg-type]
        namespace: dict[str, Any] = {"__name__": "program"}
        exec(equip.instrument_code(compile("def f(a=3): return a", "program.py", "exec"), probe), namespace)
        assert namespace["f"]() == value


@pytest.mark.parametrize(
    ("snippet", "message"),
    [
        ("    a = 1\n    for x in y:\n    b = 2", "line 3 'b = 2'.*'for' statement on line 2"),
        ("    a = 1\nb = 2", "line 2 'b = 2'.*unindent"),
        ("    a = 1\nelse:\n    b = 2", "line 3 'b = 2'.*unindent"),
        ("\n    a = = 1", "line 2 'a = = 1'"),
        ("    a = 1\n      b = 2", "line 2 'b = 2'.*unexpected indent"),
    ],
)
def test_line_of_a_mistake_in_an_indented_snippet(snippet: str, message: str) -> None:
    with pytest.raises(equip.SnippetError, match=message):
        returned(snippet)
    with pytest.raises(equip.SnippetError, match=message):
        equip.before("*:f", snippet, when="a", reentrant=False)


def test_provenance_of_an_indented_snippet_tells_its_own_lines() -> None:
    class Visitor(equip.MethodVisitor):
        def visit(self, meth_decl: equip.MethodDeclaration) -> None:
            equip.SimpleRewriter(meth_decl).insert_before("\n    first()\n    second()\n")

    code = equip.instrument_code(compile("def f(): pass", "program.py", "exec"), Visitor())
    (inner,) = [constant for constant in code.co_consts if hasattr(constant, "co_code")]
    assert {one.snippet_line for one in equip.provenance(inner)} == {2, 3}
