"""Compiled forms of snippets, made once for each combination of what they depend on.

Large programs have tens of thousands of functions and few shapes of them: the key of a compiled snippet is
what the compiler can see of the target, names of parameters not included where only fields refer to them.
"""

from __future__ import annotations

import ast
import builtins
import copy
import keyword
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from equip.errors import SnippetError
from equip.inject.fields import LIST_FIELDS, Field, is_field_name
from equip.inject.request import Insertion, JoinPoint
from equip.inject.snippet import Snippet, parse
from equip.inject.substitute import EXCEPTION, RETURN_VALUE, Substituted, argument_symbol, fill
from equip.inject.target import NameKind, Target
from equip.inject.wrapper import Compiled, Scope, compile_in, filled

_OWN = frozenset({NameKind.BOUND, NameKind.LOCAL, NameKind.CELL, NameKind.FREE})
_VALUES = {
    JoinPoint.AFTER: frozenset({"return_value"}),
    JoinPoint.RAISE: frozenset({"exception"}),
}
_GUARDED = frozenset({JoinPoint.MODULE_ENTER, JoinPoint.MODULE_EXIT})

_PREPARED_LIMIT = 20_000
_prepared: dict[object, Substituted] = {}
_compiled: dict[object, Compiled | SyntaxError] = {}
_literal_fields: dict[tuple[str, object], tuple[Field, ...]] = {}


@dataclass(frozen=True, eq=False, slots=True)
class Bound:
    """A snippet compiled for one target."""

    insertion: Insertion
    snippet: Snippet
    compiled: Compiled
    symbols: Mapping[str, str]
    """Symbols of the template to the target's variables, where they differ."""
    constants: Mapping[object, object]
    kinds: Mapping[str, NameKind]
    uses_value: bool
    """Whether it refers to ``{return_value}`` or ``{exception}``."""


def private_names(snippet: Snippet, target: Target) -> frozenset[str]:
    """The names (mangled) that the snippet binds and the function does not have."""
    if not target.is_function:
        return frozenset()
    names = snippet.names
    return frozenset(
        mangled
        for name in names.bound - names.declared_global
        if target.kind_of(mangled := target.mangled(name)) is NameKind.GLOBAL
    )


def check_request(insertion: Insertion, target: Target) -> Snippet:
    """Parse the snippet and refuse what cannot work at this join point of this target (``SnippetError``)."""
    snippet = parse(insertion.source)
    allowed = _VALUES.get(insertion.location, frozenset())
    for field in snippet.fields:
        if field.literal:
            continue
        if field.name in ("return_value", "exception") and field.name not in allowed:
            where = "AFTER (insert_after)" if field.name == "return_value" else "RAISE (insert_on_raise)"
            raise _refused(
                snippet, target, 0, f"{{{field.name}}} has a value only at {where}, not at {insertion.location.name}"
            )
        index = field.argument_index
        if index is not None and index >= len(target.parameters.names):
            count = len(target.parameters.names)
            raise _refused(
                snippet, target, 0, f"there is no {{arg{index}}}: the function has {count} parameter(s)"
            )
    _check_statements(snippet, target)
    return snippet


def _refused(snippet: Snippet, target: Target, lineno: int, why: str) -> SnippetError:
    return SnippetError(f"{snippet.describe(lineno or None)} in {target}: {why}")


def _check_statements(snippet: Snippet, target: Target) -> None:
    if snippet.yields and not (target.is_generator or target.is_async_generator):
        raise _refused(
            snippet, target, snippet.yields, "`yield` would make a generator of a function that is none"
        )
    if snippet.awaits and not (target.is_coroutine or target.is_async_generator):
        raise _refused(snippet, target, snippet.awaits, "`await` is possible only in an async function")
    if snippet.returns and not target.is_function:
        raise _refused(snippet, target, snippet.returns, "`return` is possible only in a function")
    names = snippet.names
    for name, lineno in names.unbound.items():
        if target.is_function and target.owns(target.mangled(name)) and name not in names.declared_global:
            raise _refused(
                snippet,
                target,
                lineno,
                f"this would unbind {name!r}, a variable of the function (by `del`, or at the end of `except ... as`): "
                "use a name that the function does not have",
            )
    for name, lineno in names.declared_nonlocal.items():
        if target.kind_of(target.mangled(name)) is not NameKind.FREE:
            raise _refused(
                snippet, target, lineno, f"`nonlocal {name}`: the function has no variable {name!r} of a function around it"
            )
    for name in ("__class__", "super"):
        if name in names.mentioned and target.is_function and _needs_class(name, snippet, target):
            raise _refused(
                snippet, target, 0, f"`{name}` works only in a method that itself uses `super()` or `__class__`"
            )


