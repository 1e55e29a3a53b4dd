"""What became of each test of a suite, plain and instrumented, and how the two differ."""

from __future__ import annotations

import argparse
import fnmatch
import json
import re
import shutil
import tempfile
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

Outcomes = dict[str, str]
"""Test by name: passed, failed, skipped, or what else its suite calls it."""

_PASSING = re.compile(r"0x[0-9a-fA-F]{6,}|\b\d\d:\d\d:\d\d\b")
"""Addresses and times of the day in the names of tests: other ones in each run."""


def read_junit(path: Path) -> Outcomes:
    """The outcomes in an XML file such as pytest writes. A test that stands there twice has the worse one."""
    found: Outcomes = {}
    seen: Counter[str] = Counter()
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        name = _PASSING.sub("...", f"{case.get('classname')}::{case.get('name')}")
        kinds = {child.tag for child in case}
        outcome = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
        seen[name] += 1
        found[name if seen[name] == 1 else f"{name}#{seen[name]}"] = outcome
    return found


@dataclass
class Row:
    """A program on one Python: a line of the table that ``make soak`` prints."""

    program: str
    release: str
    functions: int = 0
    hits: int = 0
    plain: int = 0
    """Tests that passed."""
    instrumented: int = 0
    differences: list[str] = field(default_factory=list)
    """Such as ``test_x: passed, failed``: those that nothing explains."""
    explained: list[str] = field(default_factory=list)
    crashes: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """What kept it from running as it should."""
    seconds: float = 0.0

    @property
    def is_good(self) -> bool:
        return not (self.differences or self.crashes or self.faults)


def compare(row: Row, plain: Outcomes, instrumented: Outcomes, explained: Mapping[str, str]) -> None:
    """Fill in what the outcomes say. ``explained`` has reasons by globs of test names."""
    row.plain += sum(outcome == "passed" for outcome in plain.values())
    row.instrumented += sum(outcome == "passed" for outcome in instrumented.values())
    for name in sorted({*plain, *instrumented}):
        was, now = plain.get(name, "missing"), instrumented.get(name, "missing")
        if was == now:
            continue
        reason = next((why for glob, why in explained.items() if fnmatch.fnmatchcase(name, glob)), None)
        if reason is None:
            row.differences.append(f"{name}: {was}, {now}")
        else:
            row.explained.append(f"{name}: {reason}")


# -- as programs -------------------------------------------------------------------------------------------------


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """The options of all programs that make a row."""
    parser.add_argument("--row", type=Path, help="write the figures to this file, as JSON")
    parser.add_argument("--scratch", type=Path, help="work here, and keep it")


def run_in_scratch(options: argparse.Namespace, run: Callable[[Path], Row]) -> int:
    """Run in a scratch folder, show and keep the row. The exit status: 0 if it is good."""
    with tempfile.TemporaryDirectory(prefix="equip-soak-") as folder:
        scratch = options.scratch or Path(folder)
        if options.scratch:
            shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir(parents=True)
        row = run(scratch.absolute())
    print(json.dumps(asdict(row), indent=1))
    if options.row:
        options.row.write_text(json.dumps(asdict(row)), encoding="utf-8")
    return 0 if row.is_good else 1
