"""Compiled forms of snippets, made once for each combination of what they depend on.

Large programs have tens of thousands of functions and few shapes of them: the key of a compiled snippet is
what the compiler can see of the target, names of parameters not included where only fields refer to them.
"""

from __future__ import annotations

import ast
import keyword
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from types import CodeType

from equip import isa
from equip.code.fragment import Const, Name, Template, Use
from equip.inject.fields import Field, FieldValues, Parameters
from equip.inject.refusals import check_names, check_request, parsed, refused
from equip.inject.request import Insertion, JoinPoint
from equip.inject.snippet import Snippet, parse
from equip.inject.substitute import EXCEPTION, RETURN_VALUE, HoleKey, Substituted, argument_symbols, fill
from equip.inject.target import CLASS_CELLS, NameKind, Target
from equip.inject.wrapper import Compiled, Scope, compile_in, filled, hole_number

_READ_ONLY = frozenset({NameKind.BOUND, NameKind.LOCAL, NameKind.CELL, NameKind.FREE})
_LOAD_GLOBAL = isa.OP["LOAD_GLOBAL"]
_NO_NAMES: frozenset[str] = frozenset()
_NO_SYMBOLS: Mapping[str, str] = {}
_NO_CONSTANTS: Mapping[object, object] = {}
_GUARDED = frozenset({JoinPoint.MODULE_ENTER, JoinPoint.MODULE_EXIT})

_FORMS_LIMIT = 20_000
_forms: dict[object, Form] = {}
_literal_fields: dict[object, tuple[Field, ...]] = {}


@dataclass(frozen=True, eq=False, slots=True)
class Form:
    """A snippet compiled for all the targets that are alike for it."""


    snippet: Snippet
    compiled: Compiled
    holes: tuple[HoleKey, ...]
    kinds: Mapping[str, NameKind]
    arguments: tuple[tuple[str, int], ...]
    """The symbols that stand for parameters, with their positions in the signature."""
    uses_value: bool
    """Whether it refers to ``{return_value}`` or ``{exception}``."""
    returns: bool
    """Whether the snippet itself returns from the function."""
    is_light: bool
    """Whether it brings along no variables, captures none, and takes no value."""
    is_plain: bool
    """Whether it handles no exceptions and never suspends the function."""
    is_common: bool
    """Whether it serves every target of its kind in which its names are global and that is called alike."""
    uses: dict[object, Use] = field(default_factory=dict)
    """What code objects make of it, where that is the same for many."""
    derived: dict[object, tuple[Template, int]] = field(default_factory=dict)
    """Templates made from the compiled one, with an item of interest in each."""

    def constants(self, values: FieldValues) -> dict[object, object]:
        """The constants of one target, by the hole that they fill."""
        return {hole: self.constant(hole, values) for hole in self.compiled.holes}

    def constant(self, hole: object, values: FieldValues) -> object:
        """The constant of one target that fills ``hole``."""
        number = hole_number(hole)
        if number is not None:
            return fill(self.holes[number], values)
        return filled(hole, [fill(key, values) for key in self.holes])


@dataclass(frozen=True, eq=False, slots=True)
class Bound:
    """A form with one target."""

    insertion: Insertion
    form: Form
    symbols: Mapping[str, str]
    """Symbols of the template to the target's variables, where they differ."""
    constants: Mapping[object, object]

    @property
    def snippet(self) -> Snippet:
        return self.form.snippet

    @property
    def compiled(self) -> Compiled:
        return self.form.compiled

    @property
    def kinds(self) -> Mapping[str, NameKind]:
        return self.form.kinds

    @property
    def uses_value(self) -> bool:
        return self.form.uses_value

    @property
    def has_effect(self) -> bool:
        """Whether there is anything of it to put in."""
        return self.form.uses_value or bool(self.form.compiled.template.items)


