"""Dominators and post-dominators of a control flow graph, as blocks.

A block dominates another one when every way from the entry to that one leads through it; it post-dominates it when
every way from there to the exit does. A dominance frontier is where that ends: the blocks that it does not dominate
(not counting itself), but of which it dominates a predecessor. The post-dominance frontier is the same in the
reversed graph.

Exceptions are edges: where nearly every block can raise, few blocks post-dominate others but the exit. For what the
text of a program decides, take ``ControlFlow(code, exceptions=False)``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from equip.analysis import idom
from equip.analysis.shape import Shape

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
        self._forward: idom.Dominance | None = None
        self._backward: idom.Dominance | None = None

    @property
    def forward(self) -> idom.Dominance:
        """Dominators by the numbers of ``ControlFlow.shape``."""
        if self._forward is None:
            self._forward = _solve(self.flow.shape, idom.dominators)
        return self._forward

    @property
    def backward(self) -> idom.Dominance:
        """Post-dominators by the numbers of ``ControlFlow.shape``."""
        if self._backward is None:
            self._backward = _solve(self.flow.shape, idom.post_dominators)
        return self._backward

    @property
    def dom(self) -> Mapping[BasicBlock, BasicBlock]:
        """The immediate dominator of each block; the entry's is itself."""
        return _Immediate(self.flow, self.forward)

    @property
    def post_dom(self) -> Mapping[BasicBlock, BasicBlock]:
        """The immediate post-dominator of each block; the exit's is itself."""
        return _Immediate(self.flow, self.backward)

    @property
    def frontier(self) -> Mapping[BasicBlock, frozenset[BasicBlock]]:
        """The dominance frontier of each block."""
        return _Frontiers(self.flow, self.forward, self.forward.frontiers())

    @property
    def post_frontier(self) -> Mapping[BasicBlock, frozenset[BasicBlock]]:
        """The post-dominance frontier of each block: the branches that decide whether it runs.

        Blocks that cannot be reached are in the frontiers of such blocks only.
        """
        forward, backward = self.forward, self.backward
        return _Frontiers(self.flow, backward, backward.frontiers(None if forward.is_total else forward.idom))

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

    def to_svg(self, *, post: bool = False, source: bool = True) -> str:
        """The tree (``post``: that of the post-dominators) as SVG, blocks with their source lines."""
        from equip.analysis.pictures import contents, svg

        return svg.to_svg(contents.tree_figure(self, post=post, source=source))

    def to_dot(self, *, post: bool = False, source: bool = True) -> str:
        """The same in the language of Graphviz."""
        from equip.analysis.pictures import contents, dot

        return dot.to_dot(contents.tree_figure(self, post=post, source=source))

    def to_networkx(self, *, post: bool = False) -> Any:
        """A ``networkx.DiGraph``: edges lead from each block to those that it dominates immediately.

        Raises ``ImportError`` where networkx is not installed.
        """
        from equip.analysis.pictures import graphs

        return graphs.tree_graph(self, post)

    def _repr_svg_(self) -> str:
        return self.to_svg()

    def __repr__(self) -> str:
        return f"<DominatorTree of {self.flow.code.co_qualname}: {self.flow.shape.count} blocks>"


_Edges = Sequence[idom.Numbers]
_Solver = Callable[[_Edges, _Edges], idom.Dominance]


def _solve(shape: Shape, solver: _Solver) -> idom.Dominance:
    if shape.is_common:
        return _solve_once(solver, shape.successors, shape.predecessors)
    return solver(shape.successors, shape.predecessors)


@cache
def _solve_once(solver: _Solver, outgoing: _Edges, incoming: _Edges) -> idom.Dominance:
    """For edges that are tuples."""
    return solver(outgoing, incoming)


class _PerBlock(Mapping["BasicBlock", _Value]):
    """A read-only mapping from the blocks of a tree, whose values are made when they are looked up."""

    __slots__ = ("_dominance", "_flow")

    def __init__(self, flow: ControlFlow, dominance: idom.Dominance) -> None:
        self._flow = flow
        self._dominance = dominance

    def _node(self, block: BasicBlock) -> int:
        """The number of a block. Raises ``KeyError`` for one that is not in the tree or the graph."""
        try:
            node = self._flow.node(block)
        except ValueError:
            raise KeyError(block) from None
        if self._dominance.idom[node] < 0:
            raise KeyError(block)
        return node

    def __iter__(self) -> Iterator[BasicBlock]:
        nodes = self._flow.nodes
        return (nodes[node] for node in self._dominance.order)

    def __len__(self) -> int:
        return len(self._dominance.order)

    def __repr__(self) -> str:
        return repr(dict(self))


class _Immediate(_PerBlock["BasicBlock"]):
    __slots__ = ()

    def __getitem__(self, block: BasicBlock) -> BasicBlock:
        return self._flow.nodes[self._dominance.idom[self._node(block)]]


class _Frontiers(_PerBlock[frozenset["BasicBlock"]]):
    __slots__ = ("_frontiers",)

    def __init__(self, flow: ControlFlow, dominance: idom.Dominance, frontiers: Sequence[idom.Numbers]) -> None:
        super().__init__(flow, dominance)
        self._frontiers = frontiers

    def __getitem__(self, block: BasicBlock) -> frozenset[BasicBlock]:
        nodes = self._flow.nodes
        return frozenset([nodes[node] for node in self._frontiers[self._node(block)]])
