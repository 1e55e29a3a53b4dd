"""Instructions with peculiarities: packed arguments, prologues, loops, suspensions, returns."""

from __future__ import annotations

import asyncio
import dis
import sys
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

import equip
from equip import JoinPoint, isa
from traps.programs import assert_unharmed, at, compiled, function, instrumented, nested, run


def test_4_packed_arguments() -> None:
    # Method calls, comparisons, imports, super-instructions, more than 16 locals.
    names = ", ".join(f"v{i}" for i in range(40))
    source = f"""
import os.path as path
def f(a, b, *rest, key=None, **others):
    from os import sep, linesep as line
    import os.path as again
    ({names}) = range(40)
    last = v38 + v39 + v0
    pair = a < b, a == b, a >= b, sep in line, len(line) < last
    named = sorted(others, key=lambda name: name[::-1])
    return again is path, pair, '-'.join([str(v16), str(v17)]), named, f"{{last!r:>5}}"
def main(): return f(1, 2, 3, key=4, aa=5, ba=6)
"""
    assert_unharmed(source)


def test_4_arguments_are_where_the_interpreter_says() -> None:
    for number in getattr(dis, "hasarg", range(dis.HAVE_ARGUMENT, 256)):
        name = dis.opname[number]
        if name in isa.OP:
            assert isa.OPERAND[isa.OP[name]] != "-", name


def test_5_the_prologue_stays_whole_and_first() -> None:
    source = """
def outer(a):
    b = a
    def gen(c):
        yield a, b, c, (lambda: c)()
    return gen, (x + a for x in range(3))
def main():
    gen, expression = outer(1)
    return list(gen(2)), list(expression)
"""
    prologue = isa.ops("COPY_FREE_VARS MAKE_CELL RETURN_GENERATOR")
    for before, after in zip(nested(compiled(source)), nested(instrumented(source)), strict=True):
        resume = before.co_code[::2].index(isa.RESUME)
        assert after.co_code[: 2 * resume : 2] == before.co_code[: 2 * resume : 2]
        there, now = ([op for op in code.co_code[::2] if op in prologue] for code in (before, after))
        assert now == there
    assert_unharmed(source)


def test_5_entry_of_a_generator_runs_when_it_is_first_run() -> None:
    source = "def f(values):\n    return (value for value in values)\n"

    class Generators(equip.MethodVisitor):
        def visit(self, decl: equip.MethodDeclaration) -> None:
            equip.SimpleRewriter(decl).insert_before("hits.append('before')")

    namespace = run(instrumented("def f():\n    yield 1\n", Generators()))
    generator = namespace["f"]()
    assert namespace["hits"] == []
    assert list(generator) == [1]
    assert namespace["hits"] == ["before"]
    assert list(run(instrumented(source))["f"]([1, 2])) == [1, 2]


def test_6_nothing_stands_between_a_loop_and_what_it_skips() -> None:
    source = """
def f(n):
    for i in range(n):
        for j in range(i): pass
        else: i = -i
    return i
def main(): return [f(n) for n in (1, 2, 5)]
"""
    assert_unharmed(source)
    code = function(instrumented(source), "f")
    skipped = isa.OP.get("END_FOR", -1)
    found = [one for one in dis.get_instructions(code) if one.opname == "FOR_ITER"]
    assert len(found) == 2
    for one in found:
        at_target = code.co_code[one.argval]
        assert at_target == skipped or skipped < 0


def test_7_await_and_yield_from_and_async_for() -> None:
    source = """
import asyncio
class Ticks:
    def __init__(self, n): self.n = n
    def __aiter__(self): return self
    async def __anext__(self):
        await asyncio.sleep(0)
        if not self.n: raise StopAsyncIteration
        self.n -= 1
        return self.n
    async def __aenter__(self): return self
    async def __aexit__(self, *error): await asyncio.sleep(0); return error[0] is ValueError
def delegate():
    got = yield from inner()
    yield got
def inner():
    got = yield 1
    try: got = yield got
    except KeyError: got = 'thrown'
    return got
async def agen():
    async for tick in Ticks(3): yield tick
async def work():
    found = [tick async for tick in agen()]
    async with Ticks(1): raise ValueError
    return found
def main():
    generator = delegate()
    return asyncio.run(work()), [next(generator), generator.send(2), generator.throw(KeyError)]
"""
    assert_unharmed(source)


def test_7_the_target_of_send_stays_end_send() -> None:
    source = "async def f(x):\n    return [await x,\n            await x]\n"
    code = function(instrumented(source), "f")
    sends = [one for one in dis.get_instructions(code) if one.opname == "SEND"]
    assert len(sends) == 2
    if "END_SEND" in isa.OP:
        assert all(code.co_code[one.argval] == isa.OP["END_SEND"] for one in sends)


def test_8_not_taken_stays_behind_its_branch() -> None:
    source = """
def f(x):
    if x:
        a = 1
    else:
        a = 2
    return [i for i in range(3) if i > a] if x else None
def main(): return f(0), f(1)
"""
    assert_unharmed(source)
    if "NOT_TAKEN" in isa.OP:
        code = function(instrumented(source, at(JoinPoint.LINENO, "hits.append(1)", line=4)), "f")
        branch = next(one for one in dis.get_instructions(code) if one.opname.startswith("POP_JUMP_IF"))
        behind = branch.offset + 2 + 2 * isa.CACHES[branch.opcode]
        assert code.co_code[behind] == isa.OP["NOT_TAKEN"]


