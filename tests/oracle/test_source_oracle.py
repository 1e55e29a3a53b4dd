"""Injected code behaves as the same statements written in the source: cases times programs.

Each pair is run as equip makes it and as `oracle.rewrite` writes it by hand; what they print, record,
raise, and the lines and columns of their tracebacks must be the same. The slow tier runs every case on
every program; the normal tier a few cases on every program, and every case on a few programs.
"""

from __future__ import annotations

import sys

import pytest
from _pytest.mark.structures import ParameterSet

from oracle.batches import run_batch
from oracle.cases import ALL, Case
from oracle.compare import MODULE, SAMPLER, applies, home, targets
from oracle.programs import Program, programs

EVERYWHERE = ("every_join_point", "line_variables")
"""Cases that the normal tier runs on every program: together they have every join point."""
JOIN_POINTS = {"before", "after", "raise", "line", "import", "import_local", "enter", "exit"}
CORE = ("generators", "closures", "try_statements")
"""Programs on which the normal tier runs the cases that are marked ``core``."""
HUGE = {"very_long_jumps": ("all_three", "before_arguments", "line_record")}
"""The only cases for programs that take seconds."""
TASK = "oracle.compare:compare"


def is_normal(program: Program, case: Case) -> bool:
    if program.name in HUGE:
        return False
    return (
        case.name in EVERYWHERE
        or program.name in (SAMPLER, home(case))
        or (case.core and program.name in CORE)
        or (bool(case.module_puts) and program.name == MODULE)
    )


def is_pair(program: Program, case: Case) -> bool:
    if program.name in HUGE and case.name not in HUGE[program.name]:
        return False
    return program.runs_here and applies(program, case)


def cases_of(program: Program, *, slow: bool) -> list[str]:
    """The names of the cases for a program, those of the slow tier or the others."""
    return [c.name for c in ALL.values() if is_normal(program, c) is not slow and is_pair(program, c)]


def items(program: Program, *, slow: bool) -> list[str]:
    return [f"{program.name}:{case}" for case in cases_of(program, slow=slow)]


def check(program: Program, results: dict[str, list[str]], *, slow: bool) -> None:
    failures = {item: results[item] for item in items(program, slow=slow) if results[item]}
    assert not failures, "\n\n".join(f"{item}: " + "\n".join(found) for item, found in failures.items())


@pytest.fixture(scope="module")
def results() -> dict[str, list[str]]:
    """What differs in each pair of the normal tier, by one worker for all."""
    runnable = [p for p in programs().values() if p.runs_here]
    return run_batch(TASK, [item for p in runnable for item in items(p, slow=False)])


def parameters(*, slow: bool) -> list[ParameterSet]:
    """The names of the programs; those for a newer Python are shown as skipped."""
    return [
        pytest.param(name, marks=() if p.runs_here else pytest.mark.skip(reason=f"needs Python {p.minimum}"))
        for name, p in programs().items()
        if not p.runs_here or cases_of(p, slow=slow)
    ]


@pytest.mark.parametrize("name", parameters(slow=False))
def test_as_written_in_source(name: str, results: dict[str, list[str]]) -> None:
    check(programs()[name], results, slow=False)


def test_every_case_is_in_the_normal_tier() -> None:
    ours = {case for program in programs().values() for case in cases_of(program, slow=False)}
    assert ours == {name for name, case in ALL.items() if sys.version_info >= case.minimum}


@pytest.mark.parametrize("name", [p.name for p in programs().values() if p.runs_here and p.name not in HUGE])
def test_every_join_point_is_in_the_normal_tier(name: str) -> None:
    program = programs()[name]
    cases = [ALL[case] for case in cases_of(program, slow=False)]
    there = {put.where for case in cases for put in (*case.puts, *case.module_puts)}
    of_module = {"import", "enter", "exit"}
    assert there >= (JOIN_POINTS if any(not t.is_lambda for t in targets(program)) else of_module)


@pytest.mark.slow
@pytest.mark.parametrize("name", parameters(slow=True))
def test_as_written_in_source_all(name: str) -> None:
    program = programs()[name]
    check(program, run_batch(TASK, items(program, slow=True)), slow=True)
