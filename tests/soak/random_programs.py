"""Random programs through compile, instrument, verify and run, against the oracle and ``sys.settrace``.

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
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from oracle import compare as oracle
from oracle import edgetrace, linetrace
from oracle.batches import run_batch
from oracle.cases import ALL
from oracle.programs import Program
from soak.grammar import program
from soak.outcomes import Row

CASE = "every_join_point"
TASK = "soak.random_programs:compare_seed"
BATCH = 25
_AT_ONCE = 8
_KIND = 22
"""How many characters tell one way to differ from another: the case, and what differs."""


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
    """What differs for the program of a seed; the seed can be the path of a program, too.

    Lines are compared with ``sys.settrace``: where the compiler's own table is odd, source written by hand differs.
    """
    one = made("file", Path(seed).read_text(encoding="utf-8")) if seed.endswith(".py") else made(seed)
    found = oracle.compare(one, CASE, verify=True) if oracle.applies(one, ALL[CASE]) else []
    found = [f"{CASE}: {text}" for text in found]
    found += [f"lines: {text}" for text in linetrace.compare_program(one, "")]
    found += [f"blocks: {text}" for text in edgetrace.flow_program(one, "") if not text.startswith("saw ")]
    return found + [f"lines of blocks: {text}" for text in edgetrace.lines_program(one, "")]


# -- smaller programs ------------------------------------------------------------------------------------------


def minimised(text: str, seconds: float = 60) -> str:
    """The program without what is not needed for it to differ in the same way."""
    end, failing = time.monotonic() + seconds, _kinds([text])[0]
    start = 0
    while failing and time.monotonic() < end:
        candidates = list(_smaller(text))
        for at in [*range(start, len(candidates), _AT_ONCE), *range(0, start, _AT_ONCE)]:
            some = candidates[at : at + _AT_ONCE]
            found = next((one for one, kind in zip(some, _kinds(some), strict=True) if kind == failing), None)
            if found is not None:
                text, start = found, at
                break
            if time.monotonic() > end:
                break
        else:
            break
    return text


def _kinds(texts: list[str]) -> list[str]:
    """The first words of what differs for each program, empty if nothing does."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"{number}.py") for number in range(len(texts))]
        for path, text in zip(paths, texts, strict=True):
            path.write_text(text, encoding="utf-8")
        results = run_batch(TASK, [f":{path}" for path in paths])
    return [found[0].lstrip()[:_KIND] if (found := results[f":{path}"]) else "" for path in paths]


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
    warnings.simplefilter("ignore")
    if options.show is not None:
        found = compare_in_process(options.show)
        print(*found, sep="\n")
        print(minimised(program(options.show), options.seconds) if found else program(options.show))
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
