"""What is on the stack and in the variables: against the compiler, and against naive definitions on real code."""

from __future__ import annotations

import dis
import sys
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from equip import (
    ControlFlow,
    DefiniteAssignment,
    InvalidCodeError,
    Liveness,
    Origins,
    ReachingDefinitions,
    StackValues,
    isa,
)
from equip.analysis.depths import stack_depths
from equip.analysis.reaching import ENTRY
from equip.analysis.stackvalues import UNWINDING
from equip.analysis.variables import Accesses, VariableKind
from equip.code import instructions
from equip.isa.pops import steps
from property.library import code_objects, walk


def function(source: str) -> CodeType:
    module = compile(source, "program.py", "exec", dont_inherit=True)
    return next(one for one in module.co_consts if isinstance(one, CodeType))


def offset_of(code: CodeType, opname: str, number: int = 0) -> int:
    return [one.offset for one in instructions(code) if one.opname.startswith(opname)][number]


# -- the stack -----------------------------------------------------------------------------------------------------


def check_depths(codes: Iterator[CodeType] | list[CodeType]) -> tuple[int, int]:
    """Greatest depths against the compiler's; how many are equal, and of how many."""
    equal = count = 0
    for code in codes:
        stacks = StackValues(code)
        assert stacks.max_depth <= code.co_stacksize, code.co_qualname
        equal += stacks.max_depth == code.co_stacksize
        count += 1
    return equal, count


def test_the_greatest_depth_is_the_compilers() -> None:
    equal, count = check_depths(code_objects())
    # The compiler counts handlers that nothing can reach, and 3.13's counts a few values too many.
    assert equal > 0.95 * count
    assert count > 2000


@pytest.mark.slow
def test_the_greatest_depth_is_the_compilers_in_the_whole_library() -> None:
    def codes() -> Iterator[CodeType]:
        for path in sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py")):
            if {"test", "tests", "site-packages", "lib2to3", "idle_test"}.isdisjoint(path.parts) and path.is_file():
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    yield from walk(compile(path.read_bytes(), str(path), "exec", dont_inherit=True))

    equal, count = check_depths(codes())
    assert equal > 0.95 * count
    assert count > 10_000


def test_depths_are_those_that_the_linker_uses() -> None:
    calls = isa.ops("CALL") if "PRECALL" in isa.OP else frozenset()
    for code in code_objects()[::5]:
        expected = stack_depths(code)
        raw = code.co_code
        for offset, depth in StackValues(code).depths.items():
            if raw[offset] not in calls:  # behind PRECALL: the interpreter's own table takes the arguments off there
                assert expected[offset] == depth


def test_values_come_from_what_pushed_them() -> None:
    code = function("def f(a, b):\n    for i in a:\n        g(a + (b if a else 7))")
    stacks = StackValues(code)
    found = list(instructions(code))
    add = next(one for one in found if one.opname == "BINARY_OP")
    left, right = stacks.before(add.offset)[-2:]
    by_offset = {one.offset: one for one in found}
    assert len(left) == 1
    assert {by_offset[one].argval for one in left} <= {"a", ("a", "a")}
    assert {by_offset[one].argval for one in right} == {"b", 7}
    assert stacks.max_depth == code.co_stacksize


def test_copied_and_swapped_values_keep_where_they_come_from() -> None:
    code = function("def f(a, b, c):\n    return a < b < c")
    stacks = StackValues(code)
    by_offset = {one.offset: one for one in instructions(code)}
    first, second = (one for one in by_offset.values() if one.opname == "COMPARE_OP")
    shown = [
        [sorted(str(by_offset[offset].argval) for offset in value) for value in stacks.before(one.offset)[-2:]]
        for one in (first, second)
    ]
    if "LOAD_FAST_LOAD_FAST" not in isa.OP:
        assert shown == [[["a"], ["b"]], [["b"], ["c"]]]
    else:
        pair = str(("a", "b"))
        assert shown == [[[pair], [pair]], [[pair], ["c"]]]


def test_a_handler_begins_with_what_the_interpreter_pushes() -> None:
    code = function("def f(a):\n    with a: g()\n    for i in a:\n        try: f()\n        except E: pass")
    stacks = StackValues(code)
    seen = 0
    for one in dis._parse_exception_table(code):  # type: ignore[attr-defined]
        if stacks.find_before(one.target) is None:
            continue  # covers nothing that can raise
        stack = stacks.before(one.target)
        assert len(stack) == one.depth + one.lasti + 1
        assert stack[one.depth :] == (frozenset({UNWINDING}),) * (one.lasti + 1)
        seen += 1
    assert seen >= 4


