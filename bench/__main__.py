"""``python -m bench [--quick] [--json FILE]``: every measurement on this interpreter, as a table."""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType

from bench import (
    alternatives,
    analysing,
    ast_rewriting,
    corpus,
    fields,
    growing,
    importing,
    lines,
    linking,
    peer,
    peer_graph,
    peer_networkx,
    peer_rustworkx,
    running,
    startup,
    verifying,
)
from bench.timing import ROUNDS, Row, in_new_process, minima

_QUICK_STRIDE = 12
_PEER_STRIDE = 12
"""A library that needs many times ``compile()`` gets a part of the modules, and ``compile()`` of the same part."""
_BY_THEMSELVES: dict[str, Callable[[], Iterable[Row]]] = {
    "running": running.measure,
    "alternatives": alternatives.measure,
    "importing": importing.measure,
    "growing": growing.measure,
    "startup": startup.measure,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measures what equip costs.")
    parser.add_argument("--quick", action="store_true", help=f"every {_QUICK_STRIDE}th module only")
    parser.add_argument("--only", choices=_BY_THEMSELVES, help="this group of measurements only")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows to FILE, too")
    options = parser.parse_args()
    rows = []
    print(f"Python {platform.python_version()}, minimum of {ROUNDS} runs in turn, CPU time\n")
    print(f"  {'work':<60}{'seconds':>9}{'ratio':>8}{'goal':>7}")
    for row in _BY_THEMSELVES[options.only]() if options.only else _measure(options.quick):
        rows.append(row)
        goal = f"{row.goal:7.2f}" if row.goal is not None else ""
        print(f"  {row.work:<60}{row.seconds:9.4f}{row.ratio:8.2f}{goal}", flush=True)
    if options.json:
        options.json.write_text(json.dumps([_as_json(row) for row in rows], indent=1) + "\n", encoding="utf-8")


def _measure(quick: bool) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        whole, part = Path(folder, "whole"), Path(folder, "part")
        count = corpus.write(whole, _QUICK_STRIDE if quick else 1)
        shown = f"{count} modules of the standard library"
        works = (linking, fields, lines, ast_rewriting, analysing, verifying)
        yield from _against_compile(whole, f"compile() of {shown}", *works)
        count = corpus.write(part, _PEER_STRIDE)
        peers = (peer, peer_networkx, peer_rustworkx, peer_graph)
        yield from _against_compile(part, f"compile() of {count} of these", *peers)
    for measure in _BY_THEMSELVES.values():
        yield from measure()


def _against_compile(modules: Path, title: str, *works: ModuleType) -> Iterator[Row]:
    """Rows for work over the same modules, each run in a process of its own, in turn with ``compile()``."""
    names = ["bench.compiling", *(work.__name__ for work in works)]
    best = minima({name: partial(_run_once, name, modules) for name in names})
    reference = best["bench.compiling"]
    yield Row(title, reference, reference)
    for work in works:
        yield Row(work.TITLE, best[work.__name__], reference, work.GOAL)


def _run_once(work: str, modules: Path) -> float:
    return float(in_new_process("bench.worker", work, str(modules)))


def _as_json(row: Row) -> dict[str, object]:
    return {
        "python": platform.python_version(),
        "work": row.work,
        "seconds": row.seconds,
        "reference_seconds": row.reference,
        "ratio": row.ratio,
        "goal": row.goal,
    }


if __name__ == "__main__":
    main()
