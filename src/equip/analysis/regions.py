"""The regions of inlined comprehensions, in which a variable of the frame is not the function's own.

From 3.12 on a comprehension runs in the frame around it: LOAD_FAST_AND_CLEAR saves the variables that it
binds, a STORE_FAST for each restores them. In between they are the comprehension's, even where the function
has a variable of the same name, cell or not.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter
from types import CodeType
from typing import NamedTuple

from equip import isa
from equip.analysis.depths import NEVER_TAKEN, stack_depths
from equip.code import exceptions
from equip.code.exceptions import Handler
from equip.code.instruction import parameter_count, slot_names
from equip.code.sites import find_jumps
from equip.isa.pops import Step, steps

_CLEAR = isa.OP.get("LOAD_FAST_AND_CLEAR", -1)
_SAVING = frozenset({_CLEAR, isa.OP["MAKE_CELL"]})
_SWAP = isa.OP["SWAP"]
_STORES = isa.ops("STORE_FAST STORE_FAST_STORE_FAST STORE_FAST_LOAD_FAST")
_TWO_STORES = isa.ops("STORE_FAST_STORE_FAST")
_ENDING = _STORES | isa.ops("CACHE END_FOR POP_ITER POP_TOP SWAP")
"""What there can be between the loop of a comprehension and the last of the restores."""
_CLEARING = isa.Scan(isa.ops("LOAD_FAST_AND_CLEAR"))
_STORING = isa.Scan(_STORES)
_SUSPENDING = isa.Scan(isa.ops("SEND"))
_LEAVING = isa.Scan(isa.NO_FALLTHROUGH)


_Slots = frozenset[int]
_NONE: _Slots = frozenset()


class Access(NamedTuple):
    """One access to a variable: the name, and whether it is a comprehension's and not the function's own."""

    name: str
    borrowed: bool


def accesses(code: CodeType) -> dict[int, tuple[Access, ...]]:
    """By offset: the variables that an instruction names, in order (two for a super-instruction)."""
    found = steps(code.co_code)
    inside: _Inside = {}
    if has_regions(code):
        for walk in _walks(code, found, stack_depths(code)):
            walk.run(inside, {})
    names = slot_names(code)
    result: dict[int, tuple[Access, ...]] = {}
    for offset, opcode, arg, _ in found:
        slots = _slots_of(opcode, arg)
        if slots:
            regions = inside.get(offset, (_NONE, _NONE))
            result[offset] = tuple(
                Access(names[slot], slot in region) for slot, region in zip(slots, regions, strict=False)
            )
    return result


def taken_over(code: CodeType) -> dict[int, dict[str, bool]]:
    """By offset, for each instruction inside a region: the variables that are a comprehension's before it, and
    whether they are cells there."""
    if not has_regions(code):
        return {}
    names = slot_names(code)
    result: dict[int, dict[str, bool]] = {}
    for walk in _walks(code, steps(code.co_code), stack_depths(code)):  # the inner ones last
        inside: _Inside = {}
        walk.run(inside, {})
        made, saving = walk.saving()
        for offset, (slots, _) in inside.items():
            if offset not in saving:
                result.setdefault(offset, {}).update({names[slot]: slot in made for slot in slots})
    return result


def own_locals(code: CodeType) -> frozenset[str]:
    """The variables of the frame that the function itself uses; parameters always count."""
    own = set(code.co_varnames[: parameter_count(code)])
    raw = code.co_code
    for offset, named in accesses(code).items():
        if raw[offset] != isa.OP["MAKE_CELL"]:
            own |= {access.name for access in named if not access.borrowed}
    return frozenset(own)


def has_regions(code: CodeType) -> bool:
    """Whether there are inlined comprehensions that save variables."""
    return _CLEAR >= 0 and _CLEAR in code.co_code[::2]


class Unprotected(NamedTuple):
    """Where an exception would leave a region without the variables being restored. Positions are code units."""

    covered: dict[int, Handler]
    """For what the handler that restores them does not cover, but could: that handler."""
    restored: dict[int, int]
    """For the instructions of that handler: the one at which they are."""


def unprotected(code: CodeType, depths: dict[int, int]) -> Unprotected:
    """The places inside regions at which the compiler, knowing that nothing there raises, has no handler.

    ``depths`` as ``stack_depths`` finds them.
    """
    result = Unprotected({}, {})
    if not has_regions(code):
        return result
    for walk in _walks(code, steps(code.co_code), depths):  # the inner ones last
        uncovered: dict[int, int] = {}
        walk.run({}, uncovered)
        restoring = min(walk.entered, key=_depth, default=None)
        if restoring is None:
            continue
        _taken(walk, uncovered, walk.found[walk.first][3] // 2)  # the other saves
        units, end = _taken(walk, uncovered, restoring.target)
        result.restored.update(dict.fromkeys(units, end))
        for unit, i in uncovered.items():
            is_swapped = walk.found[i - 1][1] == _SWAP
            if walk.depths[2 * unit] >= restoring.depth and not is_swapped:
                result.covered[unit] = restoring
    return result


class Regions:
    """``unprotected``, found as far as it is asked for: the whole is dear, and what most code asks for is plain to see.

    A comprehension is one piece of code, but for the handler that restores its variables. That one begins with a SWAP,
    as no other does, and covers all of the comprehension but its beginning and its end. Where a code object does not
    look like that, nothing is taken for plain.
    """

    def __init__(self, code: CodeType, handlers: Sequence[Handler]) -> None:
        self._code = code
        self._whole: Unprotected | None = None
        self._restored: dict[int, int] | None = None
        opcodes = code.co_code[::2]
        clearing = _CLEARING.positions(opcodes)
        self.exist = bool(clearing)
        """Whether there are inlined comprehensions that save variables."""
        self._doubtful: list[tuple[int, int]] = []
        """Ranges of code units, in order: nothing outside of them is without the handler that it could have."""
        if clearing and not self._find_plain(opcodes, clearing, handlers):
            self._doubtful, self._restored = [(0, len(opcodes))], None
        self._doubtful.sort()

    def _find_plain(self, opcodes: bytes, clearing: Sequence[int], handlers: Sequence[Handler]) -> bool:
        """Fill in what is plain to see, if the code looks as described; ``clearing`` are the saves."""
        if _SUSPENDING.occurs(opcodes):
            return False  # what is behind an ``await`` can be elsewhere
        self._restored = {}
        restoring = [handler for handler in handlers if opcodes[handler.target] == _SWAP]
        ends = [handler.end for handler in restoring]
        by_target: dict[int, list[Handler]] = {}
        for handler in restoring:
            by_target.setdefault(handler.target, []).append(handler)
        for at in clearing:
            number = bisect_right(ends, at)
            if number == len(ends) or restoring[number].start <= at:
                return False  # one is inside another
            target = restoring[number].target
            if target in self._restored:
                continue  # another variable of the same one
            at += 1
            for handler in by_target[target]:
                self._doubtful.append((at, handler.start))
                at = handler.end
            end = at
            while end < len(opcodes) and opcodes[end] in _ENDING:
                end += 1
            if not _STORING.occurs(opcodes[at:end]):
                return False  # the restores are elsewhere: such as in a handler, where that one is not moved away
            self._doubtful.append((at, end))
            behind = target + _LEAVING.first(opcodes[target:])
            self._restored.update(dict.fromkeys(range(target, behind), behind))
        return True

    @property
    def whole(self) -> Unprotected:
        """All that there is."""
        if self._whole is None:
            self._whole = unprotected(self._code, stack_depths(self._code))
        return self._whole

    @property
    def holes(self) -> tuple[tuple[int, int], ...]:
        """The ranges of code units that ``Unprotected.covered`` is about."""
        covered = self.whole.covered if self._doubtful else {}
        if not covered:
            return ()
        return tuple((start // 2, end // 2) for start, _, _, end in steps(self._code.co_code) if start // 2 in covered)

    @property
    def restored(self) -> Mapping[int, int]:
        """``Unprotected.restored``."""
        if not self.exist:
            return {}
        return self.whole.restored if self._restored is None else self._restored

    def handler_at(self, unit: int) -> Handler | None:
        """The handler in ``Unprotected.covered`` for a code unit."""
        found = bisect_right(self._doubtful, (unit, len(self._code.co_code))) - 1
        if found < 0 or unit >= self._doubtful[found][1]:
            return None
        return self.whole.covered.get(unit)


def _taken(walk: _Walk, uncovered: dict[int, int], unit: int) -> tuple[list[int], int]:
    """Take out what follows one another from ``unit`` on; the units, and the one behind."""
    units = []
    while unit in uncovered:
        units.append(unit)
        unit = walk.found[uncovered.pop(unit)][3] // 2
    return units, unit


_depth = attrgetter("depth")


def _slots_of(opcode: int, arg: int) -> tuple[int, ...]:
    operand = isa.OPERAND[opcode]
    return (arg,) if operand == "slot" else (arg >> 4, arg & 15) if operand == "pair" else ()


_Inside = dict[int, tuple[_Slots, _Slots]]
"""By offset: the variables that are a comprehension's, for the first and for the second operand."""


