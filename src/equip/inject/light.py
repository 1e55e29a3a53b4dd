"""The quick way for what most instrumentation asks for: snippets at entry and returns that only read variables.

``_Injection`` does these, too, with the same result; here everything that is alike for many functions is
found by one look-up.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from types import CodeType

from equip import isa
from equip.code.assembly import Value, resolve
from equip.code.direct import Image, Row, joined
from equip.code.edit import FALLTHROUGH, INHERIT, Edit
from equip.code.exceptions import Handler
from equip.code.fragment import Template, Use
from equip.code.linker import link, link_simply
from equip.code.pools import Pools
from equip.code.provenance import Marks, has_record
from equip.inject import places
from equip.inject.compiling import Bound, bind
from equip.inject.request import Insertion, JoinPoint
from equip.inject.snippet import parse
from equip.inject.target import Target


class Light:
    """The snippets for a function when they only read its variables and stand at its entry and returns.

    That is what most instrumentation asks for; everything else takes ``engine._Injection``. Every function has these
    two join points, so there is nothing to check about them.
    """

    __slots__ = ("_images", "_symbols", "entering", "record", "returning")

    def __init__(self, entering: Sequence[Use], returning: Sequence[Use], record: object, *, shared: bool) -> None:
        self.entering = tuple(entering)
        self.returning = tuple(returning)
        self.record = record
        uses = (*entering, *returning)
        self._symbols = tuple({symbol: None for use in uses for symbol in use.template.symbols}) if shared else None
        """What the images depend on where many functions have them in common."""
        self._images: dict[tuple[Value, ...], tuple[Image | None, Image | None]] = {}

    def images(self, pools: Pools) -> tuple[Image | None, Image | None]:
        """What stands at the entry and at each return, None where that is nothing."""
        if self._symbols is None:
            return joined(self.entering, pools), joined(self.returning, pools)
        key = tuple(resolve(self._symbols, pools, _NONE, {}))
        found = self._images.get(key)
        if found is None:
            if len(self._images) >= _IMAGES_LIMIT:
                self._images.clear()
            found = self._images[key] = joined(self.entering, pools), joined(self.returning, pools)
        return found


_NONE: Mapping[str, str] = {}
_IMAGES_LIMIT = 1024
_LIGHT = frozenset({JoinPoint.BEFORE, JoinPoint.AFTER})
_lights: dict[object, tuple[frozenset[str], Light | None]] = {}
"""By the insertions and the kind of function: what becomes of them where all their names are global."""


def find_light(
    target: Target, insertions: Sequence[Insertion], known_globals: Callable[[], Collection[str] | None]
) -> Light | None:
    if not target.is_function or target.in_function or has_record(target.code):
        return None
    key = (target.scope_key, *[(one.location, one.source, one.probe, one.suppress) for one in insertions])
    names, light = _lights.get(key, (None, None))
    if names is not None and target.sees_as_global(names):
        return light
    for one in insertions:
        if one.location not in _LIGHT:
            return None
    marks = Marks(target.code)
    entering: list[Use] = []
    returning: list[Use] = []
    plain = True
    for insertion in insertions:
        if parse(insertion.source).names.bound:
            return None
        bound = bind(insertion, target, (), (), known_globals)
        if not bound.form.is_light:
            return None
        template = bound.compiled.template
        plain = plain and not (bound.snippet.fields or bound.snippet.braced or bound.snippet.mangled)
        if template.items:
            use = use_of(bound, template, bound.symbols, marks)
            (entering if insertion.location is JoinPoint.BEFORE else returning).append(use)
    light = Light(entering, returning, marks.record(), shared=plain)
    if plain:
        names = frozenset().union(*(parse(one.source).ordered for one in insertions))
        if target.sees_as_global(names) and len(_lights) < 1000:
            _lights[key] = (names, light)
    return light


def linked(target: Target, light: Light, children: Mapping[int, CodeType]) -> CodeType:
    """The target's code object with the snippets in it."""
    code = target.code
    pools = Pools(code)
    entering, returning = light.images(pools)
    found = None
    if (entering or not light.entering) and (returning or not light.returning):
        rows: list[Row] = []
        if entering:
            rows.append(Row(places.entry(code), entering, True, _covered(target), 0))
        if returning:
            raw = code.co_code
            for start, index in places.returns(code):
                rows.append(Row(start, returning, False, INHERIT, 0 if raw[2 * index] == isa.RETURN_CONST else 1))
        found = link_simply(code, rows, pools=pools, children=children, last_const=light.record)
    return found or link(code, _edits(target, light), children=children, last_const=light.record)


def _covered(target: Target) -> Handler | None:
    return places.Coverage(target.code).final if target.is_suspendable else None


def _edits(target: Target, light: Light) -> list[Edit]:
    code, raw = target.code, target.code.co_code
    line, covered = code.co_firstlineno, _covered(target)
    edits = [Edit(places.entry(code), use, 0, FALLTHROUGH, covered, 0, line) for use in light.entering]
    for start, index in places.returns(code):
        depth = 0 if raw[2 * index] == isa.RETURN_CONST else 1
        edits += [Edit(start, use, 0, None, INHERIT, depth) for use in light.returning]
    return edits


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
