"""Probes into a process that runs, and out again."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import equip

CAN = hasattr(sys, "remote_exec")
PROGRAM = """\
import sys, time
def work(n):
    return n
clean = work.__code__
print("ready", flush=True)
seen = False
for n in range(3000):
    work(n)
    time.sleep(0.01)
    seen = seen or work.__code__ is not clean
    if seen and work.__code__ is clean and "equip" not in sys.modules:
        print("clean", flush=True)
        break
"""


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Any]:
    (tmp_path / "program.py").write_text(PROGRAM)
    started = subprocess.Popen(
        [sys.executable, "-u", "program.py"], cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert started.stdout is not None
    assert started.stdout.readline() == "ready\n"
    yield started
    started.kill()
    started.wait()
    started.stdout.close()


@pytest.mark.skipif(CAN, reason="says what is missing before 3.14")
def test_older_versions_say_so() -> None:
    for call in (lambda: equip.attach(1, equip.before("a:b", "1")), lambda: equip.detach(1)):
        with pytest.raises(equip.AttachError, match=r"needs Python 3\.14 or newer"):
            call()


@pytest.mark.skipif(not CAN, reason="needs sys.remote_exec")
def test_in_and_out_with_no_trace(process: Any) -> None:
    probes = [equip.before("__main__:work", "print('work', n, flush=True)", limit=3), equip.before("__main__:no", "1")]
    attached = equip.attach(process.pid, probes)
    assert attached.modules == ("__main__",)
    assert "'before __main__:no' matched nothing" in attached.warnings[0]
    for _ in range(3):
        assert process.stdout.readline().startswith("work ")
    attached.detach()
    assert process.stdout.readline() == "clean\n"
    assert process.wait(timeout=20) == 0


@pytest.mark.skipif(not CAN, reason="needs sys.remote_exec")
@pytest.mark.parametrize("where", ["program:work", "*:work", "program.py:work"])
def test_the_program_goes_by_its_own_name(process: Any, where: str) -> None:
    attached = equip.attach(process.pid, equip.before(where, "print('work', flush=True)"))
    assert attached.modules == ("__main__",)
    assert attached.warnings == ()
    assert process.stdout.readline() == "work\n"


@pytest.mark.skipif(not CAN, reason="needs sys.remote_exec")
def test_one_after_the_other(process: Any) -> None:
    """What still runs there of one must not take the next with it."""
    for _ in range(10):
        with pytest.raises(equip.AttachError, match="nothing is attached"):
            equip.detach(process.pid)
        equip.attach(process.pid, equip.before("no.such.module:f", "1")).detach()
    equip.attach(process.pid, equip.before("__main__:work", "n")).detach()
    assert process.stdout.readline() == "clean\n"


@pytest.mark.skipif(not CAN, reason="needs sys.remote_exec")
def test_a_mistake_in_a_snippet_changes_nothing(process: Any) -> None:
    with pytest.raises(equip.AttachError, match=r"\{nosuch\} is no field"):
        equip.attach(process.pid, equip.before("__main__:work", "print({nosuch})"))
    attached = equip.attach(process.pid, equip.before("__main__:work", "print({sys} == {sys}, flush=True)"))
    assert process.stdout.readline() == "True\n"
    attached.detach()
    assert process.stdout.readline() in ("True\n", "clean\n")


@pytest.mark.skipif(not CAN, reason="needs sys.remote_exec")
def test_refusals(process: Any) -> None:
    with pytest.raises(equip.AttachError, match="nothing is attached"):
        equip.detach(process.pid)
    with pytest.raises(equip.AttachError, match="yield"):
        equip.attach(process.pid, equip.before("__main__:work", "yield n"))
    with pytest.raises(equip.AttachError, match="only probes can"):
        equip.attach(process.pid, equip.MethodVisitor())
    with pytest.raises(equip.SnippetError, match="import"):
        equip.attach(process.pid, equip.before("__main__:work", lambda: None))
    process.kill()
    process.wait()
    time.sleep(0.05)
    with pytest.raises(equip.AttachError, match=r"no such process|cannot be attached"):
        equip.attach(process.pid, equip.before("__main__:work", "1"))
    with pytest.raises(equip.AttachError, match="number"):
        equip.attach(-1, equip.before("__main__:work", "1"))
