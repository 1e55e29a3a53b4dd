"""The quick way for what most instrumentation asks for: snippets at entry and returns that only read variables.

``_Injection`` does these, too, with the same result; here everything that is alike for many functions is
found by one look-up.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from equip import isa
from equip.code.edit import FALLTHROUGH, INHERIT, Edit
from equip.code.fragment import Template, Use
from equip.code.provenance import Marks, has_record
from equip.inject import places
from equip.inject.compiling import Bound, bind
from equip.inject.request import Insertion, JoinPoint
from equip.inject.snippet import parse
from equip.inject.target import Target


class Light(NamedTuple):
    """The snippets for a function when they only read its variables and stand at its entry and returns.

    That is what most instrumentation asks for; everything else takes ``engine._Injection``.
    """

    entering: tuple[Use, ...]
    returning: tuple[Use, ...]
    record: object


_LIGHT = frozenset({JoinPoint.BEFORE, JoinPoint.AFTER})
_lights: dict[object, tuple[frozenset[str], Light | None]] = {}
"""By the insertions and the kind of function: what becomes of them where all their names are global."""


def find_light(
    target: Target, insertions: Sequence[Insertion], known_globals: Callable[[], Collection[str] | None]
) -> Light | None:
    if not target.is_function or target.in_function or has_record(target.code):
        return None
    key = (target.scope_key, *((one.location, one.source, one.probe, one.suppress) for one in insertions))
    names, light = _lights.get(key, (None, None))
    if names is not None and target.sees_as_global(names):
        return light
    if any(one.location not in _LIGHT for one in insertions):
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
    light = Light(tuple(entering), tuple(returning), marks.record())
    if plain:
        names = frozenset().union(*(parse(one.source).ordered for one in insertions))
        if target.sees_as_global(names) and len(_lights) < 1000:
            _lights[key] = (names, light)
    return light


def light_edits(target: Target, light: Light) -> list[Edit]:
    code = target.code
    edits: list[Edit] = []
    if light.entering:
        covered = places.Coverage(code).final if target.is_suspendable else None
        at, line = places.entry(code), code.co_firstlineno
        depth = places.entry_depth(code) if target.is_suspendable else 0
        edits = [Edit(at, use, 0, FALLTHROUGH, covered, depth, line) for use in light.entering]
    if light.returning:
        raw = code.co_code
        for start, index in places.returns(code):
            depth = 0 if raw[2 * index] == isa.RETURN_CONST else 1
            for use in light.returning:
                edits.append(Edit(start, use, 0, None, INHERIT, depth))
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
