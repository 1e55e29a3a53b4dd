"""What the verifier once got wrong, and what it found: all that equip makes of the smallest programs passes it."""

from __future__ import annotations

import contextlib
import itertools
import sys
from collections.abc import Callable, Iterable, Iterator
from types import CodeType, FrameType
from typing import Any

import pytest

import equip
from equip import isa
from equip.code import exceptions
from equip.isa import demands

Ask = Callable[[equip.SimpleRewriter], object]
HANDLED = "try: record('line')\nexcept ValueError: pass"


class Asking(equip.MethodVisitor):
    """Puts what ``ask`` wants into each function, and into the expressions in it that are code objects."""

    def __init__(self, ask: Ask) -> None:
        self.ask = ask

    def visit(self, meth_decl: equip.MethodDeclaration) -> None:
        for one in (meth_decl, *meth_decl.implicit_scopes):
            self.ask(equip.SimpleRewriter(one))


class Blocks(equip.BlockVisitor):
    """Puts a snippet at each block, and on each edge if asked to."""

    def __init__(self, snippet: str, edges: bool = True) -> None:
        self.snippet = snippet
        self.edges = edges

    def new_control_flow(self, cfg: equip.ControlFlow) -> None:
        for edge in cfg.edges if self.edges else ():
            with contextlib.suppress(equip.JoinPointError):
                equip.SimpleRewriter(self.declaration).insert_on_edge(edge, self.snippet)

    def visit(self, block: equip.BasicBlock) -> None:
        with contextlib.suppress(equip.JoinPointError):
            equip.SimpleRewriter(self.declaration).insert_at_block(block, self.snippet)


def lines(snippet: str, only: Iterable[int] = range(1, 20)) -> Ask:
    """Put a snippet at every line that has code in a function."""

    def ask(rewriter: equip.SimpleRewriter) -> None:
        for lineno in only:
            with contextlib.suppress(equip.JoinPointError):
                rewriter.insert_at_line(lineno, snippet)

    return ask


def on_raise(rewriter: equip.SimpleRewriter, snippet: str) -> None:
    """Put a snippet where an exception leaves a generator."""
    with contextlib.suppress(equip.SnippetError):
        rewriter.insert_on_raise(snippet)


def made(source: str, ask: Ask) -> CodeType:
    return equip.instrument_code(compile(source, "program.py", "exec"), Asking(ask), verify=True)


def run(code: CodeType) -> list[object]:
    events: list[object] = []
    exec(code, {"__name__": "program", "record": events.append})
    return events


# -- called wrong, and right ------------------------------------------------------------------------------------------


def test_an_asynchronous_generator_expression() -> None:
    # From 3.15 on it asks for its iterator, by GET_AITER, before it becomes a generator.
    source = "async def f(a):\n return (x async for x in a)"
    assert not equip.check(compile(source, "program.py", "exec"))
    made(source, lines(HANDLED))


def test_a_generator_expression_with_code_before_it_becomes_a_generator() -> None:
    source = "def f(a):\n return (x + 1 for x in\n   a)\nrecord(list(f([1, 2])))"
    events = run(made(source, lines("record('line')")))
    assert events[-1] == [2, 3]
    assert events.count("line") > 2
    assert run(made(source, lines(HANDLED))) == events


def test_the_last_handler_of_a_generator_expression() -> None:
    # On 3.15 the compiler has it keep the iterator on the stack, which is not there any more at the return.
    source = "def f(a):\n return (x for x in a)\nrecord(list(f([1])))"
    assert run(made(source, lambda rewriter: rewriter.insert_after("record('after')"))) == ["after", "after", [1]]


SENDING = """
def inner():
    got = yield 1
    try:
        yield got
    except KeyError:
        return 'inner'
def outer():
    return (yield from inner())
g = outer()
record([next(g), g.gi_yieldfrom.__name__, g.send(2)])
try:
    g.throw(KeyError())
except StopIteration as stop:
    record(stop.value)
g = outer()
next(g)
g.close()
"""


def test_code_between_send_and_yield_value() -> None:
    # Only 3.11 steps back from the YIELD_VALUE of a suspended frame to its SEND.
    visitor = Blocks("record('block')", edges=False)
    code = equip.instrument_code(compile(SENDING, "program.py", "exec"), visitor, verify=True)
    events = [event for event in run(code) if event != "block"]
    assert events == [[1, "inner", 2], "inner"]
    outer = next(one for one in code.co_consts if getattr(one, "co_name", "") == "outer")
    opcodes = outer.co_code[::2].replace(b"\0", b"")
    assert (bytes([isa.OP["SEND"], isa.OP["YIELD_VALUE"]]) in opcodes) == isa.THROW_ENDS_SEND


