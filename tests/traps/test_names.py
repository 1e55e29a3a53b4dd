"""Variables: unbound, captured, mangled, of classes and comprehensions; fields that would be code."""

from __future__ import annotations

import gc
import inspect

import pytest

import equip
from equip import JoinPoint
from traps.programs import assert_unharmed, at, compiled, function, instrumented, run


def test_12_an_unbound_local_is_an_error_and_no_crash() -> None:
    source = "def f(a):\n    del a\n    b = 1\n    return b\n"
    for snippet in ("print({arguments})", "a", "b", "[b, a]", "lambda: b\nb"):
        with pytest.raises(UnboundLocalError):
            run(instrumented(source, at(JoinPoint.LINENO, snippet, line=3)))["f"](1)


def test_12_a_local_rebound_in_the_middle_of_an_expression() -> None:
    # The first operand is on the stack, possibly borrowed from the local, when the second line begins.
    source = """
class Value:
    def __init__(self, text): self.text = text
    def __add__(self, other): return self.text + other
def f(x):
    return (x +
            str(1))
def main(): return f(Value('old'))
"""
    namespace = run(instrumented(source, at(JoinPoint.LINENO, "x = None\nhits.append([0] * 100)", line=7)))
    for _ in range(100):
        assert namespace["main"]() == "old1"
        gc.collect(0)


def test_12_a_snippet_may_not_unbind_a_local() -> None:
    for snippet in ("del a", "try: pass\nexcept ValueError as a: pass", "for i in ():\n    del a"):
        with pytest.raises(equip.SnippetError, match="unbind 'a'"):
            instrumented("def f(a): return a\n", at(JoinPoint.BEFORE, snippet))


def test_13_more_locals_move_cells_and_free_variables() -> None:
    source = """
def outer(a):
    b = a + 1
    def f(c):
        nonlocal b
        d = c
        def inner(): return a, b, c, d
        b += 1
        return inner()
    return f
def main(): return outer(1)(5), outer(2)(6)
"""
    assert_unharmed(source, at(JoinPoint.BEFORE, "one = 1\ntwo = lambda: one\nhits.append(two())"))


def test_13_a_captured_local_becomes_a_cell_everywhere() -> None:
    source = """
def f(a, b=2, *c, d, **e):
    a += 1
    g = a + b
    del b
    b = 7
    return a, b, c, d, e, g
def main(): return f(1, d=4, x=5)
"""
    snippet = "later = lambda: (a, b, c, d, e)\nhits.append(later)"
    assert_unharmed(source, at(JoinPoint.BEFORE, snippet))
    namespace = run(instrumented(source, at(JoinPoint.BEFORE, snippet)))
    namespace["main"]()
    assert namespace["hits"][0]() == (2, 7, (), 4, {"x": 5})


def test_13_class_bodies_and_super() -> None:
    source = """
class Base:
    def f(self): return 'base'
class Derived(Base):
    kind = 'class'
    def f(self):
        return super().f() + __class__.kind
def main(): return Derived().f()
"""

    class Visitor(equip.MethodVisitor):
        def visit(self, decl: equip.MethodDeclaration) -> None:
            if decl.qualname == "Derived.f":
                equip.SimpleRewriter(decl).insert_before("hits.append((super().f(), __class__.kind))")

    namespace = run(instrumented(source, Visitor()))
    assert namespace["main"]() == "baseclass"
    assert namespace["hits"] == [("base", "class")]


def test_13_variables_of_inlined_comprehensions_are_not_the_functions() -> None:
    source = "def f(values):\n    return [item for item in values]\n"
    namespace = run(instrumented(source, at(JoinPoint.AFTER, "hits.append(item)")))
    with pytest.raises(NameError):
        namespace["f"]([1, 2])


def test_16_the_docstring_stays_and_nothing_becomes_one() -> None:
    source = "def f():\n    'text'\n    return 'text'\ndef g():\n    return 1\n"
    for name in ("f", "g"):
        visitor = at(JoinPoint.BEFORE, "hits.append('text')\nhits.append('other')", name)
        namespace = run(instrumented(source, visitor))
        namespace[name]()
        assert namespace["hits"] == ["text", "other"]
        assert (namespace["f"].__doc__, namespace["g"].__doc__) == ("text", None)


def test_18_a_file_name_cannot_become_code() -> None:
    path = "x'+exit()+'{0.__class__}\\.py"
    code = compile("def f(a): pass\n", path, "exec")
    snippet = "hits.append('{file_path} {method_name}')\nhits.append(f'{file_path}')\nhits.append({file_path})"
    namespace = run(equip.instrument_code(code, at(JoinPoint.BEFORE, snippet)))
    namespace["f"](1)
    assert namespace["hits"] == [path + " f", path, path]


