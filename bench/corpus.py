"""What is instrumented: the standard library of the interpreter, without its tests, in memory."""

from __future__ import annotations

import marshal
import os
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import NamedTuple

_NOT_MEASURED = {"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__", "__phello__"}


class Module(NamedTuple):
    """A module: where it is, its source, and its code as the import system would load it."""

    path: str
    name: str
    source: bytes
    code: CodeType


def write(target: Path, stride: int = 1) -> int:
    """Write every ``stride``-th module of the standard library to ``target``; how many these are."""
    found: list[tuple[str, str, bytes, bytes]] = []
    for path, name in list(_paths())[::stride]:
        source = Path(path).read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                code = compile(source, path, "exec", dont_inherit=True)
            except SyntaxError:  # templates, and examples of bad code
                continue
        found.append((path, name, source, marshal.dumps(code)))
    target.write_bytes(marshal.dumps(found))
    return len(found)


def read(path: str) -> list[Module]:
    """The modules that ``write`` wrote, freshly loaded."""
    found = marshal.loads(Path(path).read_bytes())
    return [Module(path, name, source, marshal.loads(code)) for path, name, source, code in found]


def _paths() -> Iterator[tuple[str, str]]:
    root = sysconfig.get_path("stdlib")
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in _NOT_MEASURED)
        for file in sorted(files):
            path = os.path.join(folder, file)
            if file.endswith(".py") and os.path.isfile(path):
                parts = os.path.relpath(path, root).removesuffix(".py").split(os.sep)
                yield path, ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
