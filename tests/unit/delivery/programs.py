"""Small programs on disk, started in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import equip

SHOP = {
    "shop/__init__.py": "from .cart import Cart\n",
    "shop/__main__.py": "from shop import Cart\nprint(Cart().add(5, 6))\n",
    "shop/cart.py": (
        '"""A cart."""\n'
        "class Cart:\n"
        "    def __init__(self):\n"
        "        self.things = []\n"
        "    def add(self, thing, *more):\n"
        "        self.things += [thing, *more]\n"
        "        return len(self.things)\n"
    ),
}


class Calls(equip.MethodVisitor):
    """Prints the name of each function that is called."""

    def visit(self, decl: equip.MethodDeclaration) -> None:  # type: ignore[override]
        equip.SimpleRewriter(decl).insert_before("print('call', '{qualname}')")


class Returns(equip.MethodVisitor):
    """Prints what functions return."""

    def visit(self, decl: equip.MethodDeclaration) -> None:  # type: ignore[override]
        equip.SimpleRewriter(decl).insert_after("print('return', '{qualname}', {return_value})")


class AllSorts(equip.MethodVisitor):
    """Has constants, fields, private names and nested code of all kinds put in, and keeps what it has seen."""

    def __init__(self) -> None:
        self.seen: list[object] = []

    def visit(self, decl: equip.MethodDeclaration) -> None:  # type: ignore[override]
        self.seen.append((decl, decl.code_object.co_consts, decl.bytecode))
        rewriter = equip.SimpleRewriter(decl)
        rewriter.insert_before("one, two, three, four = '{file_name}', {file_path}, 'a b', (2.5, 'c d', 70000)")
        rewriter.insert_after("print({return_value}, {module_name}, {qualname}, {lineno}, 'a b', 2.5, one, four)")
        rewriter.insert_on_raise("print((lambda: ({method_name}, b'e f', {'a b', 'c d', 'g h'}))())", suppress=True)


def all_sorts() -> list[object]:
    """Visitors whose names and snippets are no identifiers, long enough, and partly the same."""
    return [AllSorts(), equip.before("*:*", "print('a b', {qualname})", limit=3), equip.after("*:*1*", "print(2.5)")]


PLAIN = "2\n"
CALLS = "call Cart.__init__\ncall Cart.add\n2\n"
RETURNS = "return Cart.__init__ None\nreturn Cart.add 2\n2\n"
BOTH = "call Cart.__init__\nreturn Cart.__init__ None\ncall Cart.add\nreturn Cart.add 2\n2\n"


def write_tree(root: Path, files: Mapping[str, str | bytes] = SHOP) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return root


def run(*arguments: str, cwd: Path) -> str:
    """The output of this interpreter, started with ``arguments``, errors included; no equip can be imported."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    return done.stdout.decode(errors="replace").replace("\r\n", "\n")


def snapshot(root: Path) -> dict[str, bytes]:
    """The bytes of every file below ``root``."""
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def compiled(root: Path) -> dict[str, bytes]:
    """The compiled files below ``root``, and what is kept beside them."""
    return {name: data for name, data in snapshot(root).items() if ".pyc" in name}


def instrument(root: Path, *visitors: object, **options: object) -> equip.Report:
    instrumentation = equip.Instrumentation(root)
    for name, value in options.items():
        instrumentation.set_option(name.replace("_", "-"), value)
    assert instrumentation.prepare_program()
    return instrumentation.apply(list(visitors), rewrite=True)  # type: ignore[arg-type]
