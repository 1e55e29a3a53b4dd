"""Workers give the same results as this process, in the same order, and their faults are faults of one file."""

from __future__ import annotations

import marshal
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import CodeType

import pytest
from programs import Calls, all_sorts, compiled, instrument, run, write_tree

import equip
from equip.delivery import workers
from equip.delivery.emission import CompileJob, Done, InjectJob, run_job
from equip.errors import SnippetError
from equip.inject.request import Insertion, JoinPoint
from equip.program import pyc

MANY = {f"many/m{number}.py": f"def f{number}(a, b=1):\n    return [a, b, {number}]\n" for number in range(30)}


def job(source: str, *snippets: str) -> InjectJob:
    code = compile(source, "m.py", "exec", dont_inherit=True)
    insertions = [Insertion(JoinPoint.BEFORE, snippet, probe="P") for snippet in snippets]
    path = (next(i for i, c in enumerate(code.co_consts) if hasattr(c, "co_code")),)
    return InjectJob("m.pyc", pyc.encode_header(0, 0) + marshal.dumps(code), {path: insertions}, "m.py", "m", 0)


JOBS = [job(f"def f{number}(): pass\n", f"print({number})") for number in range(12)]


@pytest.mark.parametrize("count", [2, 5])
def test_results_are_the_same_and_in_order(count: int) -> None:
    here, there = workers.run_jobs(JOBS, 1), workers.run_jobs(JOBS, count)
    assert [marshal.loads(one.body) for one in there] == [marshal.loads(one.body) for one in here]
    assert all(one.changed and not one.fault for one in there)


def test_files_are_the_same(tmp_path: Path) -> None:
    results = []
    for count in (1, 3):
        root = write_tree(tmp_path / str(count), MANY)
        report = instrument(root / "many", Calls(), workers=count)
        codes = [marshal.loads(Path(one.pyc or "").read_bytes()[16:]) for one in report]
        functions = [constant for code in codes for constant in code.co_consts if isinstance(constant, CodeType)]
        results.append(
            (
                [(one.status, one.reason, one.module_name, one.probes) for one in report],
                [(one.co_code, one.co_consts, one.co_names, one.co_linetable) for one in functions],
            )
        )
    assert len(results[0][1]) == 30
    assert results[0] == results[1]


def rewritten(root: Path, how: Callable[[], object]) -> dict[str, bytes]:
    """The compiled files and what is kept beside them, when they are made anew ``how``, always at the same place."""
    shutil.rmtree(root, ignore_errors=True)
    write_tree(root, MANY)
    for path in (root / "many").iterdir():
        os.utime(path, (1_000_000_000, 1_000_000_000))
    how()
    return compiled(root)


def test_files_are_the_same_to_the_byte(tmp_path: Path) -> None:
    root = tmp_path / "root"
    one, two, three = (
        rewritten(root, partial(instrument, root / "many", *all_sorts(), workers=count)) for count in (1, 2, 3)
    )
    assert len(one) == 60
    assert one == two == three


ALL_SORTS = """
import sys; sys.path[:0] = sys.argv[1:3]
from programs import all_sorts
import equip
print(equip.Instrumentation(sys.argv[3:]).apply(all_sorts(), rewrite=True))
"""


def test_files_are_the_same_whatever_else_the_process_does(tmp_path: Path) -> None:
    """The whole tree, some of its files in another order, and these alone; each with hashes of its own."""
    root, last = tmp_path / "root", [f"m{number}" for number in (29, 28, 27)]
    home = os.path.dirname(os.path.dirname(os.path.abspath(equip.__file__)))
    files = [str(root / "many" / f"{name}.py") for name in last]
    start = partial(run, "-c", ALL_SORTS, home, os.path.dirname(__file__), cwd=tmp_path)
    results = []
    for batches in ([[str(root / "many")]], [files], [[file] for file in files]):
        made = rewritten(root, lambda batches=batches: [start(*paths) for paths in batches])
        results.append({name: data for name, data in made.items() if Path(name).name.partition(".")[0] in last})
    assert len(results[0]) == 6
    assert results[0] == results[1] == results[2]


def test_the_first_mistake_is_the_one_that_is_told() -> None:
    for count in (1, 3):
        jobs = [*JOBS[:5], job("def f(): pass\n", "print(first"), *JOBS[5:], job("def f(): pass\n", "print(second")]
        mistakes = [one.mistake for one in workers.run_jobs(jobs, count) if one.mistake is not None]
        assert [isinstance(mistake, SnippetError) for mistake in mistakes] == [True, True]
        assert "first" in str(mistakes[0])
        assert "second" in str(mistakes[1])


def test_nobody_waits_for_what_is_given_up() -> None:
    pool = workers.Pool(2)

    def give_up() -> None:
        with pool:
            for one in JOBS * 20:
                pool.submit(one)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        give_up()
    assert not pool._running
    assert not pool._threads


