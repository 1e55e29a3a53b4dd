"""Random programs, instrumented, behave as the oracle says: a short slice, and a long one."""

from __future__ import annotations

import ast
import os
import random
import warnings

import pytest

from oracle.batches import run_batch
from soak.grammar import program
from soak.random_programs import TASK, campaign, minimised

SLICE = 3


def test_a_seed_is_a_program() -> None:
    assert program(3) == program(3) != program(4)


def test_programs_have_all_kinds_of_statements() -> None:
    warnings.simplefilter("ignore")  # restored by pytest
    seen = {type(node) for seed in range(20) for node in ast.walk(ast.parse(program(seed)))}
    for kind in (ast.Try, ast.TryStar, ast.With, ast.AsyncWith, ast.AsyncFor, ast.Match, ast.While, ast.YieldFrom):
        assert kind in seen


def test_a_slice() -> None:
    """The same few programs each time, so that a change is judged by what it does; the soak takes new ones."""
    results = run_batch(TASK, [f":{seed}" for seed in range(SLICE)])
    assert {seed: found for seed, found in results.items() if found} == {}


@pytest.mark.slow
def test_for_long() -> None:
    seconds = float(os.environ.get("EQUIP_SOAK_SECONDS", "600"))
    tried, failures = campaign(seconds, random.randrange(10**6, 10**9))
    assert tried
    assert not failures, "\n\n".join(
        f"seed {seed}: {found[0]}\n{minimised(program(seed))}" for seed, found in failures.items()
    )
