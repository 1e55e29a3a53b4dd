"""BEFORE, AFTER and RAISE see the calls, returns and exceptions that the interpreter reports, in its order.

Against ``sys.setprofile`` on all versions, and against ``sys.monitoring``, which shows the exceptions of
generators too, from 3.12 on: on the corpus and on the workloads.
"""

from __future__ import annotations

import sys

import pytest

from oracle.batches import run_batch
from oracle.programs import programs
from oracle.workloads import QUICK, WORKLOADS

HUGE = ("very_long_jumps",)
RUNNABLE = [name for name, p in programs().items() if p.runs_here and name not in HUGE]
RECORDERS = [
    "profile",
    pytest.param("monitor", marks=pytest.mark.skipif(sys.version_info < (3, 12), reason="needs sys.monitoring (3.12)")),
]


def check(task: str, items: list[str]) -> None:
    failures = {item: found for item, found in run_batch(f"oracle.calltrace:{task}", items).items() if found}
    assert not failures, "\n\n".join(f"{item}: " + "\n".join(found) for item, found in failures.items())


@pytest.mark.parametrize("recorder", RECORDERS)
def test_corpus(recorder: str) -> None:
    check(f"{recorder}_program", [f"{name}:calls" for name in RUNNABLE])


@pytest.mark.parametrize("recorder", RECORDERS)
def test_workloads(recorder: str) -> None:
    check(f"{recorder}_workload", [f"-:{name}" for name in QUICK])


@pytest.mark.slow
@pytest.mark.parametrize("recorder", RECORDERS)
def test_long_workloads(recorder: str) -> None:
    check(f"{recorder}_workload", [f"-:{name}" for name in WORKLOADS if name not in QUICK])
