"""What ``light`` finds put into code objects, those of a module together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from operator import attrgetter, itemgetter
from types import CodeType
from typing import NamedTuple

from equip import isa
from equip.code.direct import Direct, Image, Row, link_rows
from equip.code.edit import FALLTHROUGH, INHERIT, Edit, Inherit, Ways
from equip.code.exceptions import Handler
from equip.code.linker import link, replaced
from equip.code.pools import Pools
from equip.inject import places
from equip.inject.light import Light, kind_of, light_for
from equip.inject.request import Insertion
from equip.inject.target import Target
from equip.inject.variables import Rewritten, changed_variables, unbindable

_COVERED = attrgetter("covered")


class _Placement(NamedTuple):
    """A part of the snippets at one place; as in ``Edit``."""

    at: int
    part: int
    ways: Ways | None
    covered: Handler | Inherit | None
    depth: int
    line: int | None


class LightLinking:
    """The snippets on their way into one code object: it is linked with others, and completed when its children are.

    Raises ``KeyError`` for a line that the code object does not have.
    """

    __slots__ = ("_insertions", "_known_globals", "_light", "_new", "_pools", "_rows", "_target", "_wakes")

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
        self._wakes = False
        self._new: Direct | None = None
        images = light.images(self._pools, target)
        if light.part_of:
            placements = _placements(target, light, insertions)
            coverage = target.coverage if target.code.co_exceptiontable else None
            self._wakes = coverage is not None and any(map(coverage.wakes, map(_COVERED, placements)))
            self._rows = None if self._wakes else _rows(placements, images)
        else:
            self._rows = _rows_at_ends(target, light, images)

    def _exact(self) -> Light:
        if not self._light.is_exact:
            found = light_for(self._target, self._insertions, self._known_globals)
            assert found is not None, "other functions like it were of that kind: a bug of equip"
            self._light = found
        return self._light

    @staticmethod
    def link(all_: Iterable[LightLinking]) -> None:
        """Do what can be done for many code objects together, before they are completed."""
        together = [one for one in all_ if one._rows is not None]
        found = link_rows([(one._target.code, one._rows or ()) for one in together])
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
            for at, part, ways, covered, depth, line in _placements(target, light, self._insertions)
            for use in light.parts[part]
        ]
        rewritten: Rewritten = {}
        if self._wakes:
            edits += changed_variables(code, pools, (), rewritten, unbindable(code))
        return link(code, edits, pools=pools, rewritten=rewritten, children=children, last_const=light.record)


def _rows_at_ends(target: Target, light: Light, images: Sequence[Image | None]) -> list[Row] | None:
    """The rows of what has nothing at lines; None where some has more than an image."""
    entering, returning = images
    entered, left = light.parts
    if (entered and entering is None) or (left and returning is None):
        return None
    rows: list[Row] = []
    if entering is not None:
        at, covered, depth = _entry(target)
        rows.append(Row(at, entering, True, covered, depth))
    if returning is not None:
        opcodes = target.opcodes
        for start, index in places.returns(opcodes):
            rows.append(Row(start, returning, False, INHERIT, 0 if opcodes[index] == isa.RETURN_CONST else 1))
    return rows


def _placements(target: Target, light: Light, insertions: Sequence[Insertion]) -> list[_Placement]:
    code = target.code
    found: list[_Placement] = []
    if light.parts[0]:
        at, covered, depth = _entry(target)
        found.append(_Placement(at, 0, FALLTHROUGH, covered, depth, code.co_firstlineno))
    if light.part_of:
        found += _line_placements(target, light, insertions)
    if light.parts[1]:
        opcodes = target.opcodes
        for start, index in places.returns(opcodes):
            depth = 0 if opcodes[index] == isa.RETURN_CONST else 1
            found.append(_Placement(start, 1, None, INHERIT, depth, None))
    if light.part_of:
        found.sort(key=itemgetter(0))
    return found


def _entry(target: Target) -> tuple[int, Handler | None, int]:
    """Where the body begins, what a statement there is covered by, and the depth of the stack."""
    at = places.entry(target.opcodes)
    if not target.is_suspendable:
        return at, None, 0
    return at, target.coverage.final, places.entry_depth(target.code)


def _line_placements(target: Target, light: Light, insertions: Sequence[Insertion]) -> list[_Placement]:
    code = target.code
    table = target.encounters
    coverage = target.coverage if code.co_exceptiontable else None
    default, upper = code.co_firstlineno, code.co_stacksize
    found: list[_Placement] = []
    elsewhere: list[_Placement] = []
    early: list[_Placement] = []
    for insertion in insertions:
        part = light.part_of.get(kind_of(insertion))
        if part is None:
            continue
        for at, place, ways, line, is_early in table[insertion.lineno]:  # type: ignore[index]  # what is at lines has one
            covered = INHERIT if coverage is None else coverage.there(at, place)
            placement = _Placement(at, part, ways, covered, upper, line or default)
            (early if is_early else found if at == place else elsewhere).append(placement)
    # A jump can be a place of its own line and carry the snippets of the line that it goes to: first the one.
    return early + found + elsewhere


def _rows(placements: Sequence[_Placement], images: Sequence[Image | None]) -> list[Row] | None:
    """The placements for the simple linker; None where some are for particular ways, or have more than an image."""
    rows: list[Row] = []
    for at, part, ways, covered, depth, _ in placements:
        image = images[part]
        if image is None or not (ways is None or ways is FALLTHROUGH):
            return None
        rows.append(Row(at, image, ways is not None, covered, depth))
    return rows
