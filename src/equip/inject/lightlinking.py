"""What ``light`` finds put into code objects, those of a module together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import repeat
from operator import itemgetter
from types import CodeType
from typing import cast

from equip import isa
from equip.code import exceptions
from equip.code.direct import Covered, Direct, Image, Job, Raises, Row, is_in_the_way, job_of, link_jobs
from equip.code.edit import FALLTHROUGH, INHERIT, Edit, Inherit
from equip.code.exceptions import Handler
from equip.code.linker import link, replaced
from equip.code.pools import Pools
from equip.inject import places
from equip.inject.light import Light, kind_of, light_for
from equip.inject.lines import listed
from equip.inject.request import Insertion
from equip.inject.target import Target
from equip.inject.variables import Rewritten, changed_variables

_made: Callable[..., Job] = tuple.__new__
"""Makes a ``Job`` of a tuple of all its fields, which is what costs least."""
_made_covered: Callable[..., Covered] = tuple.__new__
_LINE: Callable[[Insertion], int] = itemgetter(2)  # what is at lines has one
_NOWHERE: Mapping[int, Raises] = {}
_NOTHING: tuple[Covered, ...] = ()
_PREFIX, _RETURN_VALUE = isa.EXTENDED_ARG, isa.OP["RETURN_VALUE"]


class LightLinking:
    """The snippets on their way into one code object: it is linked with others, and completed when its children are.

    Raises ``KeyError`` for a line that the code object does not have.
    """

    __slots__ = ("_insertions", "_job", "_known_globals", "_light", "_new", "_pools", "_target")

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
        self._job = _job(target, light, insertions, light.images(self._pools, target))

    def _exact(self) -> Light:
        if not self._light.is_exact:
            found = light_for(self._target, self._insertions, self._known_globals)
            assert found is not None, "other functions like it were of that kind: a bug of equip"
            self._light = found
        return self._light

    @staticmethod
    def link(all_: Iterable[LightLinking]) -> None:
        """Do what can be done for many code objects together, before they are completed."""
        together = [one for one in all_ if one._job is not None]
        found = link_jobs([one._job for one in together if one._job is not None])
        for one, new in zip(together, found, strict=True):
            one._new = new

    def completed(self, children: Mapping[int, CodeType]) -> CodeType:
        """The target's code object with the snippets in it, and ``children`` as new constants by index."""
        target, pools = self._target, self._pools
        code = target.code
        if self._new is not None:
            return replaced(code, self._new, pools, children, self._light.record)
        light = self._exact()
        rows = _rows(target, light, self._insertions)
        edits = [
            Edit(at, use, 0, ways, covered, depth, line)
            for at, part, ways, covered, depth, line in rows
            for use in light.parts[part]
        ]
        rewritten: Rewritten = {}
        unproven = _unproven(target, [(row[0], row[3]) for row in rows]) if light.part_of else ()
        if unproven:
            edits += changed_variables(code, pools, (), rewritten, unproven)
        return link(
            code,
            edits,
            pools=pools,
            rewritten=rewritten,
            children=children,
            last_const=light.record,
            is_direct=False,
        )


def _unproven(target: Target, covered: Iterable[tuple[int, Handler | Inherit | None]]) -> Collection[str]:
    """``Coverage.unproven``, where there are handlers."""
    return target.coverage.unproven(covered) if target.code.co_exceptiontable else ()


def _job(
    target: Target, light: Light, insertions: Sequence[Insertion], images: Sequence[Image | None]
) -> Job | None:
    """What is to be linked together with other code objects; None where it takes the general linker."""
    if not light.part_of:
        job = _job_without_lines(target, light, images)
        return job_of(target.code, _rows(target, light, insertions), images) if job is None else job
    job = _job_at_lines(target, images[-1], insertions) if light.is_one_at_lines else None
    if job is None:
        job = job_of(target.code, _rows(target, light, insertions), images)
    if job is not None and job.covered and _unproven(target, [(one.at, one.handler) for one in job.covered]):
        return None
    return job


def _job_without_lines(target: Target, light: Light, images: Sequence[Image | None]) -> Job | None:
    """The job for what is at the entry and the returns; None where that is not as simple as in most functions."""
    code, opcodes = target.code, target.opcodes
    if target.is_suspendable or _PREFIX in opcodes:
        return None
    stack = code.co_stacksize
    ats: list[int] = []
    runs: list[tuple[Image, int]] = []
    bypassed, covered = _NOWHERE, _NOTHING
    numbers = exceptions.numbers_of(code.co_exceptiontable)
    if light.parts[1]:
        ats, image = places.RETURNS.positions(opcodes), images[1]
        if image is None:
            return None
        if ats:
            runs.append((image, len(ats)))
            stack = max(stack, image[2] + (_RETURN_VALUE in opcodes))
    if light.parts[0]:
        at, image = places.entry_of_function(opcodes), images[0]
        if image is None or (ats and ats[0] == at):
            return None
        ats.insert(0, at)
        runs.insert(0, (image, 1))
        stack = max(stack, image[2])
        bypassed = {at: FALLTHROUGH.raises}
        if numbers:
            if opcodes[at] in isa.PUSHES_FRAMES:
                return None
            covered = (Covered(at, 0, len(image[0]) >> 1, None),)
    return _made(Job, (code, ats, runs, bypassed, covered, stack, numbers))


def _job_at_lines(target: Target, image: Image | None, insertions: Sequence[Insertion]) -> Job | None:
    """The job for one thing at lines; None where that is not as simple as in most functions."""
    code, table = target.code, target.encounters
    if image is None:
        return None
    raw, units = code.co_code, len(image[0]) >> 1
    coverage = target.coverage if code.co_exceptiontable else None
    bypassed: dict[int, Raises] = {}
    lines = [*map(_LINE, insertions)]
    elsewhere: list[tuple[int, int]] = []
    places = [*map(table.__getitem__, lines)]
    if list not in map(type, places):  # each line is at one place
        ats = cast("list[int]", places)
    else:
        ats, lines = [], []
        for line, there in zip(map(_LINE, insertions), places, strict=True):
            if isinstance(there, int):
                ats.append(there)
                lines.append(line)
                continue
            for at, place, ways, _, is_early in there:
                if ways is not None:
                    if is_in_the_way(raw, at, ways):
                        return None
                    bypassed[at] = ways.raises
                if at == place and not is_early:
                    ats.append(at)
                    lines.append(line)
                else:
                    elsewhere.append((at, place))
    handled: list[tuple[int, Handler | None]] = []
    if coverage is not None:
        handled = coverage.differing(zip(ats, lines, strict=True))
        for at, place in elsewhere:
            around = coverage.there(at, place)
            if not isinstance(around, Inherit):
                handled.append((at, around))
    ats += [at for at, _ in elsewhere]
    if len({*ats}) != len(ats) or any(raw[2 * at] in isa.PUSHES_FRAMES for at, _ in handled):
        return None
    ats.sort()
    covered = [_made_covered(Covered, (at, 0, units, handler)) for at, handler in handled] or _NOTHING
    numbers = () if coverage is None else coverage.ranges.numbers
    stack = code.co_stacksize + image[2]
    return _made(Job, (code, ats, ((image, len(ats)),), bypassed or _NOWHERE, covered, stack, numbers))


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
    covered, depth = target.coverage.ranges.final, places.entry_depth(code)
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
