"""Sites: the places of a code object at which something is put in, and who passes through what there.

All ways into an instruction, falling through, jumps, exceptions, can run different edits. The edits of the
way that falls through stand inline, before the instruction; a way whose edits are the last ones of these
enters them in the middle; any other way gets a *detour*: its edits behind the code, and a jump back.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

from equip import isa
from equip.code.edit import FALLTHROUGH, Edit
from equip.code.exceptions import Handler

_JUMPS = isa.Scan(isa.JUMPS)
_made: Callable[..., Jump] = tuple.__new__
"""Makes a ``Jump`` of a tuple of all its fields, which is what costs least."""


class Jump(NamedTuple):
    """A jump of the original code, in code units. ``start`` is its first prefix, ``at`` its opcode."""

    start: int
    at: int
    opcode: int
    arg: int
    target: int


def find_jumps(raw: bytes) -> list[Jump]:
    """Every jump in ``co_code``, in order."""
    opcodes = raw[::2]
    caches, forward, extended = isa.CACHES, isa.FORWARD, isa.EXTENDED_ARG
    found: list[Jump] = []
    for at in _JUMPS.positions(opcodes):
        start = at
        opcode, arg, shift = opcodes[at], raw[2 * at + 1], 8
        while start and opcodes[start - 1] == extended:
            start -= 1
            arg |= raw[2 * start + 1] << shift
            shift += 8
        end = at + 1 + caches[opcode]
        found.append(_made(Jump, (start, at, opcode, arg, end + arg if opcode in forward else end - arg)))
    return found


class Detour:
    """Edits that run one after the other behind the code, and the prefixes of the jump back."""

    __slots__ = ("edits", "prefixes")

    def __init__(self, edits: tuple[Edit, ...]) -> None:
        self.edits = edits
        self.prefixes = 0


class Site:
    """What happens at code unit ``at``: ``inline`` edits in front of it, ``removed`` units in their place.

    An entry is how many of the inline edits a way skips, or the detour that it takes.
    """

    __slots__ = ("at", "default_jump", "default_raise", "detours", "inline", "jump_entries", "raise_entries", "removed")

    def __init__(self, at: int, inline: Sequence[Edit], removed: int = 0) -> None:
        self.at = at
        self.inline = inline
        self.removed = removed
        self.detours: list[Detour] = []
        self.jump_entries: dict[int, int | Detour] = {}
        self.default_jump = 0
        self.raise_entries: list[tuple[int, int, int | Detour]] = []
        """By range of raising instructions."""
        self.default_raise: int | Detour = 0


def sites_of(raw: bytes, edits: Sequence[Edit], jumps: Sequence[Jump], handlers: Sequence[Handler]) -> list[Site]:
    """The sites of these edits, in the order of the code."""
    by_place: dict[int, list[Edit]] = {}
    for edit in edits:
        here = by_place.get(edit.at)
        if here is None:
            by_place[edit.at] = [edit]
        else:
            here.append(edit)
    return [_site(raw, at, by_place[at], jumps, handlers) for at in sorted(by_place)]


def _site(raw: bytes, at: int, edits: list[Edit], jumps: Sequence[Jump], handlers: Sequence[Handler]) -> Site:
    removed = 0
    everyone = falling = True
    for edit in edits:
        if edit.removed:
            if removed:
                raise ValueError(f"two edits replace the code units from {at} on")
            removed = edit.removed
        if edit.ways is not None:
            everyone = False
        if edit.ways is not FALLTHROUGH:
            falling = False
    if removed:
        edits = [edit for edit in edits if not edit.removed] + [edit for edit in edits if edit.removed and edit.use]
    if everyone:
        return Site(at, edits, removed)
    if falling and falls_into(raw, at):
        site = Site(at, edits, removed)
        site.default_jump = site.default_raise = len(edits)
        return site
    return _divided(raw, Site(at, [], removed), edits, jumps, handlers)


def _divided(raw: bytes, site: Site, edits: list[Edit], jumps: Sequence[Jump], handlers: Sequence[Handler]) -> Site:
    """The site of edits of which some are for some of the ways only."""
    at = site.at
    falling = tuple(edit for edit in edits if edit.ways is None or edit.ways.fallthrough)
    by_jump = {
        jump.at: tuple(edit for edit in edits if edit.ways is None or jump.at in edit.ways.jumps)
        for jump in jumps
        if jump.target == at
    }
    always = tuple(edit for edit in edits if edit.ways is None)
    is_handler = any(handler.target == at for handler in handlers)
    bounds = sorted({b for edit in edits if edit.ways for r in edit.ways.raises for b in r}) if is_handler else []
    by_range = [
        (start, end, tuple(e for e in edits if e.ways is None or _in_ranges(start, e.ways.raises)))
        for start, end in pairwise(bounds)
    ]
    if falls_into(raw, at):
        inline = falling
    elif any(edit.ways is not None and edit.ways.apart for edit in edits):
        inline = ()
    else:
        candidates = [*by_jump.values(), *(found for _, _, found in by_range)]
        if is_handler:
            candidates.append(always)
        inline = max(candidates, key=len, default=())
    site.inline = inline
    detours: dict[tuple[Edit, ...], Detour] = {}

    def entry(sequence: tuple[Edit, ...]) -> int | Detour:
        skipped = len(inline) - len(sequence)
        apart = any(edit.ways is not None and edit.ways.apart for edit in sequence)
        if skipped >= 0 and not apart and inline[skipped:] == sequence:
            return skipped
        if sequence not in detours:
            detours[sequence] = Detour(sequence)
        return detours[sequence]

    site.jump_entries = {jump: entry(sequence) for jump, sequence in by_jump.items()}
    if is_handler:
        site.default_raise = entry(always)
        site.raise_entries = [(start, end, entry(sequence)) for start, end, sequence in by_range]
    site.detours = list(detours.values())
    return site


def _in_ranges(index: int, ranges: tuple[tuple[int, int], ...]) -> bool:
    found = bisect_right(ranges, (index, 1 << 62)) - 1
    return found >= 0 and ranges[found][0] <= index < ranges[found][1]


def falls_into(raw: bytes, at: int) -> bool:
    """Whether the instruction before code unit ``at`` goes on to it."""
    index = at - 1
    while index >= 0 and raw[2 * index] == 0:  # caches
        index -= 1
    return index >= 0 and raw[2 * index] not in isa.NO_FALLTHROUGH
