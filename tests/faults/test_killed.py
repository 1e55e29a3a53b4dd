"""Killed in the middle of writing: each file is the old one or the new one, and all can be made good."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from children import check_whole, in_child, killed_at_step
from programs import BOTH, CALLS, PLAIN, Calls, Returns, compiled, instrument, run, write_tree

import equip

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    shop = write_tree(tmp_path) / "shop"
    equip.Instrumentation(shop).prepare_program()
    return shop


def start(shop: Path) -> str:
    return run("-B", "-m", "shop", cwd=shop.parent)


def test_at_each_step_of_instrumenting(shop: Path) -> None:
    originals = compiled(shop)
    steps = 0
    while killed_at_step(lambda: instrument(shop, Calls()), steps):
        check_whole(shop, originals)
        assert start(shop) in (PLAIN, CALLS)
        equip.restore(shop)
        assert compiled(shop) == originals
        steps += 1
    assert steps >= 8
    assert start(shop) == CALLS


def test_at_each_step_of_adding(shop: Path) -> None:
    originals = compiled(shop)
    instrument(shop, Calls())
    steps = 0
    while killed_at_step(lambda: instrument(shop, Returns()), steps):
        assert check_whole(shop, originals) == {"clean", "instrumented"}
        assert start(shop) in (CALLS, BOTH)
        instrument(shop, Returns())
        assert start(shop) == BOTH
        equip.restore(shop)
        assert compiled(shop) == originals
        instrument(shop, Calls())
        steps += 1
    assert steps >= 8
    assert start(shop) == BOTH


def test_at_each_step_of_restoring(shop: Path) -> None:
    originals = compiled(shop)
    instrument(shop, Calls())
    steps = 0
    while killed_at_step(lambda: equip.restore(shop), steps):
        check_whole(shop, originals)
        assert start(shop) in (PLAIN, CALLS)
        instrument(shop, Calls())
        assert start(shop) == CALLS
        steps += 1
    assert steps >= 4
    assert compiled(shop) == originals


def test_at_each_step_of_compiling(tmp_path: Path) -> None:
    shop = write_tree(tmp_path) / "shop"
    steps = 0
    while killed_at_step(lambda: equip.Instrumentation(shop).prepare_program(), steps):
        assert start(shop) == PLAIN
        assert {one.state for one in equip.status(shop)} == {"clean"}
        shutil.rmtree(shop / "__pycache__")
        steps += 1
    assert steps >= 12
    in_child(lambda: instrument(shop, Calls()))
    assert start(shop) == CALLS
    equip.restore(shop)
    assert not [name for name in compiled(shop) if "tmp" in name]


LOOP = """
import sys; sys.path[:0] = sys.argv[1:3]
from programs import Calls, instrument
import equip
print('ready', flush=True)
while True:
    instrument(sys.argv[3], Calls())
    equip.restore(sys.argv[3])
"""


def test_at_any_moment(shop: Path) -> None:
    originals = compiled(shop)
    home = os.path.dirname(os.path.dirname(os.path.abspath(equip.__file__)))
    places = [home, str(Path(__file__).parents[1] / "unit" / "delivery")]
    moments = random.Random(7)
    seen = set()
    for _ in range(12):
        process = subprocess.Popen([sys.executable, "-c", LOOP, *places, str(shop)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(moments.uniform(0.0, 0.08))
        process.kill()
        process.wait()
        process.stdout.close()
        seen |= check_whole(shop, originals)
    assert start(shop) in (PLAIN, CALLS)
    equip.restore(shop)
    assert compiled(shop) == originals
    assert "clean" in seen
