"""Fragments: code with symbols in the place of indices.

A ``Template`` says what a snippet does, independent of where it goes: constants, names and variables are
symbols, jumps name items. ``assembly`` turns it into a ``Fragment``, code units for one code object.

The items up to ``cold_at`` are *hot*: they stand at the place of the insertion and leave by falling off
their end (``END`` as a jump target). The others are *cold* (handlers): they go to the end of the code
object, where the compiler puts code of that kind, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from equip import isa
from equip.code.locations import Piece

END = -1
"""As the item of a ``Label``: behind the last hot item."""


class Const(NamedTuple):
    """A constant, by value."""

    value: object


class Hole(NamedTuple):
    """A constant that each use of the template supplies."""

    key: object


class Name(NamedTuple):
    """An entry of ``co_names``; ``low`` are the flag bits below its index."""

    name: str
    low: int = 0


class Slot(NamedTuple):
    """A variable in the frame."""

    symbol: str


class Pair(NamedTuple):
    """Two variables named by one super-instruction."""

    first: str
    second: str


class Label(NamedTuple):
    """A jump to an item of the same template."""

    item: int


Symbol = Const | Hole | Name | Slot
"""What has to be resolved: an entry of a pool, or a variable."""

Operand = int | Const | Hole | Name | Slot | Pair | Label


class Item(NamedTuple):
    """One instruction; ``mark`` is the line of the snippet that it comes from (0: none)."""

    opcode: int
    operand: Operand = 0
    mark: int = 0


class Protected(NamedTuple):
    """Exceptions raised by items ``[start, end)`` go to item ``target``; depth counted from the fragment's own."""

    start: int
    end: int
    target: int
    depth: int
    lasti: bool


@dataclass(frozen=True, eq=False, slots=True)
class Template:
    """A relocatable piece of code. ``stack`` is its own stack need, in slots."""

    items: tuple[Item, ...]
    cold_at: int
    protected: tuple[Protected, ...] = ()
    stack: int = 0
    images: dict[object, Fragment] = field(default_factory=dict)
    """Fragments already assembled, by what their symbols were resolved to."""
    moulds: dict[tuple[int, ...], Mould] = field(default_factory=dict)
    symbols: tuple[tuple[int, Symbol], ...] = field(init=False)
    """(opcode, symbol) for everything that has to be resolved, in order; pairs as two slots."""
    lines: tuple[int, ...] = field(init=False)
    """The lines of the snippet that its items come from."""

    def __post_init__(self) -> None:
        symbols: list[tuple[int, Symbol]] = []
        for opcode, operand, _ in self.items:
            if type(operand) is Pair:
                symbols += ((opcode, Slot(operand.first)), (opcode, Slot(operand.second)))
            elif type(operand) is not int and type(operand) is not Label:
                symbols.append((opcode, operand))  # type: ignore[arg-type]
        object.__setattr__(self, "symbols", tuple(symbols))
        object.__setattr__(self, "lines", tuple(sorted({item.mark for item in self.items if item.mark})))

    @property
    def opcodes(self) -> frozenset[int]:
        return frozenset(item.opcode for item in self.items)

    @property
    def falls_through(self) -> bool:
        """Whether control can leave by the end of the hot part."""
        if not self.cold_at or self.items[self.cold_at - 1].opcode not in isa.NO_FALLTHROUGH:
            return True
        return any(item.operand == Label(END) for item in self.items)


@dataclass(frozen=True, eq=False, slots=True)
class Use:
    """A template as one code object uses it: its symbols' variables, its holes' constants, its marks' numbers."""

    template: Template
    variables: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[object, object] = field(default_factory=dict)
    marks: Mapping[int, int] = field(default_factory=dict)
    numbers: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "numbers", tuple(self.marks.values()))


class Position(NamedTuple):
    """A code unit of a fragment: ``unit`` counts within its hot or its cold part."""

    cold: bool
    unit: int


class CrossJump(NamedTuple):
    """A jump between the parts, or to the end of the hot part, that only the linker can resolve.

    ``target`` None is the end of the hot part.
    """

    item: int
    at: Position
    opcode: int
    prefixes: int
    target: Position | None


class CoveredUnits(NamedTuple):
    cold: bool
    start: int
    end: int
    target: Position
    depth: int
    lasti: bool


@dataclass(eq=False, slots=True)
class Fragment:
    """Code units of a template for one code object; cross jumps still open."""

    hot: bytes
    cold: bytes
    hot_pieces: tuple[Piece, ...]
    cold_pieces: tuple[Piece, ...]
    """For the location table."""
    is_injected: bool
    """Whether it comes from a snippet, and not from a change of the program's own instructions."""
    jumps: tuple[CrossJump, ...]
    covered: tuple[CoveredUnits, ...]
    stack: int
    item_spans: tuple[tuple[bool, int, int], ...]
    """For each item: (cold, first code unit, code unit behind it)."""
    length: int
    """Code units of the hot part."""


class Stamp(NamedTuple):
    """Where symbol ``number`` goes in a mould: the byte position of the opcode, how many bits from the right in the
    argument, and the highest index for which there is room."""

    number: int
    at: int
    shift: int
    most: int


class Mould(NamedTuple):
    """A fragment with zeros for its symbols, and where these go in its hot and in its cold part."""

    fragment: Fragment
    hot: tuple[Stamp, ...]
    cold: tuple[Stamp, ...]


def wrapped(front: Sequence[Item], template: Template, back: Sequence[Item] = ()) -> Template:
    """``template`` with other hot items in front of it and behind it."""
    shift, end = len(front), len(front) + template.cold_at

    def moved(item: Item) -> Item:
        if type(item.operand) is not Label:
            return item
        goal = item.operand.item
        if goal == END:
            return item._replace(operand=Label(end)) if back else item
        return item._replace(operand=Label(relocate(goal)))

    def relocate(index: int) -> int:
        return index + shift if index < template.cold_at else index + shift + len(back)

    hot = [moved(item) for item in template.items[: template.cold_at]]
    cold = [moved(item) for item in template.items[template.cold_at :]]
    protected: list[Protected] = []
    for start, stop, target, depth, lasti in template.protected:
        if start < template.cold_at:
            protected.append(
                Protected(start + shift, min(stop, template.cold_at) + shift, relocate(target), depth, lasti)
            )
        if stop > template.cold_at:
            first = max(start, template.cold_at)
            protected.append(Protected(relocate(first), stop + shift + len(back), relocate(target), depth, lasti))
    items = (*front, *hot, *back, *cold)
    return Template(items, len(front) + len(hot) + len(back), tuple(protected), template.stack)
