"""Traps 15, 16, 17, 18, 19 and 26: identity, constants, docstrings, nested code, names, `__future__`, annotations.

Running frames that stay on the old code concern live patches, which come later; here a code object is never changed
in place.
"""

from __future__ import annotations

import marshal
from types import CodeType
from typing import Any

import pytest

import equip
from traps.running import Everywhere, function_of, functions, instrumented, named, run


class Everything(equip.MethodVisitor):
    def __init__(self, snippet: str) -> None:
        self.snippet = snippet

    def visit(self, meth_decl: equip.MethodDeclaration) -> None:
        equip.SimpleRewriter(meth_decl).insert_before(self.snippet)


def test_15_constants_that_are_equal_but_not_the_same_stay_apart() -> None:
    source = "def f(x):\n    return [1, 0.0, (1, 2), x.y if 0 else 2.0, frozenset]\nrecord(repr(f(0)))"
    snippet = "probe(repr([1.0, True, -0.0, (True, 2.0), (1.0, 2), 2, 1, 0, False, 0j, -0j, b'1', '1']))"
    for wanted in (lambda r: r.insert_before(snippet), lambda r: r.insert_at_line(2, snippet)):
        seen = run(instrumented(source, wanted))
        assert seen.records == ["[1, 0.0, (1, 2), 2.0, <class 'frozenset'>]"]
        assert seen.probes == ["[1.0, True, -0.0, (True, 2.0), (1.0, 2), 2, 1, 0, False, 0j, (-0-0j), b'1', '1']"]


def test_15_instrumented_code_goes_through_marshal() -> None:
    source = "def f(x, *, k=(1, 2)):\n    return lambda: [x, k]\nrecord(f(1)(), f.__kwdefaults__)"
    snippet = "import json\nclass Seen(Exception): where = {qualname}\nprobe(Seen.where, json.dumps({arguments_dict}))"
    code = equip.instrument_code(compile(source, "program.py", "exec"), Everything(snippet))
    again = marshal.loads(marshal.dumps(code))
    assert run(again) == run(code)
    assert len(run(again).probes) == 2
    assert again == code
    kinds = {type(constant) for one in functions(again) for constant in one.co_consts}
    assert kinds <= {type(None), str, int, tuple, CodeType, bool, float}


def test_15_a_generator_that_runs_is_not_touched() -> None:
    code = compile("def f():\n    yield 1\n    yield 2", "program.py", "exec")
    function = function_of(code)
    running = function()
    assert next(running) == 1
    probes: list[Any] = []
    changed = equip.instrument_code(function.__code__, Everywhere())
    assert running.gi_code is function.__code__
    assert changed is not function.__code__
    function.__globals__["probe"] = probes.append
    assert list(running) == [2]
    assert probes == []


@pytest.mark.parametrize("docstring", ["", "    'doc'\n", "    'text'\n", "    None\n"])
def test_16_docstrings_are_what_they_were(docstring: str) -> None:
    source = f"def f(x):\n{docstring}    return x, 'other'\n"
    plain = function_of(compile(source, "program.py", "exec"))
    for snippet in ("'text'\nprobe('text', 'doc')", "probe({method_name})", "'snippet'", "z = 'first'; probe(z)"):
        probes: list[Any] = []
        code = instrumented(source, lambda r, s=snippet: r.insert_before(s).insert_after(s))  # type: ignore[misc]
        function = function_of(code, probe=lambda *what, into=probes: into.append(what))
        assert function.__doc__ == plain.__doc__ == (docstring.strip().strip("'") if "'" in docstring else None)
        assert function(3) == (3, "other")
        assert len(probes) == (0 if snippet == "'snippet'" else 2)
    module = compile(f"{docstring.strip()}\nx = 1\n", "program.py", "exec")
    namespace: dict[str, Any] = {}

    class Module(equip.ModuleVisitor):
        def visit(self, module_decl: equip.ModuleDeclaration) -> None:
            equip.SimpleRewriter(module_decl).insert_before("'text'; y = 'text'").insert_import("import json")

    exec(equip.instrument_code(module, Module()), namespace)
    assert namespace.get("__doc__") == (docstring.strip().strip("'") if "'" in docstring else None)
    assert namespace["y"] == "text"


def test_17_a_code_object_that_stands_twice_is_changed_where_it_was_asked_for() -> None:
    # The two copies of a `finally` share the code object of its lambda.
    source = """
def f(way):
    try:
        if way: return "return"
    finally:
        record((lambda: 5)())
    return "end"
record(f(0), f(1))
"""
    seen = run(instrumented(source, lambda r: r.insert_before("probe('lambda')"), "<lambda>"))
    assert seen.records == [5, 5, ("end", "return")]
    assert seen.probes == ["lambda", "lambda"]


