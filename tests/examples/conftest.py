"""A little program for the examples to work on, in a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import equip

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
Run = Callable[..., "subprocess.CompletedProcess[str]"]

CART = '''
"""Carts."""
from __future__ import annotations


class Cart:
    def __init__(self, owner):
        self.items = []
        self.owner = owner

    def add(self, item: str, *more: str, **details):
        self.items += [item, *more]
        return self

    def __repr__(self):
        return f"<cart of {self.owner}>"

    def size(self, weight=lambda item: len(item)):
        return sum(weight(item) for item in self.items)


def numbers(n):
    for i in range(n):
        yield i


def fail():
    raise LookupError("nothing there")
'''
MAIN = """
import sys
from shop.cart import Cart, fail, numbers

def main(how):
    print(Cart("ann").add("apple", "pear", colour="red").size(), list(numbers(2)))
    if how == "exit":
        sys.exit(3)
    if how == "raise":
        fail()

if __name__ == "__main__":
    main(sys.argv[1])
    assert "equip" not in sys.modules
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """The folder of the package ``shop``, to be started as ``python -m shop normal|exit|raise``."""
    package = tmp_path / "shop"
    package.mkdir()
    for name, source in {"__init__": "", "cart": CART, "__main__": MAIN}.items():
        (package / f"{name}.py").write_text(source, encoding="utf-8")
    return package


@pytest.fixture
def instrument(shop: Path) -> Run:
    """Runs an example on the package as a user would."""

    def run(example: str) -> subprocess.CompletedProcess[str]:
        script = EXAMPLES / example / f"{example}.py"
        source = Path(equip.__file__).parents[1]
        return _run([str(script), str(shop)], shop.parent, {"PYTHONPATH": str(source)})

    return run


@pytest.fixture
def start(shop: Path) -> Run:
    """Starts the program where equip cannot be imported: without site-packages."""

    def run(how: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return _run(["-S", "-m", "shop", how], shop.parent, variables)

    return run


def _run(arguments: list[str], folder: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment | variables, capture_output=True, text=True
    )
