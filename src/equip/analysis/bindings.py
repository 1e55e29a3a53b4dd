"""What the scopes of a module bind to functions, classes and imported modules, as far as the bytecode says it.

A binding is a store whose value is a ``def``, a ``class``, a lambda, an import, or another name for one of these.
Decorators are looked through when the function below them has the name that is bound.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from functools import cached_property
from types import CodeType
from typing import TypeAlias

from equip import isa
from equip.analysis.expressions import Expressions
from equip.analysis.stackvalues import Value
from equip.code.instruction import Instruction

_STORES = isa.ops("STORE_NAME STORE_GLOBAL STORE_FAST STORE_DEREF")
_NEW_LOCALS = 2  # CO_NEWLOCALS: functions, not modules and class bodies
_GENERIC = "<generic parameters of "
_DEEPEST = 20
"""Decorators on one function, at most."""


@dataclass(frozen=True, slots=True)
class Made:
    """A function, or a class when it has ``bases``, whose body is ``code``."""

    code: CodeType
    bases: tuple[ast.expr, ...] | None = None
    is_static: bool = False


@dataclass(frozen=True, slots=True)
class Imported:
    """A module (``name`` None) or a name of one; ``level`` is the number of leading dots."""

    module: str
    level: int
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Alias:
    """Another expression."""

    tree: ast.expr


Bound: TypeAlias = Made | Imported | Alias


@dataclass(eq=False)
class Scope:
    """A code object and what its names are bound to."""

    code: CodeType
    module: str
    parent: Scope | None = None
    children: list[Scope] = field(default_factory=list)
    bound: dict[str, list[Bound]] = field(default_factory=dict)
    made: Made | None = None
    """What this is the body of; None for modules and for what is never bound."""

    @cached_property
    def expressions(self) -> Expressions:
        return Expressions(self.code)

    @property
    def name(self) -> str:
        """``module:qualname``."""
        return f"{self.module}:{self.code.co_qualname}"

    @property
    def is_function(self) -> bool:
        return bool(self.code.co_flags & _NEW_LOCALS)

    @property
    def top(self) -> Scope:
        """The scope of the module."""
        one = self
        while one.parent is not None:
            one = one.parent
        return one

    @property
    def around(self) -> Scope | None:
        """The scope in which it is written: that of type parameters is none."""
        one = self.parent
        while one is not None and one.code.co_name.startswith(_GENERIC):
            one = one.parent
        return one

    def child(self, code: CodeType) -> Scope | None:
        """The scope of a code object that stands in this one."""
        for one in self.children:
            if one.code is code:
                return one
            if one.code.co_name.startswith(_GENERIC):
                found = one.child(code)
                if found is not None:
                    return found
        return None


def scopes_of(code: CodeType, module: str) -> list[Scope]:
    """The scope of a module's code and those within it, outer ones first, with what they bind."""
    found = [Scope(code, module)]
    for scope in found:
        for constant in scope.code.co_consts:
            if isinstance(constant, CodeType):
                inner = Scope(constant, module, scope)
                scope.children.append(inner)
                found.append(inner)
    for scope in found:
        _find_bindings(scope)
    return found


def _find_bindings(scope: Scope) -> None:
    expressions = scope.expressions
    for one in expressions.instructions:
        if one.opcode not in _STORES:
            continue
        stack = expressions.stacks.find_before(one.offset)
        name = one.argval
        if not stack or not isinstance(name, str):
            continue
        bound = _bound_value(expressions, stack[-1], name)
        if bound is None:
            continue
        target = scope.top if one.opname == "STORE_GLOBAL" else scope
        target.bound.setdefault(name, []).append(bound)
        if isinstance(bound, Made):
            inner = scope.child(bound.code)
            if inner is not None:
                inner.made = bound


def _bound_value(expressions: Expressions, value: Value, name: str) -> Bound | None:
    made = find_made(expressions, value, name)
    if made is not None:
        return made
    one = _only(expressions, value)
    if one is None:
        return None
    if one.opname == "IMPORT_NAME":
        whole = str(one.argval)
        # Without `as`, the first part is what is bound; with it, a chain of IMPORT_FROM or the only part.
        return Imported(whole if "." not in whole else whole.partition(".")[0], _level(expressions, one))
    if one.opname == "IMPORT_FROM":
        return _imported_from(expressions, one)
    if one.opname.startswith("LOAD_"):
        found = expressions.find(one.offset)
        if found is not None and isinstance(found[0], (ast.Name, ast.Attribute)):
            return Alias(found[0])
    return None


