"""Traps 1, 2, 9 and 28: depths, ranges and stack sizes of code with handlers, and names that handlers unbind."""

from __future__ import annotations

import dis
import itertools
from types import CodeType

import pytest

import equip
from property.library import code_objects
from traps.running import Everywhere, Lines, functions, instrumented, named, run, same

NESTED = """
def f(values):
    for value in values:
        try:
            try:
                record(10 // value)
            except TypeError:
                record("type")
                raise
            finally:
                record("finally")
                for _ in (1, 2):
                    try:
                        {}[value]
                    except KeyError as error:
                        record(repr(error))
                        if value == 3:
                            continue
        except ZeroDivisionError:
            try:
                raise
            except ArithmeticError:
                record("again")
        except TypeError:
            try:
                record([1][value:][5])
            except TypeError:
                record("nested")
            raise
    return "end"

for _ in range(3):
    try:
        record(f([1, 0, 3, 2]))
        record(f([1, "x", 2]))
    except TypeError as error:
        record(str(error))
"""


def entries(code: CodeType) -> list[tuple[int, int, int, int, bool]]:
    parse = dis._parse_exception_table  # type: ignore[attr-defined]
    return [(one.start, one.end, one.target, one.depth, one.lasti) for one in parse(code)]


def test_01_nested_handlers_with_a_bare_raise_go_on_as_before() -> None:
    seen = same(NESTED)
    assert ("raise", TypeError) in seen.probes
    assert ("after", "end") in seen.probes


def test_01_compiled_depths_and_lasti_are_kept() -> None:
    # Line snippets of one expression have no handlers, so each entry comes from one of the compiler's.
    code = compile(NESTED, "program.py", "exec")
    before, after = entries(named(code, "f")), entries(named(equip.instrument_code(code, Lines()), "f"))
    handlers = sorted({target for _, _, target, _, _ in before})
    moved = sorted({target for _, _, target, _, _ in after})
    assert len(handlers) == len(moved)
    kinds = {(handlers.index(target), depth, lasti) for _, _, target, depth, lasti in before}
    assert {(moved.index(target), depth, lasti) for _, _, target, depth, lasti in after} == kinds


def test_01_stack_sizes_never_fall_below_the_compilers() -> None:
    compared = 0
    for code in code_objects()[::31]:
        if code.co_name.startswith("<"):
            continue
        for visitor in (Lines("LINE"), Lines("x = (1, (2, (3, LINE)))")):
            changed = equip.instrument_code(code, visitor)
            for old, new in zip(functions(code), functions(changed), strict=True):
                assert new.co_stacksize >= old.co_stacksize
                compared += new is not old
    assert compared > 60


def test_02_ranges_are_sorted_disjoint_and_whole_instructions() -> None:
    changed = equip.instrument_code(compile(NESTED, "program.py", "exec"), Everywhere())
    code = named(changed, "f")
    starts = {one.offset for one in dis.get_instructions(code)} | {len(code.co_code)}
    found = entries(code)
    assert found
    assert all(start < end for start, end, *_ in found)
    assert all(one[1] <= next_one[0] for one, next_one in itertools.pairwise(found))
    # Prefixes are instructions for dis, so an entry must not begin or end behind one.
    prefixed = {one.offset + 2 for one in dis.get_instructions(code) if one.opname == "EXTENDED_ARG"}
    for start, end, target, *_ in found:
        assert {start, end, target} <= starts - prefixed


def test_02_an_empty_try_body_stands_in_the_handler_around_it() -> None:
    # The compiler itself leaves no range for a body that cannot raise: its handler is lost, the next one is not.
    source = """
def f():
    try:
        record("work")
        try:
            pass
        except ValueError:
            return "lost"
        finally:
            record("finally")
    except ValueError:
        return "caught"
    return "end"
record(f())
"""
    for line, first in ((4, []), (5, ["work"]), (10, ["work"])):
        code = instrumented(source, lambda r, at=line: r.insert_at_line(at, "raise ValueError"))  # type: ignore[misc]
        assert run(code).records == [*first, "caught"]