def test_faults_stay_with_their_file(tmp_path: Path) -> None:
    bad = CompileJob(str(tmp_path / "missing.py"), 0)
    damaged = InjectJob("d.pyc", JOBS[0].data[:-5], JOBS[0].plan, "d.py", "d", 0)
    for count in (1, 2):
        results = workers.run_jobs([JOBS[0], bad, damaged, JOBS[1]], count)
        assert [bool(one.fault) for one in results] == [False, True, True, False]
        assert "cannot be read" in results[1].fault
        assert "truncated or damaged" in results[2].fault


class Unlucky(dict):  # type: ignore[type-arg]
    """A plan that the engine stumbles over."""

    def items(self) -> object:  # type: ignore[override]
        raise ZeroDivisionError("oh no")


def test_our_own_bugs_cost_one_file() -> None:
    unlucky = InjectJob("u.pyc", JOBS[0].data, Unlucky({(1,): [None]}), "u.py", "u", 0)
    (one, two) = workers.run_jobs([unlucky, JOBS[1]], 1)
    assert "a bug of equip (ZeroDivisionError: oh no, at test_workers.py:" in one.fault
    assert two.changed


def test_how_many_processes_are_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert workers.how_many(None, 10_000) == 1
    assert workers.how_many(5, 10) == 5
    monkeypatch.setattr(workers.os, "sched_getaffinity", lambda process: {1, 2, 3}, raising=False)
    assert workers.how_many(None, 10_000_000) == 3
    monkeypatch.setattr(sys, "executable", "")
    assert workers.how_many(None, 10_000_000) == workers.how_many(5, 10) == 1


def test_with_one_worker_it_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_Worker", lambda: pytest.fail("a process was started"))
    assert len(workers.run_jobs(JOBS, 1)) == 12
    assert workers.run_jobs([], 3) == []


def test_without_processes_it_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> workers._Worker:
        raise OSError("no more processes")

    monkeypatch.setattr(workers, "_Worker", refuse)
    assert all(one.changed for one in workers.run_jobs(JOBS, 2))


@pytest.mark.skipif(sys.platform == "win32", reason="no signals there")
def test_a_worker_that_dies_costs_one_file(monkeypatch: pytest.MonkeyPatch) -> None:
    do = workers._Worker.do

    def die(self: workers._Worker, job: workers.Job) -> Done:
        if job is JOBS[3]:
            os.kill(self.process.pid, signal.SIGKILL)
        return do(self, job)

    monkeypatch.setattr(workers._Worker, "do", die)
    results = workers.run_jobs(JOBS, 2)
    assert [index for index, one in enumerate(results) if one.fault] == [3]
    assert "signal 9" in results[3].fault
    assert "'workers'" in results[3].fault


def test_the_users_main_is_not_started_again(tmp_path: Path) -> None:
    write_tree(tmp_path, MANY)
    write_tree(
        tmp_path,
        {
            "go.py": (
                "import sys; sys.path.insert(0, sys.argv[1])\n"
                "print('once')\n"
                "import equip\n"
                "class V(equip.MethodVisitor):\n"
                "    def visit(self, decl): equip.SimpleRewriter(decl).insert_before('print(1)')\n"
                "i = equip.Instrumentation('many')\n"
                "i.set_option('workers', 2)\n"
                "print(len(i.apply(V(), rewrite=True).instrumented))\n"
            )
        },
    )
    home = os.path.dirname(os.path.dirname(os.path.abspath(equip.__file__)))
    assert run("go.py", home, cwd=tmp_path) == "once\n30\n"


def test_workers_have_the_level_and_options_of_this_process() -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from equip.delivery import workers\n"
        "worker = workers._Worker()\n"
        "print(' '.join(worker.process.args[1:-3]))\n"
        "worker.end()"
    )
    home = os.path.dirname(os.path.dirname(os.path.abspath(equip.__file__)))
    shown = subprocess.run(
        [sys.executable, "-OO", "-W", "error", "-X", "no_debug_ranges", "-c", program, home],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert shown.split() == [
        *["-I", "-S", "-O", "-O", "-Werror"],
        *(["-B"] if "-B" in shown.split() else []),
        "-X",
        "no_debug_ranges",
    ]


def test_a_job_never_raises_for_its_own_faults() -> None:
    assert run_job(job("def f(): pass\n")).changed is False
    assert run_job(InjectJob("x.pyc", b"", {}, "x", "x", 0)).fault


def test_compiling_is_spread_too(tmp_path: Path) -> None:
    root = write_tree(tmp_path, MANY | {"many/__main__.py": "from many.m3 import f3\nf3(0)\n", "many/__init__.py": ""})
    instrument(root / "many", Calls(), workers=3)
    assert run("-m", "many", cwd=root) == "call f3\n"
