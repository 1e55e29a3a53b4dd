"""A statement at the entry of every function by rewriting the syntax tree: what equip does without the source."""

from __future__ import annotations

import ast
import warnings

from bench.corpus import Module

TITLE = "ast: parse, a statement in every function, compile"
GOAL = None
_STATEMENT = ast.parse("_hits.append(1)", mode="eval").body


class _Entry(ast.NodeTransformer):
    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._enter(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._enter(node)

    def _enter(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        self.generic_visit(node)
        place = 1 if ast.get_docstring(node, clean=False) is not None else 0
        node.body.insert(place, ast.copy_location(ast.Expr(_STATEMENT), node))
        return ast.fix_missing_locations(node)


def run(modules: list[Module]) -> None:
    warnings.simplefilter("ignore")
    for module in modules:
        tree = _Entry().visit(ast.parse(module.source))
        compile(tree, module.path, "exec", dont_inherit=True)
