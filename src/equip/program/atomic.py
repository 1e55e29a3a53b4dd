"""Replacing a file so that whoever looks sees the old one or the new one, whole.

A crash, a full disk or a concurrent writer leaves one of the two. What a killed process leaves behind is a
temporary file beside it that no import system looks at; the next writer of the same file removes it.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from types import ModuleType
from typing import Final

from equip.errors import PycError

fcntl: ModuleType | None  # None on a platform without advisory locks: writers are then not serialised.
try:
    import fcntl
except ImportError:  # pragma: no cover
    fcntl = None

TEMPORARY: Final = ".equip-tmp-"
_LOCK_SECONDS: Final = 60.0
_LOCK_PAUSE: Final = 0.01


def write_atomically(path: str, data: bytes, mode: int | None = None) -> None:
    """Put ``data`` in the place of the file ``path``, keeping its mode bits, or with ``mode`` if it is new.

    The folder must exist. Raises ``OSError``, and then the old file is as it was.
    """
    before = find_status(path)
    temporary = f"{path}{TEMPORARY}{os.urandom(4).hex()}"
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0), 0o600)
    try:
        try:
            _write_all(descriptor, data)
            _copy_ownership(descriptor, temporary, before, mode)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def find_status(path: str) -> os.stat_result | None:
    """The status of a file, None if there is none. Raises ``OSError``."""
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _copy_ownership(descriptor: int, temporary: str, before: os.stat_result | None, mode: int | None) -> None:
    if before is not None:
        mode = before.st_mode & 0o7777
        mine = os.fstat(descriptor)
        if hasattr(os, "fchown") and (mine.st_uid, mine.st_gid) != (before.st_uid, before.st_gid):
            with contextlib.suppress(OSError):  # Only root can give a file away; the content is what matters.
                os.fchown(descriptor, before.st_uid, before.st_gid)
    os.chmod(descriptor if os.chmod in os.supports_fd else temporary, 0o644 if mode is None else mode)


def real_file(path: str) -> str:
    """The file behind ``path`` if that is a symbolic link, else ``path`` as it is, whatever its folders are."""
    return os.path.realpath(path) if os.path.islink(path) else path


def remove_file(path: str) -> bool:
    """Remove ``path``; False if there was none. Raises ``OSError`` for any other failure."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True


def remove_leftovers(path: str) -> None:
    """Remove the temporary files of writers of ``path`` that were killed. The folder must be locked."""
    folder, name = os.path.split(path)
    prefixes = (name + TEMPORARY, f"{name}.equip{TEMPORARY}")
    with contextlib.suppress(OSError):
        for found in os.listdir(folder or "."):
            if found.startswith(prefixes):
                os.unlink(os.path.join(folder, found))


@contextlib.contextmanager
def locked(folder: str) -> Iterator[None]:
    """Keep other writers of equip out of ``folder``. The lock ends with the process, however that ends.

    Raises ``PycError`` if another process keeps it for a minute.
    """
    if fcntl is None:
        yield
        return
    descriptor = os.open(folder or ".", os.O_RDONLY)
    try:
        _wait_for_lock(fcntl, descriptor, folder)
        yield
    finally:
        os.close(descriptor)


def _wait_for_lock(fcntl: ModuleType, descriptor: int, folder: str) -> None:
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise PycError(
                    f"{folder}: another process has been writing here for {_LOCK_SECONDS:.0f} s: "
                    "wait for it or end it, then run again"
                ) from None
            time.sleep(_LOCK_PAUSE)
        except OSError:  # A file system without locks: go on without.
            return
