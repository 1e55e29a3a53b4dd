"""Graph, dominators, post-dominators and both frontiers of every code object."""

from __future__ import annotations

from collections.abc import Iterator
from types import CodeType

import equip
from bench.corpus import Module

TITLE = "equip: graph, (post-)dominators and frontiers of every code object"
GOAL = 0.6


def code_objects(code: CodeType) -> Iterator[CodeType]:
    pending = [code]
    while pending:
        found = pending.pop()
        yield found
        pending += [constant for constant in found.co_consts if isinstance(constant, CodeType)]


def run(modules: list[Module]) -> None:
    for module in modules:
        for code in code_objects(module.code):
            tree = equip.DominatorTree(equip.ControlFlow(code))
            _ = tree.dom, tree.post_dom, tree.frontier, tree.post_frontier
