"""Which line each code unit of a code object is on."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate, compress
from types import CodeType

from equip import isa
from equip.code.locations import unit_count, unknown_among


def lines_by_unit(code: CodeType) -> list[int | None]:
    """The line of each code unit, None where it has none."""
    spans = LineSpans(code)
    found: list[int | None] = []
    ends = (*spans.starts[1:], 2 * unit_count(code.co_linetable))
    for start, end, line in zip(spans.starts, ends, spans.lines, strict=True):
        found += [line] * ((end - start) >> 1)
    return found


class LineSpans:
    """The lines of a code object: ``starts[i]`` is the first byte of code on ``lines[i]``, as far as ``starts[i + 1]``.

    Neighbours on the same line are one span.
    """

    __slots__ = ("lines", "starts")

    def __init__(self, code: CodeType) -> None:
        self.starts: Sequence[int]
        self.lines: Sequence[int | None]
        if not code.co_linetable:
            self.starts, self.lines = (0,), (None,)
        elif isa.LINES_IN_ONE_SPAN:
            self.starts, _, self.lines = zip(*code.co_lines(), strict=True)
        else:
            self.starts, self.lines = _spans_of_lnotab(code)

    def at(self, unit: int) -> int | None:
        """The line of a code unit."""
        return self.lines[bisect_right(self.starts, 2 * unit) - 1]

    def since(self, unit: int) -> int:
        """The first of the code units before a code unit, or this one, from which on all are on its line."""
        return self.starts[bisect_right(self.starts, 2 * unit) - 1] >> 1

    def among(self, first: int, end: int) -> Sequence[int | None]:
        """The lines of some code units that follow one another, not empty."""
        return self.lines[bisect_right(self.starts, 2 * first) - 1 : bisect_left(self.starts, 2 * end)]

    def from_on(self, unit: int) -> Iterable[int | None]:
        """The lines of a code unit and of those behind it."""
        return self.lines[bisect_right(self.starts, 2 * unit) - 1 :]


def _spans_of_lnotab(code: CodeType) -> tuple[list[int], list[int | None]]:
    """Starts and lines until 3.11: ``co_lines`` has more spans there, which costs more than to find out by oneself.

    ``co_lnotab`` has no place for what has no line: these units it has on the line of those before them.
    """
    table = code.co_lnotab
    steps, moves = table[::2], table[1::2]
    starts = [*accumulate(steps, initial=0)]
    if 0 in moves:  # a step too long for one byte
        starts = [0, *compress(starts[1:], moves)]
        moves = moves.replace(b"\0", b"")
    lines = [*accumulate(moves if moves.isascii() else map(_SIGNED.__getitem__, moves), initial=code.co_firstlineno)]
    unknown = unknown_among(code.co_linetable)
    if not unknown and 0 not in steps:
        return starts, lines
    line_from = dict(zip(starts, lines, strict=True))  # the last one, where several moves are needed
    found: dict[int, int | None] = {**line_from}
    for first, end in unknown:
        found[2 * first] = None
        found.setdefault(2 * end, line_from[starts[bisect_right(starts, 2 * end) - 1]])
    found.pop(len(code.co_code), None)
    in_order = sorted(found)
    return in_order, [found[start] for start in in_order]


_SIGNED = [*range(128), *range(-128, 0)]
