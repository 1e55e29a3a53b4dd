"""The work of ``bench.analysing`` with rustworkx, on the edges that equip has found."""

from __future__ import annotations

import rustworkx as rx

import equip
from bench.analysing import code_objects
from bench.corpus import Module

TITLE = "rustworkx: the dominators and frontiers of the same graphs"
GOAL = None


def run(modules: list[Module]) -> None:
    for module in modules:
        for code in code_objects(module.code):
            shape = equip.ControlFlow(code).shape
            edges = [(node, to) for node, targets in enumerate(shape.successors) for to in targets]
            for root, found in ((0, edges), (shape.count + 1, [(to, node) for node, to in edges])):
                graph: rx.PyDiGraph[None, None] = rx.PyDiGraph()
                graph.extend_from_edge_list(found)
                rx.immediate_dominators(graph, root)
                rx.dominance_frontiers(graph, root)