def test_8_code_that_a_tool_watches_is_read_clean() -> None:
    # While it is traced and specialised, the interpreter's own copy has other opcodes.
    namespace = run(compiled("def f(x):\n    for i in range(x): x += i\n    return x\n"))
    fresh = namespace["f"].__code__.replace()

    def trace(*_: object) -> Callable[..., Any]:
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        for _ in range(50):
            namespace["f"](20)
        visitor = at(JoinPoint.LINENO, "hits.append(1)", line=2)
        one, other = (equip.instrument_code(code, visitor) for code in (namespace["f"].__code__, fresh))
    finally:
        sys.settrace(before)
    assert one.co_code == other.co_code


def test_14_every_copy_of_a_return_has_the_snippet() -> None:
    source = """
class Manager:
    def __enter__(self): return self
    def __exit__(self, *error): hits.append('exit')
def f(x):
    with Manager():
        if x == 1: return 'constant'
        if x == 2: return x
    if x == 3: return
def main(): return [f(i) for i in range(5)]
"""
    namespace = run(instrumented(source, at(JoinPoint.AFTER, "hits.append({return_value})")))
    assert namespace["main"]() == [None, "constant", 2, None, None]
    assert namespace["hits"] == ["exit", None, "exit", "constant", "exit", 2, "exit", None, "exit", None]


@pytest.mark.parametrize("constant", ["None", "7", "256", "-1", "'text'", "(1, 2)", "True", "...", "1.5"])
def test_14_constants_come_back_however_they_are_loaded(constant: str) -> None:
    source = f"def f(): return {constant}\n"
    namespace = run(instrumented(source, at(JoinPoint.AFTER, "{return_value} = [{return_value}]")))
    assert namespace["f"]() == [eval(constant)]


def test_21_closing_a_generator_runs_handlers_that_only_snippets_have() -> None:
    source = "def f():\n    yield 1\n    yield 2\n"
    for location, snippet, line in (
        (JoinPoint.RAISE, "hits.append(type({exception}))", None),
        (JoinPoint.LINENO, "try: yield 0\nfinally: hits.append(GeneratorExit)", 2),
    ):
        namespace = run(instrumented(source, at(location, snippet, line=line)))
        generator = namespace["f"]()
        next(generator)
        generator.close()
        assert namespace["hits"] == [GeneratorExit]


def test_21_closing_coroutines_and_async_generators() -> None:
    source = "async def f(x):\n    await x\nasync def g(x):\n    yield x\n"
    namespace = run(instrumented(source, at(JoinPoint.RAISE, "hits.append(type({exception}))")))
    waiting = asyncio.new_event_loop()
    try:
        coroutine = namespace["f"](waiting.create_future())
        coroutine.send(None)
        coroutine.close()
    finally:
        waiting.close()
    assert namespace["hits"] == [GeneratorExit]


def test_23_cold_code_of_a_snippet_stands_at_the_end() -> None:
    source = "def f(x):\n    a = x\n    b = a\n    return b\ndef main(): return f(3)\n"
    snippet = "try: hits.append(1)\nexcept ValueError: hits.append(2)"
    visitor = at(JoinPoint.LINENO, snippet, line=3)
    assert_unharmed(source, visitor)
    written = source.replace("b = a", snippet.replace("\n", "\n    ") + "\n    b = a").replace("hits", "[]")
    shapes = []
    for code in (function(instrumented(source, visitor), "f"), function(compiled(written), "f")):
        opnames = [one.opname for one in dis.get_instructions(code)]
        first_return = next(i for i, name in enumerate(opnames) if name.startswith("RETURN"))
        jumps = [name for name in opnames[:first_return] if name.startswith("JUMP")]
        shapes.append((first_return < opnames.index("PUSH_EXC_INFO"), jumps))
    assert shapes[0] == shapes[1], "as the compiler lays it out where the snippet is written in the source"


def test_25_caches_are_known_for_every_instruction() -> None:
    code = function(compiled("def f(x): return x.y[0] + print(x)"), "f")
    found = list(dis.get_instructions(code))
    assert len(found) > 5
    for one, following in pairwise(found):
        assert following.offset == one.offset + 2 + 2 * isa.CACHES[one.opcode], one.opname


@pytest.mark.parametrize(
    "body",
    [
        "return value",
        "return value if condition else None",
        "with open(__import__('os').devnull):\n        return value",
        "try: return value\n    finally: condition = len(hits)",
    ],
)
def test_27_a_borrowed_return_value_outlives_its_local(body: str) -> None:
    source = f"""
class Value:
    def __del__(self): hits.append('deleted')
def f(condition, value):
    {body}
def main(): return type(f(True, Value())).__name__
"""
    taking = at(JoinPoint.AFTER, "value = None\nhits.append(type({return_value}).__name__)")
    namespace = run(instrumented(source, taking))
    assert namespace["main"]() == "Value"
    assert namespace["hits"] == ["Value", "deleted"]
