"""The locals whose loads the compiler has left unchecked because they are bound, when more can happen than it knew.

It has followed, for each local, whether it can be unbound, and takes an exception to leave from before each instruction
that a handler covers. What is put in where that handler covered nothing can bring other states to it: behind a ``del``
that was the last thing in a ``try``, or where the compiler took the handler for one that is never reached.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from operator import attrgetter
from types import CodeType

from equip import isa
from equip.analysis.depths import NEVER_TAKEN
from equip.analysis.regions import accesses
from equip.code.exceptions import Handler
from equip.code.instruction import parameter_count, with_prefixes
from equip.code.sites import find_jumps

_LABEL, _COVER, _RAISE, _LOAD, _BIND, _UNBIND, _JUMP, _LEAVE = range(8)
"""What happens at a code unit, in this order: others come there, a range begins, an exception comes from there, a local
is loaded, bound or unbound (two of them in a super-instruction), a jump, an end."""
_DOES = {
    **dict.fromkeys(isa.ops("LOAD_FAST LOAD_FAST_BORROW"), _LOAD),
    **dict.fromkeys(isa.ops("LOAD_FAST_CHECK STORE_FAST"), _BIND),
    **dict.fromkeys(isa.ops("DELETE_FAST LOAD_FAST_AND_CLEAR"), _UNBIND),
}
"""What is done to a local. A load that has looked whether there is something leaves it bound."""


def _doing(does: int) -> frozenset[int]:
    """The opcodes that do this to one of their locals."""
    singles = frozenset(opcode for opcode, done in _DOES.items() if done == does)
    return singles | {opcode for opcode, parts in isa.PAIRS.items() if not singles.isdisjoint(parts)}


_UNCHECKED = isa.Scan(_doing(_LOAD) if isa.UNCHECKED_LOCALS else frozenset())
_UNBINDING = isa.Scan(_doing(_UNBIND))
_SLOTTED = isa.Scan(_doing(_LOAD) | _doing(_BIND) | _doing(_UNBIND))
_CLEARING = isa.OP.get("LOAD_FAST_AND_CLEAR", -1)
_JUMPS = isa.Scan(isa.JUMPS)
_LEAVING = isa.Scan(isa.NO_FALLTHROUGH)
_end = attrgetter("end")


def unproven(
    code: CodeType, handlers: Sequence[Handler], raising: Collection[tuple[int, int]]
) -> frozenset[str]:
    """The locals that can be unbound at an unchecked load if exceptions come from before some instructions, each to a
    handler that does not cover it; ``raising``: the code units of the one and of the other. ``handlers`` are those of
    the code."""
    opcodes = code.co_code[::2]
    loaded = _loaded(code.co_code, handlers, {target for _, target in raising})
    if not loaded:
        return frozenset()
    parameters = (1 << parameter_count(code)) - 1
    if not _UNBINDING.occurs(opcodes):
        loaded &= ~parameters
    names = {slot: name for slot, name in enumerate(code.co_varnames) if loaded >> slot & 1}
    if not names:
        return frozenset()
    found = _States(code, handlers, raising, names).loaded(loaded & ~parameters)
    return frozenset(name for slot, name in names.items() if found >> slot & 1)


def _loaded(raw: bytes, handlers: Sequence[Handler], targets: Collection[int]) -> int:
    """The locals, as bits, that are loaded unchecked by what comes from these handlers on, whatever else is done there.

    Most handlers lead to no more than a few instructions, which is why this is worth while.
    """
    opcodes = raw[::2]
    found = 0
    pending, seen = [*targets], {*targets}
    for at in pending:
        end = at + 1 + _LEAVING.first(opcodes[at:])
        part = opcodes[at:end]
        for load in _UNCHECKED.positions(part):
            for _, slot in _locals_of(raw, at + load):
                found |= 1 << slot
        following = [at + jump.target for jump in find_jumps(raw[2 * at : 2 * end])] if _JUMPS.occurs(part) else []
        for handler in handlers[bisect_right(handlers, at, key=_end) :]:
            if handler.start >= end:
                break
            following.append(handler.target)
        for target in following:
            if target not in seen:
                seen.add(target)
                pending.append(target)
    return found


def _locals_of(raw: bytes, at: int) -> Sequence[tuple[int, int]]:
    """What the instruction whose opcode stands at a code unit does to locals: what, and the slot."""
    opcode, arg = raw[2 * at], raw[2 * at + 1]
    if opcode in isa.PAIRS:
        first, second = isa.PAIRS[opcode]
        return (_DOES[first], arg >> 4), (_DOES[second], arg & 15)
    return ((_DOES[opcode], with_prefixes(raw, at)[1]),)


class _States:
    """Which of some locals can be unbound where, as bits, as far as it is found."""

    def __init__(
        self,
        code: CodeType,
        handlers: Sequence[Handler],
        raising: Collection[tuple[int, int]],
        slots: Collection[int],
    ) -> None:
        self.handlers = handlers
        self.ends = [handler.end for handler in handlers]
        self.events = sorted((*_flow(code, handlers, raising), *_effects(code, slots)))
        self.labels = {unit: number for number, (unit, _, event, _) in enumerate(self.events) if event == _LABEL}
        self.before: dict[int, int] = {}
        """By label."""
        self.pending: list[int] = []

    def loaded(self, unbound: int) -> int:
        """The locals that can be unbound at an unchecked load; ``unbound``: those that are when the code begins."""
        found = 0
        self._come_to(0, unbound)
        while self.pending:
            found |= self._follow(self.pending.pop())
        return found

    def _come_to(self, label: int, unbound: int) -> None:
        known = self.before.get(label)
        if known is None or unbound & ~known:
            self.before[label] = (known or 0) | unbound
            self.pending.append(label)

    def _follow(self, label: int) -> int:
        state, found = self.before[label], 0
        self._raise(label, state)
        number = self.labels[label]
        while True:
            number += 1
            unit, _, event, what = self.events[number]
            if event == _LABEL:
                self._come_to(unit, state)
                break
            if event == _LEAVE:
                break
            if event in _GOING:
                self._come_to(what, state)
            elif event == _UNBIND:
                state |= what
                self._raise(unit + 1, state)
            else:
                if event == _LOAD:
                    found |= state & what
                state &= ~what
        return found

    def _raise(self, unit: int, state: int) -> None:
        """What an exception from before a code unit takes along."""
        at = bisect_right(self.ends, unit)
        if at < len(self.handlers) and self.handlers[at].start <= unit:
            self._come_to(self.handlers[at].target, state)


_GOING = frozenset({_COVER, _RAISE, _JUMP})
_Event = tuple[int, int, int, int]
"""Code unit, number among what happens there, what happens, and what there is to it."""


def _flow(code: CodeType, handlers: Sequence[Handler], raising: Collection[tuple[int, int]]) -> Iterator[_Event]:
    """The events that are no effects on locals."""
    raw = code.co_code
    jumps = [jump for jump in find_jumps(raw) if jump.opcode not in NEVER_TAKEN]
    labels = {0, *(jump.target for jump in jumps), *(handler.target for handler in handlers)}
    labels.update(target for _, target in raising)
    for label in labels:
        yield label, _LABEL, _LABEL, label
    for handler in handlers:
        yield handler.start, _COVER, _COVER, handler.target
    for unit, target in raising:
        yield unit, _RAISE, _RAISE, target
    for jump in jumps:
        yield jump.at, _JUMP, _JUMP, jump.target
    for unit in _LEAVING.positions(raw[::2]):
        yield unit, _LEAVE, _LEAVE, unit


def _effects(code: CodeType, slots: Collection[int]) -> Iterator[_Event]:
    """The effects on some locals. A comprehension's own are bound where it loads them; what restores those of the
    function may find them unbound."""
    raw = code.co_code
    low, pairs = {slot & 255 for slot in slots}, isa.PAIRS
    some = [
        (unit, _locals_of(raw, unit))
        for unit in _SLOTTED.positions(raw[::2])
        if raw[2 * unit + 1] in low or raw[2 * unit] in pairs
    ]
    units = [(unit, done) for unit, done in some if done[0][1] in slots or done[-1][1] in slots]
    named = accesses(code) if any(raw[2 * unit] == _CLEARING for unit, _ in units) else {}
    for unit, done in units:
        start = unit
        while named and start and raw[2 * start - 2] == isa.EXTENDED_ARG:
            start -= 1
        for number, (does, slot) in enumerate(done):
            if slot not in slots:
                continue
            if named and named[2 * start][number].borrowed:
                if does == _LOAD:
                    continue
                does = _UNBIND
            yield unit, _LOAD + number, does, 1 << slot
