"""Instruments a tree on disk at entry, return, raise and every line of every function; what runs is counted.

    python everywhere.py PATH...

prints one line of JSON: see ``Made``. The probes evaluate what they can name (arguments, value, exception) and
call ``equip_soak_hit``, a counter in C that ``COUNTER``, as a ``sitecustomize`` module, makes a builtin. Each
process adds its hits as a line to the file that ``EQUIP_SOAK_HITS`` names.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import equip

HIT = "equip_soak_hit()"

COUNTER = """
import atexit, builtins, itertools, os

counter = itertools.count()
builtins.equip_soak_hit = counter.__next__

@atexit.register
def tell(counter=counter, path=os.environ.get("EQUIP_SOAK_HITS"), os=os, next=next):
    if path:
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, b"%d\\n" % next(counter))
        os.close(file)
"""


@dataclass
class Made:
    """What became of a tree. ``refused`` says which files were not instrumented, and why."""

    functions: int
    files: int
    refused: list[str]
    seconds: float


class Everywhere(equip.MethodVisitor):
    """Every join point of every function."""

    def __init__(self) -> None:
        self.functions = 0

    def visit(self, decl: equip.MethodDeclaration) -> None:
        self.functions += 1
        rewriter = equip.SimpleRewriter(decl)
        rewriter.insert_before(f"[{{arguments}}]; {HIT}")
        rewriter.insert_after(f"[{{return_value}}]; {HIT}")
        rewriter.insert_on_raise(f"[{{exception}}]; {HIT}")
        for line in sorted({line for *_, line in decl.code_object.co_lines() if line}):
            try:
                rewriter.insert_at_line(line, HIT)
            except equip.JoinPointError:
                continue  # a line with code on which no line event fires


def instrument(paths: Sequence[str]) -> Made:
    """Rewrite the compiled files of some paths."""
    visitor, begin = Everywhere(), time.monotonic()
    program = equip.Instrumentation(paths)
    program.set_option("workers", 1)
    program.set_option("force-rebuild")
    report = program.apply(visitor, rewrite=True)
    refused = [str(one) for one in report.refused]
    return Made(visitor.functions, len(report.instrumented), refused, round(time.monotonic() - begin, 1))


def put_counter(folder: Path) -> None:
    """Make a folder that counts hits in every Python that has it on its path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(COUNTER, encoding="utf-8")


def count_hits(path: Path) -> int:
    """The hits of all processes that ended since the file was removed."""
    return sum(map(int, path.read_text().split())) if path.exists() else 0


if __name__ == "__main__":
    print(json.dumps(asdict(instrument(sys.argv[1:]))))