def private_names(snippet: Snippet, target: Target) -> frozenset[str]:
    """The names (mangled) that the snippet binds and the function does not have."""
    if not target.is_function:
        return _NO_NAMES
    names = snippet.names.bound
    if not names:
        return _NO_NAMES
    return frozenset(
        mangled
        for name in names - snippet.names.declared_global
        if target.kind_of(mangled := target.mangled(name)) is NameKind.GLOBAL
    )


def bind(
    insertion: Insertion,
    target: Target,
    private: Collection[str],
    cells: Collection[str],
    known_globals: Callable[[], Collection[str] | None] | None,
) -> Bound:
    """Compile the snippet of ``insertion`` for ``target``.

    ``private`` are the names that the snippets of its group bind, ``cells`` the plain locals (and private
    names) that some snippet captures. ``known_globals`` tells the names that the module is seen to bind, or
    None when that cannot be known; it is itself None as long as not all the snippets are there, when a name
    that nothing binds is not yet an error.
    """
    key = (insertion.source, insertion.location, insertion.suppress, insertion.probe, *private, None, *cells)
    found = target.bound.get(key)
    if found is None or (known_globals is not None and (target.in_function or parse(insertion.source).braced)):
        found = target.bound[key] = _bind(insertion, target, private, cells, known_globals)
    assert isinstance(found, Bound)
    return found if found.insertion is insertion else Bound(insertion, found.form, found.symbols, found.constants)


def _bind(
    insertion: Insertion,
    target: Target,
    private: Collection[str],
    cells: Collection[str],
    known_globals: Callable[[], Collection[str] | None] | None,
) -> Bound:
    snippet = parsed(insertion.source, target)
    names = snippet.ordered
    if snippet.mangled:
        names = tuple([target.mangled(name) for name in names])
    if not target.is_function and snippet.names.has_nested_scopes:
        names = tuple(dict.fromkeys((*names, *CLASS_CELLS)))
    variables = target.variables_for(names)
    kinds = tuple([_kind(variables.get(name), name, private, cells) for name in names])
    shape: object = None
    if snippet.refers:
        parameters = target.parameters
        named = _refers_by_name(snippet, parameters)
        captured = tuple([name in cells for name in parameters.names]) if cells else None
        own = tuple([target.kind_of(name) for name in parameters.names])
        shape = (parameters.names if named else parameters.shape, own, captured)
    literal = _literal_fields.get((insertion.source, shape))
    key: object = None
    if literal is not None:
        values = tuple([target.fields.text(one) for one in literal]) if literal else ()
        key = _key(insertion, snippet, target, kinds, shape, values, cells)
        form = _forms.get(key)
        if form is not None:
            if target.in_function or snippet.braced:
                check_names(snippet, target, form.kinds, known_globals)
            return _bound(insertion, form, target)
    check_request(insertion, target)
    form, literal = _form(insertion, snippet, target, dict(zip(names, kinds, strict=True)), cells, known_globals)
    _literal_fields[insertion.source, shape] = literal
    if len(_forms) >= _FORMS_LIMIT:
        _forms.clear()
    values = tuple([target.fields.text(one) for one in literal])
    _forms[_key(insertion, snippet, target, kinds, shape, values, cells)] = form
    return _bound(insertion, form, target)


def _kind(
    own: NameKind | None, name: str, private: Collection[str], cells: Collection[str]
) -> NameKind | None:
    """The kind of a name for a snippet, given what it is in the function; None for a global."""
    if own is None:
        if name in private:
            return NameKind.PRIVATE_CELL if name in cells else NameKind.PRIVATE
        return None
    if cells and name in cells and own in (NameKind.BOUND, NameKind.LOCAL):
        return NameKind.CELL
    return own


def _refers_by_name(snippet: Snippet, parameters: Parameters) -> bool:
    """Whether the parameters' own names matter: to the snippet, to functions nested in it, or as keywords."""
    return snippet.names.has_nested_scopes or not snippet.names.mentioned.isdisjoint(parameters.names) or any(
        one.name == "call_arguments" for one in snippet.fields
    )


