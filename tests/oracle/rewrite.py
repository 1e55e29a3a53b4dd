"""The oracle: the same snippets put into the *source* of a program, as a person would type them.

What stands where:

* BEFORE, local imports: first statements of the body, behind the docstring.
* AFTER, where no return stands inside a ``try``, a ``with`` or a ``for``: at each return,
  ``value = X; snippet; return value``. (Inside a ``for`` the snippet would run while the iterator is
  still alive, one step too early.)
* AFTER, everywhere else: the body goes into ``try: ... finally:`` with a flag that an exception
  raises. ``return X`` becomes ``return (value := X)``. So the snippet runs behind every ``finally``
  and ``with`` exit of the function, outside each of its own handlers, in the frame of the function.
  A ``finally`` of the program that runs to its end restores ``value``: a return inside it that
  something overrode must not be taken for the pending one.
* RAISE: ``try: body except BaseException as e: snippet; raise``, inside the form above, so that an
  exception of a BEFORE or AFTER snippet does not count.
* lambdas take BEFORE and AFTER snippets that are one expression: ``(snippet, body)[-1]`` and
  ``(lambda value: (snippet, value)[-1])(body)``.
* LINENO: before a statement that stands alone on its line and has no loop of its own.
* MODULE_ENTER, MODULE_EXIT: ``if __name__ == '__main__'`` first, and in a ``finally`` around the rest.

A name that a snippet binds and the function does not have is renamed where anything inside the
function goes by the same name. Positions: every original node keeps its own. An injected node has the
columns 0 to 0, so that `positions_are_exact` and `line_is_exact` tell what a traceback may be
compared by; its line is that of the place, where source can have it.
"""

from __future__ import annotations

import ast
import functools
import re
import symtable
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass, field, replace
from types import CodeType
from typing import Any

from oracle.targets import (
    COMPREHENSIONS,
    FunctionNode,
    Target,
    functions,
    own_nodes,
    target_of_code,
    target_of_node,
)