def test_17_equal_code_objects_can_be_different_functions() -> None:
    code = compile("def f(): return 1\ndef g(): return 1\nrecord(f(), g())", "program.py", "exec")
    f, g = named(code, "f"), named(code, "g")
    twin = f.replace(co_name="f")
    assert twin == f
    assert twin is not f
    both = code.replace(co_consts=tuple(twin if constant is g else constant for constant in code.co_consts))
    wanted: list[CodeType] = []

    class Second(equip.MethodVisitor):
        def visit(self, meth_decl: equip.MethodDeclaration) -> None:
            if meth_decl.code_object is twin:
                wanted.append(meth_decl.code_object)
                equip.SimpleRewriter(meth_decl).insert_before("probe('second')")

    changed = equip.instrument_code(both, Second())
    assert wanted == [twin]
    assert run(changed) == ([(1, 1)], ["second"], "")
    assert sum(one is f for one in functions(changed)) == 1


def test_17_changing_a_child_changes_every_parent() -> None:
    source = "class A:\n    def m(self):\n        def f():\n            return lambda: 1\n        return f\nrecord(A().m()()())"
    code = compile(source, "program.py", "exec")
    changed = instrumented(source, lambda r: r.insert_before("probe('inner')"), "<lambda>")
    assert run(changed) == ([1], ["inner"], "")
    assert all(a is not b for a, b in zip(functions(code), functions(changed), strict=True))
    assert named(changed, "m").co_code == named(code, "m").co_code


@pytest.mark.parametrize("name", ["x'+exit()+'.py", 'a"""\n1/0#.py', "{arg0}.py", "{file_path}\\n{{x}}.py", "%s{}.py"])
def test_18_names_never_become_code(name: str) -> None:
    source = "def f(a):\n    return a\nrecord(f(1))"
    code = compile(source, name, "exec")
    target = named(code, "f")
    odd = target.replace(co_name=name, co_qualname=f"C.{name}")
    code = code.replace(co_consts=tuple(odd if one is target else one for one in code.co_consts))
    snippet = "probe('{file_name}', {file_path}, f'{method_name!s}', {qualname}, '{{file_name}}')"
    seen = run(equip.instrument_code(code, Everything(snippet)))
    assert seen.records == [1]
    base = name.rpartition("/")[2]
    assert seen.probes == [(base, name, name, f"C.{name}", "{file_name}")]


def test_18_braces_are_not_format_fields() -> None:
    source = "def f(a):\n    return a\nrecord(f(1))"
    snippet = "probe('{arg0.__class__}', '{0}', '{arguments.x}', f'{ {arg0}!r:>3}', { 'a': {arg0}}, '{a}', '{method_name}')"
    seen = run(instrumented(source, lambda r: r.insert_before(snippet)))
    assert seen.probes == [("{arg0.__class__}", "{0}", "{arguments.x}", "  1", {"a": 1}, "{a}", "f")]


FUTURE = "def f(a):\n    return a\nrecord(f(1))"
ANNOTATED = "def inner(x: later | 'other'): pass\nprobe(inner.__annotations__['x'])"


def test_19_the_future_statements_of_the_target_are_in_force() -> None:
    seen = run(instrumented("from __future__ import annotations\n" + FUTURE, lambda r: r.insert_before(ANNOTATED)))
    assert (seen.records, seen.probes) == ([1], ["later | 'other'"])
    plain = run(instrumented(FUTURE, lambda r: r.insert_before(ANNOTATED)))
    assert "later" in plain.ending
    assert plain.probes == []


def test_19_a_future_statement_in_a_snippet_is_refused() -> None:
    with pytest.raises(equip.SnippetError, match="__future__"):
        instrumented(FUTURE, lambda r: r.insert_before("from __future__ import annotations"))


@pytest.mark.parametrize("level", [0, 1, 2])
def test_19_the_optimisation_level_of_the_target_is_in_force(level: int) -> None:
    snippet = 'def inner():\n    "doc"\nif __debug__: probe("debug")\nprobe(inner.__doc__)\nassert not {arg0}, "asserted"'
    seen = run(instrumented(FUTURE, lambda r: r.insert_before(snippet), optimize=level))
    assert seen.probes == [*["debug"] * (level == 0), "doc" if level < 2 else None]
    assert seen.ending == ("AssertionError('asserted')" if level == 0 else "")


def test_26_a_function_called_annotate_is_the_users_own() -> None:
    source = """
class A:
    x: int = 1
    def __annotate__(self, format, /): return {"x": format}
    def f(self, y: str) -> int: return 1
def __annotate__(format, /):
    return {"made": format}
a: int = 5
record(__annotate__(1), A().__annotate__(7), A().f(0))
"""
    names: list[str] = []

    class Names(equip.MethodVisitor):
        def visit(self, meth_decl: equip.MethodDeclaration) -> None:
            names.append(meth_decl.qualname)
            equip.SimpleRewriter(meth_decl).insert_before("probe({qualname})")

    seen = run(equip.instrument_code(compile(source, "program.py", "exec"), Names()))
    assert names == ["A.__annotate__", "A.f", "__annotate__"]
    assert seen.records == [({"made": 1}, {"x": 7}, 1)]
    assert seen.probes == ["__annotate__", "A.__annotate__", "A.f"]
