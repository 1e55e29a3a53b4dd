"""What ``light`` finds put into code objects, those of a module together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import repeat
from operator import itemgetter
from types import CodeType

from equip import isa
from equip.code.direct import Direct, Job, Row, link_jobs
from equip.code.edit import FALLTHROUGH, INHERIT, Edit, Inherit
from equip.code.exceptions import Handler
from equip.code.linker import link, replaced
from equip.code.pools import Pools
from equip.inject import places
from equip.inject.light import Light, kind_of, light_for
from equip.inject.lines import listed
from equip.inject.request import Insertion
from equip.inject.target import Target
from equip.inject.variables import Rewritten, changed_variables, unbindable

_made: Callable[..., Job] = tuple.__new__
"""Makes a ``Job`` of a tuple of all its fields, which is what costs least."""
_COVERED: Callable[[Row], Handler | Inherit | None] = itemgetter(3)
_LINE: Callable[[Insertion], int] = itemgetter(2)  # what is at lines has one


class LightLinking:
    """The snippets on their way into one code object: it is linked with others, and completed when its children are.

    Raises ``KeyError`` for a line that the code object does not have.
    """

    __slots__ = ("_images", "_insertions", "_known_globals", "_light", "_new", "_pools", "_rows", "_target", "_wakes")

    def __init__(
        self,
        target: Target,
        light: Light,
        insertions: Sequence[Insertion],
        known_globals: Callable[[], Collection[str] | None],
    ) -> None:
        self._target = target
        self._known_globals = known_globals
        self._light = light
        self._insertions = insertions
        self._pools = Pools(target.code)
        self._new: Direct | None = None
        self._images = light.images(self._pools, target)
        self._rows = _rows(target, light, insertions)
        self._wakes = False
        if light.part_of and target.code.co_exceptiontable:
            wakes = target.coverage.wakes
            self._wakes = bool(target.coverage.waking) and any(map(wakes, map(_COVERED, self._rows)))

    def _exact(self) -> Light:
        if not self._light.is_exact:
            found = light_for(self._target, self._insertions, self._known_globals)
            assert found is not None, "other functions like it were of that kind: a bug of equip"
            self._light = found
        return self._light

    @staticmethod
    def link(all_: Iterable[LightLinking]) -> None:
        """Do what can be done for many code objects together, before they are completed."""
        together = [one for one in all_ if not one._wakes]
        found = link_jobs([_made(Job, (one._target.code, one._rows, one._images)) for one in together])
        for one, new in zip(together, found, strict=True):
            one._new = new

    def completed(self, children: Mapping[int, CodeType]) -> CodeType:
        """The target's code object with the snippets in it, and ``children`` as new constants by index."""
        target, pools = self._target, self._pools
        code = target.code
        if self._new is not None:
            return replaced(code, self._new, pools, children, self._light.record)
        light = self._exact()
        edits = [
            Edit(at, use, 0, ways, covered, depth, line)
            for at, part, ways, covered, depth, line in self._rows
            for use in light.parts[part]
        ]
        rewritten: Rewritten = {}
        if self._wakes:
            edits += changed_variables(code, pools, (), rewritten, unbindable(code))
        return link(
            code,
            edits,
            pools=pools,
            rewritten=rewritten,
            children=children,
            last_const=light.record,
            is_direct=False,
        )


def _rows(target: Target, light: Light, insertions: Sequence[Insertion]) -> list[Row]:
    """The places of the parts of what was found."""
    found: list[Row] = []
    if light.parts[0]:
        found.append(_row_at_entry(target))
    if light.part_of:
        found += _rows_at_lines(target, light, insertions)
    if light.parts[1]:
        opcodes = target.opcodes
        for start, index in places.returns(opcodes):
            found.append((start, 1, None, INHERIT, 0 if opcodes[index] == isa.RETURN_CONST else 1, None))
    if light.part_of:
        found.sort(key=itemgetter(0))
    return found


def _row_at_entry(target: Target) -> Row:
    """The place of the first part."""
    code, opcodes = target.code, target.opcodes
    if not target.is_suspendable:
        return places.entry_of_function(opcodes), 0, FALLTHROUGH, None, 0, code.co_firstlineno
    covered, depth = target.coverage.final, places.entry_depth(code)
    return places.entry(opcodes), 0, FALLTHROUGH, covered, depth, code.co_firstlineno


def _rows_at_lines(target: Target, light: Light, insertions: Sequence[Insertion]) -> list[Row]:
    code = target.code
    table = target.encounters
    coverage = target.coverage if code.co_exceptiontable else None
    default, upper = code.co_firstlineno, code.co_stacksize
    found: list[Row] = []
    elsewhere: list[Row] = []
    early: list[Row] = []
    one = len(light.parts) - 1
    parts = repeat(one) if light.is_one_at_lines else map(light.part_of.get, map(kind_of, insertions))
    for lineno, part in zip(map(_LINE, insertions), parts, strict=False):
        if part is None:
            continue
        there = table[lineno]
        if type(there) is int:
            covered = INHERIT if coverage is None else coverage.on_line(there, lineno)
            found.append((there, part, None, covered, upper, lineno))
            continue
        for at, place, ways, line, is_early in listed(lineno, there):
            covered = INHERIT if coverage is None else coverage.there(at, place)
            row = at, part, ways, covered, upper, line or default
            (early if is_early else found if at == place else elsewhere).append(row)
    # A jump can be a place of its own line and carry the snippets of the line that it goes to: first the one.
    return early + found + elsewhere
