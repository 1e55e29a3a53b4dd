"""Running instrumented code, against the same statements written in the source."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import equip
from bench.timing import Row, minima, print_rows, typical_rows

GOAL = 1.0
_ROUNDS = 100
_LEAST_SECONDS = 0.003


@dataclass(frozen=True)
class Program:
    """``source`` defines ``work(n)``, whose functions ``ask`` instruments; ``by_hand`` has the same written in."""

    name: str
    source: str
    by_hand: str
    ask: Callable[[equip.SimpleRewriter], object]


CALLS = """
def add(a, b):{before}
    {result}a + b{after}

def work(n):
    for i in range(n):
        add(i, 1)
"""
"""A function that does next to nothing, called."""
_LOOP = """
def add(n):
    total = 0
    for i in range(n):
        {line}total += i
    return total

def work(n):
    for _ in range(20):
        add(n // 20)
"""
_GENERATOR = """
def add(n):{before}
    for i in range(n):
        {line}yield i

def work(n):
    for _ in add(n):
        pass
"""
_RAISE = """
def add(n):
    {guard}

def work(n):
    for i in range(n):
        try:
            add(i)
        except ValueError:
            pass
"""


def _line_of(source: str, text: str) -> int:
    return next(i for i, line in enumerate(source.splitlines(), 1) if text in line)


def _programs() -> list[Program]:
    calls = CALLS.format(before="", result="return ", after="")
    loop, generator = _LOOP.format(line=""), _GENERATOR.format(before="", line="")
    in_loop, at_yield = _line_of(loop, "total += i"), _line_of(generator, "yield i")
    return [
        Program(
            "a count at entry",
            calls,
            CALLS.format(before="\n    counts['add'] += 1", result="return ", after=""),
            lambda rewriter: rewriter.insert_before("counts['{method_name}'] += 1"),
        ),
        Program(
            "the result changed",
            calls,
            CALLS.format(before="", result="result = ", after="\n    result = abs(result)\n    return result"),
            lambda rewriter: rewriter.insert_after("{return_value} = abs({return_value})"),
        ),
        Program(
            "a time taken around a call",
            calls,
            CALLS.format(
                before="\n    start = clock()",
                result="result = ",
                after="\n    counts['add'] += clock() - start\n    return result",
            ),
            lambda rewriter: rewriter.insert_before("start = clock()").insert_after("counts['add'] += clock() - start"),
        ),
        Program(
            "a count at a line in a loop",
            loop,
            _LOOP.format(line="counts['add'] += 1\n        "),
            lambda rewriter: rewriter.insert_at_line(in_loop, "counts['add'] += 1"),
        ),
        Program(
            "a count at a line of a generator",
            generator,
            _GENERATOR.format(before="\n    counts['start'] += 1", line="counts['add'] += 1\n        "),
            lambda rewriter: rewriter.insert_before("counts['start'] += 1").insert_at_line(
                at_yield, "counts['add'] += 1"
            ),
        ),
        Program(
            "a count of exceptions that leave",
            _RAISE.format(guard="raise ValueError"),
            _RAISE.format(
                guard="try:\n        raise ValueError\n    except BaseException as e:\n"
                "        counts[type(e)] = 1\n        raise"
            ),
            lambda rewriter: rewriter.insert_on_raise("counts[type({exception})] = 1"),
        ),
    ]


class _Ask(equip.MethodVisitor):
    def __init__(self, program: Program) -> None:
        self.program = program

    def visit(self, decl: equip.MethodDeclaration) -> None:
        if decl.method_name == "add":
            self.program.ask(equip.SimpleRewriter(decl))


def measure() -> list[Row]:
    """A row for each program."""
    return typical_rows("bench.running")


def _measure(program: Program) -> Row:
    plain = compile(program.source, "program.py", "exec")
    instrumented = _loaded(equip.instrument_code(plain, _Ask(program)))
    by_hand = _loaded(compile(program.by_hand, "program.py", "exec"))
    n = 1000
    while _time(by_hand, n) < _LEAST_SECONDS:
        n *= 2
    _time(instrumented, n)
    best = minima({"i": lambda: _time(instrumented, n), "h": lambda: _time(by_hand, n)}, _ROUNDS)
    return Row(f"run: {program.name}", best["i"], best["h"], GOAL)


def _loaded(code: Any) -> Callable[[int], object]:
    scope: dict[str, Any] = {"counts": {"add": 0, "start": 0}, "clock": time.perf_counter}
    exec(code, scope)
    work: Callable[[int], object] = scope["work"]
    return work


def _time(work: Callable[[int], object], n: int) -> float:
    begin = time.process_time()
    work(n)
    return time.process_time() - begin


if __name__ == "__main__":
    print_rows(_measure(program) for program in _programs())
