"""Failures of the engine, each reduced to the smallest program that showed it."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

import pytest

import equip
from equip.code.locations import Cut, Location, Piece, Tail, decode, encode, injected, splice

Ask = Callable[[equip.SimpleRewriter], object]


def instrumented(source: str, ask: Ask, *names: str) -> CodeType:
    """``source`` with what ``ask`` wants in each function of these names (``f`` by default)."""

    class Visitor(equip.MethodVisitor):
        def visit(self, meth_decl: equip.MethodDeclaration) -> None:
            if meth_decl.method_name in (names or ("f",)):
                ask(equip.SimpleRewriter(meth_decl))

    return equip.instrument_code(compile(source, "program.py", "exec"), Visitor())


def run(code: CodeType) -> list[object]:
    """Run a module; what it and its snippets ``record``."""
    events: list[object] = []
    exec(code, {"__name__": "program", "record": lambda *what: events.append(what[0] if len(what) == 1 else what)})
    return events


def test_exception_of_an_inlined_call_is_not_looked_up_in_the_snippet_before_it() -> None:
    # From 3.13 on it is looked up at the code unit before the CALL: the snippet's last one.
    source = """
def g(*arguments): raise ValueError("program")
def f():
    try:
        g(1,
          2)
    except ValueError as error:
        record(str(error))
for _ in range(20): f()
"""
    snippet = "try: len('')\nexcept ValueError: record('snippet')"

    def ask(rewriter: equip.SimpleRewriter) -> None:
        for line in (5, 6):
            rewriter.insert_at_line(line, snippet)

    assert run(instrumented(source, ask)) == ["program"] * 20


def test_exception_of_an_inlined_call_behind_a_line_snippet_reaches_the_raise_snippet() -> None:
    source = """
def g(*arguments): raise ValueError("program")
def f():
    g(1,
      2)
for _ in range(20):
    try: f()
    except ValueError: pass
"""

    def ask(rewriter: equip.SimpleRewriter) -> None:
        rewriter.insert_at_line(4, "record(4)").insert_at_line(5, "record(5)").insert_on_raise("record('raise')")

    assert run(instrumented(source, ask)) == [4, 5, 4, "raise"] * 20


def test_super_in_a_snippet_gets_the_first_parameter() -> None:
    source = """
class Base:
    y = 5
class A(Base):
    def f(self): return __class__
A().f()
"""
    assert run(instrumented(source, lambda r: r.insert_before("record(super().y)"))) == [5]


def test_class_cell_of_a_class_in_the_snippet() -> None:
    snippet = "class C:\n    def m(self): return __class__.__name__, __class__.__qualname__\nrecord(C().m())"
    found = run(instrumented("def f(a): return a\nf(1)", lambda r: r.insert_before(snippet)))
    assert found == [("C", "f.<locals>.C")]


def test_names_of_nested_scopes_of_a_snippet_are_its_own() -> None:
    source = "def outer():\n    x = 1\n    def f(): return 2\n    return f()\nouter()"
    assert run(instrumented(source, lambda r: r.insert_before("record([x for x in 'a'], (lambda x: x)(1))"))) == [
        (["a"], 1)
    ]


def test_captured_argument_has_its_own_name() -> None:
    def ask(rewriter: equip.SimpleRewriter) -> None:
        rewriter.insert_before("fetch = lambda: {arg0}").insert_after("record(fetch.__code__.co_freevars)")

    assert run(instrumented("def f(a): return a\nf(1)", ask)) == [("a",)]


def test_nested_code_of_a_snippet_stands_on_the_line_of_its_place() -> None:
    source = "def f(a):\n    b = 1\n    return a\nf(1)"
    found = run(instrumented(source, lambda r: r.insert_after("record((lambda: 0).__code__.co_firstlineno)")))
    assert found == [3]


def test_return_at_a_line_behind_an_await() -> None:
    source = """
async def f(x):
    await x
    return 1
