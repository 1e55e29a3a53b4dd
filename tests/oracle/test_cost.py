"""Injected code costs what the same statements cost in the source, instruction for instruction."""

from __future__ import annotations

import pytest

from oracle.batches import run_batch
from oracle.cases import ALL
from oracle.compare import applies
from oracle.cost import SIMPLE
from oracle.programs import Program, programs

HUGE = ("very_long_jumps",)
LONG = ("many_locals", "long_jumps", "long_comprehension", "many_constants")
"""Programs that take seconds with each instruction counted."""
QUICK = ("before_arguments", "after_value", "raise_exception", "line_record")
"""Cases for the normal tier: one for each join point."""


def check(chosen: list[Program], cases: tuple[str, ...]) -> None:
    items = [f"{p.name}:{case}" for p in chosen for case in cases if applies(p, ALL[case])]
    assert items
    failures = {item: found for item, found in run_batch("oracle.cost:compare_cost", items).items() if found}
    assert not failures, "\n\n".join(f"{item}: " + "\n".join(found) for item, found in failures.items())


def chosen(*, long: bool) -> list[Program]:
    return [p for name, p in programs().items() if p.runs_here and name not in HUGE and (name in LONG) is long]


@pytest.mark.parametrize("case", QUICK)
def test_no_more_instructions_than_written_in_source(case: str) -> None:
    check(chosen(long=False), (case,))


@pytest.mark.slow
@pytest.mark.parametrize("case", SIMPLE)
def test_no_more_instructions_all(case: str) -> None:
    check([*chosen(long=False), *chosen(long=True)], (case,))
