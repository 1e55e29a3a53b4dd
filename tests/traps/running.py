"""Programs, plain and instrumented, and what they do. A program says what it sees with ``record``, a snippet with
``probe``: what the program records must never depend on the snippets."""

from __future__ import annotations

import dis
import gc
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType
from typing import Any, NamedTuple

import equip

Ask = Callable[[equip.SimpleRewriter], object]

AROUND = "probe('before', {arguments_dict}.keys() and None)"
LINE = "probe({lineno}) if probe else [probe for _ in (1, 2)]"


class Seen(NamedTuple):
    """What a run showed: the program's own records, the snippets', and how the module ended."""

    records: list[Any]
    probes: list[Any]
    ending: str


def instrumented(source: str, ask: Ask, *names: str, **options: Any) -> CodeType:
    """``source`` with what ``ask`` wants in each function of these names (``f`` by default)."""

    class Visitor(equip.MethodVisitor):
        def visit(self, meth_decl: equip.MethodDeclaration) -> None:
            if meth_decl.method_name in (names or ("f",)):
                ask(equip.SimpleRewriter(meth_decl))

    return equip.instrument_code(compile(source, "program.py", "exec", dont_inherit=True), Visitor(), **options)


class Everywhere(equip.MethodVisitor):
    """Entry, returns, exceptions and each line of every function."""

    def visit(self, meth_decl: equip.MethodDeclaration) -> None:
        rewriter = equip.SimpleRewriter(meth_decl)
        rewriter.insert_before("probe('before', {arguments_dict})").insert_after("probe('after', {return_value})")
        rewriter.insert_on_raise("probe('raise', type({exception}))")
        for line in code_lines(meth_decl.code_object):
            try:
                rewriter.insert_at_line(line, "equip_line = [probe({lineno}) for _ in (1,)]")
            except equip.JoinPointError:
                continue  # a line with code on which no line event fires


class Lines(equip.MethodVisitor):
    """Each line of every function."""

    def __init__(self, snippet: str = "probe({qualname}, LINE)") -> None:
        self.snippet = snippet

    def visit(self, meth_decl: equip.MethodDeclaration) -> None:
        rewriter = equip.SimpleRewriter(meth_decl)
        for line in code_lines(meth_decl.code_object):
            try:
                rewriter.insert_at_line(line, self.snippet.replace("LINE", str(line)))
            except equip.JoinPointError:
                continue


def code_lines(code: CodeType) -> list[int]:
    return sorted({line for *_, line in code.co_lines() if line})


def run(code: CodeType) -> Seen:
    """Run a module; an exception that leaves it is its ending."""
    records: list[Any] = []
    probes: list[Any] = []

    def noting(into: list[Any]) -> Callable[..., None]:
        return lambda *what: into.append(what[0] if len(what) == 1 else what)

    ending = ""
    try:
        exec(code, {"__name__": "program", "record": noting(records), "probe": noting(probes)})
    except Exception as error:
        ending = repr(error)
    gc.collect()
    return Seen(records, probes, ending)


def same(source: str, visitor: Any = None) -> Seen:
    """Run a program plain and instrumented, assert that it does the same, and return what the latter showed."""
    plain = compile(source, "program.py", "exec", dont_inherit=True)
    changed = equip.instrument_code(plain, visitor or Everywhere())
    assert changed is not plain
    before, after = run(plain), run(changed)
    assert after.records == before.records
    assert after.ending == before.ending
    assert before.records
    assert after.probes
    return after


def functions(code: CodeType) -> Iterator[CodeType]:
    """A code object and all that are nested in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from functions(constant)


def named(code: CodeType, name: str) -> CodeType:
    """The code object of this name in a module."""
    return next(one for one in functions(code) if one.co_name == name)


def opnames(code: CodeType) -> list[str]:
    return [instruction.opname for instruction in dis.get_instructions(code)]


def function_of(code: CodeType, name: str = "f", **variables: Any) -> FunctionType:
    """The function that a module defines."""
    namespace = {"__name__": "program", **variables}
    exec(code, namespace)
    found = namespace[name]
    assert isinstance(found, FunctionType)
    return found
