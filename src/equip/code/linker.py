"""The linker: places fragments in a code object and moves what has to move.

The original code units are copied, never decoded and encoded again. What is computed is: where each
fragment goes, what jumps across it, which exception ranges and locations it splits. A jump that grows
beyond its prefixes makes room for one more and everything is computed again, until nothing grows
(relaxation; prefixes are only ever added, so it ends).

No edit gives back the same object.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from types import CodeType

from equip import isa
from equip.code import exceptions, locations
from equip.code.assembly import assemble, instruction
from equip.code.direct import Direct, link_directly
from equip.code.edit import Edit, Guard, Inherit
from equip.code.exceptions import Handler, same_handler
from equip.code.fragment import Fragment, Use
from equip.code.instruction import with_prefixes
from equip.code.layout import Layout, Placement
from equip.code.lines import lines_by_unit
from equip.code.pools import Pools
from equip.code.sites import find_jumps, sites_of

_NOTHING = bytes([isa.OP["NOP"], 0])
_JUMP_BACK = isa.OP["JUMP_BACKWARD_NO_INTERRUPT"]


def link(
    code: CodeType,
    edits: Sequence[Edit] = (),
    guards: Sequence[Guard] = (),
    *,
    pools: Pools | None = None,
    rewritten: Mapping[int, tuple[int, int]] | None = None,
    children: Mapping[int, CodeType] | None = None,
    last_const: object = None,
    is_direct: bool = True,
) -> CodeType:
    """``code`` with the edits and guards applied.

    ``pools`` says which variables are added; ``rewritten`` gives instructions of the original code (by the
    code unit of their opcode) another opcode and argument; ``children`` are new constants by index;
    ``last_const``, unless None, is appended to the constants as it is. Without ``is_direct``
    the simple way is not tried (again).
    """
    rewritten = rewritten or {}
    if not (edits or guards or rewritten or pools):
        return _with_children(code, children) if children else code
    pools = pools or Pools(code)
    edits = sorted(edits, key=_place)
    new = link_directly(code, edits, pools) if is_direct and not (guards or rewritten) else None
    if new is None:
        new = _Link(code, edits, guards, pools, rewritten).result()
    return replaced(code, new, pools, children, last_const)


def replaced(
    code: CodeType, new: Direct, pools: Pools, children: Mapping[int, CodeType] | None, last_const: object
) -> CodeType:
    """``code`` with the parts that linking has made; ``children`` and ``last_const`` as for ``link``."""
    consts = pools.consts
    if children:
        consts = [*consts]
        for index, child in children.items():
            consts[index] = child
    units, linetable, exceptiontable, stack = new
    if not pools.is_same_frame:
        varnames = pools.varnames
        code = code.replace(co_varnames=varnames, co_nlocals=len(varnames), co_cellvars=pools.cellvars)
    return code.replace(
        co_code=units,
        co_linetable=linetable,
        co_exceptiontable=exceptiontable,
        co_stacksize=stack,
        co_consts=tuple(consts) if last_const is None else (*consts, last_const),
        co_names=tuple(pools.names),
    )


_place = attrgetter("at")


def _with_children(code: CodeType, children: Mapping[int, CodeType]) -> CodeType:
    consts = list(code.co_consts)
    for index, child in children.items():
        consts[index] = child
    return code.replace(co_consts=tuple(consts))


class _Link:
    """One run of the linker over one code object."""

    def __init__(
        self,
        code: CodeType,
        edits: Sequence[Edit],
        guards: Sequence[Guard],
        pools: Pools,
        rewritten: Mapping[int, tuple[int, int]],
    ) -> None:
        self.code = code
        self.raw = code.co_code
        self.pools = pools
        self.guards = guards
        table = code.co_exceptiontable
        self.handlers = exceptions.decode(table) if table else []
        self.rewritten = rewritten
        self.jumps = find_jumps(self.raw)
        self.sites = sites_of(self.raw, edits, self.jumps, self.handlers)
        self._fragments: dict[Use, Fragment] = {}
        self._reserved: dict[Use, dict[int, int]] = {}
        self._relax()

    def result(self) -> Direct:
        return Direct(self.units(), self.locations(), self.exceptions(), self.stack())

    def fragment(self, use: Use) -> Fragment:
        found = self._fragments.get(use)
        if found is None:
            found = self._fragments[use] = assemble(use, self.pools, self._reserved.get(use))
        return found

    def line_at(self, unit: int) -> int:
        """The line of an instruction of the original code, or of the first one before it that has a line."""
        found = lines_by_unit(self.code)[: unit + 1]
        return next((line for line in reversed(found) if line is not None), self.code.co_firstlineno)

    # -- code units ------------------------------------------------------------------------------------

    def _relax(self) -> None:
        extra: dict[int, int] = {}  # instruction start -> prefixes to add
        while True:
            self.layout = layout = Layout(self.raw, self.sites, self.guards, self.fragment, self.line_at, extra)
            self._patches: list[tuple[int, bytes]] = []  # (position, code units)
            more = dict(extra)
            grown = self._adjust_jumps(layout, more) if self.jumps else False
            if self.rewritten:
                grown |= self._rewrite(layout, more)
            grown |= self._adjust_fragments(layout)
            if not grown:
                return
            extra = more

    def _adjust_jumps(self, layout: Layout, extra: dict[int, int]) -> bool:
        """Patch the original jumps that something was put in under; whether one of them has to grow."""
        grown = False
        places, growth, sites = layout.places, layout.growth, layout.sites
        divided = any(site.detours or site.jump_entries or site.default_jump for site in self.sites)
        for start, at, opcode, arg, target in self.jumps:
            before_jump = bisect_right(places, start)
            before_target = bisect_left(places, target)
            if before_jump == before_target and not (divided and target in sites):
                continue
            if at in layout.removed:
                continue
            position = at + growth[before_jump]
            if not divided:
                goal = target + growth[before_target]
            elif opcode in isa.COMPANION_JUMPS:
                goal = layout.instruction_at(target)
            else:
                goal = layout.entry_of_jump(at, target)
            new_opcode, new_arg = _aimed(opcode, position, goal)
            if new_arg != arg or new_opcode != opcode:
                grown |= self._patch(layout, extra, start, at, new_opcode, new_arg)
        return grown

    def _rewrite(self, layout: Layout, extra: dict[int, int]) -> bool:
        grown = False
        for index, (opcode, arg) in self.rewritten.items():
            if index in layout.removed:
                continue
            start, _ = with_prefixes(self.raw, index)
            grown |= self._patch(layout, extra, start, index, opcode, arg)
        return grown

    def _patch(
        self, layout: Layout, extra: dict[int, int], start: int, index: int, opcode: int, arg: int
    ) -> bool:
        """Note the new units of one instruction; whether it has to grow for them."""
        room = index - start + layout.extra.get(start, 0)
        units = instruction(opcode, arg, room)
        length = len(units) // 2 - isa.CACHES[opcode]
        if length > room + 1:
            extra[start] = layout.extra.get(start, 0) + length - room - 1
            return True
        # What was a loop's jump, and leads to code behind it now, has no cache entry any more.
        left = isa.CACHES[self.raw[2 * index]] - isa.CACHES[opcode]
        self._patches.append((layout.instruction_at(start), units[: 2 * length] + left * _NOTHING))
        return False

    def _adjust_fragments(self, layout: Layout) -> bool:
        """Patch the jumps between the parts of fragments, and from behind the code back into it."""
        grown = False
        for placement in layout.placements:
            for jump in placement.fragment.jumps:
                at = placement.position(jump.at)
                goal = placement.end if jump.target is None else placement.position(jump.target)
                opcode, arg = _aimed(jump.opcode, at + jump.prefixes, goal)
                units = instruction(opcode, arg, jump.prefixes)
                length = len(units) // 2 - isa.CACHES[opcode]
                if length > jump.prefixes + 1:
                    self._reserved.setdefault(placement.use, {})[jump.item] = length - 1
                    self._fragments.pop(placement.use, None)
                    grown = True
                self._patches.append((at, units[: 2 * length]))
        for chunk in layout.chunks:
            prefixes = chunk.detour.prefixes
            goal = layout.instruction_at(chunk.site.at)
            units = instruction(_JUMP_BACK, chunk.jump_at + prefixes + 1 - goal, prefixes)
            if len(units) // 2 > prefixes + 1:
                chunk.detour.prefixes = len(units) // 2 - 1
                grown = True
            self._patches.append((chunk.jump_at, units))
        return grown

    def units(self) -> bytes:
        code = self.layout.assembled()
        if not self._patches:
            return code
        out = bytearray(code)
        for position, units in self._patches:
            out[2 * position : 2 * position + len(units)] = units
        return bytes(out)

    # -- tables ------------------------------------------------------------------------------------------

    def locations(self) -> bytes:
        layout = self.layout
        first = self.code.co_firstlineno
        tails = layout.tails(first)
        last = first
        if tails:
            for _, _, line in self.code.co_lines():
                last = line if line is not None else last
        return locations.splice(self.code.co_linetable, layout.cuts(), tails, last)

    def exceptions(self) -> bytes:
        layout = self.layout
        placements = layout.placements
        owned = any(p.fragment.covered for p in placements)
        if not (self.handlers or self.guards or owned):
            return self.code.co_exceptiontable
        painted = [part for handler in self.handlers for part in layout.moved_handler(handler)]
        overlays = [overlay for p in placements if p.cold_start or self._stands_apart(p) for overlay in self._around(p)]
        overlays += self._pads()
        if overlays:
            painted = exceptions.paint(painted, overlays)
        if self.guards:
            painted = exceptions.paint(painted, self._guarded(painted))
        if owned:
            inner = [overlay for p in placements if p.fragment.covered for overlay in self._inside(p)]
            painted = exceptions.paint(painted, inner)
        return exceptions.encode(painted)

    def _stands_apart(self, placement: Placement) -> bool:
        """Whether the handler around a fragment is not simply that of the instruction behind it."""
        edit = placement.edit
        if edit is None or placement.detour:
            return True
        if isinstance(edit.covered, Inherit):
            return False
        return not same_handler(edit.covered, next((h for h in self.handlers if h.start <= edit.at < h.end), None))

    def _pads(self) -> Iterable[tuple[int, int, Handler | None]]:
        """The handler of the instruction behind each pad, over the pad."""
        layout = self.layout
        for pad in layout.pads:
            at = next(place for place in layout.places if layout.instruction_at(place) == pad + 1)
            covered = next((h for h in self.handlers if h.start <= at < h.end), None)
            yield pad, pad + 1, layout.moved_target(covered) if covered else None

    def _around(self, placement: Placement) -> Iterable[tuple[int, int, Handler | None]]:
        """The handler that the place of a fragment stands in, over its parts where that does not follow by itself."""
        edit = placement.edit
        if edit is None:
            covered = stop_iteration_handler(self.raw, self.handlers)
        elif not isinstance(edit.covered, Inherit):
            covered = edit.covered
        else:
            covered = next((h for h in self.handlers if h.start <= edit.at < h.end), None)
            if not placement.detour:
                moved = self.layout.moved_target(covered) if covered else None
                if placement.fragment.cold:
                    yield placement.cold_start, placement.cold_end, moved
                return
        moved = self.layout.moved_target(covered) if covered else None
        yield placement.start, placement.end, moved
        if placement.fragment.cold:
            yield placement.cold_start, placement.cold_end, moved

    def _inside(self, placement: Placement) -> Iterable[tuple[int, int, Handler]]:
        """The fragment's own handlers, over its own units."""
        depth = placement.edit.depth if placement.edit is not None else 0
        for cold, start, end, target, its_depth, lasti in placement.fragment.covered:
            base = placement.cold_start if cold else placement.start
            goal = placement.position(target)
            yield base + start, base + end, Handler(base + start, base + end, goal, depth + its_depth, lasti)

    def _guarded(self, painted: Sequence[Handler]) -> Iterable[tuple[int, int, Handler]]:
        """What leaves the function unhandled, given to the guards."""
        layout = self.layout
        final = stop_iteration_handler(self.raw, self.handlers)
        outermost = {layout.moved_target(final).target} if final else set()
        for handler in self.handlers:
            if final and handler.target == final.target:
                outermost |= {part.target for part in layout.moved_handler(handler)}
        handled = [(h.start, h.end) for h in painted if h.target not in outermost]
        placements = [layout.guard_placement(guard) for guard in self.guards]
        for guard, placement in zip(self.guards, placements, strict=True):
            handler = Handler(0, 0, placement.start, 0, True)
            spared = layout.injected(guard) + handled + layout.unguarded(final, guard.holes)
            first = max(layout.first_guarded, layout.start_at(guard.since))
            taken = list(gaps(first, layout.end_of_body, spared))
            for start, end in layout.behind_the_code(guard):
                taken += gaps(start, end, handled)
            for start, end in taken:
                yield start, end, handler
            handled += taken
        for guard, placement, following in zip(self.guards, placements, placements[1:], strict=False):
            handler = Handler(0, 0, following.start, 0, True)
            for start, end in placement.item_units(guard.passes_on):
                yield start, end, handler

    def stack(self) -> int:
        need = self.code.co_stacksize
        for placement in self.layout.placements:
            depth = placement.edit.depth if placement.edit is not None else 0
            need = max(need, depth + placement.fragment.stack)
        return need


