"""What injected code costs against the same statements in the source: instructions present and executed.

Counted are the instructions without caches and prefixes, fused pairs as two and checks for unbound locals as
plain loads, in functions where the form by hand is what a person would write for the cost (`is_comparable`).
The instrumented function must not have more than the one by hand. What is not held against it, because it
stands in the plain program and the compiler leaves it out only when it sees the snippet behind it:

* NOPs and SWAPs, as many as the plain function has (a NOP carries the line of a ``try:`` that the snippet's line
  takes over; stores change places across statements). One more than that counts.
* Copies: the compiler copies a short exit into each way that leads to it, and one with a snippet in it is no
  longer short. Where the plain function has more exits than the one by hand, only what is executed is compared.
* Lines on 3.11: the cleanup of a handler has a line there, and is one more place of it, for an exception in
  PUSH_EXC_INFO that never comes. Only what is executed is compared.
"""

from __future__ import annotations

import contextlib
import dis
import functools
import sys
from collections import Counter
from collections.abc import Iterator
from types import CodeType, FrameType
from typing import Any

from oracle.case import Case
from oracle.cases import ALL, for_program
from oracle.drive import instrument
from oracle.observe import run
from oracle.programs import Program
from oracle.rewrite import has_simple_returns, rewrite
from oracle.targets import functions, target_of_code

Key = tuple[str, int]

SIMPLE = (
    "before_constant", "before_arguments", "after_value", "raise_exception", "line_record", "shared_counter",
    "loops", "conditions", "nothing", "order", "change_argument", "change_return", "call_arguments",
)  # fmt: skip
"""Cases whose snippets are simple statements."""
NOTHING = frozenset({"CACHE", "EXTENDED_ARG", "NOT_TAKEN"})
PAIRS = frozenset({
    "LOAD_FAST_LOAD_FAST", "STORE_FAST_LOAD_FAST", "STORE_FAST_STORE_FAST", "RETURN_CONST",
    "LOAD_FAST_BORROW_LOAD_FAST_BORROW",
})  # fmt: skip
"""Two instructions in one; injected code may have the two."""
LEFT_OUT = frozenset({"NOP", "SWAP"})
"""What the compiler drops from the plain program when it sees what stands behind."""
EXITS = ({"RETURN_VALUE", "RETURN_CONST"}, {"RAISE_VARARGS"})


@functools.cache
def weights(code: CodeType) -> dict[int, tuple[str, int]]:
    """By offset: the name of the instruction, and how many it counts as."""
    found = {}
    for i in dis.get_instructions(code):
        found[i.offset] = i.opname, 0 if i.opname in NOTHING else 2 if i.opname in PAIRS else 1
    return found


Counts = Counter[str]


def excess(got: Counts, by_hand: Counts, plain: Counts) -> int:
    """How many instructions more than by hand, those that the compiler drops from the plain code left out."""
    more = 0
    for name in got.keys() | by_hand.keys():
        change = (got[name] - by_hand[name]) * (2 if name in PAIRS else 1)
        more += max(0, change - plain[name]) if change > 0 and name in LEFT_OUT else change
    return more


def static_counts(code: CodeType) -> dict[Key, Counts]:
    found: dict[Key, Counts] = {}
    for function in functions(code):
        counts = found.setdefault((function.co_qualname, function.co_firstlineno), Counter())
        counts.update(name for name, weight in weights(function).values() if weight)
    return found


@contextlib.contextmanager
def tracing(counts: dict[Key, Counts], codes: list[CodeType]) -> Iterator[None]:
    """Count the instructions executed in frames of some code, by ``sys.settrace`` (3.11)."""
    watched = {id(code) for code in codes}

    def local(frame: FrameType, event: str, argument: object) -> Any:
        if event == "opcode":
            count(counts, frame.f_code, frame.f_lasti)
        return local

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        if id(frame.f_code) not in watched:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return local

    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(None)


@contextlib.contextmanager
def monitoring(counts: dict[Key, Counts], codes: list[CodeType]) -> Iterator[None]:
    """The same by ``sys.monitoring`` (3.12 on), where the tracer loses instructions."""
    monitor: Any = sys.monitoring  # type: ignore[attr-defined]
    tool = monitor.DEBUGGER_ID
    monitor.use_tool_id(tool, "equip tests")
    monitor.register_callback(tool, monitor.events.INSTRUCTION, lambda code, offset: count(counts, code, offset))
    for code in codes:
        monitor.set_local_events(tool, code, monitor.events.INSTRUCTION)
    try:
        yield
    finally:
        for code in codes:
            monitor.set_local_events(tool, code, 0)
        monitor.free_tool_id(tool)


def count(counts: dict[Key, Counts], code: CodeType, offset: int) -> None:
    name, weight = weights(code).get(offset, ("", 0))
    if weight:
        counts.setdefault((code.co_qualname, code.co_firstlineno), Counter())[name] += 1


def executed_counts(program: Program, code: CodeType) -> dict[Key, Counts]:
    counts: dict[Key, Counts] = {}
    counting = monitoring if hasattr(sys, "monitoring") else tracing
    run(code, f"corpus_{program.name}", program.path, seconds=60, around=lambda: counting(counts, functions(code)))
    return counts


def comparable(program: Program, case: Case, plain: CodeType) -> set[Key]:
    """The functions in which the form by hand costs no more than the snippets in it."""
    after = any(put.where == "after" for put in case.puts)
    simple = has_simple_returns(program.source) if after else None
    found = set()
    for function in functions(plain):
        target = target_of_code(function)
        if case.puts_for(target) and not target.is_lambda and (simple is None or function.co_firstlineno in simple):
            found.add((function.co_qualname, function.co_firstlineno))
    return found


def compare_cost(program: Program, name: str) -> list[str]:
    """Functions that equip makes longer, or slower, than the compiler makes the same written by hand."""
    case = for_program(ALL[name], program.source)
    source, path = program.source, program.path
    tree, must_refuse = rewrite(source, path, case.puts_for, case.module_puts)
    plain = compile(source, path, "exec", dont_inherit=True)
    codes = plain, compile(tree, path, "exec", dont_inherit=True), instrument(plain, case, without=must_refuse)
    keys = comparable(program, case, plain)
    dead_places = not hasattr(sys, "monitoring") and any(put.where == "line" for put in case.puts)
    problems = []
    for kind, (original, by_hand, got) in {
        "present": [static_counts(code) for code in codes],
        "executed": [executed_counts(program, code) for code in codes],
    }.items():
        for key in sorted(keys & by_hand.keys()):
            if kind == "present" and (dead_places or has_copies(original[key], by_hand[key])):
                continue
            more = excess(got[key], by_hand[key], original.get(key, Counter()))
            if more > 0:
                names = got[key].keys() | by_hand[key].keys()
                change = {n: c for n in sorted(names) if (c := got[key][n] - by_hand[key][n])}
                problems.append(f"{key}: {more} instructions {kind} too many: {change}")
    return problems


def has_copies(plain: Counts, by_hand: Counts) -> bool:
    """Whether the compiler copied an exit of the plain function that it does not copy with the snippets in it."""
    return any(sum(plain[name] for name in names) > sum(by_hand[name] for name in names) for names in EXITS)