def _key(
    insertion: Insertion,
    snippet: Snippet,
    target: Target,
    kinds: tuple[NameKind | None, ...],
    shape: object,
    values: tuple[str | None, ...],
    cells: Collection[str],
) -> object:
    """Everything that the form depends on."""
    names = snippet.names.needs_class
    needs_class = snippet.mangled or names or not target.is_function
    return (
        insertion.source,
        insertion.location,
        insertion.probe if insertion.suppress else None,
        target.setting.optimize if is_simple(insertion, snippet, target) else target.scope_key,
        kinds,
        shape,
        values,
        target.class_name if needs_class else None,
        target.parameters.names[:1] if "super" in names else None,
        RETURN_VALUE in cells,
        EXCEPTION in cells,
    )


def is_simple(insertion: Insertion, snippet: Snippet, target: Target) -> bool:
    """Whether the snippet comes to the same code in functions of all kinds."""
    return snippet.is_simple and target.is_function and not insertion.suppress


def _form(
    insertion: Insertion,
    snippet: Snippet,
    target: Target,
    found_kinds: Mapping[str, NameKind | None],
    cells: Collection[str],
    known_globals: Callable[[], Collection[str] | None] | None,
) -> tuple[Form, tuple[Field, ...]]:
    """Substitute and compile; also the fields whose values went into the code."""
    kinds = {name: kind for name, kind in found_kinds.items() if kind is not None}
    if "super" in snippet.names.needs_class and target.owns("__class__"):
        kinds["__class__"] = target.kind_of("__class__")
        if target.parameters.names:
            first = target.parameters.names[0]
            kinds.setdefault(first, NameKind.CELL if first in cells else target.kind_of(first))
    check_names(snippet, target, kinds, known_globals)
    named = snippet.refers and _refers_by_name(snippet, target.parameters)
    substituted = Substituted(snippet, target.fields, named_parameters=named)
    parameters = target.parameters.names
    arguments = argument_symbols(len(parameters))
    named_by = dict(zip(arguments, parameters, strict=True))
    for symbol in substituted.symbols:
        kinds[symbol] = _symbol_kind(symbol, named_by.get(symbol, symbol), target, cells)
    scope = _scope(snippet, target, kinds)
    if is_simple(insertion, snippet, target):
        scope = replace(scope, generator=False, asynchronous=False, future_flags=0)
    compiled = _compile(scope, substituted, insertion, snippet, target)
    form = Form(
        snippet,
        compiled,
        tuple(substituted.holes),
        kinds,
        tuple([(symbol, i) for i, symbol in enumerate(arguments) if symbol in compiled.slots]),
        bool({RETURN_VALUE, EXCEPTION} & substituted.symbols),
        bool(snippet.returns),
        _is_light(compiled, kinds, substituted),
        not (compiled.template.protected or snippet.yields or snippet.awaits),
        not (named or substituted.literal or snippet.braced or snippet.mangled or snippet.names.needs_class),
    )
    return form, tuple(sorted(substituted.literal, key=repr))


def _is_light(compiled: Compiled, kinds: Mapping[str, NameKind], substituted: Substituted) -> bool:
    """Whether all the variables it has are the function's own, and only read."""
    return (
        not (compiled.stored or compiled.has_code)
        and not {RETURN_VALUE, EXCEPTION} & substituted.symbols
        and not substituted.snippet.returns
        and all(kinds.get(symbol) in _READ_ONLY for symbol in compiled.slots)
    )


def _bound(insertion: Insertion, form: Form, target: Target) -> Bound:
    symbols: Mapping[str, str] = _NO_SYMBOLS
    constants: Mapping[object, object] = _NO_CONSTANTS
    if form.arguments:
        names = target.parameters.names
        symbols = {symbol: names[i] for symbol, i in form.arguments}
    if form.compiled.holes:
        constants = form.constants(target.fields)
    return Bound(insertion, form, symbols, constants)


def _symbol_kind(symbol: str, name: str, target: Target, cells: Collection[str]) -> NameKind:
    """The kind of a value, or of the parameter ``name`` that a symbol stands for."""
    if symbol in (RETURN_VALUE, EXCEPTION):
        return NameKind.PRIVATE_CELL if symbol in cells else NameKind.BOUND
    kind = target.kind_of(name)
    return NameKind.CELL if kind in (NameKind.BOUND, NameKind.LOCAL) and name in cells else kind


