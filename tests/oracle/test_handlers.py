"""A snippet at a line stands in the same ``try``, ``with`` and ``except`` as the statement written there."""

from __future__ import annotations

import pytest

from oracle import handlers
from oracle.batches import run_batch
from oracle.programs import programs

HUGE = ("very_long_jumps",)
SEEDS = 20
PROGRAM, SEED = "oracle.handlers:compare_program", "oracle.handlers:compare_seed"


@pytest.fixture(scope="module")
def corpus() -> dict[str, list[str]]:
    """What differs in each program, by one worker for all."""
    return run_batch(PROGRAM, [f"{p.name}:" for p in programs().values() if p.runs_here and p.name not in HUGE])


@pytest.mark.parametrize("name", [name for name in programs() if name not in HUGE])
def test_corpus(name: str, corpus: dict[str, list[str]]) -> None:
    if not programs()[name].runs_here:
        pytest.skip(f"needs Python {'.'.join(map(str, programs()[name].minimum))}")
    problems = corpus[f"{name}:"]
    assert not problems, "\n".join(problems)


def test_random_programs() -> None:
    assert_same(range(SEEDS))


@pytest.mark.slow
def test_many_random_programs() -> None:
    assert_same(range(SEEDS, 150))


@pytest.mark.slow
def test_standard_library() -> None:
    assert run_batch("oracle.handlers:compare_library", [":"]) == {":": []}


def assert_same(seeds: range) -> None:
    results = run_batch(SEED, [f":{seed}" for seed in seeds])
    assert {seed: found for seed, found in results.items() if found} == {}


def test_it_is_seen_when_a_snippet_is_in_another_handler(monkeypatch: pytest.MonkeyPatch) -> None:
    source = "def f():\n    try:\n        g()\n        return 1\n    finally:\n        h()\n"
    assert not handlers.compare_source(source)
    monkeypatch.setattr("equip.inject.bodies.Bodies.at", lambda *_: None)
    assert any("line 4: expected [(Step(kind='try', line=6" in problem for problem in handlers.compare_source(source))
