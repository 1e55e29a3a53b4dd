"""Instrumented code that the import hook has made before, in files beside Python's own compiled ones.

The files have names of their own kind, so no import system reads them. A file is good for one state of the source and
of Python's own compiled file, which may be instrumented itself, one interpreter, one version of equip and one set of
probes; anything else in it counts as nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import marshal
import os
import sys
from collections.abc import Sequence
from types import CodeType
from typing import Any, Final, NamedTuple

from equip.delivery.recursion import Absolute
from equip.program import atomic

_START: Final = b"equip hook 3\n"
_KEPT: Final = 4
"""So many sets of probes of one module are kept; the oldest go."""


class Entry(NamedTuple):
    """What was made of a module: its code (None: it stays as it is), and what making it has told.

    That is what import statements the snippets have, the modules of callables, and what visitors remember.
    """

    code: CodeType | None
    imports: tuple[Absolute, ...]
    homes: tuple[str, ...]
    memories: tuple[Any, ...]


def _state_of(file: str) -> tuple[int, int] | None:
    """What tells a file from what it was before and will be; None if there is none."""
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


class Cache:
    """The file for one module and one set of probes. ``file`` is what the import system loads the module from."""

    def __init__(self, name: str, file: str, digests: Sequence[str]) -> None:
        self.path: str | None = None
        state = _state_of(file)
        try:
            own = importlib.util.cache_from_source(f"{os.path.splitext(file)[0]}.py")
        except NotImplementedError:
            return
        if state is None:
            return
        probes = hashlib.sha256(ascii((name, *digests)).encode()).hexdigest()[:16]
        self._stem = f"{own.removesuffix('.pyc')}.equip-"
        self.path = self._stem + probes
        interpreter = (tuple(sys.implementation.version), importlib.util.MAGIC_NUMBER)
        own_version = str(vars(sys.modules["equip"])["__version__"])
        self._key = (*state, file, name, tuple(digests), interpreter, own_version)
        self._own = own
        self._compiled = _state_of(own)
        """The state of the compiled file, which may have something in it, as the module is found."""

    def read(self) -> Entry | None:
        """What was made before; None if there is nothing good."""
        if self.path is None:
            return None
        try:
            with open(self.path, "rb") as stream:
                data = stream.read()
        except OSError:
            return None
        body = data[len(_START) + 32 :]
        if not data.startswith(_START + hashlib.sha256(body).digest()):
            return None
        key, compiled, *entry = marshal.loads(body)
        return Entry(*entry) if (key, compiled) == (self._key, self._compiled) else None

    @property
    def is_writing(self) -> bool:
        """Whether this Python keeps compiled files."""
        return self.path is not None and not sys.dont_write_bytecode

    def write(self, entry: Entry) -> None:
        """Keep what was made. Where that is not possible there is no cache, which is no error."""
        if self.path is None or not self.is_writing:
            return
        compiled = _state_of(self._own)
        if self._compiled not in (None, compiled):
            return  # Another file is in its place now: which one was loaded is not known. Next time it is kept.
        try:
            body = marshal.dumps((self._key, compiled, *entry))
        except ValueError:  # A constant that no file can hold.
            return
        folder = os.path.dirname(self.path)
        with contextlib.suppress(OSError):
            os.makedirs(folder, exist_ok=True)
            atomic.write_atomically(self.path, _START + hashlib.sha256(body).digest() + body)
            self._remove_old(folder)

    def _remove_old(self, folder: str) -> None:
        stem = os.path.basename(self._stem)
        names = (name for name in os.listdir(folder) if name.startswith(stem) and atomic.TEMPORARY not in name)
        there = sorted((os.path.join(folder, name) for name in names), key=os.path.getmtime, reverse=True)
        for path in there[_KEPT:]:
            atomic.remove_file(path)
