"""A snippet at a line stands in the same ``try``, ``with`` and ``except`` as the statement written there."""

from __future__ import annotations

import sys

import pytest

from oracle import handlers
from oracle.batches import run_batch
from oracle.programs import programs

HUGE = ("very_long_jumps",)
BEHIND_NOP = "try on a line with its first statement, behind a NOP"
LAYOUTS = {
    "return behind an empty body, under a finally that branches": """
def f(a):
    try:
        pass
    except TypeError:
        try:
            pass
        except ArithmeticError:
            try:
                return sum((x for x in (1, 2) if x > a))
            except:
                pass
    finally:
        if a:
            pass
            match a:
                case 1 | 2 as z:
                    pass
                case None:
                    pass
                case [x, y] if x:
                    pass
""",
    "clause of a group that does nothing": """
async def f():
    try:
        pass
    except* KeyError:
        pass
""",
    "return out of a named clause, under a finally that loops": """
def f(a, b):
    try:
        pass
    except Exception as x:
        try:
            if b < a < 9:
                pass
            elif not 1:
                pass
            else:
                return 2 - b
        finally:
            while not a:
                break
""",
    "except and finally of one try": """
async def f(a, b):
    try:
        if 3 < b < 9:
            return
    except ZeroDivisionError:
        pass
    finally:
        a = x = 5
""",
    "two copies of a try that is the first thing in another, of groups": """
def f():
    try:
        pass
    finally:
        try:
            try:
                pass
            except TypeError:
                pass
        except* TypeError as e:
            pass
""",
    "two copies of a try that is the first thing in another": """
def f(b):
    try:
        pass
    except ArithmeticError:
        return b
    finally:
        try:
            try:
                z = b.floor(2.5)
            except:
                pass
        except TypeError:
            pass
""",
    "empty body in a clause of an empty body": """
async def f():
    try:
        pass
    except TypeError:
        try:
            pass
        except TypeError:
            pass
""",
    "try on a line with its first statement, with except and finally": """
def f():
    try: g()
    except ValueError:
        h()
    finally:
        k()
""",
    "the same in another try": """
def f():
    try:
        h()
        try: g()
        except ValueError:
            h()
        finally:
            k()
    except KeyError:
        h()
""",
    "the same with a clause that does nothing": """
def f():
    try:
        h()
        try: g()
        except ValueError:
            pass
        finally:
            k()
        h()
    except KeyError:
        h()
""",
    BEHIND_NOP: """
def f(a, b):
    if 6 and 2:
        try: x, z = (g(), b + a)
        except ValueError as e:
            pass
""",
    "try on a line with its first statement, in a case": """
def f(a, b):
    match a:
        case {'k': z}:
            try: z += a if not 2 else 9
            finally:
                x = b
        case [x, *y]:
            pass
""",
    "try on a line with all of its body, which is empty, in a clause": """
def f(a, c):
    try:
        if c is None or a:
            pass
    except TypeError:
        try: pass
        except ValueError:
            pass
""",
    "empty body in a finally that is copied": """
def f(a, b):
    try:
        g()
    except (ValueError, TypeError) as e:
        try:
            for x, y in ((1, a + 5), (2, 3)):
                pass
        finally:
            try:
                pass
                a: int = b or b
            finally:
                x = 1 + a
""",
    "jump with a prefix": """
def f(a):
    try:
        pass
    except TypeError:
        for x in range(0):
            try:
                pass
            except ValueError as x:
                z, *z = (0 or x, [y for y in range(3) if y][1], 5)
                if not spend():
                    pass
            except TypeError:
                z = [sum((x for x in (1, 2) if x > 3))]
                if 9 and a:
                    return [y for y in range(3) if y][0]
            with contextlib.suppress(KeyError):
                pass
            if not 3:
                pass
""",
}
"""Small programs in which it counts what random ones seldom have."""
SEEDS = 20
PROGRAM, SEED = "oracle.handlers:compare_program", "oracle.handlers:compare_seed"


@pytest.fixture(scope="module")
def corpus() -> dict[str, list[str]]:
    """What differs in each program, by one worker for all."""
    return run_batch(PROGRAM, [f"{p.name}:" for p in programs().values() if p.runs_here and p.name not in HUGE])


@pytest.mark.parametrize("name", [name for name in programs() if name not in HUGE])
def test_corpus(name: str, corpus: dict[str, list[str]]) -> None:
    if not programs()[name].runs_here:
        pytest.skip(f"needs Python {'.'.join(map(str, programs()[name].minimum))}")
    problems = corpus[f"{name}:"]
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layout(layout: str) -> None:
    if layout == BEHIND_NOP and sys.version_info < (3, 12):
        pytest.skip("the NOP of an `if` looks like that of a `try` on 3.11")
    assert handlers.compare_source(LAYOUTS[layout]) == []


def test_random_programs() -> None:
    assert_same(range(SEEDS))


@pytest.mark.slow
def test_many_random_programs() -> None:
    assert_same(range(SEEDS, 150))


@pytest.mark.slow
def test_standard_library() -> None:
    assert run_batch("oracle.handlers:compare_library", [":"]) == {":": []}


def assert_same(seeds: range) -> None:
    results = run_batch(SEED, [f":{seed}" for seed in seeds])
    assert {seed: found for seed, found in results.items() if found} == {}


def test_it_is_seen_when_a_snippet_is_in_another_handler(monkeypatch: pytest.MonkeyPatch) -> None:
    source = "def f():\n    try:\n        g()\n        return 1\n    finally:\n        h()\n"
    assert not handlers.compare_source(source)
    monkeypatch.setattr("equip.inject.bodies.Bodies.at", lambda *_: None)
    assert any("line 4: expected [(Step(kind='try', line=6" in problem for problem in handlers.compare_source(source))