@pytest.mark.parametrize("line", [3, 4, 6])
def test_02_stop_iteration_in_a_generator_becomes_a_runtime_error(line: int) -> None:
    # From 3.12 on the compiler's range skips the NOP of the `try:` in line 3.
    source = """
def f():
    try:
        yield 1
    finally:
        record("finally")
try: record(list(f()))
except RuntimeError as error: record(str(error))
"""
    assert run(instrumented(source, lambda r: r.insert_at_line(line, "raise StopIteration"))).records == [
        *["finally"] * (line == 4),
        "generator raised StopIteration",
    ]


def test_02_before_in_a_generator_is_behind_its_stop_iteration_handler() -> None:
    source = "def f():\n    try: yield 1\n    finally: pass\nrecord('made', f() and 1)\nlist(f())"
    seen = run(instrumented(source, lambda r: r.insert_before("raise StopIteration")))
    assert seen.records == [("made", 1)]
    assert seen.ending == "RuntimeError('generator raised StopIteration')"


DEEP = """
def f(a):
    return [a, (a, {1: a, 2: [
        a,
        a + record(a)]})]
def record(a): return a
"""


def test_09_a_fragment_in_the_middle_of_an_expression_has_its_own_room() -> None:
    plain = named(compile(DEEP, "program.py", "exec"), "f")
    for need in (1, 5, 25):
        snippet = f"probe({', '.join(['{arg0}'] * need)})"
        calls: list[int] = []
        code = instrumented(DEEP, lambda r, s=snippet: [r.insert_at_line(n, s) for n in (4, 5)])  # type: ignore[misc]
        namespace: dict[str, object] = {"probe": lambda *given, c=calls: c.append(len(given))}
        exec(code, namespace)
        assert namespace["f"](3) == [3, (3, {1: 3, 2: [3, 6]})]  # type: ignore[operator]
        assert calls
        assert set(calls) == {need}
        # In line 5 at least six values are on the stack already; the call needs its function and arguments.
        size = named(code, "f").co_stacksize
        assert size >= max(plain.co_stacksize, 6 + need + 1)
        assert size <= plain.co_stacksize + need + 3


def test_09_a_handler_counts_what_is_on_the_stack_before_it() -> None:
    snippet = "try: probe([1, 2, [3, [4, [5, {arg0}]]]][9])\nexcept IndexError as error: probe(type(error))"
    code = instrumented(DEEP, lambda r: [r.insert_at_line(line, snippet) for line in (4, 5)])
    namespace: dict[str, object] = {"probe": lambda *given: None}
    exec(code, namespace)
    for _ in range(50):
        assert namespace["f"](3) == [3, (3, {1: 3, 2: [3, 6]})]  # type: ignore[operator]
    plain = named(compile(DEEP, "program.py", "exec"), "f")
    assert named(code, "f").co_stacksize >= 6 + 3 > plain.co_stacksize - 3


@pytest.mark.parametrize("name", ["value", "found"])
def test_28_an_except_clause_must_not_unbind_a_name_of_the_function(name: str) -> None:
    # `as value` deletes `value` at the end of its clause: plain loads of it would read nothing.
    source = "def f(value):\n    found = 1\n    return value, found\nrecord(f(2))"
    snippet = f"try: 1 / 0\nexcept ZeroDivisionError as {name}: pass"
    with pytest.raises(equip.SnippetError, match=name):
        instrumented(source, lambda r: r.insert_at_line(3, snippet))
    with pytest.raises(equip.SnippetError, match=name):
        instrumented(source, lambda r: r.insert_before(f"del {name}"))
    with pytest.raises(equip.SnippetError, match="field cannot be unbound"):
        instrumented(source, lambda r: r.insert_before("try: 1 / 0\nexcept ZeroDivisionError as {arg0}: pass"))


def test_28_an_except_clause_of_a_private_name_is_welcome() -> None:
    source = "def f(value):\n    return value\nrecord(f(2))"
    snippet = "try: 1 / 0\nexcept ZeroDivisionError as error: probe(str(error))"
    seen = run(instrumented(source, lambda r: r.insert_at_line(2, snippet)))
    assert (seen.records, seen.probes) == ([2], ["division by zero"])
