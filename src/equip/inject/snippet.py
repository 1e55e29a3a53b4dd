"""A snippet as the user wrote it: parsed once, its names and peculiarities known, whatever its target."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from functools import lru_cache

from equip.errors import SnippetError
from equip.inject.fields import LIST_FIELDS, Field, field_of, pieces_of, spelled
from equip.inject.source import own_source, statements, with_guard


@dataclass(slots=True)
class Names:
    """What a snippet does with names in its own scope, and in those nested in it."""

    bound: set[str] = field(default_factory=set)
    mentioned: set[str] = field(default_factory=set)
    unbound: dict[str, int] = field(default_factory=dict)
    """Names that ``del`` or the end of an ``except ... as`` takes away, with the line."""
    declared_global: set[str] = field(default_factory=set)
    declared_nonlocal: dict[str, int] = field(default_factory=dict)
    has_nested_scopes: bool = False
    bound_inside: set[str] = field(default_factory=set)
    """Names that a nested function, class or comprehension binds for itself."""
    inside: set[str] = field(default_factory=set)
    """Names that stand in a nested function, class or comprehension."""
    needs_class: set[str] = field(default_factory=set)
    """``super`` (called without arguments) and ``__class__``, where they mean the class around the target."""
    needs_class_here: set[str] = field(default_factory=set)
    """Those of them that stand in the snippet's own scope."""
    annotated: int = 0
    """The first line on which a variable of its own scope is annotated, 0 without one."""


@dataclass(frozen=True, eq=False, slots=True)
class Snippet:
    """A parsed snippet; ``body`` still has stand-ins for the fields."""

    source: str
    body: tuple[ast.stmt, ...]
    names: Names
    fields: frozenset[Field]
    braced: tuple[tuple[str, int], ...]
    """Set displays of a single name, ``{name}``, which may be mistyped fields, with their lines."""
    yields: int = 0
    """Line of the first ``yield`` of the snippet's own scope, 0 without one; likewise the others."""
    awaits: int = 0
    returns: int = 0
    lines: int = 1
    mangled: bool = False
    """Whether a name or attribute is subject to name mangling."""
    ordered: tuple[str, ...] = ()
    """The names that are not declared global, in order."""
    refers: bool = False
    """Whether a field stands for parameters."""
    demands: bool = True
    """Whether what it can do depends on more of its target than the kind of scope and the join point."""
    is_simple: bool = False
    """Whether it comes to the same code in a function, a generator and a coroutine, under whatever ``__future__``."""

    @property
    def depends_on_place(self) -> bool:
        """Whether it may stand at one line, block or edge of a function and not at another."""
        return bool(self.returns or self.yields or self.awaits or self.names.has_nested_scopes)

    def describe(self, lineno: int | None = None) -> str:
        """The snippet for a message, by the line that is at fault."""
        source = self.source.strip("\n").split("\n")
        if lineno is None or len(source) == 1:
            shown = source[0].strip() + (" ..." if len(source) > 1 else "")
            return f"snippet {shown!r}"
        full = self.source.split("\n")
        shown = full[lineno - 1].strip() if 0 < lineno <= len(full) else source[0].strip()
        return f"snippet line {lineno} {shown!r}"

    def line_of(self, named: str | Field) -> int:
        """The first line on which a name or a field stands, 0 if there is none."""
        lines: list[int] = []
        for statement in self.body:
            for node in ast.walk(statement):
                here: list[str | Field] = [field_of(one) or one for one in _identifiers(node)]
                if isinstance(node, ast.Constant):
                    here = [piece for piece in _pieces(node) if isinstance(piece, Field)]
                if named in here:
                    lines.append(getattr(node, "lineno", 0))
        return min(lines, default=0)


class UnsoundSnippetError(SnippetError):
    """A snippet that no target allows: ``shown`` is the snippet, or its line, for a message, ``why`` the reason."""

    def __init__(self, shown: str, why: str) -> None:
        super().__init__(f"{shown}: {why}")
        self.shown = shown
        self.why = why


