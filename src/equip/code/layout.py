"""Where everything goes: positions in the new code for those in the old, given the sizes of the fragments.

The new code is: the original code units with the inline fragments between them; then the cold parts of
these; then the detours and the guards, each with its cold part.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence

from equip import isa
from equip.code.edit import INHERIT, Edit, Guard
from equip.code.exceptions import Handler
from equip.code.fragment import Fragment, Position, Use
from equip.code.locations import Cut, Piece, Tail, injected
from equip.code.sites import Detour, Site

_PAD = bytes((isa.OP["NOP"], 0))


class Placement:
    """A fragment at its place in the new code; positions in code units of it. A guard has no edit."""

    __slots__ = ("cold_start", "detour", "edit", "end", "fragment", "start", "use")

    def __init__(self, use: Use, fragment: Fragment, edit: Edit | None, start: int, detour: bool = False) -> None:
        self.use = use
        self.fragment = fragment
        self.edit = edit
        self.start = start
        self.end = start + fragment.length
        self.cold_start = 0
        self.detour = detour

    @property
    def cold_end(self) -> int:
        return self.cold_start + len(self.fragment.cold) // 2

    def position(self, inside: Position) -> int:
        return (self.cold_start if inside.cold else self.start) + inside.unit

    def item_units(self, items: Iterable[int]) -> Iterable[tuple[int, int]]:
        """The code units of these items, as ranges."""
        spans = self.fragment.item_spans
        for item in items:
            cold, start, end = spans[item]
            base = self.cold_start if cold else self.start
            yield base + start, base + end


class Chunk:
    """A detour at its place: where its jump back is, and which line it stands on."""

    __slots__ = ("detour", "jump_at", "line", "site")

    def __init__(self, site: Site, detour: Detour, jump_at: int, line: int) -> None:
        self.site = site
        self.detour = detour
        self.jump_at = jump_at
        self.line = line


class Layout:
    """One attempt to place everything; ``extra`` are prefixes to add by instruction start."""

    def __init__(
        self,
        raw: bytes,
        sites: Sequence[Site],
        guards: Sequence[Guard],
        fragment: Callable[[Use], Fragment],
        line_at: Callable[[int], int],
        extra: dict[int, int],
    ) -> None:
        self.raw = raw
        self.sites = {site.at: site for site in sites}
        self.extra = extra
        self._guarded = bool(guards)
        self.placements: list[Placement] = []
        self.pads: list[int] = []
        """Where a NOP stands that separates a fragment from the instruction behind it."""
        self.chunks: list[Chunk] = []
        self.removed: set[int] = set()
        self._detour_starts: dict[Detour, int] = {}
        self._tails: list[tuple[Sequence[Piece], int | None]] = []
        self._guard_placements: dict[Guard, Placement] = {}
        self._place_inline(fragment)
        inline = list(self.placements)
        for placement in inline:
            if placement.fragment.cold:
                self._place_cold(placement)
        if any(site.detours for site in sites):
            self._place_detours(fragment, line_at)
        if guards:
            self._place_guards(guards, fragment)

    # -- placing ---------------------------------------------------------------------------------------

    def _place_inline(self, fragment: Callable[[Use], Fragment]) -> None:
        raw, sites, extra = self.raw, self.sites, self.extra
        self.places = places = sorted(sites.keys() | extra.keys()) if extra else list(sites)
        self.growth = grown = [0]  # by how much the code has grown behind the first n places
        self._inlined: list[int] = []  # units put in at each place, prefixes of the instruction not counted
        self._parts: list[list[bytes]] = []
        growth = 0
        for at in places:
            site = sites.get(at)
            start = position = at + growth
            parts: list[bytes] = []
            removed = 0
            if site is not None:
                removed = site.removed
                for edit in site.inline:
                    use = edit.use
                    assert use is not None
                    image = fragment(use)
                    placement = Placement(use, image, edit, position)
                    self.placements.append(placement)
                    position = placement.end
                    parts.append(image.hot)
                if parts and raw[2 * at] in isa.PUSHES_FRAMES and self._needs_pad(site):
                    self.pads.append(position)
                    parts.append(_PAD)
                    position += 1
                if removed:
                    self.removed.update(range(at, at + removed))
            length = position - start
            self._inlined.append(length)
            self._parts.append(parts)
            growth += length - removed
            if extra:
                growth += extra.get(at, 0)
            grown.append(growth)
        self.end_of_body = self.end = len(self.raw) // 2 + growth

    def _needs_pad(self, site: Site) -> bool:
        """Whether the last unit of what is put in can be in another handler than the instruction behind it."""
        last = self.placements[-1]
        return self._guarded or bool(last.fragment.covered) or site.inline[-1].covered is not INHERIT

    def _place_cold(self, placement: Placement) -> None:
        placement.cold_start = self.end
        self.end = placement.cold_end
        line = placement.edit.line if placement.edit is not None else None
        self._tails.append((placement.fragment.cold_pieces, line))

    def _place_detours(self, fragment: Callable[[Use], Fragment], line_at: Callable[[int], int]) -> None:
        for site in self.sites.values():
            for detour in site.detours:
                self._detour_starts[detour] = self.end
                placed: list[Placement] = []
                line = 0
                for edit in detour.edits:
                    assert edit.use is not None
                    placement = Placement(edit.use, fragment(edit.use), edit, self.end, detour=True)
                    placed.append(placement)
                    self.end = placement.end
                    line = line_at(site.at) if edit.line is None else edit.line
                    self._tails.append((placement.fragment.hot_pieces, line))
                self.chunks.append(Chunk(site, detour, self.end, line))
                self._tails.append(((injected(detour.prefixes + 1, 1),), line))
                self.end += detour.prefixes + 1
                for placement in placed:
                    if placement.fragment.cold:
                        self._place_cold(placement)
                self.placements += placed

    def _place_guards(self, guards: Sequence[Guard], fragment: Callable[[Use], Fragment]) -> None:
        for guard in guards:
            placement = Placement(guard.use, fragment(guard.use), None, self.end)
            self.end = placement.end
            self._tails.append((placement.fragment.hot_pieces, guard.line))
            if placement.fragment.cold:
                self._place_cold(placement)
            self.placements.append(placement)
            self._guard_placements[guard] = placement

    # -- old positions to new ----------------------------------------------------------------------------

    def start_at(self, index: int) -> int:
        """Where what is put in at ``index`` begins; the instruction itself where nothing is."""
        return index + self.growth[bisect_left(self.places, index)]

    def instruction_at(self, index: int) -> int:
        """Where the instruction that was at ``index`` begins, its prefixes included."""
        place = bisect_left(self.places, index)
        at = index + self.growth[place]
        if place < len(self.places) and self.places[place] == index:
            at += self._inlined[place]
        return at

    def entry(self, site: Site, entry: int | Detour) -> int:
        """Where a way that enters a site so arrives."""
        if isinstance(entry, Detour):
            return self._detour_starts[entry]
        start = self.start_at(site.at)
        for edit in site.inline[:entry]:
            start += self._length(edit)
        return start

    def _length(self, edit: Edit) -> int:
        return next(p.fragment.length for p in self.placements if p.edit is edit and not p.detour)

    def entry_of_jump(self, jump: int, target: int) -> int:
        """Where the jump at code unit ``jump`` arrives."""
        site = self.sites.get(target)
        if site is None:
            return self.start_at(target)
        return self.entry(site, site.jump_entries.get(jump, site.default_jump))

    def moved_target(self, handler: Handler) -> Handler:
        """The handler with its target in the new code (for exceptions from nowhere in particular)."""
        site = self.sites.get(handler.target)
        target = self.start_at(handler.target) if site is None else self.entry(site, site.default_raise)
        return handler._replace(target=target)

    def moved_handler(self, handler: Handler) -> Iterable[Handler]:
        """The handler in the new code, in parts where exceptions arrive at it by different ways."""
        moved = self.moved_target(handler)
        start, end = handler.start, handler.end
        site = self.sites.get(handler.target)
        if site is not None:
            for first, last, entry in site.raise_entries:
                first, last = max(first, start), min(last, end)
                if first >= last:
                    continue
                if start < first:
                    yield moved._replace(start=self.start_at(start), end=self.start_at(first))
                target = self.entry(site, entry)
                yield moved._replace(start=self.start_at(first), end=self.start_at(last), target=target)
                start = last
        if start < end:
            yield moved._replace(start=self.start_at(start), end=self.start_at(end))

    # -- what goes into the tables ---------------------------------------------------------------------

    def assembled(self) -> bytes:
        """The new code units, jumps not yet adjusted."""
        raw = self.raw
        parts: list[bytes] = []
        done = 0
        for at, inline in zip(self.places, self._parts, strict=True):
            parts.append(raw[2 * done : 2 * at])
            parts += inline
            if self.extra:
                parts.append(bytes((isa.EXTENDED_ARG, 0)) * self.extra.get(at, 0))
            site = self.sites.get(at)
            done = at + site.removed if site is not None else at
        parts.append(raw[2 * done :])
        if self.end == self.end_of_body:
            return b"".join(parts)
        rest = bytearray(2 * (self.end - self.end_of_body))
        base = self.end_of_body
        for placement in self.placements:
            fragment = placement.fragment
            if placement.detour or placement.edit is None:
                at = 2 * (placement.start - base)
                rest[at : at + len(fragment.hot)] = fragment.hot
            if fragment.cold:
                at = 2 * (placement.cold_start - base)
                rest[at : at + len(fragment.cold)] = fragment.cold
        parts.append(bytes(rest))
        return b"".join(parts)

    def cuts(self) -> list[Cut]:
        """The location table's view of what is put in."""
        found: list[Cut] = []
        pieces_at: dict[int, list[Piece]] = {}
        for placement in self.placements:
            edit = placement.edit
            if edit is not None and not placement.detour:
                here = pieces_at.get(edit.at)
                if here is None:
                    pieces_at[edit.at] = list(placement.fragment.hot_pieces)
                else:
                    here += placement.fragment.hot_pieces
        for at in self.places:
            site = self.sites.get(at)
            pieces: Sequence[Piece] = pieces_at.get(at, ())
            if self.pads and self.instruction_at(at) - 1 in self.pads:
                pieces = (*pieces, 1)
            if self.extra.get(at):
                pieces = (*pieces, self.extra[at])
            removed = site.removed if site is not None else 0
            if pieces or removed:
                found.append(Cut(at, pieces, removed))
        return found

    def tails(self, default_line: int) -> list[Tail]:
        return [Tail(pieces, default_line if line is None else line) for pieces, line in self._tails]

    # -- guards ------------------------------------------------------------------------------------------

    @property
    def first_guarded(self) -> int:
        """The first instruction of the body: behind the first RESUME."""
        index = self.raw[::2].index(isa.RESUME)
        return self.start_at(index + 1 + isa.CACHES[isa.RESUME])

    def guard_placement(self, guard: Guard) -> Placement:
        return self._guard_placements[guard]

    def injected(self, guard: Guard) -> list[tuple[int, int]]:
        """The ranges of fragments between the original code that the guard does not cover."""
        return [
            (placement.start, placement.end)
            for placement in self.placements
            if placement.edit is not None
            and not placement.detour
            and placement.fragment.is_injected
            and (not guard.whole or placement.use in guard.spared)
        ]

    def behind_the_code(self, guard: Guard) -> list[tuple[int, int]]:
        """The ranges of parts of fragments behind the original code that the guard does cover."""
        if not guard.whole:
            return []
        found: list[tuple[int, int]] = []
        for placement in self.placements:
            if placement.edit is not None and placement.use not in guard.spared:
                if placement.detour:
                    found.append((placement.start, placement.end))
                if placement.fragment.cold:
                    found.append((placement.cold_start, placement.cold_end))
        return found

    def unguarded(self, final: Handler | None, holes: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
        """What is outside of any ``try`` around the body: the compiler's own last handler, and the instructions in
        ``holes``."""
        found = [(self.instruction_at(start), self.start_at(end)) for start, end in holes]
        if final is not None:
            start = self.instruction_at(final.target)
            found.append((start, start + 2))
        return found