async def g(): pass
try: f(g()).send(None)
except StopIteration as stop: record(stop.value)
"""
    assert run(instrumented(source, lambda r: r.insert_at_line(4, "return 'snippet'"))) == ["snippet"]


def test_private_name_read_by_a_later_snippet_hides_that_of_the_function_around() -> None:
    source = """
counter = 0
def outer():
    counter = "enclosing"
    def f():
        global counter
        return counter
    return f(), counter
record(outer())
"""

    def ask(rewriter: equip.SimpleRewriter) -> None:
        rewriter.insert_before("counter = 99").insert_after("record(counter)")

    assert run(instrumented(source, ask)) == [99, (0, "enclosing")]


def test_field_as_expression_and_in_text_of_one_snippet() -> None:
    source = "def f(self): return 1\nf(7)"
    assert run(instrumented(source, lambda r: r.insert_before("record({arg0}, '{arg0}')"))) == [(7, "self")]


def test_suppressed_exceptions_are_not_kept_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    source = """
class X:
    def __del__(self): record("freed")
def f(x):
    y = 1
f(X())
record("after")
"""
    reported: list[tuple[str, object]] = []
    monkeypatch.setattr(
        sys, "unraisablehook", lambda u: reported.append((str(u.exc_value), u.exc_value.__context__))
    )
    code = instrumented(source, lambda r: r.insert_before("raise ValueError('B')", suppress=True))
    gc.disable()
    try:
        assert run(code) == ["freed", "after"]
    finally:
        gc.enable()
    assert reported == [("B", None)]


def test_returned_constant_at_the_very_end_of_the_code() -> None:
    # The edit that takes the place of the last instruction removes the last location entry.
    source = "def f(): return 3\nrecord(f())"
    assert run(instrumented(source, lambda r: r.insert_after("{return_value} += 1"))) == [4]


def test_raise_snippet_leaves_the_frame_at_the_line_that_raised() -> None:
    source = "def f():\n    x = 1\n    1 / 0\nf()"
    code = instrumented(source, lambda r: r.insert_on_raise("pass; record(1)"))
    with pytest.raises(ZeroDivisionError) as caught:
        run(code)
    traceback = caught.value.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    assert traceback is not None
    assert (traceback.tb_lineno, traceback.tb_frame.f_lineno) == (3, 3)


def test_coroutine_with_a_try_in_a_line_snippet() -> None:
    # Until 3.12 the interpreter's own table of stack effects leaves out what a coroutine resumes with.
    source = """
async def f():
    x = 1
    return x
