"""The oracle is right: tested without equip on the plain programs, and with engines that are wrong on purpose."""

from __future__ import annotations

import pytest

from oracle.batches import run_batch
from oracle.check_self import OBSERVING
from oracle.programs import programs

HUGE = ("very_long_jumps",)
RUNNABLE = [name for name, p in programs().items() if p.runs_here and name not in HUGE]
QUICK = ("sampler",)
CHANGING = {("tracebacks", case) for case in OBSERVING}
"""Programs that show their own frames: there a snippet by hand is seen."""
WRONG = (
    "sampler:all_three/nothing", "sampler:all_three/one_missing", "sampler:order/reversed",
    "sampler:shared_counter/twice", "uncaught:line_record/lines", "closures:read_locals_early/refuses_too_little",
    "sampler:before_arguments/longer", "sampler:after_value/longer", "loops:line_record/longer",
)  # fmt: skip


def check(task: str, items: list[str]) -> None:
    results = run_batch(f"oracle.check_self:{task}", items)
    failures = {item: found for item, found in results.items() if found}
    assert not failures, "\n\n".join(f"{item}: " + "\n".join(found) for item, found in failures.items())


def test_tree_and_code_name_the_same_functions() -> None:
    check("check_targets", [f"{name}:targets" for name in RUNNABLE])


def test_wrong_engines_are_noticed() -> None:
    check("check_notices", list(WRONG))


@pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in RUNNABLE])
def test_looking_changes_nothing(name: str) -> None:
    check("check", [f"{name}:{case}" for case in OBSERVING if (name, case) not in CHANGING])
