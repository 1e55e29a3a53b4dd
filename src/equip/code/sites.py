"""Sites: the places of a code object at which something is put in, and who passes through what there.

All ways into an instruction, falling through, jumps, exceptions, can run different edits. The edits of the
way that falls through stand inline, before the instruction; a way whose edits are the last ones of these
enters them in the middle; any other way gets a *detour*: its edits behind the code, and a jump back.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from equip import isa
from equip.code.edit import Edit
from equip.code.exceptions import Handler

_JUMP = isa.matcher(isa.JUMPS)


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
    found: list[Jump] = []
    for match in _JUMP.finditer(opcodes):
        at = start = match.start()
        opcode, arg, shift = opcodes[at], raw[2 * at + 1], 8
        while start and opcodes[start - 1] == isa.EXTENDED_ARG:
            start -= 1
            arg |= raw[2 * start + 1] << shift
            shift += 8
        end = at + 1 + isa.CACHES[opcode]
        found.append(Jump(start, at, opcode, arg, end + arg if opcode in isa.FORWARD else end - arg))
    return found


@dataclass(eq=False, slots=True)
class Detour:
    """Edits that run one after the other behind the code, and the size of the jump back."""

    edits: tuple[Edit, ...]
    prefixes: int = 0


@dataclass(eq=False, slots=True)
class Site:
    """What happens at code unit ``at``."""

    at: int
    inline: list[Edit]
    removed: int = 0
    detours: list[Detour] = field(default_factory=list)
    jump_entries: dict[int, int | Detour] = field(default_factory=dict)
    """By jump: how many of the inline edits it skips, or the detour it takes. Default: skips none."""
    default_jump: int = 0
    raise_entries: list[tuple[int, int, int | Detour]] = field(default_factory=list)
    """By range of raising instructions; later ones win."""
    default_raise: int | Detour = 0


def sites_of(
    raw: bytes, edits: Sequence[Edit], jumps: Sequence[Jump], handlers: Sequence[Handler]
) -> list[Site]:
    """The sites of these edits, in the order of the code."""
    by_place: dict[int, list[Edit]] = {}
    for edit in edits:
        by_place.setdefault(edit.at, []).append(edit)
    return [_site(raw, at, by_place[at], jumps, handlers) for at in sorted(by_place)]


def _site(raw: bytes, at: int, edits: list[Edit], jumps: Sequence[Jump], handlers: Sequence[Handler]) -> Site:
    removed = 0
    for edit in edits:
        if edit.removed:
            if removed:
                raise ValueError(f"two edits replace the code units from {at} on")
            removed = edit.removed
    edits = [edit for edit in edits if not edit.removed] + [edit for edit in edits if edit.removed]
    edits = [edit for edit in edits if edit.use is not None]
    if all(edit.ways is None for edit in edits):
        return Site(at, edits, removed)
    return _divided(raw, Site(at, [], removed), edits, jumps, handlers)


def _divided(
    raw: bytes, site: Site, edits: list[Edit], jumps: Sequence[Jump], handlers: Sequence[Handler]
) -> Site:
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
        for start, end in zip(bounds, bounds[1:], strict=False)
    ]
    if falls_into(raw, at):
        inline = falling
    else:
        candidates = [*by_jump.values(), *(found for _, _, found in by_range)]
        if is_handler:
            candidates.append(always)
        inline = max(candidates, key=len, default=())
    site.inline = list(inline)
    detours: dict[tuple[Edit, ...], Detour] = {}

    def entry(sequence: tuple[Edit, ...]) -> int | Detour:
        skipped = len(inline) - len(sequence)
        if skipped >= 0 and inline[skipped:] == sequence:
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
    index = previous_opcode(raw, at)
    return index >= 0 and raw[2 * index] not in isa.NO_FALLTHROUGH


def previous_opcode(raw: bytes, at: int) -> int:
    """The code unit of the opcode before ``at`` (caches skipped), or -1."""
    index = at - 1
    while index >= 0 and raw[2 * index] == 0:
        index -= 1
    return index
