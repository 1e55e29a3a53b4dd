"""Injected code behaves as the same statements written in the source: cases times programs.

Each pair is run as equip makes it and as `oracle.rewrite` writes it by hand; what they print, record,
raise, and the lines and columns of their tracebacks must be the same. The slow tier runs every case on
every program; the normal tier a few cases on every program, and every case on a few programs.
"""

from __future__ import annotations

import pytest

from oracle.batches import run_batch
from oracle.cases import ALL, Case
from oracle.programs import Program, programs

EVERYWHERE = ("all_three", "line_variables")
"""Cases that the normal tier runs on every program."""
SAMPLER = "sampler"
"""The program on which the normal tier runs every case."""
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
        or program.name == SAMPLER
        or program.name in case.programs[:1]
        or (case.core and program.name in CORE)
        or (bool(case.module_puts) and program.name == "module_body")
    )


def applies(program: Program, case: Case) -> bool:
    if program.name in HUGE:
        return case.name in HUGE[program.name]
    return program.name not in case.not_programs and (not case.programs or program.name in case.programs)


def cases_of(program: Program, *, slow: bool) -> list[str]:
    """The names of the cases for a program, those of the slow tier or the others."""
    return [c.name for c in ALL.values() if applies(program, c) and is_normal(program, c) is not slow]


def items(program: Program, *, slow: bool) -> list[str]:
    return [f"{program.name}:{case}" for case in cases_of(program, slow=slow)]


def check(program: Program, results: dict[str, list[str]], *, slow: bool) -> None:
    failures = {item: results[item] for item in items(program, slow=slow) if results[item]}
    assert not failures, "\n\n".join(f"{item}: " + "\n".join(found) for item, found in failures.items())


def skip_unless_it_runs(program: Program) -> None:
    if not program.runs_here:
        pytest.skip(f"needs Python {'.'.join(map(str, program.minimum))}")


@pytest.fixture(scope="module")
def results() -> dict[str, list[str]]:
    """What differs in each pair of the normal tier, by one worker for all."""
    runnable = [p for p in programs().values() if p.runs_here]
    return run_batch(TASK, [item for p in runnable for item in items(p, slow=False)])


@pytest.mark.parametrize("name", [p.name for p in programs().values() if cases_of(p, slow=False)])
def test_as_written_in_source(name: str, results: dict[str, list[str]]) -> None:
    program = programs()[name]
    skip_unless_it_runs(program)
    check(program, results, slow=False)


@pytest.mark.slow
@pytest.mark.parametrize("name", [p.name for p in programs().values() if cases_of(p, slow=True)])
def test_as_written_in_source_all(name: str) -> None:
    program = programs()[name]
    skip_unless_it_runs(program)
    check(program, run_batch(TASK, items(program, slow=True)), slow=True)
