"""Several processes on one tree at once: nothing is lost, nobody sees half a file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from children import check_whole
from programs import BOTH, Calls, Returns, compiled, instrument, run, write_tree

import equip
from equip.program import pyc

HOME = os.path.dirname(os.path.dirname(os.path.abspath(equip.__file__)))
PROGRAMS = str(Path(__file__).parents[1] / "unit" / "delivery")
BEGIN = f"import sys; sys.path[:0] = {[HOME, PROGRAMS]!r}\nfrom programs import *\nsys.stdin.readline()\n"
MANY = {f"shop/m{number}.py": f"def f{number}(a):\n    return a + {number}\n" for number in range(20)}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = write_tree(write_tree(tmp_path), MANY)
    equip.Instrumentation(root / "shop").prepare_program()
    return root


def at_once(*programs: str, root: Path) -> None:
    """Start the programs, let them go together, and wait until all have ended well."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", BEGIN + program, str(root / "shop")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for program in programs
    ]
    for process in started:
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
    for process in started:
        output = process.communicate()[0]
        assert process.returncode == 0, output.decode()


def test_two_probes_are_both_put_in(root: Path) -> None:
    originals = compiled(root)
    for _ in range(3):
        at_once(
            "report = instrument(sys.argv[1], Calls()); assert not report.refused, report\n",
            "report = instrument(sys.argv[1], Returns()); assert not report.refused, report\n",
            root=root,
        )
        states = [one for one in equip.status(root) if one.probes]
        assert {tuple(sorted(probe.name for probe in one.probes)) for one in states} == {("Calls", "Returns")}
        assert len(states) == 21
        assert sorted(run("-m", "shop", cwd=root).splitlines()) == sorted(BOTH.splitlines())
        equip.restore(root)
        assert compiled(root) == originals


def test_the_same_probe_is_put_in_once(root: Path) -> None:
    at_once(*["instrument(sys.argv[1], Calls(), Returns())\n"] * 3, root=root)
    assert run("-m", "shop", cwd=root) == BOTH


def test_instrumenting_restoring_and_running(root: Path) -> None:
    originals = compiled(root)
    at_once(
        "for _ in range(6): instrument(sys.argv[1], Calls())\n",
        "for _ in range(6): equip.restore(sys.argv[1])\n",
        "for _ in range(4):\n    shown = run('-m', 'shop', cwd=Path(sys.argv[1]).parent)\n"
        "    assert shown.endswith('2\\n') and 'Error' not in shown, shown\n",
        root=root,
    )
    check_whole(root, originals)
    equip.restore(root)
    assert compiled(root) == originals


def test_a_reader_always_sees_a_whole_file(root: Path) -> None:
    path = next(root.glob("shop/__pycache__/cart*.pyc"))
    writer = subprocess.Popen(
        [
            sys.executable,
            "-c",
            BEGIN + "for _ in range(25): instrument(sys.argv[1], Calls()); equip.restore(sys.argv[1])",
            str(root / "shop" / "cart.py"),
        ],
        stdin=subprocess.PIPE,
    )
    assert writer.stdin is not None
    writer.stdin.write(b"\n")
    writer.stdin.close()
    sizes = set()
    while writer.poll() is None:
        sizes.add(len(pyc.read_pyc(str(path)).data))
    assert writer.returncode == 0
    assert len(sizes) == 2


def test_what_changes_between_looking_and_writing_is_respected(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process puts its own probe in while ours works, or Python compiles the file anew."""
    from equip.delivery import disk

    collect = disk._collect

    def meanwhile(works: object, results: object) -> None:
        collect(works, results)  # type: ignore[arg-type]
        monkeypatch.setattr(disk, "_collect", collect)
        instrument(root / "shop" / "cart.py", Returns())
        newer = root / "shop" / "m3.py"
        newer.write_text("def f3(a):\n    return 'newer'\n")
        equip.Instrumentation(newer).prepare_program()

    monkeypatch.setattr(disk, "_collect", meanwhile)
    report = instrument(root / "shop", Calls())
    (refused,) = report.refused
    assert refused.path.endswith("m3.py")
    assert "compiled anew while it was being instrumented" in refused.reason
    probes = next(one.probes for one in report.instrumented if one.path.endswith("cart.py"))
    assert probes == ("Calls", "Returns")
    assert sorted(run("-m", "shop", cwd=root).splitlines()) == sorted(BOTH.splitlines())
