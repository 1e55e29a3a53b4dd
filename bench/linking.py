"""A fragment at the entry and at every return of every function."""

from __future__ import annotations

import equip
from bench.corpus import Module

TITLE = "equip: a fragment at entry and at every return"
GOAL = 0.45


class EntryAndReturns(equip.MethodVisitor):
    def visit(self, decl: equip.MethodDeclaration) -> None:
        equip.SimpleRewriter(decl).insert_before("_hits.append(1)").insert_after("_hits.append(1)")


def run(modules: list[Module]) -> None:
    visitor = EntryAndReturns()
    for module in modules:
        equip.instrument_code(module.code, visitor, file_path=module.path, module_name=module.name)
