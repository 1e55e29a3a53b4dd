"""Failures of snippets (what they say, what their fields and names mean), each reduced to the smallest one."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from types import CodeType, SimpleNamespace
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


@pytest.mark.parametrize(
    "snippet",
    [
        "seen.append(y)",
        "seen.append((lambda: y)())",
        "new = y; seen.append(new)",
        "seen.append([y for y in (7,)][0])",
    ],
)
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


# -- bodies of classes and modules -----------------------------------------------------------------------------

_BODIES = {
    "reads": "z = y",
    "passes on": "g = lambda self: (values, y)",
    "keeps": "y = 3",
    "keeps and passes on": "y = 3; g = lambda self: y",
    "inlines": "z = [y for y in values]; g = lambda self: y",
    "inlines and reads": "z = [y for _ in values], [lambda: one for one in values][0]()",
    "has class": "g = lambda self: super().__class__.__name__",
    "has both": "z = __class__.__name__",
    "has annotations": "g: int = 4",
}


def body(kind: str, snippet: str) -> str:
    """A class in a function in a class, with a snippet in line 6 behind what ``_BODIES`` has."""
    return f"""
class M:
    def f(self, y=7, values=(1, 2)):
        class C:
            {_BODIES[kind]}
            {snippet}
            w = 2
        return C, y