def _walks(code: CodeType, found: Sequence[Step], depths: dict[int, int]) -> Iterator[_Walk]:
    """One for each region, in the order of their first saves."""
    frame = _Frame(code, found, depths)
    i = 0
    while i < len(found):
        first = i
        saved: set[int] = set()
        while found[i][1] in _SAVING and (saved or found[i][1] == _CLEAR):
            if found[i][1] == _CLEAR:
                saved.add(found[i][2])
            i += 1
        if saved and found[first][0] in frame.depths:
            yield _Walk(frame, first, frozenset(saved))
        i += not saved


class _Frame:
    """What the walks through one code object have in common."""

    def __init__(self, code: CodeType, found: Sequence[Step], depths: dict[int, int]) -> None:
        self.found = found
        self.positions = {step[0]: i for i, step in enumerate(found)}
        self.targets = {
            2 * jump.start: 2 * jump.target for jump in find_jumps(code.co_code) if jump.opcode not in NEVER_TAKEN
        }
        self.depths = depths
        self.handlers = exceptions.decode(code.co_exceptiontable)
        self.starts = [handler.start for handler in self.handlers]

    def handler(self, unit: int) -> Handler | None:
        at = bisect_right(self.starts, unit) - 1
        return self.handlers[at] if at >= 0 and unit < self.handlers[at].end else None


