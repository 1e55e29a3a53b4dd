"""What most instrumentation asks for, found quickly: snippets that only read variables, at entry, returns, lines.

``engine._Injection`` does these, too, with the same result; here everything that is alike for many functions is
found by one look-up. ``lightlinking`` puts it in.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import repeat
from operator import itemgetter
from types import CodeType
from typing import NamedTuple

from equip import isa
from equip.analysis.regions import has_regions
from equip.code.assembly import Value, assemble, assemble_from
from equip.code.direct import Image, joined, stencil_of
from equip.code.fragment import Const, Hole, Name, Slot, Symbol, Template, Use
from equip.code.pools import Pools, constant_key
from equip.code.provenance import Marks, has_record
from equip.inject.compiling import Bound, Form, bind, is_simple
from equip.inject.refusals import parsed
from equip.inject.request import Insertion, JoinPoint
from equip.inject.snippet import parse
from equip.inject.target import Target

Kind = tuple[JoinPoint, str, bool, str]
"""Join point, source, suppression and probe: in what insertions can be alike."""


_location: Callable[[Insertion], JoinPoint] = itemgetter(0)
kind_of: Callable[[Insertion], Kind] = itemgetter(0, 1, 3, 4)


class Light:
    """The snippets for a function when they only read its variables and stand at its entry, returns and lines.

    That is what most instrumentation asks for; everything else takes ``engine._Injection``.
    """

    __slots__ = ("_bounds", "_shared", "is_one_at_lines", "part_of", "parts", "record")

    def __init__(self, bounds: Sequence[Bound], marks: Marks) -> None:
        """``bounds`` in the order in which they were asked for, at lines each once."""
        entering: list[Bound] = []
        returning: list[Bound] = []
        at_lines: list[Bound] = []
        for bound in bounds:
            if bound.compiled.template.items:
                location = bound.insertion.location
                (
                    entering
                    if location is JoinPoint.BEFORE
                    else returning
                    if location is JoinPoint.AFTER
                    else at_lines
                ).append(bound)
        together = (entering, returning, *[[bound] for bound in at_lines])
        self.parts = tuple(
            [[use_of(one, one.compiled.template, one.symbols, marks) for one in part] for part in together]
        )
        """What goes together: at the entry, at a return, and each thing that is at lines."""
        self.is_one_at_lines = len(bounds) == len(at_lines) == 1
        """Whether there is one thing only, and that at lines."""
        self.part_of = {kind_of(bound.insertion): part for part, bound in enumerate(at_lines, 2)}
        """The place in ``parts`` of what is at lines."""
        self.record = marks.record()
        self._bounds = [*entering, *returning, *at_lines]
        self._shared: _Shared | None = None

    @property
    def is_common(self) -> bool:
        """Whether this can be for other functions, too."""
        return all(bound.form.is_common for bound in self._bounds)

    def share(self, code: CodeType) -> None:
        """Keep what this becomes in a code object for others than ``code``, for which it was found."""
        self._shared = _Shared(self.parts, self._bounds, Pools(code))

    @property
    def is_exact(self) -> bool:
        """Whether ``parts`` are right for each function that this was found for, and not only for the first."""
        return self._shared is None or self._shared.is_same

    def images(self, pools: Pools, target: Target) -> tuple[Image | None, ...]:
        """The parts for one code object; None where one has more than what stands at its place, or nothing."""
        if self._shared is not None:
            return self._shared.images(pools, target)
        return tuple([joined([assemble(use, pools) for use in part]) for part in self.parts])


class _Shared:
    """What many functions have in common that get the same snippets: what becomes of these in each, by a key.

    The key is what their symbols are in its pools. Parameters that fields stand for have the same slots in all.
    """

    def __init__(self, parts: Sequence[Sequence[Use]], bounds: Sequence[Bound], pools: Pools) -> None:
        """``bounds`` are what ``parts`` are made of, in the same order, for a code object with ``pools``."""
        asked = [(bound, opcode, symbol) for bound in bounds for opcode, symbol in bound.compiled.template.symbols]
        self._names = dict.fromkeys([symbol.name for _, _, symbol in asked if isinstance(symbol, Name)])
        self._own_names = frozenset(self._names)
        constants: dict[object, tuple[int, Form | None, object]] = {}
        for bound, opcode, symbol in asked:
            if isinstance(symbol, (Const, Hole)):
                form = bound.form if isinstance(symbol, Hole) else None
                constants.setdefault(_key_of(bound, opcode, symbol), (opcode, form, symbol[0]))
        self._constants = list(constants.values())
        """Opcode and value; or opcode, form and hole."""
        self._slots: list[Value] = []
        numbers: dict[object, int] = {key: number for number, key in enumerate([*self._names, *constants])}
        picks: list[list[int]] = []
        for bound in bounds:
            picks.append([])
            for opcode, symbol in bound.compiled.template.symbols:
                if isinstance(symbol, Slot):
                    picks[-1].append(len(numbers) + len(self._slots))
                    self._slots.append(pools.slot(bound.symbols.get(symbol.symbol, symbol.symbol)))
                else:
                    picks[-1].append(numbers[_key_of(bound, opcode, symbol)])
        following = iter(picks)
        self._parts = [[(use, next(following)) for use in part] for part in parts]
        """What goes together, each with the place of what its symbols are, among all of these."""
        self._stencils = [stencil_of(part) for part in self._parts]
        self.is_same = not any(bound.symbols or bound.constants for bound in bounds)
        """Whether each function uses the very same templates with the very same constants."""
        self._images: dict[tuple[Value, ...], tuple[Image | None, ...]] = {}

    def images(self, pools: Pools, target: Target) -> tuple[Image | None, ...]:
        """As ``Light.images``."""
        values = self._values(pools, target)
        key = tuple(values)
        found = self._images.get(key)
        if found is None:
            if len(self._images) >= _IMAGES_LIMIT:
                self._images.clear()
            values += self._slots
            found = self._images[key] = tuple([self._image(part, values) for part in range(len(self._parts))])
        return found

    def _image(self, part: int, values: Sequence[Value]) -> Image | None:
        stencil = self._stencils[part]
        if stencil is None:
            return None
        return stencil.filled(values) or joined(
            [assemble_from(use, [values[number] for number in numbers]) for use, numbers in self._parts[part]]
        )

    def _values(self, pools: Pools, target: Target) -> list[Value]:
        """What the symbols are in a code object, slots aside."""
        names, found = pools.names, self._names
        values: list[Value]
        if self._own_names.isdisjoint(names):
            # The most frequent case: none of the names is there yet.
            pools.names = (*names, *found)
            values = [*range(len(names), len(names) + len(found))]
        else:
            values = [names.index(name) if name in names else pools.add_name(name) for name in found]
        for opcode, form, value in self._constants:
            if form is not None:
                value = form.constant(value, target.fields)
            values.append(pools.load_const(value) if opcode == _LOAD_CONST else pools.const(value))
        return values


def _key_of(bound: Bound, opcode: int, symbol: Symbol) -> object:
    """A key for a symbol that is no slot, the same for those that become the same in each function."""
    if isinstance(symbol, Name):
        return symbol.name
    if isinstance(symbol, Const):
        return opcode, constant_key(symbol.value)
    return opcode, bound.form, symbol[0]


class _Known(NamedTuple):
    """What was found for some insertions: the global names in them, whether parameters matter, and by the kinds of
    these (None where they do not matter) what becomes of the insertions."""

    names: frozenset[str]
    refers: bool
    by_kinds: dict[object, Light]


_LOAD_CONST, _MAKE_CELL = isa.OP["LOAD_CONST"], isa.OP["MAKE_CELL"]
_IMAGES_LIMIT = 1024
_LINENO = JoinPoint.LINENO
_LIGHT = frozenset({JoinPoint.BEFORE, JoinPoint.AFTER, _LINENO})
_KNOWN_LIMIT = 1000
_known: dict[object, _Known] = {}
"""By the insertions and the kind of function."""


def find_light(
    target: Target, insertions: Sequence[Insertion], known_globals: Callable[[], Collection[str] | None]
) -> Light | None:
    """What the insertions come to, if they are of that kind. Does not look whether the lines exist."""
    if not target.is_function or has_record(target.code):
        return None
    what: Sequence[object] = insertions
    is_mixed = False
    if _LINENO in map(_location, insertions):
        # What is a cell elsewhere is perhaps none inside a comprehension, or the other way round.
        is_mixed = _MAKE_CELL in target.opcodes and has_regions(target.code)
        what = kinds = [*map(kind_of, insertions)]
        if kinds.count(kinds[0]) == len(kinds):
            insertions, what = insertions[:1], kinds[:1]
        else:
            insertions = _once_at_lines(insertions)
            what = [*map(kind_of, insertions)]
    key: object = (target.setting.optimize, *what)
    known = _known.get(key)
    if known is None:
        key = (target.scope_key, *what)
        known = _known.get(key)
    found = None
    if is_mixed and (known is None or known.refers or not target.sees_as_global(known.names)):
        return None
    if known is not None and target.sees_as_global(known.names):
        found = known.by_kinds.get(target.parameter_kinds if known.refers else None)
        if found is not None and target.reaches(known.names):
            return found
    made = light_for(target, insertions, known_globals)  # refuses what cannot be reached from inside a function
    if made is None or found is not None:
        return made and found
    if (known is None or known.refers) and len(_known) < _KNOWN_LIMIT and made.is_common:
        snippets = [parse(one.source) for one in insertions]
        names = frozenset().union(*[snippet.ordered for snippet in snippets])
        refers = any(snippet.refers for snippet in snippets)
        if all(map(is_simple, insertions, snippets, repeat(target))):
            key = (target.setting.optimize, *what)
        if target.sees_as_global(names):
            known = _known.setdefault(key, _Known(names, refers, {}))
            known.by_kinds[target.parameter_kinds if refers else None] = made
            made.share(target.code)
    return made


def light_for(
    target: Target, insertions: Sequence[Insertion], known_globals: Callable[[], Collection[str] | None]
) -> Light | None:
    """``find_light`` for this target alone."""
    bounds: list[Bound] = []
    for insertion in _once_at_lines(insertions):
        if insertion.location not in _LIGHT or parsed(insertion.source, target).names.bound:
            return None
        bound = bind(insertion, target, (), (), known_globals)
        form = bound.form
        if not form.is_light or (insertion.location is JoinPoint.LINENO and not form.is_plain):
            return None
        bounds.append(bound)
    return Light(bounds, Marks(target.code))


def _once_at_lines(insertions: Sequence[Insertion]) -> list[Insertion]:
    """The insertions, of those that are at lines and differ in nothing else only the first."""
    first_of: dict[object, Insertion] = {}
    for one in insertions:
        key = kind_of(one)
        first_of.setdefault(key if one[0] is JoinPoint.LINENO else len(first_of), one)
    return list(first_of.values())


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
