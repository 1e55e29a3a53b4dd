"""The quick way for what most instrumentation asks for: snippets that only read variables, at entry, returns, lines.

``_Injection`` does these, too, with the same result; here everything that is alike for many functions is
found by one look-up.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import count
from operator import attrgetter, itemgetter
from types import CodeType
from typing import NamedTuple

from equip import isa
from equip.code.assembly import Value, resolve
from equip.code.direct import Image, Row, joined
from equip.code.edit import FALLTHROUGH, INHERIT, Edit, Inherit, Ways
from equip.code.exceptions import Handler
from equip.code.fragment import Const, Name, Symbol, Template, Use
from equip.code.linker import link, link_simply
from equip.code.pools import Pools
from equip.code.provenance import Marks, has_record
from equip.inject import places
from equip.inject.compiling import Bound, bind
from equip.inject.request import Insertion, JoinPoint
from equip.inject.snippet import parse
from equip.inject.target import Target
from equip.inject.variables import Rewritten, changed_variables, unbindable

Kind = tuple[JoinPoint, str, str, bool]
"""Join point, source, probe and suppression: in what insertions can be alike."""


class Light:
    """The snippets for a function when they only read its variables and stand at its entry, returns and lines.

    That is what most instrumentation asks for; everything else takes ``engine._Injection``.
    """

    __slots__ = ("_constants", "_images", "_is_plain", "_names", "_symbols", "part_of", "parts", "record")

    def __init__(self, uses: Sequence[tuple[Kind, Use]], record: object, *, shared: bool) -> None:
        """``uses`` in the order in which they were asked for, at lines each once; ``shared`` by many functions."""
        entering: list[Use] = []
        returning: list[Use] = []
        lines: dict[Kind, Use] = {}
        for kind, use in uses:
            if kind[0] is JoinPoint.LINENO:
                lines[kind] = use
            else:
                (entering if kind[0] is JoinPoint.BEFORE else returning).append(use)
        self.parts = (entering, returning, *[[use] for use in lines.values()])
        """What goes together: at the entry, at a return, and each thing that is at lines."""
        self.part_of = dict(zip(lines, count(2), strict=False))
        """The place in ``parts`` of what is at lines."""
        self.record = record
        # Constants as often as they come: some that are equal are not the same (1, 1.0 and True).
        symbols = [symbol for _, use in uses for symbol in use.template.symbols] if shared else []
        self._names = dict.fromkeys([symbol.name for _, symbol in symbols if isinstance(symbol, Name)])
        self._constants = [pair for pair in symbols if isinstance(pair[1], Const)]
        self._is_plain = all(isinstance(symbol, (Name, Const)) for _, symbol in symbols)
        self._symbols = tuple(symbols) if shared else None
        """What the images depend on where many functions have them in common."""
        self._images: dict[tuple[Value, ...], tuple[Image | None, ...]] = {}

    def images(self, pools: Pools) -> tuple[Image | None, ...]:
        """The parts for one code object; None where one has more than what stands at its place, or nothing."""
        if self._symbols is None:
            return tuple([joined(part, pools) for part in self.parts])
        key = self._key(self._symbols, pools)
        found = self._images.get(key)
        if found is None:
            if len(self._images) >= _IMAGES_LIMIT:
                self._images.clear()
            found = self._images[key] = tuple([joined(part, pools) for part in self.parts])
        return found

    def _key(self, symbols: Sequence[tuple[int, Symbol]], pools: Pools) -> tuple[Value, ...]:
        """What the symbols are in a code object."""
        names = pools.names
        if not self._is_plain or not self._names.keys().isdisjoint(names):
            return tuple(resolve(symbols, pools, _NONE, {}))
        # The most frequent case: none of the names is there yet.
        pools.names = [*names, *self._names]
        return (-1, len(names), *resolve(self._constants, pools, _NONE, {}))


_NONE: Mapping[str, str] = {}
_COVERED = attrgetter("covered")
_IMAGES_LIMIT = 1024
_LIGHT = frozenset({JoinPoint.BEFORE, JoinPoint.AFTER, JoinPoint.LINENO})
_lights: dict[object, tuple[frozenset[str], Light]] = {}
"""By the insertions and the kind of function: what becomes of them where all their names are global."""


def find_light(
    target: Target, insertions: Sequence[Insertion], known_globals: Callable[[], Collection[str] | None]
) -> Light | None:
    """What the insertions come to, if they are of that kind. Does not look whether the lines exist."""
    if not target.is_function or target.in_function or has_record(target.code):
        return None
    if JoinPoint.LINENO in [one[0] for one in insertions]:
        insertions = _once_at_lines(insertions)
    key = (target.scope_key, *[one[:2] + one[3:5] for one in insertions])
    names, light = _lights.get(key, (None, None))
    if names is not None and target.sees_as_global(names):
        return light
    marks = Marks(target.code)
    uses: list[tuple[Kind, Use]] = []
    plain = True
    for insertion in insertions:
        location, source, _, suppress, probe, _, _ = insertion
        if location not in _LIGHT or parse(source).names.bound:
            return None
        bound = bind(insertion, target, (), (), known_globals)
        form = bound.form
        if not form.is_light or (location is JoinPoint.LINENO and not form.is_plain):
            return None
        plain = plain and not (bound.snippet.fields or bound.snippet.braced or bound.snippet.mangled)
        template = bound.compiled.template
        if template.items:
            uses.append(((location, source, probe, suppress), use_of(bound, template, bound.symbols, marks)))
    light = Light(uses, marks.record(), shared=plain)
    if plain:
        names = frozenset().union(*(parse(one.source).ordered for one in insertions))
        if target.sees_as_global(names) and len(_lights) < 1000:
            _lights[key] = (names, light)
    return light


def _once_at_lines(insertions: Sequence[Insertion]) -> list[Insertion]:
    """The insertions, of those that are at lines and differ in nothing else only the first."""
    first_of: dict[object, Insertion] = {}
    for one in insertions:
        key = one[:2] + one[3:5]
        first_of.setdefault(key if one[0] is JoinPoint.LINENO else len(first_of), one)
    return list(first_of.values())


class _Placement(NamedTuple):
    """A part of the snippets at one place; as in ``Edit``."""

    at: int
    part: int
    ways: Ways | None
    covered: Handler | Inherit | None
    depth: int
    line: int | None


def linked_at_ends(target: Target, light: Light, children: Mapping[int, CodeType]) -> CodeType:
    """``linked``, quicker, where nothing is at lines."""
    code = target.code
    pools = Pools(code)
    entering, returning = light.images(pools)
    entered, left = light.parts
    if (entered and entering is None) or (left and returning is None):
        return linked(target, light, (), children)
    rows: list[Row] = []
    if entering is not None:
        at, covered, depth = _entry(target)
        rows.append(Row(at, entering, True, covered, depth))
    if returning is not None:
        raw = code.co_code
        for start, index in places.returns(code):
            rows.append(Row(start, returning, False, INHERIT, 0 if raw[2 * index] == isa.RETURN_CONST else 1))
    found = link_simply(code, rows, pools=pools, children=children, last_const=light.record)
    return linked(target, light, (), children) if found is None else found


def linked(
    target: Target, light: Light, insertions: Sequence[Insertion], children: Mapping[int, CodeType]
) -> CodeType:
    """The target's code object with the snippets in it. Raises ``KeyError`` for a line that it does not have."""
    code = target.code
    pools = Pools(code)
    images = light.images(pools)
    placements = _placements(target, light, insertions)
    coverage = target.coverage if code.co_exceptiontable else None
    wakes = coverage is not None and any(map(coverage.wakes, map(_COVERED, placements)))
    found = None
    rows = _rows(placements, images) if not wakes else None
    if rows is not None:
        found = link_simply(code, rows, pools=pools, children=children, last_const=light.record)
    if found is not None:
        return found
    edits = [
        Edit(at, use, 0, ways, covered, depth, line)
        for at, part, ways, covered, depth, line in placements
        for use in light.parts[part]
    ]
    rewritten: Rewritten = {}
    if wakes:
        edits += changed_variables(code, pools, (), rewritten, unbindable(code))
    return link(code, edits, pools=pools, rewritten=rewritten, children=children, last_const=light.record)