@pytest.mark.parametrize(
    "source",
    [
        "def f(a):\n return [x for\n   x in a]\nrecord(f([1]))",
        "def f(a):\n return [x\n" + "   + (x if x % 2 else 1)\n" * 60 + "  for x in a]",
        "async def f(a):\n return [y async for x in a\n for y in\n   x]",
        "async def f(a):\n return [y for x in a\n async for y in\n   x]",
    ],
    ids=["short", "long", "async", "async inside"],
)
def test_the_iterator_of_a_comprehension_is_found_behind_other_instructions(source: str) -> None:
    # Of a comprehension that is a function, it is a parameter, and taken for an iterator without a look.
    made(source, lines(HANDLED))
    made(source, lines("for each in (): record(each)"))


def test_a_loop_with_a_prefix_behind_other_code() -> None:
    # From 3.13 on, exceptions of a generator are looked up at the code unit before the FOR_ITER: that is its prefix.
    source = "def f(a):\n for x in a:\n" + "  x = x.b + x.c + x.d\n" * 40 + "  if x: a = 1"
    equip.instrument_code(compile(source, "program.py", "exec"), Blocks(HANDLED), verify=True)


# -- called wrong, and wrong ------------------------------------------------------------------------------------------

WITHS = """
import asyncio
class Both:
    async def __aenter__(self): await asyncio.sleep(0); return self
    async def __aexit__(self, *_): await asyncio.sleep(0)
async def f():
    async with Both() as a, Both() as b:
        record(1)
    async with Both():
        raise KeyError
try: asyncio.run(f())
except KeyError: record(2)
"""


def test_no_range_of_the_exception_table_ends_inside_an_instruction() -> None:
    # From 3.15 on RESUME has a cache: an exception that comes out of a suspension left it out.
    code = made(WITHS, lines("record('line')"))
    assert [event for event in run(code) if event != "line"] == [1, 2]
    for one in code.co_consts:
        if isinstance(one, CodeType):
            raw = one.co_code
            for handler in exceptions.decode(one.co_exceptiontable):
                assert raw[2 * handler.start]
                assert 2 * handler.end == len(raw) or raw[2 * handler.end]


FINALLY = """
def f():
    try:
        return 1
    finally:
        return 2
record(f())
"""


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
def test_the_depth_in_a_handler_that_covered_nothing() -> None:
    # What is put into the empty body of a try can raise: then its handler is reached, and there is code of ours in it.
    pending: list[Exception] = [KeyError(), ValueError()]
    events: list[object] = []

    def fail() -> None:
        raise pending.pop(0)

    code = made(FINALLY, lines("try: fail()\nexcept ValueError: record('handled')", only=(4, 6)))
    exec(code, {"__name__": "program", "record": events.append, "fail": fail})
    assert events == ["handled", 2]


def test_a_generator_expression_suspends_only_where_it_is_a_generator() -> None:
    # On 3.15 the first line is run, and an iterator asked for, before that.
    failing = "try: list(f(3))\nexcept TypeError: record(3)\n"
    source = "def f(a):\n return (1 // x for x in a)\n" + failing + "record(next(f([0])))"
    assert run(made(source, lambda rewriter: on_raise(rewriter, "record('raised')\nyield 5"))) == [3, "raised", 5]


def test_a_block_of_a_return_out_of_an_except_clause() -> None:
    # It began at POP_EXCEPT, with the value to be returned where the cleanup looks for the exception.
    source = """
def f(b):
    try: g()
    except ValueError:
        return b
try: record(f(['value']))
except KeyError: record('raised')
record(sys.exception())
"""
    code = equip.instrument_code(compile(source, "program.py", "exec"), Blocks("fail()"), verify=True)
    seen: list[object] = []
    for failing in range(1, 20):  # the n-th place behind the exception
        calls: list[str] = []

        def fail(calls: list[str] = calls, failing: int = failing) -> None:
            calls += ["f"] * (sys._getframe(1).f_code.co_name == "f" and bool(calls))
            if len(calls) == failing + 1 and sys._getframe(1).f_code.co_name == "f":
                raise KeyError

        def g(calls: list[str] = calls) -> None:
            calls.append("g")
            raise ValueError

        events: list[object] = []
        exec(code, {"__name__": "program", "record": events.append, "g": g, "fail": fail, "sys": sys})
        assert events[1] is None
        seen.append(events[0])
    assert "raised" in seen
    assert ["value"] in seen


CELL_OF_BOTH = """
def f(x, ys):
    g = lambda: x
    try:
        r = [(lambda: x)() for x in ys]
    except KeyError:
        return x
    return r, g()
record(f(1, [2, 3]))
"""


