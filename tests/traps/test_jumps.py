"""Traps 3, 4, 6, 8, 14, 23 and 25: jumps and their prefixes, caches and packed arguments, ends of loops, copies."""

from __future__ import annotations

import dis
import itertools
import sys
from types import CodeType, FrameType
from typing import Any

import pytest

import equip
from equip.code import instructions
from property.library import code_objects
from traps.running import Everywhere, Lines, function_of, instrumented, named, opnames, run, same


def branching(count: int) -> str:
    """A loop whose jumps span about ``count`` statements, with a handler and nested branches."""
    body = "\n".join(f"        total += row * {i}" for i in range(count))
    return f"""
def f(rows):
    total = 0
    for row in rows:
        if row == 3:
            continue
        try:
            record(10 // row)
        except ZeroDivisionError:
            record("zero")
        while row > 5:
            row -= 3
            if row == 4:
                break
{body}
    return total
for _ in range(3):
    record(f([1, 2, 0, 3, 10, 7]))
try: f([1, None])
except TypeError as error: record(error.__traceback__.tb_next.tb_lineno)
"""


@pytest.mark.parametrize("count", [5, 18, 19, 20, 21, 22, 23, 24, 25, 60, 700])
def test_03_jumps_that_grow_move_everything_behind_them(count: int) -> None:
    same(branching(count))


def test_03_prefixes_appear_and_no_jump_lands_behind_one() -> None:
    grown = 0
    for count in range(2, 40, 2):
        code = compile(branching(count), "program.py", "exec")
        plain, changed = named(code, "f"), named(equip.instrument_code(code, Everywhere()), "f")
        prefixed = {one.offset + 2 for one in dis.get_instructions(changed) if one.opname == "EXTENDED_ARG"}
        assert not prefixed & set(dis.findlabels(changed.co_code))
        grown += opnames(changed).count("EXTENDED_ARG") > opnames(plain).count("EXTENDED_ARG")
    assert grown > 4


MANY_NAMES = (
    "def f(self, n):\n"
    + "".join(f"    v{i} = n + {i}.5\n" for i in range(300))
    + "".join(f"    if n < {i - 300}: g{i}(); self.m{i}()\n" for i in range(300))
    + "    record(self.last(n) < 3, v299 >= v0, n if n is not None else v17)\n"
    + "    return [v for v in (v14, v15, v16, v299)]\n"
    + "class C:\n    def last(self, n): return n\n"
    + "record(f(C(), 7))\n"
)


def test_04_arguments_that_are_packed_stay_packed_behind_300_names_and_locals() -> None:
    snippet = """
import os.path as where, collections.abc
from json import dumps as _dumps, loads
a, b = {arg1}, loads(_dumps([{arg1}]))
if a < 8 and not a > 8 and a != 9 and a in b and {arg0}.last(a) == 7:
    probe(where.join('a', 'b').replace('b', 'c').split(where.sep), isinstance(b, collections.abc.Sequence), a, b)
"""
    seen = run(instrumented(MANY_NAMES, lambda r: r.insert_before(snippet).insert_after(snippet)))
    plain = run(compile(MANY_NAMES, "program.py", "exec"))
    assert seen.records == plain.records
    assert seen.probes == [(["a", "c"], True, 7, [7])] * 2


def test_04_private_locals_behind_the_sixteenth_stay_out_of_super_instructions() -> None:
    for count in (13, 14, 15, 16, 17, 30):
        names = ", ".join(f"a{i}" for i in range(count))
        source = f"def f({names}):\n    return a0, a{count - 1}\nrecord(f(*range({count})))"
        snippet = "x, y = {arg0}, {arg1}\nprobe(x, y)\ny, x = x, y\nprobe(x, y)"
        seen = run(instrumented(source, lambda r, s=snippet: r.insert_before(s)))  # type: ignore[misc]
        assert (seen.records, seen.probes) == ([(0, count - 1)], [(0, 1), (1, 0)])


