"""Calls, returns and exceptions: what BEFORE, AFTER and RAISE see against the interpreter's own events."""

from __future__ import annotations

import builtins
import contextlib
import dis
import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from types import CodeType, FrameType
from typing import Any

import equip
from oracle.copies import Copies
from oracle.linetrace import compare_hits, perform
from oracle.observe import differences, run
from oracle.programs import Program
from oracle.targets import all_code, is_function

Event = tuple[str, str, int]
"""call, return or raise; the qualified name of the function; the line of its ``def``."""
Key = tuple[str, int]

SUSPENDING = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
RETURNS = ("RETURN_VALUE", "RETURN_CONST")
RESUME = dis.opmap["RESUME"]
AT_START = 7 if sys.version_info >= (3, 15) else 3
"""The bits of RESUME's argument that say where it stands; all clear: at the start of the frame."""


class CallVisitor(equip.MethodVisitor):
    """Asks for snippets at the entry, the returns and the exceptions of every function."""

    def __init__(self) -> None:
        super().__init__()
        self.visited: set[Key] = set()

    def visit(self, decl: Any) -> None:
        key = decl.code_object.co_qualname, decl.code_object.co_firstlineno
        self.visited.add(key)
        rewriter = equip.SimpleRewriter(decl)
        rewriter.insert_before(f"call_event({('call', *key)!r})")
        rewriter.insert_after(f"call_event({('return', *key)!r})")
        rewriter.insert_on_raise(f"raise_event({('raise', *key)!r}, {{exception}})")


@contextlib.contextmanager
def snippets_append_to(events: list[Event], *, with_generators: bool) -> Iterator[None]:
    """With the exceptions of generators GeneratorExit is left out.

    From 3.13 on the interpreter does not always let it reach a frame.
    """

    def raised(event: Event, error: BaseException) -> None:
        if not (with_generators and isinstance(error, GeneratorExit)):
            events.append(event)

    set_hooks(events.append, raised)
    try:
        yield
    finally:
        set_hooks(_forget, _forget)


def set_hooks(call_event: Callable[..., None], raise_event: Callable[..., None]) -> None:
    vars(builtins).update(call_event=call_event, raise_event=raise_event)


def _forget(*_: object) -> None:
    """What instrumented code calls outside of the part that is compared."""


def visited_code(visitor: CallVisitor, code: CodeType) -> set[int]:
    """The ids of the plain functions that equip visited."""
    candidates = [c for c in all_code(code) if is_function(c) or c.co_name == "__annotate__"]
    return {id(c) for c in candidates if (c.co_qualname, c.co_firstlineno) in visitor.visited}


@functools.cache
def opnames(code: CodeType) -> dict[int, str]:
    return {i.offset: i.opname for i in dis.get_instructions(code)}


@contextlib.contextmanager
def setprofile_appends_to(events: list[Event], watched: Callable[[CodeType], bool]) -> Iterator[None]:
    """Record the calls, returns and exceptions that ``sys.setprofile`` shows.

    It has a call event for each time that a frame is resumed, and a return event for each time that it is
    left; the instruction where the frame stands tells which of them begin and end a call.
    """

    def profile(frame: FrameType, event: str, argument: object) -> None:
        code, at = frame.f_code, frame.f_lasti
        if event not in ("call", "return") or not watched(code):
            return
        key = code.co_qualname, code.co_firstlineno
        if event == "call":
            if code.co_code[at] == RESUME and not code.co_code[at + 1] & AT_START:
                events.append(("call", *key))
        elif opnames(code).get(at) in RETURNS:
            events.append(("return", *key))
        elif not code.co_flags & SUSPENDING:
            events.append(("raise", *key))

    sys.setprofile(profile)
    try:
        yield
    finally:
        sys.setprofile(None)


