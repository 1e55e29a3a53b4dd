"""The collector is out of the way while code is linked, and as before afterwards."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

import equip
from equip.inject import collector, module
from equip.inject.collector import without_collector


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As in a program without threads; what runs the tests has some."""
    monkeypatch.setattr(collector, "_thread", SimpleNamespace(_count=lambda: 0))
    gc.enable()
    yield
    gc.enable()


def test_off_while_working_and_on_again() -> None:
    assert without_collector(gc.isenabled) is False
    assert gc.isenabled()


def test_on_again_when_the_work_raises() -> None:
    def work() -> None:
        assert not gc.isenabled()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        without_collector(work)
    assert gc.isenabled()


def test_left_off_if_it_was_off() -> None:
    gc.disable()
    assert without_collector(gc.isenabled) is False
    assert not gc.isenabled()


THREADS = """
import _thread, gc, threading
from equip.inject.collector import without_collector as paused

def beside(start):
    begun, done = threading.Event(), threading.Event()
    def wait():
        begun.set()
        done.wait()
    start(wait)
    begun.wait()
    print(paused(gc.isenabled))
    done.set()

print(paused(gc.isenabled))
thread = threading.Thread(target=lambda: print(paused(gc.isenabled)))
thread.start()
thread.join()
print(paused(gc.isenabled))
beside(lambda work: threading.Thread(target=work).start())
while _thread._count():
    pass
print(paused(gc.isenabled))
beside(lambda work: _thread.start_new_thread(work, ()))
"""


def test_left_alone_while_there_are_threads() -> None:
    run = subprocess.run([sys.executable, "-c", THREADS], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "True", "False", "True", "False", "True"]


class Entry(equip.MethodVisitor):
    def __init__(self) -> None:
        self.seen: list[bool] = []

    def visit(self, decl: equip.MethodDeclaration) -> None:
        self.seen.append(gc.isenabled())
        equip.SimpleRewriter(decl).insert_before("print('in')")


def test_linking_goes_without_it_and_visitors_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    instrument = module.instrument
    monkeypatch.setattr(module, "instrument", lambda *args: (seen.append(gc.isenabled()), instrument(*args))[1])
    visitor = Entry()
    equip.instrument_code(compile("def f(): pass", "m.py", "exec"), visitor)
    assert seen == [False]
    assert visitor.seen == [True]
    assert gc.isenabled()
