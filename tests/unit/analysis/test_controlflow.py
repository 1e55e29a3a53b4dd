"""Blocks and edges of small functions, as their source says; and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from types import CodeType
from typing import Any

import pytest

from equip import BasicBlock, ControlFlow, EdgeKind, InvalidCodeError, isa
from equip.analysis.shape import shape_of
from equip.code import exceptions
from equip.code.exceptions import Handler


def function(source: str) -> Callable[..., Any]:
    scope: dict[str, Any] = {}
    exec(source, scope)
    found = scope["f"]
    assert callable(found)
    return found


def kinds(flow: ControlFlow, block: BasicBlock) -> list[str]:
    return [edge.kind.value for edge in flow.edges_from(block)]


def block_with(flow: ControlFlow, opname: str, number: int = 0) -> BasicBlock:
    """The block of the first (or n-th) instruction of a name."""
    found = [one for one in flow.instructions if one.opname == opname]
    return flow.block_at(found[number].offset)


def block_of(flow: ControlFlow, *opnames: str) -> BasicBlock:
    """The block of the only instruction that has one of these names, which differ between versions."""
    (found,) = [one for one in flow.instructions if one.opname in opnames]
    return flow.block_at(found.offset)


def constant(flow: ControlFlow, value: object) -> BasicBlock:
    """The block that loads a constant."""
    (found,) = {flow.block_at(one.offset) for one in flow.instructions if one.argval == value and not one.is_jump}
    return found


def branch(flow: ControlFlow) -> BasicBlock:
    (found,) = [one for one in flow.instructions if one.opcode in isa.TRUE_JUMPS | isa.FALSE_JUMPS]
    return flow.block_at(found.offset)


def target(flow: ControlFlow, block: BasicBlock, kind: EdgeKind) -> BasicBlock:
    (found,) = [edge.target for edge in flow.edges_from(block) if edge.kind is kind]
    return found


def test_straight_code_is_one_block() -> None:
    flow = ControlFlow(function("def f(a):\n return a + 1"))
    (block,) = flow.blocks
    assert (block.start, block.end) == (0, len(flow.code.co_code))
    assert flow.successors(flow.entry) == (block,)
    assert flow.successors(block) == (flow.exit,)
    assert kinds(flow, block) == ["return", "raise"]
    assert flow.predecessors(flow.exit) == (block,)
    assert flow.entry.is_virtual
    assert flow.exit.is_virtual
    assert not block.is_virtual
    assert flow.entry.instructions == flow.exit.instructions == ()
    assert block.instructions == flow.instructions


def test_branches() -> None:
    flow = ControlFlow(function("def f(a):\n if a:\n  return 1000\n return 2000"))
    test = branch(flow)
    assert target(flow, test, EdgeKind.TRUE) is constant(flow, 1000)
    assert target(flow, test, EdgeKind.FALSE) is constant(flow, 2000)


def test_branches_of_none() -> None:
    """TRUE is where the value is None, whichever of the two instructions the compiler took."""
    for test in ("if a is None:\n  return 1000\n return 2000", "if a is not None:\n  return 2000\n return 1000"):
        flow = ControlFlow(function(f"def f(a):\n {test}"))
        assert target(flow, branch(flow), EdgeKind.TRUE) is constant(flow, 1000)
        assert target(flow, branch(flow), EdgeKind.FALSE) is constant(flow, 2000)


def test_loop() -> None:
    flow = ControlFlow(function("def f(a):\n for x in a:\n  x(1000)\n return 2000"))
    head = block_with(flow, "FOR_ITER")
    body = constant(flow, 1000)
    assert target(flow, head, EdgeKind.FALLTHROUGH) is body
    assert target(flow, body, EdgeKind.JUMP) is head
    assert target(flow, head, EdgeKind.EXHAUSTED) is constant(flow, 2000)
    assert set(flow.predecessors(head)) == {body, flow.blocks[0]}


def test_exceptions_go_to_the_handler_or_out() -> None:
    flow = ControlFlow(function("def f(a):\n try:\n  a(1000)\n except:\n  return 2000\n a(3000)"))
    handler = block_with(flow, "PUSH_EXC_INFO")
    body = constant(flow, 1000)
    assert target(flow, body, EdgeKind.EXCEPTION) is handler
    assert "raise" not in kinds(flow, body)
    assert "raise" in kinds(flow, constant(flow, 3000))
    assert all(kind is not EdgeKind.EXCEPTION for _, end, kind in flow.edges if end is flow.exit)


def test_the_handler_of_a_block() -> None:
    flow = ControlFlow(function("def f(a):\n try:\n  a(1000)\n except:\n  return 2000\n a(3000)"))
    found = flow.handler_of(constant(flow, 1000))
    assert found is not None
    assert 2 * found.target == block_with(flow, "PUSH_EXC_INFO").start
    assert flow.handler_of(flow.blocks[0]) is None
    assert flow.handler_of(flow.entry) is None
    assert flow.handler_of(flow.exit) is None
    assert {flow.handler_of(block) for block in flow.blocks} <= {None, *flow.shape.table}
    straight = ControlFlow(function("def f(a): return a"))
    assert straight.handler_of(straight.blocks[0]) is None


def test_raise_statement() -> None:
    flow = ControlFlow(function("def f(a):\n raise a"))
    assert kinds(flow, flow.blocks[0]) == ["raise"]
    flow = ControlFlow(function("def f(a):\n raise a"), exceptions=False)
    assert kinds(flow, flow.blocks[0]) == ["raise"]


def test_without_implicit_exceptions() -> None:
    source = "def f(a):\n try:\n  a(1000)\n  raise a\n except:\n  return 2000\n a(3000)"
    flow = ControlFlow(function(source), exceptions=False)
    for block in flow.blocks:
        explicit = block.instructions[-1].opname in {"RAISE_VARARGS", "RERAISE"}
        assert bool({"exception", "raise"} & set(kinds(flow, block))) == explicit
    assert block_with(flow, "PUSH_EXC_INFO").is_reachable


def test_await_waits_in_a_loop() -> None:
    flow = ControlFlow(function("async def f(a):\n return await a"))
    send = block_with(flow, "SEND")
    waiting = block_with(flow, "YIELD_VALUE")
    assert target(flow, send, EdgeKind.FALLTHROUGH) is waiting
    done = target(flow, send, EdgeKind.EXHAUSTED)
    assert send in flow.successors(block_with(flow, "JUMP_BACKWARD_NO_INTERRUPT"))
    if isa.THROW_ENDS_SEND:
        assert target(flow, waiting, EdgeKind.EXHAUSTED) is done
    else:
        assert block_with(flow, "CLEANUP_THROW") in flow.successors(waiting)
        assert done.instructions[0].opname == "END_SEND"


def test_async_for_goes_on_behind_its_end() -> None:
    flow = ControlFlow(function("async def f(a):\n async for x in a:\n  x(1000)\n return 2000"))
    end = block_with(flow, "END_ASYNC_FOR")
    assert {edge.kind for edge in flow.edges_to(end)} == {EdgeKind.EXCEPTION}
    assert all(following.start >= end.start for following in flow.successors(end))


def test_a_generator_goes_on_after_its_yield() -> None:
    flow = ControlFlow(function("def f(a):\n yield 1000\n return 2000"))
    assert flow.unreachable == ()
    assert constant(flow, 2000).is_reachable


def test_unreachable_code_is_kept_and_marked() -> None:
    code = function("def f(a):\n return 1000").__code__
    raw = code.co_code + assembled("NOP") + code.co_code[-4:]
    flow = ControlFlow(code.replace(co_code=raw, co_linetable=code.co_linetable + b"\x80\x00" * 3))
    assert flow.unreachable == (flow.blocks[1],)
    assert flow.blocks[1].end == len(raw)
    assert flow.reachable == (flow.blocks[0],)
    assert not flow.blocks[1].is_reachable
    assert flow.exit.is_reachable


def test_blocks_tile_the_code() -> None:
    flow = ControlFlow(ControlFlow.__init__)
    assert [block.start for block in flow.blocks] == [0, *(block.end for block in flow.blocks[:-1])]
    assert flow.blocks[-1].end == len(flow.code.co_code)
    for block in flow.blocks:
        assert block.start < block.end
        assert flow.block_at(block.start) is flow.block_at(block.end - 1) is block
        assert block.instructions[0].offset == block.start
        assert block.instructions[-1].end == block.end
    for offset in (-1, len(flow.code.co_code)):
        with pytest.raises(ValueError, match=f"offset {offset} is outside"):
            flow.block_at(offset)


def test_lines() -> None:
    flow = ControlFlow(function("def f(a):\n a(\n  1000)\n return a"))
    assert flow.blocks[0].lines == (1, 2, 3, 4)
    assert flow.entry.lines == ()


def test_what_has_a_graph() -> None:
    class Declaration:
        code_object = test_lines.__code__

    class Class:
        def method(self) -> None: ...

    for thing in (test_lines, test_lines.__code__, Declaration()):
        assert ControlFlow(thing).code is test_lines.__code__
    assert ControlFlow(Class().method).code is Class.method.__code__
    with pytest.raises(TypeError, match="not of 'int': 12"):
        ControlFlow(12)


def test_graphs_do_not_mix() -> None:
    one, other = ControlFlow(test_lines), ControlFlow(test_lines)
    with pytest.raises(ValueError, match="another graph"):
        one.successors(other.blocks[0])


# -- what is refused --------------------------------------------------------------------------------------------------


def assembled(*code: str) -> bytes:
    """``NAME`` or ``NAME:ARG``, without caches; ``0`` is a cache entry."""
    raw = bytearray()
    for one in code:
        name, _, arg = one.partition(":")
        raw += bytes([0 if name == "0" else isa.OP[name] if name in isa.OP else int(name), int(arg or 0)])
    return bytes(raw)


UNKNOWN = next(str(number) for number in range(1, 256) if isa.OPERAND[number] == "?")
WITH_CACHE = next(name for name in ("LOAD_GLOBAL",) if isa.CACHES[isa.OP[name]])
PREFIXED = ("EXTENDED_ARG:1", "LOAD_CONST:0", "RETURN_VALUE")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ([], "0 bytes"),
        ([UNKNOWN, "RETURN_VALUE"], rf"{UNKNOWN} at offset 0 is no opcode of this Python"),
        (["NOP", "LOAD_GLOBAL"], "ends within LOAD_GLOBAL at offset 2"),
        (["NOP", "LOAD_GLOBAL", "0"], "ends within LOAD_GLOBAL at offset 2"),
        (["RETURN_VALUE", "EXTENDED_ARG"], "ends within EXTENDED_ARG at offset 2"),
        (["NOP", "0", "RETURN_VALUE"], "a cache entry, at offset 2"),
        (["0", "LOAD_GLOBAL", *["0"] * (isa.CACHES[isa.OP["LOAD_GLOBAL"]] - 1)], "a cache entry, at offset 0"),
        (
            ["LOAD_GLOBAL", *["NOP"] * isa.CACHES[isa.OP["LOAD_GLOBAL"]], "RETURN_VALUE"],
            "LOAD_GLOBAL has an opcode in its cache, at offset 2",
        ),
        (["0", "0"], "a cache entry, at offset 0"),
        (["EXTENDED_ARG"] * 4 + ["LOAD_CONST", "RETURN_VALUE"], "more than three prefixes in a row, at offset 6"),
        (["NOP", "JUMP_FORWARD:1", "RETURN_VALUE"], r"JUMP_FORWARD at offset 2 goes to offset 6, which is outside"),
        (["NOP", "EXTENDED_ARG:1", "JUMP_FORWARD:1", "RETURN_VALUE"], r"offset 4 goes to offset 520, which is outside"),
        (["JUMP_FORWARD:1", *PREFIXED], r"goes to offset 4, which is within an instruction, behind its prefix"),
        (
            ["JUMP_FORWARD:1", "LOAD_GLOBAL", *["0"] * isa.CACHES[isa.OP["LOAD_GLOBAL"]], "RETURN_VALUE"],
            "goes to offset 4, which is a cache entry",
        ),
        (["NOP"], "falls off its end, at offset 2"),
        (["NOP", "RETURN_VALUE", "POP_TOP"], "falls off its end, at offset 6"),
    ],
)
def test_damaged_code(code: list[str], message: str) -> None:
    with pytest.raises(InvalidCodeError, match=message) as caught:
        shape_of(assembled(*code), b"", "some.function")
    assert str(caught.value).startswith("some.function: ")


def test_a_backward_jump_out_of_the_code() -> None:
    caches = ["0"] * isa.CACHES[isa.OP["JUMP_BACKWARD"]]
    with pytest.raises(InvalidCodeError, match="goes to offset -2, which is outside"):
        shape_of(assembled(f"JUMP_BACKWARD:{2 + len(caches)}", *caches), b"", "f")


def test_odd_code() -> None:
    with pytest.raises(InvalidCodeError, match="3 bytes"):
        shape_of(assembled("RETURN_VALUE") + b"\0", b"", "f")


CODE = assembled("NOP", *PREFIXED)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([(0, 9, 0)], "entry 0 ends at offset 18, which is outside"),
        ([(0, 1, 4)], "entry 0 has its handler at offset 8, which is outside"),
        ([(0, 1, 2)], "entry 0 has its handler at offset 4, which is within an instruction"),
        ([(2, 3, 0)], "entry 0 begins at offset 4, which is within an instruction"),
        ([(0, 2, 0)], "entry 0 ends at offset 4, which is within an instruction"),
        ([(1, 1, 0)], "entry 0, offsets 2 to 2, is empty"),
        ([(1, 4, 0), (0, 1, 0)], "entry 1, offsets 0 to 2, .* precedes"),
        ([(0, 3, 0), (1, 4, 0)], "entry 1, offsets 2 to 8, .* overlaps"),
    ],
)
def test_damaged_exception_table(entries: list[tuple[int, int, int]], message: str) -> None:
    table = exceptions.encode(Handler(start, end, target, 0, False) for start, end, target in entries)
    with pytest.raises(InvalidCodeError, match=f"f: exception table: {message}"):
        shape_of(CODE, table, "f")


def test_truncated_exception_table() -> None:
    table = exceptions.encode([Handler(0, 1, 3, 0, False)])
    assert shape_of(CODE, table, "f").handlers == [0, -1, -1]
    with pytest.raises(InvalidCodeError, match=r"f: exception table: an entry is incomplete"):
        shape_of(CODE, table[:-1], "f")


def test_empty_code_object() -> None:
    def damaged() -> CodeType:
        code = test_lines.__code__
        return code.replace(co_code=assembled("JUMP_FORWARD:7", "RETURN_VALUE"), co_exceptiontable=b"")

    with pytest.raises(InvalidCodeError, match=r"^test_lines: JUMP_FORWARD at offset 0 goes to offset 16"):
        ControlFlow(damaged())
