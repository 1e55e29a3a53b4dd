"""Damaged code: a graph that is whole, or ``InvalidCodeError``; nothing else, and no wait.

Bytes are changed in ``co_code`` as ``shape_of`` gets it, not in code objects: reading ``co_code`` of a code object
whose last instruction is cut off overruns memory in CPython itself.
"""

from __future__ import annotations

from types import CodeType

from hypothesis import given
from hypothesis import strategies as st

from equip import ControlFlow, InvalidCodeError, isa
from equip.analysis.shape import Shape, shape_of
from equip.code.instruction import instructions
from property.library import code_objects


def small() -> list[CodeType]:
    return [code for code in code_objects() if len(code.co_code) < 600]


@st.composite
def damaged(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """Code and exception table of a function with some bytes changed, taken out, put in, or cut off."""
    code = draw(st.sampled_from(small()))
    table = code.co_exceptiontable
    return hurt(draw, code.co_code), hurt(draw, table) if draw(st.booleans()) else table


def hurt(draw: st.DrawFn, data: bytes) -> bytes:
    found = bytearray(data)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(found)))
        kind = draw(st.sampled_from(["change", "change", "change", "remove", "insert", "cut"]))
        if kind == "change":
            found[at : at + 1] = bytes([draw(st.integers(0, 255))])
        elif kind == "remove":
            del found[at : at + draw(st.integers(1, 4))]
        elif kind == "insert":
            found[at:at] = draw(st.binary(min_size=1, max_size=4))
        elif draw(st.booleans()):
            del found[at:]
    return bytes(found)


@given(damaged())
def test_a_graph_or_a_refusal(parts: tuple[bytes, bytes]) -> None:
    check(*parts)


@given(st.binary(max_size=60), st.binary(max_size=12))
def test_noise(raw: bytes, table: bytes) -> None:
    check(raw, table)


_COMMON = [isa.OP[name] for name in ("NOP", "EXTENDED_ARG", "RETURN_VALUE", "JUMP_FORWARD", "FOR_ITER", "RERAISE")]
_COMMON += [*isa.JUMPS, 0]


@given(st.lists(st.tuples(st.sampled_from(_COMMON), st.integers(0, 9)), max_size=30), st.binary(max_size=8))
def test_little_but_control(units: list[tuple[int, int]], table: bytes) -> None:
    raw = b"".join(bytes([opcode, arg]) + bytes(2 * isa.CACHES[opcode]) for opcode, arg in units)
    check(raw + bytes([isa.OP["RETURN_VALUE"], 0]), table)


def check(raw: bytes, table: bytes) -> None:
    shown = as_co_code_shows(raw)
    for implicit in (True, False):
        try:
            shape = shape_of(shown, table, "damaged", implicit)
        except InvalidCodeError as error:
            refused = str(error)
        else:
            check_shape(shape, shown)
            continue
        assert refused.startswith("damaged: ")


def as_co_code_shows(raw: bytes) -> bytes:
    """With zeros in the place of cache entries."""
    found = bytearray(raw)
    at = 0
    while at < len(found):
        caches = 2 * isa.CACHES[found[at]]
        found[at + 2 : at + 2 + caches] = bytes(len(found[at + 2 : at + 2 + caches]))
        at += 2 + caches
    return bytes(found)


def check_shape(shape: Shape, raw: bytes) -> None:
    """The graph is what a plain walk over the instructions says."""
    assert shape.starts[0] == 0
    assert list(shape.starts) == sorted(set(shape.starts))
    begins = {one: end for one, end, _, _ in walked(raw)}
    assert begins.keys() >= set(shape.starts)
    ends = [*shape.starts[1:], len(raw) // 2]
    for node, (start, end) in enumerate(zip(shape.starts, ends, strict=True), 1):
        *body, last = [one for one in walked(raw) if start <= one[0] < end]
        assert last[1] == end
        for _, _, opcode, _ in body:
            waits = isa.THROW_ENDS_SEND and opcode == isa.OP["YIELD_VALUE"]
            assert waits or opcode not in isa.NO_FALLTHROUGH | isa.TRUE_JUMPS | isa.FALSE_JUMPS | isa.EXHAUSTIBLE
        targets = {0 if to > shape.count else shape.starts[to - 1] for to in shape.successors[node]}
        if last[2] not in isa.NO_FALLTHROUGH:
            assert end in targets
        if last[2] in isa.JUMPS and last[2] != isa.OP["END_ASYNC_FOR"]:
            assert last[3] in targets
    for node, targets_of in enumerate(shape.successors):
        assert len(targets_of) == len(shape.kinds[node])
        for to in targets_of:
            assert node in shape.predecessors[to]


def walked(raw: bytes) -> list[tuple[int, int, int, int]]:
    """(first code unit, end, opcode, target) of each instruction."""
    found, index = [], 0
    while index < len(raw) // 2:
        first, arg = index, raw[2 * index + 1]
        while raw[2 * index] == isa.EXTENDED_ARG:
            index += 1
            arg = arg << 8 | raw[2 * index + 1]
        opcode = raw[2 * index]
        index += 1 + isa.CACHES[opcode]
        found.append((first, index, opcode, index + arg if opcode in isa.FORWARD else index - arg))
    return found


def test_most_of_what_is_tried_is_damaged_but_not_all() -> None:
    """The tests above can fail both ways."""
    code = max(small(), key=lambda one: len(one.co_exceptiontable))
    outcomes = set()
    for at in range(len(code.co_code)):
        for value in (0, 1, isa.EXTENDED_ARG, isa.OP["JUMP_FORWARD"]):
            raw = bytearray(code.co_code)
            raw[at] = value
            try:
                shape_of(bytes(raw), code.co_exceptiontable, "f")
                outcomes.add("graph")
            except InvalidCodeError as error:
                outcomes.add(str(error).split("offset")[0].split(" at ")[0])
    assert len(outcomes) > 4
    assert "graph" in outcomes


def test_what_the_linker_makes_has_a_graph() -> None:
    import equip

    class Everywhere(equip.MethodVisitor):
        def visit(self, decl: equip.MethodDeclaration) -> None:
            rewriter = equip.SimpleRewriter(decl)
            rewriter.insert_before("seen = 1").insert_after("seen += 1").insert_on_raise("print({exception})")

    for code in code_objects():
        if code.co_name == "<module>" and len(code.co_consts) < 60:
            for changed in every(equip.instrument_code(code, Everywhere())):
                flow = ControlFlow(changed)
                assert len(flow.instructions) == len(instructions(changed))
                assert [one.start for one in flow.blocks][1:] == [one.end for one in flow.blocks][:-1]


def every(code: CodeType) -> list[CodeType]:
    return [code, *(one for constant in code.co_consts if isinstance(constant, CodeType) for one in every(constant))]