PREFIX = "_oracle_"
VALUE, RAISED, EXCEPTION, SAVED = (PREFIX + n for n in ("value", "raised", "exception", "saved"))
REPORT = PREFIX + "report_unraisable"
"""A builtin of the harness: what `suppress` does with an exception."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Put:
    """One snippet: where it goes, and its text with fields; by hand where filling in text is not enough."""

    where: str
    code: str
    by_hand: str | None = None
    suppress: bool = False
    lines: tuple[int, ...] = ()
    "For `line`: the lines; LINE in the snippet stands for the number."
    import_code: str | None = None
    visitor: int = 0
    "Which of several visitors asks for it: each has its own private names."

    @property
    def hand_written(self) -> str:
        return self.code if self.by_hand is None else self.by_hand


Refused = tuple[str, int, int]
"""The qualified name and line of a function, and the number of the insertion."""

PutsFor = Callable[[Target], Sequence[Put]]


# -- fields ---------------------------------------------------------------------------------------


def fill_fields(snippet: str, target: Target | None, path: str) -> str:
    """The snippet with its fields written out as text (the programs have harmless names)."""
    stem = path.rsplit("/", 1)[-1]
    values: dict[str, object] = {
        "file_name": stem,
        "file_path": path,
        "module_name": stem.rsplit(".", 1)[0],
        "return_value": VALUE,
        "exception": EXCEPTION,
    }
    if target:
        arguments = target.arguments
        values |= {
            "class_name": target.class_name,
            "class_constant": repr(target.class_name),
            "method_name": target.name,
            "qualname": target.qualname,
            "lineno": target.lineno,
            "arguments": ", ".join(arguments),
            "call_arguments": target.call_arguments,
            "arguments_dict": "{" + ", ".join(f"{name!r}: {name}" for name in arguments) + "}",
        }
        values |= {f"arg{i}": name for i, name in enumerate(arguments)}

    def value(match: re.Match[str]) -> str:
        return str(values[match[1]]) if match[1] in values else match[0]

    return re.sub(r"(?<!\{)\{(\w+)\}(?!\})", value, snippet)


# -- names ----------------------------------------------------------------------------------------


class Bindings(ast.NodeVisitor):
    """The names that a list of statements binds in its own scope, and those it declares."""

    def __init__(self) -> None:
        self.bound: set[str] = set()
        self.globals: set[str] = set()
        self.nonlocals: set[str] = set()
        self.assigned_globals: set[str] = set()

    @classmethod
    def of(cls, nodes: Iterable[ast.AST]) -> Bindings:
        bindings = cls()
        for node in nodes:
            bindings.visit(node)
        bindings.bound -= bindings.nonlocals
        bindings.assigned_globals = bindings.bound & bindings.globals
        bindings.bound -= bindings.globals
        return bindings

    def visit_Name(self, node: ast.Name) -> None:
        if not isinstance(node.ctx, ast.Load):
            self.bound.add(node.id)

    def _definition(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        self.bound.add(node.name)
        if isinstance(node, ast.ClassDef):
            outer = [*node.decorator_list, *node.bases, *(k.value for k in node.keywords)]
        else:
            outer = [*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)]
        for part in outer:
            self.visit(part)

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _definition

    def visit_Lambda(self, node: ast.Lambda) -> None:
        for part in [*node.args.defaults, *filter(None, node.args.kw_defaults)]:
            self.visit(part)

    def _comprehension(self, node: ast.AST) -> None:
        for inner in ast.walk(node):
            if isinstance(inner, ast.NamedExpr):
                self.bound.add(inner.target.id)

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension

    def _alias(self, node: ast.Import | ast.ImportFrom) -> None:
        self.bound |= {alias.asname or alias.name.split(".")[0] for alias in node.names}

    visit_Import = visit_ImportFrom = _alias

    def visit_Global(self, node: ast.Global) -> None:
        self.globals |= set(node.names)

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        self.nonlocals |= set(node.names)

    def _named(self, node: ast.ExceptHandler | ast.MatchAs | ast.MatchStar) -> None:
        if node.name:
            self.bound.add(node.name)
        self.generic_visit(node)

    visit_ExceptHandler = visit_MatchAs = visit_MatchStar = _named

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        if node.rest:
            self.bound.add(node.rest)
        self.generic_visit(node)


def names_inside(node: ast.AST) -> set[str]:
    """Every name that anything inside the node goes by, nested scopes included."""
    names: set[str] = set()
    for inner in ast.walk(node):
        for attribute in ("id", "name", "arg", "asname", "rest"):
            name = getattr(inner, attribute, None)
            if isinstance(name, str):
                names.add(name)
        if isinstance(inner, ast.Global | ast.Nonlocal):
            names |= set(inner.names)
    return names


class Rename(ast.NodeTransformer):
    """Gives names of a snippet other ones, in the snippet's nested scopes as well."""

    def __init__(self, names: dict[str, str]) -> None:
        self.names = names

    def visit(self, node: ast.AST) -> ast.AST:
        for attribute in ("id", "name", "rest"):
            if getattr(node, attribute, None) in self.names and not isinstance(node, ast.alias):
                setattr(node, attribute, self.names[getattr(node, attribute)])
        if isinstance(node, ast.Global | ast.Nonlocal):
            node.names = [self.names.get(name, name) for name in node.names]
        if isinstance(node, ast.alias):
            bound = node.asname or node.name
            if bound in self.names:
                node.asname = self.names[bound]
        return self.generic_visit(node)


# -- positions ------------------------------------------------------------------------------------


def placed(nodes: Iterable[ast.AST], lineno: int, *, exact: bool = True) -> None:
    """Put injected nodes on a line; not exact: on one that tracebacks are not to be compared by."""
    for node in nodes:
        for inner in ast.walk(node):
            if "lineno" in inner._attributes:
                inner.lineno, inner.end_lineno = lineno, lineno + (0 if exact else 1)  # type: ignore[attr-defined]
                inner.col_offset = inner.end_col_offset = 0  # type: ignore[attr-defined]