@pytest.mark.parametrize("items", ["[1, 2]", "(i for i in (1, 2))", "[]", "(1, 2)", "range(3)", "{1: 2}", "iter('ab')"])
def test_06_loops_end_behind_what_their_iterator_skips(items: str) -> None:
    source = f"""
def f(items):
    for item in items:
        record(item)
    for item in items:
        for other in [item, item]: record(other)
        else: record("else")
    return [i for i in items], {{i for i in items}}
for _ in range(10):
    items = {items}
    record(repr(f(items)))
"""
    same(source)


def test_06_nothing_stands_at_the_end_of_a_loop() -> None:
    for code in code_objects()[::9]:
        if "FOR_ITER" not in (before := opnames(code)) or code.co_name.startswith("<"):
            continue
        changed = equip.instrument_code(code, Lines())
        assert ends_of_loops(changed) == ends_of_loops(code), code.co_qualname
        assert opnames(changed).count("FOR_ITER") == before.count("FOR_ITER")


def ends_of_loops(code: CodeType) -> set[tuple[str, ...]]:
    """What stands where the loops of a function end, as far as it belongs together."""
    found = list(dis.get_instructions(code))
    at = {one.offset: i for i, one in enumerate(found)}
    ends = set()
    for one in found:
        if one.opname == "FOR_ITER":
            i = at[one.argval]
            if found[i].opname == "END_FOR":
                pair = found[i + 1].opname
                ends.add(("END_FOR", pair if pair in ("POP_TOP", "POP_ITER") else ""))
    return ends


BRANCHES = """
def f(x, y=None):
    if x > 3 and y is not None or not x:
        record("first", x)
    elif x == 2:
        record("second")
    while x > 0:
        x -= 1 if x % 2 else 2
        if y is None: continue
        assert x != 77
    return "even" if x == 0 else "odd"
for x in range(6):
    for y in (None, 1): record(f(x, y))
"""


def test_08_what_is_at_a_branch_stays_behind_its_mark() -> None:
    seen = same(BRANCHES)
    assert seen.probes
    for code in (compile(BRANCHES, "program.py", "exec"), equip.instrument_code(compile(BRANCHES, "p", "exec"), Lines())):
        found = opnames(named(code, "f"))
        marks = [after for name, after in itertools.pairwise(found) if name.startswith("POP_JUMP_IF")]
        # From 3.14 on each branch of the compiler has its mark, and no version has it anywhere else.
        assert found.count("NOT_TAKEN") in (0, marks.count("NOT_TAKEN"))
        if "NOT_TAKEN" in dis.opmap:
            assert set(marks) == {"NOT_TAKEN"}


def test_08_instrumented_and_specialised_code_is_not_read() -> None:
    code = compile(BRANCHES, "program.py", "exec")
    cold = equip.instrument_code(code, Everywhere())

    def tracer(frame: FrameType, event: str, argument: Any) -> Any:
        frame.f_trace_opcodes = frame.f_code.co_filename == "program.py"
        return tracer

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        exec(code, {"record": lambda *what: None})
        traced = equip.instrument_code(code, Everywhere())
    finally:
        sys.settrace(before)
    for _ in range(5):
        run(code)
    hot = equip.instrument_code(code, Everywhere())
    for one in (traced, hot):
        assert named(one, "f").co_code == named(cold, "f").co_code
        assert not any(name.startswith("INSTRUMENTED") for name in opnames(named(one, "f")))


COPIES = """
def f(way):
    try:
        if way == 1: return "return"
        if way == 2: raise ValueError
        if way == 3: 1 / 0
    except ValueError:
        return "caught"
    finally:
        record("finally")
    return "end"
def g(way):
    with held():
        if way: return 1000
        return way
def h(way):
    if way == 0: return None
    if way == 1: return 5
    if way == 2: return 10 ** 3
    if way == 3: return True
    if way == 4: return "text"
    if way == 5: return (1, 2.0)
from contextlib import contextmanager
@contextmanager
def held():
    yield
for way in range(4):
    try: record(f(way))
    except ZeroDivisionError: record("out")
for way in range(2): record(g(way))
for way in range(7): record(h(way))
"""


