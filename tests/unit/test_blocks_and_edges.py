"""Asking for code at blocks and edges, and what is refused."""

from __future__ import annotations

import contextlib
import io
import marshal
import pickle
import sys
from collections.abc import Callable
from typing import Any

import pytest

import equip
from equip import BasicBlock, ControlFlow, Edge, EdgeKind, JoinPoint
from equip.inject.request import Insertion
from equip.program.record import _decode_plan, _encode_plan, identity

SOURCE = """
def f(items):
    total = 0
    for item in items:
        if item:
            total += item
    return total
"""


class Visitor(equip.BlockVisitor):
    def __init__(self, ask: Callable[[Visitor, ControlFlow], object]) -> None:
        self.ask = ask

    def new_control_flow(self, cfg: ControlFlow) -> None:
        if cfg.code.co_name == "f":
            self.rewriter = equip.SimpleRewriter(self.declaration)
            self.ask(self, cfg)


def output(source: str, ask: Callable[[Visitor, ControlFlow], object], call: str = "print(f([1, 0, 2]))") -> list[str]:
    code = equip.instrument_code(compile(source, "f.py", "exec"), Visitor(ask))
    namespace: dict[str, Any] = {"__name__": "m"}
    exec(code, namespace)
    with contextlib.redirect_stdout(io.StringIO()) as stream:
        exec(call, namespace)
    return stream.getvalue().split()


def edge_of(cfg: ControlFlow, kind: EdgeKind, number: int = 0) -> Edge:
    return [edge for edge in cfg.edges if edge.kind is kind][number]


def test_block_visitor_sees_each_graph_and_then_its_blocks() -> None:
    seen: list[object] = []

    class Sees(equip.BlockVisitor):
        def new_control_flow(self, cfg: ControlFlow) -> None:
            assert cfg is self.control_flow
            assert cfg.code is self.declaration.code_object
            seen.append(cfg.code.co_name)

        def visit(self, block: BasicBlock) -> None:
            assert block in self.control_flow.blocks
            seen.append(block.start)

    code = compile(SOURCE, "f.py", "exec")
    assert equip.instrument_code(code, Sees()) is code
    inner = next(one for one in code.co_consts if hasattr(one, "co_code"))
    starts = [[block.start for block in ControlFlow(one)] for one in (code, inner)]
    assert seen == ["<module>", *starts[0], "f", *starts[1]]


def test_branches_of_a_condition() -> None:
    def ask(visitor: Visitor, cfg: ControlFlow) -> None:
        for kind in (EdgeKind.TRUE, EdgeKind.FALSE, EdgeKind.EXHAUSTED):
            visitor.rewriter.insert_on_edge(edge_of(cfg, kind), f"print('{kind.value}', item)")

    assert output(SOURCE, ask) == ["true", "1", "false", "0", "true", "2", "exhausted", "2", "3"]


def test_both_ways_of_a_branch_lead_to_one_block() -> None:
    """What the instructions that run do not tell: which of the two edges it was."""
    source = "def f(items):\n    for item in items:\n        print(item if item and 0 else 'no')\n"

    def ask(visitor: Visitor, cfg: ControlFlow) -> None:
        for edge in cfg.edges:
            if edge.kind in (EdgeKind.TRUE, EdgeKind.FALSE):
                visitor.rewriter.insert_on_edge(edge, f"print('{edge.kind.value}')")
        ways = [edge.target for edge in cfg.edges if edge.kind in (EdgeKind.TRUE, EdgeKind.FALSE)]
        between = sys.version_info >= (3, 14)  # a NOT_TAKEN stands there, a block of its own
        assert (len(ways), len(set(ways))) == (2, 2 if between else 1)

    assert output(source, ask) == ["true", "no", "false", "no", "true", "no", "None"]