def positions_are_exact(position: Sequence[int | None]) -> bool:
    """False for an instruction that was injected: only its line means something."""
    return tuple(position[2:]) != (0, 0)


def line_is_exact(position: Sequence[int | None]) -> bool:
    """False where even the line of an injected instruction is the oracle's own choice."""
    return positions_are_exact(position) or position[0] == position[1]


def first_lines(code: CodeType) -> dict[tuple[str, int], int]:
    """For each function of the plain program, by name and line: the line its body starts on."""
    lines: dict[tuple[str, int], int] = {}
    for function in functions(code):
        following = [line for _, _, line in function.co_lines() if line is not None]
        key = function.co_qualname, function.co_firstlineno
        lines[key] = next((line for line in following if line != function.co_firstlineno), following[-1])
    return lines


def lambda_names(code: CodeType) -> dict[tuple[int, tuple[str, ...]], str]:
    """The qualified names of lambdas, by line and parameters: inlining decides what they are."""
    targets = [target_of_code(function) for function in functions(code)]
    return {(t.lineno, t.arguments): t.qualname for t in targets if t.is_lambda}


# -- the transformer ------------------------------------------------------------------------------


@dataclass
class Place:
    """The names of the function whose body is being rewritten."""

    own: set[str] = field(default_factory=set)
    enclosing: set[str] = field(default_factory=set)
    "Names of the functions around it."


def body_of(node: FunctionNode) -> Sequence[ast.AST]:
    return [node.body] if isinstance(node, ast.Lambda) else node.body


def function_names(node: FunctionNode) -> Bindings:
    bindings = Bindings.of(body_of(node))
    arguments = node.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    every += [a for a in (arguments.vararg, arguments.kwarg) if a]
    bindings.bound |= {a.arg for a in every}
    return bindings


class Rewrite(ast.NodeTransformer):
    """Puts snippets into every function of a module."""

    def __init__(
        self,
        path: str,
        puts_for: PutsFor,
        starts: dict[tuple[str, int], int],
        lambdas: dict[tuple[int, tuple[str, ...]], str],
    ) -> None:
        self.path, self.puts_for, self.starts = path, puts_for, starts
        self.lambdas = lambdas
        self.refused: set[Refused] = set()
        "Insertions that read a variable of a function around, which this function does not use itself."
        self.scopes: list[str] = []
        self.places: list[Place] = []
        self.globals_declared: list[set[str]] = [set()]

    def qualname(self, name: str) -> str:
        return name if name in self.globals_declared[-1] else ".".join([*self.scopes, name])

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        qualname = self.qualname(node.name)
        node.decorator_list = [self.visit(n) for n in node.decorator_list]
        node.bases = [self.visit(n) for n in node.bases]
        node.keywords = [self.visit(n) for n in node.keywords]
        outer_scopes, self.scopes = self.scopes, qualname.split(".")
        self.globals_declared.append(Bindings.of(node.body).globals)
        node.body = [self.visit(n) for n in node.body]
        self.globals_declared.pop()
        self.scopes = outer_scopes
        return node

    def _function(self, node: FunctionNode) -> ast.AST:
        name = "<lambda>" if isinstance(node, ast.Lambda) else node.name
        qualname = self.qualname(name)
        target = target_of_node(node, qualname)
        if target.is_lambda:
            # One in dead code has no code object, so no name.
            named = self.lambdas.get((target.lineno, target.arguments), target.qualname)
            target = replace(target, qualname=named)
        bindings = function_names(node)
        used = names_inside(node.args).union(*map(names_inside, body_of(node)))
        enclosing = set().union(*(p.own for p in self.places))
        free = {n for n in used & enclosing if n not in bindings.bound | bindings.globals}
        self._visit_parts(node, qualname, bindings)
        puts = [] if target.name in ("__annotate__",) else list(self.puts_for(target))
        if not puts:
            return node
        work = FunctionWork(self.path, target, bindings, free, used)
        puts = self._allowed(work, puts, enclosing - bindings.bound - free)
        if isinstance(node, ast.Lambda):
            return work.rewrite_lambda(node, puts)
        return work.rewrite(node, puts, self.starts.get((target.qualname, target.lineno), node.lineno))

    visit_FunctionDef = visit_AsyncFunctionDef = visit_Lambda = _function

    def _allowed(self, work: FunctionWork, puts: Sequence[Put], out_of_reach: set[str]) -> list[Put]:
        """The insertions that the function can take; the others are noted as refused."""
        allowed = []
        for number, put in enumerate(puts):
            if out_of_reach and work.reads(put) & (out_of_reach - work.privates(puts)):
                self.refused.add((work.target.qualname, work.target.lineno, number))
            else:
                allowed.append(put)
        return allowed

    def _visit_parts(self, node: FunctionNode, qualname: str, bindings: Bindings) -> None:
        node.args.defaults = [self.visit(n) for n in node.args.defaults]
        node.args.kw_defaults = [n and self.visit(n) for n in node.args.kw_defaults]
        if not isinstance(node, ast.Lambda):
            node.decorator_list = [self.visit(n) for n in node.decorator_list]
        outer_scopes, self.scopes = self.scopes, [*qualname.split("."), "<locals>"]
        self.places.append(Place(own=bindings.bound))
        self.globals_declared.append(bindings.globals)
        if isinstance(node, ast.Lambda):
            node.body = self.visit(node.body)
        else:
            node.body = [self.visit(n) for n in node.body]
        self.globals_declared.pop()
        self.places.pop()
        self.scopes = outer_scopes

    def _comprehension(self, node: ast.AST) -> ast.AST:
        """Lambdas in a comprehension: the comprehension's own variables are names around them."""
        comprehension: ast.ListComp = node  # type: ignore[assignment]
        first = comprehension.generators[0]
        first.iter = self.visit(first.iter)
        bound = {n.id for g in comprehension.generators for n in ast.walk(g.target) if isinstance(n, ast.Name)}
        self.places.append(Place(own=bound))
        iters, first.iter = first.iter, ast.Constant(None)
        self.generic_visit(node)
        first.iter = iters
        self.places.pop()
        return node

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension


@dataclass
class FunctionWork:
    """Rewriting one function."""

    path: str
    target: Target
    bindings: Bindings
    free: set[str]
    used: set[str]

    def snippet(self, put: Put, text: str | None = None) -> list[ast.stmt]:
        filled = fill_fields(put.hand_written if text is None else text, self.target, self.path)
        return ast.parse(filled).body

    def privates(self, puts: Sequence[Put]) -> set[str]:
        """What the snippets bind and the function does not have."""
        own = self.bindings.bound | self.bindings.assigned_globals | self.free
        return self.bound_by(puts).bound - own - {VALUE, RAISED, EXCEPTION}

    def renamed(self, puts: Sequence[Put]) -> dict[int, dict[str, str]]:
        """For each visitor the names of its snippets that must be other ones in this function."""
        return {
            number: {
                name: f"{PREFIX}{number}_{self.target.lineno}_{name}" if number else PREFIX + name
                for name in self.privates([put for put in puts if put.visitor == number])
                if number or name in self.used
            }
            for number in {put.visitor for put in puts}
        }

    def bound_by(self, puts: Sequence[Put]) -> Bindings:
        return Bindings.of(s for put in puts for s in self.snippet(put))

    def reads(self, put: Put) -> set[str]:
        """What a snippet, its nested scopes included, takes from around it."""
        names = ", ".join(sorted(self.bindings.bound | self.free))
        wrapped = ast.Module([ast.parse(f"async def {PREFIX}wrapper({names}): pass").body[0]], [])
        own = [s for s in self.snippet(put) if not isinstance(s, ast.Nonlocal)]
        wrapped.body[0].body = own or [ast.Pass()]  # type: ignore[attr-defined]
        found: set[str] = set()
        tables = [symtable.symtable(ast.unparse(ast.fix_missing_locations(wrapped)), "<snippet>", "exec")]
        while tables:
            table = tables.pop()
            found |= {n.get_name() for n in table.get_symbols() if n.is_global() and not n.is_declared_global()}
            tables += table.get_children()
        return found

    def declarations(self, puts: Sequence[Put]) -> tuple[set[str], set[str]]:
        """What the function must declare global and nonlocal, first of all."""
        snippets, own = self.bound_by(puts), self.bindings
        assigned = snippets.bound | snippets.nonlocals
        globals_ = snippets.globals | (assigned & own.assigned_globals)
        return globals_, assigned & (self.free | own.nonlocals)

    def statements(self, puts: Sequence[Put], renamed: dict[int, dict[str, str]], **replace: str) -> list[ast.stmt]:
        """The statements of some insertions, in order, without their declarations."""
        result: list[ast.stmt] = []
        for put in puts:
            text = put.hand_written
            for old, new in replace.items():
                text = text.replace(old, new)
            body = [s for s in self.snippet(put, text) if not isinstance(s, ast.Global | ast.Nonlocal)]
            body = [Rename(renamed[put.visitor]).visit(s) for s in body]
            result += suppressed(body) if put.suppress else body
        return result

    def rewrite_lambda(self, node: ast.Lambda, puts: Sequence[Put]) -> ast.Lambda:
        renamed = self.renamed(puts)
        before, after = (
            [s.value for s in self.statements([p for p in puts if p.where == w], renamed) if isinstance(s, ast.Expr)]
            for w in ("before", "after")
        )
        if len(before) + len(after) != len(puts):
            raise AssertionError(f"a lambda takes expressions before and after only: {puts}")
        body: ast.expr = node.body
        if after:
            body = ast.Call(lambda_of(VALUE, last_of([*after, ast.Name(VALUE, ast.Load())])), [ast.Constant(None)], [])
        whole = last_of([*before, body]) if before else body
        if not before and not after:
            return node
        if not after and isinstance(whole, ast.Subscript):
            whole.value.elts[-1] = ast.Constant(None)  # type: ignore[attr-defined]
        placed([whole], node.lineno, exact=False)
        if after:
            body.args = [node.body]  # type: ignore[attr-defined]
        elif isinstance(whole, ast.Subscript):
            whole.value.elts[-1] = node.body  # type: ignore[attr-defined]
        node.body = whole
        return node

    def rewrite(self, node: Function, puts: Sequence[Put], first_line: int) -> Function:
        renamed = self.renamed(puts)
        globals_, nonlocals = self.declarations(puts)

        def of(*kinds: str) -> list[Put]:
            return [put for put in puts if put.where in kinds]

        docstring, body = split_docstring(node.body)
        body = WithoutDeclarations(globals_ | nonlocals).apply(body)
        body = self.with_lines(body, of("line"), renamed)
        last_line = node.end_lineno or node.lineno
        after, on_raise = of("after"), of("raise")
        if after and not on_raise and returns_are_simple(body):
            body = self.after_inline(body, lambda: self.statements(after, renamed), last_line)
        elif after or on_raise:
            inside = self.statements(on_raise, renamed)
            body = self.after_and_raise(body, inside, self.statements(after, renamed) if after else [], first_line)
        before = self.statements(of("import_local"), renamed) + self.statements(of("before"), renamed)
        placed(before, first_line)
        body = [*before, *body]
        declared = [ast.Global(sorted(globals_))] if globals_ else []
        declared += [ast.Nonlocal(sorted(nonlocals))] if nonlocals else []  # type: ignore[list-item]
        placed(declared, first_line)
        node.body = [*docstring, *declared, *body]
        return node

    def with_lines(
        self, body: list[ast.stmt], puts: Sequence[Put], renamed: dict[int, dict[str, str]]
    ) -> list[ast.stmt]:
        lines = {n for put in puts for n in put.lines}
        return AtLines(lines, lambda n: self.statements(puts, renamed, LINE=str(n))).apply(body) if puts else body

    def after_inline(
        self, body: list[ast.stmt], snippet: Callable[[], list[ast.stmt]], last_line: int
    ) -> list[ast.stmt]:
        leave = return_value(self.target.is_async_generator)
        end = [assign(VALUE, ast.Constant(None)), *snippet(), leave]
        placed(end, last_line, exact=False)
        return AtReturns(snippet, self.target.is_async_generator).apply(body) + end

    def after_and_raise(
        self, body: list[ast.stmt], on_raise: list[ast.stmt], after: list[ast.stmt], first_line: int
    ) -> list[ast.stmt]:
        """The general form, see the module's docstring; without AFTER only the inner ``try``."""
        raised: list[ast.stmt] = [assign(RAISED, ast.Constant(True))] if after else []
        handler = ast.ExceptHandler(
            ast.Name("BaseException", ast.Load()),
            EXCEPTION,
            [*raised, *on_raise, ast.Raise()],
        )
        if not after:
            whole: list[ast.stmt] = [ast.Try([], [handler], [], [])]
            placed(whole, first_line, exact=False)
            whole[0].body = body or [ast.Pass(**at(first_line))]  # type: ignore[attr-defined]
            return whole
        body = ReturnsToVariable(self.target.is_async_generator).apply(body)
        inner = ast.Try([], [handler], [], [])
        test = ast.UnaryOp(ast.Not(), ast.Name(RAISED, ast.Load()))
        leave = return_value(self.target.is_async_generator)
        outer = ast.Try([inner], [], [], [ast.If(test, [*after, leave], [])])
        start = [assign(VALUE, ast.Constant(None)), assign(RAISED, ast.Constant(False))]
        implicit = assign(VALUE, ast.Constant(None))
        placed([*start, outer, implicit], first_line, exact=False)
        inner.body = [*body, implicit]
        return [*start, outer]