def test_14_each_copy_of_a_finally_has_the_snippet_once() -> None:
    seen = run(instrumented(COPIES, lambda r: r.insert_at_line(10, "probe(way)")))
    assert seen.probes == [0, 1, 2, 3]
    assert seen.records == run(compile(COPIES, "program.py", "exec")).records


def test_14_each_return_has_the_snippet_once_whatever_it_returns() -> None:
    ask_after = lambda r: r.insert_after("probe({return_value})")  # noqa: E731
    seen = run(instrumented(COPIES, ask_after, "g", "h"))
    assert seen.probes == [0, 1000, None, 5, 1000, True, "text", (1, 2.0), None]
    changed = instrumented(COPIES, lambda r: r.insert_after("{return_value} = [{return_value}]"), "g", "h")
    wanted = [[0], [1000], [None], [5], [1000], [True], ["text"], [(1, 2.0)], [None]]
    assert run(changed).records[-9:] == wanted


EARLY = """
for equip_i in range({arg0}):
    if equip_i == 2:
        break
    elif equip_i > 90:
        raise ValueError(equip_i)
    try:
        assert equip_i
    except AssertionError:
        probe('assert')
    else:
        probe('fine')
else:
    probe('else')
"""


def test_23_snippets_that_end_early_go_on_at_their_end() -> None:
    source = """
def f(n):
    while n > 0:
        record(n)
        n -= 1
    return n
for n in (0, 1, 3): record(f(n))
"""
    plain = run(compile(source, "program.py", "exec"))
    for ask in (
        lambda r: r.insert_before(EARLY),
        lambda r: r.insert_after(EARLY),
        lambda r: [r.insert_at_line(line, EARLY) for line in (3, 4, 5, 6)],
    ):
        seen = run(instrumented(source, ask))
        assert seen.records == plain.records
        assert {"assert", "fine", "else"} >= set(seen.probes) >= {"else"}
    counts = [run(instrumented(source, lambda r: r.insert_before(EARLY))).probes.count(what) for what in ("assert", "fine")]
    assert counts == [2, 1]


def test_23_the_cold_part_stands_where_the_compiler_would_put_it() -> None:
    # Behind the code of the function from 3.12 on, so that what runs meets no jump of the snippet.
    source = "def f(n):\n    record(n)\n    record(n)\n    return n\nf(1)"
    written = "def f(n):\n    record(n)\n    try: probe(n)\n    except ValueError: probe('cold')\n    record(n)\n    return n"
    snippet = "try: probe({arg0})\nexcept ValueError: probe('cold')"
    code = named(instrumented(source, lambda r: r.insert_at_line(3, snippet)), "f")
    assert opnames(code) == opnames(named(compile(written, "program.py", "exec"), "f"))


def test_25_instructions_begin_where_the_interpreter_says() -> None:
    for code in code_objects()[::15]:
        expected = [one.offset for one in dis.get_instructions(code) if one.opname != "EXTENDED_ARG"]
        found = instructions(code)
        # An instruction of equip's begins at its first prefix, one of dis's behind the last.
        assert len(found) == len(expected)
        assert all(one.offset <= offset < one.end for one, offset in zip(found, expected, strict=True))
        assert all(one.end == following.offset for one, following in itertools.pairwise(found))
        assert [one.opname for one in found] == [name for name in opnames(code) if name != "EXTENDED_ARG"]


def test_25_caches_of_injected_code_are_whole() -> None:
    # An instruction behind a cache that is too short would be read as one: the result differs or dis stumbles.
    source = "def f(x):\n    return x\nrecord(f(3))"
    snippet = "import math\ny = math.floor({arg0} + 0.5)\nfor z in [y]: y = {'a': z}['a'] < 4, len('ab'), -z, z[0:] if 0 else z"
    code = instrumented(source, lambda r: r.insert_before(snippet).insert_after("probe(y)"))
    assert run(code).probes == [(True, 2, -3, 3)]
    function = function_of(code, record=print, probe=lambda what: None)
    for _ in range(50):
        assert function(3) == 3
    assert not any(name.startswith("<") for name in opnames(function.__code__))