"""


def shown_class(namespace: dict[str, Any]) -> object:
    """What a class has (its functions are called), and the variable of the function around it."""
    made, value = namespace["M"]().f()
    own = {name: found for name, found in vars(made).items() if not name.startswith("__")}
    for name, found in own.items():
        if callable(found) and name != "r":
            notes = getattr(found, "__annotations__", None)
            own[name] = found(made()), notes
    return own, value, getattr(made, "__annotations__", None)


@pytest.mark.parametrize("kind", _BODIES)
@pytest.mark.parametrize(
    ("snippet", "refused"),
    [
        ("q = y", {"has class", "has both", "has annotations"}),
        ("q = [y for _ in (1, 2)]", {"keeps", "has class", "has both", "has annotations"}),
        ("q = [one + y for one in (1,)]", {"keeps", "has class", "has both", "has annotations"}),
        ("q = [y for y in (1, 2)]", set()),
        ("q = [one for one in (y,)]", {"has class", "has both", "has annotations"}),
        ("q = lambda self: y", {"keeps", "has class", "has both", "has annotations"}),
        ("y = 5; q = y", set()),
        ("y = 5; q = lambda self: y", {"keeps", "has class", "has both", "has annotations"}),
        ("q = (lambda y: y)(8)", set()),
        (
            "nonlocal y; q = y; y = 8; p = y",
            {"keeps", "keeps and passes on", "has class", "has both", "has annotations"},
        ),
        ("q = lambda self: super().__class__.__name__", set(_BODIES) - {"has class"}),
        ("q = lambda self: __class__.__name__", set(_BODIES) - {"has class"}),
        ("q = __class__.__name__", set(_BODIES) - {"has both"}),
        ("q = super()", set(_BODIES)),
        ("def q(self, a: int = 1) -> str: return a", set()),
        ("r = str\n            def q(self, a: r = 1) -> r: return a", set()),
        ("class q:\n                def __new__(cls, *_: int): return __class__.__name__", set()),
    ],
)
def test_class_body_sees_what_it_would_in_the_source(kind: str, snippet: str, refused: set[str]) -> None:
    def asked() -> dict[str, Any]:
        return instrumented(body(kind, "pass"), lambda rewriter: rewriter.insert_at_line(7, own), "C")

    own = snippet.replace("\n            ", "\n")
    if kind in refused:
        with pytest.raises(equip.SnippetError, match=r"in class 'M\.f\.<locals>\.C'"):
            asked()
        return
    typed: dict[str, Any] = {"__name__": "program"}
    try:
        exec(compiled(body(kind, snippet)), typed)
        expected = shown_class(typed)
    except (SyntaxError, NameError):
        # The snippet changes what the statement above it means, which code that is compiled is spared.
        assert kind == "reads"
        expected = _SPARED[snippet]
    assert shown_class(asked()) == expected


@pytest.mark.parametrize("kind", _BODIES)
def test_variable_of_a_comprehension_in_a_class_body_that_is_captured(kind: str) -> None:
    # Some versions of CPython crash on that in the source.
    def ask(rewriter: equip.SimpleRewriter) -> None:
        rewriter.insert_at_line(7, "q = [(lambda: y)() for y in (1, 2)]")

    before = instrumented(body(kind, "pass"), lambda rewriter: None, "C")["M"]().f()
    made, value = instrumented(body(kind, "pass"), ask, "C")["M"]().f()
    assert (made.q, value, getattr(made, "z", None)) == ([1, 2], 7, getattr(before[0], "z", None))
    if hasattr(made, "g") and callable(made.g):
        assert made().g() == before[0]().g()


_SPARED = {
    "y = 5; q = y": ({"z": 7, "y": 5, "q": 5, "w": 2}, 7, {}),
    "y = 5; q = lambda self: y": ({"z": 7, "y": 5, "q": (7, {}), "w": 2}, 7, {}),
    "nonlocal y; q = y; y = 8; p = y": ({"z": 7, "q": 7, "p": 8, "w": 2}, 8, {}),
}


@pytest.mark.parametrize("where", ["module", "C"])
@pytest.mark.parametrize("others", ["a: str = 'x'", "pass"])
@pytest.mark.parametrize("future", ["", "from __future__ import annotations"])
def test_annotation_in_a_module_or_class_is_refused(where: str, others: str, future: str) -> None:
    source = f"{future}\n{others}\nif True:\n    b = 1\nclass C:\n    {others}\n    b = 2"
    line = 4 if where == "module" else 7

    def ask(rewriter: equip.SimpleRewriter, snippet: str) -> None:
        rewriter.insert_at_line(line, snippet)

    for snippet in ("an: int = 3", "pass\nif 1:\n    an: int", "(an := 3); an: int = 4"):
        with pytest.raises(equip.SnippetError, match=r"snippet.*an: int.* in (module|class) .*annotated"):
            instrumented(source, lambda rewriter, snippet=snippet: ask(rewriter, snippet), where)
    expected = {"a": "str" if future else str} if others != "pass" else {}
    snippet = "class Own:\n    an: int = 3\nOwn.x: int = 3\n(own): int = 4\n"
    snippet += "def g(a: int):\n    b: int = 4\n    return b"
    namespace = instrumented(source, lambda rewriter: ask(rewriter, snippet), where)
    found = [SimpleNamespace(**namespace), namespace["C"]]
    made = found[where == "C"]
    assert made.own == made.Own.x + 1 == made.g(1) == 4
    for one in found:
        assert get_annotations(one) == expected


def get_annotations(made: Any) -> object:
    """The annotations of a module or class, evaluated or not."""
    if not isinstance(made, type) and hasattr(made, "__annotate__"):
        return made.__annotate__(1)
    return getattr(made, "__annotations__", {})


# -- the exception of a module or class body -------------------------------------------------------------------------


RAISING = {
    "module": "raise ValueError(1)",
    "C": "class C:\n    raise ValueError(1)",
    "E": "import enum\nclass E(enum.Enum):\n    ONE = 1\n    raise ValueError(1)",
}


@pytest.mark.parametrize("where", RAISING)
@pytest.mark.parametrize(
    ("snippet", "printed"),
    [
        ("print('failed:', {exception})", "failed: 1\n"),
        ("print(f'{exception!r:>15}')", "  ValueError(1)\n"),
        ("print([one for one in [{exception}]])", "[ValueError(1)]\n"),
        ("given = lambda error={exception}: error\nprint(given())", "1\n"),
        ("{exception} = OSError(2)\nprint({exception})", "2\n"),
    ],
)
def test_exception_that_leaves_a_module_or_class_body(
    where: str, snippet: str, printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def ask(rewriter: equip.SimpleRewriter) -> None:
        rewriter.insert_on_raise(snippet).insert_on_raise(snippet)

    with pytest.raises(ValueError, match="1") as raised:
        instrumented(RAISING[where], ask, where)
    assert capsys.readouterr().out == 2 * printed
    names = raised.traceback[-1].frame.f_locals
    assert "__name__" in names or "__module__" in names
    assert not [name for name in names if "exception" in name]


@pytest.mark.parametrize("where", RAISING)
def test_the_exception_of_a_module_or_class_body_takes_no_variable_of_the_frame(where: str) -> None:
    class OnRaise(equip.ModuleVisitor, equip.ClassVisitor):
        def visit(self, decl: Any) -> None:
            equip.SimpleRewriter(decl).insert_on_raise("print({exception})")

    code = equip.instrument_code(compiled(RAISING[where]), OnRaise(), verify=True)
    bodies = [code, *(one for one in code.co_consts if isinstance(one, CodeType))]
    assert [body.co_varnames for body in bodies] == [()] * len(bodies)


@pytest.mark.parametrize(
    "snippet",
    [
        "pass\nlater = lambda: {exception}",
        "pass\n[one for one in (1,) if {exception}]",
        "pass\nlater = (f'{exception!r}' for one in (1,))",
        "class Inner:\n    error = {exception}",
    ],
)
def test_what_is_nested_in_a_class_body_does_not_see_the_exception(snippet: str) -> None:
    def ask(rewriter: equip.SimpleRewriter) -> None:
        rewriter.insert_on_raise(snippet)

    with pytest.raises(equip.SnippetError, match=r"snippet line 2 .*{exception.* in class 'C' .*as an argument"):
        instrumented(RAISING["C"], ask, "C")
    with pytest.raises(ValueError, match="1"):
        instrumented(RAISING["module"], ask, "module")


# -- which line of a snippet is at fault -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("print({arg9})", "there is no {arg9}: the function has 2 parameter(s)"),
        ("print('of {arg9}')", "there is no {arg9}: the function has 2 parameter(s)"),
        ("print({return_value})", "{return_value} has a value only at AFTER (insert_after), not at BEFORE"),
        ("print(f'{exception}')", "{exception} has a value only at RAISE (insert_on_raise), not at BEFORE"),
        ("print(super())", "`super` works only in a method that itself uses `super()` or `__class__`"),
        ("print(__class__)", "`__class__` works only in a method that itself uses `super()` or `__class__`"),
        ("{arg0!r} = 1", "{arg0} cannot be assigned or deleted"),
        ("{lineno} = 1", "{lineno} cannot be assigned or deleted"),
        ("x = {call_arguments}", "{call_arguments} has a meaning only among the arguments of a call"),
    ],
)
def test_refusal_names_the_line_of_the_snippet_and_of_the_function(line: str, reason: str) -> None:
    def ask(rewriter: equip.SimpleRewriter) -> None:
        rewriter.insert_before(f"pass\npass\n{line}")

    with pytest.raises(equip.SnippetError) as refused:
        instrumented("def f(a=3, b=4): return a", ask)
    assert re.fullmatch(
        rf"snippet line 3 {re.escape(repr(line))} in .*'f' \('program.py', line 1\): {re.escape(reason)}",
        str(refused.value),
    )


def test_refusal_names_the_first_of_several_lines() -> None:
    with pytest.raises(equip.SnippetError, match=r"^snippet line 2 'x = {arg9}' in"):
        instrumented("def f(): pass", lambda to: to.insert_before("pass\nx = {arg9}\ny = {arg9}"))


def test_refusal_of_a_variable_of_a_function_around_names_the_line() -> None:
    with pytest.raises(equip.SnippetError, match=r"snippet line 2 'print\(y\)' in function 'g.<locals>.f'"):
        instrumented("def g():\n    y = 1\n    def f(): pass", lambda to: to.insert_before("pass\nprint(y)"))


# -- texts of fields with a format -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("f'{arguments:>8}'", "    a, b"),
        ("f'{arguments!r:>8}'", "  'a, b'"),
        ("f'{arguments:}'", "a, b"),
        ("f'{arguments!a}'", "'a, b'"),
        ("f'{arguments:>{lineno}}'", "a, b"),
        ("[f'{arguments:>8}' for one in (1,)]", ["    a, b"]),
        ("f'{arguments_dict:>20}'", "    {'a': a, 'b': b}"),
        ("f'{call_arguments:>8}'", "    a, b"),
        ("f'{class_name:>8}'", "    None"),
        ("f'{qualname:>8}'", "       f"),
        ("f'{lineno:04d}'", "0001"),
        ("f'{arg0:>4}'", "   3"),
        ("f'{ {arguments} }'", "(3, 4)"),
    ],
)
def test_text_of_a_field_with_a_format(text: str, value: object) -> None:
    assert returned(f"{{return_value}} = {text}") == value


# -- variables with large numbers ------------------------------------------------------------------------------

MANY = "def f(a):\n" + "".join(f"    v{i} = {i}\n" for i in range(300))


@pytest.mark.parametrize(
    ("end", "asked", "value"),
    [
        ("return show(v299)", [("after", "lambda: v299\nv299 = 5")], 299),
        ("return show(v299)", [("before", "lambda: v299"), ("after", "v299 = 5")], 299),
        ("return v299", [("before", "lambda: v299"), ("after", "{return_value} += 1")], 300),
        ("v299 = v299 + 3; return show(v299)", [("after", "lambda: v299"), ("after", "v299 += 1")], 302),
    ],
)
def test_a_captured_local_with_a_large_number(end: str, asked: list[tuple[str, str]], value: int) -> None:
    def ask(rewriter: equip.SimpleRewriter) -> None:
        for where, snippet in asked:
            getattr(rewriter, f"insert_{where}")(snippet)

    assert instrumented(f"show = lambda x: x\n{MANY}    {end}\n", ask)["f"](1) == value


@pytest.mark.parametrize("where", ["before", "after", "on_raise"])
@pytest.mark.parametrize("snippet", ["lambda: a", "p = 1; (lambda: p)()"])
def test_a_cell_is_made_in_front_of_one_with_a_large_number(where: str, snippet: str) -> None:
    source = (
        "def f(a, b=3):\n    if a is f:\n        " + " = ".join(f"v{i}" for i in range(260)) + " = 1\n"
        "    x = 5\n    return [x + k for k in (1, 2)], (lambda: x)()\n"
    )
    made = instrumented(source, lambda rewriter: getattr(rewriter, f"insert_{where}")(snippet))
    assert made["f"](2) == ([6, 7], 5)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="a comprehension is a function of its own until 3.11")
def test_a_cell_that_a_comprehension_has_as_a_plain_variable_cannot_be_captured_there() -> None:
    source = "def f(a):\n    g = lambda: a\n    x = [a for a in (1, 2) if a]\n    return x, g()\n"
    with pytest.raises(equip.SnippetError, match="cannot refer to 'a', which a comprehension uses"):
        instrumented(source, lambda rewriter: rewriter.insert_at_line(3, "print((lambda: a)())"))
    read = instrumented(source, lambda rewriter: rewriter.insert_at_line(4, "a += 1\n(lambda: a)()"))["f"]
    assert read(3) == ([1, 2], 4)


def test_a_free_variable_that_is_used_in_dead_code_beside_a_comprehension_with_its_name() -> None:
    source = """