def test_19_future_statements_of_the_target_are_in_force() -> None:
    snippet = "def inner(x: undefined): pass\nhits.append(inner.__annotations__)"
    namespace = run(instrumented("from __future__ import annotations\ndef f(): pass\n", at(JoinPoint.BEFORE, snippet)))
    namespace["f"]()
    assert namespace["hits"] == [{"x": "undefined"}]
    namespace = run(instrumented("def f(): pass\n", at(JoinPoint.BEFORE, snippet)))
    with pytest.raises(NameError, match="undefined"):
        namespace["f"]()
    with pytest.raises(equip.SnippetError, match="__future__"):
        instrumented("def f(): pass\n", at(JoinPoint.BEFORE, "from __future__ import annotations"))


def test_19_the_optimisation_level_of_the_target_is_in_force() -> None:
    code = compiled("def f(): pass\n")
    visitor = at(JoinPoint.BEFORE, "assert not hits, 'asserted'\nhits.append(__debug__)")
    for optimize, debug in ((0, True), (1, False)):
        namespace = run(equip.instrument_code(code, visitor, optimize=optimize))
        namespace["f"]()
        assert namespace["hits"] == [debug]
        if debug:
            with pytest.raises(AssertionError, match="asserted"):
                namespace["f"]()
        else:
            namespace["f"]()


def test_20_names_are_mangled_as_in_the_class() -> None:
    source = """
class _Cart:
    def __init__(self): self.__items = [1]
    def f(self, __extra=2): return 0
"""
    snippet = "__own = {arg1}\nhits.append((self.__items, __extra, __own))"
    namespace = run(instrumented(source, at(JoinPoint.BEFORE, snippet)))
    assert namespace["_Cart"]().f() == 0
    assert namespace["hits"] == [([1], 2, 2)]


def test_22_a_cell_inside_an_inlined_comprehension_of_the_same_name() -> None:
    source = """
def f(x):
    x = x + 1
    squares = [x * x for x in range(x)]
    nested = [[x for x in range(y)] for y in squares]
    return x, squares, nested
def main(): return f(3)
"""
    assert_unharmed(source, at(JoinPoint.BEFORE, "hits.append(lambda: x)"))
    namespace = run(instrumented(source, at(JoinPoint.BEFORE, "hits.append(lambda: x)")))
    namespace["main"]()
    assert namespace["hits"][0]() == 4


def test_24_cells_are_told_from_locals_by_their_slots() -> None:
    source = """
def outer():
    cell = 1
    def f():
        local = cell
        make = lambda: (cell, local)
        return make()
    return f
def main(): return outer()()
"""
    assert_unharmed(source, at(JoinPoint.AFTER, "again = lambda: (cell, local)\nhits.append(again())"))


def test_26_a_users_own_annotate_is_a_function_like_others() -> None:
    source = """
def __annotate__(format, /):
    return {'x': format}
def f(x: int): pass
def main(): return __annotate__(1)
"""
    found = equip.BytecodeObject.from_code(compiled(source), "program.py").declarations
    assert "__annotate__" in [one.qualname for one in found if isinstance(one, equip.MethodDeclaration)]
    namespace = run(instrumented(source, at(JoinPoint.BEFORE, "hits.append({arg0})", "__annotate__")))
    assert namespace["main"]() == {"x": 1}
    assert namespace["hits"] == [1]
    assert inspect.get_annotations(namespace["f"]) == {"x": int}


def test_28_the_end_of_an_except_clause_unbinds_its_name() -> None:
    with pytest.raises(equip.SnippetError, match="unbind 'error'"):
        instrumented("def f(error): return error\n", at(JoinPoint.BEFORE, "try: 1/0\nexcept Exception as error: pass"))
    private = at(JoinPoint.BEFORE, "try: 1/0\nexcept Exception as error: hits.append(1)\nhits.append(error)")
    with pytest.raises(UnboundLocalError):
        run(instrumented("def f(): return 1\n", private))["f"]()


def test_29_nested_code_of_a_snippet_is_named_after_its_place() -> None:
    source = "class A:\n    def f(self): return self\n"
    namespace = run(instrumented(source, at(JoinPoint.BEFORE, "def inner(): pass\nhits.append(inner.__qualname__)")))
    namespace["A"]().f()
    assert namespace["hits"] == ["A.f.<locals>.inner"]


def test_30_a_parameter_that_becomes_a_cell_keeps_its_slot() -> None:
    source = "def f(a, b): return a, b\ndef main(): return f(1, b=2)\n"
    visitor = at(JoinPoint.BEFORE, "hits.append(lambda: b)")
    assert_unharmed(source, visitor)
    code = function(instrumented(source, visitor), "f")
    assert code.co_varnames[:2] == ("a", "b")
    assert "b" in code.co_cellvars
    assert inspect.signature(run(instrumented(source, visitor))["f"]) == inspect.signature(run(compiled(source))["f"])
