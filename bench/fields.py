"""A snippet with fields at the entry of every function: each function has a snippet of its own to be made."""

from __future__ import annotations

import equip
from bench.corpus import Module

TITLE = "equip: a snippet with {qualname} and {arguments} at entry"
GOAL = 0.6


class Call(equip.MethodVisitor):
    def visit(self, decl: equip.MethodDeclaration) -> None:
        equip.SimpleRewriter(decl).insert_before("_hits.append(('{qualname}', {arguments}))")


def run(modules: list[Module]) -> None:
    visitor = Call()
    for module in modules:
        equip.instrument_code(module.code, visitor, file_path=module.path, module_name=module.name)