# -- from tree to code ----------------------------------------------------------------------------------------


def _scope(snippet: Snippet, target: Target, kinds: Mapping[str, NameKind]) -> Scope:
    super_used = "super" in snippet.names.needs_class
    needs_class = snippet.mangled or "__class__" in kinds
    class_name = target.class_name if needs_class else None
    if needs_class and (class_name is None or not class_name.isidentifier() or keyword.iskeyword(class_name)):
        class_name = "__equip_class" if "__class__" in kinds else None
    names = target.parameters.names
    first = names[0] if super_used and names else None
    return Scope(
        kinds=tuple(sorted(kinds.items(), key=lambda pair: pair[0])),
        is_function=target.is_function,
        is_module=target.is_module,
        generator=target.is_generator or target.is_async_generator,
        asynchronous=target.is_coroutine or target.is_async_generator,
        class_name=class_name,
        first_parameter=first,
        future_flags=target.future_flags,
        optimize=target.setting.optimize,
    )


def _compile(
    scope: Scope, substituted: Substituted, insertion: Insertion, snippet: Snippet, target: Target
) -> Compiled:
    body = substituted.body
    if insertion.location in _GUARDED:
        body = _in_main(body)
    if insertion.suppress:
        body = _suppressed(body, insertion.probe)
    try:
        compiled = compile_in(scope, body)
    except SyntaxError as error:
        raise refused(snippet, target, error.lineno or 0, error.msg) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise refused(snippet, target, 0, f"it cannot be compiled: {error}") from None
    if EXCEPTION in substituted.symbols and not (scope.is_function or scope.is_module):
        _check_seen(compiled.template, snippet, target)
    return compiled


def _check_seen(template: Template, snippet: Snippet, target: Target) -> None:
    """Refuse what is nested in the snippet and means the exception, in a class body: it sees no name of that."""
    for opcode, operand, _ in template.items:
        nested = isinstance(operand, Const) and isinstance(operand.value, CodeType) and _names(operand.value, EXCEPTION)
        if nested or (opcode == _LOAD_GLOBAL and isinstance(operand, Name) and operand.name == EXCEPTION):
            line = min(snippet.line_of(one) for one in snippet.fields if one.name == "exception")
            why = (
                "a function or comprehension nested in it cannot refer to {exception} in the body of a class, whose "
                "names are not seen there: give it the exception as an argument"
            )
            raise refused(snippet, target, line, why)


def _names(code: CodeType, name: str) -> bool:
    """Whether a code object, or one in it, names a global."""
    return name in code.co_names or any(
        isinstance(constant, CodeType) and _names(constant, name) for constant in code.co_consts
    )


def _in_main(body: list[ast.stmt]) -> list[ast.stmt]:
    test = ast.parse("__name__ == '__main__'", mode="eval").body
    return _at_lines([ast.If(test, body, [])], body)


_REPORT = """
def {name}(dropped, error={error}):
    raise error
{name}_traceback = {error}.__traceback__
{name}_dropped = __import__('builtins').set()
{name} = __import__('_weakref').ref({name}_dropped, {name})
del {name}_dropped
{error}.__traceback__ = {name}_traceback
del {name}, {name}_traceback
"""


def _suppressed(body: list[ast.stmt], probe: str) -> list[ast.stmt]:
    """The statements with their exceptions reported as unraisable.

    The interpreter hands to ``sys.unraisablehook`` what a finaliser raises, and nothing else that Python code
    can do; so an object is dropped that has a weak reference, of which the callback raises the exception again.
    (A generator that is closed would turn StopIteration into RuntimeError.) It leaves no reference behind.
    """
    name = f"__equip_{probe}" if probe.isidentifier() else "__equip_probe"
    report = ast.parse(_REPORT.format(name=name, error="__equip_error")).body
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
