"""Traps 7, 21 and 27: awaiting, closing, and what a generator or a `with` leaves on the stack."""

from __future__ import annotations

import dis

import pytest

import equip
from traps.running import Everywhere, instrumented, named, run, same

ASYNC = """
import asyncio
class Held:
    async def __aenter__(self): await asyncio.sleep(0); return "held"
    async def __aexit__(self, *what):
        await asyncio.sleep(0)
        return what[0] is KeyError
async def numbers(n):
    try:
        for i in range(n):
            yield i
            await asyncio.sleep(0)
    finally:
        record("numbers closed")
async def f(n):
    found = []
    async with Held() as held:
        async for i in numbers(n):
            found.append((held, i))
            if i == 3: break
        else:
            found.append("all")
        if n == 1: raise KeyError
        found += [i async for i in numbers(2)] + [await one(i) for i in range(2)]
    return found
async def one(i):
    try:
        await asyncio.wait_for(asyncio.sleep(i), 0.01)
    except asyncio.TimeoutError:
        return "timeout"
    return i
def delegating():
    try:
        got = yield from inner()
        record("got", got)
    except ValueError as error:
        record("value", str(error))
        yield "handled"
    finally:
        record("left")
def inner():
    try:
        x = yield 1
        record("sent", x)
        yield 2
    except KeyError:
        return "key"
    return "end"
async def main():
    for n in (0, 1, 2, 5): record(await f(n))
    agen = numbers(3)
    record(await agen.__anext__())
    await agen.aclose()
    record(await asyncio.gather(*[one(0) for _ in range(3)]))
asyncio.run(main())
for error in (None, KeyError, ValueError("v"), GeneratorExit):
    made = delegating()
    record(next(made), made.send(5))
    try:
        record(next(made) if error is None else made.throw(error))
    except (StopIteration, GeneratorExit) as stop: record(repr(stop))
    made.close()
"""


def test_07_awaiting_and_delegating_go_on_as_before() -> None:
    seen = same(ASYNC)
    assert ("raise", GeneratorExit) in seen.probes


def test_07_every_send_still_ends_at_its_end() -> None:
    changed = equip.instrument_code(compile(ASYNC, "program.py", "exec"), Everywhere())
    sends = 0
    for name in ("f", "one", "main", "delegating", "__aexit__"):
        found = list(dis.get_instructions(named(changed, name)))
        by_offset = {one.offset: one.opname for one in found}
        for one in found:
            if one.opname == "SEND" and "END_SEND" in dis.opmap:
                assert by_offset[one.argval] == "END_SEND"
            sends += one.opname == "SEND"
    assert sends > 8


CLOSING = """
def f(n):
    record("start")
    try:
        yield n
        yield n + 1
    finally:
        record("finally")
def plain(n):
    yield n
    yield n
async def agen():
    yield 1
def use(made):
    next(made)
    made.close()
use(f(1))
use(plain(1))
made = agen()
try: made.asend(None).send(None)
except StopIteration: pass
try: made.aclose().send(None)
except StopIteration: pass
made = plain(1); next(made); del made
record("end")
"""


def test_21_closing_runs_the_raise_snippet() -> None:
    # From 3.12/3.13 on close() does not unwind a frame that says that no handler of it is active.
    code = instrumented(CLOSING, lambda r: r.insert_on_raise("probe({method_name}, type({exception}))"), "f", "plain", "agen")
    assert run(code).probes == [
        ("f", GeneratorExit),
        ("plain", GeneratorExit),
        ("agen", GeneratorExit),
        ("plain", GeneratorExit),
    ]
    assert run(code).records == ["start", "finally", "end"]


@pytest.mark.parametrize("line", [None, 10])
def test_21_closing_runs_a_finally_in_which_a_snippet_yields(line: int | None) -> None:
    snippet = "try:\n    yield 'injected'\nfinally:\n    probe('closed')"

    def ask(rewriter: equip.SimpleRewriter) -> None:
        rewriter.insert_before(snippet) if line is None else rewriter.insert_at_line(line, snippet)

    assert run(instrumented(CLOSING, ask, "plain")).probes == ["closed", "closed"]


def test_21_the_programs_own_finally_still_runs() -> None:
    seen = same(CLOSING)
    assert seen.records == ["start", "finally", "end"]


BORROWED = """
from contextlib import contextmanager
@contextmanager
def held():
    yield
def f(x, way):
    if way == 0:
        with held():
            return x
    if way == 1:
        return x if x else None
    if way == 2:
        for _ in (1,):
            with held(), held():
                return x
    if way == 3:
        try: return x
        finally: record("finally")
    if way == 4:
        return (y := x)
    return x
for _ in range(50):
    for way in range(6):
        record(sum(f([1, 2, 3, way], way)))
"""


def test_27_a_returned_local_survives_being_rebound() -> None:
    # From 3.14 on the value on the stack can be one that only the local keeps alive.
    snippet = "{arg0} = None; y = [9, 9, 9, 9]; z = [8, 8, 8, 8]; probe(len({return_value}))"
    seen = run(instrumented(BORROWED, lambda r: r.insert_after(snippet)))
    assert seen.records == run(compile(BORROWED, "program.py", "exec")).records
    assert seen.probes == [4] * 300


def test_27_a_returned_local_is_not_freed_with_its_frames_variable() -> None:
    source = """
class Tracked:
    def __del__(self): record("freed")
def f(x):
    with held: return x
class Held:
    def __enter__(self): pass
    def __exit__(self, *what): pass
held = Held()
kept = f(Tracked())
record("kept")
del kept
"""
    seen = run(instrumented(source, lambda r: r.insert_after("{arg0} = 0; {return_value} = [{return_value}][0]")))
    assert seen.records == ["kept", "freed"]