def _needs_class(name: str, snippet: Snippet, target: Target) -> bool:
    if target.owns("__class__") or name in snippet.names.bound:
        return False
    if name == "__class__":
        return True
    return any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super" and not node.args
        for statement in snippet.body
        for node in ast.walk(statement)
    )


def bind(
    insertion: Insertion,
    target: Target,
    private: Collection[str],
    cells: Collection[str],
    known_globals: Collection[str] | None,
) -> Bound:
    """Compile the snippet of ``insertion`` for ``target``.

    ``private`` are the names that the snippets of its group bind, ``cells`` the plain locals (and private
    names) that some snippet captures. ``known_globals`` are the names that the module is seen to bind, or
    None when that cannot be known.
    """
    snippet = check_request(insertion, target)
    kinds = _kinds(snippet, target, private, cells)
    _check_names(snippet, target, kinds, known_globals)
    substituted = _substituted(insertion, snippet, target, frozenset(kinds))
    for symbol in substituted.symbols:
        kinds[symbol] = _symbol_kind(symbol, target, cells)
    scope = _scope(snippet, target, kinds)
    compiled = _compile(scope, substituted, insertion, snippet, target)
    names = target.parameters.names
    symbols = {argument_symbol(i): name for i, name in enumerate(names) if argument_symbol(i) in compiled.slots}
    constants: dict[object, object] = {}
    if compiled.holes:
        values = [fill(key, target.fields) for key in substituted.holes]
        constants = {hole: filled(hole, values) for hole in compiled.holes}
    uses_value = bool({RETURN_VALUE, EXCEPTION} & substituted.symbols)
    return Bound(insertion, snippet, compiled, symbols, constants, kinds, uses_value)


def _kinds(
    snippet: Snippet, target: Target, private: Collection[str], cells: Collection[str]
) -> dict[str, NameKind]:
    """The kind of every name of the snippet that is not simply global, by its mangled name."""
    kinds: dict[str, NameKind] = {}
    if not target.is_function:
        return kinds
    for name in sorted(snippet.names.mentioned):
        if name in snippet.names.declared_global:
            continue
        mangled = target.mangled(name)
        kind = target.kind_of(mangled)
        if kind is NameKind.GLOBAL and mangled in private:
            kind = NameKind.PRIVATE_CELL if mangled in cells else NameKind.PRIVATE
        elif kind in (NameKind.BOUND, NameKind.LOCAL) and mangled in cells:
            kind = NameKind.CELL
        if kind is not NameKind.GLOBAL:
            kinds[mangled] = kind
    if "super" in snippet.names.mentioned and target.kind_of("__class__") is NameKind.FREE:
        kinds["__class__"] = NameKind.FREE
    return kinds


def _symbol_kind(symbol: str, target: Target, cells: Collection[str]) -> NameKind:
    if symbol in (RETURN_VALUE, EXCEPTION):
        return NameKind.PRIVATE_CELL if symbol in cells else NameKind.BOUND
    for i, name in enumerate(target.parameters.names):
        if symbol in (argument_symbol(i), name):
            kind = target.kind_of(name)
            return NameKind.CELL if kind in (NameKind.BOUND, NameKind.LOCAL) and name in cells else kind
    raise AssertionError(f"{symbol} stands for no parameter: a bug of equip")


def _check_names(
    snippet: Snippet, target: Target, kinds: Mapping[str, NameKind], known_globals: Collection[str] | None
) -> None:
    bound = snippet.names.bound
    for name in snippet.names.mentioned:
        mangled = target.mangled(name)
        if mangled in kinds or name in snippet.names.declared_global or name in bound:
            continue
        around = target.encloses(mangled)
        if around is not None:
            raise _refused(
                snippet,
                target,
                0,
                f"{name!r} is a variable of {around.co_qualname!r} around it, which this function does not use itself, "
                "so it cannot be reached from here",
            )
    if known_globals is None:
        return
    for name, lineno in snippet.braced:
        known = (
            name in bound
            or target.mangled(name) in kinds
            or name in known_globals
            or hasattr(builtins, name)
            or is_field_name(name)
        )
        if not known and name in snippet.names.mentioned:
            raise _refused(
                snippet,
                target,
                lineno,
                f"{{{name}}} is no field, and the program has no {name!r} for a set display; the fields are "
                "file_name, file_path, module_name, class_name, method_name, qualname, lineno, arguments, "
                "call_arguments, arguments_dict, arg0 ..., return_value, exception",
            )


# -- from snippet to tree --------------------------------------------------------------------------------------


