"""Where control really goes, instruction by instruction, against the edges of the graph.

A step is two instructions that one frame ran one after the other. It has to be inside a block, or along an edge; a
frame that is left has to leave along an edge to the exit.
"""

from __future__ import annotations

import contextlib
import dis
import sys
from collections.abc import Callable, Iterator
from types import CodeType, FrameType
from typing import Any

from equip import BasicBlock, ControlFlow, EdgeKind, isa
from oracle.copies import Copies
from oracle.linetrace import perform
from oracle.observe import run
from oracle.programs import Program
from oracle.targets import all_code

RETURNED, RAISED = -1, -2
Step = tuple[CodeType, int, int]
"""The code, the offset of an instruction, and that of the next one (RETURNED or RAISED if there is none)."""

SUSPENDING = ("YIELD_VALUE", "RETURN_GENERATOR")
RETURNS = ("RETURN_VALUE", "RETURN_CONST")
INTO_HANDLER = (EdgeKind.EXCEPTION, EdgeKind.RAISE)


class Expected:
    """The steps that the graph of a code object has."""

    def __init__(self, code: CodeType) -> None:
        self.flow = ControlFlow(code)
        self.index = {one.offset: i for i, one in enumerate(self.flow.instructions)}
        self.first: dict[int, int] = {}
        "The first prefix of the instruction at an offset."
        for one in self.flow.instructions:
            self.first |= dict.fromkeys(range(one.offset, one.end, 2), one.offset)
        self.seen: set[EdgeKind] = set()

    def problem(self, before: int, after: int) -> str | None:
        """What is wrong with a step; None when the graph has it."""
        flow = self.flow
        before, after = self.first.get(before, before), self.first.get(after, after)
        if before == after and flow.code.co_code[before] == isa.EXTENDED_ARG:
            return None  # from a prefix to its instruction
        source = flow.block_at(before)
        last = source.instructions[-1].offset == before
        for edge in flow.edges_from(source):
            raised = edge.kind in INTO_HANDLER
            if (raised or last) and self.arrives(edge.kind, edge.target, before, after):
                if raised and flow.instructions[self.index[before]].opcode in isa.QUIET:
                    return f"{self.show(before)} raised"
                self.seen.add(edge.kind)
                return None
        inside = not last and self.index.get(after, -1) == self.index[before] + 1
        return None if inside else f"{self.show(before)} was followed by {self.show(after)}"

    def arrives(self, kind: EdgeKind, target: BasicBlock, before: int, after: int) -> bool:
        """Whether an edge leads to an instruction, or out."""
        if target is self.flow.exit:
            return after == (RETURNED if kind is EdgeKind.RETURN else RAISED)
        first = target.start
        if kind is EdgeKind.EXHAUSTED and self.flow.instructions[self.index[before]].opname == "FOR_ITER":
            skipped = self.flow.instructions[self.index[first] + isa.FOR_ITER_SKIPS].offset
            return after in (first, skipped)
        return after == first

    def show(self, offset: int) -> str:
        if offset < 0:
            return {RETURNED: "a return", RAISED: "an exception that left"}[offset]
        shown = self.flow.instructions[self.index[offset]] if offset in self.index else offset
        return f"{self.flow.code.co_qualname}:{str(shown).strip()}"


class Steps:
    """The steps of the frames of some code."""

    def __init__(self) -> None:
        self.watched: set[int] = set()
        self.steps: set[Step] = set()
        self.names: dict[int, dict[int, str]] = {}
        self.unseen: set[str] = set()
        "Names of instructions that run between the two of a step without being seen."

    def watch(self, code: CodeType) -> None:
        for one in all_code(code):
            self.watched.add(id(one))
            self.names[id(one)] = {at.offset: at.opname for at in dis.get_instructions(one)}

    def add(self, code: CodeType, before: int, after: int) -> None:
        self.steps.add((code, before, after))

    def problems(self) -> tuple[list[str], set[EdgeKind]]:
        expected: dict[int, Expected] = {}
        found: list[str] = []
        for code, before, after in sorted(self.steps, key=lambda step: (step[0].co_qualname, step[1:])):
            graph = expected.get(id(code)) or expected.setdefault(id(code), Expected(code))
            problem = graph.problem(before, after)
            place = graph.index.get(after, 0)
            if problem and place and graph.flow.instructions[place - 1].opname in self.unseen:
                problem = graph.problem(before, graph.flow.instructions[place - 1].offset)
            found += [problem] if problem else []
        return found, {kind for graph in expected.values() for kind in graph.seen}


class Tracer:
    """The local tracer of one frame.

    From 3.13 on the opcode events of a code object begin some time after the first frame of it has asked for them,
    so the first event of a frame tells where it is and no step. The RESUME behind a YIELD_VALUE has a call event
    instead, also when it does not run because an exception is thrown in.
    """

    def __init__(self, steps: Steps, code: CodeType) -> None:
        self.steps = steps
        self.code = code
        self.names = steps.names[id(code)]
        self.last: int | None = None
        self.resume: int | None = None
        self.raised = False

    def enter(self, at: int) -> None:
        """The frame begins, or goes on."""
        self.resume = at
        self.raised = False

    def __call__(self, frame: FrameType, event: str, argument: object) -> Any:
        if event == "opcode":
            if self.resume is not None and self.last is not None:
                self.reach(self.resume)
            self.reach(frame.f_lasti)
            self.raised = False
        elif event == "exception":
            self.raised = True
        elif event == "return":
            self.leave(frame.f_lasti)
        self.resume = None
        return self

    def reach(self, offset: int) -> None:
        if self.last is not None and offset != self.last:
            self.steps.add(self.code, self.last, offset)
        self.last = offset

    def leave(self, offset: int) -> None:
        if self.last is None:
            return
        name = self.names.get(self.last)
        if self.raised or name not in (*RETURNS, *SUSPENDING):
            self.steps.add(self.code, self.last, RAISED)
        elif name in RETURNS:
            self.steps.add(self.code, self.last, RETURNED)