def test_what_a_block_assigns_the_function_sees() -> None:
    def ask(visitor: Visitor, cfg: ControlFlow) -> None:
        visitor.rewriter.insert_at_block(edge_of(cfg, EdgeKind.TRUE).target, "item = 10")

    assert output(SOURCE, ask) == ["20"]


def test_a_snippet_returns() -> None:
    def ask(visitor: Visitor, cfg: ControlFlow) -> None:
        visitor.rewriter.insert_on_edge(edge_of(cfg, EdgeKind.FALSE), "return 'zero'")

    assert output(SOURCE, ask) == ["zero"]


def test_return_is_refused_inside_try() -> None:
    source = "def f(x):\n    try:\n        if x: g()\n    finally:\n        print(x)\n"

    def ask(visitor: Visitor, cfg: ControlFlow) -> None:
        visitor.rewriter.insert_on_edge(edge_of(cfg, EdgeKind.TRUE), "return 1")

    with pytest.raises(equip.SnippetError, match=r"at the edge from offset .*\(true\) of function 'f'.*inside a `try`"):
        output(source, ask)


def test_order_at_one_place() -> None:
    """An edge is passed before its block is entered; at one of them, code runs in the order asked for."""

    def ask(visitor: Visitor, cfg: ControlFlow) -> None:
        edge = edge_of(cfg, EdgeKind.FALSE)
        visitor.rewriter.insert_at_block(edge.target, "print('block1', end=' ')")
        visitor.rewriter.insert_at_block(edge.target, "print('block2')")
        for incoming in cfg.edges_to(edge.target):
            visitor.rewriter.insert_on_edge(incoming, "print('edge1', end=' ')")
            visitor.rewriter.insert_generic("print('edge2', end=' ')", JoinPoint.EDGE, place=incoming)

    found = output(SOURCE, ask, "f([0])")
    assert found
    assert found == ["edge1", "edge2", "block1", "block2"] * (len(found) // 4)


def test_suppress() -> None:
    def ask(visitor: Visitor, cfg: ControlFlow) -> None:
        visitor.rewriter.insert_at_block(cfg.blocks[0], "1 / 0", suppress=True)

    reported: list[object] = []
    previous, sys.unraisablehook = sys.unraisablehook, reported.append
    try:
        assert output(SOURCE, ask) == ["3"]
    finally:
        sys.unraisablehook = previous
    assert len(reported) == 1


def test_a_handler_that_shares_its_range_with_calls() -> None:
    """Exceptions of a block that begins with a call are that block's (see ``isa.PUSHES_FRAMES``)."""
    source = """
def g(x): raise ValueError(x)
def f(x):
    try:
        g(1 if x else 2)
    except ValueError as error:
        print(error)
"""

    def ask(visitor: Visitor, cfg: ControlFlow) -> None:
        for edge in cfg.edges:
            if edge.kind is EdgeKind.EXCEPTION and edge.source.lines == (5,):
                name = "call" if any(one.opname == "CALL" for one in edge.source.instructions) else "other"
                visitor.rewriter.insert_on_edge(edge, f"print('{name}')")

    assert output(source, ask, "f(0); f(1)") == ["call", "2", "call", "1"]


def test_refused() -> None:
    def ask(visitor: Visitor, cfg: ControlFlow) -> None:
        rewriter = visitor.rewriter
        other = ControlFlow(compile("x", "x", "eval"))
        with pytest.raises(equip.JoinPointError, match=r"belongs to the graph of '<module>'"):
            rewriter.insert_at_block(other.blocks[0], "pass")
        with pytest.raises(equip.JoinPointError, match=r"virtual entry.*use JoinPoint.BEFORE"):
            rewriter.insert_at_block(cfg.entry, "pass")
        with pytest.raises(equip.JoinPointError, match=r"no basic block"):
            rewriter.insert_at_block(cfg.exit, "pass")
        with pytest.raises(equip.JoinPointError, match=r"\(raise\).*leaves the function.*use JoinPoint.RAISE"):
            rewriter.insert_on_edge(edge_of(cfg, EdgeKind.RAISE), "pass")
        with pytest.raises(TypeError, match=r"BLOCK needs a BasicBlock"):
            rewriter.insert_at_block(3, "pass")  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=r"EDGE needs an Edge"):
            rewriter.insert_generic("pass", JoinPoint.EDGE)
        with pytest.raises(equip.SnippetError, match=r"return_value"):
            rewriter.insert_on_edge(edge_of(cfg, EdgeKind.RETURN), "print({return_value})")
        assert not rewriter.can_insert_at(edge_of(cfg, EdgeKind.RAISE))
        assert rewriter.can_insert_at(edge_of(cfg, EdgeKind.RETURN))
        assert rewriter.can_insert_at(cfg.blocks[0])
        missing = Edge(cfg.entry, cfg.exit, EdgeKind.JUMP)
        with pytest.raises(equip.JoinPointError, match=r"has no edge from offset -1 to .* of kind 'jump'"):
            rewriter.insert_on_edge(missing, "pass")

    assert output(SOURCE, ask) == ["3"]


