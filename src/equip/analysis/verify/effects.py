"""The rows of ``isa.demands`` as what instructions do to the abstract frame."""

from __future__ import annotations

from collections.abc import Callable
from operator import and_
from typing import Final

from equip.analysis.verify import kinds
from equip.analysis.verify.frame import Frame
from equip.analysis.verify.kinds import BORROWED, SETS
from equip.analysis.verify.problem import Fault
from equip.isa import demands

Step = Callable[[Frame, int], None]
"""What an instruction does to the frame, given its argument. Raises ``Fault``."""


_COUNTS: Final[dict[str, Callable[[int], int]]] = {
    "": lambda arg: 1,
    "A": lambda arg: arg,
    "2A": lambda arg: 2 * arg,
    "LOW": lambda arg: arg & 1,
    "BIT2": lambda arg: arg >> 2 & 1,
    "SPREAD": lambda arg: (arg & 255) + 1 + (arg >> 8),
}
_FEW: Final = 1 << 20
"""More values than this are on no stack."""


class Effect:
    """A row for one argument: ``denied`` kinds of each input, ``made`` outputs (a value, a place, whose borrow)."""

    __slots__ = ("denied", "fixed", "made", "names", "pushed")

    def __init__(self, row: list[str], arg: int) -> None:
        cut = row.index("--")
        self.names = _repeated(row[:cut], arg)
        self.denied = [kinds.KINDS & ~SETS[name] for name in self.names]
        self.made: list[tuple[int, int, int]] = []
        for name in _repeated(row[cut + 1 :], arg):
            kind, _, place = name.partition("+")
            self.made.append((0, int(kind), -1) if kind.isdigit() else (SETS[kind], -1, int(place or -1)))
        self.pushed = sum(place < 0 for _, place, _ in self.made)
        self.fixed = [value for value, _, _ in self.made] if all(m[1] < 0 and m[2] < 0 for m in self.made) else None

    def apply(self, frame: Frame, arg: int) -> None:
        """Do what the row says; ``arg`` is the argument that it was made for."""
        stack, denied = frame.stack, self.denied
        count = len(denied)
        if not count:
            stack += self.fixed or ()
            return
        if len(stack) < count:
            raise Fault("underflow", f"expected {count} values on the stack, found {len(stack)}")
        taken = stack[-count:]
        if any(map(and_, taken, denied)):
            self._refuse(taken)
        if self.fixed is not None:
            stack[-count:] = self.fixed
            return
        stack[-count:] = [
            taken[place] if place >= 0 else value | (taken[lender] >> BORROWED << BORROWED if lender >= 0 else 0)
            for value, place, lender in self.made
        ]

    def _refuse(self, taken: list[int]) -> None:
        for place, (value, refused) in enumerate(zip(taken, self.denied, strict=True)):
            if value & refused:
                where = f"at {len(taken) - place} from the top"
                raise Fault("kind", f"expected {self.names[place]} {where}, found {kinds.shown(value)}")


def _repeated(items: list[str], arg: int) -> list[str]:
    found: list[str] = []
    for item in items:
        name, _, count = item.partition("*")
        times = _COUNTS[count](arg)
        if times > _FEW:
            raise Fault("underflow", f"expected {times} values on the stack, found fewer")
        found += [name] * times
    return found


_KEPT: dict[int, Effect] = {}
USES_ARGUMENT: Final = frozenset(n for n, row in demands.ROWS.items() if any("*" in item for item in row))
"""Opcodes whose row depends on the argument."""


def effect_of(opcode: int, arg: int) -> Effect:
    """The row of an opcode, kept for the arguments that are frequent."""
    key = opcode | arg << 8 if opcode in USES_ARGUMENT else opcode
    found = _KEPT.get(key)
    if found is None:
        found = Effect(demands.ROWS[opcode], arg)
        if arg < 256:
            _KEPT[key] = found
    return found


def step_of(opcode: int) -> Step:
    """What a row does."""
    return _counting(opcode) if opcode in USES_ARGUMENT else _step(effect_of(opcode, 0))


def _counting(opcode: int) -> Step:
    """What a row does that depends on the argument."""
    kept: dict[int, Step] = {}

    def step(frame: Frame, arg: int) -> None:
        known = kept.get(arg)
        if known is None:
            known = kept[arg] = _step(effect_of(opcode, arg))
            if len(kept) > _KEPT_EACH:
                kept.clear()
        known(frame, arg)

    return step


_KEPT_EACH: Final = 512


def _step(effect: Effect) -> Step:
    """What an effect does. The frequent shapes, of few inputs and new outputs, do without a loop."""
    count, fixed = len(effect.denied), effect.fixed
    if count == 1 and all(place < 0 for _, place, _ in effect.made):
        return _one_input(effect) if fixed is None else _one_input_new(effect, fixed)
    if fixed is None:
        return effect.apply
    if count > 2:
        return _inputs_new(effect, fixed)
    if count:
        return _two_inputs_new(effect, fixed)
    return (lambda frame, arg: frame.stack.extend(fixed)) if fixed else nothing


def _one_input(effect: Effect) -> Step:
    """Outputs that can borrow what the input borrows."""
    made = [(value, -1 << BORROWED if lender >= 0 else 0) for value, _, lender in effect.made]
    (denied,) = effect.denied

    def step(frame: Frame, arg: int) -> None:
        stack = frame.stack
        if stack and not (value := stack[-1]) & denied:
            stack[-1:] = [new | value & lent for new, lent in made]
        else:
            effect.apply(frame, arg)

    return step


def _one_input_new(effect: Effect, fixed: list[int]) -> Step:
    (denied,) = effect.denied

    def step(frame: Frame, arg: int) -> None:
        stack = frame.stack
        if stack and not stack[-1] & denied:
            stack[-1:] = fixed
        else:
            effect.apply(frame, arg)

    return step


def _two_inputs_new(effect: Effect, fixed: list[int]) -> Step:
    below, top = effect.denied

    def step(frame: Frame, arg: int) -> None:
        stack = frame.stack
        if len(stack) > 1 and not (stack[-1] & top or stack[-2] & below):
            stack[-2:] = fixed
        else:
            effect.apply(frame, arg)

    return step


def _inputs_new(effect: Effect, fixed: list[int]) -> Step:
    denied, count = effect.denied, len(effect.denied)

    def step(frame: Frame, arg: int) -> None:
        stack = frame.stack
        if len(stack) >= count and not any(map(and_, stack[-count:], denied)):
            stack[-count:] = fixed
        else:
            effect.apply(frame, arg)

    return step


def nothing(frame: Frame, arg: int) -> None:
    """No change: also of branches, which do theirs when their block is left, and of KW_NAMES (see ``structure``)."""
