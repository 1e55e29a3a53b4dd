"""Fields put into the syntax tree of a snippet.

A field whose value differs from target to target becomes a *hole*: a constant that the linker fills in, so
that one compiled snippet serves many targets. That is possible only where the compiler does nothing with
the constant but load it; elsewhere (operands that it would fold, nested scopes, identifiers) the value itself
goes into the tree, and the compiled snippet serves the targets with that value.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast

from equip.errors import SnippetError
from equip.inject.fields import LIST_FIELDS, Field, FieldValues, field_of, pieces_of
from equip.inject.snippet import Snippet
from equip.inject.trees import copied

HOLE_TAG = "\0equip:hole:"
"""A string constant that begins so is a hole; the rest is the number in ``Substituted.holes``."""

HoleKey = tuple[str | Field, ...]
"""What fills a hole: one field (its value as it is) or texts and fields (a string)."""

RETURN_VALUE = "__equip_return_value__"
EXCEPTION = "__equip_exception__"

_Node = TypeVar("_Node", bound=ast.AST)


def argument_symbol(index: int) -> str:
    """The name that stands for parameter ``index`` (in signature order) in a compiled snippet."""
    return f"__equip_argument_{index}__"


def argument_symbols(count: int) -> list[str]:
    """The names that stand for the first ``count`` parameters."""
    while len(_symbols) < count:
        _symbols.append(argument_symbol(len(_symbols)))
    return _symbols[:count]


_symbols: list[str] = []


class Substituted:
    """A snippet's statements with its fields put in.

    ``literal`` are the values that went into the tree as they are; they are part of what the result depends
    on. ``symbols`` are the stand-in names used for parameters and values.
    """

    def __init__(self, snippet: Snippet, values: FieldValues, *, named_parameters: bool) -> None:
        self.snippet = snippet
        self.values = values
        self.named_parameters = named_parameters
        self.holes: list[HoleKey] = []
        self.literal: dict[Field, object] = {}
        self.symbols: set[str] = set()
        self.body: list[ast.stmt] = [
            cast("ast.stmt", _Substitution(self).visit(copied(statement))) for statement in snippet.body
        ]


def fill(key: HoleKey, values: FieldValues) -> object:
    """The constant for a hole."""
    if len(key) == 1 and isinstance(key[0], Field) and not key[0].conversion:
        return values.constant(key[0].name)
    return "".join(piece if isinstance(piece, str) else str(values.text(piece)) for piece in key)


_Interpolated = Callable[[str, ast.expr, int], ast.expr]
"""Makes what an f-string or t-string has for a field of a name, of an expression and its conversion."""


def _formatted(name: str, value: ast.expr, conversion: int) -> ast.expr:
    return ast.FormattedValue(value, conversion, None)


def _interpolation(name: str, value: ast.expr, conversion: int) -> ast.expr:
    made: ast.expr = ast.Interpolation(value, name, conversion, None)  # type: ignore[attr-defined]
    return made


class _Substitution(ast.NodeTransformer):
    def __init__(self, result: Substituted) -> None:
        self.result = result
        self.values = result.values
        self._nested = 0
        self._loaded_only: set[int] = set()  # ids of nodes whose constant the compiler only loads

    # -- errors ----------------------------------------------------------------------------------------

    def refuse(self, node: ast.AST, why: str) -> SnippetError:
        lineno = getattr(node, "lineno", 1)
        return SnippetError(
            f"{self.result.snippet.describe(lineno)} in {self.values.qualname!r} "
            f"({self.values.file_path!r}, line {self.values.lineno}): {why}"
        )

    # -- holes -----------------------------------------------------------------------------------------

    def _constant(self, key: HoleKey, node: ast.expr, as_value: bool) -> ast.expr:
        """The node for a constant made of fields."""
        if not self._nested and id(node) in self._loaded_only:
            number = len(self.result.holes)
            self.result.holes.append(key)
            return ast.copy_location(ast.Constant(f"{HOLE_TAG}{number}"), node)
        for piece in key:
            if isinstance(piece, Field):
                self.result.literal[piece] = self.values.text(piece)
        return ast.copy_location(ast.Constant(cast("str", fill(key, self.values))), node)

    def _only_loaded(self, *nodes: ast.AST | None) -> None:
        """These are loaded and nothing else, if they are constants."""
        for node in nodes:
            if isinstance(node, ast.Starred | ast.keyword):
                node = node.value
            if node is not None:
                self._loaded_only.add(id(node))

    def visit(self, node: ast.AST) -> ast.AST:
        self._note_loads(node)
        self._identifiers(node)
        return cast("ast.AST", super().visit(node))

    def _note_loads(self, node: ast.AST) -> None:
        if isinstance(node, ast.Call):
            self._only_loaded(*node.args, *node.keywords)
        elif isinstance(node, ast.Assign | ast.AugAssign | ast.NamedExpr | ast.Return):
            self._only_loaded(node.value)
        elif isinstance(node, ast.Dict):
            self._only_loaded(*node.keys, *node.values)
        elif isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name | ast.Attribute | ast.Call):
            self._only_loaded(node.slice)
        elif isinstance(node, ast.Tuple | ast.List) and id(node) in self._loaded_only:
            self._only_loaded(*node.elts)
        elif isinstance(node, ast.JoinedStr) and any(isinstance(v, ast.FormattedValue) for v in node.values):
            self._only_loaded(*node.values)

    # -- identifiers -------------------------------------------------------------------------------------

    def _identifiers(self, node: ast.AST) -> None:
        for attribute in ("attr", "arg", "name", "asname", "module", "rest"):
            value = getattr(node, attribute, None)
            if isinstance(value, str):
                dotted = isinstance(node, ast.alias | ast.ImportFrom)
                setattr(node, attribute, self._identifier(value, node, dotted))
        if isinstance(node, ast.Global | ast.Nonlocal):
            node.names = [self._identifier(name, node) for name in node.names]

    def _identifier(self, name: str, node: ast.AST, dotted: bool = False) -> str:
        found = field_of(name)
        if found is None:
            return name
        if found.literal or found.is_value or found.name in LIST_FIELDS:
            raise self.refuse(node, f"{{{found.name}}} cannot be an identifier")
        text = self.values.text(found)
        parts = str(text).split(".") if dotted else [str(text)]
        if self.values.constant(found.name) is None or not all(part.isidentifier() for part in parts):
            raise self.refuse(node, f"{{{found.name}}} is {text!r} here, which is no identifier")
        self.result.literal[found] = text
        return str(text)

    # -- expressions -------------------------------------------------------------------------------------

    def visit_Name(self, node: ast.Name) -> ast.expr:
        found = field_of(node.id)
        if found is None:
            return node
        if found.literal:
            return ast.copy_location(ast.Set([ast.copy_location(ast.Name(found.name, ast.Load()), node)]), node)
        return self._expression(found, node)

    def _expression(self, found: Field, node: ast.Name) -> ast.expr:
        if found.conversion and not found.is_value and found.name not in LIST_FIELDS:
            self._loadable_only(found, node)
            return self._constant((found,), node, as_value=True)
        if found.conversion:
            self._loadable_only(found, node)
            formatted = ast.FormattedValue(self._bare(found, node), ord(found.conversion), None)
            return self._located(ast.JoinedStr([formatted]), node)
        return self._bare(found, node)

    def _bare(self, found: Field, node: ast.Name) -> ast.expr:
        """The expression for a field without conversion."""
        if found.is_value:
            return ast.copy_location(ast.Name(self._symbol(found, node), node.ctx), node)
        self._loadable_only(found, node)
        if found.name == "arguments":
            return self._located(ast.Tuple(self._arguments(node), ast.Load()), node)
        if found.name == "arguments_dict":
            return self._dict(node)
        if found.name == "call_arguments":
            raise self.refuse(node, "{call_arguments} has a meaning only among the arguments of a call")
        return self._constant((Field(found.name),), node, as_value=True)

    def _loadable_only(self, found: Field, node: ast.Name) -> None:
        if not isinstance(node.ctx, ast.Load):
            raise self.refuse(node, f"{{{found.name}}} cannot be assigned or deleted")

    def _symbol(self, found: Field, node: ast.AST) -> str:
        """The variable that a value field stands for."""
        index = found.argument_index
        if index is None:
            symbol = RETURN_VALUE if found.name == "return_value" else EXCEPTION
        else:
            name = self._parameter(index, node)
            symbol = name if self.result.named_parameters else argument_symbol(index)
        self.result.symbols.add(symbol)
        return symbol

    def _parameter(self, index: int, node: ast.AST) -> str:
        names = self.values.parameters.names
        if index >= len(names):
            raise self.refuse(
                node,
                f"there is no {{arg{index}}}: the function has {len(names)} parameter(s)"
                + (f" ({', '.join(names)}), {{arg0}} to {{arg{len(names) - 1}}}" if names else ""),
            )
        return names[index]

    def _arguments(self, node: ast.AST) -> list[ast.expr]:
        names = self.values.parameters.names
        symbols = names if self.result.named_parameters else argument_symbols(len(names))
        self.result.symbols.update(symbols)
        return [ast.copy_location(ast.Name(symbol, ast.Load()), node) for symbol in symbols]

    def _dict(self, node: ast.expr) -> ast.expr:
        keys: list[ast.expr | None] = []
        for i in range(len(self.values.parameters.names)):
            key = self._located(ast.Constant(""), node)
            self._only_loaded(key)
            keys.append(self._constant((Field(f"arg{i}", "s"),), key, as_value=False))
        return self._located(ast.Dict(keys, self._arguments(node)), node)

    @staticmethod
    def _located(new: _Node, node: ast.AST) -> _Node:
        return ast.fix_missing_locations(ast.copy_location(new, node))

    # -- places where {arguments} is several expressions ---------------------------------------------------

    def _spliced(self, elements: Iterable[ast.expr]) -> list[ast.expr]:
        result: list[ast.expr] = []
        for element in elements:
            found = field_of(element.id) if isinstance(element, ast.Name) else None
            if found == Field("arguments"):
                result += self._arguments(element)
            else:
                result.append(cast("ast.expr", self.visit(element)))
        return result

    def visit_Call(self, node: ast.Call) -> ast.Call:
        node.func = cast("ast.expr", self.visit(node.func))
        arguments: list[ast.expr] = []
        keywords: list[ast.keyword] = []
        for argument in node.args:
            found = field_of(argument.id) if isinstance(argument, ast.Name) else None
            if found == Field("call_arguments"):
                parameters = self.values.parameters
                self.result.literal[found] = parameters.call_text
                starred = len(parameters.positional) if parameters.varargs is not None else -1
                double = len(parameters.names) - 1 if parameters.varkeywords is not None else -1
                for i, value in enumerate(self._arguments(argument)):
                    if i < len(parameters.positional):
                        arguments.append(value)
                    elif i == starred:
                        arguments.append(self._located(ast.Starred(value, ast.Load()), argument))
                    else:
                        name = None if i == double else parameters.names[i]
                        keywords.append(self._located(ast.keyword(name, value), argument))
            else:
                arguments += self._spliced([argument])
        node.args = arguments
        node.keywords = [cast("ast.keyword", self.visit(keyword)) for keyword in node.keywords] + keywords
        return node

    def visit_List(self, node: ast.List) -> ast.expr:
        node.elts = self._spliced(node.elts)
        return node

    def visit_Tuple(self, node: ast.Tuple) -> ast.expr:
        node.elts = self._spliced(node.elts)
        return node

    def visit_Set(self, node: ast.Set) -> ast.expr:
        if any(isinstance(element, ast.Name) and field_of(element.id) == Field("arguments") for element in node.elts):
            node.elts = self._spliced(node.elts)
            if not node.elts:
                node.elts = [self._located(ast.Starred(ast.Tuple([], ast.Load()), ast.Load()), node)]
            return node
        return cast("ast.expr", self.generic_visit(node))

    # -- strings -----------------------------------------------------------------------------------------

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        if isinstance(node.value, bytes):
            pieces = pieces_of(node.value.decode("latin-1"))
            return ast.copy_location(ast.Constant(b"".join([self._bytes(piece, node) for piece in pieces])), node)
        if not isinstance(node.value, str):
            return node
        pieces = pieces_of(node.value)
        if any(isinstance(piece, Field) for piece in pieces):
            for piece in pieces:
                if isinstance(piece, Field):
                    self._check_text(piece, node)
            if len(pieces) == 1 and isinstance(pieces[0], Field):
                pieces = ["", pieces[0]]  # the text, not the value
            return self._constant(tuple(pieces), node, as_value=False)
        return ast.copy_location(ast.Constant("".join(cast("list[str]", pieces)), node.kind), node)

    def _bytes(self, piece: str | Field, node: ast.Constant) -> bytes:
        """A part of a bytes literal: what the user wrote as it is, the text of a field in UTF-8."""
        if isinstance(piece, str):
            return piece.encode("latin-1")
        self._check_text(piece, node)
        self.result.literal[piece] = text = self.values.text(piece)
        return str(text).encode()

    def _check_text(self, piece: Field, node: ast.AST) -> None:
        if piece.argument_index is not None:
            self._parameter(piece.argument_index, node)
        elif self.values.text(piece) is None:
            raise self.refuse(
                node,
                f"{{{piece.name}}} has a value only when the program runs, so it has no meaning inside a plain string: "
                "use an f-string, or put it outside the quotes",
            )

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.expr:
        node.values = self._parts(node.values, _formatted)
        return node

    def visit_TemplateStr(self, node: Any) -> ast.expr:
        """A t-string (3.14): values of fields are interpolations, texts are its own."""
        node.values = self._parts(node.values, _interpolation)
        return cast("ast.expr", node)

    def _parts(self, values: Iterable[ast.expr], interpolated: _Interpolated) -> list[ast.expr]:
        result: list[ast.expr] = []
        for value in values:
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                result += self._joined(value, interpolated)
            else:
                result.append(cast("ast.expr", self.visit(value)))
        return result

    def _joined(self, node: ast.Constant, interpolated: _Interpolated) -> list[ast.expr]:
        """A literal part of an f-string or t-string: values become expressions of it, texts stay in the literal."""
        result: list[ast.expr] = []
        texts: list[str | Field] = []

        def flush() -> None:
            if texts:
                if any(isinstance(piece, Field) for piece in texts):
                    if len(texts) == 1:
                        texts.insert(0, "")
                    result.append(self._constant(tuple(texts), node, as_value=False))
                else:
                    result.append(ast.copy_location(ast.Constant("".join(cast("list[str]", texts))), node))
                texts.clear()

        for piece in pieces_of(str(node.value)):
            if isinstance(piece, Field) and piece.is_value:
                flush()
                name = self._located(ast.Name(self._symbol(piece, node), ast.Load()), node)
                conversion = ord(piece.conversion) if piece.conversion else -1
                result.append(self._located(interpolated(piece.name, name, conversion), node))
            else:
                texts.append(piece)
        flush()
        return result

    # -- nested scopes -------------------------------------------------------------------------------------

    def _in_scope(self, node: ast.AST) -> ast.AST:
        self._nested += 1
        result = self.generic_visit(node)
        self._nested -= 1
        return result

    visit_FunctionDef = _in_scope
    visit_AsyncFunctionDef = _in_scope
    visit_ClassDef = _in_scope
    visit_Lambda = _in_scope
    visit_ListComp = _in_scope
    visit_SetComp = _in_scope
    visit_DictComp = _in_scope
    visit_GeneratorExp = _in_scope
