"""What ``restore`` does to each file, and that the only copy of an original is never given up."""

from __future__ import annotations

import compileall
import importlib.util
import marshal
import os
import py_compile
import shutil
from pathlib import Path

import pytest
from programs import BOTH, CALLS, PLAIN, SHOP, Calls, Returns, compiled, instrument, run, snapshot, write_tree

import equip


def start(shop: Path) -> str:
    return run("-B", "-m", "shop", cwd=shop.parent)


def outcome(path: Path, *, at: Path | None = None) -> tuple[str, str]:
    """What ``restore`` makes of ``path``, or of all that is at ``at``, and the reason."""
    (one,) = [one for one in equip.restore(at or path) if one.pyc == str(path)]
    return one.status, one.reason


def state(path: Path) -> equip.FileState:
    return next(one for one in equip.status(path) if one.pyc == str(path))


def written_anew(path: Path) -> None:
    """Do what another tool may do: load the file and dump it again."""
    data = path.read_bytes()
    path.write_bytes(data[:16] + marshal.dumps(marshal.loads(data[16:])))


# -- without a source -----------------------------------------------------------------------------


@pytest.fixture
def cart(tmp_path: Path) -> Path:
    """An instrumented file without a source."""
    shop = write_tree(tmp_path) / "shop"
    compileall.compile_dir(shop, quiet=2, legacy=True)
    for source in shop.glob("*.py"):
        source.unlink()
    shutil.copytree(shop, tmp_path / "as it was")
    instrument(shop, Calls())
    return shop / "cart.pyc"


def is_as_it_was(cart: Path) -> bool:
    return snapshot(cart.parent) == snapshot(cart.parent.parent / "as it was")


@pytest.mark.parametrize("part", [0, 3, 9, 16, 40, 0.5, 0.9, -1])
@pytest.mark.parametrize("named", [True, False])
def test_a_file_that_was_cut_short(cart: Path, part: float, named: bool) -> None:
    data = cart.read_bytes()
    cart.write_bytes(data[: int(part * len(data)) if isinstance(part, float) else part])
    report = instrument(cart, Returns())
    assert "`equip restore` brings it back" in report.refused[0].reason
    assert "`equip restore` brings it back" in state(cart).reason
    assert outcome(cart, at=cart if named else cart.parent)[0] == "restored"
    assert is_as_it_was(cart)


@pytest.mark.parametrize("data", [b"#!/bin/sh\nexit 0\n", b"\0" * 500])
def test_a_file_that_is_no_compiled_file_any_more(cart: Path, data: bytes) -> None:
    cart.write_bytes(data)
    assert outcome(cart) == ("restored", "it was damaged")
    assert is_as_it_was(cart)


def test_a_record_that_was_damaged(cart: Path) -> None:
    data = bytearray(cart.read_bytes())
    data[-12 - int.from_bytes(data[-12:-8], "little")] = 0xFF
    cart.write_bytes(data)
    assert outcome(cart) == ("restored", "it was damaged")
    assert is_as_it_was(cart)


@pytest.mark.parametrize("named", [True, False])
def test_a_file_that_is_gone(cart: Path, named: bool) -> None:
    cart.with_name(cart.name + ".equip").chmod(0o640)
    cart.unlink()
    for other in cart.parent.glob("__*.pyc"):
        other.unlink()
    assert (state(cart).state, "`equip restore` brings it back" in state(cart).reason) == ("stale", True)
    if named:
        assert "its original is kept: `equip restore`" in instrument(cart, Calls()).refused[0].reason
    report = equip.restore(cart if named else cart.parent)
    assert [(one.pyc, one.status, one.reason) for one in report] == [(str(cart), "restored", "it was gone")]
    assert cart.read_bytes() == (cart.parent.parent / "as it was" / "cart.pyc").read_bytes()
    assert cart.stat().st_mode & 0o777 == 0o640
    assert os.listdir(cart.parent) == ["cart.pyc"]


def test_a_file_that_another_tool_has_written_anew(cart: Path) -> None:
    written_anew(cart)
    found = state(cart)
    assert (found.state, [probe.name for probe in found.probes]) == ("instrumented", ["Calls"])
    assert "has Calls in it, but no record of that" in found.reason
    data = cart.read_bytes()
    for visitor in (Calls(), Returns()):
        assert "`equip restore`" in instrument(cart, visitor).refused[0].reason
    with pytest.raises(equip.PycError, match="`equip restore`"):
        equip.BytecodeObject(cart)
    assert cart.read_bytes() == data
    assert start(cart.parent) == CALLS
    assert outcome(cart) == ("restored", "")
    assert is_as_it_was(cart)


def test_another_file_in_its_place(cart: Path) -> None:
    """What restoring would do to that, nobody can know."""
    source = write_tree(cart.parent.parent, {"new.py": SHOP["shop/cart.py"].replace("return len", "return 10 * len")})
    py_compile.compile(str(source / "new.py"), str(cart), doraise=True)
    before = snapshot(cart.parent)
    found = state(cart)
    assert (found.state, [probe.name for probe in found.probes]) == ("stale", ["Calls"])
    assert "keeps the only original" in found.reason
    for report in (equip.restore(cart), instrument(cart, Calls()), instrument(cart, Calls(), force_rebuild=True)):
        assert "keeps the only original" in report.refused[0].reason
    assert snapshot(cart.parent) == before
    cart.unlink()
    assert outcome(cart, at=cart.parent)[0] == "restored"
    assert is_as_it_was(cart)


