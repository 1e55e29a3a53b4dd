"""Assembly of fragments: symbols become indices, items become code units.

Fragments are kept by what their symbols were resolved to, since most uses of a template resolve alike; and
where all indices fit in a byte a new one is imprinted from a mould rather than assembled.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from equip import isa
from equip.code.fragment import (
    END,
    Const,
    CoveredUnits,
    CrossJump,
    Fragment,
    Label,
    Mould,
    Name,
    Pair,
    Position,
    Slot,
    Stamp,
    Symbol,
    Template,
    Use,
)
from equip.code.locations import Piece, injected


class Resolver:
    """What ``assemble`` asks for: where symbols are in one code object. ``Pools`` implements it."""

    names: Sequence[str]

    def load_const(self, value: object) -> tuple[int, int]:
        """Opcode and argument that push ``value``."""
        raise NotImplementedError

    def const(self, value: object) -> int:
        raise NotImplementedError

    def add_name(self, name: str) -> int:
        """The index of a name that is not yet in ``names``."""
        raise NotImplementedError

    def slot(self, name: str) -> int:
        raise NotImplementedError


_IMAGES_LIMIT = 1024
_LOAD_CONST = isa.OP["LOAD_CONST"]


def assemble(use: Use, pools: Resolver, reserve: Mapping[int, int] | None = None) -> Fragment:
    """Code units for ``use`` with the indices of ``pools``; ``reserve`` maps cross jumps to their prefixes."""
    template = use.template
    values = _resolved(use, pools)
    key: object = (tuple(values), use.numbers)
    if reserve:
        key = (key, tuple(reserve.items()))
    found = template.images.get(key)
    if found is None:
        if len(template.images) >= _IMAGES_LIMIT:
            template.images.clear()
        found = template.images[key] = _assembled(use, values, reserve) if reserve else assemble_from(use, values)
    return found


def assemble_from(use: Use, values: Sequence[Value]) -> Fragment:
    """Code units for ``use`` whose template's symbols are ``values``."""
    found = _imprinted(use, values)
    return _assembled(use, values, {}) if found is None else found


def _imprinted(use: Use, values: Sequence[Value]) -> Fragment | None:
    """The fragment for values that all fit in one byte, from the template's mould; None when some does not."""
    fragment, hot_stamps, cold_stamps = mould_of(use)
    hot = stamped(fragment.hot, hot_stamps, values)
    cold = stamped(fragment.cold, cold_stamps, values) if cold_stamps else fragment.cold
    if hot is None or cold is None:
        return None
    return Fragment(
        hot,
        cold,
        fragment.hot_pieces,
        fragment.cold_pieces,
        fragment.is_injected,
        fragment.jumps,
        fragment.covered,
        fragment.stack,
        fragment.item_spans,
        fragment.length,
    )


def stamped(part: bytes, stamps: Iterable[Stamp], values: Sequence[Value]) -> bytes | None:
    """One part of a mould with the values put in; None when one of them does not fit."""
    out = bytearray(part)
    for number, at, shift, most in stamps:
        value = values[number]
        if type(value) is tuple:
            out[at], value = value
        if value > most:  # type: ignore[operator]
            return None
        out[at + 1] |= value << shift  # type: ignore[operator]
    return bytes(out)


def mould_of(use: Use) -> Mould:
    """The mould of a template with these marks."""
    template = use.template
    found = template.moulds.get(use.numbers)
    if found is None:
        found = template.moulds[use.numbers] = _mould(use)
    return found


def _mould(use: Use) -> Mould:
    template = use.template
    zeros: list[Value] = [0] * len(template.symbols)
    fragment = _assembled(use, zeros, {})
    parts: tuple[list[Stamp], list[Stamp]] = ([], [])
    number = 0
    for (opcode, operand, _), (cold, start, _) in zip(template.items, fragment.item_spans, strict=True):
        stamps, at = parts[cold], 2 * start
        if type(operand) is Pair:
            stamps += (Stamp(number, at, 4, 15), Stamp(number + 1, at, 0, 15))
            number += 2
        elif type(operand) is not int and type(operand) is not Label:
            shift = isa.NAME_SHIFT[opcode] if type(operand) is Name else 0
            stamps.append(Stamp(number, at, shift, 255 >> shift))
            number += 1
    return Mould(fragment, tuple(parts[0]), tuple(parts[1]))


