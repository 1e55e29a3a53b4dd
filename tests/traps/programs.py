"""Programs for these tests: compiled, instrumented at every join point, run, compared."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from types import CodeType
from typing import Any

import equip
from equip import isa

FILE = "program.py"


class Everywhere(equip.MethodVisitor):
    """Snippets with a handler, variables and values of their own at every join point of every function."""

    def visit(self, decl: equip.MethodDeclaration) -> None:
        rewriter = equip.SimpleRewriter(decl)
        rewriter.insert_before("seen = 0\nhits.append('before')")
        rewriter.insert_after("hits.append(('after', {return_value}))")
        rewriter.insert_on_raise("hits.append(('raise', type({exception})))")
        for line in lines_of(decl.code_object):
            rewriter.insert_at_line(line, "try:\n    hits.append({lineno})\nexcept MemoryError:\n    pass")


def lines_of(code: CodeType) -> list[int]:
    """The lines behind the first RESUME."""
    body = 2 * (code.co_code[::2].index(isa.RESUME) + 1 + isa.CACHES[isa.RESUME])
    return sorted({line for start, end, line in code.co_lines() if line is not None and body <= start < end})


def compiled(source: str) -> CodeType:
    return compile(source, FILE, "exec", dont_inherit=True)


def instrumented(source: str, visitor: Any = None) -> CodeType:
    return equip.instrument_code(compiled(source), visitor or Everywhere())


def at(location: equip.JoinPoint, snippet: str, name: str = "f", line: int | None = None) -> equip.MethodVisitor:
    """A visitor that puts one snippet into the functions of one name."""

    class Visitor(equip.MethodVisitor):
        def visit(self, decl: equip.MethodDeclaration) -> None:
            if decl.method_name == name:
                equip.SimpleRewriter(decl).insert_generic(snippet, location, line)

    return Visitor()


def run(code: CodeType) -> dict[str, Any]:
    """The namespace of a module that has run; ``hits`` is what its snippets noted."""
    namespace: dict[str, Any] = {"__name__": "program", "hits": []}
    exec(code, namespace)
    return namespace


def outcome(code: CodeType) -> object:
    """What ``main()`` of the module returns, or the exception that it raises, with the lines of its traceback."""
    namespace = run(code)
    try:
        return namespace["main"](), namespace["hits"] != []
    except Exception as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == FILE]
        return repr(error), lines, namespace["hits"] != []


def assert_unharmed(source: str, visitor: Any = None) -> None:
    """The program does the same with snippets (which have run) as without."""
    plain = outcome(compiled(source))
    with_snippets = outcome(instrumented(source, visitor))
    assert isinstance(plain, tuple)
    assert plain[-1] is False
    assert with_snippets == (*plain[:-1], True)


def function(code: CodeType, name: str) -> CodeType:
    """The first code object of this name in ``code``."""
    return next(found for found in nested(code) if found.co_name == name)


def nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from nested(constant)


def line_events(code: CodeType, name: str = "f") -> list[int]:
    """The lines for which a tracer gets an event in the function ``name`` while ``main()`` runs."""
    namespace = run(code)
    events: list[int] = []

    def local(frame: Any, event: str, _: object) -> Any:
        if event == "line":
            events.append(frame.f_lineno)
        return local

    before = sys.gettrace()
    sys.settrace(lambda frame, *_: local if frame.f_code.co_name == name and frame.f_code.co_filename == FILE else None)
    try:
        namespace["main"]()
    finally:
        sys.settrace(before)
    return events
