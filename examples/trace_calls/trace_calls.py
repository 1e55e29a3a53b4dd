"""Prints each call of a program with its arguments and its result, on stderr.

``python trace_calls.py PATH...``, then start the program as always.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import equip

RUNTIME = Path(__file__).with_name("runtime.py").read_text(encoding="utf-8")


class CallTracer(equip.MethodVisitor):
    """Prints the calls of functions, methods and lambdas, what they return and what they raise."""

    def visit(self, decl: equip.MethodDeclaration) -> None:
        rewriter = equip.SimpleRewriter(decl)
        rewriter.insert_import(RUNTIME)
        rewriter.insert_before("_call_trace.call('{module_name}.{qualname}', {arguments_dict})")
        rewriter.insert_after("_call_trace.result('{module_name}.{qualname}', {return_value})")
        rewriter.insert_on_raise("_call_trace.error('{module_name}.{qualname}', {exception})")


def main() -> int:
    parser = argparse.ArgumentParser(description="Makes a program print the calls of its functions.")
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a file or folder of the program")
    report = equip.Instrumentation(parser.parse_args().paths).apply(CallTracer(), rewrite=True)
    print(report)
    return 1 if report.refused else 0


if __name__ == "__main__":
    sys.exit(main())