Value = int | tuple[int, int]
"""What a symbol is in one code object: an index, or (opcode, argument) of a constant."""


def _resolved(use: Use, pools: Resolver) -> list[Value]:
    return resolve(use.template.symbols, pools, use.variables, use.constants)


def resolve(
    symbols: Iterable[tuple[int, Symbol]],
    pools: Resolver,
    variables: Mapping[str, str],
    constants: Mapping[object, object],
) -> list[Value]:
    """What each symbol is in one code object."""
    names = pools.names
    values: list[Value] = []
    for opcode, symbol in symbols:
        kind = type(symbol)
        if kind is Name:
            name = symbol[0]
            if name in names:
                values.append(names.index(name))
            else:
                values.append(pools.add_name(name))  # type: ignore[arg-type]
                names = pools.names
        elif kind is Slot:
            values.append(pools.slot(variables.get(symbol[0], symbol[0])))  # type: ignore[call-overload]
        else:
            value = symbol[0] if kind is Const else constants[symbol[0]]
            values.append(pools.load_const(value) if opcode == _LOAD_CONST else pools.const(value))
    return values


def _assembled(use: Use, values: Sequence[Value], reserve: Mapping[int, int]) -> Fragment:
    template = use.template
    units = _units(template, values)
    prefixes = [max(reserve.get(i, 0), _prefixes(arg)) for i, (_, arg) in enumerate(units)]
    labelled = [i for i, item in enumerate(template.items) if type(item.operand) is Label]
    starts = _starts(template, units, prefixes)
    while _relax(template, units, prefixes, starts, labelled):
        starts = _starts(template, units, prefixes)
    return _emit(use, units, prefixes, starts, labelled)


_Unit = tuple[tuple[bytes, int], int]
"""((bytes of a whole instruction in front, opcode), argument): a pair that does not fit becomes two instructions."""


def _units(template: Template, values: Sequence[Value]) -> list[_Unit]:
    units: list[_Unit] = []
    following = iter(values)
    for opcode, operand, _ in template.items:
        front = b""
        arg = 0
        if type(operand) is int:
            arg = operand
        elif type(operand) is Pair:
            first, arg = next(following), next(following)  # type: ignore[assignment]
            assert isinstance(first, int)
            if first < 16 and arg < 16:
                arg |= first << 4
            else:
                single, opcode = isa.PAIRS[opcode]
                front = instruction(single, first)
        elif type(operand) is not Label:
            value = next(following)
            if isinstance(value, tuple):
                opcode, arg = value
            elif type(operand) is Name:
                arg = (value << isa.NAME_SHIFT[opcode]) | operand.low
            else:
                arg = value
        units.append(((front, opcode), arg))
    return units


def _prefixes(arg: int) -> int:
    return 0 if arg < 256 else 1 if arg < 1 << 16 else 2 if arg < 1 << 24 else 3


def instruction(opcode: int, arg: int, prefixes: int = 0) -> bytes:
    """One instruction with its prefixes (at least ``prefixes``) and zeroed inline caches."""
    out = bytearray()
    for k in range(max(prefixes, _prefixes(arg)), 0, -1):
        out += bytes((isa.EXTENDED_ARG, (arg >> (8 * k)) & 255))
    out += bytes((opcode, arg & 255))
    return bytes(out) + b"\0\0" * isa.CACHES[opcode]


def _starts(
    template: Template, units: Sequence[_Unit], prefixes: Sequence[int]
) -> list[int]:
    """Where each item begins, in code units of its part; one more entry: the length of the cold part."""
    starts: list[int] = []
    at = 0
    for i, ((front, opcode), _) in enumerate(units):
        if i == template.cold_at:
            at = 0
        starts.append(at)
        at += len(front) // 2 + prefixes[i] + 1 + isa.CACHES[opcode]
    starts.append(at)
    return starts


