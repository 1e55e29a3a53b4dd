"""When a line is encountered: what equip's LINENO sees against what ``sys.settrace`` sees."""

from __future__ import annotations

import builtins
import contextlib
import dis
import functools
import gc
import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from types import CodeType, FrameType
from typing import Any

import equip
from oracle.copies import Copies
from oracle.drive import lines_with_code
from oracle.observe import Observation, differences, run
from oracle.programs import Program
from oracle.targets import all_code, functions, is_function
from oracle.workloads import WORKLOADS

Hit = tuple[str, int, int]
"""The qualified name of a function, the line of its ``def``, the line that was encountered."""


RETURNS_FIRE = sys.version_info[:2] == (3, 12)
"""Two faults of 3.12. A jump target right behind a call, on the call's line, fires when the callee was a
Python function that ran inline, and does not when it was in C (``k == 0 or f(k)``, the end of that
expression). And ``throw()`` into what waits for another generator, which then returns, fires at the END_SEND
that it passes over, where no event can come from otherwise. Who returns there cannot be known from the code,
so such events are left out."""


@functools.cache
def behind_returns(code: CodeType) -> frozenset[int]:
    """The offsets of END_SEND, and of jump targets right behind what may run a frame inline, same line."""
    found = {instruction.offset for instruction in dis.get_instructions(code) if instruction.opname == "END_SEND"}
    instructions = list(dis.get_instructions(code))
    for previous, instruction in itertools.pairwise(instructions):
        inline = previous.opname in ("CALL", "CALL_FUNCTION_EX", "LOAD_ATTR", "BINARY_SUBSCR")
        same = previous.positions and instruction.positions
        if inline and same and previous.positions.lineno == instruction.positions.lineno:  # type: ignore[union-attr]
            if instruction.is_jump_target:
                found.add(instruction.offset)
    return frozenset(found)


class LineVisitor(equip.MethodVisitor):
    """Asks for a snippet at every line of every function; a line that equip has no place for is left out."""

    def __init__(self) -> None:
        super().__init__()
        self.visited: set[tuple[str, int]] = set()

    def visit(self, decl: Any) -> None:
        code = decl.code_object
        key = code.co_qualname, code.co_firstlineno
        self.visited.add(key)
        rewriter = equip.SimpleRewriter(decl)
        for lineno in sorted(lines_with_code(code)):
            with contextlib.suppress(equip.JoinPointError):
                rewriter.insert_at_line(lineno, f"line_hit({(*key, lineno)!r})")


def _forget(hit: Hit) -> None:
    """What instrumented code calls outside of the part that is compared."""


@contextlib.contextmanager
def snippets_append_to(hits: list[Hit]) -> Iterator[None]:
    setattr(builtins, "line_hit", hits.append)  # noqa: B010
    try:
        yield
    finally:
        setattr(builtins, "line_hit", _forget)  # noqa: B010


@contextlib.contextmanager
def settrace_appends_to(hits: list[Hit], watched: Callable[[CodeType], bool]) -> Iterator[None]:
    """Record the line events of the frames of some code, with a tracer that is there before each call."""

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        code = frame.f_code
        if not watched(code):
            return None
        key = code.co_qualname, code.co_firstlineno

        def local(frame: FrameType, event: str, argument: object) -> Any:
            if event == "line" and not (RETURNS_FIRE and frame.f_lasti in behind_returns(code)):
                hits.append((*key, frame.f_lineno))
            return local

        return local

    previous = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(previous)


def compare_hits(expected: Sequence[object], got: Sequence[object]) -> list[str]:
    """Where the two recordings part, with the function and the lines around that place."""
    if list(expected) == list(got):
        return []
    at = next((i for i, (a, b) in enumerate(zip(expected, got, strict=False)) if a != b), min(len(expected), len(got)))
    return [f"event {at}: after {expected[max(0, at - 3) : at]} expected {expected[at : at + 4]} got {got[at : at + 4]}"]


def same_functions(visitor: LineVisitor, code: CodeType) -> Callable[[CodeType], bool]:
    """What to watch under the tracer: the plain functions that equip visited in the same program."""
    watched = {id(c) for c in visited_code(visitor, code)}
    return lambda c: id(c) in watched


def visited_code(visitor: LineVisitor, code: CodeType) -> list[CodeType]:
    """Functions of the plain program; a user's own ``__annotate__`` only its name tells from the compiler's."""
    candidates = [c for c in all_code(code) if is_function(c) or c.co_name == "__annotate__"]
    return [c for c in candidates if (c.co_qualname, c.co_firstlineno) in visitor.visited]


def compare_program(program: Program, _: str) -> list[str]:
    """A program of the corpus, once under ``sys.settrace`` and once instrumented."""
    plain = compile(program.source, program.path, "exec", dont_inherit=True)
    visitor = LineVisitor()
    instrumented = equip.instrument_code(plain, visitor, verify=True)
    expected: list[Hit] = []
    got: list[Hit] = []
    name, watched = f"corpus_{program.name}", same_functions(visitor, plain)
    traced = run(plain, name, program.path, around=lambda: settrace_appends_to(expected, watched), seconds=300)
    seen = run(instrumented, name, program.path, around=lambda: snippets_append_to(got), seconds=300)
    if not expected and functions(plain):
        return ["nothing was traced"]
    return compare_hits(expected, got) + differences(traced, seen, by_hand=False)


def perform(name: str, copies: Copies, around: Callable[[], Any]) -> Observation:
    """Load the modules of a workload, then do its work inside a context manager."""
    steps = WORKLOADS[name](copies)
    next(steps)
    gc.collect()
    gc.disable()
    try:
        with around():
            result = next(steps)
    finally:
        gc.enable()
    steps.close()
    return Observation(stdout=repr(result))


def compare_workload(_: Program | None, name: str) -> list[str]:
    """A workload on copies of standard library modules, once under ``sys.settrace`` and once instrumented."""
    visitor = LineVisitor()
    expected: list[Hit] = []
    got: list[Hit] = []
    instrumented = Copies(lambda code: equip.instrument_code(code, visitor, verify=True))
    with snippets_append_to([]):
        pass
    seen = perform(name, instrumented, lambda: snippets_append_to(got))
    plain = Copies()
    watched: set[int] = set()

    def watch() -> Any:
        for code in plain.codes.values():
            watched.update(id(c) for c in visited_code(visitor, code))
        return settrace_appends_to(expected, lambda c: id(c) in watched)

    traced = perform(name, plain, watch)
    if not expected:
        return ["nothing was traced"]
    return compare_hits(expected, got) + differences(traced, seen, by_hand=False)
