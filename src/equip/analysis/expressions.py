"""Python source of values, rebuilt from the bytecode that computes them.

A syntax tree is built from the instruction that pushed a value and the values that it took, and unparsed, so that
parentheses stand where they must. What cannot be rebuilt has no source: values that paths bring from several places
(conditional expressions, ``and`` and ``or`` outside a test), comprehensions, lambdas, ``await`` and ``yield``,
in-place operators. ``:=`` is left out: its value stands there.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from types import CodeType

from equip import isa
from equip.analysis.controlflow import ControlFlow
from equip.analysis.literals import literal, loaded_constant
from equip.analysis.stackvalues import Stack, StackValues, Value
from equip.code.instruction import Instruction
from equip.errors import InvalidCodeError

_DEEPEST = 100
"""Expressions nested deeper than this have no source; trees as deep as this are no trouble for the interpreter."""

_VARIABLES = (
    isa.SLOT_OPS | isa.ops("LOAD_NAME LOAD_GLOBAL LOAD_FROM_DICT_OR_GLOBALS")
) - isa.ops("LOAD_FAST_AND_CLEAR MAKE_CELL")
_BINARY: dict[str, type[ast.operator]] = {
    "+": ast.Add,
    "-": ast.Sub,
    "*": ast.Mult,
    "/": ast.Div,
    "//": ast.FloorDiv,
    "%": ast.Mod,
    "**": ast.Pow,
    "@": ast.MatMult,
    "<<": ast.LShift,
    ">>": ast.RShift,
    "&": ast.BitAnd,
    "|": ast.BitOr,
    "^": ast.BitXor,
}
_COMPARE: dict[str, type[ast.cmpop]] = {
    "<": ast.Lt,
    "<=": ast.LtE,
    "==": ast.Eq,
    "!=": ast.NotEq,
    ">": ast.Gt,
    ">=": ast.GtE,
}
_UNARY: dict[str, type[ast.unaryop]] = {
    "UNARY_NOT": ast.Not,
    "UNARY_NEGATIVE": ast.USub,
    "UNARY_INVERT": ast.Invert,
    "UNARY_POSITIVE": ast.UAdd,
}
_CONVERSIONS = (-1, ord("s"), ord("r"), ord("a"))
_CALLS = isa.ops("CALL CALL_KW CALL_FUNCTION_EX")
_GROWING = isa.ops("LIST_APPEND LIST_EXTEND SET_ADD SET_UPDATE MAP_ADD DICT_UPDATE DICT_MERGE")


class Unreadable(Exception):
    """A value has no source."""


class Expressions:
    """The expressions of a code object, a function, a declaration or its ``ControlFlow``."""

    def __init__(self, code: object) -> None:
        self.flow = code if isinstance(code, ControlFlow) else ControlFlow(code)
        self.code: CodeType = self.flow.code
        self.stacks = StackValues(self.flow)
        self.instructions = self.flow.instructions
        self._by_offset = {one.offset: number for number, one in enumerate(self.instructions)}
        self._growing: dict[int, list[Instruction]] = {}
        for one in self.instructions:
            if one.opcode in _GROWING:
                self._note_growing(one)

    def source_of(self, offset: int) -> str | None:
        """The expression that the instruction at an offset (bytes) pushes; for a call, the call. None: no source."""
        found = self.find(offset)
        return None if found is None else ast.unparse(found[0])

    def find(self, offset: int) -> tuple[ast.expr, frozenset[int]] | None:
        """The same as a syntax tree, and the offsets of the instructions that are in it."""
        builder = _Builder(self)
        try:
            return builder.pushed(offset << 16), frozenset(builder.used)
        except Unreadable:
            return None

    def find_operand(self, offset: int, depth: int = 0) -> tuple[ast.expr, frozenset[int]] | None:
        """The same for a value on the stack before an instruction, ``depth`` values below the top."""
        stack = self.stacks.find_before(offset)
        if stack is None or len(stack) <= depth:
            return None
        builder = _Builder(self)
        try:
            return builder.value(stack[-1 - depth]), frozenset(builder.used)
        except Unreadable:
            return None

    def find_callee(self, offset: int) -> tuple[ast.expr, frozenset[int]] | None:
        """The same for what the call at an offset calls."""
        builder = _Builder(self)
        try:
            return builder.callee(self.instruction_at(offset)), frozenset(builder.used)
        except Unreadable:
            return None

    def called_values(self, one: Instruction) -> tuple[Value, Value]:
        """The two values below the arguments of a call: what is called is among them."""
        stack = self.stacks.find_before(one.offset)
        if stack is None or one.opcode not in _CALLS:
            raise Unreadable
        if one.opname == "CALL_FUNCTION_EX":
            end = len(stack) - (2 if isa.CALL_EX_TAKES_NULL else 1 + ((one.oparg or 0) & 1))
        else:
            end = len(stack) - (one.oparg or 0) - (one.opname == "CALL_KW")
        return stack[end - 2], stack[end - 1]

    def called(self, one: Instruction) -> tuple[Value, tuple[Value, ...]]:
        """What a call calls, and an argument that may stand with it below the others."""
        lower, upper = self.called_values(one)
        if {source >> 16 for source in lower} == {source >> 16 for source in upper}:
            return lower, ()
        for null, other in ((lower, upper), (upper, lower)):
            if self.is_null(null):
                return other, ()
        return lower, (upper,)

    def is_null(self, value: Value) -> bool:
        """Whether a value is the NULL that goes with what is called."""
        if len(value) != 1:
            return False
        (source,) = value
        if source < 0:
            return False
        one = self.instruction_at(source >> 16)
        if one.opname == "LOAD_GLOBAL":
            return bool((one.oparg or 0) & 1) and (source & 1) != isa.NULL_FIRST
        return one.opname == "PUSH_NULL"

    def is_build_class(self, value: Value) -> bool:
        """Whether a value is the function that makes classes."""
        return any(one >= 0 and self.instruction_at(one >> 16).opname == "LOAD_BUILD_CLASS" for one in value)

    def instruction_at(self, offset: int) -> Instruction:
        """Raises ``KeyError`` where no instruction begins."""
        return self.instructions[self._by_offset[offset]]

    def before(self, one: Instruction) -> Instruction | None:
        """The instruction before another one in the code."""
        number = self._by_offset[one.offset]
        return self.instructions[number - 1] if number else None

    def growing(self, offset: int) -> Sequence[Instruction]:
        """The instructions that add to the list, set or dictionary that was built at an offset."""
        return self._growing.get(offset, ())

    def _note_growing(self, one: Instruction) -> None:
        stack = self.stacks.find_before(one.offset)
        below = (one.oparg or 0) + (2 if one.opname == "MAP_ADD" else 1)
        if stack is not None and below <= len(stack):
            for source in stack[-below]:
                self._growing.setdefault(source >> 16, []).append(one)


class _Builder:
    """Builds one expression; ``used`` are the instructions that have gone into it."""

    def __init__(self, expressions: Expressions) -> None:
        self.expressions = expressions
        self.used: set[int] = set()
        self.depth = 0

    def value(self, value: Value) -> ast.expr:
        """A value on a stack."""
        if len(value) != 1:
            raise Unreadable
        (source,) = value
        if source < 0:
            raise Unreadable
        return self.pushed(source)

    def pushed(self, source: int) -> ast.expr:
        """What an instruction has pushed: ``offset << 16 | n``."""
        self.depth += 1
        if self.depth > _DEEPEST:
            raise Unreadable
        found = self._piece(source)
        self.depth -= 1
        return ast.JoinedStr([found]) if isinstance(found, ast.FormattedValue) else found

    def _piece(self, source: int) -> ast.expr:
        one = self.expressions.instruction_at(source >> 16)
        self.used.add(one.offset)
        name = one.opname
        if isa.OPERAND[one.opcode] == "pair" and isinstance(one.argval, tuple):
            return self._name(one.argval[-1] if name.startswith("STORE") else one.argval[source & 1])
        if one.opcode in _VARIABLES:
            return self._name(one.argval)
        constant = loaded_constant(one)
        if constant is not None:
            found = literal(constant[0])
            if found is None:
                raise Unreadable
            return found
        stack = self.expressions.stacks.find_before(one.offset)
        maker = getattr(self, f"_{name.lower()}", None)
        if stack is None or maker is None:
            raise Unreadable
        found = maker(one, stack)
        assert isinstance(found, ast.expr)
        return found

    def _name(self, name: object) -> ast.expr:
        if not isinstance(name, str) or not name.isidentifier():
            raise Unreadable
        return ast.Name(name, ast.Load())

    def _top(self, stack: Stack, count: int) -> list[ast.expr]:
        return [self.value(one) for one in stack[len(stack) - count :]]

    # -- operators ---------------------------------------------------------------------------------------------------

    def _unary_not(self, one: Instruction, stack: Stack) -> ast.expr:
        return ast.UnaryOp(_UNARY[one.opname](), self.value(stack[-1]))

    _unary_negative = _unary_invert = _unary_positive = _unary_not

    def _to_bool(self, one: Instruction, stack: Stack) -> ast.expr:
        return self.value(stack[-1])

    def _call_intrinsic_1(self, one: Instruction, stack: Stack) -> ast.expr:
        name = _named(isa.INTRINSICS, one.oparg or 0, one)
        if name == "INTRINSIC_UNARY_POSITIVE":
            return ast.UnaryOp(ast.UAdd(), self.value(stack[-1]))
        if name == "INTRINSIC_LIST_TO_TUPLE":
            return self._list_to_tuple(one, stack)
        raise Unreadable

    def _list_to_tuple(self, one: Instruction, stack: Stack) -> ast.expr:
        found = self.value(stack[-1])
        if not isinstance(found, ast.List):
            raise Unreadable
        return ast.Tuple(found.elts, ast.Load())

    def _binary_op(self, one: Instruction, stack: Stack) -> ast.expr:
        symbol = _named(isa.BINARY_OPERATORS, one.oparg or 0, one)
        if symbol == "[]":
            return self._binary_subscr(one, stack)
        if symbol not in _BINARY:
            raise Unreadable
        left, right = self._top(stack, 2)
        return ast.BinOp(left, _BINARY[symbol](), right)

    def _compare_op(self, one: Instruction, stack: Stack) -> ast.expr:
        symbol = _named(isa.COMPARISONS, (one.oparg or 0) >> isa.COMPARE_SHIFT, one)
        return self._comparison(_COMPARE[symbol](), stack)

    def _is_op(self, one: Instruction, stack: Stack) -> ast.expr:
        return self._comparison(ast.IsNot() if one.oparg else ast.Is(), stack)

    def _contains_op(self, one: Instruction, stack: Stack) -> ast.expr:
        return self._comparison(ast.NotIn() if one.oparg else ast.In(), stack)

    def _comparison(self, operator: ast.cmpop, stack: Stack) -> ast.expr:
        left, right = self._top(stack, 2)
        return ast.Compare(left, [operator], [right])

    # -- attributes and items ----------------------------------------------------------------------------------------

    def _load_attr(self, one: Instruction, stack: Stack) -> ast.expr:
        return ast.Attribute(self.value(stack[-1]), str(one.argval), ast.Load())

    _load_method = _load_attr

    def _load_super_attr(self, one: Instruction, stack: Stack) -> ast.expr:
        function, kind, first = self._top(stack, 3)
        arguments = [kind, first] if (one.oparg or 0) & 2 else []
        return ast.Attribute(ast.Call(function, arguments, []), str(one.argval), ast.Load())

    def _binary_subscr(self, one: Instruction, stack: Stack) -> ast.expr:
        container, key = self._top(stack, 2)
        return ast.Subscript(container, key, ast.Load())

    def _binary_slice(self, one: Instruction, stack: Stack) -> ast.expr:
        container, start, end = self._top(stack, 3)
        return ast.Subscript(container, _slice(start, end), ast.Load())

    def _build_slice(self, one: Instruction, stack: Stack) -> ast.expr:
        return _slice(*self._top(stack, one.oparg or 0))

    # -- displays ----------------------------------------------------------------------------------------------------

    def _build_tuple(self, one: Instruction, stack: Stack) -> ast.expr:
        return ast.Tuple(self._top(stack, one.oparg or 0), ast.Load())

    def _build_list(self, one: Instruction, stack: Stack) -> ast.expr:
        return ast.List([*self._top(stack, one.oparg or 0), *self._added(one)], ast.Load())

    def _build_set(self, one: Instruction, stack: Stack) -> ast.expr:
        found = [*self._top(stack, one.oparg or 0), *self._added(one)]
        return ast.Set(found) if found else ast.Call(ast.Name("set", ast.Load()), [], [])

    def _build_map(self, one: Instruction, stack: Stack) -> ast.expr:
        parts = self._top(stack, 2 * (one.oparg or 0))
        keys: list[ast.expr | None] = [*parts[::2]]
        values = parts[1::2]
        for each in self._straight(one):
            given = self.expressions.stacks.find_before(each.offset) or ()
            if each.opname == "MAP_ADD":
                key, value = self._top(given, 2)
            else:
                key, value = None, self.value(given[-1])
            if key is None and isinstance(value, ast.Dict):
                keys += value.keys
                values += value.values
            else:
                keys.append(key)
                values.append(value)
        return ast.Dict(keys, values)

    def _build_const_key_map(self, one: Instruction, stack: Stack) -> ast.expr:
        *values, keys = self._top(stack, (one.oparg or 0) + 1)
        if not isinstance(keys, ast.Tuple):
            raise Unreadable
        return ast.Dict([*keys.elts], values)

    def _added(self, built: Instruction) -> list[ast.expr]:
        """What is added to a list or set that was just built."""
        found: list[ast.expr] = []
        for each in self._straight(built):
            given = self.expressions.stacks.find_before(each.offset) or ()
            value = self.value(given[-1])
            if each.opname in ("LIST_APPEND", "SET_ADD"):
                found.append(value)
            elif isinstance(value, (ast.Tuple, ast.List, ast.Set)):
                found += value.elts
            else:
                found.append(ast.Starred(value, ast.Load()))
        return found

    def _straight(self, built: Instruction) -> list[Instruction]:
        flow = self.expressions.flow
        found = [*self.expressions.growing(built.offset)]
        if any(flow.block_at(one.offset) is not flow.block_at(built.offset) for one in found):
            raise Unreadable
        self.used.update(one.offset for one in found)
        return found

    # -- formatted strings -------------------------------------------------------------------------------------------

    def _build_string(self, one: Instruction, stack: Stack) -> ast.expr:
        parts: list[ast.expr] = []
        for part in self._top(stack, one.oparg or 0):
            parts += part.values if isinstance(part, ast.JoinedStr) else [part]
        return ast.JoinedStr(parts)

    def _format_simple(self, one: Instruction, stack: Stack) -> ast.expr:
        return self._formatted(stack[-1], None)

    def _format_with_spec(self, one: Instruction, stack: Stack) -> ast.expr:
        return self._formatted(stack[-2], stack[-1])

    def _formatted(self, value: Value, spec: Value | None) -> ast.expr:
        found = self.value(value)
        conversion = -1
        if isinstance(found, _Converted):
            conversion, found = found.conversion, found.value
        return ast.FormattedValue(found, conversion, None if spec is None else _joined(self.value(spec)))

    def _convert_value(self, one: Instruction, stack: Stack) -> ast.expr:
        return _Converted(self.value(stack[-1]), _CONVERSIONS[one.oparg or 0])

    def _format_value(self, one: Instruction, stack: Stack) -> ast.expr:
        flags = one.oparg or 0
        spec = _joined(self.value(stack[-1])) if flags & 4 else None
        return ast.FormattedValue(self.value(stack[-2 if flags & 4 else -1]), _CONVERSIONS[flags & 3], spec)

    # -- calls -------------------------------------------------------------------------------------------------------

    def _call(self, one: Instruction, stack: Stack) -> ast.expr:
        count, names = one.oparg or 0, self._keyword_names(one, stack)
        end = len(stack) - (one.opname == "CALL_KW")
        arguments = [self.value(value) for value in stack[end - count : end]]
        called, first = self.expressions.called(one)
        plain = arguments[: len(arguments) - len(names)]
        keywords = [ast.keyword(name, value) for name, value in zip(names, arguments[len(plain) :], strict=True)]
        return ast.Call(self.value(called), [*map(self.value, first), *plain], keywords)

    _call_kw = _call

    def _keyword_names(self, one: Instruction, stack: Stack) -> tuple[str, ...]:
        found: object = ()
        if one.opname == "CALL_KW" and len(stack[-1]) == 1:
            (source,) = stack[-1]
            found = self.expressions.instruction_at(source >> 16).argval
            self.used.add(source >> 16)
        else:
            before = self.expressions.before(one)
            while before is not None and before.opname in ("PRECALL", "KW_NAMES"):
                self.used.add(before.offset)
                if before.opname == "KW_NAMES":
                    found = before.argval
                before = self.expressions.before(before)
        return found if isinstance(found, tuple) else ()

    def _call_function_ex(self, one: Instruction, stack: Stack) -> ast.expr:
        flagged = not isa.CALL_EX_TAKES_NULL and bool((one.oparg or 0) & 1)
        given = stack[-1 - flagged] if not isa.CALL_EX_TAKES_NULL else stack[-2]
        named: ast.expr | None = None
        if flagged or (isa.CALL_EX_TAKES_NULL and not self.expressions.is_null(stack[-1])):
            named = self.value(stack[-1])
        positional = self.value(given)
        function = self.callee(one)
        plain: list[ast.expr] = [ast.Starred(positional, ast.Load())]
        if isinstance(positional, ast.Tuple):
            plain = positional.elts
        return ast.Call(function, plain, _keywords(named))

    def callee(self, one: Instruction) -> ast.expr:
        """What a call calls."""
        return self.value(self.expressions.called(one)[0])


class _Converted(ast.expr):
    """``value!r`` on its way into a formatted string."""

    value: ast.expr
    conversion: int

    def __init__(self, value: ast.expr, conversion: int) -> None:
        self.value = value
        self.conversion = conversion


def _named(names: Sequence[str], number: int, one: Instruction) -> str:
    """What the argument of an instruction stands for. Raises ``InvalidCodeError``."""
    if number >= len(names):
        raise InvalidCodeError(f"{one.opname} at offset {one.offset} has the argument {one.oparg}, which means nothing")
    return names[number]


def _joined(spec: ast.expr) -> ast.expr:
    return spec if isinstance(spec, ast.JoinedStr) else ast.JoinedStr([spec])


def _slice(start: ast.expr, end: ast.expr, step: ast.expr | None = None) -> ast.Slice:
    def part(one: ast.expr | None) -> ast.expr | None:
        return None if isinstance(one, ast.Constant) and one.value is None else one

    return ast.Slice(part(start), part(end), part(step))


def _keywords(named: ast.expr | None) -> list[ast.keyword]:
    if named is None:
        return []
    if isinstance(named, ast.Dict):
        found = []
        for key, value in zip(named.keys, named.values, strict=True):
            if key is None:
                found.append(ast.keyword(None, value))
            elif isinstance(key, ast.Constant) and isinstance(key.value, str):
                found.append(ast.keyword(key.value, value))
            else:
                raise Unreadable
        return found
    return [ast.keyword(None, named)]
