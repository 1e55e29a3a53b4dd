"""Where everything goes: positions in the new code for those in the old, given the sizes of the fragments.

The new code is: the original code units with the inline fragments between them; then the cold parts of
these; then the detours and the guards, each with its cold part.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from equip import isa
from equip.code.edit import Edit, Guard
from equip.code.exceptions import Handler
from equip.code.fragment import Fragment, Position, Use
from equip.code.locations import Cut, Run, Tail
from equip.code.sites import Detour, Site


@dataclass(eq=False, slots=True)
class Placement:
    """A fragment at its place in the new code; positions in code units of it."""

    use: Use
    fragment: Fragment
    edit: Edit | None  # None: a guard
    start: int
    cold_start: int = 0
    detour: bool = False
    starts: Sequence[int] = ()

    @property
    def end(self) -> int:
        return self.start + len(self.fragment.hot) // 2

    @property
    def cold_end(self) -> int:
        return self.cold_start + len(self.fragment.cold) // 2

    def position(self, inside: Position) -> int:
        return (self.cold_start if inside.cold else self.start) + inside.index

    def item_units(self, items: Iterable[int]) -> Iterable[tuple[int, int]]:
        """The code units of these items, as ranges."""
        spans = self.fragment.item_spans
        for item in items:
            cold, start, end = spans[item]
            base = self.cold_start if cold else self.start
            yield base + start, base + end


@dataclass(eq=False, slots=True)
class Chunk:
    """A detour at its place: its placements and the jump back."""

    site: Site
    sequence: Detour
    start: int
    jump_at: int
    line: int

    @property
    def prefixes(self) -> int:
        return self.sequence.prefixes


class Layout:
    """One attempt to place everything; ``extra`` are prefixes to add by instruction start."""

    def __init__(
        self,
        raw: bytes,
        sites: Sequence[Site],
        guards: Sequence[Guard],
        fragment: Callable[[Use], Fragment],
        extra: dict[int, int],
    ) -> None:
        self.raw = raw
        self.sites = {site.at: site for site in sites}
        self.extra = dict(extra)
        self.guards = guards
        self.placements: list[Placement] = []
        self.chunks: list[Chunk] = []
        self.removed: set[int] = set()
        self.detours = any(site.detours or site.jump_entries for site in sites)
        self._detour_starts: dict[Detour, int] = {}
        self._inline_starts: dict[int, list[int]] = {}
        self._tails: list[tuple[tuple[Run, ...], int | None]] = []
        self._place_inline(fragment)
        self._place_cold(self.placements)
        self._place_detours(fragment)
        self._place_guards(fragment)

    # -- placing ---------------------------------------------------------------------------------------

    def _place_inline(self, fragment: Callable[[Use], Fragment]) -> None:
        places = sorted(self.sites.keys() | self.extra.keys())
        self._places = places
        self._inlined: list[int] = []  # units put in at each place, prefixes of the instruction not counted
        self._before: list[int] = [0]  # growth in front of each place
        growth = 0
        for at in places:
            site = self.sites.get(at)
            length = removed = 0
            if site is not None:
                starts = [at + growth]
                for edit in site.inline:
                    assert edit.use is not None
                    placed = Placement(edit.use, fragment(edit.use), edit, starts[-1])
                    self.placements.append(placed)
                    starts.append(placed.end)
                self._inline_starts[at] = starts
                length = starts[-1] - starts[0]
                removed = site.removed
                self.removed.update(range(at, at + removed))
            self._inlined.append(length)
            growth += length - removed + self.extra.get(at, 0)
            self._before.append(growth)
        self.end_of_body = len(self.raw) // 2 + growth
        self.end = self.end_of_body

    def _place_cold(self, placements: Iterable[Placement]) -> None:
        for placement in placements:
            if placement.fragment.cold:
                placement.cold_start = self.end
                self.end = placement.cold_end
                line = placement.edit.line if placement.edit is not None else None
                self._tails.append((placement.fragment.cold_runs, line))

    def _place_detours(self, fragment: Callable[[Use], Fragment]) -> None:
        for site in self.sites.values():
            for detour in site.detours:
                self._detour_starts[detour] = start = self.end
                placed: list[Placement] = []
                line = 0
                for edit in detour.edits:
                    assert edit.use is not None and edit.line is not None
                    placement = Placement(edit.use, fragment(edit.use), edit, self.end, detour=True)
                    placed.append(placement)
                    self.end = placement.end
                    line = edit.line
                    self._tails.append((placement.fragment.hot_runs, line))
                self.chunks.append(Chunk(site, detour, start, self.end, line))
                mark = placed[-1].fragment.hot_runs[-1].mark if placed and placed[-1].fragment.hot_runs else 0
                self._tails.append(((Run(detour.prefixes + 1, mark),), line))
                self.end += detour.prefixes + 1
                self._place_cold(placed)
                self.placements += placed

    def _place_guards(self, fragment: Callable[[Use], Fragment]) -> None:
        self._guard_placements: dict[Guard, Placement] = {}
        for guard in self.guards:
            placement = Placement(guard.use, fragment(guard.use), None, self.end)
            self.end = placement.end
            self._tails.append((placement.fragment.hot_runs, guard.line))
            self._place_cold([placement])
            self.placements.append(placement)
            self._guard_placements[guard] = placement

    # -- old positions to new ----------------------------------------------------------------------------

    def unmoved(self, first: int, second: int) -> bool:
        """Whether nothing is put in between two code units, so that their distance stays."""
        low, high = (first, second) if first < second else (second, first)
        places = self._places
        found = bisect_left(places, low)
        return found == len(places) or places[found] > high

    def start_at(self, index: int) -> int:
        """Where what is put in at ``index`` begins; the instruction itself where nothing is."""
        return index + self._before[bisect_left(self._places, index)]

    def instruction_at(self, index: int) -> int:
        """Where the instruction that was at ``index`` begins, its prefixes included."""
        place = bisect_left(self._places, index)
        at = index + self._before[place]
        if place < len(self._places) and self._places[place] == index:
            at += self._inlined[place]
        return at

    def opcode_at(self, start: int, opcode: int) -> int:
        return self.instruction_at(start) + self.extra.get(start, 0) + opcode - start

    def _entry(self, site: Site, entry: int | Detour) -> int:
        return self._detour_starts[entry] if isinstance(entry, Detour) else self._inline_starts[site.at][entry]

    def entry_of_jump(self, jump: int, target: int) -> int:
        """Where the jump at code unit ``jump`` arrives."""
        site = self.sites.get(target)
        if site is None:
            return self.start_at(target)
        return self._entry(site, site.jump_entries.get(jump, 0))

    def moved_target(self, handler: Handler) -> Handler:
        """The handler with its target in the new code (for exceptions from nowhere in particular)."""
        site = self.sites.get(handler.target)
        target = self.start_at(handler.target) if site is None else self._entry(site, site.default_raise)
        return handler._replace(target=target)

    def moved_handler(self, handler: Handler) -> Iterable[Handler]:
        """The handler in the new code, in parts where exceptions arrive at it by different ways."""
        site = self.sites.get(handler.target)
        moved = self.moved_target(handler)
        start, end = handler.start, handler.end
        if site is not None:
            for first, last, entry in site.raise_entries:
                first, last = max(first, start), min(last, end)
                if first >= last:
                    continue
                if start < first:
                    yield moved._replace(start=self.start_at(start), end=self.start_at(first))
                target = self._entry(site, entry)
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
        by_start = {}
        for placement in self.placements:
            if placement.edit is not None and not placement.detour:
                by_start.setdefault(placement.edit.at, []).append(placement.fragment.hot)
        for at in self._places:
            parts.append(raw[2 * done : 2 * at])
            parts += by_start.get(at, ())
            parts.append(bytes((isa.EXTENDED_ARG, 0)) * self.extra.get(at, 0))
            site = self.sites.get(at)
            done = at + site.removed if site is not None else at
        parts.append(raw[2 * done :])
        body = b"".join(parts)
        rest = bytearray(2 * (self.end - self.end_of_body))
        base = self.end_of_body
        for placement in self.placements:
            fragment = placement.fragment
            if placement.start >= base and (placement.detour or placement.edit is None):
                at = 2 * (placement.start - base)
                rest[at : at + len(fragment.hot)] = fragment.hot
            if fragment.cold:
                at = 2 * (placement.cold_start - base)
                rest[at : at + len(fragment.cold)] = fragment.cold
        return body + bytes(rest)

    def cuts(self) -> list[Cut]:
        """The location table's view of what is put in."""
        found: list[Cut] = []
        runs_at: dict[int, tuple[Run, ...]] = {}
        for placement in self.placements:
            if placement.edit is not None and not placement.detour:
                at = placement.edit.at
                runs_at[at] = runs_at.get(at, ()) + placement.fragment.hot_runs
        for at in self._places:
            site = self.sites.get(at)
            runs = runs_at.get(at, ())
            if self.extra.get(at):
                runs = (*runs, Run(self.extra[at], 0))
            if runs or (site is not None and site.removed):
                found.append(Cut(at, runs, site.removed if site is not None else 0))
        return found

    def tails(self, default_line: int) -> list[Tail]:
        return [Tail(runs, default_line if line is None else line) for runs, line in self._tails]

    # -- guards ------------------------------------------------------------------------------------------

    @property
    def first_guarded(self) -> int:
        """The first instruction of the body: behind the first RESUME."""
        raw = self.raw
        index = raw[::2].index(isa.RESUME)
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
            and any(run.mark for run in placement.fragment.hot_runs)
            and (not guard.whole or placement.use in guard.spared)
        ]

    def unguarded(self, final: Handler | None) -> list[tuple[int, int]]:
        """The compiler's own last handler, which is outside of any ``try`` around the body."""
        if final is None:
            return []
        start = self.start_at(final.target)
        return [(start, start + 2)]

