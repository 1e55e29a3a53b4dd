"""The linker: places fragments in a code object and moves what has to move.

The original code units are copied, never decoded and encoded again. What is computed is: where each
fragment goes, what jumps across it, which exception ranges and locations it splits. A jump that grows
beyond its prefixes makes room for one more and everything is computed again, until nothing grows
(relaxation; prefixes are only ever added, so it ends).

No edit gives back the same object.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import CodeType

from equip import isa
from equip.code import exceptions, locations
from equip.code.edit import Edit, Guard
from equip.code.exceptions import Handler
from equip.code.fragment import Fragment, Use, assemble, instruction
from equip.code.layout import Layout, Placement
from equip.code.pools import Pools
from equip.code.sites import Site, find_jumps, sites_of


def link(
    code: CodeType,
    edits: Sequence[Edit] = (),
    guards: Sequence[Guard] = (),
    *,
    pools: Pools | None = None,
    rewritten: Mapping[int, tuple[int, int]] | None = None,
    children: Mapping[int, CodeType] | None = None,
    last_const: object = None,
) -> CodeType:
    """``code`` with the edits and guards applied.

    ``pools`` says which variables are added; ``rewritten`` gives instructions of the original code (by the
    code unit of their opcode) another opcode and argument; ``children`` are new constants by index;
    ``last_const``, unless None, is appended to the constants as it is.
    """
    rewritten = rewritten or {}
    if not (edits or guards or rewritten or pools):
        return _with_children(code, children) if children else code
    pools = pools or Pools(code)
    linked = _Link(code, edits, guards, pools, rewritten)
    consts = list(pools.consts)
    for index, child in (children or {}).items():
        consts[index] = child
    if last_const is not None:
        consts.append(last_const)
    return code.replace(
        co_code=linked.units(),
        co_linetable=linked.locations(),
        co_exceptiontable=linked.exceptions(),
        co_stacksize=linked.stack(),
        co_consts=tuple(consts),
        co_names=tuple(pools.names),
        co_varnames=pools.varnames,
        co_nlocals=len(pools.varnames),
        co_cellvars=pools.cellvars,
    )


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
        self.handlers = exceptions.decode(code.co_exceptiontable) if code.co_exceptiontable else []
        self.rewritten = rewritten
        self.jumps = find_jumps(self.raw)
        self.sites = sites_of(self.raw, edits, self.jumps, self.handlers)
        self._fragments: dict[Use, Fragment] = {}
        self._reserved: dict[Use, dict[int, int]] = {}
        self._relax()

    def fragment(self, use: Use) -> Fragment:
        found = self._fragments.get(use)
        if found is None:
            found = assemble(use, self.pools, self._reserved.get(use, {}))
            self._fragments[use] = found
        return found

    # -- code units ------------------------------------------------------------------------------------

    def _relax(self) -> None:
        extra: dict[int, int] = {}  # instruction start -> prefixes to add
        while True:
            layout = Layout(self.raw, self.sites, self.guards, self.fragment, extra)
            patches = self._jump_patches(layout, extra)
            patches_cross = self._cross_patches(layout)
            if patches is not None and patches_cross is not None:
                self.layout = layout
                self._patches = patches + patches_cross
                return

    def _jump_patches(self, layout: Layout, extra: dict[int, int]) -> list[tuple[int, bytes]] | None:
        """(position, code units) for each original instruction that changes; None when one has to grow."""
        patches: list[tuple[int, bytes]] = []
        grown = False
        unmoved = layout.unmoved
        for jump in self.jumps:
            if jump.at in layout.removed:
                continue
            if unmoved(jump.start, jump.target) and not layout.detours:
                continue
            at = layout.opcode_at(jump.start, jump.at)
            if jump.opcode in isa.BINDING_JUMPS and isa.LINE_EVENTS_AT_CANDIDATES:
                goal = layout.instruction_at(jump.target)
            else:
                goal = layout.entry_of_jump(jump.at, jump.target)
            opcode = jump.opcode
            distance = goal - (at + 1 + isa.CACHES[opcode])
            if (distance >= 0) != (opcode in isa.FORWARD):
                if opcode not in isa.FLIPPED:
                    if distance or opcode not in isa.BACKWARD:
                        raise AssertionError(f"{isa.OPNAMES[opcode]} cannot jump the other way: a bug of equip")
                else:
                    opcode = isa.FLIPPED[opcode]
                    distance = goal - (at + 1 + isa.CACHES[opcode])
            arg = abs(distance)
            if arg == jump.arg and opcode == jump.opcode:
                continue
            grown |= self._patch(patches, layout, extra, jump.start, jump.at, opcode, arg)
        for index, (opcode, arg) in self.rewritten.items():
            if index in layout.removed:
                continue
            start = index
            while start and self.raw[2 * start - 2] == isa.EXTENDED_ARG:
                start -= 1
            grown |= self._patch(patches, layout, extra, start, index, opcode, arg)
        return None if grown else patches

    def _patch(
        self,
        patches: list[tuple[int, bytes]],
        layout: Layout,
        extra: dict[int, int],
        start: int,
        index: int,
        opcode: int,
        arg: int,
    ) -> bool:
        """Note the new units of one instruction; whether it had to grow."""
        room = index - start + extra.get(start, 0)
        units = instruction(opcode, arg, room)
        length = len(units) // 2 - isa.CACHES[opcode]
        if length > room + 1:
            extra[start] = extra.get(start, 0) + length - room - 1
            return True
        patches.append((layout.instruction_at(start), units[: 2 * length]))
        return False

    def _cross_patches(self, layout: Layout) -> list[tuple[int, bytes]] | None:
        """The jumps between the parts of fragments, and from behind the code back into it."""
        patches: list[tuple[int, bytes]] = []
        grown = False
        for placement in layout.placements:
            for jump in placement.fragment.jumps:
                at = placement.position(jump.at)
                goal = placement.end if jump.target is None else placement.position(jump.target)
                begin = at + jump.prefixes
                distance = goal - (begin + 1 + isa.CACHES[jump.opcode])
                opcode = jump.opcode
                if (distance >= 0) != (opcode in isa.FORWARD):
                    opcode = isa.FLIPPED[opcode]
                    distance = goal - (begin + 1 + isa.CACHES[opcode])
                units = instruction(opcode, abs(distance), jump.prefixes)
                length = len(units) // 2 - isa.CACHES[opcode]
                if length > jump.prefixes + 1:
                    reserved = self._reserved.setdefault(placement.use, {})
                    reserved[jump.item] = length - 1
                    self._fragments.pop(placement.use, None)
                    grown = True
                patches.append((at, units[: 2 * length]))
        for chunk in layout.chunks:
            at = chunk.jump_at
            goal = layout.instruction_at(chunk.site.at)
            opcode = isa.OP["JUMP_BACKWARD_NO_INTERRUPT"]
            units = instruction(opcode, at + chunk.prefixes + 1 - goal, chunk.prefixes)
            if len(units) // 2 > chunk.prefixes + 1:
                chunk.sequence.prefixes = len(units) // 2 - 1
                grown = True
            patches.append((at, units))
        return None if grown else patches

    def units(self) -> bytes:
        out = bytearray(self.layout.assembled())
        for position, units in self._patches:
            out[2 * position : 2 * position + len(units)] = units
        return bytes(out)

    # -- tables ------------------------------------------------------------------------------------------

    def locations(self) -> bytes:
        layout = self.layout
        return locations.splice(
            self.code.co_linetable, layout.cuts(), layout.tails(self.code.co_firstlineno), self.code.co_firstlineno
        )

    def exceptions(self) -> bytes:
        layout = self.layout
        if not self.handlers and not self.guards and not any(p.fragment.covered for p in layout.placements):
            return b""
        base: list[Handler] = []
        for handler in self.handlers:
            base += layout.moved_handler(handler)
        overlays: list[tuple[int, int, Handler | None]] = []
        for placement in layout.placements:
            overlays += self._around(placement)
        painted = exceptions.paint(base, overlays)
        if self.guards:
            painted = exceptions.paint(painted, self._guarded(painted))
        inner = [overlay for placement in layout.placements for overlay in self._inside(placement)]
        return exceptions.encode(exceptions.paint(painted, inner) if inner else painted)

    def _around(self, placement: Placement) -> Iterable[tuple[int, int, Handler | None]]:
        """The handler that the place of a fragment stands in, over its parts where that does not follow by itself."""
        edit = placement.edit
        if edit is None:
            covered = stop_iteration_handler(self.raw, self.handlers)
        elif isinstance(edit.covered, Handler) or edit.covered is None:
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
        handled = [(h.start, h.end) for h in painted if h.target not in outermost]
        placements = [layout.guard_placement(guard) for guard in self.guards]
        for guard, placement in zip(self.guards, placements, strict=True):
            handler = Handler(0, 0, placement.start, 0, False)
            spared = layout.injected(guard) + handled + layout.unguarded(final)
            taken = list(gaps(layout.first_guarded, layout.end_of_body, spared))
            for start, end in taken:
                yield start, end, handler
            handled += taken
        for guard, placement, following in zip(self.guards, placements, placements[1:], strict=False):
            handler = Handler(0, 0, following.start, 0, False)
            for start, end in placement.item_units(guard.passes_on):
                yield start, end, handler

    def stack(self) -> int:
        need = self.code.co_stacksize
        for placement in self.layout.placements:
            depth = placement.edit.depth if placement.edit is not None else 1
            need = max(need, depth + placement.fragment.stack)
        return need


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
        if not handler.depth and handler.lasti and raw[2 * handler.target : 2 * handler.target + 2] == intrinsic:
            return handler
    return None


__all__ = ["Edit", "Guard", "Site", "link", "stop_iteration_handler"]
