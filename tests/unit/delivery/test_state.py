"""What ``status`` says, in every state that a file can be in."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest
from programs import SHOP, Calls, Returns, instrument, run, write_tree

import equip


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return write_tree(tmp_path) / "shop"


def states(shop: Path) -> dict[str, str]:
    return {os.path.basename(one.path): one.state for one in equip.status(shop)}


def cart(shop: Path) -> str:
    return next(str(one) for one in equip.status(shop) if one.path.endswith("cart.py"))


def test_not_compiled(shop: Path) -> None:
    assert set(states(shop).values()) == {"clean"}
    assert "not compiled yet" in cart(shop)


def test_instrumented(shop: Path) -> None:
    instrument(shop, Calls(), Returns())
    assert states(shop) == {"__init__.py": "clean", "__main__.py": "clean", "cart.py": "instrumented"}
    assert "[Calls, Returns]" in cart(shop)
    digests = next(one.probes for one in equip.status(shop) if one.probes)
    assert len({probe.digest for probe in digests}) == 2


def test_stale_before_python_has_compiled_it(shop: Path) -> None:
    instrument(shop, Calls())
    (shop / "cart.py").write_text("x = 1\n")
    assert states(shop)["cart.py"] == "stale"
    assert "[Calls]" in cart(shop)
    assert "Python will compile it anew" in cart(shop)


def test_stale_after_python_has_compiled_it(shop: Path) -> None:
    instrument(shop, Calls())
    (shop / "cart.py").write_text(SHOP["shop/cart.py"] + "\n")
    run("-m", "shop", cwd=shop.parent)
    assert states(shop)["cart.py"] == "stale"
    assert "[Calls]" in cart(shop)
    assert "no longer in it" in cart(shop)
    assert "stale original" in next(one.reason for one in equip.restore(shop) if one.path.endswith("cart.py"))
    assert states(shop)["cart.py"] == "clean"


def test_the_compiled_file_is_gone(shop: Path) -> None:
    instrument(shop, Calls())
    os.unlink(importlib.util.cache_from_source(str(shop / "cart.py")))
    assert states(shop)["cart.py"] == "stale"
    assert "still kept" in cart(shop)
    equip.restore(shop)
    assert not list(shop.glob("**/*.equip"))


def test_the_source_is_gone(shop: Path) -> None:
    instrument(shop, Calls())
    cached = importlib.util.cache_from_source(str(shop / "cart.py"))
    (shop / "cart.py").unlink()
    assert [one.state for one in equip.status(shop) if one.pyc == cached] == ["instrumented"]
    assert [one.pyc for one in equip.restore(shop).restored] == [cached]
    assert not list(shop.glob("**/*.equip"))


def test_of_another_python(shop: Path) -> None:
    instrument(shop, Calls())
    cached = Path(importlib.util.cache_from_source(str(shop / "cart.py")))
    other = cached.with_name("cart.cpython-310.pyc")
    other.write_bytes((3439).to_bytes(2, "little") + cached.read_bytes()[2:])
    other.with_name(other.name + ".equip").write_bytes(cached.with_name(cached.name + ".equip").read_bytes())
    found = next(one for one in equip.status(shop) if one.pyc == str(other))
    assert found.state == "not ours"
    assert "CPython 3.10" in found.reason
    assert [one.pyc for one in equip.restore(shop).restored] == [str(cached), str(other)]


def test_paths_that_cannot_be_used(tmp_path: Path) -> None:
    (one,) = equip.status(tmp_path / "missing")
    assert one.state == "not ours"
    assert "no such file" in one.reason
    assert "no such file" in equip.restore(tmp_path / "missing").refused[0].reason
