"""Dominators and post-dominators of a control flow graph, as blocks.

A block dominates another one when every way from the entry to that one leads through it; it post-dominates it when
every way from there to the exit does. A dominance frontier is where that ends: the blocks that it does not dominate
(not counting itself), but of which it dominates a predecessor. The post-dominance frontier is the same in the
reversed graph.

Exceptions are edges: where nearly every block can raise, few blocks post-dominate others but the exit. For what the
text of a program decides, take ``ControlFlow(code, exceptions=False)``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from equip.analysis import idom

if TYPE_CHECKING:
    from equip.analysis.controlflow import BasicBlock, ControlFlow

_Value = TypeVar("_Value")


class DominatorTree:
    """The dominator tree and the post-dominator tree of a control flow graph, with their frontiers.

    Blocks that cannot be reached have no dominators: they are not in ``dom`` and ``frontier``. A loop that nothing
    leaves would have no post-dominators: it counts as if its first block in the code (of each strongly connected
    component without a way out) could go to the exit, so that ``post_dom`` has all blocks. Source: Cooper, Harvey,
    Kennedy (2001).
    """

    def __init__(self, flow: ControlFlow) -> None:
        self.flow = flow
        """The graph."""

    @cached_property
    def forward(self) -> idom.Dominance:
        """Dominators by the numbers of ``ControlFlow.shape``."""
        shape = self.flow.shape
        return idom.dominators(shape.successors, shape.predecessors)

    @cached_property
    def backward(self) -> idom.Dominance:
        """Post-dominators by the numbers of ``ControlFlow.shape``."""
        shape = self.flow.shape
        return idom.post_dominators(shape.successors, shape.predecessors)

    @cached_property
    def dom(self) -> Mapping[BasicBlock, BasicBlock]:
        """The immediate dominator of each block; the entry's is itself."""
        return _Immediate(self.flow, self.forward)

    @cached_property
    def post_dom(self) -> Mapping[BasicBlock, BasicBlock]:
        """The immediate post-dominator of each block; the exit's is itself."""
        return _Immediate(self.flow, self.backward)

    @cached_property
    def frontier(self) -> Mapping[BasicBlock, frozenset[BasicBlock]]:
        """The dominance frontier of each block."""
        return _Sets(self.flow, self.forward, self.forward.frontiers())

    @cached_property
    def post_frontier(self) -> Mapping[BasicBlock, frozenset[BasicBlock]]:
        """The post-dominance frontier of each block: the branches that decide whether it runs."""
        return _Sets(self.flow, self.backward, self.backward.frontiers())

    def dominates(self, one: BasicBlock, other: BasicBlock) -> bool:
        """Whether each way from the entry to ``other`` leads through ``one``; every block dominates itself.

        Takes the same time for all blocks. A block that cannot be reached dominates, and is dominated by, itself only.
        """
        return self._is_above(self._forward_intervals, one, other)

    def post_dominates(self, one: BasicBlock, other: BasicBlock) -> bool:
        """Whether each way from ``other`` to the exit leads through ``one``; every block post-dominates itself."""
        return self._is_above(self._backward_intervals, one, other)

    def children(self, block: BasicBlock) -> tuple[BasicBlock, ...]:
        """The blocks of which a block is the immediate dominator."""
        nodes = self.flow.nodes
        return tuple(nodes[node] for node in self._forward_children[self.flow.node(block)])

    def post_children(self, block: BasicBlock) -> tuple[BasicBlock, ...]:
        """The blocks of which a block is the immediate post-dominator."""
        nodes = self.flow.nodes
        return tuple(nodes[node] for node in self._backward_children[self.flow.node(block)])

    @cached_property
    def _forward_intervals(self) -> tuple[list[int], list[int]]:
        return self.forward.intervals()

    @cached_property
    def _backward_intervals(self) -> tuple[list[int], list[int]]:
        return self.backward.intervals()

    @cached_property
    def _forward_children(self) -> list[list[int]]:
        return self.forward.children()

    @cached_property
    def _backward_children(self) -> list[list[int]]:
        return self.backward.children()

    def _is_above(self, intervals: tuple[list[int], list[int]], one: BasicBlock, other: BasicBlock) -> bool:
        first, behind = intervals
        above, below = self.flow.node(one), self.flow.node(other)
        return above == below or 0 <= first[above] <= first[below] < behind[above]

    def __repr__(self) -> str:
        return f"<DominatorTree of {self.flow.code.co_qualname}: {self.flow.shape.count} blocks>"


class PerBlock(Mapping["BasicBlock", _Value]):
    """A read-only mapping from blocks, made from numbers when they are looked up."""

    def __init__(self, flow: ControlFlow, order: idom.Numbers, value: Callable[[int], _Value | None]) -> None:
        self._flow = flow
        self._order = order
        self._value = value

    def __getitem__(self, block: BasicBlock) -> _Value:
        try:
            found = self._value(self._flow.node(block))
        except (AttributeError, ValueError):
            found = None
        if found is None:
            raise KeyError(block)
        return found

    def __iter__(self) -> Iterator[BasicBlock]:
        nodes = self._flow.nodes
        return (nodes[node] for node in self._order)

    def __len__(self) -> int:
        return len(self._order)

    def __repr__(self) -> str:
        return repr(dict(self))


class _Immediate(PerBlock["BasicBlock"]):
    def __init__(self, flow: ControlFlow, dominance: idom.Dominance) -> None:
        above = dominance.idom
        super().__init__(flow, dominance.order, lambda node: flow.nodes[above[node]] if above[node] >= 0 else None)


class _Sets(PerBlock[frozenset["BasicBlock"]]):
    def __init__(self, flow: ControlFlow, dominance: idom.Dominance, numbers: list[list[int]]) -> None:
        above = dominance.idom

        def blocks(node: int) -> frozenset[BasicBlock] | None:
            return frozenset(flow.nodes[one] for one in numbers[node]) if above[node] >= 0 else None

        super().__init__(flow, dominance.order, blocks)
