"""Conditions: when a branch takes an edge, as Python source rebuilt from the bytecode.

The compiler makes several branches of one condition with ``and`` and ``or``; they are put together again where a
block does nothing but test, is reached by branches only, and shares a target with them. The condition of an edge then
holds for control that comes to the first test, ``start``: it takes the edge if and only if the condition, evaluated
there, is true. Operands are evaluated in the order of the program and no more often than it does.

Loops have no condition (an iterator has more or has not), nor have values that cannot be rebuilt
(``expressions``) and code that is no branch: None.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import NamedTuple

from equip import isa
from equip.analysis.controlflow import BasicBlock, ControlFlow, Edge, EdgeKind
from equip.analysis.expressions import Expressions
from equip.analysis.reaching import Definition, ReachingDefinitions

_SILENT = isa.ops("NOP NOT_TAKEN COPY TO_BOOL PUSH_NULL PRECALL KW_NAMES CACHE")
_EMPTY = isa.ops("NOP NOT_TAKEN JUMP_FORWARD")
_DECIDED = frozenset({EdgeKind.TRUE, EdgeKind.FALSE})
_KEEPS_VALUE = isa.ops("JUMP_IF_TRUE_OR_POP JUMP_IF_FALSE_OR_POP")


class Condition(NamedTuple):
    """When control that comes to ``start`` takes an edge."""

    source: str
    """An expression."""
    start: BasicBlock
    """The block in which its evaluation begins."""
    definitions: Mapping[str, tuple[Definition, ...]]
    """By variable in it: what can have bound it."""


def condition(flow: ControlFlow, edge: Edge) -> Condition | None:
    """The condition of one edge. For many edges of one graph, ``Conditions`` keeps what it finds out."""
    return Conditions(flow).of(edge)


class _Part(NamedTuple):
    tree: ast.expr
    offsets: frozenset[int]


class _Reach(NamedTuple):
    """That control comes to a block: from its first test on, the tree (None: always)."""

    start: BasicBlock
    tree: ast.expr | None
    offsets: frozenset[int]


def _joined(reach: _Reach, part: _Part) -> str:
    return _written(part.tree if reach.tree is None else _all_of(reach.tree, part.tree))


class Conditions:
    """The conditions of a code object, a function, a declaration or its ``ControlFlow``."""

    def __init__(self, code: object) -> None:
        self.expressions = Expressions(code)
        self.flow = self.expressions.flow
        self._reaching: ReachingDefinitions | None = None
        self._tests: dict[BasicBlock, _Part | None] = {}
        self._reaches: dict[BasicBlock, _Reach] = {}
        self._incoming: dict[BasicBlock, list[Edge]] = {}
        for one in self.flow.edges:
            if not self._is_empty(one.source):
                self._incoming.setdefault(self._behind_empty(one.target), []).append(one)

    def of(self, edge: Edge) -> Condition | None:
        """The condition of an edge; None when it has none."""
        part = self._of_edge(edge)
        if part is None:
            return None
        reach = self._reach(edge.source)
        return Condition(_joined(reach, part), reach.start, self._definitions(reach.offsets | part.offsets))

    def source_of(self, edge: Edge) -> str | None:
        """The expression alone, without looking for what binds its variables."""
        part = self._of_edge(edge)
        return None if part is None else _joined(self._reach(edge.source), part)

    def _definitions(self, offsets: frozenset[int]) -> dict[str, tuple[Definition, ...]]:
        if self._reaching is None:
            self._reaching = ReachingDefinitions(self.flow)
        found: dict[str, tuple[Definition, ...]] = {}
        for offset in sorted(offsets):
            for one in self._reaching.definitions_of(offset):
                name = one.variable.name
                found[name] = tuple(dict.fromkeys((*found.get(name, ()), one)))
        return found

    # -- one branch --------------------------------------------------------------------------------------------------

    def _of_edge(self, edge: Edge) -> _Part | None:
        """The condition of an edge for control that is in its block."""
        if edge.kind not in _DECIDED:
            return None
        test = self._test(edge.source)
        if test is None or edge.kind is EdgeKind.TRUE:
            return test
        return _Part(_negated(test.tree), test.offsets)

    def _test(self, block: BasicBlock) -> _Part | None:
        """What a branch tests: true on its TRUE edge."""
        if block not in self._tests:
            self._tests[block] = self._find_test(block)
        return self._tests[block]

    def _find_test(self, block: BasicBlock) -> _Part | None:
        if block.is_virtual or not block.is_reachable:
            return None
        last = block.instructions[-1]
        if last.opcode not in isa.TRUE_JUMPS | isa.FALSE_JUMPS:
            return None
        found = self.expressions.find_operand(last.offset)
        if found is None:
            return None
        tree, offsets = found
        if last.opname.endswith("NONE"):
            tree = ast.Compare(tree, [ast.Is()], [ast.Constant(None)])
        return _Part(tree, offsets)

    # -- several -----------------------------------------------------------------------------------------------------

    def _reach(self, block: BasicBlock) -> _Reach:
        """How control comes to a test from the first test of the same condition."""
        chain = [block]
        while chain:
            one = chain[-1]
            wanted = [edge.source for edge in self._joined(one) if edge.source not in self._reaches]
            if wanted:
                chain.append(wanted[0])
                continue
            self._reaches.setdefault(one, self._find_reach(one))
            chain.pop()
        return self._reaches[block]

    def _find_reach(self, block: BasicBlock) -> _Reach:
        alone = _Reach(block, None, frozenset())
        edges = self._joined(block)
        if not edges:
            return alone
        start = self._reaches[edges[0].source].start
        terms: list[ast.expr] = []
        offsets: frozenset[int] = frozenset()
        for edge in edges:
            reach, part = self._reaches[edge.source], self._of_edge(edge)
            if part is None or reach.start is not start:
                return alone
            terms.append(part.tree if reach.tree is None else _all_of(reach.tree, part.tree))
            offsets |= reach.offsets | part.offsets
        return _Reach(start, _any_of(terms), offsets)

    def _joined(self, block: BasicBlock) -> list[Edge]:
        """The branches that come before a test in one condition; none when it is the first."""
        edges = self._incoming.get(block, [])
        if not edges or not self._only_tests(block):
            return []
        targets = {self._place(edge.target) for edge in self.flow.edges_from(block)}
        sources: set[object] = {edge.source for edge in edges}
        for edge in edges:
            source = edge.source
            if edge.kind not in _DECIDED or source.index >= block.index or self._test(source) is None:
                return []
            if source.instructions[-1].opcode in _KEEPS_VALUE:
                return []
            others = {
                self._place(other.target)
                for other in self.flow.edges_from(source)
                if other.kind in _DECIDED and self._behind_empty(other.target) is not block
            }
            if not others <= targets | sources:
                return []
        return sorted(edges, key=lambda one: one.source.index)

    def _is_empty(self, block: BasicBlock) -> bool:
        """Whether nothing happens in a block but that control goes on to one other."""
        return not block.is_virtual and all(one.opcode in _EMPTY for one in block.instructions)

    def _behind_empty(self, block: BasicBlock) -> BasicBlock:
        seen = {block}
        while self._is_empty(block):
            (block,) = self.flow.successors(block)
            if block in seen:
                break
            seen.add(block)
        return block

    def _place(self, block: BasicBlock) -> object:
        """The block, or what all copies that the compiler has made of a short way out have in common."""
        block = self._behind_empty(block)
        if block.is_virtual or block.instructions[-1].opcode not in isa.RETURNS:
            return block
        return self.flow.code.co_code[block.start : block.end]

    def _only_tests(self, block: BasicBlock) -> bool:
        test = self._test(block)
        if test is None:
            return False
        last = block.instructions[-1]
        return all(
            one is last or one.offset in test.offsets or one.opcode in _SILENT for one in block.instructions
        ) and all(block.start <= offset < block.end for offset in test.offsets)


# -- putting trees together ------------------------------------------------------------------------------------------


def _negated(tree: ast.expr) -> ast.expr:
    """The opposite, in the form in which one would write it."""
    if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.Not):
        return tree.operand
    if isinstance(tree, ast.Compare):
        opposite = _OPPOSITE.get(type(tree.ops[0]))
        if opposite is not None:
            return ast.Compare(tree.left, [opposite()], tree.comparators)
    return ast.UnaryOp(ast.Not(), tree)


_OPPOSITE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
"""Operators whose result is always a bool, so that the other one is exactly the opposite."""


def _written(tree: ast.expr) -> str:
    """The source of a condition, with fewer parentheses than ``ast.unparse`` has."""
    if isinstance(tree, ast.BoolOp):
        if isinstance(tree.op, ast.And):
            return " and ".join(_part(one, ast.Or) for one in tree.values)
        return " or ".join(map(_written, tree.values))
    if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.Not):
        return "not " + _part(tree.operand, ast.boolop)
    return ast.unparse(tree)


def _part(tree: ast.expr, parenthesised: type[ast.boolop]) -> str:
    needed = isinstance(tree, ast.BoolOp) and isinstance(tree.op, parenthesised)
    return f"({_written(tree)})" if needed else _written(tree)


def _all_of(*trees: ast.expr) -> ast.expr:
    values: list[ast.expr] = []
    for tree in trees:
        both = isinstance(tree, ast.BoolOp) and isinstance(tree.op, ast.And)
        values += tree.values if both and isinstance(tree, ast.BoolOp) else [tree]
    return values[0] if len(values) == 1 else ast.BoolOp(ast.And(), values)


def _any_of(terms: list[ast.expr]) -> ast.expr:
    """One of several, in order; what an earlier one has ruled out is not said again."""
    kept: list[ast.expr] = []
    ruled_out: set[str] = set()
    for term in terms:
        parts = term.values if isinstance(term, ast.BoolOp) and isinstance(term.op, ast.And) else [term]
        while len(parts) > 1 and ast.dump(parts[0]) in ruled_out:
            parts = parts[1:]
        kept.append(_all_of(*parts))
        if len(parts) == 1:
            ruled_out.add(ast.dump(_negated(parts[0])))
    return kept[0] if len(kept) == 1 else ast.BoolOp(ast.Or(), kept)
