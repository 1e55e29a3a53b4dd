"""The source of a snippet, as statements: indented or not, alone or with a guard around it.

Indentation is the layout of code and nothing else: what is inside of a string stays as the user wrote it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from typing import Any

from equip.inject.fields import STRING_FIELDS, is_field_name, spelled, stand_in, with_stand_ins

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
    found = _parsed(with_stand_ins(source))
    for statement in found:
        for node in ast.walk(statement):
            if type(node).__name__ in _INTERPOLATIONS:
                _name_fields(node)
    return found


_INTERPOLATIONS = frozenset({"FormattedValue", "Interpolation"})
"""By name: the syntax tree before 3.14 has no ``Interpolation``."""


def _name_fields(node: Any) -> None:
    """Find ``{field:spec}``, ``{field!a}`` and ``{field=}``, which are fields, too, though not spelled like the others.

    What has a text in strings is a string there. The expression that an interpolation of a t-string shows is what the
    user wrote.
    """
    if isinstance(node.value, ast.Name) and is_field_name(node.value.id):
        name = stand_in(node.value.id)
        if node.value.id in STRING_FIELDS:
            node.value = ast.copy_location(ast.Constant(name), node.value)
        else:
            node.value.id = name
    if hasattr(node, "str"):
        node.str = spelled(node.str)


def _parsed(text: str) -> list[ast.stmt]:
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