@contextlib.contextmanager
def monitoring_appends_to(events: list[Event], watched: Callable[[CodeType], bool]) -> Iterator[None]:
    """Record starts, returns and exceptions, those of generators included, by ``sys.monitoring`` (3.12 on)."""
    monitoring: Any = sys.monitoring  # type: ignore[attr-defined]
    kinds = monitoring.events

    def note(kind: str) -> Callable[..., None]:
        def callback(code: CodeType, offset: int, *argument: object) -> None:
            if not watched(code):
                return
            unstarted = kind == "raise" and offset < first_resume(code)
            if not unstarted and not (kind == "raise" and isinstance(argument[0], GeneratorExit)):
                events.append((kind, code.co_qualname, code.co_firstlineno))

        return callback

    tool = monitoring.PROFILER_ID
    monitoring.use_tool_id(tool, "equip tests")
    wanted = {kinds.PY_START: "call", kinds.PY_RETURN: "return", kinds.PY_UNWIND: "raise"}
    for event, kind in wanted.items():
        monitoring.register_callback(tool, event, note(kind))
    monitoring.set_events(tool, functools.reduce(int.__or__, wanted))
    try:
        yield
    finally:
        monitoring.set_events(tool, 0)
        monitoring.free_tool_id(tool)


@functools.cache
def first_resume(code: CodeType) -> int:
    return next(offset for offset, name in opnames(code).items() if name == "RESUME")


Recorder = Callable[[list[Event], Callable[[CodeType], bool]], contextlib.AbstractContextManager[None]]


def comparable(events: list[Event], suspending: set[Key]) -> list[Event]:
    """Without the exceptions of generators, which ``sys.setprofile`` cannot tell from a yield of None."""
    return [event for event in events if event[0] != "raise" or event[1:] not in suspending]


def suspending_functions(codes: list[CodeType]) -> set[Key]:
    found = [c for code in codes for c in all_code(code) if c.co_flags & SUSPENDING]
    return {(c.co_qualname, c.co_firstlineno) for c in found}


def _program(program: Program, recorder: Recorder, *, with_generators: bool) -> list[str]:
    plain = compile(program.source, program.path, "exec", dont_inherit=True)
    visitor = CallVisitor()
    instrumented = equip.instrument_code(plain, visitor, verify=True)
    watched = visited_code(visitor, plain)
    expected: list[Event] = []
    got: list[Event] = []
    name = f"corpus_{program.name}"
    snippets = snippets_append_to(got, with_generators=with_generators)
    set_hooks(_forget, _forget)
    left = run(plain, name, program.path, around=lambda: recorder(expected, lambda c: id(c) in watched))
    right = run(instrumented, name, program.path, around=lambda: snippets)
    if watched and not expected:
        return ["nothing was recorded"]
    leave_out = set() if with_generators else suspending_functions([plain])
    problems = compare_hits(comparable(expected, leave_out), comparable(got, leave_out))
    return problems + differences(left, right, by_hand=False)


def _workload(name: str, recorder: Recorder, *, with_generators: bool) -> list[str]:
    visitor = CallVisitor()
    expected: list[Event] = []
    got: list[Event] = []
    snippets = snippets_append_to(got, with_generators=with_generators)
    set_hooks(_forget, _forget)
    right = perform(name, Copies(lambda code: equip.instrument_code(code, visitor, verify=True)), lambda: snippets)
    plain = Copies()
    watched: set[int] = set()

    def watch() -> Any:
        watched.update(*(visited_code(visitor, code) for code in plain.codes.values()))
        return recorder(expected, lambda c: id(c) in watched)

    left = perform(name, plain, watch)
    if not expected:
        return ["nothing was recorded"]
    leave_out = set() if with_generators else suspending_functions(list(plain.codes.values()))
    problems = compare_hits(comparable(expected, leave_out), comparable(got, leave_out))
    return problems + differences(left, right, by_hand=False)


def profile_program(program: Program, _: str) -> list[str]:
    return _program(program, setprofile_appends_to, with_generators=False)


def monitor_program(program: Program, _: str) -> list[str]:
    return _program(program, monitoring_appends_to, with_generators=True)


def profile_workload(_: Program | None, name: str) -> list[str]:
    return _workload(name, setprofile_appends_to, with_generators=False)


def monitor_workload(_: Program | None, name: str) -> list[str]:
    return _workload(name, monitoring_appends_to, with_generators=True)
