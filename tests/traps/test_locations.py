"""Traps 10, 11 and 31: lines and columns of what is put in, tracing, lines that share a jump.

Live patches, which have to carry the local events of `sys.monitoring` over, come later; what can be asked for today
is that instrumenting touches neither the code object nor its events.
"""

from __future__ import annotations

import dis
import sys
import traceback
from itertools import groupby
from types import CodeType, FrameType
from typing import Any

import pytest

import equip
from traps.running import Everywhere, Lines, functions, instrumented, named, run

PROGRAM = """
import inspect
def f(n):
    total = 0
    for i in range(n):
        if i == 1:
            continue
        elif i % 2:
            total += i; total += 1
        else:
            total += (i +
                      one(i))
        while total > 10:
            total -= 7
            if total == 3: break
    try:
        return [j for j in (total, n) if j]
    finally:
        one(total)
def one(i):
    with open(__file__) if False else held() as h:
        return 1 if i else 0
from contextlib import contextmanager
@contextmanager
def held():
    yield 5
for n in (0, 1, 4, 9): record(f(n))
"""


def line_events(code: CodeType, name: str = "f") -> list[int]:
    """The lines that a tracer sees in the functions of this name."""
    found: list[int] = []

    def tracer(frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line" and frame.f_code.co_name == name:
            found.append(frame.f_lineno)
        return tracer if frame.f_code.co_filename == "program.py" else None

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        exec(code, {"__name__": "program", "record": len, "probe": lambda *what: None})
    finally:
        sys.settrace(before)
    return found


def test_10_every_injected_instruction_has_a_line_of_its_function() -> None:
    changed = equip.instrument_code(compile(PROGRAM, "program.py", "exec"), Everywhere())
    seen = 0
    for code in functions(changed):
        positions = list(code.co_positions())
        lines = {line for line, *_ in positions if line}
        for part in equip.provenance(code):
            for unit in range(part.start // 2, part.end // 2):
                assert positions[unit][0] in lines
                seen += 1
    assert seen > 300


def test_10_positions_of_the_program_are_what_they_were() -> None:
    plain = compile(PROGRAM, "program.py", "exec")
    changed = equip.instrument_code(plain, Lines())
    for old, new in zip(functions(plain), functions(changed), strict=True):
        parts = equip.provenance(new)
        kept = [
            (one.opname, one.positions)
            for one in dis.get_instructions(new)
            if one.opname != "EXTENDED_ARG" and not any(part.start <= one.offset < part.end for part in parts)
        ]
        was = [(one.opname, one.positions) for one in dis.get_instructions(old) if one.opname != "EXTENDED_ARG"]
        # The linker itself adds jumps and NOPs only; everything else has its columns still.
        assert [one for one in kept if one in was and "JUMP" not in one[0] and one[0] != "NOP"] == [
            one for one in was if "JUMP" not in one[0] and one[0] != "NOP"
        ]


def test_10_tracebacks_point_at_what_they_pointed_at() -> None:
    source = """
def f(a):
    b = [a, a
         .missing(a + 1)]
    return b
def g():
    try:
        f(
            1)
    except AttributeError as error:
        raise KeyError("k") from error
record(g)
"""

    def shown(code: CodeType) -> list[tuple[Any, ...]]:
        [g] = run(code).records
        with pytest.raises(KeyError) as caught:
            g()
        found: list[tuple[Any, ...]] = []
        error: BaseException | None = caught.value
        while error is not None:
            for one in traceback.StackSummary.extract(traceback.walk_tb(error.__traceback__)):
                if one.filename == "program.py":
                    found.append((one.name, one.lineno, one.end_lineno, one.colno, one.end_colno))
            error = error.__cause__
        return found

    plain = shown(compile(source, "program.py", "exec"))
    assert len(plain) == 3
    assert shown(equip.instrument_code(compile(source, "program.py", "exec"), Everywhere())) == plain


def test_10_a_failing_snippet_is_shown_at_the_line_of_its_place() -> None:
    code = instrumented(PROGRAM, lambda r: r.insert_at_line(9, "pass\n1 / 0"))
    with pytest.raises(ZeroDivisionError) as caught:
        exec(code, {"__name__": "program", "record": len})
    assert traceback.extract_tb(caught.value.__traceback__)[-1].lineno == 9
    frames = [frame for frame in traceback.walk_tb(caught.value.__traceback__) if frame[0].f_code.co_name == "f"]
    at = frames[-1][0].f_lasti
    [part] = [part for part in equip.provenance(frames[-1][0].f_code) if part.start <= at < part.end]
    assert (part.probe, part.snippet_line) == ("Visitor", 2)


def test_11_no_line_events_are_added() -> None:
    plain = compile(PROGRAM, "program.py", "exec")
    expected = line_events(plain)
    assert len(expected) > 40
    assert line_events(equip.instrument_code(plain, Lines())) == expected
    entries = instrumented(PROGRAM, lambda r: r.insert_before("probe(1)\nprobe(2)").insert_after("probe(3)\nprobe(4)"))
    assert line_events(entries) == expected


def test_11_the_code_object_and_its_local_events_are_left_alone() -> None:
    plain = compile(PROGRAM, "program.py", "exec")
    target = named(plain, "f")
    before = plain.co_code, target.co_code, target.co_linetable, plain.co_consts
    monitoring = getattr(sys, "monitoring", None)
    events = 0
    if monitoring is not None:
        monitoring.use_tool_id(4, "equip-test")
        events = monitoring.events.LINE | monitoring.events.PY_START
        monitoring.set_local_events(4, target, events)
    try:
        changed = equip.instrument_code(plain, Everywhere())
        assert (plain.co_code, target.co_code, target.co_linetable, plain.co_consts) == before
        assert named(changed, "f") is not target
        if monitoring is not None:
            assert monitoring.get_local_events(4, target) == events
            assert monitoring.get_local_events(4, named(changed, "f")) == 0
    finally:
        if monitoring is not None:
            monitoring.set_local_events(4, target, 0)
            monitoring.free_tool_id(4)
    assert run(changed).records == run(plain).records


SHARED_JUMP = """
def f(n):
    while n:
        n -= 1
        if n % 2:
            if n > 3:
                one = n
            else:
                two = n
        elif n > 5:
            for i in range(n % 3):
                if i: continue
                else: pass
    return n
f(9)
"""


def test_31_edges_that_share_a_jump_have_each_its_own_line() -> None:
    plain = compile(SHARED_JUMP, "program.py", "exec")
    expected = line_events(plain)
    changed = equip.instrument_code(plain, Lines("probe(LINE)"))
    assert run(changed).probes == expected
    assert line_events(changed) == expected


def test_31_backward_jumps_of_a_snippet_add_no_other_line() -> None:
    # On 3.11 each of them is a line event: of the line at which the snippet stands.
    plain = compile(SHARED_JUMP, "program.py", "exec")
    changed = equip.instrument_code(plain, Lines("for equip_i in range(3): probe(LINE)"))
    assert [line for line, _ in groupby(line_events(changed))] == [line for line, _ in groupby(line_events(plain))]
    assert run(changed).probes[::3] == line_events(plain)
