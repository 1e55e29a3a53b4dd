"""The collector is out of the way while code is linked, and as before afterwards."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator

import pytest

import equip
from equip.inject import module
from equip.inject.collector import without_collector


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
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


def test_left_alone_while_there_are_threads() -> None:
    done = threading.Event()
    other = threading.Thread(target=done.wait)
    other.start()
    try:
        assert without_collector(gc.isenabled) is True
    finally:
        done.set()
        other.join()


class Entry(equip.MethodVisitor):
    def __init__(self, snippet: str) -> None:
        self.snippet = snippet
        self.seen: list[bool] = []

    def visit(self, decl: equip.MethodDeclaration) -> None:
        self.seen.append(gc.isenabled())
        equip.SimpleRewriter(decl).insert_before(self.snippet)


def test_linking_goes_without_it_and_visitors_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    instrument = module.instrument
    monkeypatch.setattr(module, "instrument", lambda *args: (seen.append(gc.isenabled()), instrument(*args))[1])
    visitor = Entry("print('in')")
    equip.instrument_code(compile("def f(): pass", "m.py", "exec"), visitor)
    assert seen == [False]
    assert visitor.seen == [True]
    assert gc.isenabled()
