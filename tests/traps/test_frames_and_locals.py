"""Traps 5, 12, 13, 20, 22, 24, 29 and 30: prologues, locals and cells, class scopes, inlined comprehensions."""

from __future__ import annotations

import inspect
from types import CodeType

import pytest

import equip
from traps.running import Everywhere, function_of, instrumented, named, opnames, run, same

PROLOGUE = "COPY_FREE_VARS MAKE_CELL RETURN_GENERATOR POP_TOP RESUME".split()

SCOPES = """
def outer(a, b=2):
    captured = [a]
    def f(x, y=3, *rest, k=4, **more):
        nonlocal a
        a += 1
        z = x + y + k
        g = lambda: (x, z, captured)
        return [*g(), a, b, rest, more]
    def gen(n):
        for i in range(n):
            yield i, a, (lambda: n + i)()
    async def co(n):
        return (lambda: (n, b))()
    try: co(3).send(None)
    except StopIteration as stop: record(stop.value)
    record(f(1), f(1, 2, 3, k=5, m=6), list(gen(3)), sum(i * n for i in range(3) for n in captured))
outer(7)
"""


def prologue(code: CodeType) -> list[str]:
    found = opnames(code)
    return found[: found.index("RESUME") + 1]


def test_05_the_prologue_stays_whole_and_first() -> None:
    seen = same(SCOPES)
    assert ("before", {"n": 3}) in seen.probes
    plain = compile(SCOPES, "program.py", "exec")
    changed = equip.instrument_code(plain, Everywhere())
    kinds = set()
    for name in ("f", "gen", "co", "<lambda>", "outer"):
        before, after = prologue(named(plain, name)), prologue(named(changed, name))
        assert after == before
        assert set(after) <= {*PROLOGUE, "EXTENDED_ARG"}
        kinds |= set(after)
    assert kinds >= {"COPY_FREE_VARS", "MAKE_CELL", "RETURN_GENERATOR", "RESUME"}


def test_05_a_generator_runs_what_is_before_it_when_it_first_runs() -> None:
    source = "def f():\n    yield 1\nmade = f()\nrecord('made')\nrecord(*made)"
    order = "probe('made') if 0 else record('snippet')"
    assert run(instrumented(source, lambda r: r.insert_before(order))).records == ["made", "snippet", 1]


def test_05_an_exception_of_what_is_before_a_generator_leaves_the_generator() -> None:
    source = "def f():\n    yield 1\nmade = f()\nrecord('made')\ntry: next(made)\nexcept KeyError: record(list(made))"
    assert run(instrumented(source, lambda r: r.insert_before("raise KeyError"))) == (["made", []], [], "")


class GeneratorExpressions(equip.ModuleVisitor):
    """Entry of the scopes that only the compiler makes."""

    def visit(self, module: equip.ModuleDeclaration) -> None:
        for function in module.functions:
            for scope in function.implicit_scopes:
                equip.SimpleRewriter(scope).insert_before("probe('scope')")


def test_05_a_generator_expression_exists_before_its_first_snippet() -> None:
    # On 3.15 it has two RESUMEs: what stands behind the first one would run before the generator exists.
    source = "def f(n):\n    made = (i * 2 for i in range(n))\n    probe('made')\n    return made\nrecord(list(f(3)))"
    seen = run(equip.instrument_code(compile(source, "program.py", "exec"), GeneratorExpressions()))
    assert (seen.records, seen.probes) == ([[0, 2, 4]], ["made", "scope"])


# -- unbound and borrowed locals -------------------------------------------------------------------


@pytest.mark.parametrize("snippet", ["probe({arguments})", "probe({arguments_dict})", "probe((lambda: {arg0})())"])
def test_12_a_deleted_argument_is_an_error_and_no_crash(snippet: str) -> None:
    source = """
def f(arg, other):
    if other: del arg
    record("line")
    return other
for other in (0, 1):
    try: f([1], other)
    except NameError as error: record(str(error).split("'")[1])
"""
    seen = run(instrumented(source, lambda r: r.insert_at_line(4, snippet)))
    assert seen.records == ["line", "arg"]
    assert len(seen.probes) == 1


def test_12_a_private_name_that_is_not_bound_yet_is_an_error_and_no_crash() -> None:
    source = "def f(n):\n    while n: n -= 1\n    return n\nrecord(f(0))"
    ask = lambda r: r.insert_at_line(3, "try: probe(mine)\nexcept NameError: probe('unbound')\nmine = 1")  # noqa: E731
    assert run(instrumented(source, ask)) == ([0], ["unbound"], "")