try: f().send(None)
except StopIteration as stop: record(stop.value)
"""
    snippet = "try:\n    record('line')\nexcept ValueError:\n    pass"
    assert run(instrumented(source, lambda r: r.insert_at_line(3, snippet))) == ["line", 1]


@pytest.mark.parametrize("first_captures", [False, True])
def test_returned_value_captured_by_one_of_two_snippets(first_captures: bool) -> None:
    snippets = ["record({return_value})", "fetch = lambda: {return_value}\nrecord(fetch())"]

    def ask(rewriter: equip.SimpleRewriter) -> None:
        for snippet in reversed(snippets) if first_captures else snippets:
            rewriter.insert_after(snippet)

    assert run(instrumented("def f(flag):\n    return flag\nf(5)", ask)) == [5, 5]


def test_value_taken_by_a_snippet_that_returns_beside_one_that_captures_it() -> None:
    def ask(rewriter: equip.SimpleRewriter) -> None:
        rewriter.insert_after("if record: pass\nelse: return 0").insert_after("record((lambda: {return_value})())")

    assert run(instrumented("def f(flag):\n    return flag\nf(5)", ask)) == [5]


def test_removed_location_in_front_of_one_without_a_line() -> None:
    unknown = Location(1, None, None, None, None)
    table = encode([Location(1, 2, 2, None, None), unknown, Location(1, 3, 3, None, None)], 1)
    assert decode(splice(table, [Cut(0, [], 1)]), 1) == [unknown, Location(1, 3, 3, None, None)]


@pytest.mark.parametrize("pieces", [[injected(1, 1)], [1, injected(1, 1)]])
def test_what_goes_in_behind_a_removed_location_where_there_is_no_line(pieces: list[Piece]) -> None:
    unknown = Location(1, None, None, None, None)
    table = encode([Location(1, 2, 2, None, None), unknown, Location(1, 3, 3, None, None)], 1)
    found = decode(splice(table, [Cut(0, [], 1), Cut(1, pieces)]), 1)
    assert [location.line for location in found] == [*[None] * (len(pieces) - 1), 2, None, 3]


def test_what_goes_behind_the_end_where_the_last_location_is_removed() -> None:
    table = encode([Location(1, 2, 2, None, None), Location(1, 7, 7, None, None)], 1)
    found = decode(splice(table, [Cut(1, [], 1)], [Tail([injected(1, 1)], 5)], 7), 1)
    assert [location.line for location in found] == [2, 5]


def test_removals_without_a_gap_between_them() -> None:
    table = encode([Location(units, 2, 2, None, None) for units in (1, 1, 2, 1)], 1)
    found = decode(splice(table, [Cut(0, [], 3), Cut(3, [], 1)]), 1)
    assert [location.line for location in found] == [2]


def test_removals_without_a_gap_behind_what_goes_in_at_the_first() -> None:
    table = encode([Location(2, 5, 5, None, None), Location(1, 7, 7, None, None)], 1)
    found = decode(splice(table, [Cut(0, [injected(1, 1)], 1), Cut(1, [], 1)]), 1)
    assert [location.line for location in found] == [5, 7]


def test_line_behind_an_exhausted_loop_whose_copy_stands_before_it() -> None:
    # `break` has a copy of the return in front of the loop's end, on the same line: from 3.12 to 3.13 the line is
    # encountered behind the loop all the same, from 3.14 on it is not. The tracer knows.
    source = """
def f(n):
    found = []
    for i in range(n):
        if i == 5:
            found.extend([x for x in range(2)])
            break

    return found
f(3); f(9)
"""
    traced: list[int] = []

    def tracer(frame: FrameType, event: str, argument: object) -> object:
        if event == "line" and frame.f_code.co_name == "f" and frame.f_lineno == 9:
            traced.append(9)
        return tracer

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        exec(compile(source, "program.py", "exec"), {})
    finally:
        sys.settrace(before)
    assert run(instrumented(source, lambda r: r.insert_at_line(9, "record(9)"))) == traced
    assert traced


def test_class_body_keeps_its_own_name_behind_a_snippet() -> None:
    # The wrapper of a class snippet is a class: what its own body begins with is no part of the snippet.
    class Bodies(equip.ClassVisitor):
        def visit(self, type_decl: equip.TypeDeclaration) -> None:
            equip.SimpleRewriter(type_decl).insert_before("x = 1")

    source = "class A:\n    class B: pass\nrecord(A.__qualname__, A.B.__qualname__, A.__module__, A.x)"
    assert run(equip.instrument_code(compile(source, "program.py", "exec"), Bodies())) == [("A", "A.B", "program", 1)]


@pytest.mark.parametrize("snippet", ["del {arg0}", "try: 1 / 0\nexcept ZeroDivisionError as {arg0}: pass"])
def test_field_cannot_be_unbound(snippet: str) -> None:
    with pytest.raises(equip.SnippetError, match="cannot be unbound"):
        instrumented("def f(a): return a", lambda r: r.insert_before(snippet))


def test_line_of_a_try_without_a_body_stands_in_the_try_around_it() -> None:
    # Two NOPs in a row, neither of them in the range of any handler.
    source = """
def f():
    try:
        record("work")
        try:
            pass
        except ValueError:
            return "lost"
        finally:
            record("finally")
    except ValueError:
        return "caught"
