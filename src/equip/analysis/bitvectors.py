"""Dataflow problems whose states are sets of bits and whose blocks only add and remove some: gen and kill.

A block has two such pairs, since an exception leaves it where it is raised: before the raising instruction has had its
effect, and possibly at several places of which any may be the one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from equip.analysis.shape import EXCEPTION, RAISE, Shape

EXCEPTIONAL = frozenset({EXCEPTION, RAISE})
"""Kinds of edges on which an exception leaves a block."""


class Change(NamedTuple):
    """What a block does to a set that goes through it: ``(set & ~kill) | gen``."""

    gen: int = 0
    kill: int = 0
    raised_gen: int = 0
    """The same for what an exception takes along."""
    raised_kill: int = 0


def exceptional_edges(shape: Shape) -> list[list[bool]]:
    """By node: which of its edges are exceptions."""
    return [[kind in EXCEPTIONAL for kind in kinds] for kinds in shape.kinds]


class ForwardBits:
    """Sets that grow along the edges, by union."""

    def __init__(self, shape: Shape, changes: Sequence[Change], at_entry: int) -> None:
        self.changes = changes
        self.at_entry = at_entry
        self.exceptional = exceptional_edges(shape)

    def boundary(self) -> int:
        return self.at_entry

    def join(self, one: int, other: int) -> int:
        return one | other

    def transfer(self, node: int, state: int) -> Sequence[int]:
        gen, kill, raised_gen, raised_kill = self.changes[node]
        normal = (state & ~kill) | gen
        raised = (state & ~raised_kill) | raised_gen
        return [raised if exceptional else normal for exceptional in self.exceptional[node]]


class BackwardBits:
    """Sets that grow against the edges, by union. ``raised_gen`` has no meaning here."""

    def __init__(self, shape: Shape, changes: Sequence[Change], at_exit: int) -> None:
        self.changes = changes
        self.at_exit = at_exit
        self.exceptional = exceptional_edges(shape)

    def boundary(self) -> int:
        return self.at_exit

    def bottom(self) -> int:
        return 0

    def transfer(self, node: int, states: Sequence[int]) -> int:
        gen, kill, _, raised_kill = self.changes[node]
        normal = raised = 0
        for exceptional, state in zip(self.exceptional[node], states, strict=True):
            if exceptional:
                raised |= state
            else:
                normal |= state
        return gen | (normal & ~kill) | (raised & ~raised_kill)
