"""The whole standard library, without its tests, instrumented at entry, return, raise and every line.

Each code object still loads and goes through ``marshal``, and each module still imports from instrumented code.
"""

from __future__ import annotations

import marshal
import os
import subprocess
import sys
import sysconfig
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

import equip
from equip.code import provenance

LIBRARY = Path(sysconfig.get_path("stdlib"))
LEFT_OUT = {"test", "tests", "idle_test", "site-packages", "dist-packages", "lib2to3", "idlelib", "turtledemo"}


class Everywhere(equip.MethodVisitor):
    """Every join point of every function."""

    def visit(self, decl: equip.MethodDeclaration) -> None:
        rewriter = equip.SimpleRewriter(decl)
        rewriter.insert_before("_equip_seen = 1").insert_after("_equip_seen = {return_value}")
        rewriter.insert_on_raise("_equip_seen = {exception}")
        for line in sorted({line for *_, line in decl.code_object.co_lines() if line}):
            try:
                rewriter.insert_at_line(line, "_equip_seen = {lineno}")
            except equip.JoinPointError:
                continue  # a line with code on which no line event fires


def sources() -> Iterator[Path]:
    for folder, folders, files in os.walk(LIBRARY):
        folders[:] = sorted(name for name in folders if name not in LEFT_OUT)
        yield from (Path(folder, name) for name in sorted(files) if name.endswith(".py"))


@pytest.mark.slow
def test_every_code_object_goes_through_marshal() -> None:
    injected = 0
    for path in sources():
        if not path.exists():  # a dangling link
            continue
        with tokenize.open(path) as file:
            code = compile(file.read(), str(path), "exec", dont_inherit=True)
        new = equip.instrument_code(code, Everywhere(), verify=True)
        again = marshal.loads(marshal.dumps(new))
        assert again == new, path
        injected += sum(bool(provenance(one)) for one in again.co_consts if hasattr(one, "co_code"))
    assert injected > 1000


IMPORTING = """
import importlib.abc, importlib.machinery, sys, ast, dis, copy, textwrap, bisect, builtins
from soak.test_stdlib import Everywhere
import equip
equip.instrument_code(compile("def f(a): return a", "warm", "exec"), Everywhere())

class Loader(importlib.machinery.SourceFileLoader):
    def get_code(self, name):
        path = self.get_filename(name)
        code = compile(self.get_data(path), path, "exec", dont_inherit=True)
        return equip.instrument_code(code, Everywhere())

class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] == "equip":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and type(spec.loader) is importlib.machinery.SourceFileLoader:
            spec.loader = Loader(name, spec.origin)
        return spec

sys.meta_path.insert(0, Finder())
count = 0
for name in sys.argv[1:]:
    try:
        __import__(name)
        count += 1
    except ImportError as error:
        print(name, "is not importable here:", error)
print("imported", count)
"""


@pytest.mark.slow
def test_every_module_imports() -> None:
    names = sorted(
        name
        for name in sys.stdlib_module_names
        if not name.startswith("_") and name not in {*LEFT_OUT, "antigravity", "this", "turtle", "tkinter"}
    )
    tests = str(Path(__file__).resolve().parents[1])
    path = os.pathsep.join([tests, *(entry for entry in sys.path if entry)])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", IMPORTING, *names],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout.split()[-1]) > 150, done.stdout
