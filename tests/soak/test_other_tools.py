"""Debuggers, coverage.py and pytest's assertion rewriting work on instrumented code as on plain code."""

from __future__ import annotations

import bdb
import io
import json
import pdb  # noqa: T100
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

import equip
from oracle.batches import environment

PROGRAM = '''
def total(prices, rate=1):
    result = 0
    for price in prices:
        if price < 0:
            continue
        try:
            result += price * rate
        finally:
            rate = rate
    return result

def numbers(n):
    while n:
        yield n
        n -= 1

def swallowed(text):
    try:
        with open(text) as file:
            return file.read()
    except OSError as error:
        found = type(error).__name__
    return found

def leaves(a):
    if a:
        raise ValueError(a)
    return a

def main():
    found = [total([1, -1, 2]), [one for one in numbers(2)], swallowed("/no such file")]
    try:
        leaves(1)
    except ValueError:
        found.append(leaves(0))
    return found
'''


class Everywhere(equip.MethodVisitor):
    """Snippets of several lines, with loops and handlers of their own, in each function."""

    def __init__(self, *, on_raise: bool) -> None:
        self.on_raise = on_raise

    def visit(self, decl: equip.MethodDeclaration) -> None:
        rewriter = equip.SimpleRewriter(decl)
        rewriter.insert_before("first = [{arguments}]\nsecond = first\nif second:\n    third = 1")
        rewriter.insert_after("first = {return_value}\nsecond = 3")
        if self.on_raise:
            rewriter.insert_on_raise("seen = {exception}")
        for line in range(decl.start_lineno, decl.end_lineno + 1):
            try:
                rewriter.insert_at_line(line, "one = {lineno}\ntry:\n    two = one\nexcept TypeError:\n    pass")
            except equip.JoinPointError:
                continue


def program(path: str, *, instrumented: bool, on_raise: bool = False) -> dict[str, Any]:
    code = compile(PROGRAM, path, "exec", dont_inherit=True)
    if instrumented:
        code = equip.instrument_code(code, Everywhere(on_raise=on_raise), verify=True)
    module = types.ModuleType("program")
    exec(code, module.__dict__)
    return module.__dict__


def stepped(path: str, commands: str, **how: bool) -> str:
    """What pdb shows while ``main`` is debugged."""
    bdb.Breakpoint.clearBreakpoints()
    names, out = program(path, **how), io.StringIO()
    debugger = pdb.Pdb(stdin=io.StringIO(commands), stdout=out, nosigint=True)
    debugger.use_rawinput = 0
    debugger.runcall(names["main"])
    return out.getvalue()


@pytest.fixture
def path(tmp_path: Path) -> str:
    file = tmp_path / "program.py"
    file.write_text(PROGRAM, encoding="utf-8")
    return str(file)


def test_pdb_steps_through_the_same_lines(path: str) -> None:
    commands = "step\n" * 90 + "continue\n"
    plain = stepped(path, commands, instrumented=False)
    assert plain.count("(Pdb)") > 50
    assert stepped(path, commands, instrumented=True) == plain


def test_pdb_steps_through_lines_of_the_program_only(path: str) -> None:
    """A handler for RAISE can stop the debugger once more, at a line of the program."""
    commands = "step\n" * 90 + "continue\n"
    plain = stepped(path, commands, instrumented=False).splitlines()
    shown = stepped(path, commands, instrumented=True, on_raise=True).splitlines()
    assert {line for line in shown if line.startswith("->")} <= {line for line in plain if line.startswith("->")}
    assert len(plain) <= len(shown) <= len(plain) + 6


def test_breakpoints_stop_as_often_and_see_variables(path: str) -> None:
    steps = (f"break {path}:8", "break total", "c", "p prices, rate", "c", "p result, price", "up", "c", "p price", "c")
    commands = "".join(f"{one}\n" for one in steps)
    plain = stepped(path, commands, instrumented=False)
    assert "([1, -1, 2], 1)" in plain
    assert "(0, 1)" in plain
    assert stepped(path, commands, instrumented=True) == plain


COVERED = """
import json, sys
import coverage
core, kind, folder = sys.argv[1:]
sys.path.insert(0, folder)
measured = coverage.Coverage(data_file=None, config_file=False, branch=kind == "branch", include=[folder + "/*"])
measured.set_option("run:core", core)
measured.start()
import program
found = program.main()
measured.stop()
path = program.__file__
told = [measured.analysis2(path)[1:4], sorted(measured.get_data().lines(path)), found]
if kind == "branch":
    measured.json_report(outfile=folder + "/report.json")
    with open(folder + "/report.json") as file:
        (only,) = json.load(file)["files"].values()
    told += [only["executed_branches"], only["missing_branches"], only["summary"]]
print(json.dumps(told))
"""


def cores() -> list[str]:
    return ["ctrace", "pytrace", *(["sysmon"] if hasattr(sys, "monitoring") else [])]


@pytest.mark.parametrize("core", cores())
@pytest.mark.parametrize("kind", ["lines", "branch"])
def test_coverage_is_the_same(path: str, core: str, kind: str) -> None:
    def covered() -> Any:
        command = [sys.executable, "-c", COVERED, core, kind, str(Path(path).parent)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout)

    plain = covered()
    report = equip.Instrumentation(path).apply(Everywhere(on_raise=False), rewrite=True)
    assert len(report.instrumented) == 1
    assert covered() == plain
    assert plain[1]


CONFTEST = """
import equip
counted = []

def count(qualname):
    counted.append(qualname)

hook = equip.install([equip.before("test_*:*", count), equip.before("shop:*", count)], include=["test_*", "shop"])

def pytest_unconfigure():
    print("COUNTED", sorted(set(counted)))
"""
TESTS = """
import shop

def test_fine():
    assert shop.double(2) == 4

def test_wrong():
    expected = 5
    assert shop.double(2) == expected
"""


def test_assertions_are_rewritten(tmp_path: Path) -> None:
    """The hook takes what pytest's own loader makes of a test module."""
    files = {"conftest.py": CONFTEST, "test_it.py": TESTS, "shop.py": "def double(n):\n    return 2 * n\n"}
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment())
    assert "1 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    assert "assert 4 == 5" in done.stdout
    assert "where 4 = " in done.stdout
    assert "COUNTED ['double', 'test_fine', 'test_wrong']" in done.stdout
