"""The example ``branch_coverage``: the branches that ran, and coverage.py's word on the same run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import equip

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "branch_coverage" / "branch_coverage.py"
PROGRAM = '''
import asyncio


def classify(number, names=()):
    if number < 0:
        kind = "negative"
    elif number == 0:
        kind = "zero"
    else:
        kind = "positive"
    for name in names:
        if name is None:
            continue
        if name == "stop" and number:
            break
        kind += name
    else:
        kind += "!"
    while number > 3:
        number -= 2
        if number == 4:
            raise ValueError(number)
    if kind:
        return kind


def numbers(limit):
    for i in range(limit):
        if i % 2:
            yield i


def careful(text):
    try:
        value = int(text)
    except ValueError:
        value = None
    if value is not None:
        print("int")
    elif text:
        print("text")
    while value:
        value -= 1
        if value == 5:
            break


async def waits(items):
    async for item in agen(items):
        if item:
            await asyncio.sleep(0)
    return [item for item in items if item]


async def agen(items):
    for item in items:
        yield item


def main():
    print(classify(1, ["a", None]), classify(-1), classify(9, ["stop"]))
    print(list(numbers(4)), next(numbers(9)))
    careful("7")
    careful("x")
    print(asyncio.run(waits([0, 1])))
    try:
        classify(6)
    except ValueError:
        print("four")
    if not main:
        print("never")
'''


@pytest.fixture
def program(shop: Path) -> Path:
    (shop / "work.py").write_text(PROGRAM, encoding="utf-8")
    (shop / "run.py").write_text("from shop.work import main\n\nmain()\n", encoding="utf-8")
    return shop


def python(program: Path, *arguments: str) -> str:
    """The output of this Python in the folder of the program; equip and coverage.py can be imported."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV"))}
    environment |= {"PYTHONPATH": str(Path(equip.__file__).parents[1]), "COVERAGE_CORE": "ctrace"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=program.parent, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_as_coverage_says(program: Path) -> None:
    """Both measure one run. An ``except`` clause that may not match is a branch here only, ``async for`` there only."""
    printed = python(program, str(SCRIPT), str(program))
    probes, edges = (int(word) for word in printed.splitlines()[-1].split() if word.isdigit())
    assert 0 < 2 * probes < edges
    run = python(program, "-m", "coverage", "run", "--branch", "--source=shop", "-m", "shop.run")
    assert run.splitlines()[0] == "positivea! negative! positive"
    python(program, "-m", "coverage", "json", "-q", "-o", "coverage.json")
    measured = json.loads(python(program, str(SCRIPT), "--json", "--report", "branches.json"))
    ours = {(line, behind): ran for line, behind, ran in measured[str(program / "work.py")]}
    found = json.loads((program.parent / "coverage.json").read_bytes())["files"][os.path.join("shop", "work.py")]
    theirs = {tuple(branch): True for branch in found["executed_branches"]}
    theirs |= {tuple(branch): False for branch in found["missing_branches"]}
    source = ["", *PROGRAM.splitlines()]
    theirs = {branch: ran for branch, ran in theirs.items() if not source[branch[0]].strip().startswith("async for")}
    lines = {line for line, _ in theirs}
    assert len(theirs) > 25
    assert not all(theirs.values())
    assert {branch: ran for branch, ran in ours.items() if branch[0] in lines} == theirs
    others = {source[line].split()[0] for line, _ in ours if line not in lines}
    assert others <= {"except", "return", "async"}


def test_report(program: Path, start: object) -> None:
    python(program, str(SCRIPT), str(program))
    python(program, "-S", "-m", "shop.run")
    report = python(program, str(SCRIPT), "--report", "branches.json").splitlines()
    head = next(line for line in report if line.startswith(os.path.join("shop", "work.py")))
    assert head.endswith(" branches ran")
    never = PROGRAM.splitlines().index("    if not main:") + 1
    assert f"  line {never}: never to line {never + 1}" in report
    assert f"  line {never}: never out of the function" not in report