class OwnScope(ast.NodeTransformer):
    """Transforms the statements of one scope, not those of the scopes nested in it."""

    def apply(self, body: list[ast.stmt]) -> list[ast.stmt]:
        result: list[ast.stmt] = []
        for statement in body:
            new = self.visit(statement)
            result += new if isinstance(new, list) else [new]
        return result

    def skip(self, node: ast.AST) -> ast.AST:
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = visit_Lambda = visit_ClassDef = skip


class WithoutDeclarations(OwnScope):
    """Takes names out of ``global`` and ``nonlocal`` statements: they are declared at the top now."""

    def __init__(self, names: set[str]) -> None:
        self.names = names

    def _declaration(self, node: ast.Global | ast.Nonlocal) -> ast.stmt:
        node.names = [name for name in node.names if name not in self.names]
        return node if node.names else ast.copy_location(ast.Pass(), node)

    visit_Global = visit_Nonlocal = _declaration


class AtLines(OwnScope):
    """Puts a snippet before the statements at some lines."""

    def __init__(self, lines: Set[int], snippet: Callable[[int], list[ast.stmt]]) -> None:
        self.lines, self.snippet = lines, snippet

    def generic_visit(self, node: ast.AST) -> Any:
        if isinstance(node, ast.stmt) and node.lineno in self.lines and not is_compound(node):
            snippet = self.snippet(node.lineno)
            placed(snippet, node.lineno)
            return [*snippet, node]
        return super().generic_visit(node)


