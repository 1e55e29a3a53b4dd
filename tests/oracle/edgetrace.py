"""Which blocks and edges control comes to: what BLOCK and EDGE see against the instructions that really run.

From 3.12 on by the instruction events of ``sys.monitoring``, on 3.11 by the opcode events of ``sys.settrace``: each
step from an instruction to the next one of a frame is inside a block, or goes along an edge. No source could say the
same.
"""

from __future__ import annotations

import builtins
import contextlib
import functools
import sys
from collections.abc import Callable, Iterator
from types import CodeType, FrameType
from typing import Any

import equip
from equip import BasicBlock, Edge, EdgeKind
from equip.code import exceptions
from equip.code.linker import stop_iteration_handler
from oracle.copies import Copies
from oracle.flowtrace import INTO_HANDLER, RAISED, RETURNED, Expected, monitored
from oracle.linetrace import compare_hits, perform, settrace_appends_to
from oracle.observe import differences, run
from oracle.programs import Program
from oracle.targets import all_code

Hit = tuple[object, ...]
Key = tuple[str, int]
BRANCH = (EdgeKind.TRUE, EdgeKind.FALSE)


def key_of(code: CodeType) -> Key:
    return code.co_qualname, code.co_firstlineno


def name_of(thing: BasicBlock | Edge, flow: equip.ControlFlow) -> Hit:
    """Both ways of ``if x and 0: pass`` lead to one block and have one name: what runs does not tell them apart."""
    if not isinstance(thing, Edge):
        return (thing.start,)
    source = -1 if thing.source.index < 0 else thing.source.start
    ways = [edge.kind for edge in flow.edges_from(thing.source) if edge.target is thing.target]
    both = thing.kind in BRANCH and set(BRANCH) <= set(ways)
    return source, thing.target.start, "true or false" if both else thing.kind.value


class FlowVisitor(equip.BlockVisitor):
    """Asks for a snippet at every block and edge; those that can have none are noted."""

    def __init__(self, shown: Callable[[Key, Hit], str] = lambda key, name: f"flow_hit({(key, *name)!r})") -> None:
        self.shown = shown
        self.visited: set[int] = set()
        self.keys: set[Key] = set()
        self.refused: dict[tuple[Key, Hit], str] = {}
        self.edges: dict[EdgeKind, int] = {}

    def new_control_flow(self, cfg: equip.ControlFlow) -> None:
        self.visited.add(id(cfg.code))
        self.keys.add(key_of(cfg.code))
        self.hide_close(cfg)
        for edge in cfg.edges:
            self.ask(edge, lambda rewriter, code, edge=edge: rewriter.insert_on_edge(edge, code))

    def hide_close(self, cfg: equip.ControlFlow) -> None:
        """Leave out the compiler's last handler where ``close()`` goes past it, but not when it is watched."""
        code = cfg.code
        final = stop_iteration_handler(code.co_code, exceptions.decode(code.co_exceptiontable))
        if final is not None:
            block = cfg.block_at(2 * final.target)
            for thing in (block, *cfg.edges_to(block), *cfg.edges_from(block)):
                self.refused[key_of(code), name_of(thing, cfg)] = "close() may go past it"

    def visit(self, block: BasicBlock) -> None:
        self.ask(block, lambda rewriter, code: rewriter.insert_at_block(block, code))

    def ask(self, thing: BasicBlock | Edge, put: Callable[[equip.SimpleRewriter, str], object]) -> None:
        key, name = key_of(self.control_flow.code), name_of(thing, self.control_flow)
        if (key, name) in self.refused:
            return
        try:
            put(equip.SimpleRewriter(self.declaration), self.shown(key, name))
        except equip.JoinPointError as error:
            self.refused[key, name] = str(error)
        else:
            if isinstance(thing, Edge):
                self.edges[thing.kind] = self.edges.get(thing.kind, 0) + 1


class Reference:
    """What a recording of instructions comes to, in blocks and edges."""

    def __init__(self, refused: dict[tuple[Key, Hit], str]) -> None:
        self.refused = refused
        self.watched: dict[int, Expected] = {}
        self.keep: list[CodeType] = []
        self.last: dict[FrameType, int] = {}
        self.hits: list[Hit] = []

    def watch(self, code: CodeType, wanted: Callable[[CodeType], bool]) -> None:
        for one in all_code(code):
            if wanted(one):
                self.keep.append(one)
                self.watched[id(one)] = Expected(one)

    def ran(self, frame: FrameType, code: CodeType, offset: int) -> None:
        graph = self.watched[id(code)]
        offset = graph.first.get(offset, offset)
        before = self.last.get(frame)
        if before is None:
            self.begin(graph, offset)
        else:
            self.step(graph, before, offset)
        self.last[frame] = offset

    def left(self, frame: FrameType, code: CodeType, how: int) -> None:
        before = self.last.pop(frame, None)
        if before is not None:
            self.step(self.watched[id(code)], before, how)

    def begin(self, graph: Expected, offset: int) -> None:
        """The first instruction that is seen, a RESUME; what comes before it is in the prologue."""
        block = graph.flow.entry
        while not block.start <= offset < block.end:
            edge = graph.flow.edges_from(block)[0]
            self.along(graph, edge)
            block = edge.target

    def step(self, graph: Expected, before: int, after: int) -> None:
        flow = graph.flow
        source = flow.block_at(before)
        last = source.instructions[-1].offset == before
        for edge in flow.edges_from(source):
            raised = edge.kind in INTO_HANDLER
            if (raised or last) and graph.arrives(edge.kind, edge.target, before, after):
                self.along(graph, edge)
                while not edge.target.start <= after < edge.target.end and after >= 0:
                    edge = flow.edges_from(edge.target)[0]  # the interpreter skipped the whole block
                    self.along(graph, edge)
                return
        if after >= 0 and flow.block_at(after) is not source:
            raise AssertionError(f"no edge from {graph.show(before)} to {graph.show(after)}")

    def along(self, graph: Expected, edge: Edge) -> None:
        key = key_of(graph.flow.code)
        things = (edge,) if edge.target is graph.flow.exit else (edge, edge.target)
        names = [name_of(thing, graph.flow) for thing in things]
        self.hits += [(key, *name) for name in names if (key, name) not in self.refused]


