"""Short ways to tell which handler a statement stands in, against the long ones that they spare."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from soak.grammar import program

from equip import isa
from equip.code.edit import Inherit
from equip.code.exceptions import Handler
from equip.inject.coverage import Coverage
from equip.inject.ranges import Ranges
from property.library import code_objects, walk

_PREFIX = isa.EXTENDED_ARG
CORPUS = Path(__file__).resolve().parents[2] / "corpus"
SOURCES = {
    "last thing in the body": """
def f(p):
    x = 1
    for i in p:
        try:
            p()
            del x
            break
        except p:
            return x
""",
    "in one of the ways to the end of the body": """
def f(p):
    x = 1
    for i in p:
        try:
            p()
            if p:
                del x
            break
        except p:
            return x
""",
    "by what restores the variables of a comprehension": """
def f(p):
    for i in p:
        try:
            p()
            [x for x in p]
            break
        except p:
            return x
    x = 1
""",
    "nowhere": """
def f(p):
    x = 1
    for i in p:
        try:
            p()
            break
        except p:
            return x
""",
}


def covered_codes() -> Iterator[CodeType]:
    """Code objects with handlers."""
    sources = [*SOURCES.values(), *(path.read_text() for path in sorted(CORPUS.glob("*.py")))]
    for source in [*sources, *map(program, range(4))]:
        try:
            module = compile(source, "program.py", "exec")
        except SyntaxError:  # of a newer Python
            continue
        yield from (code for code in walk(module) if code.co_exceptiontable)
    yield from (code for code in code_objects()[::80] if code.co_exceptiontable)


def places(coverage: Coverage) -> list[tuple[int, int]]:
    """Each instruction that has a line, prefixes and caches left out, with that."""
    opcodes, line_at = coverage.ranges.opcodes, coverage.ranges.lines.at
    units = [unit for unit, opcode in enumerate(opcodes) if opcode and not (unit and opcodes[unit - 1] == _PREFIX)]
    return [(unit, line) for unit in units if (line := line_at(unit)) is not None]


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
def test_many_places_at_once() -> None:
    seen = 0
    for code in covered_codes():
        coverage = Coverage(code)
        on_lines = places(coverage)
        one_by_one = [(place, coverage.on_line(place, line)) for place, line in on_lines]
        expected = [(place, around) for place, around in one_by_one if not isinstance(around, Inherit)]
        assert coverage.differing(on_lines) == expected, code
        seen += len(expected)
    assert seen > 1000


@pytest.mark.skipif(not isa.UNCHECKED_LOCALS, reason="every load of a local looks whether it is bound (3.11)")
@pytest.mark.filterwarnings("ignore::SyntaxWarning")
def test_what_plainly_unbinds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    is_led_to_from = Ranges.is_led_to_from
    spared = of_use = 0

    def counting(ranges: Ranges, handler: Handler, unit: int) -> bool:
        nonlocal spared
        found = is_led_to_from(ranges, handler, unit)
        spared += found
        return found

    for code in covered_codes():
        coverage = Coverage(code)
        handled = coverage.differing(places(coverage))
        for asked in (handled, *([one] for one in handled)):
            with monkeypatch.context() as patching:
                patching.setattr(Ranges, "is_led_to_from", counting)
                quick = coverage.unproven(asked)
                patching.setattr(Ranges, "is_led_to_from", lambda *_: False)
                assert coverage.unproven(asked) == quick, (code, asked)
            of_use += bool(quick)
    assert of_use
    assert spared > 100