class AtReturns(OwnScope):
    """Puts a snippet before each return, with the value in a variable."""

    def __init__(self, snippet: Callable[[], list[ast.stmt]], asynchronous_generator: bool) -> None:
        self.snippet, self.asynchronous_generator = snippet, asynchronous_generator

    def visit_Return(self, node: ast.Return) -> list[ast.stmt]:
        keep = assign(VALUE, ast.Constant(None))
        code = [keep, *self.snippet(), return_value(self.asynchronous_generator)]
        placed(code, node.lineno)
        if node.value:
            keep.value = node.value
        return code


class ReturnsToVariable(OwnScope):
    """``return X`` keeps its value in a variable, too; see the module's docstring for ``finally``."""

    def __init__(self, asynchronous_generator: bool) -> None:
        self.asynchronous_generator = asynchronous_generator

    def visit_Return(self, node: ast.Return) -> ast.AST | list[ast.stmt]:
        if node.value is None:
            assignment = assign(VALUE, ast.Constant(None))
            placed([assignment], node.lineno)
            return [assignment, node]
        named = ast.NamedExpr(ast.Name(VALUE, ast.Store()), ast.Constant(None))
        placed([named], node.lineno)
        node.value, named.value = named, node.value
        return node

    def _try(self, node: ast.Try) -> ast.AST:
        self.generic_visit(node)
        if node.finalbody and any(isinstance(n, ast.Return) for s in node.finalbody for n in ast.walk(s)):
            name = f"{SAVED}_{node.lineno}"
            save, restore = assign(name, ast.Name(VALUE, ast.Load())), assign(VALUE, ast.Name(name, ast.Load()))
            placed([save, restore], node.finalbody[0].lineno)
            node.finalbody = [save, *node.finalbody, restore]
        return node

    visit_Try = visit_TryStar = _try


