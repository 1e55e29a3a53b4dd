"""What a snippet cannot do in a target: found before it is compiled, and said with the snippet, its line and why."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Collection, Mapping

from equip.errors import SnippetError
from equip.inject.fields import VALUE_FIELDS, is_field_name
from equip.inject.request import Insertion, JoinPoint
from equip.inject.snippet import Snippet, UnsoundSnippetError, parse
from equip.inject.target import NameKind, Target

_VALUES = {
    JoinPoint.AFTER: frozenset({"return_value"}),
    JoinPoint.RAISE: frozenset({"exception"}),
}
_NO_NAMES: frozenset[str] = frozenset()


def check_request(insertion: Insertion, target: Target) -> Snippet:
    """Parse the snippet and refuse what cannot work at this join point of this target (``SnippetError``)."""
    snippet = parse(insertion.source)
    allowed = _VALUES.get(insertion.location, _NO_NAMES)
    for one in snippet.fields:
        if one.literal:
            continue
        if one.name in VALUE_FIELDS and one.name not in allowed:
            where = "AFTER (insert_after)" if one.name == "return_value" else "RAISE (insert_on_raise)"
            line = snippet.line_of(one)
            raise refused(
                snippet, target, line, f"{{{one.name}}} has a value only at {where}, not at {insertion.location.name}"
            )
        index = one.argument_index
        if index is not None and index >= len(target.parameters.names):
            count = len(target.parameters.names)
            raise refused(
                snippet,
                target,
                snippet.line_of(one),
                f"there is no {{arg{index}}}: the {target.what} has {count} parameter(s)",
            )
    _check_statements(snippet, target)
    return snippet


def parsed(source: str, target: Target) -> Snippet:
    """The snippet, parsed for ``target``. Raises ``SnippetError`` as ``parse`` does, naming the target."""
    try:
        return parse(source)
    except UnsoundSnippetError as error:
        raise SnippetError(f"{error.shown} in {target}: {error.why}") from None


def refused(snippet: Snippet, target: Target, lineno: int, why: str) -> SnippetError:
    return SnippetError(f"{snippet.describe(lineno or None)} in {target}: {why}")


def _check_statements(snippet: Snippet, target: Target) -> None:
    if snippet.yields and not (target.is_generator or target.is_async_generator):
        raise refused(
            snippet, target, snippet.yields, "`yield` would make a generator of a function that is none"
        )
    if snippet.awaits and not (target.is_coroutine or target.is_async_generator):
        raise refused(snippet, target, snippet.awaits, "`await` is possible only in an async function")
    if snippet.returns and not target.is_function:
        raise refused(snippet, target, snippet.returns, "`return` is possible only in a function")
    names = snippet.names
    for name, lineno in names.unbound.items():
        if target.is_function and target.owns(target.mangled(name)) and name not in names.declared_global:
            raise refused(
                snippet,
                target,
                lineno,
                f"this would unbind {name!r}, a variable of the function (by `del`, or at the end of `except ... as`): "
                "use a name that the function does not have",
            )
    if names.annotated and not target.is_function:
        raise refused(
            snippet,
            target,
            names.annotated,
            "only a variable of a function can be annotated (those of a module or class are annotated all together): "
            "assign without annotation",
        )
    for name, lineno in names.declared_nonlocal.items():
        if target.kind_of(target.mangled(name)) is not NameKind.FREE:
            raise refused(
                snippet,
                target,
                lineno,
                f"`nonlocal {name}`: the {target.what} has no variable {name!r} of a function around it",
            )
    for name in sorted(names.needs_class - names.bound):
        if target.is_function and not target.owns("__class__"):
            raise refused(
                snippet,
                target,
                snippet.line_of(name),
                f"`{name}` works only in a method that itself uses `super()` or `__class__`",
            )
        if not (target.is_function or target.is_module):
            _check_class(snippet, target, name)


def _check_class(snippet: Snippet, target: Target, name: str) -> None:
    """Refuse ``super`` and ``__class__`` in a class body where they mean no class."""
    kind, line = target.kind_of("__class__"), snippet.line_of(name)
    if name in snippet.names.needs_class_here and not (name == "__class__" and kind is NameKind.FREE):
        raise refused(snippet, target, line, f"`{name}` works only in a method, not in the body of a class")
    if name in snippet.names.inside and kind is not NameKind.CELL:
        raise refused(
            snippet,
            target,
            line,
            f"`{name}` works only where a method of the class itself uses `super()` or `__class__`",
        )


def check_names(
    snippet: Snippet,
    target: Target,
    kinds: Mapping[str, NameKind],
    known_globals: Callable[[], Collection[str] | None] | None,
) -> None:
    if known_globals is None:
        return
    bound = snippet.names.bound
    for name in snippet.names.mentioned:
        mangled = target.mangled(name)
        if mangled in kinds or name in snippet.names.declared_global or name in snippet.names.bound_inside:
            continue
        is_own = name in bound or (not target.is_function and target.keeps(mangled))
        if is_own and (target.is_function or name not in snippet.names.inside):
            continue  # what is nested in a class body sees no name of it
        around = target.encloses(mangled)
        if around is not None:
            raise refused(
                snippet,
                target,
                snippet.line_of(name),
                f"{name!r} is a variable of {around.co_qualname!r} around it, which this {target.what} does not use "
                "itself, so it cannot be reached from here",
            )
    known_names = known_globals() if snippet.braced else None
    if known_names is None:
        return
    for name, lineno in snippet.braced:
        known = (
            name in bound
            or target.mangled(name) in kinds
            or name in known_names
            or hasattr(builtins, name)
            or is_field_name(name)
        )
        if not known and name in snippet.names.mentioned:
            raise refused(
                snippet,
                target,
                lineno,
                f"{{{name}}} is no field, and the program has no {name!r} for a set display; the fields are "
                "file_name, file_path, module_name, class_name, method_name, qualname, lineno, arguments, "
                "call_arguments, arguments_dict, arg0 ..., return_value, exception",
            )