record(f())
"""
    assert run(instrumented(source, lambda r: r.insert_at_line(5, "raise ValueError"))) == ["work", "caught"]


def test_string_that_begins_a_snippet_is_no_docstring() -> None:
    class Bodies(equip.ClassVisitor):
        def visit(self, type_decl: equip.TypeDeclaration) -> None:
            equip.SimpleRewriter(type_decl).insert_before("'snippet'")

    class Module(equip.ModuleVisitor):
        def visit(self, module_decl: equip.ModuleDeclaration) -> None:
            equip.SimpleRewriter(module_decl).insert_before("'snippet'\nx = 1")

    source = "'module'\nclass A: 'class'\nclass B: pass\nrecord(__doc__, x, A.__doc__, B.__doc__)"
    code = equip.instrument_code(compile(source, "program.py", "exec"), [Bodies(), Module()])
    assert run(code) == [("module", 1, "class", None)]


def test_snippet_before_a_generator_expression_is_in_the_generator() -> None:
    # From 3.15 on it takes its iterator at a first RESUME, makes the generator, and goes on at a second one.
    class Expressions(equip.MethodVisitor):
        def visit(self, meth_decl: equip.MethodDeclaration) -> None:
            for scope in meth_decl.implicit_scopes:
                equip.SimpleRewriter(scope).insert_before("try: [][0]\nexcept IndexError: record('scope')\nlist = 1")

    source = """
def f(n):
    made = (i for i in range(n) if i)
    record('made')
    return list(made)
record(f(4))
"""
    code = equip.instrument_code(compile(source, "program.py", "exec"), Expressions())
    assert run(code) == ["made", "scope", [1, 2, 3]]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="needs type parameters (3.12)")
def test_type_parameters_of_a_snippet_are_its_own() -> None:
    source = "def outer():\n    T = 1\n    def f(): return 2\n    return f(), T\nouter()"
    snippet = "def same[T](x: T) -> T: return x\nrecord(same(5), same.__type_params__[0].__name__)"
    assert run(instrumented(source, lambda r: r.insert_before(snippet))) == [(5, "T")]


def test_suppressed_stop_iteration_is_reported_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    reported: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: reported.append(repr(unraisable.exc_value)))
    source = "def f(): return 1\nrecord(f())"
    code = instrumented(source, lambda r: r.insert_before("next(iter(()))", suppress=True))
    assert run(code) == [1]
    assert reported == ["StopIteration()"]


def test_reporting_a_suppressed_exception_leaves_its_traceback_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: None)
    source = "def f(): 1 / 0\nf()"
    code = instrumented(source, lambda r: r.insert_on_raise("raise {exception}", suppress=True))
    with pytest.raises(ZeroDivisionError) as caught:
        run(code)
    assert "__equip" not in "".join(entry.name for entry in caught.traceback)


def test_variable_of_a_comprehension_around_is_no_variable_of_the_function_around() -> None:
    # From 3.12 on it is in the co_varnames of that function.
    source = """
item = "global"
def outer():
    made = [item for item in range(3)]
    def f(): pass
    f()
    return made
outer()
"""
    assert run(instrumented(source, lambda r: r.insert_before("record(item)"))) == ["global"]


def test_code_at_a_line_of_a_class_body_leaves_its_names_alone() -> None:
    """The compiler's set-up of a class body was cut out with the snippet: the class got the name of the wrapper."""

    class AtLine(equip.ClassVisitor):
        def visit(self, decl: Any) -> None:
            equip.SimpleRewriter(decl).insert_at_line(3, "y = 2")

    code = equip.instrument_code(compile("class A:\n    x = 1\n    z = 3\n", "a.py", "exec"), AtLine())
    namespace: dict[str, Any] = {"__name__": "m"}
    exec(code, namespace)
    found = namespace["A"]
    assert (found.__module__, found.__qualname__, found.y) == ("m", "A", 2)
    assert getattr(found, "__firstlineno__", 1) == 1


