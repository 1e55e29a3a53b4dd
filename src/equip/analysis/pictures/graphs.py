"""Graphs as networkx has them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from equip.analysis.pictures.contents import Label, block_text, conditions, label_of

if TYPE_CHECKING:
    from equip.analysis.controlflow import ControlFlow
    from equip.analysis.dominators import DominatorTree


def networkx() -> Any:
    """The library, which equip does not need otherwise. Raises ``ImportError`` where it is not installed."""
    try:
        return importlib.import_module("networkx")
    except ImportError as error:
        raise ImportError("to_networkx() needs networkx, which is not installed: pip install networkx") from error


def flow_graph(flow: ControlFlow, label: Label | None = None) -> Any:
    graph = networkx().MultiDiGraph(name=flow.code.co_qualname)
    for block in flow.nodes:
        graph.add_node(block, start=block.start, end=block.end, lines=block.lines, label=block_text(flow, block))
    labels = label if label is not None else conditions(flow)
    for edge in flow.edges:
        graph.add_edge(edge.source, edge.target, key=edge.kind.name, kind=edge.kind, label=label_of(edge, labels))
    return graph


def tree_graph(tree: DominatorTree, post: bool) -> Any:
    graph = networkx().DiGraph(name=tree.flow.code.co_qualname)
    above = tree.post_dom if post else tree.dom
    graph.add_nodes_from(above)
    graph.add_edges_from((parent, block) for block, parent in above.items() if parent is not block)
    return graph
