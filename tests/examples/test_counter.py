"""The example ``counter``: each way in which a program can end leaves the counts."""

from __future__ import annotations

import json
from pathlib import Path

import equip

COUNTS = {
    "shop.__main__.main": 1,
    "shop.cart.Cart.<lambda>": 2,
    "shop.cart.Cart.__init__": 1,
    "shop.cart.Cart.add": 1,
    "shop.cart.Cart.size": 1,
    "shop.cart.numbers": 1,
}


def counts(path: Path) -> dict[str, int]:
    found: dict[str, int] = json.loads(path.read_text(encoding="utf-8"))
    return found


def test_end_of_the_program(shop, instrument, start):
    report = instrument("counter")
    assert report.returncode == 0, report.stderr
    program = start("normal")
    assert (program.returncode, program.stdout, program.stderr) == (0, "9 [0, 1]\n", "")
    assert counts(shop.parent / "calls.json") == COUNTS


def test_sys_exit(shop, instrument, start):
    instrument("counter")
    program = start("exit")
    assert (program.returncode, program.stderr) == (3, "")
    assert counts(shop.parent / "calls.json") == COUNTS


def test_exception(shop, instrument, start):
    plain = start("raise").stderr
    instrument("counter")
    program = start("raise")
    assert program.returncode == 1
    assert program.stderr == plain
    assert program.stderr.endswith("LookupError: nothing there\n")
    assert counts(shop.parent / "calls.json") == COUNTS | {"shop.cart.fail": 1}


def test_another_output_file(shop, instrument, start, tmp_path):
    instrument("counter")
    target = tmp_path / "counts of {lineno}.json"
    start("normal", CALL_COUNTS=str(target))
    assert counts(target) == COUNTS
    assert not (shop.parent / "calls.json").exists()


def test_twice_is_once(shop, instrument, start):
    instrument("counter")
    assert "instrumented" not in instrument("counter").stdout
    start("normal")
    assert counts(shop.parent / "calls.json") == COUNTS


def test_restore(shop, instrument, start):
    instrument("counter")
    assert len(equip.restore(shop).restored) == 2
    assert start("normal").stdout == "9 [0, 1]\n"
    assert not (shop.parent / "calls.json").exists()