@contextlib.contextmanager
def settrace_records(steps: Steps) -> Iterator[None]:
    """By the opcode events of ``sys.settrace``."""

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        if id(frame.f_code) not in steps.watched:
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        tracer = frame.f_trace if isinstance(frame.f_trace, Tracer) else Tracer(steps, frame.f_code)
        tracer.enter(frame.f_lasti)
        return tracer

    previous = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(previous)


@contextlib.contextmanager
def instructions_record(steps: Steps) -> Iterator[None]:
    """By the instruction events of ``sys.monitoring``, all from the first RESUME of each frame on (3.12 on)."""
    last: dict[FrameType, int] = {}

    def ran(code: CodeType, offset: int) -> None:
        if id(code) in steps.watched:
            frame = sys._getframe(1)
            if frame in last:
                steps.add(code, last[frame], offset)
            last[frame] = offset

    def left(code: CodeType, how: int) -> None:
        if id(code) in steps.watched:
            before = last.pop(sys._getframe(2), None)
            if before is not None:  # else the frame was there before the recording
                steps.add(code, before, how)

    monitoring: Any = sys.monitoring  # type: ignore[attr-defined]
    events = monitoring.events
    with monitored(
        {
            events.INSTRUCTION: ran,
            events.PY_START: ran,  # RESUME has no event as an instruction
            events.PY_RESUME: ran,
            events.PY_RETURN: lambda code, offset, value: left(code, RETURNED),
            events.PY_UNWIND: lambda code, offset, value: left(code, RAISED),
        }
    ):
        yield


@contextlib.contextmanager
def monitoring_records(steps: Steps) -> Iterator[None]:
    """By the events of ``sys.monitoring`` that say where a jump or a branch goes (3.12 on).

    From 3.14 on that is behind the instruction that only marks the branch, and END_ASYNC_FOR has an event from the
    END_SEND (or its neighbour) that it belongs to, which does not jump.
    """
    steps.unseen = {"NOT_TAKEN", "POP_ITER"}

    def went(code: CodeType, offset: int, destination: int) -> None:
        if id(code) in steps.watched and isa.OP[steps.names[id(code)][offset]] in isa.JUMPS:
            steps.add(code, offset, destination)

    monitoring: Any = sys.monitoring  # type: ignore[attr-defined]
    events = monitoring.events
    names = ("JUMP", "BRANCH_LEFT", "BRANCH_RIGHT") if hasattr(events, "BRANCH_LEFT") else ("JUMP", "BRANCH")
    with monitored({getattr(events, name): went for name in names}):
        yield


@contextlib.contextmanager
def monitored(callbacks: dict[int, Callable[..., Any]]) -> Iterator[None]:
    """With these callbacks for events of ``sys.monitoring``."""
    monitoring: Any = sys.monitoring  # type: ignore[attr-defined]
    tool = monitoring.DEBUGGER_ID
    monitoring.use_tool_id(tool, "equip tests")
    for event, callback in callbacks.items():
        monitoring.register_callback(tool, event, callback)
    monitoring.set_events(tool, sum(callbacks))
    try:
        yield
    finally:
        monitoring.set_events(tool, 0)
        for event in callbacks:
            monitoring.register_callback(tool, event, None)
        monitoring.free_tool_id(tool)


Recorder = Callable[[Steps], contextlib.AbstractContextManager[None]]


def _program(program: Program, recorder: Recorder) -> list[str]:
    code = compile(program.source, program.path, "exec", dont_inherit=True)
    steps = Steps()
    steps.watch(code)
    run(code, f"corpus_{program.name}", program.path, around=lambda: recorder(steps), seconds=60)
    return _result(steps)


def _workload(name: str, recorder: Recorder) -> list[str]:
    copies, steps = Copies(), Steps()

    def watch() -> Any:
        for code in copies.codes.values():
            steps.watch(code)
        return recorder(steps)

    perform(name, copies, watch)
    return _result(steps)


def _result(steps: Steps) -> list[str]:
    """What is wrong, or the kinds of edges that were seen."""
    problems, seen = steps.problems()
    return problems or [f"saw {kind.name}" for kind in seen]


def trace_program(program: Program, _: str) -> list[str]:
    return _program(program, settrace_records)


def instructions_program(program: Program, _: str) -> list[str]:
    return _program(program, instructions_record)


def monitor_program(program: Program, _: str) -> list[str]:
    return _program(program, monitoring_records)


def trace_workload(_: Program | None, name: str) -> list[str]:
    return _workload(name, settrace_records)


def instructions_workload(_: Program | None, name: str) -> list[str]:
    return _workload(name, instructions_record)


def monitor_workload(_: Program | None, name: str) -> list[str]:
    return _workload(name, monitoring_records)
