"""What a case needs to know of a function, found in the syntax tree or in the code object alike."""

from __future__ import annotations

import ast
import inspect
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
IMPLICIT = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>", "__annotate__", "__annotations__")


@dataclass(frozen=True)
class Target:
    """A function as both sides of a comparison see it."""

    name: str
    qualname: str
    lineno: int
    parameters: tuple[str, ...]
    keyword_only: tuple[str, ...]
    star: str | None
    double_star: str | None
    is_generator: bool
    is_coroutine: bool
    is_async_generator: bool

    @property
    def is_lambda(self) -> bool:
        return self.name == "<lambda>"

    @property
    def is_async(self) -> bool:
        return self.is_coroutine or self.is_async_generator

    @property
    def can_yield(self) -> bool:
        return self.is_generator or self.is_async_generator

    @property
    def is_plain(self) -> bool:
        return not (self.is_lambda or self.is_async or self.can_yield)

    @property
    def arguments(self) -> tuple[str, ...]:
        """All parameters in the order of the signature."""
        star = (self.star,) if self.star else ()
        double_star = (self.double_star,) if self.double_star else ()
        return (*self.parameters, *star, *self.keyword_only, *double_star)

    @property
    def call_arguments(self) -> str:
        parts = list(self.parameters)
        parts += [f"*{self.star}"] if self.star else []
        parts += [f"{name}={name}" for name in self.keyword_only]
        parts += [f"**{self.double_star}"] if self.double_star else []
        return ", ".join(parts)

    @property
    def class_name(self) -> str | None:
        """The class of a method; functions inside functions are not asked about."""
        parts = self.qualname.split(".")
        return parts[-2] if len(parts) > 1 and parts[-2] != "<locals>" else None


def target_of_code(code: CodeType) -> Target:
    """The target as the compiled program shows it."""
    names = code.co_varnames
    positional, keyword_only = code.co_argcount, code.co_kwonlyargcount
    rest = iter(names[positional + keyword_only :])
    return Target(
        name=code.co_name,
        qualname=code.co_qualname,
        lineno=code.co_firstlineno,
        parameters=names[:positional],
        keyword_only=names[positional : positional + keyword_only],
        star=next(rest) if code.co_flags & inspect.CO_VARARGS else None,
        double_star=next(rest) if code.co_flags & inspect.CO_VARKEYWORDS else None,
        is_generator=bool(code.co_flags & inspect.CO_GENERATOR),
        is_coroutine=bool(code.co_flags & inspect.CO_COROUTINE),
        is_async_generator=bool(code.co_flags & inspect.CO_ASYNC_GENERATOR),
    )


def target_of_node(node: FunctionNode, qualname: str) -> Target:
    """The target as the source shows it."""
    arguments = node.args
    has_yield = any(isinstance(n, ast.Yield | ast.YieldFrom) for n in own_nodes(node))
    is_async = isinstance(node, ast.AsyncFunctionDef)
    decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
    return Target(
        name="<lambda>" if isinstance(node, ast.Lambda) else node.name,
        qualname=qualname,
        lineno=min([node.lineno, *(d.lineno for d in decorators)]),
        parameters=tuple(a.arg for a in [*arguments.posonlyargs, *arguments.args]),
        keyword_only=tuple(a.arg for a in arguments.kwonlyargs),
        star=arguments.vararg.arg if arguments.vararg else None,
        double_star=arguments.kwarg.arg if arguments.kwarg else None,
        is_generator=has_yield and not is_async,
        is_coroutine=is_async and not has_yield,
        is_async_generator=is_async and has_yield,
    )


def own_nodes(node: FunctionNode) -> Iterator[ast.AST]:
    """The nodes of a function's body that run in its own scope, comprehensions left out."""
    body = [node.body] if isinstance(node, ast.Lambda) else node.body
    todo: deque[ast.AST] = deque(body)
    while todo:
        current = todo.popleft()
        yield current
        if isinstance(current, SCOPES):
            todo += outer_parts(current)
        elif isinstance(current, COMPREHENSIONS):
            todo.append(current.generators[0].iter)
        else:
            todo += ast.iter_child_nodes(current)


def outer_parts(node: ast.AST) -> list[ast.AST]:
    """What of a nested definition is evaluated in the scope around it."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return [*node.decorator_list, *node.args.defaults, *(d for d in node.args.kw_defaults if d)]
        case ast.Lambda():
            return [*node.args.defaults, *(d for d in node.args.kw_defaults if d)]
        case ast.ClassDef():
            return [*node.decorator_list, *node.bases, *(k.value for k in node.keywords)]
    return []


def is_function(code: CodeType) -> bool:
    """True for what a program wrote as a function, a method or a lambda."""
    if not code.co_flags & inspect.CO_OPTIMIZED or code.co_name in IMPLICIT:
        return False
    return not code.co_name.startswith("<") or code.co_name == "<lambda>"


def all_code(code: CodeType) -> Iterator[CodeType]:
    """The code object and those nested in it, in the order of the constants."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from all_code(constant)


def functions(code: CodeType) -> list[CodeType]:
    """The functions below a module's code."""
    return [c for c in all_code(code) if is_function(c)]
