"""What is plain to see of the regions of inlined comprehensions, against what a walk through all of the code finds."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from equip.analysis.depths import depth_at, stack_depths
from equip.analysis.regions import Regions, unprotected
from equip.code import exceptions
from property.library import code_objects, walk

CORPUS = Path(__file__).resolve().parents[2] / "corpus"
SOURCES = {
    "in a with and in a try": """
def f(p, q):
    with p:
        a = [x for x in q]
    try:
        return [
            x
            for x in q
            if x
        ]
    finally:
        q()
""",
    "in a handler": """
def f(p):
    try:
        p()
    except p:
        a = [x for x in p]
        return {a: 1 for y in a}
""",
    "one in another": "def f(p):\n    return [[x for x in y] for y in p]",
    "one in the iterator of another": "def f(p):\n    return [x for x in [y for y in p]]",
    "asynchronous": "async def f(p):\n    return [await x async for x in p]",
    "captured": "def f(p):\n    return [lambda: x for x in p]",
    "several variables": "def f(p):\n    return {x: y for x, y, *z in p for w in z}",
}


def codes() -> Iterator[CodeType]:
    for name, source in SOURCES.items():
        yield from walk(compile(source, name, "exec"))
    for path in sorted(CORPUS.glob("*.py")):
        try:
            yield from walk(compile(path.read_bytes(), path.name, "exec"))
        except SyntaxError:  # of a newer Python
            continue
    yield from code_objects()[::2]


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
def test_what_is_plain_is_what_a_walk_finds() -> None:
    seen = 0
    for code in codes():
        depths = stack_depths(code)
        found = unprotected(code, depths)
        regions = Regions(code, exceptions.decode(code.co_exceptiontable))
        units = range(len(code.co_code) // 2)
        assert {unit: handler for unit in units if (handler := regions.handler_at(unit))} == found.covered
        assert {unit: end for unit, end in regions.restored.items() if 2 * unit in depths} == found.restored
        seen += len(found.restored)
    assert seen == 0 if sys.version_info < (3, 12) else seen > 20


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
def test_a_depth_by_itself_is_that_among_all() -> None:
    seen = 0
    for code in codes():
        table = exceptions.decode(code.co_exceptiontable)
        depths = stack_depths(code)
        for offset in range(0, len(code.co_code), 2):
            assert depth_at(code, table, offset) == depths.get(offset), (code, offset)
            seen += 1
    assert seen > 5000