def outer():
    b = 7
    def f():
        s = sum([x for b in range(3) for x in [b]])
        return s
        b
    return f
f = outer()
"""
    assert instrumented(source, lambda rewriter: rewriter.insert_after("{return_value} += b"))["f"]() == 10
    assert instrumented(source, lambda rewriter: rewriter.insert_after("nonlocal b\nb += 1"))["f"]() == 3


# -- handlers that nothing comes to but what is put in ---------------------------------------------------------

UNUSED_HANDLERS = [
    "def f(a):\n    try:\n        a()\n    except NameError as e1:\n        pass\n",
    "def f(a):\n    try: a()\n    except* ValueError: pass\n",
    "def f(a):\n    try: a()\n    except NameError as e1: pass\n    finally:\n        pass\n",
    "async def f(a):\n    async with a:\n        try: a()\n        except NameError as e1: pass\n",
]
OWN_HANDLERS = [
    'try: raise KeyError("k")\nexcept NameError: pass',
    "try: print(lambda: z)\nexcept NameError: pass",
    "[x for x in (1, 2)]",
    "with f: pass",
]


class AtBlocks(equip.MethodVisitor):
    """Puts snippets at blocks, by their numbers."""

    def __init__(self, asked: Iterable[tuple[int, str]]) -> None:
        self.asked = asked

    def visit(self, meth_decl: equip.MethodDeclaration) -> None:
        blocks = equip.ControlFlow(meth_decl).blocks
        rewriter = equip.SimpleRewriter(meth_decl)
        for number, snippet in self.asked:
            if rewriter.can_insert_at(blocks[number]):
                rewriter.insert_at_block(blocks[number], snippet)


@pytest.mark.parametrize("source", UNUSED_HANDLERS)
def test_blocks_that_only_exceptions_of_snippets_come_to(source: str) -> None:
    [function] = [one for one in compiled(source).co_consts if isinstance(one, CodeType)]
    count = len(equip.ControlFlow(function).blocks)
    for first in range(count):
        for second in range(count):
            for snippet in OWN_HANDLERS:
                visitor = AtBlocks(((first, OWN_HANDLERS[0]), (second, snippet)))
                equip.instrument_code(compiled(source), visitor, verify=True)


def test_an_exception_of_a_snippet_in_an_empty_handler_reaches_the_block_that_cleans_up() -> None:
    source = "def f(a):\n    try:\n        a()\n    except NameError as e1:\n        pass\n"
    [function] = [one for one in compiled(source).co_consts if isinstance(one, CodeType)]
    blocks = equip.ControlFlow(function).blocks
    first = next(number for number, block in enumerate(blocks) if 5 in block.lines)
    others = [(number, "try: undefined_\nexcept NameError: pass") for number in range(first + 1, len(blocks))]
    namespace: dict[str, Any] = {}
    visitor = AtBlocks([(first, OWN_HANDLERS[0]), *others])
    exec(equip.instrument_code(compiled(source), visitor, verify=True), namespace)

    def fail() -> None:
        raise NameError

    for _ in range(3):
        with pytest.raises(KeyError):
            namespace["f"](fail)


# -- where refusals are raised ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "snippet", "possible"),
    [
        ("def f(a):\n    try:\n        a()\n    except NameError:\n        pass\n    return a\n", "return 3", [2, 6]),
        pytest.param(
            "def f(a):\n    x = [a for a in (1, 2)]\n    return x\n",
            "(lambda: a)()",
            [3],
            marks=pytest.mark.skipif(sys.version_info < (3, 12), reason="comprehensions are functions"),
        ),
    ],
)
def test_what_cannot_stand_at_a_line_is_refused_where_it_is_asked_for(
    source: str, snippet: str, possible: list[int]
) -> None:
    accepted: list[int] = []

    def ask(rewriter: equip.SimpleRewriter) -> None:
        for line in range(2, source.count("\n") + 1):
            try:
                rewriter.insert_at_line(line, snippet)
            except equip.SnippetError:
                continue
            accepted.append(line)

    instrumented(source, ask)
    assert accepted == possible