def _placements(target: Target, light: Light, insertions: Sequence[Insertion]) -> list[_Placement]:
    code = target.code
    found: list[_Placement] = []
    if light.parts[0]:
        at, covered, depth = _entry(target)
        found.append(_Placement(at, 0, FALLTHROUGH, covered, depth, code.co_firstlineno))
    if light.part_of:
        found += _line_placements(target, light, insertions)
    if light.parts[1]:
        raw = code.co_code
        for start, index in places.returns(code):
            depth = 0 if raw[2 * index] == isa.RETURN_CONST else 1
            found.append(_Placement(start, 1, None, INHERIT, depth, None))
    if light.part_of:
        found.sort(key=itemgetter(0))
    return found


def _entry(target: Target) -> tuple[int, Handler | None, int]:
    """Where the body begins, what a statement there is covered by, and the depth of the stack."""
    code = target.code
    if not target.is_suspendable:
        return places.entry(code), None, 0
    return places.entry(code), target.coverage.final, places.entry_depth(code)


def _line_placements(target: Target, light: Light, insertions: Sequence[Insertion]) -> list[_Placement]:
    code = target.code
    table = target.encounters
    coverage = target.coverage if code.co_exceptiontable else None
    default, upper = code.co_firstlineno, code.co_stacksize
    found: list[_Placement] = []
    elsewhere: list[_Placement] = []
    early: list[_Placement] = []
    for location, source, lineno, suppress, probe, _, _ in insertions:
        part = light.part_of.get((location, source, probe, suppress))
        if part is None:
            continue
        for at, place, ways, line, is_early in table[lineno]:  # type: ignore[index]  # what is at lines has one
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


def use_of(bound: Bound, template: Template, variables: Mapping[str, str], marks: Marks) -> Use:
    """``template``, made from a bound snippet; the same object for code objects that use it in the same way."""
    numbers = marks.of_template(bound.insertion.probe, template)
    if variables or bound.constants:
        return Use(template, variables, bound.constants, numbers)
    key = (template, tuple(numbers.values()))
    found = bound.form.uses.get(key)
    if found is None:
        found = bound.form.uses[key] = Use(template, {}, {}, numbers)
    return found
