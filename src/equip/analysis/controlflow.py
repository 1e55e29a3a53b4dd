"""The control flow graph of a code object: basic blocks, and the edges on which control goes from one to another.

What is an edge:

- The blocks tile the code; each is covered by one entry of the exception table at most.
- A block that can raise has an edge to its handler, kind EXCEPTION, or to the exit, kind RAISE. The edge leaves from
  anywhere in the block: what comes before the raising instruction has run, the rest has not. Everything counts as
  raising but the instructions of ``isa.QUIET``; what a tracing function raises does not count. Signal handlers
  run, and exceptions of other threads arrive, at RESUME, at backward jumps and in calls.
- YIELD_VALUE and RETURN_GENERATOR go on with what follows them, when the frame is resumed. What ``throw()`` and
  ``close()`` put into a frame is raised by the YIELD_VALUE at which it was left. A frame that is never resumed, or
  that is closed where it has no handler, is left with no edge.
- FOR_ITER and SEND go on with what follows, or jump, kind EXHAUSTED. The target of a FOR_ITER is the END_FOR
  (from 3.12 on), as for the compiler, though the interpreter skips it (``isa.FOR_ITER_SKIPS`` instructions) unless
  the iterator was a generator that ran in the same loop of the interpreter: probes go behind it.
- SEND's jump is also taken from its YIELD_VALUE on 3.11 (``isa.THROW_ENDS_SEND``).
- END_ASYNC_FOR goes on or raises; the argument that it has on some versions is no jump.
- Unreachable code is there, and marked.
"""

from __future__ import annotations

import enum
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from functools import cached_property
from types import CodeType
from typing import TYPE_CHECKING, Any, NamedTuple

from equip.analysis.dependence import control_dependence
from equip.analysis.dominators import DominatorTree
from equip.analysis.loops import Loops
from equip.analysis.shape import Shape, shape_of
from equip.code.exceptions import Handler
from equip.code.holder import code_of
from equip.code.instruction import Instruction, instructions

if TYPE_CHECKING:
    from equip.analysis.pictures.contents import Label


class EdgeKind(enum.Enum):
    """Why control goes along an edge."""

    FALLTHROUGH = "fall-through"
    """Nothing else happens; the next item of a loop."""
    JUMP = "jump"
    """Always."""
    TRUE = "true"
    """The value tested is true (by a test of None: it is None), whether the branch jumps or not."""
    FALSE = "false"
    """The value tested is false (by a test of None: it is not None)."""
    EXHAUSTED = "exhausted"
    """The iterator of a loop, or what was awaited, has nothing more."""
    EXCEPTION = "exception"
    """To the handler of an exception."""
    RETURN = "return"
    """To the exit, with a value."""
    RAISE = "raise"
    """To the exit, with an exception."""

    def __repr__(self) -> str:
        return f"EdgeKind.{self.name}"


_KINDS = (
    EdgeKind.FALLTHROUGH,
    EdgeKind.JUMP,
    EdgeKind.TRUE,
    EdgeKind.FALSE,
    EdgeKind.EXHAUSTED,
    EdgeKind.EXCEPTION,
    EdgeKind.RETURN,
    EdgeKind.RAISE,
)
"""By the numbers of ``shape``."""


class BasicBlock:
    """Instructions that run one after the other. ``start`` and ``end`` are offsets in bytes, half-open.

    ``index`` is the place in ``ControlFlow.blocks``; -1 for the virtual entry, their number for the virtual exit,
    both of which are empty. Blocks are compared by identity; a graph has each only once.
    """

    __slots__ = ("_flow", "end", "index", "start")

    def __init__(self, flow: ControlFlow, index: int, start: int, end: int) -> None:
        self._flow = flow
        self.index = index
        self.start = start
        self.end = end

    @property
    def flow(self) -> ControlFlow:
        """The graph that it belongs to."""
        return self._flow

    @property
    def instructions(self) -> tuple[Instruction, ...]:
        """The instructions, in order. Raises ``InvalidCodeError`` where an argument is out of range."""
        return self._flow.instructions_between(self.start, self.end)

    @property
    def lines(self) -> tuple[int, ...]:
        """The source lines of the instructions, sorted, each once."""
        return self._flow.lines_between(self.start, self.end)

    @property
    def is_virtual(self) -> bool:
        """Whether it is the entry or the exit."""
        return self.start == self.end

    @property
    def is_reachable(self) -> bool:
        """Whether control can come here from the entry."""
        return self._flow.is_reachable(self)

    def __repr__(self) -> str:
        if self.is_virtual:
            return "<BasicBlock entry>" if self.index < 0 else "<BasicBlock exit>"
        lines = self.lines
        shown = "" if not lines else f", line {lines[0]}" if len(lines) == 1 else f", lines {lines[0]} to {lines[-1]}"
        return f"<BasicBlock {self.index}: {self.start} to {self.end}{shown}>"


