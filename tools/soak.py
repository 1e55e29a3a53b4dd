"""Damaged code, random programs, CPython's own tests and those of other packages, for a given time; one table.

    python3 tools/soak.py [--seconds N] [--python VERSION]... [--only damage|random|library|packages]... [--json FILE]

The time is shared out among the Pythons, and on each among the four kinds of work; setting up is not counted. Source
distributions come from the package index and are kept in ``.venv/sources``. The exit status is 0 if nothing
differed that is not explained, and nothing crashed. What each kind does is told in ``tests/soak``.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pythons import ROOT, SUPPORTED, WHERE_LOOKED, Python, chosen, environment

SOAK = ROOT / "tests" / "soak"
SOURCES = ROOT / ".venv" / "sources"
REQUIREMENTS = ("--editable", ".[soak]")
SHARES = {"damage": 0.15, "random": 0.15, "library": 0.35, "packages": 0.35}

JsonRow = dict[str, Any]
"""A row as ``tests/soak/outcomes.py`` has it."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Runs programs plain and instrumented for a given time.")
    parser.add_argument("--seconds", type=float, default=1200, help="for all Pythons together (1200)")
    parser.add_argument("--only", action="append", choices=list(SHARES), help="only this work; can be repeated")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows to FILE, too")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6, 10**9), help="of random work")
    parser.add_argument(
        "--python", action="append", choices=SUPPORTED, metavar="VERSION", help="only this version; can be repeated"
    )
    options = parser.parse_args()
    pythons = chosen(options.python)
    kinds = options.only or list(SHARES)
    rows: list[JsonRow] = []
    for python in pythons.values():
        for row in _soak(python, options.seconds / len(pythons), kinds, options.seed):
            print(f"   {row['program']}: {'as it should be' if _is_good(row) else 'NOT as it should be'}", flush=True)
            rows.append(row)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    _print_table(list(pythons.values())[-1], rows)
    if missing := [version for version in options.python or SUPPORTED if version not in pythons]:
        print(f"\nNOT RUN, no interpreter: Python {', '.join(missing)} ({WHERE_LOOKED})")
    return 0 if all(map(_is_good, rows)) else 1


def _soak(python: Python, seconds: float, kinds: list[str], seed: int) -> Iterator[JsonRow]:
    """The rows of one Python."""
    interpreter = environment(python, *REQUIREMENTS, name=f"soak-{python.version}")
    print(f"\n== Python {python.release}, seed {seed}\n", flush=True)
    whole = sum(SHARES[kind] for kind in kinds)
    for kind in kinds:
        share = seconds * SHARES[kind] / whole
        if kind == "damage":
            yield _damage(interpreter, python, share, seed)
        elif kind == "packages":
            yield from _packages(interpreter, python, share)
        else:
            script, further = ("library.py", ()) if kind == "library" else ("random_programs.py", ("--seed", str(seed)))
            yield _row_of(interpreter, python, script, "--seconds", str(share), *further)


def _packages(interpreter: Path, python: Python, seconds: float) -> Iterator[JsonRow]:
    """As many packages as there is time for, those first that the last run left out."""
    listing = "from soak.packages import PACKAGES; print(*PACKAGES)"
    told = subprocess.run([interpreter, "-c", listing], cwd=SOAK.parent, capture_output=True, text=True, check=True)
    names, end = told.stdout.split(), time.monotonic() + seconds
    turn = SOURCES / f"turn-{python.version}"
    first = int(turn.read_text()) if turn.exists() else 0
    SOURCES.mkdir(parents=True, exist_ok=True)
    for number in range(len(names)):
        if number and time.monotonic() > end:
            return
        yield _row_of(interpreter, python, "suites.py", "--sources", str(SOURCES), names[(first + number) % len(names)])
        turn.write_text(str((first + number + 1) % len(names)))


def _row_of(interpreter: Path, python: Python, script: str, *arguments: str) -> JsonRow:
    """The row that a script of ``tests/soak`` writes; one that says so if it ends without."""
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder, "row.json")
        command = [str(interpreter), str(SOAK / script), "--row", str(found), *arguments]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if found.exists():
            row: JsonRow = json.loads(found.read_text(encoding="utf-8"))
            return row
    fault = f"ended with status {done.returncode}: {done.stderr.strip()[-600:]}"
    return _empty(f"{script} {arguments[-1]}", python, faults=[fault])


def _damage(interpreter: Path, python: Python, seconds: float, seed: int) -> JsonRow:
    command = [str(interpreter), str(SOAK / "damage.py"), "--seconds", str(seconds), "--seed", str(seed)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    found = re.search(r"mutants (\d+), clean (\d+), clean and crashed (\d+) (\[.*?\]),", done.stdout)
    if found is None:
        return _empty("damaged code", python, faults=[done.stderr.strip()[-600:]])
    crashes = [found[4]] if int(found[3]) else []
    title = f"damaged code: {found[1]} mutants, {found[2]} clean"
    return _empty(title, python, crashes=crashes, seconds=seconds)


def _empty(program: str, python: Python, **figures: object) -> JsonRow:
    counts = dict.fromkeys(("functions", "hits", "plain", "instrumented", "seconds"), 0)
    lists: JsonRow = {name: [] for name in ("differences", "explained", "crashes", "faults")}
    return {"program": program, "release": python.release, **counts, **lists, **figures}


def _is_good(row: JsonRow) -> bool:
    return not (row["differences"] or row["crashes"] or row["faults"])


def _print_table(python: Python, rows: list[JsonRow]) -> None:
    interpreter = environment(python, *REQUIREMENTS, name=f"soak-{python.version}")
    table = [str(interpreter), str(Path(__file__).with_name("soak_table.py"))]
    sys.stdout.flush()
    subprocess.run(table, input=json.dumps(rows), text=True, check=True)


if __name__ == "__main__":
    sys.exit(main())