def test_code_whose_stack_does_not_fit_is_refused() -> None:
    code = function("def f(a):\n    return a")
    pop = bytes([isa.OP["POP_TOP"], 0])
    for raw in (pop + code.co_code, pop * 3 + code.co_code):
        with pytest.raises(InvalidCodeError, match="takes"):
            StackValues(code.replace(co_code=raw))


# -- definite assignment -------------------------------------------------------------------------------------------


def test_what_the_compiler_loads_unchecked_is_bound() -> None:
    # From 3.12 on the compiler proves which loads need no check; before, each load checks and binds nothing new.
    checked = isa.OP.get("LOAD_FAST_CHECK", -1)
    same = more = 0
    for code in code_objects():
        possibly = {one.offset for one in DefiniteAssignment(code).possibly_unbound() if one.reads and not one.unbinds}
        if isa.UNCHECKED_LOCALS:
            compilers = {offset for offset, opcode, _, _ in steps(code.co_code) if opcode == checked}
            assert possibly <= compilers, code.co_qualname
            same += len(possibly)
            more += len(compilers - possibly)
        else:
            same += len(possibly)
    assert same > 30
    assert more <= 0.2 * same


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("x = 1; return x", set()),
        ("if a: x = 1\n    return x", {"x"}),
        ("if a: x = 1\n    else: x = 2\n    return x", set()),
        ("del a; return a", {"a"}),
        ("for x in a: pass\n    return x", {"x"}),
        ("try: x = g()\n    except E: pass\n    return x", {"x"}),
        ("try: x = g()\n    finally: h(a)\n    return x", set()),
        ("x = 1\n    try: del x; g()\n    except E: return x", {"x"}),
        ("while 1:\n        x = g()\n        if x: break\n    return x", set()),
        ("return [x for x in a], x\n    x = 1", {"x"}),
    ],
)
def test_locals_that_may_be_unbound(body: str, expected: set[str]) -> None:
    found = DefiniteAssignment(function(f"def f(a):\n    {body}")).possibly_unbound()
    assert {one.variable.name for one in found if one.reads and not one.unbinds} == expected


def test_bound_before() -> None:
    code = function("def f(a):\n    x = a\n    y = g(x)\n    return x, y")
    assignment = DefiniteAssignment(code)
    call = offset_of(code, "CALL")
    assert assignment.assigned_before(call) == {"a", "x"}
    assert assignment.unbound_before(call) == {"y"}


# -- liveness and definitions, naively -----------------------------------------------------------------------------


class Naive:
    """Instructions and the ways between them; a way by an exception leaves before the instruction has any effect."""

    def __init__(self, flow: ControlFlow) -> None:
        accesses = Accesses(flow)
        self.steps: dict[int, list[tuple[int, bool]]] = {}
        self.does: dict[int, list[tuple[str, bool, bool]]] = {}
        for one in accesses.all:
            if one.variable.kind is VariableKind.LOCAL:
                self.does.setdefault(one.offset, []).append((one.variable.name, one.reads, one.binds or one.unbinds))
        leaving = ("exception", "raise", "return")
        for block in flow.blocks:
            offsets = [one.offset for one in block.instructions]
            edges = flow.edges_from(block)
            raising = set(accesses.raising(block.index + 1))
            for i, offset in enumerate(offsets):
                handled = [edge for edge in edges if edge.kind.value == "exception" and offset in raising]
                ways = [(edge.target.start, True) for edge in handled]
                if i + 1 < len(offsets):
                    ways.append((offsets[i + 1], False))
                else:
                    ways += [(edge.target.start, False) for edge in edges if edge.kind.value not in leaving]
                self.steps[offset] = ways

    def is_live(self, name: str, offset: int) -> bool:
        seen, pending = {offset}, [offset]
        while pending:
            at = pending.pop()
            over = False
            for variable, reads, changes in self.does.get(at, ()):
                if variable == name and reads and not over:
                    return True
                over = over or (variable == name and changes)
            for target, raised in self.steps[at]:
                if (raised or not over) and target not in seen:
                    seen.add(target)
                    pending.append(target)
        return False

    def reached(self, name: str, start: int) -> set[int]:
        """Where the value that a store has bound is still there, before the instruction."""
        seen: set[int] = set()
        pending = [target for target, raised in self.steps[start] if not raised]
        while pending:
            at = pending.pop()
            if at in seen:
                continue
            seen.add(at)
            ends = any(variable == name and changes for variable, _, changes in self.does.get(at, ()))
            pending += [target for target, raised in self.steps[at] if raised or not ends]
        return seen


def sample() -> list[CodeType]:
    return [one for one in code_objects() if one.co_flags & 2 and 40 < len(one.co_code) < 700][::12]


