"""Runs the tests on every supported Python of this machine, and says at the end which were not found.

    python3 tools/run_tests.py [--require-all] [--python VERSION]... [PYTEST ARGUMENT]...

The exit status is 0 if all tests that ran passed, on every interpreter found; with ``--require-all`` a missing
interpreter is a failure, too.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

from pythons import ROOT, SUPPORTED, TESTING, WHERE_LOOKED, Python, chosen, environment


@dataclass
class Outcome:
    """What became of the tests on one Python."""

    python: Python
    passed: int
    failed: int
    skipped: int
    seconds: float
    note: str = ""

    def __str__(self) -> str:
        counts = f"{self.passed:6} passed, {self.failed} failed, {self.skipped} skipped"
        return f"  {self.python.release:8}{counts} in {self.seconds:.0f} s{self.note}"


def main() -> int:
    options, pytest_arguments = _options()
    wanted = options.python or list(SUPPORTED)
    pythons = chosen(wanted)
    missing = [version for version in wanted if version not in pythons]
    if missing and options.require_all:
        print(f"NOT FOUND: Python {', '.join(missing)} ({WHERE_LOOKED}); all are required", file=sys.stderr)
        return 1
    outcomes = [_test_on(python, pytest_arguments) for python in pythons.values()]
    return _summarize(outcomes, missing)


def _options() -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(description="Runs the tests on every supported Python of this machine.")
    parser.add_argument("--require-all", action="store_true", help="a missing interpreter is a failure")
    parser.add_argument(
        "--python", action="append", choices=SUPPORTED, metavar="VERSION", help="only this version; can be repeated"
    )
    return parser.parse_known_args()


def _test_on(python: Python, pytest_arguments: list[str]) -> Outcome:
    interpreter = environment(python, *TESTING)
    results = ROOT / ".venv" / python.version / "results.xml"
    results.unlink(missing_ok=True)
    print(f"\n== Python {python.release}\n", flush=True)
    jobs = str(min(os.cpu_count() or 1, 8))
    command = [str(interpreter), "-m", "pytest", "-n", jobs, "--dist", "loadgroup", f"--junit-xml={results}"]
    begin = time.monotonic()
    status = subprocess.run([*command, *pytest_arguments], cwd=ROOT).returncode
    return _outcome(python, status, results, time.monotonic() - begin)


def _outcome(python: Python, status: int, results: Path, seconds: float) -> Outcome:
    """The counts that pytest wrote down; an end that they do not explain counts as a failure."""
    total = passed = failed = skipped = 0
    if results.exists():
        for suite in ElementTree.parse(results).getroot().iter("testsuite"):
            count = {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}
            total += count["tests"]
            failed += count["failures"] + count["errors"]
            skipped += count["skipped"]
        passed = max(total - failed - skipped, 0)
    if status and not failed:
        return Outcome(python, passed, 1, skipped, seconds, f" (pytest ended with status {status})")
    return Outcome(python, passed, failed, skipped, seconds)


def _summarize(outcomes: list[Outcome], missing: list[str]) -> int:
    print("\n== Tested")
    for outcome in outcomes:
        print(outcome)
    if missing:
        print(f"\nNOT TESTED, no interpreter: Python {', '.join(missing)} ({WHERE_LOOKED})")
    failed = sum(outcome.failed for outcome in outcomes)
    print(f"\n{sum(outcome.passed for outcome in outcomes)} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
