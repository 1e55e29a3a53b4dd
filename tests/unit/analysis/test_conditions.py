"""Expressions and conditions that are rebuilt: evaluated, they are what the bytecode computes and where it goes."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from itertools import pairwise, product
from types import CodeType, FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equip import Conditions, ControlFlow, EdgeKind, Expressions, condition
from equip.analysis.reaching import ENTRY

NAMES = ("a", "b", "c")
VALUES = (0, 1, 2, None)


def function(source: str, name: str = "f", **variables: Any) -> Callable[..., Any]:
    namespace: dict[str, Any] = {"__name__": "program", **variables}
    exec(compile(source, "program.py", "exec", dont_inherit=True), namespace)
    found = namespace[name]
    assert callable(found)
    return found


def offsets_run(f: Any, *arguments: Any) -> list[int]:
    """The offsets of the instructions that a call runs, in order."""
    found: list[int] = []

    def tracer(frame: FrameType, event: str, argument: Any) -> Any:
        if frame.f_code is not f.__code__:
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        if event == "opcode":
            found.append(frame.f_lasti)
        return tracer

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        f(*arguments)
    finally:
        sys.settrace(before)
    return found


atoms = st.sampled_from(
    [*NAMES, "a == b", "a is None", "b is not None", "c in (1, 2)", "a not in (b, c)", "b != 1", "a == 1 != c"]
)
tests = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.builds("({} and {})".format, inner, inner),
        st.builds("({} or {})".format, inner, inner),
        st.builds("(not {})".format, inner),
    ),
    max_leaves=6,
)


def check_conditions(f: Any) -> int:
    """Each condition is true if and only if control that comes to its start takes the edge; how many there are."""
    flow = ControlFlow(f)
    conditions = Conditions(flow)
    decided = [edge for edge in flow.edges if edge.kind in (EdgeKind.TRUE, EdgeKind.FALSE)]
    found = {edge: conditions.of(edge) for edge in decided}
    for values in product(VALUES, repeat=len(NAMES)):
        ran = offsets_run(f, *values)
        blocks = [flow.block_at(offset) for offset in ran]
        path = {(one, two) for one, two in pairwise(blocks) if one is not two}
        scope = dict(zip(NAMES, values, strict=True))
        for edge, one in found.items():
            if one is not None and one.start in blocks:
                assert bool(eval(one.source, {}, scope)) == ((edge.source, edge.target) in path), one.source
    return sum(one is not None for one in found.values())


@settings(max_examples=60)
@given(tests)
def test_conditions_say_which_way_is_taken(test: str) -> None:
    assert check_conditions(function(f"def f(a, b, c):\n    if {test}:\n        return 1\n    return 2")) > 0


@settings(max_examples=30)
@given(tests, tests)
def test_conditions_of_branches_behind_branches(one: str, two: str) -> None:
    source = f"def f(a, b, c):\n    if {one}:\n        a = 1\n"
    source += f"    elif {two}:\n        return 3\n    else:\n        c = 0\n"
    check_conditions(function(source + "    return a, c"))


def sources(code: str) -> set[str]:
    conditions = Conditions(function(code))
    return {found.source for edge in conditions.flow.edges if (found := conditions.of(edge)) is not None}


def test_conditions_are_put_together_again() -> None:
    assert "x > 0 and not done" in sources("def f(x, done):\n    if x > 0 and not done: return 1\n    return 2")
    # The way out is copied for each branch.
    assert "x > 0 and not done" in sources("def f(x, done):\n    if x > 0 and not done:\n        for x in x: pass\n")
    assert "(a or b) and c is None" in sources("def f(a, b, c):\n    if (a or b) and c is None: return 1\n    return 2")
    assert {"x", "not x"} <= sources("def f(x):\n    while x: x = g(x)\n    return 2")


def test_a_condition_knows_where_it_begins_and_what_it_reads() -> None:
    f = function("def f(x, done):\n    x = g(x)\n    if x > 0 and not done:\n        return 1\n    return 2", g=abs)
    flow = ControlFlow(f)
    found = {one.source: one for edge in flow.edges if (one := condition(flow, edge)) is not None}
    both = found["x > 0 and not done"]
    assert both.start is flow.blocks[0]
    assert set(both.definitions) == {"x", "done"}
    assert [one.offset for one in both.definitions["done"]] == [ENTRY]
    (x,) = both.definitions["x"]
    assert x.offset > 0


def test_what_has_no_condition() -> None:
    f = function("def f(x):\n    for y in x:\n        if (y if x else g): return 1\n    return 2")
    flow = ControlFlow(f)
    for edge in flow.edges:
        if edge.kind not in (EdgeKind.TRUE, EdgeKind.FALSE):
            assert condition(flow, edge) is None


# -- expressions ---------------------------------------------------------------------------------------------------


class Thing:
    """Calls, attributes and items of everything; remembers how it came about."""

    def __init__(self, shown: str) -> None:
        self.shown = shown

    def __getattr__(self, name: str) -> Thing:
        return Thing(f"{self.shown}.{name}")

    def __getitem__(self, key: object) -> Thing:
        return Thing(f"{self.shown}[{key!r}]")

    def __call__(self, *arguments: object, **named: object) -> Thing:
        return Thing(f"{self.shown}({arguments!r}, {sorted(named.items())!r})")

    def __iter__(self) -> Any:
        return iter((1, self))

    def keys(self) -> tuple[str, ...]:
        return ("key",)

    def __add__(self, other: object) -> Thing:
        return Thing(f"({self.shown} + {other!r})")

    def __repr__(self) -> str:
        return self.shown

    def __format__(self, spec: str) -> str:
        return f"<{self.shown}:{spec}>"


leaves = st.sampled_from(["a", "b", "c", "1", "-2", "'text'", "None", "2.5", "(1, 'x')", "b'y'", "-0.0", "..."])
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds("a.name({}, k={})".format, inner, inner),
        st.builds("b(*{})[{}]".format, st.sampled_from("abc"), inner),
        st.builds("c({}, *a, k={}, **b)".format, inner, inner),
        st.builds("(a + {})".format, inner),
        st.builds("[{}, {}, *a]".format, inner, inner),
        st.builds("({},)".format, inner),
        st.builds("{{'k': {}, 1: {}}}".format, inner, inner),
        st.builds("a[{}:{}]".format, inner, inner),
        st.builds("a[::{}]".format, inner),
        st.builds("f'x{{{}!r}} {{a:>{{b}}}}'".format, st.sampled_from("abc")),
        st.builds("(not {})".format, inner),
        st.builds("(a[{}] is {})".format, inner, st.sampled_from(["None", "a"])),
        st.builds("(a, {}) == ({}, a)".format, inner, inner),
    ),
    max_leaves=5,
)


@settings(max_examples=150)
@given(values)
def test_rebuilt_expressions_are_the_same(source: str) -> None:
    f = function(f"def f(a, b, c):\n    result = {source}\n    return result")
    expressions = Expressions(f)
    store = next(one for one in expressions.instructions if one.opname.startswith("STORE_FAST"))
    scope = {name: Thing(name) for name in NAMES}
    found = expressions.find_operand(store.offset)
    assert found is not None, source
    rebuilt = ast.unparse(found[0])
    assert repr(eval(rebuilt, {}, scope)) == repr(eval(source, {}, scope)), rebuilt


@pytest.mark.parametrize(
    "source",
    ["self.items.append(x)", "print(x, sep='')", "x[1:](*x, **x)", "f(g(x), k=-x ** 2)", "len(x) // 2 % 3", "x.y[x.z]"],
)
def test_calls_read_as_they_were_written(source: str) -> None:
    code: CodeType = function(f"def f(self, x):\n    result = {source}").__code__
    expressions = Expressions(code)
    store = next(one for one in expressions.instructions if one.opname.startswith("STORE_FAST"))
    found = expressions.find_operand(store.offset)
    assert found is not None
    assert ast.unparse(found[0]) == source


@pytest.mark.parametrize(
    "source", ["x if y else 1", "(yield x)", "lambda: x", "+".join(["x"] * 300)]
)
def test_what_has_no_source(source: str) -> None:
    f = function(f"def f(x, y):\n    while y:\n        x.result = g(y, {source})\n")
    expressions = Expressions(f)
    store = next(one for one in expressions.instructions if one.opname == "STORE_ATTR")
    assert expressions.find_operand(store.offset, 1) is None