def test_another_file_in_its_place_can_be_kept(cart: Path) -> None:
    shutil.copy(cart.parent / "__init__.pyc", cart)
    cart.with_name(cart.name + ".equip").unlink()
    assert state(cart).state == "clean"
    assert outcome(cart) == ("unchanged", "clean")


def test_a_file_of_another_python_in_its_place(cart: Path) -> None:
    cart.write_bytes((3439).to_bytes(2, "little") + cart.read_bytes()[2:300])
    before = snapshot(cart.parent)
    assert outcome(cart)[0] == "refused"
    assert snapshot(cart.parent) == before


@pytest.mark.parametrize("damage", ["cut short", "gone", "written anew", "another"])
def test_an_original_that_is_damaged_itself(cart: Path, damage: str) -> None:
    kept = cart.with_name(cart.name + ".equip")
    kept.write_bytes(kept.read_bytes()[:-5])
    if damage == "cut short":
        cart.write_bytes(cart.read_bytes()[:50])
    elif damage == "gone":
        cart.unlink()
    elif damage == "written anew":
        written_anew(cart)
    else:
        shutil.copy(cart.parent / "__init__.pyc", cart)
    before = snapshot(cart.parent)
    assert outcome(cart, at=cart.parent)[0] == "refused"
    assert snapshot(cart.parent) == before


# -- with a source --------------------------------------------------------------------------------


@pytest.fixture
def cached(tmp_path: Path) -> Path:
    """The instrumented file of a source."""
    shop = write_tree(tmp_path) / "shop"
    compileall.compile_dir(shop, quiet=2)
    shutil.copytree(shop, tmp_path / "as it was", copy_function=shutil.copy2)
    instrument(shop, Calls())
    return Path(importlib.util.cache_from_source(str(shop / "cart.py")))


def change_source(cached: Path) -> None:
    (cached.parent.parent / "cart.py").write_text(SHOP["shop/cart.py"].replace("return len", "return 10 * len"))


def damage_or_dump(cached: Path, damage: str) -> None:
    if damage == "cut short":
        cached.write_bytes(cached.read_bytes()[:50])
    else:
        written_anew(cached)


@pytest.mark.parametrize("damage", ["cut short", "written anew"])
def test_the_original_is_still_valid(cached: Path, damage: str) -> None:
    damage_or_dump(cached, damage)
    shop = cached.parent.parent
    assert "restore" in instrument(shop, Returns()).refused[0].reason
    assert outcome(cached, at=shop)[0] == "restored"
    assert snapshot(shop) == snapshot(shop.parent / "as it was")
    instrument(shop, Calls(), Returns())
    assert start(shop) == BOTH


def test_a_damaged_file_of_a_changed_source(cached: Path) -> None:
    change_source(cached)
    cached.write_bytes(cached.read_bytes()[:50])
    before = compiled(cached.parent)
    status, reason = outcome(cached, at=cached.parent.parent)
    assert status == "refused"
    assert "truncated or damaged" in reason
    assert compiled(cached.parent) == before
    assert instrument(cached.parent.parent, Calls()).instrumented


def test_a_file_of_a_changed_source_that_was_written_anew(cached: Path) -> None:
    change_source(cached)
    written_anew(cached)
    assert state(cached).state == "stale"
    status, reason = outcome(cached, at=cached.parent.parent)
    assert status == "restored"
    assert "Python will compile it anew" in reason
    assert cached.name not in "".join(compiled(cached.parent))
    assert start(cached.parent.parent) == "20\n"


def test_a_damaged_file_that_never_was_instrumented(cached: Path) -> None:
    equip.restore(cached)
    cached.write_bytes(cached.read_bytes()[:50])
    status, reason = outcome(cached)
    assert status == "refused"
    assert "truncated or damaged" in reason


def test_a_file_that_python_compiles_anew(cached: Path) -> None:
    cached.unlink()
    assert outcome(cached, at=cached.parent.parent)[0] == "unchanged"
    assert not list(cached.parent.glob("*.equip"))
    assert start(cached.parent.parent) == PLAIN


def test_a_damaged_file_of_another_python(cached: Path) -> None:
    """Only that Python can look into it; its bytes were kept."""
    other = cached.with_name("cart.cpython-310.pyc")
    other.write_bytes((3439).to_bytes(2, "little") + cached.read_bytes()[2:100])
    shutil.copy(f"{cached}.equip", f"{other}.equip")
    assert outcome(other, at=cached.parent.parent)[0] == "restored"
    assert other.read_bytes() == (cached.parent.parent.parent / "as it was" / "__pycache__" / cached.name).read_bytes()


def test_a_source_that_is_gone(cached: Path) -> None:
    (cached.parent.parent / "cart.py").unlink()
    cached.unlink()
    assert outcome(cached)[0] == "restored"
    original = cached.parent.parent.parent / "as it was" / "__pycache__" / cached.name
    assert cached.read_bytes() == original.read_bytes()


def test_a_file_that_is_meant_by_itself_beside_its_source(tmp_path: Path) -> None:
    shop = write_tree(tmp_path) / "shop"
    compileall.compile_dir(shop, quiet=2, legacy=True)
    legacy = shop / "cart.pyc"
    instrument(legacy, Calls())
    (shop / "cart.py").write_text("x = 1\n")
    compileall.compile_dir(shop, quiet=2, legacy=True, force=True)
    assert "no longer in it" in state(legacy).reason
    assert instrument(legacy, Calls()).refused == ()
    status, reason = outcome(legacy)
    assert (status, "a stale original" in reason) == ("unchanged", True)
