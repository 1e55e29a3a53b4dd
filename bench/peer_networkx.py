"""The work of ``bench.analysing`` with networkx, on the edges that equip has found."""

from __future__ import annotations

import networkx as nx

import equip
from bench.analysing import code_objects
from bench.corpus import Module

TITLE = "networkx: the dominators and frontiers of the same graphs"
GOAL = None


def run(modules: list[Module]) -> None:
    for module in modules:
        for code in code_objects(module.code):
            shape = equip.ControlFlow(code).shape
            graph = nx.DiGraph()
            graph.add_nodes_from(range(shape.count + 2))
            graph.add_edges_from((node, to) for node, targets in enumerate(shape.successors) for to in targets)
            _dominance(graph, 0)
            _dominance(graph.reverse(copy=False), shape.count + 1)


def _dominance(graph: nx.DiGraph[int], root: int) -> None:
    nx.immediate_dominators(graph, root)
    nx.dominance_frontiers(graph, root)
