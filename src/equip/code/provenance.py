"""Which instructions of a code object were injected, by which probe, from which line of its snippet.

Injected ranges are marked in the location table (``locations.Run``); the marks are numbers into a record
that is the last constant of the code object. Both live in the code object, so they survive ``marshal``, and
an edit moves them like any other location.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import CodeType
from typing import NamedTuple, cast

from equip.code import locations
from equip.code.fragment import Template
from equip.code.holder import code_of
from equip.code.pools import shared

RECORD_TAG = "equip:injected"


class Injected(NamedTuple):
    """Bytes ``[start, end)`` of ``co_code`` come from line ``snippet_line`` (from 1) of a snippet of ``probe``."""

    start: int
    end: int
    probe: str
    snippet_line: int


def provenance(code: object) -> tuple[Injected, ...]:
    """The injected ranges of a code object (or of that of a function or declaration) in order; ``()`` for none.

    Code objects nested in it are not included. Raises ``TypeError`` for what has no code.
    """
    code = code_of(code, "provenance is")
    record = recorded_marks(code)
    if not record:
        return ()
    found: list[Injected] = []
    at = 0
    for location in locations.decode(code.co_linetable, code.co_firstlineno):
        end = at + 2 * location.units
        mark = location.end_column or 0
        if locations.is_mark(location) and 0 < mark <= len(record):
            probe, line = record[mark - 1]
            if found and found[-1].end == at and found[-1][2:] == (probe, line):
                found[-1] = found[-1]._replace(end=end)
            else:
                found.append(Injected(at, end, probe, line))
        at = end
    return tuple(found)


def has_record(code: CodeType) -> bool:
    """Whether something was injected into ``code`` before."""
    consts = code.co_consts
    return bool(consts) and type(consts[-1]) is tuple and consts[-1][:1] == (RECORD_TAG,)


def recorded_marks(code: CodeType) -> tuple[tuple[str, int], ...]:
    """(probe, line of its snippet) for each mark, the first being mark 1."""
    for constant in reversed(code.co_consts):
        if type(constant) is tuple and constant and constant[0] == RECORD_TAG:
            return constant[1:]
    return ()


def injected_probes(code: CodeType) -> tuple[str, ...]:
    """The probes that something in ``code``, or in the code nested in it, comes from, each once."""
    found = dict.fromkeys([pair[0] for pair in recorded_marks(code) if type(pair) is tuple and len(pair) == 2])
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found.update(dict.fromkeys(injected_probes(constant)))
    return tuple(found)


class Marks:
    """Numbers for (probe, line of its snippet), behind those that ``code`` already has."""

    def __init__(self, code: CodeType) -> None:
        before = recorded_marks(code)
        self._numbers: dict[tuple[str, int], int] = {pair: i + 1 for i, pair in enumerate(before)}

    def of_template(self, probe: str, template: Template) -> Mapping[int, int]:
        """The mark for each line of the snippet that ``template`` comes from; 0 for what has no line."""
        numbers = self._numbers
        found: dict[int, int] = {}
        for line in template.lines:
            found[line] = numbers.setdefault((probe, line), len(numbers) + 1)
        found[0] = found[template.lines[0]] if template.lines else numbers.setdefault((probe, 1), len(numbers) + 1)
        return found

    def record(self) -> tuple[object, ...]:
        pairs = tuple(self._numbers)
        found = _records.get(pairs)
        if found is None:
            found = _records[pairs] = cast("tuple[object, ...]", shared((RECORD_TAG, *pairs)))
        return found


_records: dict[tuple[tuple[str, int], ...], tuple[object, ...]] = {}
"""The records that there were, so that one that comes again is found by one look-up."""
