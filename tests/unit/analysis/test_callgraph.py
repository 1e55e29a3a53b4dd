"""Call graphs of a small package and of modules of the standard library."""

from __future__ import annotations

import sysconfig
from pathlib import Path

import pytest

from equip import BytecodeObject, CallGraph

A = """
import functools
from .b import helper as h, Base
from . import b
import pkg.b as bb
import pkg.b
def deco(f): return f
@deco
def f(x): return h(x) + g() + b.helper(1) + bb.helper(2) + pkg.b.helper(3)
def g():
    def inner(): return f(1)
    return inner()
class C(Base):
    def __init__(self): self.m()
    def m(self): return super().m() + self.n() + self.s(1)
    @staticmethod
    def s(self): return self.m()
    @functools.cache
    def t(self): return (lambda: self.s(1))()
    @classmethod
    def make(cls): return C()
k = C
k().m()
if __name__: f(k())
def either(x):
    if x:
        def run(): return g()
    else:
        run = deco
    return run(x), unknown(x), x.method()(1)
"""
B = """
class Base:
    def n(self): return 1
    def m(self): return helper(2)
def helper(x, *a): return helper(*a)
"""


def package() -> dict[str, object]:
    return {"pkg": compile("", "i", "exec"), "pkg.a": compile(A, "a", "exec"), "pkg.b": compile(B, "b", "exec")}


@pytest.fixture(scope="module")
def graph() -> CallGraph:
    return CallGraph(package())


@pytest.mark.parametrize(
    ("caller", "callees"),
    [
        ("pkg.a:f", ["pkg.b:helper", "pkg.a:g"]),
        ("pkg.a:g", ["pkg.a:g.<locals>.inner"]),
        ("pkg.a:g.<locals>.inner", ["pkg.a:f"]),
        ("pkg.a:C.__init__", ["pkg.a:C.m"]),
        ("pkg.a:C.m", ["pkg.b:Base.m", "pkg.b:Base.n", "pkg.a:C.s"]),
        ("pkg.a:C.s", []),
        ("pkg.a:C.t", ["pkg.a:C.t.<locals>.<lambda>"]),
        ("pkg.a:C.t.<locals>.<lambda>", ["pkg.a:C.s"]),
        ("pkg.a:C.make", ["pkg.a:C.__init__"]),
        ("pkg.a:<module>", ["pkg.a:deco", "pkg.a:C.__init__", "pkg.a:f"]),
        ("pkg.a:either", ["pkg.a:either.<locals>.run", "pkg.a:deco"]),
        ("pkg.b:helper", ["pkg.b:helper"]),
    ],
)
def test_who_calls_whom(graph: CallGraph, caller: str, callees: list[str]) -> None:
    assert list(graph.callees(caller)) == callees


def test_callers_and_edges(graph: CallGraph) -> None:
    assert graph.callers("pkg.b:helper") == ("pkg.a:f", "pkg.b:helper", "pkg.b:Base.m")
    assert ("pkg.a:C.m", "pkg.b:Base.n") in set(graph.edges())
    assert "pkg.a:C.make" in graph.functions


def test_the_rest_is_unresolved_by_its_source(graph: CallGraph) -> None:
    unresolved = graph.unresolved
    assert {"unknown", "x.method", "x.method()", "k().m"} <= set(unresolved)
    (call,) = unresolved["unknown"]
    assert (call.caller, call.lineno) == ("pkg.a:either", 30)


def test_programs_can_be_given_in_several_ways() -> None:
    code = compile("def f(): return g()\ndef g(): pass", "one.py", "exec")
    assert CallGraph(code).callees("__main__:f") == ("__main__:g",)
    module = BytecodeObject.from_code(code, "one.py").main_module
    assert CallGraph(module).callees("one:f") == ("one:g",)
    assert CallGraph([module]).callees("one:f") == ("one:g",)
    assert CallGraph({"two": module}).callees("two:f") == ("two:g",)
    with pytest.raises(TypeError, match="call graph"):
        CallGraph(3)


def test_aliases_that_go_in_circles_mean_nothing() -> None:
    source = "a = b\nb = a\na()\nclass C(C): pass\nC()\nclass D(E): pass\nE = D\nD().x()"
    graph = CallGraph(compile(source, "circles.py", "exec"))
    assert graph.unresolved["a"]


def test_modules_of_the_standard_library() -> None:
    library = Path(sysconfig.get_path("stdlib"))
    names = {"json": "json/__init__.py", "json.decoder": "json/decoder.py", "json.encoder": "json/encoder.py"}
    graph = CallGraph({name: compile((library / path).read_bytes(), path, "exec") for name, path in names.items()})
    assert "json.decoder:JSONDecoder.__init__" in graph.callees("json:loads")
    assert graph.callees("json.decoder:JSONDecoder.decode") == (
        "json.decoder:JSONDecoder.raw_decode",
        "json.decoder:JSONDecodeError.__init__",
    )
    assert "json.encoder:JSONEncoder.iterencode" in graph.callees("json.encoder:JSONEncoder.encode")
    assert "isinstance" in graph.unresolved
    known = {*graph.functions}
    for caller, callee in graph.edges():
        assert callee in known or callee.partition(":")[2][0].isupper(), (caller, callee)