def suppressed(body: list[ast.stmt]) -> list[ast.stmt]:
    """``suppress=True`` by hand: what the snippet raises is reported, and that is all."""
    report = ast.parse(f"{REPORT}({PREFIX}error)").body
    handler = ast.ExceptHandler(ast.Name("Exception", ast.Load()), f"{PREFIX}error", report)  # type: ignore[arg-type]
    return [ast.Try(body, [handler], [], [])]


def last_of(parts: list[ast.expr]) -> ast.expr:
    return ast.Subscript(ast.Tuple(parts, ast.Load()), ast.Constant(-1), ast.Load())


def lambda_of(name: str, body: ast.expr) -> ast.Lambda:
    template = ast.parse(f"lambda {name}: None", mode="eval").body
    assert isinstance(template, ast.Lambda)
    template.body = body
    return template


def at(lineno: int) -> dict[str, int]:
    return {"lineno": lineno, "col_offset": 0, "end_lineno": lineno + 1, "end_col_offset": 0}


def assign(name: str, value: ast.expr) -> ast.Assign:
    return ast.Assign([ast.Name(name, ast.Store())], value)


def return_value(asynchronous_generator: bool) -> ast.stmt:
    return ast.Return(None if asynchronous_generator else ast.Name(VALUE, ast.Load()))


def is_compound(node: ast.stmt) -> bool:
    return hasattr(node, "body") or isinstance(node, ast.Match)


def split_docstring(body: list[ast.stmt]) -> tuple[list[ast.stmt], list[ast.stmt]]:
    first = body[0] if body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        return body[:1], body[1:]
    return [], body


def returns_are_simple(body: list[ast.stmt]) -> bool:
    """True where no return stands inside a try, a with or a for of the function itself."""
    todo: list[tuple[ast.AST, bool]] = [(statement, False) for statement in body]
    while todo:
        node, inside = todo.pop()
        if isinstance(node, ast.Return) and inside:
            return False
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            continue
        closing = isinstance(node, ast.Try | ast.TryStar | ast.With | ast.AsyncWith | ast.For | ast.AsyncFor)
        todo += [(child, inside or closing) for child in ast.iter_child_nodes(node)]
    return True


# -- modules --------------------------------------------------------------------------------------


def rewrite_module(tree: ast.Module, puts: Sequence[Put], path: str) -> None:
    """Imports, MODULE_ENTER, MODULE_EXIT and lines of the module's own body, in place."""

    def of(kind: str) -> list[ast.stmt]:
        found: list[ast.stmt] = []
        for put in puts:
            if put.where == kind:
                found += ast.parse(put.import_code or "").body
                body = ast.parse(fill_fields(put.hand_written, None, path)).body
                found += suppressed(body) if put.suppress else body
        return found

    head, rest = split_head(tree.body)
    if lines := [put for put in puts if put.where == "line"]:
        module = Target("<module>", "<module>", 0, (), (), None, None, False, False, False)
        rest = FunctionWork(path, module, Bindings(), set(), set()).with_lines(rest, lines, {0: {}})
    first_line = rest[0].lineno if rest else 1
    imports, enter, leave = of("import"), of("enter"), of("exit")
    front = [*imports, *([guarded(enter)] if enter else [])]
    placed(front, first_line, exact=False)
    if leave:
        whole = ast.Try([], [], [], [guarded(leave)])
        placed([whole], first_line, exact=False)
        whole.body = rest or [ast.Pass(**at(first_line))]
        rest = [whole]
    tree.body = [*head, *front, *rest]