class Edge(NamedTuple):
    """A way from one block to another. Two blocks can have several, of different kinds."""

    source: BasicBlock
    target: BasicBlock
    kind: EdgeKind

    def __repr__(self) -> str:
        ends = [f"{block.index}" if not block.is_virtual else repr(block)[12:-1] for block in self[:2]]
        return f"<Edge {ends[0]} to {ends[1]}: {self.kind.value}>"


class ControlFlow:
    """The control flow graph of a code object, a function or a declaration.

    Without ``exceptions`` only explicit raises (RAISE_VARARGS, RERAISE) have edges of the kinds EXCEPTION and RAISE: a
    graph of what the program's text says, in which handlers are often unreachable. Raises ``InvalidCodeError`` for
    code that is damaged or of another interpreter, ``TypeError`` for what has no code.
    """

    def __init__(self, code: object, *, exceptions: bool = True) -> None:
        self.code = find_code(code)
        """The code object."""
        self.shape: Shape = shape_of(self.code.co_code, self.code.co_exceptiontable, self.code.co_qualname, exceptions)
        """The graph in integers, for analyses that must be fast."""

    @cached_property
    def nodes(self) -> tuple[BasicBlock, ...]:
        """Entry, blocks and exit: each at the number that ``shape`` has for it."""
        shape = self.shape
        end = 2 * shape.units
        starts = [2 * start for start in shape.starts]
        ends = [*starts[1:], end]
        inner = [BasicBlock(self, i, starts[i], ends[i]) for i in range(shape.count)]
        return (BasicBlock(self, -1, 0, 0), *inner, BasicBlock(self, shape.count, end, end))

    @cached_property
    def blocks(self) -> tuple[BasicBlock, ...]:
        """The basic blocks in the order of the code, which they tile."""
        return self.nodes[1:-1]

    @property
    def entry(self) -> BasicBlock:
        """The virtual block before the first one."""
        return self.nodes[0]

    @property
    def exit(self) -> BasicBlock:
        """The virtual block to which returns, and exceptions that nothing handles, lead."""
        return self.nodes[-1]

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """All edges, by source in the order of the code; of one block, falling through first and exceptions last."""
        return tuple(edge for block in self.nodes for edge in self.edges_from(block))

    def edges_from(self, block: BasicBlock) -> tuple[Edge, ...]:
        """The edges that leave a block."""
        nodes, node = self.nodes, self.node(block)
        shape = self.shape
        return tuple(
            Edge(block, nodes[target], _KINDS[kind])
            for target, kind in zip(shape.successors[node], shape.kinds[node], strict=True)
        )

    def edges_to(self, block: BasicBlock) -> tuple[Edge, ...]:
        """The edges that lead to a block."""
        nodes, shape, node = self.nodes, self.shape, self.node(block)
        return tuple(
            Edge(nodes[source], block, _KINDS[kind])
            for source in dict.fromkeys(shape.predecessors[node])
            for target, kind in zip(shape.successors[source], shape.kinds[source], strict=True)
            if target == node
        )

    def successors(self, block: BasicBlock) -> tuple[BasicBlock, ...]:
        """The blocks to which edges of a block lead, each once."""
        nodes = self.nodes
        return tuple(nodes[target] for target in dict.fromkeys(self.shape.successors[self.node(block)]))

    def predecessors(self, block: BasicBlock) -> tuple[BasicBlock, ...]:
        """The blocks from which edges lead to a block, each once."""
        nodes = self.nodes
        return tuple(nodes[source] for source in dict.fromkeys(self.shape.predecessors[self.node(block)]))

    def handler_of(self, block: BasicBlock) -> Handler | None:
        """The entry of the exception table (in code units) that covers a block."""
        shape, index = self.shape, self.node(block) - 1
        number = shape.handlers[index] if 0 <= index < len(shape.handlers) else -1
        return shape.table[number] if number >= 0 else None

    def is_back_edge(self, edge: Edge) -> bool:
        """Whether an edge leads to a block that dominates its source: back to the header of a loop."""
        return edge.source.is_reachable and self.dominators.dominates(edge.target, edge.source)

    def block_at(self, offset: int) -> BasicBlock:
        """The block in which an offset (bytes) lies. Raises ``ValueError`` for one that is outside the code."""
        if not 0 <= offset < 2 * self.shape.units:
            raise ValueError(f"offset {offset} is outside the code of {self.code.co_qualname}")
        return self.blocks[bisect_right(self.shape.starts, offset // 2) - 1]

    @property
    def reachable(self) -> tuple[BasicBlock, ...]:
        """The blocks to which control can come from the entry, in the order of the code."""
        return tuple(block for block in self.blocks if self._reachable[block.index + 1])

    @property
    def unreachable(self) -> tuple[BasicBlock, ...]:
        """The blocks to which it cannot."""
        return tuple(block for block in self.blocks if not self._reachable[block.index + 1])

    def is_reachable(self, block: BasicBlock) -> bool:
        """Whether control can come to a block from the entry."""
        return bool(self._reachable[self.node(block)])

    @cached_property
    def _reachable(self) -> bytearray:
        successors = self.shape.successors
        found = bytearray(len(successors))
        found[0] = 1
        pending = [0]
        while pending:
            for target in successors[pending.pop()]:
                if not found[target]:
                    found[target] = 1
                    pending.append(target)
        return found

    # -- what follows from the graph ---------------------------------------------------------------------------------

    @cached_property
    def dominators(self) -> DominatorTree:
        """Dominators and post-dominators."""
        return DominatorTree(self)

    @cached_property
    def control_dependence(self) -> Mapping[BasicBlock, tuple[Edge, ...]]:
        """By block: the edges that decide whether it runs."""
        return control_dependence(self)

    @cached_property
    def loops(self) -> Loops:
        """The natural loops, outer ones first."""
        return Loops(self)

    # -- pictures ---------------------------------------------------------------------------------------------------

    def to_svg(
        self,
        *,
        source: bool = True,
        instructions: bool = True,
        exceptions: bool = True,
        loops: bool = True,
        limit: int = 40,
        label: Label | None = None,
    ) -> str:
        """The graph as SVG: blocks with their source lines (where the file is there) and instructions.

        Edges show their condition (see ``conditions``) or their kind, or what ``label`` returns for them. Blocks in
        loops are yellow, handlers red, blocks that cannot be reached grey. Edges of the kind RAISE are there only where
        a block has no other; without ``exceptions``, neither these nor those of the kind EXCEPTION. ``limit``:
        instructions of a block that are shown.
        """
        from equip.analysis.pictures import contents, svg

        return svg.to_svg(
            contents.flow_figure(
                self,
                source=source,
                instructions=instructions,
                exceptions=exceptions,
                loops=loops,
                limit=limit,
                label=label,
            )
        )

    def to_dot(
        self,
        *,
        source: bool = True,
        instructions: bool = True,
        exceptions: bool = True,
        loops: bool = True,
        limit: int = 40,
        label: Label | None = None,
    ) -> str:
        """The same in the language of Graphviz, loops as clusters."""
        from equip.analysis.pictures import contents, dot

        return dot.to_dot(
            contents.flow_figure(
                self,
                source=source,
                instructions=instructions,
                exceptions=exceptions,
                loops=loops,
                limit=limit,
                label=label,
            )
        )

    def to_networkx(self, *, label: Label | None = None) -> Any:
        """A ``networkx.MultiDiGraph`` of the blocks, all edges included, with their kinds as keys.

        Raises ``ImportError`` where networkx is not installed.
        """
        from equip.analysis.pictures import graphs

        return graphs.flow_graph(self, label)

    def _repr_svg_(self) -> str:
        return self.to_svg()

    # -- what stands in the blocks ------------------------------------------------------------------------------------

    @cached_property
    def instructions(self) -> tuple[Instruction, ...]:
        """All instructions, in order. Raises ``InvalidCodeError`` where an argument is out of range."""
        return instructions(self.code)

    @cached_property
    def _offsets(self) -> list[int]:
        return [instruction.offset for instruction in self.instructions]

    def instructions_between(self, start: int, end: int) -> tuple[Instruction, ...]:
        """The instructions that begin in a range of offsets (bytes)."""
        return self.instructions[bisect_left(self._offsets, start) : bisect_left(self._offsets, end)]

    @cached_property
    def _lines(self) -> list[tuple[int, int, int | None]]:
        return list(self.code.co_lines())

    def lines_between(self, start: int, end: int) -> tuple[int, ...]:
        """The source lines of a range of offsets (bytes), sorted, each once."""
        entries = self._lines
        first = max(bisect_right(entries, start, key=lambda entry: entry[0]) - 1, 0)
        found: set[int] = set()
        for begins, ends, line in entries[first:]:
            if begins >= end:
                break
            if line is not None and ends > start:
                found.add(line)
        return tuple(sorted(found))

    def node(self, block: BasicBlock) -> int:
        """The number of a block in ``shape``. Raises ``ValueError`` for a block of another graph."""
        if not isinstance(block, BasicBlock) or block._flow is not self:
            raise ValueError(f"{block!r} belongs to another graph than that of {self.code.co_qualname}")
        return block.index + 1

    def __iter__(self) -> Iterator[BasicBlock]:
        return iter(self.blocks)

    def __len__(self) -> int:
        return self.shape.count

    def __repr__(self) -> str:
        edges = sum(map(len, self.shape.successors))
        return f"<ControlFlow of {self.code.co_qualname}: {self.shape.count} blocks, {edges} edges>"


def find_code(thing: object) -> CodeType:
    """The code object of a code object, a function, a method or a declaration. Raises ``TypeError``."""
    return code_of(thing, "a control flow graph is")
