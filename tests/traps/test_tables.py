"""The exception table, jumps, the stack size and the location table."""

from __future__ import annotations

import dis
import traceback
from itertools import pairwise

import pytest

import equip
from equip import JoinPoint, isa
from equip.analysis.depths import stack_depths
from equip.code import exceptions, locations
from traps.programs import (
    FILE,
    Everywhere,
    assert_unharmed,
    at,
    compiled,
    function,
    instrumented,
    line_events,
    nested,
    run,
)

NESTED_HANDLERS = """
def f(values):
    found = []
    for value in values:
        try:
            try:
                try:
                    found.append(10 // value)
                except ZeroDivisionError:
                    found.append('zero')
                    raise
                finally:
                    found.append('inner')
            except ArithmeticError as error:
                found.append(type(error).__name__)
                if len(found) > 9: raise
            finally:
                found.append('outer')
        except ZeroDivisionError:
            continue
    return found
def main(): return f([1, 0, 5, 0, 0])
"""


def test_1_depth_and_lasti_of_nested_handlers_are_kept() -> None:
    assert_unharmed(NESTED_HANDLERS)
    before = exceptions.decode(function(compiled(NESTED_HANDLERS), "f").co_exceptiontable)
    entered = instrumented(NESTED_HANDLERS, at(JoinPoint.BEFORE, "hits.append(1)"))
    after = exceptions.decode(function(entered, "f").co_exceptiontable)
    assert [handler[3:] for handler in after] == [handler[3:] for handler in before]


def test_1_the_stack_is_never_smaller_than_the_compilers() -> None:
    for one, other in zip(nested(compiled(NESTED_HANDLERS)), nested(instrumented(NESTED_HANDLERS)), strict=False):
        assert other.co_stacksize >= one.co_stacksize


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        ("try: yield 1\n    except ValueError: yield 2", (2, 4)),
        ("try:\n        pass\n    finally: yield 3", (2, 3, 4, 5)),
    ],
)
def test_2_code_put_at_a_try_line_of_a_generator_is_covered(body: str, lines: tuple[int, ...]) -> None:
    # StopIteration out of a snippet has to become RuntimeError wherever in a generator it is raised.
    source = f"def f():\n    {body}\n    yield 4\n"
    for line in lines:
        namespace = run(instrumented(source, at(JoinPoint.LINENO, "raise StopIteration(5)", line=line)))
        with pytest.raises(RuntimeError, match="StopIteration"):
            list(namespace["f"]())


def test_2_ranges_stay_sorted_and_disjoint() -> None:
    for code in nested(instrumented(NESTED_HANDLERS)):
        handlers = exceptions.decode(code.co_exceptiontable)
        assert all(one.start < one.end for one in handlers)
        assert all(one.end <= other.start for one, other in pairwise(handlers))


def test_3_jumps_that_outgrow_their_prefixes_take_everything_along() -> None:
    body = "\n".join(f"        if n == {i}: found.append({i})" for i in range(60))
    source = f"""
def f(n):
    found = []
    while n < 130:
        try:
            found.append(n)
        finally:
            n += 1
{body}
    return found
def main(): return f(40)
"""
    code = function(instrumented(source), "f")
    assert any(one.opcode == isa.EXTENDED_ARG for one in dis.get_instructions(code))
    assert_unharmed(source)


def test_9_a_fragment_gets_the_stack_it_needs_at_its_depth() -> None:
    # The line is encountered again in the middle of an expression, with seven values on the stack.
    source = """
def g(*values): return values
def f(x):
    return g(1, 2, 3, 4, 5, 6,
             g(x,
               x))
def main(): return f(3)
"""
    deep = at(JoinPoint.LINENO, "hits.append(str((1, (2, (3, (4, (5, (6, [7, 8, hits])))))))[:1])", line=5)
    code = function(instrumented(source, deep), "f")
    needed = 0
    depths = stack_depths(code)
    for one in dis.get_instructions(code):
        if one.offset in depths and one.opname != "EXTENDED_ARG":
            needed = max(needed, depths[one.offset])
    assert function(compiled(source), "f").co_stacksize < needed <= code.co_stacksize
    assert_unharmed(source, deep)


LINES = """
def f(x):
    total = (x +
             1)
    for i in range(3): total += i
    return (total,
            x / (x - 2))
def main():
    return f(1), f(2)
"""


def test_10_every_injected_instruction_has_a_line_and_the_others_keep_theirs() -> None:
    before, after = function(compiled(LINES), "f"), function(instrumented(LINES), "f")
    positions = list(after.co_positions())
    injected = {unit for start, end, _, _ in equip.provenance(after) for unit in range(start // 2, end // 2)}
    assert injected
    assert all(positions[unit][0] is not None for unit in injected)
    program = [position for unit, position in enumerate(positions) if unit not in injected]
    wanted = iter(program)
    assert all(position in wanted for position in before.co_positions()), "the program's own, in their order"


def test_10_tracebacks_have_the_columns_of_the_program() -> None:
    shown = []
    for code in (compiled(LINES), instrumented(LINES)):
        with pytest.raises(ZeroDivisionError) as caught:
            run(code)["main"]()
        summary = [one for one in traceback.extract_tb(caught.value.__traceback__) if one.filename == FILE]
        shown.append([(one.lineno, one.colno, one.end_lineno, one.end_colno) for one in summary])
    assert shown[0] == shown[1]
    assert len(shown[0]) == 2


def test_10_a_line_that_stands_in_several_places_is_found_in_each() -> None:
    source = """
def f(x):
    try:
        if x: return 'early'
    finally:
        hits.append('finally')
    return 'late'
def main(): return f(0), f(1)
"""
    namespace = run(instrumented(source, at(JoinPoint.LINENO, "hits.append('snippet')", line=6)))
    assert namespace["main"]() == ("late", "early")
    assert namespace["hits"] == ["snippet", "finally"] * 2


def test_11_no_line_events_are_added() -> None:
    source = LINES.replace("f(1), f(2)", "f(1), f(5)")
    snippets = Everywhere()
    plain, with_snippets = line_events(compiled(source)), line_events(instrumented(source, snippets))
    assert plain
    assert with_snippets == plain


def test_31_lines_that_share_a_jump() -> None:
    source = """
def f(values):
    for value in values:
        if value > 1:
            if value > 2:
                x = 1
            else:
                x = 2
        elif value: x = 3
    return x
def main(): return f([0, 1, 2, 3])
"""
    events = line_events(compiled(source))
    for line in sorted(set(events)):
        namespace = run(instrumented(source, at(JoinPoint.LINENO, f"hits.append({line})", line=line)))
        namespace["main"]()
        assert len(namespace["hits"]) == events.count(line), line


def test_31_the_location_table_ends_where_the_code_ends() -> None:
    for code in nested(instrumented(LINES)):
        units = sum(one.units for one in locations.decode(code.co_linetable, code.co_firstlineno))
        assert 2 * units == len(code.co_code)