def _imported_from(expressions: Expressions, one: Instruction) -> Imported | None:
    stack = expressions.stacks.find_before(one.offset)
    source = _only(expressions, stack[-1]) if stack else None
    if source is None:
        return None
    if source.opname == "IMPORT_FROM":  # `import a.b.c as d` takes one part after the other
        below = _imported_from(expressions, source)
        return None if below is None else Imported(f"{below.module}.{below.name}", below.level, str(one.argval))
    if source.opname != "IMPORT_NAME":
        return None
    whole = str(source.argval)
    if _has_list(expressions, source):
        return Imported(whole, _level(expressions, source), str(one.argval))
    return Imported(whole.partition(".")[0], _level(expressions, source), str(one.argval))


def _level(expressions: Expressions, one: Instruction) -> int:
    found = expressions.find_operand(one.offset, 1)
    level = found[0].value if found is not None and isinstance(found[0], ast.Constant) else 0
    return level if isinstance(level, int) else 0


def _has_list(expressions: Expressions, one: Instruction) -> bool:
    """Whether an import names what it wants (``from``)."""
    found = expressions.find_operand(one.offset, 0)
    return found is not None and isinstance(found[0], ast.Tuple)


def find_made(expressions: Expressions, value: Value, name: str | None = None) -> Made | None:
    """The function or class that a value is; ``name``: below decorators, when it is called so."""
    static = False
    for _ in range(_DEEPEST):
        one = _only(expressions, value)
        stack = expressions.stacks.find_before(one.offset) if one is not None else None
        if one is None or not stack:
            return None
        if one.opname == "MAKE_FUNCTION":
            code = _only(expressions, stack[-1])
            return Made(code.argval, None, static) if code is not None and isinstance(code.argval, CodeType) else None
        if one.opname == "SET_FUNCTION_ATTRIBUTE":
            value = stack[-1]
            continue
        if one.opname not in ("CALL", "CALL_KW"):
            return None
        arguments = stack[len(stack) - (one.oparg or 0) - (one.opname == "CALL_KW") :]
        below = stack[len(stack) - (one.oparg or 0) - (one.opname == "CALL_KW") - 2 :][:2]
        if any(_opname(expressions, part) == "LOAD_BUILD_CLASS" for part in below):
            return _made_class(expressions, arguments)
        made = find_made(expressions, below[0]) or find_made(expressions, below[1])
        if made is not None and made.code.co_name.startswith(_GENERIC):
            return _generic(made)
        if made is None and len(arguments) == 1 and name is not None:
            decorator = expressions.find_callee(one.offset)
            static = static or (decorator is not None and ast.unparse(decorator[0]) == "staticmethod")
            value = arguments[0]
            continue
        # On some versions a decorator and its function stand where a method and its object would.
        inner = find_made(expressions, below[1]) if name is not None and not arguments else None
        if inner is None or inner.code.co_name != name:
            return None
        decorator = expressions.find_callee(one.offset)
        static = static or (decorator is not None and ast.unparse(decorator[0]) == "staticmethod")
        return Made(inner.code, inner.bases, static)
    return None


def _generic(made: Made) -> Made | None:
    """The function or class that a scope of type parameters makes."""
    name = made.code.co_name.removeprefix(_GENERIC).removesuffix(">")
    for constant in made.code.co_consts:
        if isinstance(constant, CodeType) and constant.co_name == name:
            return Made(constant, None if constant.co_flags & _NEW_LOCALS else ())
    return None


def _made_class(expressions: Expressions, arguments: tuple[Value, ...]) -> Made | None:
    body = find_made(expressions, arguments[0]) if arguments else None
    if body is None:
        return None
    trees = [_tree(expressions, value) for value in arguments[2:]]
    return Made(body.code, tuple(tree for tree in trees if isinstance(tree, (ast.Name, ast.Attribute))))


def _tree(expressions: Expressions, value: Value) -> ast.expr | None:
    one = _only(expressions, value)
    found = expressions.find(one.offset) if one is not None else None
    return None if found is None else found[0]


def _opname(expressions: Expressions, value: Value) -> str:
    one = _only(expressions, value)
    return "" if one is None else one.opname


def _only(expressions: Expressions, value: Value) -> Instruction | None:
    """The only instruction that a value can come from."""
    if len(value) != 1:
        return None
    (source,) = value
    return None if source < 0 else expressions.instruction_at(source >> 16)