def test_12_a_local_rebound_in_the_middle_of_an_expression_keeps_its_value_alive() -> None:
    # From 3.14 on the first load of `a` borrows: the list would be freed while it is on the stack.
    source = """
def f(a, b):
    return join(a,
                b,
                a)
def join(*given): return [str(one) for one in given]
for _ in range(100): found = f([1, 2, 3] * 9, [4] * 30)
record(found)
"""
    seen = run(instrumented(source, lambda r: r.insert_at_line(4, "{arg0} = 'new'\nx = [[0] * 27, [4] * 27]")))
    assert seen.records == [[str([1, 2, 3] * 9), str([4] * 30), "new"]]


def test_12_a_local_of_the_function_cannot_be_unbound_by_a_snippet() -> None:
    source = "def f(a):\n    b = a\n    return a, b\nf(1)"
    for snippet in ("del {arg0}", "for {arg0} in (): del {arg0}", "del a", "del b", "for b in (): del b"):
        with pytest.raises(equip.SnippetError, match=r"unb(ou|i)nd"):
            instrumented(source, lambda r, s=snippet: r.insert_at_line(3, s))  # type: ignore[misc]


# -- scopes ----------------------------------------------------------------------------------------


def test_13_new_locals_leave_cells_and_free_variables_what_they_are() -> None:
    snippet = "; ".join(f"new{i} = {i}" for i in range(20)) + "; probe(new0, new19, {arg0})"

    class Visitor(equip.MethodVisitor):
        def visit(self, meth_decl: equip.MethodDeclaration) -> None:
            if meth_decl.formal_parameters:
                equip.SimpleRewriter(meth_decl).insert_before(snippet)

    seen = same(SCOPES, Visitor())
    assert (0, 19, 7) in seen.probes


def test_13_the_namespace_of_a_class_body_is_what_it_was() -> None:
    source = """
class Meta(type):
    def __new__(cls, name, bases, space, **more):
        record(sorted(key for key in space if not key.startswith("__")))
        return super().__new__(cls, name, bases, space)
class A(metaclass=Meta):
    size: int = 3
    other: "later"
    def f(self): return __class__.size, super().__repr__()[:3]
    class B:
        def f(self): return __class__.__qualname__
record(A().f(), A.B().f(), [*A.__annotations__], A.__qualname__)
"""

    class Bodies(equip.ClassVisitor):
        def visit(self, type_decl: equip.TypeDeclaration) -> None:
            equip.SimpleRewriter(type_decl).insert_before("probe({class_name}, (lambda: 1)())")

    same(source)
    seen = same(source, [Bodies(), Everywhere()])
    assert ("A", 1) in seen.probes


def test_13_variables_of_an_inlined_comprehension_stay_hidden() -> None:
    source = """
def f(items):
    found = [item for item in items if item]
    record([name for name in sorted(locals()) if "equip" not in name])
    return found, [k for k in {1: 2} for j in (1, 2)]
record(f([0, 1]))
class C:
    values = [i for i in range(3)]
    record([name for name in sorted(locals()) if name[0] != "_"])
"""
    same(source)
    # A captured variable makes new cells, for which everything is numbered anew.
    seen = run(instrumented(source, lambda r: r.insert_after("probe((lambda: {arg0})(), (lambda: {return_value}[0])())")))
    plain = run(compile(source, "program.py", "exec"))
    assert seen.records[1:] == plain.records[1:]
    assert seen.probes == [([0, 1], [1])]


def test_13_super_and_class_in_a_snippet() -> None:
    source = """
class Base:
    def f(self): return "base"
class A(Base):
    def f(self): return __class__.__name__ + super().f()
    def g(self): return self
record(A().f())
"""
    seen = run(instrumented(source, lambda r: r.insert_before("if {class_name} == 'A': probe(__class__, super().f())")
               if r._declaration.qualname == "A.f" else None))
    assert seen.records == ["Abase"]
    assert [(kept.__name__, value) for kept, value in seen.probes] == [("A", "base")]
    with pytest.raises(equip.SnippetError, match=r"super|__class__"):
        instrumented(source, lambda r: r.insert_before("super().f()"), "g")


def test_20_names_of_a_method_are_mangled_in_its_snippets() -> None:
    source = """
class _Account:
    __rate = 5
    def __init__(self): self.__balance = 1
    def f(self, __new): self.__balance += __new
    class __Inner:
        def f(self): return 1
a = _Account()
a.f(2); getattr(a, "_Account__Inner")().f()
record(a._Account__balance)
"""
    snippet = "{arg0}.__seen = 1; __mine = 2; probe(sorted(vars({arg0})), __mine, {method_name}, '{arguments}')"
    seen = run(instrumented(source, lambda r: r.insert_after(snippet)))
    assert seen.records == [3]
    assert seen.probes[0] == (["_Account__balance", "_Account__seen"], 2, "f", "self, _Account__new")
    assert seen.probes[1][0] == ["_Inner__seen"]