def _substituted(
    insertion: Insertion, snippet: Snippet, target: Target, mentioned: frozenset[str]
) -> Substituted:
    """The snippet's tree with its fields put in, wrapped as the join point and ``suppress`` ask for."""
    parameters = target.parameters
    refers = any(f.argument_index is not None or f.name in LIST_FIELDS for f in snippet.fields)
    named = refers and (
        not mentioned.isdisjoint(parameters.names) or any(f.name == "call_arguments" for f in snippet.fields)
    )
    shape: object = None
    if refers:
        shape = parameters.names if named else parameters.shape
    variant = (snippet.source, shape, target.fields.class_name is None)
    literal = _literal_fields.get((snippet.source, shape))
    if literal is not None:
        values = tuple(target.fields.text(field) for field in literal)
        found = _prepared.get((variant, literal, values))
        if found is not None:
            return found
    found = Substituted(snippet, target.fields, named_parameters=named)
    literal = tuple(sorted(found.literal, key=repr))
    _literal_fields[snippet.source, shape] = literal
    values = tuple(target.fields.text(field) for field in literal)
    if len(_prepared) >= _PREPARED_LIMIT:
        _prepared.clear()
        _compiled.clear()
    _prepared[variant, literal, values] = found
    return found


def _scope(snippet: Snippet, target: Target, kinds: Mapping[str, NameKind]) -> Scope:
    super_used = "super" in snippet.names.mentioned and "__class__" in kinds
    needs_class = snippet.mangled or "__class__" in kinds
    class_name = target.class_name if needs_class else None
    if needs_class and (class_name is None or not class_name.isidentifier() or keyword.iskeyword(class_name)):
        class_name = "__equip_class" if "__class__" in kinds else None
    names = target.parameters.names
    first = names[0] if super_used and names else None
    all_kinds = dict(kinds)
    if first is not None and first not in all_kinds:
        all_kinds[first] = target.kind_of(first)
    return Scope(
        kinds=tuple(sorted(all_kinds.items())),
        is_function=target.is_function,
        is_module=target.is_module,
        generator=target.is_generator or target.is_async_generator,
        asynchronous=target.is_coroutine or target.is_async_generator,
        class_name=class_name,
        first_parameter=first,
        future_flags=target.future_flags,
        optimize=target.optimize,
    )


def _compile(
    scope: Scope, substituted: Substituted, insertion: Insertion, snippet: Snippet, target: Target
) -> Compiled:
    guarded = insertion.location in _GUARDED
    key = (scope, substituted, insertion.suppress, guarded, insertion.probe if insertion.suppress else "")
    found = _compiled.get(key)
    if found is None:
        body = copy.deepcopy(substituted.body)
        if guarded:
            body = _in_main(body)
        if insertion.suppress:
            body = _suppressed(body, insertion.probe)
        try:
            found = compile_in(scope, body)
        except SyntaxError as error:
            found = error
        except (ValueError, RecursionError, MemoryError) as error:
            found = SyntaxError(str(error))
        _compiled[key] = found
    if isinstance(found, SyntaxError):
        raise _refused(snippet, target, found.lineno or 0, found.msg) from None
    return found


def _in_main(body: list[ast.stmt]) -> list[ast.stmt]:
    test = ast.parse("__name__ == '__main__'", mode="eval").body
    return _at_lines([ast.If(test, body, [])], body)


def _suppressed(body: list[ast.stmt], probe: str) -> list[ast.stmt]:
    """The statements with their exceptions reported as unraisable.

    The interpreter hands to ``sys.unraisablehook`` what a finaliser raises, and nothing else that Python code
    can do; so an object is made and dropped whose finaliser raises the exception again.
    """
    report = ast.parse(
        f"__import__('builtins').type({f'probe {probe}'!r}, (), {{'__del__': "
        "lambda self, error=__equip_error: (_ for _ in ()).throw(error)})()"
    ).body
    kind = ast.parse("__import__('builtins').Exception", mode="eval").body
    return _at_lines([ast.Try(body, [ast.ExceptHandler(kind, "__equip_error", report)], [], [])], body)


def _at_lines(wrapping: list[ast.stmt], body: list[ast.stmt]) -> list[ast.stmt]:
    """Give the nodes of ``wrapping`` that are not ``body``'s the line of its first statement."""
    inside = {id(node) for statement in body for node in ast.walk(statement)}
    line = body[0].lineno if body else 1
    for statement in wrapping:
        for node in ast.walk(statement):
            if id(node) not in inside and isinstance(node, (ast.stmt, ast.expr, ast.excepthandler)):
                node.lineno = node.end_lineno = line
                node.col_offset = node.end_col_offset = 0
    return wrapping
