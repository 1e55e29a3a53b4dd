"""Many comparisons in few processes, and the name of the one that crashed."""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]


def environment() -> dict[str, str]:
    """The environment of a worker: the tests and the equip of this process on its path."""
    paths = [str(TESTS)]
    if spec := importlib.util.find_spec("equip"):
        locations = spec.submodule_search_locations or []
        paths += [str(Path(location).parent) for location in locations]
    rest = os.environ.get("PYTHONPATH", "")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([*paths, *filter(None, [rest])]), "PYTHONHASHSEED": "0"}


def run_batch(task: str, items: Sequence[str]) -> dict[str, list[str]]:
    """Of each ``PROGRAM:NAME``, what the task found wrong.

    A worker that dies is started again behind the item that it died in.
    """
    results: dict[str, list[str]] = {}
    todo = list(items)
    while todo:
        process = start(task, todo)
        results |= parse(process.stdout, process)
        todo = [item for item in todo if item not in results]
        if todo and not process.stdout.startswith("start "):
            return {item: [f"the worker did not start: {process.stderr[-3000:]}"] for item in items}
    return results


def start(task: str, items: Sequence[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-X", "faulthandler", "-m", "oracle.worker", task, *items]
    run = functools.partial(subprocess.run, capture_output=True, text=True, encoding="utf-8", errors="replace")
    try:
        return run(command, env=environment(), cwd=TESTS, timeout=600)
    except subprocess.TimeoutExpired as expired:
        output = expired.stdout or b""
        return subprocess.CompletedProcess(command, -99, output.decode("utf-8", "replace"), "timed out")


def parse(output: str, process: subprocess.CompletedProcess[str]) -> dict[str, list[str]]:
    """The results that a worker printed; the one it died in is a failure of its own."""
    results: dict[str, list[str]] = {}
    current = None
    for text in output.splitlines():
        if text.startswith("start "):
            current = text.removeprefix("start ")
        elif current and text.startswith("["):
            results[current] = json.loads(text)
            current = None
    if current:
        results[current] = [f"the process died with status {process.returncode}: {process.stderr[-3000:]}"]
    return results