def test_a_cell_that_a_comprehension_takes_over_in_the_range_of_a_handler_that_reads_it() -> None:
    # From 3.12 on, MAKE_CELL stands there, and would leave the handler without the cell if it raised.
    assert equip.check(compile(CELL_OF_BOTH, "program.py", "exec")) == ()
    code = equip.instrument_code(
        compile(CELL_OF_BOTH, "program.py", "exec"), Asking(lines("record('line')")), verify=True
    )
    events: list[object] = []
    exec(code, {"record": events.append})
    assert events[-1] == ([2, 3], 1)
    assert events.count("line") >= 3


class Failure(Exception):
    pass


def failing_everywhere(code: CodeType) -> Iterator[list[object]]:
    """What a program records when ``fail()`` raises: once for each time that the program comes to it."""
    for failing in itertools.count(1):
        events: list[object] = []
        came = 0

        def fail(failing: int = failing) -> None:
            nonlocal came
            came += 1
            if came == failing:
                raise Failure

        with contextlib.suppress(Failure):
            exec(code, {"__name__": "program", "record": events.append, "fail": fail, "Failure": Failure})
        if came < failing:
            return
        yield events


COMPREHENSION = """
def f(b, {captured}):
    y = "own"
    try:
        a = [
            1 // y
            for y in
            b if
            y or b]
    except (ArithmeticError, Failure):
        pass
    record(y)
f([1, 2])
f([1, 0])
"""
FAILING: dict[str, Callable[[], equip.Visitor]] = {
    "lines": lambda: Asking(lines("fail()")),
    "blocks": lambda: Blocks("fail()", edges=False),
    "blocks and edges": lambda: Blocks("fail()"),
}


@pytest.mark.parametrize("captured", ["", "get=lambda: 0", "*, get=None"])
@pytest.mark.parametrize("where", FAILING)
def test_a_snippet_that_fails_in_a_comprehension_leaves_the_variables_restored(where: str, captured: str) -> None:
    # From 3.12 on. It failed between the handler of the comprehension and the restores, or where the compiler, knowing
    # that nothing raises there, has left a gap in the handler's range.
    source = COMPREHENSION.format(captured=captured)
    if "None" in captured:
        source = source.replace('"own"', '"own"\n    get = lambda: y')
    code = equip.instrument_code(compile(source, "program.py", "exec"), FAILING[where](), verify=True)
    results = list(failing_everywhere(code))
    assert len(results) > 10
    assert {one for events in results for one in events} == {"own"}


@pytest.mark.skipif(sys.version_info < (3, 12), reason="needs comprehensions that are inlined")
def test_code_can_stand_on_an_exception_edge_that_leads_to_the_restores() -> None:
    allowed: list[bool] = []

    class Edges(equip.MethodVisitor):
        def visit(self, decl: equip.MethodDeclaration) -> None:
            rewriter = equip.SimpleRewriter(decl)
            for edge in equip.ControlFlow(decl).edges:
                inside = [instruction.opname for instruction in edge.target.instructions]
                if edge.kind is equip.EdgeKind.EXCEPTION and "PUSH_EXC_INFO" not in inside and "STORE_FAST" in inside:
                    allowed.append(rewriter.can_insert_at(edge))
                    rewriter.insert_on_edge(edge, "fail()")

    code = equip.instrument_code(compile(COMPREHENSION.format(captured=""), "program.py", "exec"), Edges(), verify=True)
    assert len(allowed) > 1
    assert all(allowed)
    assert {one for events in failing_everywhere(code) for one in events} == {"own"}


def test_a_line_of_an_empty_try_has_the_handler_that_fits_the_stack() -> None:
    # The body of the inner `try` is there three times, with no, one and two values on the stack.
    source = """
def f(a):
    try:
        if a:
            return [a]
    except ValueError:
        pass
    finally:
        try:
            pass
        finally:
            record("inner")
for a in 1, 0:
    try: record(f(a))
    except Failure: record("failed")
"""
    code = made(source, lines("fail()"))
    for events in failing_everywhere(code):
        assert events in (
            ["inner", [1], "inner", None],
            ["inner", "failed", "inner", None],
            ["inner", [1], "inner", "failed"],
            ["failed", "inner", None],  # before the `try`, or behind the record
            ["inner", [1], "failed"],
        )


@pytest.mark.parametrize("statement", ["record(b)", "record((a, b))", "c = a; record(b)", "b, a = b - 0, 5"])
def test_the_handler_of_an_empty_try_looks_whether_locals_are_bound(statement: str) -> None:
    # The compiler takes that handler for code that nothing reaches, and leaves the checks out.
    source = f"""
def f(a):
    try:
        pass
    except Failure:
        {statement}
        del a
    record(a)
    b = 1
try: f("a")
except UnboundLocalError as error: record(error.name or str(error))
"""
    for events in failing_everywhere(made(source, lines("fail()", only=(4,)))):
        assert len(events) == 1
        assert "'b'" in str(events[0])
    source = source.replace(statement, "pass")
    for events in failing_everywhere(made(source, lines("fail()", only=(4,)))):
        assert "'a'" in str(events[0])


