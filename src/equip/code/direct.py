"""Linking in one pass: the common case, in which nothing has to grow or go elsewhere.

Fragments are simply put between the original code units, no jump gets longer than its byte, and everything
stands in the handler that its place is in. Where any of this does not hold, ``link_directly`` says so by
returning None, and the general linker does the same work with the same result (a test compares them).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from types import CodeType
from typing import NamedTuple

from equip import isa
from equip.code import exceptions, locations
from equip.code.assembly import assemble
from equip.code.edit import FALLTHROUGH, Edit, Inherit
from equip.code.fragment import Fragment, Use
from equip.code.locations import Cut
from equip.code.pools import Pools
from equip.code.sites import falls_into

_JUMP = isa.matcher(isa.JUMPS)


class Direct(NamedTuple):
    """The parts of the new code object that the edit changes."""

    units: bytes
    linetable: bytes
    exceptiontable: bytes
    stack: int


def link_directly(code: CodeType, edits: Sequence[Edit], pools: Pools) -> Direct | None:
    """``code`` with ``edits``, or None where that takes the general linker."""
    raw = code.co_code
    fragments: dict[Use, Fragment] = {}
    places: list[int] = []
    growth = [0]
    inline: list[list[bytes]] = []
    cuts: list[Cut] = []
    bypassed: set[int] = set()
    last = -1
    grown = 0
    stack = code.co_stacksize
    for edit in edits:
        use = edit.use
        at = edit.at
        if edit.removed or use is None or at < last:
            return None
        image = fragments.get(use)
        if image is None:
            image = fragments[use] = assemble(use, pools)
            if image.cold or image.covered or image.jumps:
                return None
        if at != last:
            if edit.ways is FALLTHROUGH:
                if not falls_into(raw, at):
                    return None
                bypassed.add(at)
            elif edit.ways is not None:
                return None
            places.append(at)
            growth.append(grown)
            inline.append([])
            cuts.append(Cut(at, []))
            last = at
        elif (edit.ways is FALLTHROUGH) != (at in bypassed) or (edit.ways is not None and at not in bypassed):
            return None
        inline[-1].append(image.hot)
        cuts[-1].pieces.extend(image.hot_pieces)  # type: ignore[attr-defined]
        grown += image.length
        growth[-1] = grown
        if edit.depth + image.stack > stack:
            stack = edit.depth + image.stack
    table = code.co_exceptiontable
    if table:
        moved = _moved_handlers(table, edits, places, growth, bypassed)
        if moved is None:
            return None
        table = moved
    adjusted = _adjusted_jumps(raw, places, growth, bypassed)
    if adjusted is None:
        return None
    parts: list[bytes | bytearray] = []
    done = 0
    for at, here in zip(places, inline, strict=True):
        parts.append(adjusted[done : 2 * at])
        parts += here
        done = 2 * at
    parts.append(adjusted[done:])
    return Direct(b"".join(parts), locations.splice(code.co_linetable, cuts), table, stack)


def _adjusted_jumps(
    raw: bytes, places: Sequence[int], growth: Sequence[int], bypassed: set[int]
) -> bytes | bytearray | None:
    """The original code units with their jumps adjusted in place; None where one does not fit."""
    opcodes = raw[::2]
    caches, forward, extended = isa.CACHES, isa.FORWARD, isa.EXTENDED_ARG
    changed: bytearray | None = None
    for match in _JUMP.finditer(opcodes):
        at = match.start()
        opcode, arg = opcodes[at], raw[2 * at + 1]
        start = at
        if at and opcodes[at - 1] == extended:
            while start and opcodes[start - 1] == extended:
                start -= 1
                arg |= raw[2 * start + 1] << (8 * (at - start))
        end = at + 1 + caches[opcode]
        before = bisect_right(places, start)
        if opcode in forward:
            target = end + arg
            behind = bisect_right(places, target) if target in bypassed else bisect_left(places, target)
            if before == behind:
                continue
            arg += growth[behind] - growth[before]
        else:
            target = end - arg
            behind = bisect_right(places, target) if target in bypassed else bisect_left(places, target)
            if before == behind:
                continue
            arg += growth[before] - growth[behind]
        if arg < 0 or arg >> (8 * (at - start + 1)):
            return None
        if changed is None:
            changed = bytearray(raw)
        changed[2 * at + 1] = arg & 255
        for unit in range(start, at):
            changed[2 * unit + 1] = (arg >> (8 * (at - unit))) & 255
    return raw if changed is None else changed


def _moved_handlers(
    table: bytes, edits: Sequence[Edit], places: Sequence[int], growth: Sequence[int], bypassed: set[int]
) -> bytes | None:
    """The exception table moved along; None where a fragment is in another handler than its place."""
    handlers = exceptions.decode(table)
    for edit in edits:
        if isinstance(edit.covered, Inherit):
            continue
        at = edit.at
        here = None
        for handler in handlers:
            if handler.start <= at < handler.end:
                here = handler
                break
        if not exceptions.same_handler(here, edit.covered):
            return None
    moved: list[exceptions.Handler] = []
    for start, end, target, depth, lasti in handlers:
        if target in bypassed:
            return None
        moved.append(
            exceptions.Handler(
                start + growth[bisect_left(places, start)],
                end + growth[bisect_left(places, end)],
                target + growth[bisect_left(places, target)],
                depth,
                lasti,
            )
        )
    return exceptions.encode(moved)
