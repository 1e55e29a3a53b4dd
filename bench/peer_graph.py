"""The graph alone, with the ``bytecode`` library; it has no dominators and no edges of exceptions."""

from __future__ import annotations

from bytecode import Bytecode, ControlFlowGraph

from bench.analysing import code_objects
from bench.corpus import Module

TITLE = "bytecode: the graph alone"
GOAL = None


def run(modules: list[Module]) -> None:
    for module in modules:
        for code in code_objects(module.code):
            ControlFlowGraph.from_bytecode(Bytecode.from_code(code))
