"""Random programs through compile, instrument, verify and run, against the oracle.

    python random_programs.py [--seconds N] [--seed N] [--show SEED]

prints the seed of each program that behaves otherwise than the one written by hand, and the smallest program
found that still does.
"""

from __future__ import annotations

import argparse
import ast
import json
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from oracle import compare as oracle
from oracle.batches import run_batch
from oracle.cases import ALL
from oracle.programs import Program
from soak.grammar import program
from soak.outcomes import Row

CASES = ("every_join_point", "line_variables")
TASK = "soak.random_programs:compare_seed"
BATCH = 25


@dataclass(frozen=True)
class RandomProgram(Program):
    """A program of which only the text is there; its path names no file."""

    text: str = ""

    @property
    def source(self) -> str:
        return self.text


def made(seed: int | str, text: str | None = None) -> RandomProgram:
    return RandomProgram(f"random_{seed}", f"random_{seed}.py", (3, 11), text or program(int(seed)))


def compare_seed(_: object, seed: str) -> list[str]:
    """What differs for the program of a seed; the seed can be the path of a program, too."""
    one = made("file", Path(seed).read_text(encoding="utf-8")) if seed.endswith(".py") else made(seed)
    return [f"{case}: {found}" for case in CASES for found in compare(one, case)]


def compare(one: RandomProgram, case_name: str) -> list[str]:
    if not oracle.applies(one, ALL[case_name]):
        return []
    return oracle.compare(one, case_name, verify=True)


# -- smaller programs ------------------------------------------------------------------------------------------


def minimised(text: str, seconds: float = 60) -> str:
    """The program without what is not needed for it to differ in the same way."""
    end, failing = time.monotonic() + seconds, _kind(text)
    improved = True
    while improved and failing:
        improved = False
        for smaller in _smaller(text):
            if time.monotonic() > end:
                return text
            if _kind(smaller) == failing:
                text, improved = smaller, True
                break
    return text


def _kind(text: str) -> str:
    """The first words of what differs, empty if nothing does."""
    with tempfile.NamedTemporaryFile("w", suffix=".py", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        found = run_batch(TASK, [f":{file.name}"])[f":{file.name}"]
    return found[0].lstrip()[:40] if found else ""


def _smaller(text: str) -> Iterator[str]:
    """The program with one statement left out, or replaced by what it contains, the large ones first."""
    tree = ast.parse(text)
    bodies = [
        (node, name)
        for node in ast.walk(tree)
        for name in ("body", "orelse", "finalbody")
        if isinstance(getattr(node, name, None), list) and getattr(node, name)
    ]
    for node, name in bodies:
        statements = getattr(node, name)
        for index, statement in enumerate(statements):
            inner = getattr(statement, "body", [])
            for replacement in ([], [ast.Pass()], inner if isinstance(inner, list) else []):
                if [ast.dump(one) for one in replacement] == [ast.dump(statement)]:
                    continue
                setattr(node, name, [*statements[:index], *replacement, *statements[index + 1 :]])
                try:
                    smaller = ast.unparse(ast.fix_missing_locations(tree))
                    compile(smaller, "<smaller>", "exec", dont_inherit=True)
                except (SyntaxError, ValueError):
                    continue
                finally:
                    setattr(node, name, statements)
                if len(smaller) < len(text):
                    yield smaller


# -- campaigns -------------------------------------------------------------------------------------------------


def campaign(seconds: float, seed: int) -> tuple[int, dict[int, list[str]]]:
    """How many programs were tried from ``seed`` on, and what differed, by seeds."""
    end, tried, failures = time.monotonic() + seconds, 0, {}
    while time.monotonic() < end:
        seeds = range(seed + tried, seed + tried + BATCH)
        results = run_batch(TASK, [f":{one}" for one in seeds])
        failures |= {one: results[f":{one}"] for one in seeds if results[f":{one}"]}
        tried += BATCH
    return tried, failures


def main() -> int:
    parser = argparse.ArgumentParser(description="Compares random programs, instrumented, with the oracle.")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", type=int, metavar="SEED", help="minimise the program of one seed")
    parser.add_argument("--row", type=Path, help="write the figures to this file, as JSON")
    options = parser.parse_args()
    if options.show is not None:
        found = compare_in_process(options.show)
        print(*found, sep="\n")
        print(minimised(program(options.show)) if found else program(options.show))
        return bool(found)
    tried, failures = campaign(options.seconds, options.seed)
    print(f"Python {sys.version.split()[0]}: {tried} programs from seed {options.seed} on, {len(failures)} differ")
    for seed, found in failures.items():
        print(f"seed {seed}: {found[0][:2000]}")
    if options.row:
        row = Row(f"random programs: {tried} from {options.seed} on", platform.python_version())
        row.differences = [f"seed {seed}: {found[0][:300]}" for seed, found in failures.items()]
        row.seconds = options.seconds
        options.row.write_text(json.dumps(asdict(row)), encoding="utf-8")
    return bool(failures)


def compare_in_process(seed: int) -> list[str]:
    return run_batch(TASK, [f":{seed}"])[f":{seed}"]


if __name__ == "__main__":
    sys.exit(main())
