"""The convention for code in the documentation, and a program that runs the code of one page by it.

    python page.py PAGE          in an empty folder; one JSON object a block on stdout

Every fenced block of a page is met in order, in one folder and, for Python, one namespace:

- any block whose first line is ``# some/file.py`` (or another name with a dot in it) is written to that file;
- other ``python`` blocks are executed in this process; those that begin with ``>>>`` are checked by ``doctest``;
- ``console`` blocks have commands, ``$ ...``, each run by the shell, and behind each what it prints: ``...`` in a line
  stands for any text, a line ``...`` for any lines, trailing spaces do not matter;
- ``text`` is no code.

A block of any other kind fails. A comment before a block, ``<!-- skip: next "reason" -->`` or
``<!-- skip: next if(python < (3, 14), reason="...") -->``, says that it is not run, and why.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import json
import os
import re
import subprocess
import sys
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from unittest import SkipTest

from sybil import Document, Example, Region
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown import SkipParser
from sybil.parsers.markdown.lexers import RawFencedCodeBlockLexer

_FILE_NAME = re.compile(r"# ((?:[\w-]+/)*[\w-]+\.\w+)\n")
_COMMAND = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
_SECONDS = 60
_FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def parse(page: Path) -> Document:
    """The blocks of a page. Raises ``ValueError`` for a comment that skips more than a block, or without a reason."""
    document = Document.parse(str(page), _blocks, SkipParser())
    for example in document:
        if not _is_block(example) and (example.parsed[0] != "next" or not example.parsed[1]):
            raise ValueError(f"{page}:{example.line}: a skip is for the next block and has a reason")
    return document


def blocks(page: Path) -> list[tuple[int, str]]:
    """Each block of a page: the line it begins in and what follows its fence."""
    return [(example.line, example.region.lexemes["info"]) for example in parse(page) if _is_block(example)]


def not_run(page: Path) -> list[tuple[int, str]]:
    """The blocks of a page that are not run on this Python: the line each begins in, and the reason."""
    found = []
    document = _prepared(page)
    for example in document:
        try:
            document.evaluate(example, (lambda _: None) if _is_block(example) else example.region.evaluator)
        except SkipTest as reason:
            found.append((example.line, str(reason)))
    return found


def run(page: Path) -> Iterator[dict[str, Any]]:
    """What becomes of each block of a page, in order."""
    for example in _prepared(page):
        outcome, detail = _outcome(example)
        if _is_block(example):
            yield {"line": example.line, "outcome": outcome, "detail": detail}


def _prepared(page: Path) -> Document:
    document = parse(page)
    document.namespace.update(__name__="__main__", python=sys.version_info[:2])
    return document


def _outcome(example: Example) -> tuple[str, str]:
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            example.evaluate()
    except SkipTest as reason:
        return "skipped", str(reason)
    except Exception:
        return "failed", f"{printed.getvalue()}{traceback.format_exc()}"
    return "passed", ""


def _is_block(example: Example) -> bool:
    return example.region.evaluator is _evaluate


def _blocks(document: Document) -> Iterable[Region]:
    for region in RawFencedCodeBlockLexer(re.compile(r"(?P<info>[^\n]*)\n"))(document):
        region.parsed, region.evaluator = region.lexemes["source"], _evaluate
        yield region


def _evaluate(example: Example) -> str | None:
    """Runs a block; what is wrong with it, None if nothing is."""
    info, text = example.region.lexemes["info"], str(example.parsed)
    if named := _FILE_NAME.match(text):
        return _write(Path(named[1]), text)
    if info == "python":
        return _doctest(example) if text.startswith(">>>") else PythonEvaluator()(example)
    if info == "console":
        return _console(text)
    return None if info == "text" else f"no rule says how to run a block of the kind {info!r}: see {__file__}"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _doctest(example: Example) -> str | None:
    """The whole block is one test, so that all that is wrong with it is told at once."""
    test = doctest.DocTestParser().get_doctest(example.parsed, {}, example.path, example.path, example.line)
    test.globs = example.namespace
    told = io.StringIO()
    runner = doctest.DocTestRunner(verbose=False, optionflags=_FLAGS)
    runner.run(test, out=told.write, clear_globs=False)
    return told.getvalue() or None


def _console(text: str) -> str | None:
    if _COMMAND.sub("", text):
        return f"what is before the first '$ ' is no command:\n{_COMMAND.sub('', text)}"
    for command, expected in _COMMAND.findall(text):
        done = subprocess.run(
            command, shell=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=_SECONDS
        )
        if not re.fullmatch(_pattern(expected), _stripped(done.stdout)):
            return f"$ {command}\n{done.stdout}\ninstead of\n{expected}"
    return None


def _stripped(text: str) -> str:
    return "".join(line.rstrip() + "\n" for line in text.splitlines())


def _pattern(expected: str) -> str:
    lines = _stripped(expected).splitlines()
    return "".join("(?:.*\n)*" if line == "..." else _line_pattern(line) for line in lines)


def _line_pattern(line: str) -> str:
    return ".*".join(map(re.escape, line.split("..."))) + "\n"


if __name__ == "__main__":
    sys.path[0] = os.getcwd()
    for result in run(Path(sys.argv[1])):
        print(json.dumps(result), flush=True)