@pytest.mark.parametrize("place", [(), (1, 2), ("x",), (0, 0, "jump"), (2,), (True,)])
def test_a_plan_that_names_no_block(place: tuple[Any, ...]) -> None:
    code = compile(SOURCE, "f.py", "exec")
    plan = {(): [Insertion(JoinPoint.BLOCK, "pass", place=place)]}
    with pytest.raises(equip.JoinPointError):
        equip.inject.inject(code, plan, file_path="f.py", module_name="f")


def test_insertions_are_plain_data() -> None:
    one = Insertion(JoinPoint.EDGE, "x", probe="P", place=(0, 14, "true"))
    other = one._replace(place=(0, 20, "false"))
    before = Insertion(JoinPoint.BEFORE, "x", probe="P")
    plan = {(0,): [one, other, before]}
    assert pickle.loads(pickle.dumps(one)) == one
    assert _decode_plan(marshal.loads(marshal.dumps(_encode_plan(plan)))) == plan
    assert identity(one) != identity(other)
    assert identity(before) == ("before", None, "x", False, "P"), "as recorded before there were places"


def test_in_generators_and_coroutines() -> None:
    """Code at each block: what suspends, resumes, is awaited, thrown into or closed goes on as before."""
    source = """
import asyncio
async def f(x):
    async for y in g(x):
        print(await h(y))
async def h(y):
    await asyncio.sleep(0)
    return y
async def g(x):
    try:
        for y in x: yield y
    finally:
        print('closed')
"""
    hits: list[int] = []

    class All(equip.BlockVisitor):
        def visit(self, block: BasicBlock) -> None:
            rewriter = equip.SimpleRewriter(self.declaration)
            if rewriter.can_insert_at(block):
                rewriter.insert_at_block(block, "hit(1)")

    code = equip.instrument_code(compile(source, "f.py", "exec"), All())
    namespace: dict[str, Any] = {"__name__": "m", "hit": hits.append}
    exec(code, namespace)
    with contextlib.redirect_stdout(io.StringIO()) as stream:
        exec("asyncio.run(f([1, 2]))", namespace)
    assert stream.getvalue().split() == ["1", "2", "closed"]
    assert len(hits) > 20


def test_raise_with_code_in_the_last_handler() -> None:
    """The compiler's own last handler of a generator, with code in it, is still outside of RAISE."""
    source = "def f():\n    yield 1\n    raise StopIteration\n"

    def ask(visitor: Visitor, cfg: ControlFlow) -> None:
        visitor.rewriter.insert_on_raise("print('raise', type({exception}).__name__)")
        for block in cfg.blocks:
            visitor.rewriter.insert_at_block(block, "pass; x = 1")

    call = "try: list(f())\nexcept RuntimeError as error: print(type(error).__name__)"
    assert output(source, ask, call) == ["raise", "StopIteration", "RuntimeError"]
