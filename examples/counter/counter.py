"""Counts the calls of each function of a program: ``python counter.py PATH...``, then start it as always.

When the program ends it writes the counts as JSON to ``calls.json``, or to the file that the environment
variable ``CALL_COUNTS`` names.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import equip

RUNTIME = Path(__file__).with_name("runtime.py").read_text(encoding="utf-8")


class CallCounter(equip.MethodVisitor):
    """Counts the calls of functions, methods and lambdas."""

    def visit(self, decl: equip.MethodDeclaration) -> None:
        rewriter = equip.SimpleRewriter(decl)
        rewriter.insert_import(RUNTIME)
        rewriter.insert_before("_call_counts['{module_name}.{qualname}'] += 1")


def main() -> int:
    parser = argparse.ArgumentParser(description="Makes a program count the calls of its functions.")
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a file or folder of the program")
    report = equip.Instrumentation(parser.parse_args().paths).apply(CallCounter(), rewrite=True)
    print(report)
    return 1 if report.refused else 0


if __name__ == "__main__":
    sys.exit(main())