def test_equal_constants_in_many_functions() -> None:
    # What many functions have in common is assembled once; each of them needs all of the constants.
    source = "".join(f"def f{i}(): return 'a'\n" for i in range(6)) + "for g in (f0, f1, f2, f3, f4, f5): g()\n"
    names = tuple(f"f{i}" for i in range(6))
    code = instrumented(source, lambda r: r.insert_before("record(300, 300.0, 2.0, -0.0, 0.0, (1,), (True,))"), *names)
    assert equip.check(code) == ()
    assert [repr(one) for one in run(code)] == [repr((300, 300.0, 2.0, -0.0, 0.0, (1,), (True,)))] * 6


@pytest.mark.filterwarnings("ignore:.*in a 'finally' block:SyntaxWarning")
def test_line_of_a_try_that_covers_nothing_has_the_handler_of_its_own_copy() -> None:
    # The body of the outer `finally` is there twice, and the handler of the inner `try` in each of them.
    source = """
def f():
    try:
        return "outer"
    finally:
        for i in range(2):
            try:
                return "inner"
            finally:
                break
        record("behind")
record(f())
"""
    code = instrumented(source, lambda r: r.insert_at_line(8, "raise ValueError"))
    assert equip.check(code) == ()
    assert run(code) == ["behind", "outer"]


def test_a_function_by_itself_is_around_those_inside_it() -> None:
    # A name of the function that was given was taken for a global in the functions inside it.
    def around(hidden: int) -> Callable[[], int]:
        def inside() -> int:
            return 1

        return inside

    class Shows(equip.MethodVisitor):
        def visit(self, decl: equip.MethodDeclaration) -> None:
            if decl.method_name == "inside":
                equip.SimpleRewriter(decl).insert_before("print(hidden)")

    with pytest.raises(equip.SnippetError, match=r"'hidden' is a variable of .*around.* around it"):
        equip.instrument_code(around.__code__, Shows())


# -- inlined comprehensions (3.12 on) that bind a name of the function ----------------------------------------------

INLINED = sys.version_info >= (3, 12)


def asked(*what: tuple[str, object, str]) -> Ask:
    """Asks for each of these: ``(method of the rewriter, line or None, snippet)``."""

    def ask(rewriter: equip.SimpleRewriter) -> None:
        for how, line, snippet in what:
            getattr(rewriter, how)(*(() if line is None else (line,)), snippet)

    return ask


@pytest.mark.parametrize("snippet", ["record(x)", "if record(x): [x for x in ()]"])
def test_cell_that_a_comprehension_has_put_aside(snippet: str) -> None:
    # The slot has the comprehension's plain value there, or none, where the snippet expected the cell.
    source = """
def f(x, ys):
    g = lambda: x
    r = [x for x in ys]
    return r, x, g()
record(f(1, [2, 3]))
"""
    code = instrumented(source, asked(("insert_at_line", 4, snippet)))
    assert equip.check(code) == ()
    assert run(code) == [1, *([2, 3] if INLINED else []), ([2, 3], 1, 1)]


@pytest.mark.parametrize(
    ("snippet", "other"),
    [
        ("record({arg0})", "def f(x, ys):\n    g = lambda: x\n    return g\n"),
        ("record(x)", "def f():\n    pass\n    return 1\n"),
    ],
)
def test_such_a_cell_when_the_snippet_is_known_from_another_function(snippet: str, other: str) -> None:
    at_line_3 = asked(("insert_at_line", 3, snippet))
    instrumented(other, at_line_3)
    source = "def f(x, ys):\n    g = lambda: x\n    r = [x for x in ys]\n    return r, x, g()\nrecord(f(1, [2, 3]))\n"
    code = instrumented(source, at_line_3)
    assert equip.check(code) == ()
    assert run(code) == [1, *([2, 3] if INLINED else []), ([2, 3], 1, 1)]


