"""LINENO is encountered exactly when ``sys.settrace`` has a line event: the same lines in the same order.

At every line of every function: of the corpus, and of the standard library modules of the workloads.
"""

from __future__ import annotations

import pytest

from oracle.batches import run_batch
from oracle.programs import programs
from oracle.workloads import QUICK, WORKLOADS

HUGE = ("very_long_jumps",)


def slow_unless(quick: bool, name: str) -> object:
    return name if quick else pytest.param(name, marks=pytest.mark.slow)


@pytest.mark.parametrize("name", [slow_unless(name not in HUGE, name) for name in programs()])
def test_corpus(name: str) -> None:
    if not programs()[name].runs_here:
        pytest.skip(f"needs Python {'.'.join(map(str, programs()[name].minimum))}")
    problems = run_batch("oracle.linetrace:compare_program", name, ["lines"])["lines"]
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("name", [slow_unless(name in QUICK, name) for name in WORKLOADS])
def test_workload(name: str) -> None:
    problems = run_batch("oracle.linetrace:compare_workload", "-", [name])[name]
    assert not problems, "\n".join(problems)
