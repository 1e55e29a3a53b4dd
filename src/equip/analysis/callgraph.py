"""The call graph of a program: which functions call which, as far as the bytecode says it.

A call is resolved when what it calls leads by names to a function or class of the program: names of the function, of
those around it and of the module, imports within the program, attributes of modules and classes, methods through
``self`` (or whatever the first parameter is called), ``super()`` and base classes of the program. A class leads to its
``__init__``. Everything else is unresolved and has its source as a name: calls of builtins and of other packages,
methods of values whose type only the running program knows. A name that is bound in several places leads to all of
them. Calls that no CALL instruction makes (operators, properties, ``with``, iteration, imports) are no calls here.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from types import CodeType
from typing import NamedTuple

from equip import isa
from equip.analysis.bindings import Alias, Bound, Imported, Made, Scope, find_made, scopes_of
from equip.analysis.controlflow import find_code

_CALLS = isa.ops("CALL CALL_KW CALL_FUNCTION_EX")
_FAR = 30
"""Steps from a name to what it means, at most: aliases can go in circles."""


class Call(NamedTuple):
    """A place that calls something. ``offset`` is in bytes, ``lineno`` from 1."""

    caller: str
    """``module:qualname``; the body of a module is ``module:<module>``."""
    offset: int
    lineno: int | None
    callee: str | None
    """The source of what is called; None when it cannot be rebuilt."""
    targets: tuple[str, ...]
    """``module:qualname`` of the functions of the program that it can be; none when it is unresolved."""


class CallGraph:
    """The call graph of one module or several.

    ``program`` is a mapping of module names to their code (code objects, or declarations), a module's declaration, a
    code object (called ``__main__``), or an iterable of declarations.
    """

    def __init__(self, program: object) -> None:
        self._scopes: list[Scope] = []
        self._modules: dict[str, Scope] = {}
        for name, code in _modules(program):
            found = scopes_of(code, name)
            self._modules[name] = found[0]
            self._scopes += found
        self._by_code = {id(scope.code): scope for scope in self._scopes}
        self.functions: tuple[str, ...] = tuple(dict.fromkeys(one.name for one in self._scopes if one.is_function))
        """Every function of the program, ``module:qualname``, in the order of the modules."""
        self.calls: tuple[Call, ...] = tuple(call for scope in self._scopes for call in self._calls(scope))
        """Every call, by caller, in the order of the code."""

    def callees(self, caller: str) -> tuple[str, ...]:
        """The functions of the program that a function can call, each once."""
        return tuple(dict.fromkeys(target for one in self.calls if one.caller == caller for target in one.targets))

    def callers(self, callee: str) -> tuple[str, ...]:
        """The functions that can call a function of the program, each once."""
        return tuple(dict.fromkeys(one.caller for one in self.calls if callee in one.targets))

    @property
    def unresolved(self) -> dict[str, tuple[Call, ...]]:
        """The calls that lead out of the program or nobody knows where, by the source of what they call.

        Those without a source are under the empty string.
        """
        found: dict[str, list[Call]] = {}
        for one in self.calls:
            if not one.targets:
                found.setdefault(one.callee or "", []).append(one)
        return {name: tuple(calls) for name, calls in found.items()}

    def edges(self) -> Iterator[tuple[str, str]]:
        """Caller and callee, each pair once."""
        yield from dict.fromkeys((one.caller, target) for one in self.calls for target in one.targets)

    def __repr__(self) -> str:
        return f"<CallGraph of {len(self._modules)} modules: {len(self.functions)} functions, {len(self.calls)} calls>"

    # -- calls -------------------------------------------------------------------------------------------------------

    def _calls(self, scope: Scope) -> Iterator[Call]:
        expressions = scope.expressions
        for one in expressions.instructions:
            if one.opcode not in _CALLS or expressions.stacks.find_before(one.offset) is None:
                continue
            lower, upper = expressions.called_values(one)
            if expressions.is_build_class(lower) or expressions.is_build_class(upper):
                continue
            made = find_made(expressions, expressions.called(one)[0])
            if made is not None:
                inner = self._by_code.get(id(made.code))
                yield Call(scope.name, one.offset, one.lineno, None, () if inner is None else (inner.name,))
                continue
            found = expressions.find_callee(one.offset)
            if found is None:
                yield Call(scope.name, one.offset, one.lineno, None, ())
                continue
            targets = dict.fromkeys(self._entered(meant) for meant in self._meanings(scope, found[0], _FAR))
            yield Call(scope.name, one.offset, one.lineno, ast.unparse(found[0]), tuple(targets))

    def _entered(self, meant: Scope) -> str:
        """What runs when a function or class is called."""
        if meant.is_function:
            return meant.name
        for method in self._members(meant, "__init__", _FAR):
            if method.is_function:
                return method.name
        return meant.name

    # -- what names mean ---------------------------------------------------------------------------------------------

    def _meanings(self, scope: Scope, tree: ast.expr, far: int) -> list[Scope]:
        """The functions, classes and modules of the program that an expression can be."""
        if far == 0:
            return []
        if isinstance(tree, ast.Name):
            return self._named(scope, tree.id, far - 1)
        if not isinstance(tree, ast.Attribute):
            return []
        owner = _class_of_first_parameter(scope, tree.value)
        if owner is not None:
            return self._members(owner, tree.attr, far - 1)
        owner = _class_of_super(scope, tree.value)
        if owner is not None:
            bases = self._bases(owner, far - 1)
            return [one for base in bases for one in self._members(base, tree.attr, far - 1)]
        found: list[Scope] = []
        for meant in self._meanings(scope, tree.value, far - 1):
            found += self._members(meant, tree.attr, far - 1)
        return found

    def _named(self, scope: Scope, name: str, far: int) -> list[Scope]:
        one: Scope | None = scope
        code = scope.code
        if scope.is_function and name not in (*code.co_varnames, *code.co_cellvars, *code.co_freevars):
            one = scope.top
        elif name in code.co_freevars:
            one = scope.parent
            while one is not None and not (one.is_function and name in (*one.code.co_cellvars, *one.code.co_varnames)):
                one = one.parent
        elif not scope.is_function and name not in scope.bound:
            one = scope.top
        return [] if one is None else self._bound(one, one.bound.get(name, ()), far)

    def _bound(self, scope: Scope, bindings: Iterable[Bound], far: int) -> list[Scope]:
        found: list[Scope] = []
        for one in bindings:
            if isinstance(one, Made):
                inner = self._by_code.get(id(one.code))
                found += [] if inner is None else [inner]
            elif isinstance(one, Imported):
                found += self._imported(scope, one, far)
            elif isinstance(one, Alias):
                found += self._meanings(scope, one.tree, far)
        return list(dict.fromkeys(found))

    def _imported(self, scope: Scope, one: Imported, far: int) -> list[Scope]:
        name = self._absolute(scope.module, one)
        if one.name is None:
            module = self._modules.get(name)
            return [] if module is None else [module]
        if name in self._modules:
            found = self._members(self._modules[name], one.name, far)
            if found:
                return found
        inner = self._modules.get(f"{name}.{one.name}")
        return [] if inner is None else [inner]

    def _absolute(self, module: str, one: Imported) -> str:
        if not one.level:
            return one.module
        is_package = any(other.startswith(f"{module}.") for other in self._modules)
        parts = module.split(".")
        package = parts[: len(parts) - one.level + is_package]
        return ".".join([*package, *([one.module] if one.module else [])])

    def _members(self, owner: Scope, name: str, far: int) -> list[Scope]:
        """What an attribute of a module or class can be."""
        if far == 0 or owner.is_function:
            return []
        if name in owner.bound:
            return self._bound(owner, owner.bound[name], far - 1)
        if owner.parent is None:
            inner = self._modules.get(f"{owner.module}.{name}")
            return [] if inner is None else [inner]
        for base in self._bases(owner, far - 1):
            found = self._members(base, name, far - 1)
            if found:
                return found
        return []

    def _bases(self, owner: Scope, far: int) -> list[Scope]:
        if owner.made is None or owner.made.bases is None or owner.around is None:
            return []
        found = (one for tree in owner.made.bases for one in self._meanings(owner.around, tree, far))
        return [one for one in found if one is not owner and not one.is_function]


def _class_around(scope: Scope) -> tuple[Scope, Scope] | None:
    """The method in which a scope is, and its class."""
    one: Scope | None = scope
    while one is not None and one.parent is not None:
        around = one.around
        if around is not None and one.is_function and not around.is_function and around.parent is not None:
            return one, around
        one = one.parent
    return None


def _class_of_first_parameter(scope: Scope, tree: ast.expr) -> Scope | None:
    """The class, when an expression is the first parameter of one of its methods."""
    found = _class_around(scope)
    if found is None or not isinstance(tree, ast.Name):
        return None
    method, owner = found
    is_static = method.made is not None and method.made.is_static
    code = method.code
    first = code.co_varnames[0] if code.co_argcount else None
    if tree.id != first or is_static:
        return None
    hidden = scope is not method and tree.id in scope.code.co_varnames
    return None if hidden else owner


def _class_of_super(scope: Scope, tree: ast.expr) -> Scope | None:
    called = isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) and tree.func.id == "super"
    found = _class_around(scope) if called else None
    return None if found is None else found[1]


def _modules(program: object) -> Iterator[tuple[str, CodeType]]:
    if isinstance(program, Mapping):
        for name, one in program.items():
            yield str(name), find_code(one)
    elif isinstance(program, CodeType):
        yield "__main__", program
    elif hasattr(program, "module_name"):
        yield str(program.module_name), find_code(program)
    elif isinstance(program, Iterable):
        for one in program:
            yield from _modules(one)
    else:
        raise TypeError(
            "a call graph is of a module's code object or declaration, several of them, or a mapping of names to them, "
            f"not of {type(program).__name__!r}"
        )
