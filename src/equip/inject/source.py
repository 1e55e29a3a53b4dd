"""The source of a snippet, as statements: indented or not, alone or with a guard around it.

Indentation is the layout of code and nothing else: what is inside of a string stays as the user wrote it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from typing import Any

from equip.inject.fields import with_stand_ins

GUARD = "# equip: guard of "
"""How the source of a snippet starts that has a guard; how many lines the guard has follows, then these lines."""
OWN = "__equip_own__"
"""The statement of a guard that stands for the user's own."""

_INDENT_OF_FIRST = re.compile(r"(?:[ \t\f]*(?:#[^\n]*)?\r?\n)*([ \t\f]*)[^\s#]")
_ON_LINE = re.compile(r"\bon line ([0-9]+)")


def guarded(guard: Iterable[str], source: str) -> str:
    """``source`` in the place of the statement ``OWN`` of ``guard``, which does not count in lines and messages."""
    text = "\n".join(guard)
    return "\n".join((f"{GUARD}{text.count(chr(10)) + 1}", text, source))


def own_source(source: str) -> tuple[str, str]:
    """The guard and the user's own part of what ``guarded`` made; of any other source, nothing and all of it."""
    if not source.startswith(GUARD):
        return "", source
    first, *lines = source.split("\n")
    count = int(first.removeprefix(GUARD))
    return "\n".join(lines[:count]), "\n".join(lines[count:])


def statements(source: str) -> list[ast.stmt]:
    """The statements of a source without guard, with stand-ins for the fields. Raises as ``ast.parse`` does."""
    text = with_stand_ins(source)
    first = _INDENT_OF_FIRST.match(text)
    if first is None or not first[1]:
        return ast.parse(text, "<snippet>").body
    try:
        tree = ast.parse("if 1:\n" + text, "<snippet>")
    except SyntaxError as error:
        if error.lineno:
            error.lineno -= 1
        error.msg = _ON_LINE.sub(lambda found: f"on line {int(found[1]) - 1}", error.msg or "")
        raise
    ast.increment_lineno(tree, -1)
    block = tree.body[0]
    assert isinstance(block, ast.If)
    outside = block.orelse + tree.body[1:]
    if outside:
        raise IndentationError(
            "unindent does not match any outer indentation level", ("<snippet>", outside[0].lineno, None, None)
        )
    return block.body


def with_guard(guard: str, own: list[ast.stmt], count: int) -> list[ast.stmt]:
    """The statements of ``guard`` with the user's ``own`` in their place, in which there are ``count`` lines.

    What is in front of these counts as in the first line, what is behind them as in the last.
    """
    tree = ast.parse(with_stand_ins(guard), "<snippet>")
    holder, position = _place_of_own(tree)
    before = holder[position].lineno
    for node in ast.walk(tree):
        place: Any = node
        if "lineno" in node._attributes:
            place.lineno = 1 if place.lineno <= before else count
            place.end_lineno = 1 if place.end_lineno <= before else count
            place.col_offset = place.end_col_offset = 0
    holder[position : position + 1] = own
    return tree.body


def _place_of_own(tree: ast.Module) -> tuple[list[ast.stmt], int]:
    """The statements of a guard among which ``OWN`` is, and its position."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        for position, statement in enumerate(body if isinstance(body, list) else ()):
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Name) and statement.value.id == OWN:
                assert isinstance(body, list)
                return body, position
    raise AssertionError("a guard without a place for what it guards: a bug of equip")
