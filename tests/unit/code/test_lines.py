"""Which line each code unit is on, against what the interpreter says."""

from __future__ import annotations

import sys
from itertools import groupby, pairwise
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from equip.code.instruction import iter_instructions
from equip.code.lines import LineSpans, lines_by_unit
from equip.code.locations import lines_below
from property.library import walk

LONG_LINE = "def f(a):\n    a = [" + ", ".join(f"a.b{i}(a)" for i in range(60)) + "]\n    return a\n"
SOURCES = {
    "one line": "def f(): return 1",
    "more bytes on a line than a byte can say": LONG_LINE,
    "far down": "def f(a):\n    a()" + "\n" * 300 + "    return a()\n",
    "far up": "def f(a):\n    while a(\n    ):" + "\n" * 400 + "        a()\n",
    "both at once": LONG_LINE + "\n" * 1000 + LONG_LINE.replace("def f", "def g"),
    "code without a line": "def f(a):\n    try:\n        with a: pass\n    except a as e:\n        raise\n",
    "a generator": "async def f(a):\n    async for b in a:\n        yield await b\n",
}


def test_a_code_object_without_lines_has_instructions() -> None:
    code = compile("def f(a):\n    return a\n", "lines.py", "exec").replace(co_linetable=b"")
    assert lines_by_unit(code) == []
    assert [LineSpans(code).at(unit) for unit in range(3)] == [None] * 3
    found = list(iter_instructions(code))
    assert len(found) > 3
    assert {one.lineno for one in found} == {None}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_lines_below_are_those_of_the_interpreter(source: str) -> None:
    for code in walk(compile(source, "lines.py", "exec")):
        expected = [(end or 0) - (first or 0) for first, end, _, _ in code.co_positions()]
        units = range(len(expected))
        assert lines_below(code.co_linetable, units) == expected
        assert lines_below(code.co_linetable, units[1::2]) == expected[1::2]


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_lines_are_those_of_the_interpreter(source: str) -> None:
    for code in walk(compile(source, "lines.py", "exec")):
        expected = [line for start, end, line in code.co_lines() for _ in range(start, end, 2)]
        assert lines_by_unit(code) == expected
        spans = LineSpans(code)
        assert [spans.at(unit) for unit in range(len(expected))] == expected
        assert all(one != other for one, other in pairwise(spans.lines))
        for first in range(len(expected)):
            assert [*spans.from_on(first)] == [line for line, _ in groupby(expected[first:])]
            assert [*spans.among(first, first + 3)] == [line for line, _ in groupby(expected[first : first + 3])]
        assert len(expected) == len(code.co_code) // 2