class _Walk:
    """From the first save of a comprehension to the last restore, on every path."""

    def __init__(self, frame: _Frame, first: int, saved: _Slots) -> None:
        self.frame = frame
        self.found = frame.found
        self.depths = frame.depths
        self.first = first
        self.saved = saved
        self.depth = self.depths[self.found[first][0]]
        """Before the first save: the iterator of the comprehension is on top."""
        self.entered: set[Handler] = set()
        """The handlers that are found inside."""

    def run(self, inside: _Inside, uncovered: dict[int, int]) -> None:
        """Fill in what is inside, by offset, and the positions of what no handler inside covers, by code unit."""
        positions, first = self.frame.positions, self.first
        pending, seen = [(first, self.saved)], {(first, self.saved)}
        while pending:
            i, state = pending.pop()
            step = self.found[i]
            after = self._mark(step, state, inside)
            handler = self.frame.handler(step[0] // 2)
            ways = list(self._successors(step, after))
            if handler is not None and handler.depth >= self.depth:
                self.entered.add(handler)
                ways.append((2 * handler.target, state))
            elif i != first:
                uncovered[step[0] // 2] = i
            for offset, following in ways:
                new = (positions[offset], following)
                if following and new not in seen:
                    seen.add(new)
                    pending.append(new)

    def saving(self) -> tuple[_Slots, _Slots]:
        """The slots of which the saves make cells; the offsets of the saves."""
        made: set[int] = set()
        offsets: set[int] = set()
        i = self.first
        while self.found[i][1] in _SAVING:
            offset, opcode, slot, _ = self.found[i]
            offsets.add(offset)
            if opcode != _CLEAR:
                made.add(slot)
            i += 1
        return frozenset(made), frozenset(offsets)

    def _mark(self, step: Step, state: _Slots, inside: _Inside) -> _Slots:
        """Note the variables of the comprehension at an instruction; those that are still saved behind it."""
        offset, opcode, arg, _ = step
        between = after = state
        if opcode in _STORES:
            depth = self.depths.get(offset, 0)
            slots = _slots_of(opcode, arg)
            between = after = self._restored(slots[0], depth, state)
            if opcode in _TWO_STORES:
                after = self._restored(slots[1], depth - 1, between)
        before = inside.get(offset, (_NONE, _NONE))
        inside[offset] = (before[0] | state, before[1] | between)
        return after

    def _restored(self, slot: int, depth: int, state: _Slots) -> _Slots:
        """A store with the iterator gone from the stack is the restore of its variable."""
        return state - {slot} if depth <= self.depth + len(self.saved) else state

    def _successors(self, step: Step, after: _Slots) -> Iterator[tuple[int, _Slots]]:
        target = self.frame.targets.get(step[0])
        if target is not None:
            yield target, after
        if step[1] not in isa.NO_FALLTHROUGH:
            yield step[3], after
