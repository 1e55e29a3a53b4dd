"""Syntax trees copied and moved: what ``copy`` and ``ast`` do for any object or tree, at the cost of these only."""

from __future__ import annotations

import ast
from typing import TypeVar

_Node = TypeVar("_Node", bound=ast.AST)


def copied(node: _Node) -> _Node:
    """A copy of a tree that shares with it only what has no parts: contexts, operators, constants."""
    if not node._fields:
        return node
    kind = type(node)
    new = kind.__new__(kind)
    parts = new.__dict__
    for name, value in node.__dict__.items():
        if isinstance(value, ast.AST):
            value = copied(value)
        elif type(value) is list:
            value = [copied(one) if isinstance(one, ast.AST) else one for one in value]
        parts[name] = value
    return new


def move_down(node: ast.AST, lines: int) -> None:
    """Add ``lines`` to the line numbers of a tree of its own."""
    pending = [node]
    while pending:
        parts = pending.pop().__dict__
        if "lineno" in parts:
            parts["lineno"] += lines
            parts["end_lineno"] += lines
        for value in parts.values():
            if isinstance(value, ast.AST):
                pending.append(value)
            elif type(value) is list:
                pending += [one for one in value if isinstance(one, ast.AST)]
