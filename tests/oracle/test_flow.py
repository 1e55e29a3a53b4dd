"""Where control really goes is an edge of the graph, or inside a block.

Against the opcode events of ``sys.settrace`` on all versions, and against the instructions, branches
and jumps that ``sys.monitoring`` shows from 3.12 on: on the corpus and on the workloads.
"""

from __future__ import annotations

import sys

import pytest

from oracle.batches import run_batch
from oracle.programs import programs
from oracle.workloads import QUICK, WORKLOADS

HUGE = ("very_long_jumps",)
RUNNABLE = [name for name, p in programs().items() if p.runs_here and name not in HUGE]
NEW = pytest.mark.skipif(sys.version_info < (3, 12), reason="needs sys.monitoring (3.12)")
RECORDERS = ["trace", pytest.param("instructions", marks=NEW), pytest.param("monitor", marks=NEW)]
EVERYTHING = {"FALLTHROUGH", "JUMP", "TRUE", "FALSE", "EXHAUSTED", "EXCEPTION", "RETURN", "RAISE"}
BRANCHES = {"JUMP", "TRUE", "FALSE", "EXHAUSTED", "FALLTHROUGH"}


def check(task: str, items: list[str]) -> set[str]:
    """The kinds of edges that were seen."""
    results = run_batch(f"oracle.flowtrace:{task}", items)
    assert set(results) == set(items)
    failures = {
        item: problems
        for item, found in results.items()
        if (problems := [one for one in found if not one.startswith("saw ")])
    }
    assert not failures, "\n\n".join(f"{item}: " + "\n".join(found) for item, found in failures.items())
    return {one.removeprefix("saw ") for found in results.values() for one in found}


@pytest.mark.parametrize("recorder", RECORDERS)
def test_corpus(recorder: str) -> None:
    seen = check(f"{recorder}_program", [f"{name}:flow" for name in RUNNABLE])
    assert seen >= (BRANCHES if recorder == "monitor" else EVERYTHING)


@pytest.mark.parametrize("recorder", RECORDERS)
def test_workloads(recorder: str) -> None:
    seen = check(f"{recorder}_workload", [f"-:{name}" for name in QUICK])
    assert seen >= (BRANCHES if recorder == "monitor" else EVERYTHING)


@pytest.mark.slow
@pytest.mark.parametrize("recorder", RECORDERS)
def test_long_workloads(recorder: str) -> None:
    check(f"{recorder}_workload", [f"-:{name}" for name in WORKLOADS if name not in QUICK])
