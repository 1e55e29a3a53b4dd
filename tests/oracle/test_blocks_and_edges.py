"""BLOCK and EDGE run exactly when control comes to the block or goes along the edge: all of them, in the same order.

At every block and edge of every body that can have code, against the instructions that really run; and no line has an
event that had none.
"""

from __future__ import annotations

import pytest

from equip import EdgeKind
from oracle.batches import run_batch
from oracle.programs import programs
from oracle.workloads import QUICK

HUGE = ("very_long_jumps",)
RUNNABLE = [name for name, p in programs().items() if p.runs_here and name not in HUGE]
USUAL = (
    "asyncio_tasks comprehensions delegation except_star exceptions generators matching recursion sampler "
    "try_statements with_statements coroutines"
).split()
KINDS = {kind.name for kind in EdgeKind} - {"RAISE"}


def check(task: str, items: list[str]) -> set[str]:
    """The kinds of edges that had code."""
    results = run_batch(f"oracle.edgetrace:{task}", items)
    assert set(results) == set(items)
    failures = {
        item: problems
        for item, found in results.items()
        if (problems := [one for one in found if not one.startswith("saw ")])
    }
    assert not failures, "\n\n".join(f"{item}: " + "\n".join(found) for item, found in failures.items())
    return {one.removeprefix("saw ") for found in results.values() for one in found}


def test_corpus() -> None:
    assert check("flow_program", [f"{name}:flow" for name in USUAL if name in RUNNABLE]) == KINDS


def test_lines() -> None:
    check("lines_program", [f"{name}:lines" for name in RUNNABLE])


@pytest.mark.slow
def test_whole_corpus() -> None:
    check("flow_program", [f"{name}:flow" for name in RUNNABLE])


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
def test_workload(name: str) -> None:
    check("flow_workload", [f"-:{name}"])
