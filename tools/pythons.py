"""Finds the Pythons that equip supports on this machine, and keeps a virtual environment for each in ``.venv``.

An interpreter is looked for, in this order: in ``EQUIP_PYTHONS`` (paths of interpreters, separated like
``PATH``), in ``.pythons`` of the repository, on ``PATH`` as ``python3.N``, among the versions of pyenv. Only
released versions of CPython count.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SUPPORTED = ("3.11", "3.12", "3.13", "3.14", "3.15")

_PROBE = """
import ensurepip, sys, venv
major, minor, micro, level, _ = sys.version_info
if sys.implementation.name == "cpython" and level == "final":
    print(f"{major}.{minor}", f"{major}.{minor}.{micro}")
"""


@dataclass(frozen=True)
class Python:
    """An interpreter: ``version`` is such as 3.14, ``release`` such as 3.14.2."""

    version: str
    release: str
    path: Path


def find_pythons() -> dict[str, Python]:
    """The first usable interpreter of each supported version, by version and in that order."""
    found: dict[str, Python] = {}
    for path in _candidates():
        python = _probe(path)
        if python is not None and python.version in SUPPORTED:
            found.setdefault(python.version, python)
    return {version: found[version] for version in SUPPORTED if version in found}


WHERE_LOOKED = "looked in EQUIP_PYTHONS, .pythons, PATH and pyenv's versions"
TESTING = ("--editable", ".[test]")
"""The requirements for tests."""
MEASURING = ("--editable", ".[bench]")
"""The requirements for measurements."""


def environment(python: Python, *requirements: str, name: str = "") -> Path:
    """The interpreter of ``.venv/<name>``, made with ``python`` and with the requirements installed.

    The name is the version unless given. It is made on the first call, and anew when what it depends on has
    changed. If that does not work the program ends, pip having told why.
    """
    folder = ROOT / ".venv" / (name or python.version)
    inside = folder / "bin" / "python"
    stamp = folder / "made-from"
    wanted = _fingerprint(python, requirements)
    if inside.exists() and stamp.exists() and stamp.read_text() == wanted:
        return inside
    print(f"setting up .venv/{folder.name} with {python.path} ({python.release})", flush=True)
    install = [str(inside), "-m", "pip", "install", "--quiet", "--quiet", *requirements]
    for command in ([str(python.path), "-m", "venv", "--clear", str(folder)], install):
        if subprocess.run(command, cwd=ROOT).returncode:
            sys.exit(f"{' '.join(map(str, command))}: failed, see above")
    stamp.write_text(wanted)
    return inside


def _fingerprint(python: Python, requirements: tuple[str, ...]) -> str:
    project = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    return f"{python.path} {python.release} {' '.join(requirements)} {project}\n"


def _candidates() -> Iterator[Path]:
    yield from (Path(path).absolute() for path in os.environ.get("EQUIP_PYTHONS", "").split(os.pathsep) if path)
    for version in SUPPORTED:
        yield from sorted((ROOT / ".pythons").glob(f"*/usr/bin/python{version}"))
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        yield from (Path(folder, f"python{version}") for version in SUPPORTED if folder)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(pyenv.glob("versions/3.*/bin/python"), key=_by_number, reverse=True)


def _by_number(path: Path) -> list[int]:
    return [int(part) if part.isdigit() else -1 for part in path.parts[-3].split(".")]


def _probe(path: Path) -> Python | None:
    """What an interpreter is; None if it does not run, is no released CPython, or cannot make environments."""
    if not os.access(path, os.X_OK):
        return None
    try:
        told = subprocess.run([path, "-I", "-c", _PROBE], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    answer = told.stdout.split()
    return Python(answer[0], answer[1], path) if told.returncode == 0 and len(answer) == 2 else None


def chosen(versions: list[str] | None = None) -> dict[str, Python]:
    """Those found of ``versions`` (None: of all supported). Ends the program if there are none."""
    found = find_pythons()
    pythons = {version: found[version] for version in versions or SUPPORTED if version in found}
    if not pythons:
        sys.exit(f"no interpreter for {' '.join(versions or SUPPORTED)}: {WHERE_LOOKED}")
    return pythons
