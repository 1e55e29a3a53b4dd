"""A small program, and the command run on it as a user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

SOURCES = Path(__file__).resolve().parents[3] / "src"

APP = """\
import sys
from shop import cart

def main(n):
    c = cart.Cart()
    for i in range(n):
        c.add(i, i)
    if n > 3:
        cart.boom()
    return n

if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
"""
CART = """\
class Cart:
    def __init__(self):
        self.items = []

    def add(self, item, count=1):
        for _ in range(count):
            self.items.append(item)
        return len(self.items)

def boom():
    raise ValueError("boom")
"""


@dataclass(frozen=True)
class Ended:
    """How a process ended."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


Run = Callable[..., Ended]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").write_text("")
    (tmp_path / "shop" / "cart.py").write_text(CART)
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "EQUIP", "COV"))}
    return {**kept, "PYTHONPATH": str(SOURCES)}


@pytest.fixture
def python(folder: Path) -> Run:
    """Runs this Python in the folder; ``input`` is what it reads."""

    def run(*arguments: object, input: str | None = None) -> Ended:
        command = [sys.executable, *map(str, arguments)]
        done = subprocess.run(
            command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=120, input=input
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def equip(python: Run) -> Run:
    """Runs the command in the folder."""
    return lambda *arguments, **options: python("-m", "equip", *arguments, **options)
