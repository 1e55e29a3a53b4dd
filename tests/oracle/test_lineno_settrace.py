"""LINENO is encountered exactly when ``sys.settrace`` has a line event: the same lines in the same order.

At every line of every function: of the corpus, and of the standard library modules of the workloads.
"""

from __future__ import annotations

import pytest

from oracle.batches import run_batch
from oracle.programs import programs
from oracle.workloads import QUICK, WORKLOADS

HUGE = ("very_long_jumps",)
CORPUS, WORKLOAD = "oracle.linetrace:compare_program", "oracle.linetrace:compare_workload"


@pytest.fixture(scope="module")
def corpus() -> dict[str, list[str]]:
    """What differs in each program, by one worker for all."""
    return run_batch(CORPUS, [f"{p.name}:lines" for p in programs().values() if p.runs_here and p.name not in HUGE])


@pytest.fixture(scope="module")
def quick_workloads() -> dict[str, list[str]]:
    return run_batch(WORKLOAD, [f"-:{name}" for name in QUICK])


@pytest.mark.parametrize("name", [name for name in programs() if name not in HUGE])
def test_corpus(name: str, corpus: dict[str, list[str]]) -> None:
    if not programs()[name].runs_here:
        pytest.skip(f"needs Python {'.'.join(map(str, programs()[name].minimum))}")
    problems = corpus[f"{name}:lines"]
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("name", QUICK)
def test_workload(name: str, quick_workloads: dict[str, list[str]]) -> None:
    problems = quick_workloads[f"-:{name}"]
    assert not problems, "\n".join(problems)


@pytest.mark.slow
@pytest.mark.parametrize("name", HUGE)
def test_huge_program(name: str) -> None:
    problems = run_batch(CORPUS, [f"{name}:lines"])[f"{name}:lines"]
    assert not problems, "\n".join(problems)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in WORKLOADS if name not in QUICK])
def test_long_workload(name: str) -> None:
    problems = run_batch(WORKLOAD, [f"-:{name}"])[f"-:{name}"]
    assert not problems, "\n".join(problems)
