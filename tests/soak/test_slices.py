"""A slice of what ``make soak`` does: a small package of our own, and a part of CPython's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from soak import library
from soak.outcomes import Row, compare
from soak.packages import Package
from soak.suites import Suite, fill

SHOP = '''
class Cart:
    def __init__(self, *prices):
        self.prices = list(prices)

    def __iter__(self):
        for price in self.prices:
            try:
                yield price
            finally:
                self.last = price

    def total(self, rate=1):
        if rate <= 0:
            raise ValueError(rate)
        return sum(price * rate for price in self)
'''
TESTS = '''
import pytest, shop

@pytest.mark.parametrize("rate", [1, 2])
def test_total(rate):
    assert shop.Cart(1, 2).total(rate) == 3 * rate

def test_refusal():
    with pytest.raises(ValueError, match="-1"):
        shop.Cart().total(-1)

def test_that_fails():
    assert not shop.Cart(1).total()

def test_that_inspects():
    assert shop.Cart.total.__code__.co_varnames == ("self", "rate")
'''


def shop_suite(scratch: Path, explained: dict[str, str]) -> Suite:
    root, copy = scratch / "root", scratch / "copy"
    (root / "tests").mkdir(parents=True)
    copy.mkdir()
    (copy / "shop.py").write_text(SHOP, encoding="utf-8")
    (root / "tests" / "test_shop.py").write_text(TESTS, encoding="utf-8")
    return Suite(Package("shop", "a sample", ("shop",), explained=explained), scratch, root)


def test_a_suite_is_compared(tmp_path: Path) -> None:
    row = Row("shop", "")
    fill(row, shop_suite(tmp_path, {}))
    assert (row.plain, row.instrumented) == (4, 3)
    assert row.differences == ["tests.test_shop::test_that_inspects: passed, failed"]
    assert (row.crashes, row.faults) == ([], [])
    assert row.functions == 3
    assert row.hits > 30


def test_what_differs_can_be_explained(tmp_path: Path) -> None:
    row = Row("shop", "")
    compare(row, {"a": "passed", "b": "passed"}, {"a": "failed", "c": "passed"}, {"a*": "inspects code"})
    assert row.explained == ["a: inspects code"]
    assert row.differences == ["b: passed, missing", "c: missing, passed"]


def test_a_part_of_the_library(tmp_path: Path) -> None:
    modules = ["test_textwrap", "test_generators", "test_with"]
    row = library.run_modules(modules, 60, tmp_path / "scratch", {"textwrap", "contextlib", *modules})
    if row.faults and "has no tests" in row.faults[0]:
        pytest.skip(row.faults[0])
    assert (row.differences, row.crashes, row.faults) == ([], [], [])
    assert row.plain == row.instrumented > 100
    assert row.hits > 10_000