def test_assigning_to_a_cell_that_a_comprehension_has_put_aside() -> None:
    source = """
def f(x, ys):
    g = lambda: x
    r = [x
         for x in ys]
    return r, x, g()
record(f(1, [2, 3]))
"""
    code = instrumented(source, asked(("insert_at_line", 4, "x = x * 10")))
    assert equip.check(code) == ()
    # Line 4 is met once more when all is there: from 3.12 on, before the function's own is back.
    assert run(code) == [([20, 30], 10, 10) if INLINED else ([2, 3], 100, 100)]


def test_variable_of_which_only_the_comprehension_makes_a_cell() -> None:
    source = """
def f(x, ys):
    r = [(lambda: x) for x in ys]
    return x, [g() for g in r]
record(f(1, [2, 3]))
"""
    code = instrumented(source, asked(("insert_at_line", 3, "x += 5"), ("insert_at_line", 3, "record((lambda: x)())")))
    assert equip.check(code) == ()
    assert run(code) == ([6, 7, 8, (6, [8, 8])] if INLINED else [6, (6, [3, 3])])


def test_local_that_another_snippet_captures_inside_a_comprehension_that_binds_it() -> None:
    source = """
def f(x, ys):
    return [x for x in ys]
record(f(1, [2, 3]))
"""
    code = instrumented(
        source, asked(("insert_before", None, "g = lambda: x"), ("insert_at_line", 3, "record(x, g())"))
    )
    assert equip.check(code) == ()
    assert run(code) == [(1, 1), *([(2, 1), (3, 1)] if INLINED else []), [2, 3]]


def test_capturing_the_variable_of_an_inlined_comprehension_is_refused() -> None:
    source = "def f(x, ys):\n    return [x for x in ys]\n"
    ask = asked(("insert_at_line", 2, "record((lambda: x)())"))
    if not INLINED:
        assert run(instrumented(source + "record(f(1, [2]))", ask)) == [1, [2]]
        return
    with pytest.raises(equip.SnippetError, match=r"line 2 of function 'f' .*'x', which a comprehension uses"):
        instrumented(source, ask)
    ask = asked(("insert_at_line", 2, "pass\nrecord((lambda: x)())"))
    with pytest.raises(equip.SnippetError, match=r"^snippet line 2 'record\(\(lambda: x\)\(\)\)' at line 2 of"):
        instrumented(source, ask)


def test_free_variable_that_is_a_comprehension_s_own_as_well() -> None:
    # There are two variables of that name in the frame, and the snippet got the comprehension's.
    source = """
def f():
    x = 1
    def g(ys):
        r = [x for x in ys]
        return r, x
    return g
record(f()([2, 3]))
"""
    ask = asked(
        ("insert_before", None, "nonlocal x\nrecord(x, (lambda: x)())\nx = 7"), ("insert_at_line", 5, "seen = x")
    )
    code = instrumented(source, ask, "g")
    assert equip.check(code) == ()
    assert run(code) == [(1, 1), ([2, 3], 7)]


def test_handler_around_the_body_does_not_cover_what_the_comprehension_s_own_does_not() -> None:
    # The compiler has the jump back of a comprehension with a condition in no handler, though a signal can raise there.
    source = "def f(c, x):\n    return [1 for x in c if x]\nrecord(f((1,), 0))\n"
    for how in ("insert_on_raise", "insert_before"):
        code = instrumented(source, asked((how, None, "record((lambda: x)())"), ("insert_on_raise", None, "record(x)")))
        assert equip.check(code) == ()
    assert run(code) == [0, [1]]


# -- instrumenting what was instrumented ------------------------------------------------------------------------------


