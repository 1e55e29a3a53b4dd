"""Importing rewritten compiled files, against compiled files of sources that have the snippet written in."""

from __future__ import annotations

import ast
import builtins
import importlib.util
import marshal
import shutil
import sys
import sysconfig
import tempfile
import time
import warnings
from importlib.machinery import SourcelessFileLoader
from pathlib import Path

import equip
from bench.timing import Row, minima, print_rows, typical_rows

GOAL = 1.0
_ROUNDS = 30
_SNIPPET = "_hits.clear()"
_MODULES = ["argparse", "ast", "calendar", "configparser", "contextlib", "copy", "csv", "difflib", "doctest", "enum", "fractions", "ftplib", "functools", "imaplib", "inspect", "ipaddress", "mailbox", "optparse", "pickle", "pickletools", "pprint", "random", "shutil", "smtplib", "statistics", "string", "subprocess", "tarfile", "textwrap", "threading", "trace", "traceback", "typing", "uuid"]


class AtEntry(equip.MethodVisitor):
    def visit(self, decl: equip.MethodDeclaration) -> None:
        if not decl.is_lambda:
            equip.SimpleRewriter(decl).insert_before(_SNIPPET)


def measure() -> list[Row]:
    """One row: all the modules together."""
    return typical_rows("bench.importing")


def _measure(folder: Path) -> Row:
    builtins._hits = []  # type: ignore[attr-defined]  # for the snippet, whichever module it runs in
    sources = _copy_modules(folder)
    report = equip.Instrumentation(folder).apply(AtEntry(), rewrite=True)
    assert len(report.instrumented) == len(sources), report
    rewritten = [importlib.util.cache_from_source(source) for source in sources]
    by_hand = [str(_compile_by_hand(source)) for source in sources]
    best = minima({"r": lambda: _load(rewritten), "h": lambda: _load(by_hand)}, _ROUNDS)
    return Row(f"import: {len(sources)} rewritten modules", best["r"], best["h"], GOAL)


def _copy_modules(folder: Path) -> list[Path]:
    """Copies of those of the modules that are files in this version's standard library."""
    library = Path(sysconfig.get_path("stdlib"))
    found = [library / f"{name}.py" for name in _MODULES]
    return [Path(shutil.copy(path, folder)) for path in found if path.is_file()]


def _compile_by_hand(source: Path) -> Path:
    """A compiled file of the source with the snippet at the beginning of each function, behind its docstring."""
    tree = ast.parse(source.read_bytes())
    for node in list(ast.walk(tree)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            at = int(ast.get_docstring(node, clean=False) is not None)
            statement = ast.parse(_SNIPPET).body[0]
            for part in ast.walk(statement):
                ast.copy_location(part, node.body[min(at, len(node.body) - 1)])
            node.body.insert(at, statement)
    header = importlib.util.MAGIC_NUMBER + bytes(12)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        code = compile(tree, str(source), "exec", dont_inherit=True)
    target = source.with_suffix(".by_hand.pyc")
    target.write_bytes(header + marshal.dumps(code))
    return target


def _load(paths: list[str]) -> float:
    """The time that it takes to read, load and run the modules."""
    begin = time.process_time()
    for path in paths:
        loader = SourcelessFileLoader("measured", path)
        spec = importlib.util.spec_from_loader("measured", loader)
        assert spec is not None
        module = sys.modules["measured"] = importlib.util.module_from_spec(spec)
        loader.exec_module(module)
    return time.process_time() - begin


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        print_rows([_measure(Path(place))])
