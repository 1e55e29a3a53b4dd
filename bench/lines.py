"""A fragment at every line of every function."""

from __future__ import annotations

import equip
from bench.corpus import Module

TITLE = "equip: a fragment at every line"
GOAL = 1.3


class EveryLine(equip.MethodVisitor):
    def visit(self, decl: equip.MethodDeclaration) -> None:
        rewriter = equip.SimpleRewriter(decl)
        for line in decl.executable_lines:
            rewriter.insert_at_line(line, "_hits.append(1)")


def run(modules: list[Module]) -> None:
    visitor = EveryLine()
    for module in modules:
        equip.instrument_code(module.code, visitor, file_path=module.path, module_name=module.name)