@pytest.mark.parametrize("again", ["raise KeyError", "record({return_value})", "record('again')"])
def test_returns_that_a_snippet_brought_along_are_none_of_the_function_s(again: str) -> None:
    # What was put before them stood in the handler that they belong to, with nothing of it on the stack.
    class Again(equip.MethodVisitor):
        def visit(self, meth_decl: equip.MethodDeclaration) -> None:
            equip.SimpleRewriter(meth_decl).insert_after(again)

    source = "def f(y):\n    return 10 // y\nrecord(f(0))\n"
    ask = asked(("insert_on_raise", None, "return 5"), ("insert_before", None, "if y == 7: return"))
    code = instrumented(source, ask)
    code = equip.instrument_code(code, Again())
    assert equip.check(code) == ()
    assert run(code) == [5]


def test_suspending_before_a_return_of_what_was_instrumented() -> None:
    class Again(equip.MethodVisitor):
        def visit(self, meth_decl: equip.MethodDeclaration) -> None:
            equip.SimpleRewriter(meth_decl).insert_after("x = yield 5")

    source = "def f(y):\n    yield 10 // y\nrecord(list(f(0)), list(f(1)))\n"
    code = equip.instrument_code(
        instrumented(source, asked(("insert_on_raise", None, "if y == 0: return 5"))), Again()
    )
    assert equip.check(code) == ()
    assert run(code) == [([], [10, 5])]


# -- lines that the compiler has in a handler, though they stand in no ``try`` -----------------------------------------

IS_INLINED = sys.version_info >= (3, 12)
"""Whether comprehensions are."""
ITEMS = """
import asyncio
async def items(count):
    for item in range(count):
        yield item
"""
LOOP = """async def f(count):
    async for item in items(count):
        record(item)
    record("ended")
"""
COMPREHENSION = "async def f(count):\n    return [item async for item in items(count)\n        if item]\n"
HANDLED = """async def f(count):
    try:
        async for item in items(count):
            record(item)
    except StopAsyncIteration:
        record("handled")
"""


@pytest.mark.parametrize("error", ["StopAsyncIteration", "OSError"])
@pytest.mark.parametrize(
    ("source", "line", "before", "handled"),
    [(LOOP, 7, [0], []), (COMPREHENSION, 7, [], []), (HANDLED, 8, [0], ["StopAsyncIteration"])],
)
def test_what_a_snippet_raises_at_an_async_for_does_not_end_the_loop(
    source: str, line: int, before: list[object], handled: list[str], error: str
) -> None:
    # What asks for the next item is covered by the end of the loop, which takes StopAsyncIteration for itself.
    if source is COMPREHENSION and not IS_INLINED:
        pytest.skip("a comprehension is a function of its own until 3.11")
    ask = asked(
        ("insert_before", None, "n = 0"),
        ("insert_at_line", line, f"n += 1\nif n == 2: raise {error}"),
    )
    source = f"{ITEMS}{source}try: asyncio.run(f(9))\nexcept Exception as error: record(type(error).__name__)\n"
    code = instrumented(source, ask)
    assert equip.check(code) == ()
    assert run(code) == [*before, "handled" if error in handled else error]


RETURN = "n += 1\nif n == {}: return 'early'"


@pytest.mark.parametrize("rounds", [1, 2, 3])
@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("    return [k for k in range(5)]\n", [7]),
        ("    return sorted({k for k in range(5)}, key=(lambda *_, k=1: k))\n", [7]),
        ("    return [(k,\n        j) for k in range(5)\n        for j in range(k)\n        if j]\n", [7, 8, 9, 10]),
        (
            "    k = 'own'\n    own = lambda: k\n"
            "    found = {k: [k\n        for k in range(k)]\n        for k in range(5)}\n"
            "    return found, k, own()\n",
            [9, 10, 11],
        ),
        ("    return sorted([one for one in range(5)\n        if one], key=str)\n", [7, 8]),
    ],
)
def test_return_at_a_line_with_a_comprehension(source: str, lines: list[int], rounds: int) -> None:
    # From 3.12 on the compiler has it in a handler that restores the variables, and what these were on the stack.
    source = f"{ITEMS}def f(n):\n{source}"
    plain = run(compile(f"{source}record(f(0))\n", "program.py", "exec"))
    for line in lines[: None if IS_INLINED else 1]:  # Those below are of the comprehension's own function.
        code = instrumented(f"{source}record(f(0))\n", asked(("insert_at_line", line, RETURN.format(rounds))))
        assert equip.check(code) == ()
        assert run(code) in (["early"], plain)
        if rounds == 1:
            assert run(code) == ["early"]
        if line > lines[0]:
            assert run(code) == ["early"]


