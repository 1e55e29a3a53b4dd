"""The analysis of one function of 10^2 to 10^5 blocks: the time for a block, against that of the smallest function."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from types import CodeType

import equip
from bench.timing import Row, minima, seconds_of

GOAL = 3.0
_SIZES = (100, 1_000, 10_000, 100_000)
_STATEMENTS = {"branches": "    if a: a.b()\n", "handlers": "    try: a.b()\n    except A: a.c()\n"}
_ROUNDS = 3


def measure() -> Iterator[Row]:
    for name, statement in _STATEMENTS.items():
        codes = [_function(statement, size) for size in _SIZES]
        best = minima({str(i): partial(_seconds_per_block, code) for i, code in enumerate(codes)}, _ROUNDS)
        for i, size in enumerate(_SIZES):
            yield Row(f"a block of a function of {size} blocks, {name}", best[str(i)], best["0"], GOAL)


def _function(statement: str, blocks: int) -> CodeType:
    """A function of at least so many blocks."""
    count = 1
    while True:
        scope: dict[str, object] = {}
        exec("def f(a):\n" + statement * count, scope)
        flow = equip.ControlFlow(scope["f"])
        if len(flow) >= blocks:
            return flow.code
        count = blocks * count // len(flow) + 1


def _seconds_per_block(code: CodeType) -> float:
    """Small functions are done often enough for a time that can be measured."""
    blocks = len(equip.ControlFlow(code))
    times = max(1, 100_000 // blocks)
    return seconds_of(partial(_analyse, code, times)) / blocks / times


def _analyse(code: CodeType, times: int) -> None:
    for _round in range(times):
        tree = equip.DominatorTree(equip.ControlFlow(code))
        _ = tree.dom, tree.post_dom, tree.frontier, tree.post_frontier
