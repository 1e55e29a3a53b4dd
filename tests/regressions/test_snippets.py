"""Failures of snippets (what they say, what their fields and names mean), each reduced to the smallest one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import CodeType
from typing import Any

import pytest

import equip

Ask = Callable[[equip.SimpleRewriter], object]


def compiled(source: str) -> CodeType:
    return compile(source, "program.py", "exec", dont_inherit=True)


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
    exec(equip.instrument_code(compiled(source), visitors, verify=True), namespace)
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
        exec(equip.instrument_code(compiled("def f(a=3): return a"), probe), namespace)
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

    code = equip.instrument_code(compiled("def f(): pass"), Visitor())
    (inner,) = [constant for constant in code.co_consts if hasattr(constant, "co_code")]
    assert {one.snippet_line for one in equip.provenance(inner)} == {2, 3}


# -- fields ----------------------------------------------------------------------------------------------------


def shown(template: Any) -> list[object]:
    """A t-string as its strings and what is between them."""
    parts = [(one.value, one.expression, one.conversion, one.format_spec) for one in template.interpolations]
    assert len(template.strings) == len(parts) + 1
    return [*template.strings, *parts]


@pytest.mark.skipif(sys.version_info < (3, 14), reason="needs t-strings (3.14)")
@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('t"{arg0}"', ["", "", (3, "arg0", None, "")]),
        ('t"a{arg0!r}b{x+1}"', ["a", "b", "", (3, "arg0", "r", ""), (2, "x+1", None, "")]),
        ('t"{arg0}{arg1}"', ["", "", "", (3, "arg0", None, ""), (4, "arg1", None, "")]),
        ('t"{arg0:>3}"', ["", "", (3, "arg0", None, ">3")]),
        ('t"{arg0!a:>{arg1}}"', ["", "", (3, "arg0", "a", ">4")]),
        ('t"{arg0=}"', ["arg0=", "", (3, "arg0", "r", "")]),
        ('t"{f({arg0})}"', ["", "", (30, "f({arg0})", None, "")]),
        ('t"{return_value}"', ["", "", (3, "return_value", None, "")]),
        ('t"{method_name} {lineno}{{lineno}}"', ["f 2{lineno}"]),
        ('t"{method_name:>3}"', ["", "", ("f", "method_name", None, ">3")]),
        ('t"<{arguments}>{arg0}<{arguments!r}>"', ["<a, b>", "<'a, b'>", (3, "arg0", None, "")]),
        ('(lambda: t"{arg0}{qualname}")()', ["", "f", (3, "arg0", None, "")]),
        ('t"{lineno}" t"{arg0}" t"{lineno}"', ["2", "2", (3, "arg0", None, "")]),
        ('t"a" t"b"', ["ab"]),
    ],
)
def test_fields_in_a_t_string(text: str, parts: list[object]) -> None:
    snippet = f"x = 1\nf = lambda n: 10 * n\n{{return_value}} = {text}"
    assert shown(returned(snippet, source="\ndef f(a=3, b=4): return a")) == parts


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'b"\xff {lineno}"', b"\xff 1"),
        (r'b"\xe4{method_name}\x80{{lineno}}"', b"\xe4\xc3\xa9\x80{lineno}"),
        (r'b"\xff"', b"\xff"),
        (r'b"{{lineno}}"', b"{lineno}"),
        (r'b"{arguments}"', b"\xc3\xa4"),
    ],
)
def test_field_in_a_bytes_literal(text: str, value: bytes) -> None:
    def ask(rewriter: equip.SimpleRewriter) -> None:
        rewriter.insert_after(f"{{return_value}} = {text}")

    assert instrumented("def \xe9(\xe4): return 1", ask, "\xe9")["\xe9"](1) == value


def test_field_with_a_format_is_one_in_each_function() -> None:
    source = "def f(a): return lambda: a\ndef g(b): return b\ndef h(): return 0"
    namespace: dict[str, Any] = {"__name__": "program", "seen": []}
    probe = equip.before("*:[fg]", "seen.append(f'{arg0:>3}')")
    exec(equip.instrument_code(compiled(source), probe), namespace)
    for name in "gf":
        namespace[name](5)
    assert namespace["seen"] == ["  5", "  5"]
    with pytest.raises(equip.SnippetError, match=r"there is no \{arg0\}: the function has 0 parameter"):
        equip.instrument_code(compiled(source), equip.before("*:h", "seen.append(f'{arg0:>3}')"))


@pytest.mark.parametrize("statement", ["nonlocal {arg0}", "global {arg0}", "nonlocal {return_value}"])
def test_message_about_a_field_that_is_declared_has_its_own_name(statement: str) -> None:
    with pytest.raises(equip.SnippetError) as caught:
        returned(f"{statement}\npass")
    name = statement.split()[1]
    assert f"snippet line 1 '{statement}' in 'f'" in str(caught.value)
    assert f"{name} cannot be an identifier" in str(caught.value)
    assert "__equip" not in str(caught.value)


# -- names -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "def g(a=(yy := 5)): pass",
        "def g(*, a=(yy := 5)): pass",
        "(lambda a=(yy := 5): a)()",
        "@(yy := 5, lambda one: one)[1]\ndef g(): pass",
        "@(yy := 5, lambda one: one)[1]\nclass G: pass",
        "class G((yy := 5, object)[1]): pass",
        "class G(metaclass=(yy := 5, type)[1]): pass",
        "[(yy := one) for one in [5]]",
    ],
)
def test_walrus_around_a_nested_scope_binds_in_the_snippets_own(statement: str) -> None:
    def ask(rewriter: equip.SimpleRewriter) -> None:
        rewriter.insert_before(statement).insert_after("{return_value} = yy")

    assert instrumented("def f(): return 1", ask)["f"]() == 5


@pytest.mark.parametrize(
    "header",
    ["g(a: (yy := 5))", "g(a, /, *b: (yy := 5))", "g(*, a: (yy := 5))", "g(**a: (yy := 5))", "g() -> (yy := 5)"],
)
def test_walrus_in_an_annotation_does_as_in_the_source(header: str) -> None:
    def ask(rewriter: equip.SimpleRewriter) -> None:
        rewriter.insert_before(f"def {header}: pass").insert_after("{return_value} = yy")

    try:
        compiled(f"def {header}: pass")
    except SyntaxError:
        with pytest.raises(equip.SnippetError, match="annotation"):
            instrumented("def f(): return 1", ask)
    else:
        assert instrumented("def f(): return 1", ask)["f"]() == 5
    with pytest.raises(equip.SnippetError, match="annotation"):
        instrumented("from __future__ import annotations\ndef f(): return 1", ask)


@pytest.mark.parametrize("snippet", ["x = super().y", "x = lambda: super().y", "x = __class__"])
def test_super_that_works_in_one_method_is_refused_in_the_next(snippet: str) -> None:
    source = "class A:\n    def f(self): return super()\n    def g(self): return 1"
    for where in ("*:A.[fg]", "*:A.g"):
        with pytest.raises(equip.SnippetError, match=r"in function 'A\.g'.*itself uses `super\(\)` or `__class__`"):
            equip.instrument_code(compiled(source), equip.before(where, snippet))


@pytest.mark.parametrize("snippet", ["seen.append(y)", "seen.append((lambda: y)())", "new = y; seen.append(new)"])
def test_variable_of_an_inlined_comprehension_with_the_name_of_a_free_one(snippet: str) -> None:
    source = """
def around(y, values):
    def f(b):
        first = [y for y in values]
        return first, [b + y for y in values], lambda: (y, b), y
    return f
"""
    namespace: dict[str, Any] = {"__name__": "program", "seen": []}
    probe = equip.after("*:*.f", snippet)
    exec(equip.instrument_code(compiled(source), probe, verify=True), namespace)
    first, second, fetch, same = namespace["around"](7, [1, 2])(10)
    assert (first, second, fetch(), same, namespace["seen"]) == ([1, 2], [11, 12], (7, 10), 7, [7])