def test_22_a_comprehension_keeps_its_own_variable_when_a_local_becomes_a_cell() -> None:
    source = """
def f(x, items):
    first = [x for x in items]
    second = {x: [x + 1 for x in (x, x)] for x in items if x}
    try:
        [1 // x for x in items]
    except ZeroDivisionError:
        record(x)
    return x, first, second
for _ in range(20): found = f("own", [0, 1, 2])
record(found)
"""
    snippets = ["fetch = lambda: {arg0}", "probe(fetch())", "def change():\n    nonlocal x\n    x = x + '!'\nchange()"]

    def ask(rewriter: equip.SimpleRewriter) -> None:
        rewriter.insert_before(snippets[0]).insert_before(snippets[2]).insert_after(snippets[1])

    seen = run(instrumented(source, ask))
    assert seen.records == [*["own!"] * 20, ("own!", [0, 1, 2], {1: [2, 2], 2: [3, 3]})]
    assert seen.probes == ["own!"] * 20


def test_24_cells_that_look_like_locals_move_as_cells() -> None:
    # From 3.13 on a closure takes its cells by LOAD_FAST; a snippet's private names move their slots.
    source = """
def f(a, b):
    c = a
    def read(): return a, b, c
    def write(v):
        nonlocal c
        c = v
        return lambda: (c, v)
    return read(), write(b)(), read()
for _ in range(5): record(f(1, 2))
"""
    snippet = "p, q, r = {arg0}, {arg1}, [lambda: ({arg1}, p)]; probe(p, q, r[0]())"
    seen = run(instrumented(source, lambda r: r.insert_before(snippet).insert_after("probe(c, (lambda: c)())")))
    assert seen.records == run(compile(source, "program.py", "exec")).records
    assert seen.probes == [(1, 2, (2, 1)), (2, 2)] * 5


def test_24_a_value_in_a_cell_is_no_local() -> None:
    # From 3.14 on dis.haslocal contains LOAD_DEREF.
    source = "def f(a):\n    g = lambda: a\n    a += 1\n    return g()\nrecord(f(1))"
    code = instrumented(source, lambda r: r.insert_at_line(4, "a = a * 10; b = a; probe(b)"))
    assert run(code) == ([20], [20], "")
    assert named(code, "f").co_cellvars == ("a",)


def test_29_nested_code_of_a_snippet_is_named_after_its_target() -> None:
    source = "class A:\n    def f(self):\n        return lambda: 1\nrecord(A().f()())"
    snippet = """
def helper():
    class Inner:
        def m(self): return [i for i in (lambda: 1,)]
    return Inner
probe(helper.__qualname__, helper().__qualname__, helper()().m()[0].__qualname__, (lambda: 0).__qualname__)
"""
    code = instrumented(source, lambda r: r.insert_before(snippet))
    start = "A.f.<locals>.helper"
    inner = f"{start}.<locals>.Inner.m.<locals>.<lambda>"
    assert run(code) == ([1], [(start, f"{start}.<locals>.Inner", inner, "A.f.<locals>.<lambda>")], "")


def test_29_super_without_arguments_uses_the_targets_first_parameter() -> None:
    source = """
class Base:
    def f(self, other): return ("base", self.name, other)
class A(Base):
    name = "A"
    def f(self, other, *more, key=None):
        record(super().f(other))
for _ in range(30): A().f(1, 2, key=3)
"""
    snippet = "x = 5; probe(super().f(x))"

    def ask(rewriter: equip.SimpleRewriter) -> None:
        if rewriter._declaration.qualname == "A.f":
            rewriter.insert_before(snippet).insert_after(snippet)

    seen = run(instrumented(source, ask))
    assert seen.probes == [("base", "A", 5)] * 60
    assert seen.records == [("base", "A", 1)] * 30


def test_30_a_captured_parameter_keeps_its_slot() -> None:
    source = "def f(a, b=2, *rest, k=3, **more):\n    a = [a]\n    return a, b, rest, k, more\n"
    names = "a b rest k more"
    captured = "; ".join(f"f_{name} = lambda: {name}" for name in names.split())
    read = "probe(" + ", ".join(f"f_{name}()" for name in names.split()) + ")"
    plain = function_of(compile(source, "program.py", "exec"))
    probes: list[object] = []
    code = instrumented(source, lambda r: r.insert_before(captured).insert_after(read))
    changed = function_of(code, probe=lambda *given: probes.append(given))
    assert inspect.signature(changed) == inspect.signature(plain)
    assert changed.__code__.co_varnames[:5] == plain.__code__.co_varnames[:5] == tuple("a b k rest more".split())
    assert set(changed.__code__.co_cellvars) == set(names.split())
    for given, keywords in (((1,), {}), ((1, 5, 6, 7), {"k": 8, "z": 9}), ((), {"b": 1, "a": 2, "x": 3})):
        assert changed(*given, **keywords) == plain(*given, **keywords) == probes.pop()
    with pytest.raises(TypeError, match="missing"):
        changed(k=1)