def test_live_locals_are_those_that_some_way_reads() -> None:
    compared = 0
    for code in sample():
        flow = ControlFlow(code)
        naive, liveness = Naive(flow), Liveness(flow)
        names = {name for does in naive.does.values() for name, *_ in does}
        for block in flow.blocks:
            inner = block.instructions[len(block.instructions) // 2].offset
            for offset in {block.start, inner}:
                assert liveness.live_before(offset) == {name for name in names if naive.is_live(name, offset)}
                compared += 1
            assert liveness.live_in(block) == liveness.live_before(block.start)
    assert compared > 500


def test_definitions_reach_where_no_other_is_between() -> None:
    compared = 0
    for code in sample():
        flow = ControlFlow(code)
        naive, reaching = Naive(flow), ReachingDefinitions(flow)
        reachable = {one.offset for block in flow.reachable for one in block.instructions}
        twice = {offset for offset, does in naive.does.items() if len({name for name, *_ in does}) < len(does)}
        for definition in reaching.definitions:
            if definition.variable.kind is not VariableKind.LOCAL or definition.offset not in reachable - twice:
                continue
            name = definition.variable.name
            there = naive.reached(name, definition.offset)
            reads = {at for at, does in naive.does.items() for one, is_read, _ in does if one == name and is_read}
            expected = (there & reads & reachable) - twice
            assert set(reaching.uses_of(definition)) - twice == expected
            assert all((definition in reaching.reaching(at)) == (at in there) for at in reachable)
            compared += 1
    assert compared > 150


def test_liveness_by_hand() -> None:
    code = function("def f(a, b):\n    c = a\n    if b:\n        a = 2\n        g(a)\n    return c")
    flow = ControlFlow(code)
    liveness = Liveness(flow)
    assert liveness.live_in(flow.blocks[0]) == {"a", "b"}
    call = offset_of(code, "CALL")
    assert liveness.is_live("c", call)
    assert not liveness.is_live("b", call)
    assert liveness.live_out(flow.block_at(call)) == {"c"}


@pytest.mark.parametrize(("body", "is_live"), [("g(); x = 2", True), ("x = 2; g()", False)])
def test_an_exception_leaves_before_what_is_stored_behind_it(body: str, is_live: bool) -> None:
    code = function(f"def f(a):\n    x = h()\n    try:\n        {body}\n    except E:\n        return x")
    liveness = Liveness(code)
    stored = offset_of(code, "STORE_FAST")
    behind = next(one for one in instructions(code) if one.offset > stored)
    assert liveness.is_live("x", behind.offset) == is_live
    for block in liveness.flow.blocks:
        assert liveness.live_in(block) == liveness.live_before(block.start)


def test_chains_by_hand() -> None:
    code = function("def f(a):\n    if a: a = 1\n    global g\n    g = a\n    return a, g, len")
    reaching = ReachingDefinitions(code)
    shown: dict[str, set[bool]] = {}
    for one in instructions(code):
        for definition in reaching.definitions_of(one.offset):
            shown.setdefault(definition.variable.name, set()).add(definition.offset == ENTRY)
    # Other code can have bound a global since; nothing here binds `len`.
    assert shown == {"a": {True, False}, "g": {True, False}, "len": {True}}
    bound = next(one for one in reaching.definitions if one.variable.name == "g" and one.offset != ENTRY)
    assert len(reaching.uses_of(bound)) == 1


# -- copies and constants ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("x = 5; g(); return x", (5,)),
        ("x = 5; g(); y = x; g(); x = a; g(); return y", (5,)),
        ("x = 5\n    if a: x = 6\n    g(); return x", None),
        ("x = 1\n    if a: x = True\n    g(); return x", None),
        ("x = 'k'\n    while a: x = x; g()\n    return x", ("k",)),
        ("x = a; g(); return x", None),
        ("x = g(); g(); return x", None),
        ("for x in a: g()\n    return x", None),
    ],
)
def test_constants_that_a_local_must_have(body: str, expected: tuple[object] | None) -> None:
    code = function(f"def f(a):\n    {body}")
    found = Origins(code)
    loads = [one for one in instructions(code) if one.opname.startswith("LOAD_FAST")]
    assert found.find_constant(loads[-1].offset) == expected


def test_where_a_copy_comes_from() -> None:
    body = "x = g(); h()\n    if a:\n        y = x; h()\n    else:\n        y = a; h()\n    h(); return y"
    code = function(f"def f(a):\n    {body}")
    found = Origins(code)
    loads = [one for one in instructions(code) if one.opname.startswith("LOAD_FAST")]
    call = offset_of(code, "CALL")
    assert found.of(loads[-1].offset) == {call, ENTRY}
    assert found.of(call) is None