@lru_cache(maxsize=4096)
def parse(source: str) -> Snippet:
    """Parse a snippet. Raises ``UnsoundSnippetError`` for a syntax error and for what no target allows."""
    guard, source = own_source(source)
    try:
        body = statements(source)
        if guard:
            body = with_guard(guard, body, source.count("\n") + 1)
    except SyntaxError as error:
        raise _syntax_error(source, error) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise UnsoundSnippetError(f"snippet {source[:60]!r}", f"it cannot be parsed: {error}") from None
    scan = _Scan(source)
    for statement in body:
        scan.visit(statement)
    names = scan.names
    demands = scan.demands or scan.mangled or names.has_nested_scopes or any(
        (names.unbound, names.declared_global, names.declared_nonlocal, names.needs_class)
    )
    return Snippet(
        source,
        tuple(body),
        scan.names,
        frozenset(scan.fields),
        tuple(scan.braced),
        scan.yields,
        scan.awaits,
        scan.returns,
        source.count("\n") + 1,
        scan.mangled,
        tuple(sorted(scan.names.mentioned - scan.names.declared_global)),
        any(f.argument_index is not None or f.name in LIST_FIELDS for f in scan.fields if not f.literal),
        demands,
        not (scan.yields or scan.awaits or names.has_nested_scopes)
        and all(isinstance(statement, (ast.Expr, ast.Assign, ast.AugAssign)) for statement in body),
    )


def _syntax_error(source: str, error: SyntaxError) -> UnsoundSnippetError:
    line = error.lineno or 1
    lines = source.split("\n")
    shown = lines[line - 1].strip() if 0 < line <= len(lines) else source.strip()
    return UnsoundSnippetError(
        f"snippet line {line} {shown!r}",
        f"{spelled(error.msg or 'invalid syntax')}; correct the snippet "
        "(a `{` that is to be Python's own may need a space behind it)",
    )


_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_UNBINDS_FIELD = "a field cannot be unbound (by `del`, or at the end of `except ... as`): use a name of your own"
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_TYPE_PARAMETERS = frozenset({"TypeVar", "TypeVarTuple", "ParamSpec"})
"""By name: the syntax tree of 3.11 has none of them."""


