"""Jumps of code that grows: all of them together, as columns of code units.

For a thousand jumps this costs a fraction of what an object for each would (``sites.Jump``).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Container, Mapping, Sequence
from functools import partial
from itertools import compress, count
from operator import ne

from equip import isa

_JUMPS = isa.Scan(isa.JUMPS)
_UNITS = [1 + caches for caches in isa.CACHES]
"""The code units of an instruction with its caches, by opcode."""


class Jumps:
    """The jumps in ``raw``, column by column: ``starts`` are their first prefixes, ``ats`` their opcodes.

    What goes to a place in ``bypassed`` passes by what is put in there.
    """

    def __init__(self, raw: bytes, bypassed: Container[int]) -> None:
        opcodes, args = raw[::2], raw[1::2]
        forward, prefix = isa.FORWARD, isa.EXTENDED_ARG
        self.raw = raw
        self.ats = ats = _JUMPS.positions(opcodes)
        self.starts = starts = ats
        self.args = [args[at] for at in ats]
        if prefix in opcodes:
            self.starts = starts = [*ats]
            for i, at in enumerate(ats):
                start = at
                while opcodes[start - 1] == prefix and start:
                    start -= 1
                    self.args[i] |= args[start] << (8 * (at - start))
                starts[i] = start
        self.targets = [
            at + _UNITS[opcodes[at]] + (arg if opcodes[at] in forward else -arg)
            for at, arg in zip(ats, self.args, strict=True)
        ]
        self.bypassing = [i for i, target in enumerate(self.targets) if target in bypassed]
        """The numbers of those that pass by what is put in at their targets."""

    def moved(self, places: Sequence[int], growth: Sequence[int]) -> dict[int, int]:
        """New arguments by the number of the jump, when the code has grown by ``growth[i]`` before ``places[i]``."""
        before = [*map(partial(bisect_right, places), self.starts)]
        behind = [*map(partial(bisect_left, places), self.targets)]
        for i in self.bypassing:
            behind[i] = bisect_right(places, self.targets[i])
        args = self.args
        return {
            i: args[i] + abs(growth[behind[i]] - growth[before[i]]) for i in compress(count(), map(ne, before, behind))
        }

    def lacking(self, moved: Mapping[int, int], added: Mapping[int, int]) -> dict[int, int]:
        """By their first code unit, the jumps whose arguments do not fit; with the number of prefixes that they lack.

        ``added`` are those that they get, as it gives them.
        """
        found: dict[int, int] = {}
        for i, arg in moved.items():
            if arg > 255:
                start = self.starts[i]
                room = self.ats[i] - start + added.get(start, 0)
                if arg >> (8 * room + 8):
                    found[start] = (arg.bit_length() - 1) // 8 - room
        return found

    def adjusted(self, moved: Mapping[int, int], added: Mapping[int, int]) -> tuple[bytes, dict[int, bytes]]:
        """The code units with new arguments in place, and the prefixes that are ``added`` to jumps."""
        if not moved:
            return self.raw, {}
        units = bytearray(self.raw)
        prefixes: dict[int, bytes] = {}
        for i, arg in moved.items():
            at, start = self.ats[i], self.starts[i]
            units[2 * at + 1] = arg & 255
            for unit in range(start, at) if start != at else ():
                units[2 * unit + 1] = (arg >> (8 * (at - unit))) & 255
            if start in added:
                own = at - start
                shifts = range(8 * (own + added[start]), 8 * own, -8)
                prefixes[start] = b"".join(bytes((isa.EXTENDED_ARG, (arg >> shift) & 255)) for shift in shifts)
        return bytes(units), prefixes
