"""Times that can be compared: taken in turn, the minimum of several, in processes that know nothing of each other.

A time is CPU time of one process, which other programs on the machine disturb less than the clock on the wall.
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass

ROUNDS = 5


@dataclass(frozen=True)
class Row:
    """A line of the result: a time, as it is and against ``reference``; ``goal`` is the highest ratio wanted."""

    work: str
    seconds: float
    reference: float
    goal: float | None = None

    @property
    def ratio(self) -> float:
        return self.seconds / self.reference


def minima(tasks: Mapping[str, Callable[[], float]], rounds: int = ROUNDS) -> dict[str, float]:
    """The least of ``rounds`` times of each task; every round has each task once."""
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            times[name].append(task())
    return {name: min(found) for name, found in times.items()}


def seconds_of(work: Callable[[], object]) -> float:
    """The time of ``work`` once, with nothing in the way that came before it."""
    gc.collect()
    gc.freeze()
    begin = time.process_time()
    work()
    return time.process_time() - begin


def in_new_process(module: str, *arguments: str) -> str:
    """What ``python -m module`` prints."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr}")
    return done.stdout


def typical_rows(module: str, *arguments: str, processes: int = ROUNDS) -> list[Row]:
    """Of the rows that ``python -m module`` prints (with ``print_rows``), each as in the process of median ratio.

    How fast a loop runs depends on where a process happens to have things in memory.
    """
    found = [json.loads(in_new_process(module, *arguments)) for _ in range(processes)]
    return [
        sorted((Row(**row) for row in same), key=lambda row: row.ratio)[processes // 2]
        for same in zip(*found, strict=True)
    ]


def print_rows(rows: Iterable[Row]) -> None:
    print(json.dumps([asdict(row) for row in rows]))