@pytest.mark.parametrize(("source", "line"), [(LOOP, 7), (COMPREHENSION, 7)])
def test_return_at_an_async_for(source: str, line: int) -> None:
    source = f"{ITEMS}{source}record(asyncio.run(f(9)))\n"
    ask = asked(("insert_before", None, "n = 0"), ("insert_at_line", line, RETURN.format(2)))
    code = instrumented(source, ask)
    assert equip.check(code) == ()
    assert run(code)[-1] == ("early" if "[" not in source or IS_INLINED else [*range(1, 9)])


def test_return_at_a_line_with_a_comprehension_in_a_try_is_refused() -> None:
    source = "def f(n):\n    try:\n        return [k for k in range(5)]\n    finally:\n        record(n)\n"
    with pytest.raises(equip.SnippetError, match="inside a `try` or `with`"):
        instrumented(source, asked(("insert_at_line", 3, RETURN.format(1))))


@pytest.mark.parametrize(
    "call",
    ["record(1,\n       n)", "n.bit_length(\n       *[n])", "(lambda *_: 1)(1,\n       n)", "str(\n  n).upper(1,\n n)"],
)
def test_return_at_a_line_in_the_middle_of_a_call(call: str) -> None:
    # Until 3.13 POP_TOP took the nothing that is on the stack for a call, which crashed the interpreter.
    source = f"def f(n):\n    return {call}\nrecord(f(1))\n"
    code = instrumented(source, asked(("insert_at_line", 3, "if n: return 'early'")))
    assert equip.check(code) == ()
    assert run(code) == ["early"]


def test_return_in_the_middle_of_a_call_behind_one_in_loops() -> None:
    # As much is on the stack in both places, of which POP_TOP takes all only in the first.
    loops = "def f(n):\n    for i in n:\n        for j in n:\n            record(i, j)\n"
    source = f"{loops}    return str(\n        n)\nrecord(f([1]))\n"
    snippet = "if i > 5: return 'early'"
    code = instrumented(source, asked(("insert_at_line", 4, snippet), ("insert_at_line", 6, snippet)))
    assert equip.check(code) == ()
    assert run(code) == [(1, 1), "[1]"]


@pytest.mark.parametrize(
    ("snippet", "source", "expected"),
    [
        ("if left: return left + 1", "def f(left):\n    return str(\n        left)\n", 2),
        ("keep = lambda: left\nif left: return keep() + 1", "def f(left):\n    return str(\n        left)\n", 2),
        ("left = n + 1\nkeep = lambda: left\nif n: return keep()", "def f(n):\n    return str(\n        n)\n", 2),
    ],
)
def test_return_in_the_middle_of_a_call_leaves_variables_alone(snippet: str, source: str, expected: int) -> None:
    # What is left on the stack had a symbol that could be a name of the snippet, too.
    code = instrumented(f"{source}record(f(1))\n", asked(("insert_at_line", 3, snippet)))
    assert equip.check(code) == ()
    assert run(code) == [expected]


def test_return_in_the_middle_of_a_call_of_what_super_has() -> None:
    source = """class B:
    def f(self, n): return n
class C(B):
    def g(self, n):
        return super().f(
            n)
record(C().g(1))
"""
    code = instrumented(source, asked(("insert_at_line", 6, "if n: return 'early'")), "g")
    assert equip.check(code) == ()
    assert run(code) == ["early"]