@contextlib.contextmanager
def instructions_go_to(reference: Reference) -> Iterator[None]:
    """Record what runs, from the first RESUME of each frame on."""
    if not hasattr(sys, "monitoring"):
        with opcodes_go_to(reference):
            yield
        return

    def ran(code: CodeType, offset: int) -> None:
        if id(code) in reference.watched:
            reference.ran(sys._getframe(1), code, offset)

    def left(code: CodeType, how: int) -> None:
        if id(code) in reference.watched:
            reference.left(sys._getframe(2), code, how)

    events = sys.monitoring.events
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
def opcodes_go_to(reference: Reference) -> Iterator[None]:
    """The same by ``sys.settrace``, as 3.11 has it: the RESUME of a frame has a call event."""

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        code = frame.f_code
        if id(code) not in reference.watched:
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        state = {"raised": False}
        resumed = [frame.f_lasti]

        def local(frame: FrameType, event: str, argument: object) -> Any:
            if event == "opcode":
                state["raised"] = False
                for offset in (*resumed, frame.f_lasti):
                    reference.ran(frame, code, offset)
            elif event == "exception":
                state["raised"] = True
                if resumed and frame in reference.last:
                    reference.last[frame] = frame.f_lasti  # thrown in: behind a SEND not by the YIELD_VALUE
            elif event == "return":
                name = reference.watched[id(code)].flow.instructions[
                    reference.watched[id(code)].index[reference.last.get(frame, 0)]
                ].opname
                if state["raised"] or name not in ("RETURN_VALUE", "YIELD_VALUE", "RETURN_GENERATOR"):
                    reference.left(frame, code, RAISED)
                elif name == "RETURN_VALUE":
                    reference.left(frame, code, RETURNED)
            resumed.clear()
            return local

        return local

    previous = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(previous)


def _forget(hit: Hit) -> None:
    """What instrumented code calls outside of the part that is compared."""


@contextlib.contextmanager
def snippets_append_to(hits: list[Hit]) -> Iterator[None]:
    setattr(builtins, "flow_hit", hits.append)  # noqa: B010
    try:
        yield
    finally:
        setattr(builtins, "flow_hit", _forget)  # noqa: B010


def flow_program(program: Program, _: str) -> list[str]:
    """A program of the corpus, once watched and once instrumented."""
    plain = compile(program.source, program.path, "exec", dont_inherit=True)
    visitor = FlowVisitor()
    instrumented = equip.instrument_code(plain, visitor, verify=True)
    reference = Reference(visitor.refused)
    reference.watch(plain, lambda code: id(code) in visitor.visited)
    got: list[Hit] = []
    name = f"corpus_{program.name}"
    watched = run(plain, name, program.path, around=lambda: instructions_go_to(reference), seconds=60)
    seen = run(instrumented, name, program.path, around=lambda: snippets_append_to(got))
    problems = compare_hits(reference.hits, got) + differences(watched, seen, by_hand=False)
    return problems or [f"saw {kind.name}" for kind in visitor.edges]


def flow_workload(_: Program | None, name: str) -> list[str]:
    """A workload on copies of standard library modules, once watched and once instrumented."""
    visitor = FlowVisitor()
    got: list[Hit] = []
    instrumented = Copies(lambda code: equip.instrument_code(code, visitor, verify=True))
    with snippets_append_to([]):
        pass
    seen = perform(name, instrumented, lambda: snippets_append_to(got))
    plain = Copies()
    reference = Reference(visitor.refused)

    def watch() -> Any:
        for code in plain.codes.values():
            reference.watch(code, lambda one: key_of(one) in visitor.keys)
        return instructions_go_to(reference)

    watched = perform(name, plain, watch)
    if not reference.hits:
        return ["nothing was watched"]
    return compare_hits(reference.hits, got) + differences(watched, seen, by_hand=False)


def lines_program(program: Program, _: str) -> list[str]:
    """The lines of a program that have events, plain and with code at every block and edge."""
    plain = compile(program.source, program.path, "exec", dont_inherit=True)
    visitor = FlowVisitor(lambda key, name: "None.__class__")
    instrumented = equip.instrument_code(plain, visitor, verify=True)
    recorded: list[list[Any]] = [[], []]
    for code, hits in zip((plain, instrumented), recorded, strict=True):
        ids = {id(one) for one in all_code(code)}
        watch = functools.partial(settrace_appends_to, hits, lambda one, ids=ids: id(one) in ids)
        run(code, f"corpus_{program.name}", program.path, around=watch)
    before, after = map(set, recorded)
    return [f"{what} {sorted(lines)}" for what, lines in (("lost", before - after), ("new", after - before)) if lines]
