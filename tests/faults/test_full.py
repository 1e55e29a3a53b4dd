"""No room left, or no right to write: each file is left as it was, and the report says why."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from children import NOBODY, check_whole, in_child
from programs import CALLS, PLAIN, Calls, compiled, instrument, run, write_tree

import equip


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    shop = write_tree(tmp_path) / "shop"
    equip.Instrumentation(shop).prepare_program()
    return shop


def start(shop: Path) -> str:
    return run("-B", "-m", "shop", cwd=shop.parent)


def test_the_disk_fills_up_at_any_byte(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    originals = compiled(shop)
    write = os.write
    room = 0

    def limited(descriptor: int, data: memoryview) -> int:
        nonlocal left
        if left <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = write(descriptor, data[:left])
        left -= written
        return written

    while True:
        left = room
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", limited)
            report = instrument(shop, Calls())
        if not report.refused:
            break
        assert "No space left" in report.refused[0].reason
        assert "free space" in report.refused[0].reason
        assert compiled(shop) == originals
        assert start(shop) == PLAIN
        room += 700
    assert room > 700
    assert start(shop) == CALLS


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="no limits on file sizes there")
def test_a_limit_on_the_size_of_files(shop: Path) -> None:
    import resource

    originals = compiled(shop)

    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
        report = instrument(shop, Calls())
        assert [os.path.basename(one.path) for one in report.refused] == ["cart.py"]
        assert "File too large" in report.refused[0].reason

    assert in_child(limited) == 0
    assert compiled(shop) == originals


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 128 kB."""
    folder = Path(tempfile.mkdtemp(prefix="small-disk-"))
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if not mounted or mounted.returncode:
        folder.rmdir()
        pytest.skip("may not mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
    folder.rmdir()


def fill(path: Path) -> None:
    """Write until there is no room left."""
    with open(path, "wb", buffering=0) as stream, contextlib.suppress(OSError):
        while True:
            stream.write(bytes(1024))


def test_a_full_file_system(small_disk: Path) -> None:
    shop = write_tree(small_disk) / "shop"
    equip.Instrumentation(shop).prepare_program()
    originals = compiled(shop)
    ballast = small_disk / "ballast"
    fill(ballast)
    report = instrument(shop, Calls())
    assert "No space left" in report.refused[0].reason
    assert compiled(shop) == originals
    ballast.unlink()
    assert instrument(shop, Calls()).instrumented
    assert start(shop) == CALLS


# -- no right to write ----------------------------------------------------------------------------


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may look into."""
    folder = Path(tempfile.mkdtemp(prefix="read-only-"))
    folder.chmod(0o755)
    yield folder
    for path in (folder, *folder.rglob("*")):
        if path.is_dir():
            path.chmod(0o755)
    shutil.rmtree(folder)


def as_user(action: object) -> int:
    """Run ``action`` where the rights of files count: root does not care for them."""

    def without_rights() -> None:
        if os.geteuid() == 0:
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        action()  # type: ignore[operator]

    return in_child(without_rights)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("prepared", [True, False])
def test_a_folder_that_may_not_be_written(open_folder: Path, prepared: bool) -> None:
    shop = write_tree(open_folder) / "shop"
    if prepared:
        equip.Instrumentation(shop).prepare_program()
    other = write_tree(open_folder / "other", {"fine.py": "def f(): pass\n"})
    if os.geteuid() == 0:
        os.chown(other, NOBODY, NOBODY)
    for path in (shop, shop / "__pycache__"):
        if path.exists():
            path.chmod(0o555)
    originals = compiled(shop)
    instrument(other, Calls())  # What children import is loaded before rights are given up.
    equip.restore(other)
    shutil.rmtree(other / "__pycache__")

    def attempt() -> None:
        instrumentation = equip.Instrumentation([shop, other])
        assert instrumentation.prepare_program()
        report = instrumentation.apply(Calls(), rewrite=True)
        assert [os.path.basename(one.path) for one in report.instrumented] == ["fine.py"]
        refused = {os.path.basename(one.path): one.reason for one in report.refused}
        assert "cart.py" in refused
        assert "Permission denied" in refused["cart.py"]
        assert "make its folder writable" in refused["cart.py"]

    assert as_user(attempt) == 0
    assert compiled(shop) == originals
    assert start(shop) == PLAIN


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_restoring_where_nothing_may_be_written(open_folder: Path) -> None:
    shop = write_tree(open_folder) / "shop"
    equip.Instrumentation(shop).prepare_program()
    originals = compiled(shop)
    instrument(shop, Calls())
    for path in (shop, shop / "__pycache__"):
        path.chmod(0o555)

    def attempt() -> None:
        report = equip.restore(shop)
        assert not report.restored
        assert "Permission denied" in report.refused[0].reason

    assert as_user(attempt) == 0
    assert check_whole(shop, originals) == {"clean", "instrumented"}
    assert start(shop) == CALLS


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_file_that_may_not_be_read(open_folder: Path) -> None:
    shop = write_tree(open_folder) / "shop"
    if os.geteuid() == 0:
        for path in (open_folder, *open_folder.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
    (shop / "cart.py").chmod(0)

    def attempt() -> None:
        report = instrument(shop, Calls())
        assert [os.path.basename(one.path) for one in report.refused] == ["cart.py"]
        assert "cannot be read (Permission denied)" in report.refused[0].reason

    assert as_user(attempt) == 0


def test_immutable_files(shop: Path) -> None:
    """A file that not even root may replace."""
    cached = next(shop.glob("__pycache__/cart*.pyc"))
    chattr = shutil.which("chattr")
    if chattr is None or subprocess.run([chattr, "+i", str(cached)], capture_output=True, check=False).returncode:
        pytest.skip("files cannot be made immutable here")
    try:
        originals = compiled(shop)
        report = instrument(shop, Calls())
        assert [os.path.basename(one.path) for one in report.refused] == ["cart.py"]
        assert compiled(shop) == originals
    finally:
        subprocess.run([chattr, "-i", str(cached)], check=True)