def _aimed(opcode: int, position: int, goal: int) -> tuple[int, int]:
    """The opcode (turned round where needed) and argument of a jump at ``position`` that goes to ``goal``."""
    distance = goal - (position + 1 + isa.CACHES[opcode])
    if (distance >= 0) if opcode in isa.FORWARD else (distance <= 0):
        return opcode, abs(distance)
    opcode = isa.FLIPPED[opcode]
    return opcode, abs(goal - (position + 1 + isa.CACHES[opcode]))


def gaps(start: int, end: int, taken: Iterable[tuple[int, int]]) -> Iterable[tuple[int, int]]:
    """What of ``[start, end)`` is in none of the ranges."""
    for first, last in sorted(taken):
        if first > start:
            yield start, min(first, end)
        start = max(start, last)
        if start >= end:
            return
    yield start, end


def stop_iteration_handler(raw: bytes, handlers: Sequence[Handler]) -> Handler | None:
    """The handler with which the compiler ends every generator and coroutine, or None."""
    if not isa.STOP_ITERATION_HANDLER or not handlers:
        return None
    intrinsic = bytes((isa.OP["CALL_INTRINSIC_1"], 3))  # INTRINSIC_STOPITERATION_ERROR
    for handler in handlers:
        if handler.lasti and raw[2 * handler.target : 2 * handler.target + 2] == intrinsic:
            return handler
    return None