BLOCKS_AND_EDGES = {
    # An empty `try`: the first instruction of its handler was taken for one inside the handler's own cleanup.
    "handler that covers nothing": """
def f(a):
    try:
        pass
    except ValueError as error:
        record(error)
    except TypeError:
        record(a)
record(f(1))
""",
    # The loop's jump led forwards then, to code behind the function, and left its cache entry.
    "jump of a loop without a line": """
def f(a):
    for x in a:
        try:
            pass
        except* KeyError:
            record(x)
    return a
record(f([1, 2]))
""",
    # The value to be returned lies where the handler of the `try` expects the iterator.
    "return out of a loop": """
def f(a):
    for x in a:
        try:
            return x - x
        except ValueError: record(1)
        except TypeError: record(2)
        except: record(3)
record(f([1, 2]))
""",
    # And where the handler expects the exception that is being handled.
    "return out of a handler": """
def f(a):
    try: a[9]
    except IndexError:
        try: return len(a)
        except KeyError: record(1)
        except: record(2)
record(f([1, 2]))
""",
    # What takes the place of an instruction that is two stands on several ways, too.
    "two instructions in the place of one": """
def f(a, b):
    try: pass
    except Failure:
        c = a
        if c: pass
        c, *d = (a, b, 5)
        try: b.append(c)
        except ValueError: [c for c in a if c]
    return a
record(f([1, 2], []))
""",
}


@pytest.mark.parametrize("source", BLOCKS_AND_EDGES.values(), ids=BLOCKS_AND_EDGES)
def test_a_snippet_at_each_block_and_edge(source: str) -> None:
    plain = compile(source, "program.py", "exec")
    expected: list[object] = []
    exec(plain, {"__name__": "program", "record": expected.append, "Failure": Failure})
    for edges in False, True:
        code = equip.instrument_code(plain, Blocks("fail()", edges), verify=True)
        *failing, passing = [*failing_everywhere(code), run_without_failure(code)]
        assert passing == expected
        assert len(failing) > 1


def run_without_failure(code: CodeType) -> list[object]:
    events: list[object] = []
    names = {"__name__": "program", "record": events.append, "Failure": Failure, "fail": lambda: None}
    exec(code, names)
    return events


LOOPS = {
    "jump that two branches share": """
def f(a):
    for x in a:
        if x:
            record(1)
        else:
            record(2)
f([0, 0])
""",
    "end of an `except*` that is not entered": """
def f(a):
    try:
        raise ExceptionGroup("g", [KeyError()])
    except* ValueError:
        record(1)
    except* KeyError:
        record(2)
f(0)
""",
}


@pytest.mark.parametrize("source", LOOPS.values(), ids=LOOPS)
def test_a_snippet_where_no_line_is_gives_no_event_to_a_line_that_has_none(source: str) -> None:
    plain = compile(source, "program.py", "exec")
    seen: list[set[int]] = []
    for code in plain, equip.instrument_code(plain, Blocks("None.__class__"), verify=True):
        lines_seen: set[int] = set()

        def trace(frame: FrameType, event: str, argument: object, lines_seen: set[int] = lines_seen) -> Any:
            if event == "line" and frame.f_code.co_name == "f":
                lines_seen.add(frame.f_lineno)
            return trace

        previous = sys.gettrace()
        sys.settrace(trace)
        try:
            run_without_failure(code)
        finally:
            sys.settrace(previous)
        seen.append(lines_seen)
    assert seen[0] == seen[1] != set()


@pytest.mark.parametrize("snippet", ["yield 1", "return 1"])
def test_what_only_a_generator_can_do_is_refused_before_there_is_one(snippet: str) -> None:
    code = compile("def f(a):\n return (x for x in\n  a)\nrecord(list(f([])))", "program.py", "exec")

    class Expression(equip.MethodVisitor):
        def visit(self, meth_decl: equip.MethodDeclaration) -> None:
            lines(snippet)(equip.SimpleRewriter(meth_decl.implicit_scopes[0]))

    if demands.EARLY_ITERATION:
        with pytest.raises(equip.SnippetError, match=f"`{snippet[:-2]}` is not possible there: on this Python a gen"):
            equip.instrument_code(code, Expression())
    else:
        assert run(equip.instrument_code(code, Expression(), verify=True)) != []
