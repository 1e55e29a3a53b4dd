"""``equip instrument``, ``status``, ``restore``, ``verify``: compiled files."""

from __future__ import annotations

import json
import py_compile
from pathlib import Path

import pytest

from .conftest import Ended, Run

ADD = ("--before", "shop.cart:Cart.add", "print('add', item)")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_there_and_back(folder: Path, python: Run, equip: Run) -> None:
    assert python("-m", "app", "2").status == 2
    before = contents(folder)
    done = equip("instrument", *ADD, "shop")
    assert done.status == 0
    assert [line.split("\t")[0] for line in done.lines] == ["instrumented"]
    assert python("app.py", "2") == Ended(2, "add 0\nadd 1\n", "")
    again = equip("instrument", *ADD, "shop")
    assert (again.status, again.out) == (0, "")
    shown = equip("status", "shop")
    assert shown.lines[0].split("\t")[::2] == ["instrumented", "before shop.cart:Cart.add"]
    assert equip("verify", "shop").status == 0
    restored = equip("restore", "shop")
    assert [line.split("\t")[0] for line in restored.lines] == ["restored"]
    assert contents(folder) == before
    assert equip("status", "shop") == Ended(0, "2 clean\n", "")
    assert equip("status", "--all", "shop").out.count("clean\t") == 2


def test_json(equip: Run) -> None:
    report = json.loads(equip("instrument", "--json", *ADD, "shop").out)
    assert [one["status"] for one in report["files"]] == ["unchanged", "instrumented"]
    state = json.loads(equip("status", "--json", "shop").out)
    assert [one["state"] for one in state] == ["clean", "instrumented"]
    assert state[1]["probes"][0]["name"] == "before shop.cart:Cart.add"
    assert json.loads(equip("verify", "--json", "shop").out) == {"checked": 2, "problems": []}
    assert [one["status"] for one in json.loads(equip("restore", "--json", "shop").out)["files"]].count("restored") == 1


def test_it_says_how_to_start_a_script(equip: Run) -> None:
    found = equip("instrument", "--before", "app:main", "print(1)", "app.py")
    assert "ignores compiled files" in found.err
    assert "-m app" in found.err


def test_optimisation_levels(python: Run, equip: Run) -> None:
    assert equip("instrument", *ADD, "--optimize", "0", "--optimize", "1", "shop").out.count("instrumented") == 2
    assert python("-O", "app.py", "1").out == python("app.py", "1").out == "add 0\n"


def test_dry_run(folder: Path, equip: Run) -> None:
    before = contents(folder)
    assert "instrumented" in equip("instrument", *ADD, "--dry-run", "shop").out
    assert contents(folder) == before
    assert not (folder / "shop" / "__pycache__").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--before", "shop.cart:Cart.ad", "1", "shop"), "did you mean shop.cart:Cart.add"),
        (("--before", "shop.crt:Cart.add", "1", "shop"), "no module 'shop.crt'"),
        (("--on-line", "shop.cart:900", "1", "shop"), "line 900 has no code"),
        (("--before", "shop.cart:Cart.add", "print(", "shop"), "snippet line 1"),
        (("--before", "shop.cart:Cart.add", "{arg9}", "shop"), "there is no {arg9}"),
        (("shop",), "there is nothing to put in"),
        ((*ADD,), "Missing argument"),
    ],
)
def test_mistakes_change_nothing(folder: Path, equip: Run, arguments: tuple[str, ...], message: str) -> None:
    before = sorted(folder.rglob("*"))
    found = equip("instrument", *arguments)
    assert (found.status, found.out) == (2, "")
    assert message in found.err
    assert found.err.count("\n") <= 2
    assert sorted(folder.rglob("*")) == before


def test_a_visitor_that_asks_for_nothing(folder: Path, equip: Run) -> None:
    (folder / "v.py").write_text("import equip\nclass V(equip.MethodVisitor):\n    def visit(self, decl): pass\n")
    found = equip("instrument", "--use", "v.py:V", "shop")
    assert found.status == 2
    assert "nothing was instrumented" in found.err


@pytest.mark.parametrize("command", [("status",), ("restore",), ("verify",), ("instrument", *ADD)], ids=lambda c: c[0])
@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nosuch", "no such file or folder: check the path"),
        ("nosuch.pyc", "no such file or folder: check the path"),
        ("empty", "no Python files in this folder"),
        ("texts", "no Python files in this folder"),
        ("texts/read.me", "not a .py or .pyc file"),
        ("gone", "neither a file nor a folder (a broken link, or a device)"),
    ],
)
def test_paths_with_nothing_in_them(
    folder: Path, equip: Run, command: tuple[str, ...], path: str, message: str
) -> None:
    (folder / "empty").mkdir()
    (folder / "texts").mkdir()
    (folder / "texts" / "read.me").write_text("nothing to do here")
    (folder / "gone").symlink_to(folder / "nowhere")
    before = contents(folder)
    for paths in ([path], ["shop", path]):
        found = equip(*command, *paths)
        assert (found.status, found.out) == (2, "")
        assert found.err.startswith(f"equip: {path}: {message}")
        assert found.err.count("\n") <= 2
        assert contents(folder) == before


def test_originals_of_files_that_are_gone(folder: Path, equip: Run) -> None:
    """A folder with nothing else in it is not empty."""
    legacy = folder / "legacy"
    legacy.mkdir()
    py_compile.compile(str(folder / "shop" / "cart.py"), str(legacy / "cart.pyc"), doraise=True)
    before = contents(legacy)
    assert equip("instrument", "--before", "cart:*", "1", "legacy").status == 0
    for path in ("legacy", "legacy/cart.pyc"):
        (legacy / "cart.pyc").unlink()
        assert equip("status", path).out.startswith(f"stale\t{legacy / 'cart.pyc'}\t")
        assert [line.split("\t")[0] for line in equip("restore", path).lines] == ["restored"]
        assert contents(legacy) == before
        assert equip("instrument", "--before", "cart:*", "1", "legacy").status == 0


def test_damaged_files(folder: Path, python: Run, equip: Run) -> None:
    python("-m", "compileall", "-q", "shop")
    damaged = next((folder / "shop" / "__pycache__").glob("cart*.pyc"))
    damaged.write_bytes(damaged.read_bytes()[:60])
    for command in (("instrument", "--before", "shop*:*", "1"), ("verify",)):
        found = equip(*command, "shop")
        assert found.status == 1
        assert damaged.name in found.out
        assert "Traceback" not in found.err
    assert "not ours" in equip("status", "shop").out


def test_a_source_that_does_not_compile(folder: Path, equip: Run) -> None:
    (folder / "shop" / "bad.py").write_text("def f(:\n")
    found = equip("instrument", *ADD, "shop")
    assert found.status == 1
    assert "refused" in found.out
    assert "instrumented" in found.out
