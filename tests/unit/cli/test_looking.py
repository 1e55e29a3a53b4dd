"""``equip dis`` and ``cfg``, the help, and attaching."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .conftest import Ended, Run, environment


def test_dis_of_a_function(equip: Run) -> None:
    found = equip("dis", "shop/cart.py:Cart.add")
    assert found.status == 0
    assert found.lines[0] == "Cart.add, line 5:"
    assert any("append" in line for line in found.lines)
    assert not any(line.startswith(("+", "-")) for line in found.lines)


def test_dis_of_a_file(python: Run, equip: Run, folder: Path) -> None:
    python("-m", "compileall", "-q", "shop")
    compiled = next((folder / "shop" / "__pycache__").glob("cart*.pyc"))
    for path in ("shop/cart.py", compiled):
        heads = [line for line in equip("dis", path).lines if ", line " in line]
        assert [head.partition(",")[0] for head in heads] == [
            "<module>", "Cart", "Cart.__init__", "Cart.add", "boom"
        ]  # fmt: skip


def test_dis_with_probes_is_a_diff(equip: Run) -> None:
    found = equip("dis", "shop/cart.py:Cart.add", "--before", "shop.cart:*", "print(item, 'put in')")
    assert found.status == 0
    added = [line for line in found.lines if line.startswith("+ ")]
    assert any("put in" in line for line in added)
    assert all("*" in line for line in added)
    assert not [line for line in found.lines if line.startswith("- ")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("dis", "nosuch.py"), "no such file"),
        (("dis", "shop/cart.py:Cart.ad"), "Cart.add"),
        (("dis", "shop/cart.py:boom", "--before", "shop.cart:Cart.add", "1"), "the probes change nothing there"),
        (("dis", "bad.py"), "does not compile"),
        (("cfg", "shop/cart.py:Cart.ad"), "Cart.add"),
        (("cfg", "shop/cart.py:Cart.add", "-o", "x.png"), ".dot, .html, .svg"),
        (("nosuch",), "No such command"),
        (("attach", "1"), "there is nothing to put in"),
        (("attach", "x"), "not a valid integer"),
    ],
)
def test_mistakes(folder: Path, equip: Run, arguments: tuple[str, ...], message: str) -> None:
    (folder / "bad.py").write_text("def f(:\n")
    found = equip(*arguments)
    assert (found.status, found.out) == (2, "")
    assert message in found.err
    assert found.err.count("\n") <= 2
    assert not (folder / "x.png").exists()


def test_cfg(folder: Path, equip: Run) -> None:
    rows = [line.split("\t") for line in equip("cfg", "shop/cart.py:Cart.add").lines]
    assert len(rows) >= 4
    assert "return exit" in rows[-1][3]
    for name, mark in (("x.svg", "<svg"), ("x.dot", "digraph"), ("x.html", "<!doctype html>")):
        assert equip("cfg", "shop/cart.py:Cart.add", "-o", name).status == 0
        assert (folder / name).read_text(encoding="utf-8").startswith(mark)


def test_output_that_has_nowhere_to_go(folder: Path) -> None:
    """Not even a traceback of ours."""
    for where, status, told in ((">/dev/full", 1, "equip: not done: No space left on device\n"), (">&-", 0, "")):
        for command in ("status --json .", "cfg shop/cart.py:boom"):
            done = subprocess.run(
                f"{sys.executable} -m equip {command} {where}",
                cwd=folder, env=environment(), shell=True, text=True, capture_output=True, timeout=60,
            )  # fmt: skip
            assert (done.returncode, done.stderr) == (status, told)
    done = subprocess.run(
        f"{sys.executable} -m equip run --before 'shop:nope' 1 app.py 0 2>&-",
        cwd=folder, env=environment(), shell=True, text=True, capture_output=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.skipif(sys.platform != "linux", reason="file names that are no text; script")
def test_names_that_the_output_cannot_encode(folder: Path) -> None:
    for name in ("mit ümlaut.py", os.fsdecode(b"no\xfftext.py")):
        (folder / name).write_text("")
    command = f"{sys.executable} -m equip status --all ."
    for encoding in ("ascii", "utf-8:strict"):
        for line in (command, f"script -qec {shlex.quote(command)} /dev/null"):
            done = subprocess.run(
                line, cwd=folder, env={**environment(), "PYTHONIOENCODING": encoding}, shell=True, timeout=60,
                capture_output=True,
            )  # fmt: skip
            assert (done.returncode, done.stderr) == (0, b"")
            assert b"Traceback" not in done.stdout
            assert done.stdout.rstrip().endswith(b"5 clean")


def test_help_and_version(equip: Run) -> None:
    shown = equip("--help")
    assert shown.status == 0
    for name in ("run", "instrument", "status", "restore", "dis", "cfg", "verify", "attach", "detach"):
        assert f"  {name} " in shown.out
        assert equip(name, "--help").status == 0
    assert equip("--version").out.startswith("equip, version ")


@pytest.mark.parametrize(
    ("words", "wanted"), [("ru", "plain,run"), ("run --be", "plain,--before"), ("dis ap", "file,ap")]
)
def test_completion(words: str, wanted: str) -> None:
    words = f"equip {words}"
    asked = {"_EQUIP_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    command = [sys.executable, "-c", "from equip.cli import main; main()"]
    done = subprocess.run(command, env={**environment(), **asked}, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [wanted]


def test_without_a_command_there_is_help(equip: Run) -> None:
    found = equip()
    assert (found.status, found.out) == (2, "")
    assert found.err.startswith("Usage: equip ")
    assert found.err.rstrip().endswith("Take probes out of a running process.")


def test_without_its_libraries(folder: Path, python: Run) -> None:
    (folder / "click.py").write_text("raise ModuleNotFoundError('gone', name='click')")
    found = python("-m", "equip", "status", "shop")
    assert found == Ended(2, "", "equip: the command needs click: pip install 'equip[cli]'\n")


def test_attach_and_detach(folder: Path, equip: Run) -> None:
    (folder / "serves.py").write_text(
        "import time\nfrom shop import cart\nc = cart.Cart()\nprint('go', flush=True)\n"
        "for i in range(3000):\n    c.add(i)\n    time.sleep(.01)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "serves.py"], cwd=folder, env=environment(), stdout=-1, stderr=-1, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "go\n"
        probe = ("--before", "shop.cart:Cart.add", "print('add', flush=True)")
        found = equip("attach", *probe, process.pid)
        if not hasattr(sys, "remote_exec"):
            assert found.status == 2
            assert "needs Python 3.14 or newer" in found.err
            return
        if "not allowed" in found.err:
            pytest.skip("this system does not let processes look into others")
        assert found == Ended(0, f"process {process.pid}: probes are in shop.cart\n", "")
        assert process.stdout.readline() == "add\n"
        assert equip("detach", process.pid) == Ended(0, f"process {process.pid}: the probes are out\n", "")
        assert equip("detach", process.pid).status == 2
        assert "nothing is attached" in equip("detach", process.pid).err
        missed = equip("attach", "--before", "shop.cart:Cart.ad", "1", process.pid)
        assert "did you mean shop.cart:Cart.add" in missed.err
    finally:
        process.kill()
        process.communicate()
    time.sleep(0.05)
    gone = equip("attach", *probe, process.pid)
    assert gone.status == 2
    assert "no such process" in gone.err
