"""Blocks and edges of the control flow graph as places for snippets.

A block is named by the offset at which it begins, an edge by the offsets of its two blocks and its kind: -1 is the
virtual entry, the length of the code the virtual exit.

Code for a block goes before its first instruction, for all the ways into it; code for an edge stands where the edge
leads to, for that way only, or before the instruction that leaves its block when that does nothing else. Both
stand in the handler that a statement at the beginning of the block (that the edge leads to) would stand in.

Nothing may stand before some instructions: RESUME, END_FOR and what belongs to it, END_SEND, NOT_TAKEN, a POP_EXCEPT
with a value to be returned below the exception, and those that restore the variables of a function when a comprehension
in it has raised. Code goes behind them. Blocks of the prologue have their code where the body begins. No code can be on

- an edge of the kind RAISE: nothing of the function runs any more (``JoinPoint.RAISE`` is for that);
- an edge that leads to one of these instructions where there are others: from 3.12 on the edge of a SEND to an
  END_SEND that CLEANUP_THROW also leads to;
- on 3.11, the edge of a SEND to its YIELD_VALUE, between which nothing may stand, and the two EXHAUSTED edges of these,
  which are one place. The block of that YIELD_VALUE can have no code either.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import CodeType
from typing import TYPE_CHECKING, Final, NamedTuple

from equip import isa
from equip.code.edit import FALLTHROUGH, Ways
from equip.code.instruction import with_prefixes
from equip.code.lines import lines_by_unit
from equip.errors import JoinPointError
from equip.inject import places
from equip.inject.lines import Encounter
from equip.lazy import lazy

if TYPE_CHECKING:
    from equip.analysis.controlflow import BasicBlock, ControlFlow, Edge
    from equip.inject.request import Place

ENTRY: Final = -1
"""In the place of an offset: the virtual entry."""

_RESUME = isa.RESUME
_END_FOR = isa.OP.get("END_FOR", -1)
_END_SEND = isa.OP.get("END_SEND", -1)
_SEND = isa.OP["SEND"]
_YIELD = isa.OP["YIELD_VALUE"]
_POP_TOP = isa.OP["POP_TOP"]
_POP_EXCEPT = isa.OP["POP_EXCEPT"]
_SWAP = isa.OP["SWAP"]
_RETURN_GENERATOR = isa.OP["RETURN_GENERATOR"]
_HELD: Final = isa.ops("RESUME END_SEND NOT_TAKEN")

INTO, AT, LEAVING, BEHIND = range(4)
"""In which order things at one place come: what is on a way into a block, at its beginning, on a way out."""


class Spot(NamedTuple):
    """An ``Encounter``, and its rank among what stands at the same place."""

    rank: tuple[int, int]
    encounter: Encounter


def place_of_block(block: BasicBlock) -> Place:
    """How a block is named in an ``Insertion``."""
    return (ENTRY if block.index < 0 else block.start,)


def place_of_edge(edge: Edge) -> Place:
    """How an edge is named in an ``Insertion``."""
    return (*place_of_block(edge.source), edge.target.start, edge.kind.value)


class FlowPlaces:
    """The blocks and edges of a code object as places. ``name`` says in messages whose they are.

    ``restored`` as in ``regions.Unprotected``.
    """

    def __init__(self, code: CodeType, name: str, restored: Mapping[int, int]) -> None:
        from equip.analysis.controlflow import ControlFlow, EdgeKind

        self.code = code
        self.name = name
        self._restored = restored
        self.raw = code.co_code
        self.flow: ControlFlow = ControlFlow(code)
        self._kinds = EdgeKind
        self.entry = places.entry(code.co_code[::2])
        self._blocks = {place_of_block(block): block for block in self.flow.nodes if block is not self.flow.exit}
        self._found: dict[Place, list[Spot]] = {}

    @lazy
    def _edges(self) -> dict[Place, Edge]:
        return {place_of_edge(edge): edge for edge in self.flow.edges}

    @lazy
    def _lines(self) -> list[int | None]:
        return lines_by_unit(self.code)

    def find(self, place: Place) -> list[Spot]:
        """Where the code for a block or an edge goes. Raises ``JoinPointError`` where it can go nowhere."""
        found = self._found.get(place)
        if found is None:
            found = self._found[place] = self._block(place) if len(place) == 1 else self._edge(place)
        return found

    # -- blocks ------------------------------------------------------------------------------------------

    def _block(self, place: Place) -> list[Spot]:
        block = self._blocks.get(place)
        if block is None:
            raise JoinPointError(f"no basic block of {self.name} begins at offset {place[0]}")
        if block.is_virtual:
            raise JoinPointError(f"no code can stand in the virtual entry of {self.name}: use JoinPoint.BEFORE")
        start = block.start // 2
        at = self._behind_held(block)
        if at is None:
            raise JoinPointError(
                f"no code can stand in the block at offset {block.start} of {self.name}: its YIELD_VALUE has to follow "
                "its SEND"
            )
        if at == start:
            here = self._lines[start]
            found = [Encounter(at, at, None, here)] if here is not None else self._by_line(block)
            return [Spot((start, AT), encounter) for encounter in found]
        return [Spot((start, AT), Encounter(at, at, self._inside(block, at), self._line_at(at)))]

    def _inside(self, block: BasicBlock, at: int) -> Ways | None:
        """Which ways lead to a place behind the beginning of a block from there."""
        return FALLTHROUGH if 2 * at >= block.end else None

    def _behind_held(self, block: BasicBlock) -> int | None:
        """The first code unit at which something can be put in, for those who come to a block; None: nowhere.

        It can be in a block behind, as long as everything comes there from the block.
        """
        raw, at = self.raw, block.start // 2
        if at < self.entry:
            return self.entry
        if isa.THROW_ENDS_SEND and raw[2 * at] == _YIELD and at and raw[2 * at - 2] == _SEND:
            return None
        end = block.end
        while True:
            opcode = raw[2 * at]
            if at in self._restored:
                at = self._restored[at]
            elif opcode == _END_FOR:
                at += isa.LOOP_END
            elif opcode == _POP_EXCEPT and at and raw[2 * at - 2] == _SWAP:
                at += 1  # a return has left the handler: its value is where the cleanup would look for the exception
            elif opcode in _HELD or (opcode == _POP_TOP and raw[2 * at - 2] == _RETURN_GENERATOR):
                at += 1 + isa.CACHES[opcode]
            else:
                return at
            if 2 * at >= end:
                behind = self.flow.block_at(2 * at)
                if len(self.flow.shape.predecessors[self.flow.node(behind)]) != 1:
                    return at
                end = behind.end

    # -- edges -------------------------------------------------------------------------------------------

    def _edge(self, place: Place) -> list[Spot]:
        edge = self._edges.get(place)
        if edge is None:
            raise JoinPointError(f"{self.name} has no edge from offset {place[0]} to {place[1]} of kind {place[2]!r}")
        kind = edge.kind
        kinds = self._kinds
        if kind is kinds.RAISE:
            raise JoinPointError(
                f"{self._shown(edge)}: an exception leaves the function, no code can stand there: use JoinPoint.RAISE"
            )
        if kind is kinds.EXCEPTION:
            return self._raised(edge)
        if edge.source.is_virtual:
            return [Spot((0, INTO), Encounter(self.entry, self.entry, FALLTHROUGH, self._line_at(self.entry)))]
        start, opcode_at = self._last(edge.source)
        opcode = self.raw[2 * opcode_at]
        if kind is kinds.RETURN:
            return [Spot((start, LEAVING), Encounter(start, start, None, self._line_at(start)))]
        if opcode in isa.UNCONDITIONAL:
            goal = edge.target.start // 2
            if self._lines[edge.source.start // 2] is None and self._behind_held(edge.target) == goal:
                # There may be no line in the block of the jump: then it cannot have code with a line of its own.
                if edge.source.start // 2 != start:
                    return self._jumped(edge, opcode_at)
                return [
                    Spot((start, LEAVING), encounter._replace(place=goal)) for encounter in self._by_line(edge.source)
                ]
            return [Spot((start, LEAVING), Encounter(start, goal, None, self._lines[opcode_at]))]
        return self._jumped(edge, opcode_at) if self._jumps(opcode, edge) else self._fallen(edge, opcode_at)

    def _jumps(self, opcode: int, edge: Edge) -> bool:
        """Whether a conditional jump jumps on an edge."""
        kinds = self._kinds
        if edge.kind is kinds.EXHAUSTED:
            return True
        return opcode in (isa.TRUE_JUMPS if edge.kind is kinds.TRUE else isa.FALSE_JUMPS)

    def _jumped(self, edge: Edge, source: int) -> list[Spot]:
        opcode, goal = self.raw[2 * source], edge.target.start // 2
        if isa.THROW_ENDS_SEND and opcode in (_SEND, _YIELD):
            raise JoinPointError(
                f"{self._shown(edge)}: on this Python, SEND and its YIELD_VALUE go there by the same jump"
            )
        at = self._behind_held(edge.target)
        if at == goal and opcode not in isa.COMPANION_JUMPS:
            ways = Ways(jumps=frozenset((source,)), apart=self._lines[goal] is None)
            return [Spot((goal, INTO), Encounter(goal, goal, ways, self._line_from(edge.source)))]
        return self._only(edge, at)

    def _fallen(self, edge: Edge, source: int) -> list[Spot]:
        goal = edge.target.start // 2
        at = self._behind_held(edge.target)
        if at is None:
            raise JoinPointError(f"{self._shown(edge)}: nothing can stand between SEND and its YIELD_VALUE")
        if at == goal or (self.raw[2 * goal] == _END_SEND and self._ways_into(edge.target) > 1):
            return [Spot((goal, INTO), Encounter(goal, goal, FALLTHROUGH, self._line_at(source)))]
        return self._only(edge, at)

    def _only(self, edge: Edge, at: int | None) -> list[Spot]:
        """An edge to a block before which nothing can be put: behind, if it is the only one."""
        if at is None or self._ways_into(edge.target) > 1:
            held = edge.target.instructions[0].opname
            raise JoinPointError(
                f"{self._shown(edge)}: nothing can stand before {held}, to which other edges lead, too: "
                "use the block at its end (JoinPoint.BLOCK)"
            )
        encounter = Encounter(at, at, self._inside(edge.target, at), self._line_at(at))
        return [Spot((edge.target.start // 2, INTO), encounter)]

    def _raised(self, edge: Edge) -> list[Spot]:
        """An edge to a handler: for the exceptions of the block, by line where the handler has none."""
        goal = edge.target.start // 2
        first, last = edge.source.start // 2, edge.source.end // 2
        if self._behind_held(edge.target) != goal and goal not in self._restored:
            return self._only(edge, None)
        line = self._lines[goal]
        if line is not None:
            return [Spot((goal, INTO), Encounter(goal, goal, Ways(raises=((first, last),)), line))]
        return [
            Spot((goal, INTO), Encounter(goal, goal, Ways(raises=tuple(ranges), apart=True), there))
            for there, ranges in self._raising(edge.source).items()
        ]

    def needs_start(self, place: Place) -> int | None:
        """The code unit at which a block has to begin with something harmless so that its exceptions are its own.

        See ``isa.PUSHES_FRAMES``: what begins a block then counts as raising in the block before it.
        """
        if len(place) != 3 or place[2] != self._kinds.EXCEPTION.value:
            return None
        start = self._edges[place].source.start // 2
        return start if self.raw[2 * start] in isa.PUSHES_FRAMES else None

    def _ways_into(self, block: BasicBlock) -> int:
        return len(self.flow.shape.predecessors[self.flow.node(block)])

    def _last(self, block: BasicBlock) -> tuple[int, int]:
        """(first prefix, opcode) of the last instruction of a block, in code units."""
        raw, at = self.raw, block.end // 2 - 1
        while not raw[2 * at]:
            at -= 1
        start, _ = with_prefixes(raw, at)
        return start, at

    # -- lines -------------------------------------------------------------------------------------------
    #
    # What is put before an instruction without a line stands on the line that control comes from: else there would be
    # a line event more. So it has to stand apart for each of these lines.

    def _line_at(self, unit: int) -> int | None:
        return self._lines[unit]

    def _by_line(self, block: BasicBlock) -> list[Encounter]:
        """The ways into a block that begins without a line, by the line that they come from."""
        flow, kinds, at = self.flow, self._kinds, block.start // 2
        falls = False
        jumps: dict[int | None, set[int]] = {}
        raises: dict[int | None, list[tuple[int, int]]] = {}
        for edge in flow.edges_to(block):
            if edge.kind is kinds.EXCEPTION:
                for line, ranges in self._raising(edge.source).items():
                    raises.setdefault(line, []).extend(ranges)
                continue
            _, opcode_at = self._last(edge.source)
            opcode = self.raw[2 * opcode_at]
            if opcode in isa.UNCONDITIONAL or (opcode in isa.JUMPS and self._jumps(opcode, edge)):
                jumps.setdefault(self._line_from(edge.source), set()).add(opcode_at)
            else:
                falls = True
        lines = dict.fromkeys((*jumps, *raises))
        if not lines:
            return [Encounter(at, at, None, None)]
        found = [Encounter(at, at, FALLTHROUGH, None)] if falls else []
        for line in lines:
            ways = Ways(False, frozenset(jumps.get(line, ())), tuple(sorted(raises.get(line, ()))), apart=True)
            found.append(Encounter(at, at, ways, line))
        return found

    def _raising(self, block: BasicBlock) -> dict[int | None, list[tuple[int, int]]]:
        """The code units of a block as ranges, by line."""
        found: dict[int | None, list[tuple[int, int]]] = {}
        here: int | None = None
        for unit in range(block.start // 2, block.end // 2):
            here = self._lines[unit] or here or self._line_into(block)
            ranges = found.setdefault(here, [])
            if ranges and ranges[-1][1] == unit:
                ranges[-1] = (ranges[-1][0], unit + 1)
            else:
                ranges.append((unit, unit + 1))
        return found

    def _line_from(self, block: BasicBlock) -> int | None:
        """The line on which control leaves a block: its last, or else one on which it came there."""
        return self._last_line(block) or self._line_into(block)

    def _last_line(self, block: BasicBlock) -> int | None:
        return next(filter(None, reversed(self._lines[block.start // 2 : block.end // 2])), None)

    def _line_into(self, block: BasicBlock) -> int | None:
        """The line on which control comes to a block; where there are several, the last that is on all the ways."""
        while True:
            before = self._dominators.get(block)
            if before is None or before.is_virtual:
                return None
            edges = self.flow.edges_to(block)
            if len(edges) == 1 and edges[0].kind is not self._kinds.EXCEPTION:
                line = self._last_line(before)
            else:
                line = next(filter(None, self._lines[before.start // 2 : before.end // 2]), None)
            if line is not None:
                return line
            block = before

    @lazy
    def _dominators(self) -> Mapping[BasicBlock, BasicBlock]:
        from equip.analysis.dominators import DominatorTree

        return DominatorTree(self.flow).dom

    def _shown(self, edge: Edge) -> str:
        source = "the entry" if edge.source.index < 0 else f"offset {edge.source.start}"
        target = "the exit" if edge.target is self.flow.exit else f"offset {edge.target.start}"
        return f"the edge from {source} to {target} ({edge.kind.value}) of {self.name}"


def spots_of_line(found: Iterable[Encounter]) -> list[Spot]:
    """The encounters of a line with their ranks.

    A jump can be a place of its own line and carry the snippets of the line that it goes to: first the one.
    """
    return [
        Spot((one.place, INTO if one.early else AT) if one.at == one.place else (one.at, BEHIND), one) for one in found
    ]
