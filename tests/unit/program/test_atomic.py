"""Replacing files: the old one or the new one, with the same mode."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from equip.errors import PycError
from equip.program import atomic


def test_replaces_and_keeps_the_mode(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"old")
    path.chmod(0o640)
    atomic.write_atomically(str(path), b"new", 0o777)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert os.listdir(tmp_path) == ["x"]


def test_a_new_file_has_the_mode_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "x"
    atomic.write_atomically(str(path), b"new", 0o604)
    assert stat.S_IMODE(path.stat().st_mode) == 0o604


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
def test_keeps_the_owner(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"old")
    os.chown(path, 1234, 4321)
    atomic.write_atomically(str(path), b"new")
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 4321)


@pytest.mark.parametrize("step", ["write", "fsync", "replace", "fchown", "chmod"])
def test_a_failure_at_any_step_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"old")

    def fail(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, fail)
    if step == "fchown":  # Giving the file away is not worth a failure.
        atomic.write_atomically(str(path), b"new")
        assert path.read_bytes() == b"new"
        return
    with pytest.raises(OSError, match="No space"):
        atomic.write_atomically(str(path), b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["x"]


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:3]))
    atomic.write_atomically(str(tmp_path / "x"), b"0123456789")
    assert (tmp_path / "x").read_bytes() == b"0123456789"


def test_leftovers_of_this_file_only_are_removed(tmp_path: Path) -> None:
    for name in ("a.pyc", "a.pyc.equip-tmp-12", "a.pyc.equip.equip-tmp-34", "b.pyc.equip-tmp-56", "a.pyc.equip"):
        (tmp_path / name).write_bytes(b"")
    atomic.remove_leftovers(str(tmp_path / "a.pyc"))
    assert sorted(os.listdir(tmp_path)) == ["a.pyc", "a.pyc.equip", "b.pyc.equip-tmp-56"]


def test_removing_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert not atomic.remove_file(str(tmp_path / "x"))
    (tmp_path / "x").write_bytes(b"")
    assert atomic.remove_file(str(tmp_path / "x"))


@pytest.mark.skipif(atomic.fcntl is None, reason="no advisory locks here")
class TestLock:
    def test_keeps_another_out(self, tmp_path: Path) -> None:
        order: list[str] = []

        def second() -> None:
            with atomic.locked(str(tmp_path)):
                order.append("second")

        with atomic.locked(str(tmp_path)):
            thread = threading.Thread(target=second)
            thread.start()
            time.sleep(0.1)
            order.append("first")
        thread.join()
        assert order == ["first", "second"]
        assert os.listdir(tmp_path) == []

    def test_ends_with_its_process(self, tmp_path: Path) -> None:
        program = (
            "import sys, time; from equip.program import atomic\n"
            "with atomic.locked(sys.argv[1]): print('locked', flush=True); time.sleep(60)"
        )
        process = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        process.kill()
        process.wait()
        process.stdout.close()
        with atomic.locked(str(tmp_path)):
            pass

    def test_does_not_wait_for_ever(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(atomic, "_LOCK_SECONDS", 0.05)
        with (
            atomic.locked(str(tmp_path)),
            pytest.raises(PycError, match="another process has been writing here"),
            atomic.locked(str(tmp_path)),
        ):
            pass