def guarded(body: list[ast.stmt]) -> ast.stmt:
    return ast.If(ast.parse("__name__ == '__main__'", mode="eval").body, body, [])


def split_head(body: list[ast.stmt]) -> tuple[list[ast.stmt], list[ast.stmt]]:
    """The docstring and the ``__future__`` imports, and what follows."""
    head, rest = split_docstring(body)
    while rest and isinstance(rest[0], ast.ImportFrom) and rest[0].module == "__future__":
        head, rest = [*head, rest[0]], rest[1:]
    return head, rest


def rewrite(
    source: str, path: str, puts_for: PutsFor, module_puts: Sequence[Put] = ()
) -> tuple[ast.Module, set[Refused]]:
    """The syntax tree of a program with the snippets in it, and the insertions that equip must refuse."""
    plain = compile(source, path, "exec", dont_inherit=True)
    tree = ast.parse(source, path)
    rewriter = Rewrite(path, puts_for, first_lines(plain), lambda_names(plain))
    rewriter.visit(tree)
    rewrite_module(tree, module_puts, path)
    return ast.fix_missing_locations(tree), rewriter.refused


@functools.lru_cache(maxsize=8)
def has_simple_returns(source: str) -> frozenset[int]:
    """The lines of the functions in which AFTER is written at each return, as code objects give them."""
    return frozenset(
        target_of_node(node, node.name).lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, Function) and returns_are_simple(split_docstring(node.body)[1])
    )


# -- lines ----------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=8)
def simple_lines(source: str, *, inside_blocks: bool = True) -> frozenset[int]:
    """Lines where a snippet before the statement is the same as a snippet at the line.

    One statement stands there alone, whole, that has no loop, no suspension and no function of its
    own, and is no constant expression. ``inside_blocks=False`` leaves out those in a for, with or try.
    """
    tree = ast.parse(source)
    covered: dict[int, int] = {}
    found: set[int] = set()
    blocks = (ast.For, ast.AsyncFor, ast.With, ast.AsyncWith, ast.Try, ast.TryStar)
    unwanted = (*COMPREHENSIONS, ast.Lambda, ast.Yield, ast.YieldFrom, ast.Await)
    kinds = (ast.Expr, ast.Assign, ast.AugAssign, ast.Return, ast.Raise, ast.Delete)
    imports = (ast.Import, ast.ImportFrom)

    def walk(node: ast.AST, in_block: bool) -> None:
        if isinstance(node, ast.stmt | ast.ExceptHandler):
            body = getattr(node, "body", None) or getattr(node, "cases", None)
            start = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
            last = max(start, first_line_of(body[0]) - 1) if body else node.end_lineno or start
            for line in range(start, last + 1):
                covered[line] = covered.get(line, 0) + 1
            future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
            simple = isinstance(node, (*kinds, *imports)) and start == last and not future
            constant = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant | ast.Name)
            clean = not any(isinstance(n, unwanted) for n in ast.walk(node))
            if simple and clean and not constant and (inside_blocks or not in_block):
                found.add(start)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            in_block = False
        elif isinstance(node, blocks):
            in_block = True
        for child in ast.iter_child_nodes(node):
            walk(child, in_block)

    walk(tree, False)
    return frozenset(line for line in found if covered[line] == 1)


def first_line_of(node: ast.AST) -> int:
    decorators = getattr(node, "decorator_list", [])
    lines = [d.lineno for d in decorators]
    own = getattr(node, "lineno", None) or getattr(node, "pattern", node).lineno  # type: ignore[attr-defined]
    return min([own, *lines])


def lines_of(node: FunctionNode) -> set[int]:
    """The lines of the statements of a function's own scope."""
    return {n.lineno for n in own_nodes(node) if isinstance(n, ast.stmt)}