class _Scan(ast.NodeVisitor):
    """Collects what ``Snippet`` says of its tree."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.names = Names()
        self.fields: set[Field] = set()
        self.braced: list[tuple[str, int]] = []
        self.yields = self.awaits = self.returns = 0
        self.mangled = False
        self.demands = False  # by its fields, or as only some variables can be annotated
        self._nested = 0  # depth of function and class scopes inside the snippet
        self._comprehensions = 0
        self._classes = 0

    def refuse(self, node: ast.stmt | ast.expr | ast.alias | ast.excepthandler, why: str) -> None:
        lines = self.source.split("\n")
        shown = lines[node.lineno - 1].strip() if node.lineno <= len(lines) else self.source
        raise UnsoundSnippetError(f"snippet line {node.lineno} {shown!r}", why)

    def visit(self, node: ast.AST) -> None:
        for name in _identifiers(node):
            found = field_of(name)
            if found is not None:
                self.fields.add(found)
                if not isinstance(node, ast.Name) or found.argument_index is not None or found.name == "call_arguments":
                    self.demands = True
            elif name.startswith("__") and not name.endswith("__"):
                self.mangled = True
        if isinstance(node, ast.Constant):
            self._constant(node)
        super().visit(node)

    def _constant(self, node: ast.Constant) -> None:
        found = {piece for piece in _pieces(node) if isinstance(piece, Field)}
        self.fields |= found
        self.demands = self.demands or any(piece.argument_index is not None for piece in found)

    def _bind(self, name: str) -> None:
        if field_of(name) is None:
            self.names.mentioned.add(name)
            (self.names.bound_inside if self._nested else self.names.bound).add(name)

    def visit_Name(self, node: ast.Name) -> None:
        if field_of(node.id) is not None:
            if isinstance(node.ctx, ast.Del):
                self.refuse(node, _UNBINDS_FIELD)
            return
        if node.id == "__class__":
            if self._classes:
                return
            self._need_class(node.id)
        self.names.mentioned.add(node.id)
        if self._nested or self._comprehensions:
            self.names.inside.add(node.id)
            if isinstance(node.ctx, ast.Store):
                self.names.bound_inside.add(node.id)
            return
        if isinstance(node.ctx, ast.Store):
            self.names.bound.add(node.id)
        elif isinstance(node.ctx, ast.Del):
            self.names.bound.add(node.id)
            self.names.unbound.setdefault(node.id, node.lineno)

    def _need_class(self, name: str) -> None:
        self.names.needs_class.add(name)
        self.names.mentioned.add("__class__")
        if not (self._nested or self._comprehensions):
            self.names.needs_class_here.add(name)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.demands = True
        if node.simple and not self._nested:
            self.names.annotated = self.names.annotated or node.lineno
        self.generic_visit(node)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self._bind(node.target.id)
        self.visit(node.value)
        if field_of(node.target.id) is not None:
            self.visit(node.target)

    def visit_Set(self, node: ast.Set) -> None:
        if len(node.elts) == 1 and isinstance(node.elts[0], ast.Name):
            self.braced.append((node.elts[0].id, node.lineno))
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        function = node.func
        bare = not (node.args or node.keywords or self._classes)
        if bare and isinstance(function, ast.Name) and function.id == "super":
            self._need_class("super")
        self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> None:
        self._bind(node.arg)  # its annotation is in the scope around

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._bind(alias.asname or alias.name.partition(".")[0])

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            if alias.name == "*":
                self.refuse(node, "`import *` is not possible in a snippet: name what it needs")
            self._bind(alias.asname or alias.name)
        if node.module == "__future__":
            self.refuse(node, "a `__future__` import has no place in a snippet: the target's own are in force")

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.name:
            if field_of(node.name) is not None:
                self.refuse(node, _UNBINDS_FIELD)
            self._bind(node.name)
            if not self._nested:
                self.names.unbound.setdefault(node.name, node.lineno)
        self.generic_visit(node)

    def visit_MatchAs(self, node: ast.MatchAs | ast.MatchStar) -> None:
        if node.name:
            self._bind(node.name)
        self.generic_visit(node)

    visit_MatchStar = visit_MatchAs

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        if node.rest:
            self._bind(node.rest)
        self.generic_visit(node)

    def visit_Global(self, node: ast.Global) -> None:
        self.names.mentioned.update(node.names)
        if not self._nested:
            self.names.declared_global.update(node.names)

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        self.names.mentioned.update(node.names)
        for name in node.names:
            if not self._nested and field_of(name) is None:
                self.names.declared_nonlocal.setdefault(name, node.lineno)

    def visit_Return(self, node: ast.Return) -> None:
        if not self._nested:
            self.returns = self.returns or node.lineno
        self.generic_visit(node)

    def visit_Yield(self, node: ast.Yield | ast.YieldFrom) -> None:
        if not self._nested:
            self.yields = self.yields or node.lineno
        self.generic_visit(node)

    visit_YieldFrom = visit_Yield

    def visit_Await(self, node: ast.Await | ast.AsyncFor | ast.AsyncWith) -> None:
        if not self._nested:
            self.awaits = self.awaits or node.lineno
        self.generic_visit(node)

    visit_AsyncFor = visit_Await
    visit_AsyncWith = visit_Await

    def generic_visit(self, node: ast.AST) -> None:
        if isinstance(node, _SCOPES):
            self._scope(node)
        elif isinstance(node, _COMPREHENSIONS):
            self._comprehension(node)
        else:
            kind = type(node).__name__
            if kind == "TypeAlias":
                self.names.has_nested_scopes = True
            elif kind in _TYPE_PARAMETERS:
                self.names.bound_inside.add(node.name)  # type: ignore[attr-defined]
            super().generic_visit(node)

    def _scope(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef) -> None:
        self.names.has_nested_scopes = True
        if not isinstance(node, ast.Lambda):
            self._bind(node.name)
            for decorator in node.decorator_list:
                self.visit(decorator)
        if isinstance(node, ast.ClassDef):
            around: list[ast.expr | ast.keyword | None] = [*node.bases, *node.keywords]
            parameters = []
        else:
            own = node.args
            parameters = [*own.posonlyargs, *own.args, own.vararg, *own.kwonlyargs, own.kwarg]
            around = [*own.defaults, *own.kw_defaults, *[one.annotation for one in parameters if one is not None]]
            around.append(getattr(node, "returns", None))
        for outer in filter(None, around):
            self.visit(outer)
        self._nested += 1
        self._classes += isinstance(node, ast.ClassDef)
        body = [node.body] if isinstance(node, ast.Lambda) else node.body
        for inner in (*filter(None, parameters), *body):
            self.visit(inner)
        for parameter in getattr(node, "type_params", ()):
            self.visit(parameter)
        self._nested -= 1
        self._classes -= isinstance(node, ast.ClassDef)

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> None:
        self.names.has_nested_scopes = True
        if any(generator.is_async for generator in node.generators) and not self._nested:
            self.awaits = self.awaits or node.lineno
        first = node.generators[0]
        self.visit(first.iter)
        self._comprehensions += 1
        for child in ast.iter_child_nodes(node):
            for inner in (first.target, *first.ifs) if child is first else (child,):
                self.visit(inner)
        self._comprehensions -= 1


def _pieces(node: ast.Constant) -> list[str | Field]:
    """The texts and fields in a constant."""
    value = node.value
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    return pieces_of(value) if isinstance(value, str) else []


def _identifiers(node: ast.AST) -> list[str]:
    """The identifiers that a node itself holds."""
    found: list[str] = []
    for name in ("id", "attr", "arg", "name", "asname", "rest", "module"):
        value = getattr(node, name, None)
        if isinstance(value, str):
            found.append(value)
    if isinstance(node, (ast.Global, ast.Nonlocal)):
        found += node.names
    return found