def _hot_length(
    template: Template, units: Sequence[_Unit], prefixes: Sequence[int], starts: Sequence[int]
) -> int:
    last = template.cold_at - 1
    if last < 0:
        return 0
    (front, opcode), _ = units[last]
    return starts[last] + len(front) // 2 + prefixes[last] + 1 + isa.CACHES[opcode]


def _relax(
    template: Template,
    units: list[_Unit],
    prefixes: list[int],
    starts: Sequence[int],
    labelled: Sequence[int],
) -> bool:
    """Fill in the jumps within a part; whether one of them needs more prefixes than it has."""
    grown = False
    for i in labelled:
        operand = template.items[i].operand
        assert type(operand) is Label
        target = operand.item
        in_cold = i >= template.cold_at
        if in_cold if target == END else (target >= template.cold_at) != in_cold:
            continue  # a cross jump: the linker's
        (front, opcode), _ = units[i]
        begin = _hot_length(template, units, prefixes, starts) if target == END else starts[target]
        end = starts[i] + len(front) // 2 + prefixes[i] + 1 + isa.CACHES[opcode]
        arg = begin - end if opcode in isa.FORWARD else end - begin
        assert arg >= 0, f"{isa.OPNAMES[opcode]} jumps the wrong way inside a fragment"
        units[i] = ((front, opcode), arg)
        if _prefixes(arg) > prefixes[i]:
            prefixes[i] = _prefixes(arg)
            grown = True
    return grown


def _emit(
    use: Use,
    units: Sequence[_Unit],
    prefixes: Sequence[int],
    starts: Sequence[int],
    labelled: Sequence[int],
) -> Fragment:
    template = use.template
    cold_at = template.cold_at
    parts = [
        front + instruction(opcode, arg, prefixes[i]) for i, ((front, opcode), arg) in enumerate(units)
    ]
    jumps: list[CrossJump] = []
    for i in labelled:
        operand = template.items[i].operand
        assert type(operand) is Label
        cold = i >= cold_at
        (front, opcode), _ = units[i]
        if operand.item == END:
            if not cold:
                continue
            target = None
        elif (operand.item >= cold_at) == cold:
            continue
        else:
            target = Position(not cold, starts[operand.item])
        jumps.append(CrossJump(i, Position(cold, starts[i] + len(front) // 2), opcode, prefixes[i], target))

    hot_length = _hot_length(template, units, prefixes, starts)

    def position(item: int, cold: bool) -> int:
        if item == cold_at and not cold:
            return hot_length
        return starts[item]

    covered: list[CoveredUnits] = []
    for start, end, target_item, depth, lasti in template.protected:
        goal = Position(target_item >= cold_at, starts[target_item])
        if start < cold_at:
            covered.append(CoveredUnits(False, starts[start], position(min(end, cold_at), False), goal, depth, lasti))
        if end > cold_at:
            covered.append(CoveredUnits(True, starts[max(start, cold_at)], starts[end], goal, depth, lasti))
    return Fragment(
        hot=b"".join(parts[:cold_at]),
        cold=b"".join(parts[cold_at:]),
        hot_pieces=_pieces(use, parts, 0, cold_at),
        cold_pieces=_pieces(use, parts, cold_at, len(parts)),
        is_injected=any(use.marks.values()),
        jumps=tuple(jumps),
        covered=tuple(covered),
        stack=template.stack,
        item_spans=tuple(
            (i >= cold_at, starts[i], starts[i] + len(part) // 2) for i, part in enumerate(parts)
        ),
        length=hot_length,
    )


def _pieces(use: Use, parts: Sequence[bytes], first: int, last: int) -> tuple[Piece, ...]:
    runs: list[tuple[int, int]] = []
    for i in range(first, last):
        mark = use.marks.get(use.template.items[i].mark, 0)
        units = len(parts[i]) // 2
        if runs and runs[-1][1] == mark:
            runs[-1] = runs[-1][0] + units, mark
        elif units:
            runs.append((units, mark))
    return tuple(injected(units, mark) if mark else units for units, mark in runs)


# -- making templates ------------------------------------------------------------------------------------


