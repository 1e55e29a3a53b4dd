"""A statement at the entry of every function by rewriting the syntax tree: what equip does without the source."""

from __future__ import annotations

import ast
import warnings

from bench.corpus import Module

TITLE = "ast: parse, a statement in every function, compile"
GOAL = None
_STATEMENT = ast.parse("_hits.append(1)", mode="eval").body


_INSIDE = ("body", "orelse", "finalbody", "handlers", "cases")
"""The fields of a statement that can hold more statements, and so functions. A NodeVisitor would look at everything."""


def rewrite(tree: ast.Module) -> None:
    """Put the statement into every function of a module, behind its docstring."""
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        for field in _INSIDE:
            pending += getattr(node, field, ())
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            place = 1 if ast.get_docstring(node, clean=False) is not None else 0
            node.body.insert(place, ast.copy_location(ast.Expr(_STATEMENT), node))


def run(modules: list[Module]) -> None:
    warnings.simplefilter("ignore")
    for module in modules:
        tree = ast.parse(module.source)
        rewrite(tree)
        compile(tree, module.path, "exec", dont_inherit=True)
