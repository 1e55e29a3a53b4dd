"""Random snippets at random join points of a program: what the program does stays what it was.

The snippets look at variables, keep state of their own, loop, catch, close over variables; none of them changes
anything that the program can see.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import CodeType
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

import equip

PROGRAM = '''
import asyncio
from contextlib import contextmanager

def search(rows, wanted=3, *, default=None):
    for row in rows:
        if not row:
            continue
        while row:
            value = row.pop()
            if value == wanted:
                break
        else:
            default = (default or 0) + 1
            continue
        return value, default
    return default

def guarded(action, *args, **kwargs):
    seen = []
    try:
        with held(seen) as thing:
            try:
                return action(thing, *args, **kwargs)
            except (ValueError, TypeError) as error:
                seen.append(type(error).__name__)
                raise LookupError("wrapped") from error
            finally:
                seen.append("finally")
    except LookupError:
        return seen

@contextmanager
def held(seen):
    seen.append("enter")
    try:
        yield seen
    finally:
        seen.append("exit")

def counter(start):
    def step(by=1):
        nonlocal start
        start += by
        return [start + extra for extra in (lambda: range(by))()]
    return step

def numbers(limit):
    got = None
    try:
        for number in range(limit):
            try:
                got = yield number, got
            except KeyError:
                yield "caught"
    finally:
        closed.append(limit)

def relay(limit):
    return (yield from numbers(limit))

async def pause(value):
    async with asyncio.timeout(10):
        await asyncio.sleep(0)
    return [item async for item in ticks(value)]

async def ticks(count):
    for i in range(count):
        yield i
        await asyncio.sleep(0)

class Shape:
    sides = 0
    def __init__(self, name):
        self.__name = name
    def describe(self):
        match self.sides, self.__name:
            case 0, str() as name:
                return f"round {name}"
            case n, name if n > 3:
                return f"{n} sides: {name}"
            case [_, name]:
                return name

class Square(Shape):
    sides = 4
    def describe(self):
        return super().describe().upper()

def grouped(errors):
    try:
        raise ExceptionGroup("several", errors)
    except* ValueError as group:
        found = len(group.exceptions)
    except* TypeError:
        found = -1
    return found

def unbound(flag):
    if flag:
        x = 1
    del flag
    try:
        return x
    except UnboundLocalError as error:
        return str(error)

closed = []

def main():
    out = [search([[1, 2], [], [3, 1]]), search([[]]), search(iter([[5], [3]]), 5, default=7)]
    out += [guarded(lambda thing: thing[0]), guarded(lambda thing: int("x")), guarded(lambda *a, k: (a[1:], k), 1, k=2)]
    step = counter(10)
    out += [step(), step(3)]
    out.append(list(relay(3)))
    generator = numbers(5)
    out += [next(generator), generator.send("a"), generator.throw(KeyError), next(generator)]
    generator.close()
    out.append(asyncio.run(pause(3)))
    out += [Shape("ball").describe(), Square("tile").describe()]
    out += [grouped([ValueError(), ValueError()]), grouped([TypeError()])]
    try:
        grouped([OSError()])
    except ExceptionGroup as group:
        out.append(repr(group))
    out += [unbound(True), unbound(False), closed]
    return out
'''
ANYWHERE = (
    "_seen.append({lineno})",
    "tally = 0\nfor _i in range(3):\n    if _i == 1:\n        continue\n    tally += _i\n_seen.append(tally)",
    "try:\n    int('{qualname}')\nexcept ValueError as fault:\n    _seen.append(fault)",
    "with _lock:\n    _seen.append(['{arguments}', '{call_arguments}'])",
    "_seen.append([one for one in range(3) if one != {lineno}])",
    "_seen.append((lambda: '{method_name}')())",
    "def probe(n):\n    return n and probe(n - 1)\n_seen.append(probe(2))",
    "last = {lineno}\n_seen.append(lambda: last)",
)
OF_RESULT = ("_seen.append({return_value})", "{return_value} = {return_value}", "_seen.append(lambda: {return_value})")
OF_ERROR = ("_seen.append(str({exception}))", "_seen.append(type({exception}))", "kept = {exception}\ndel kept")
MEASURES = "{arguments_dict} and None"


class Ask(equip.MethodVisitor):
    """Puts in what was drawn, by the number of the method."""

    def __init__(self, drawn: list[tuple[int, str, str, int]]) -> None:
        self.drawn = drawn
        self.number = 0

    def visit(self, decl: equip.MethodDeclaration) -> None:
        rewriter = equip.SimpleRewriter(decl)
        lines = body_lines(decl)
        for number, place, snippet, line in self.drawn:
            if number != self.number:
                continue
            if place == "line":
                rewriter.insert_at_line(lines[line % len(lines)], snippet)
            else:
                getattr(rewriter, f"insert_{place}")(snippet)
        self.number += 1


def body_lines(decl: equip.MethodDeclaration) -> list[int]:
    """The lines that a fragment can stand at: those of what comes after the first RESUME."""
    found = decl.bytecode
    first = next(i for i, one in enumerate(found) if one.opname == "RESUME") + 1
    return sorted({one.lineno for one in found[first:] if one.lineno is not None})


@functools.cache
def plain() -> CodeType:
    return compile(PROGRAM, "program.py", "exec", dont_inherit=True)


METHODS = 19
places = (
    st.tuples(st.just("before"), st.sampled_from([*ANYWHERE, MEASURES]))
    | st.tuples(st.just("after"), st.sampled_from([*ANYWHERE, *OF_RESULT]))
    | st.tuples(st.just("on_raise"), st.sampled_from([*ANYWHERE, *OF_ERROR]))
    | st.tuples(st.just("line"), st.sampled_from(ANYWHERE))
)
requests = st.builds(lambda number, place, line: (number, *place, line), st.integers(0, METHODS - 1), places, st.integers(0, 30))


def run(code: CodeType) -> object:
    import threading

    scope: dict[str, Any] = {"_seen": [], "_lock": threading.RLock(), "__name__": "program"}
    exec(code, scope)
    main: Callable[[], object] = scope["main"]
    return main()


@functools.cache
def expected() -> str:
    return repr(run(plain()))


@given(st.lists(requests, min_size=1, max_size=12))
def test_what_the_program_does(drawn: list[tuple[int, str, str, int]]) -> None:
    visitor = Ask(drawn)
    code = equip.instrument_code(plain(), visitor)
    assert visitor.number == METHODS, "adapt METHODS to the program"
    assert repr(run(code)) == expected()
