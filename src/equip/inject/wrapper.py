"""Compiling a snippet in a scope like its target's, and cutting it out of the result as a template.

The snippet is put into a function (or class or module) in which every name is what it is in the target, with
a sentinel behind it, and the interpreter's own compiler does the rest. What stands between the prologue and
the sentinel is the hot part, what the compiler moved behind the sentinel the cold one.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import CodeType

from equip import isa
from equip.code import exceptions
from equip.code.fragment import END, Const, Hole, Item, Label, Name, Operand, Pair, Protected, Slot, Template, wrapped
from equip.code.instruction import slot_names
from equip.code.linker import stop_iteration_handler
from equip.code.pools import shared
from equip.inject.substitute import HOLE_TAG
from equip.inject.target import NameKind
from equip.inject.trees import move_down

_SENTINEL = "__equip_end__"
_PLACE = "__equip_snippet__"
_BEGIN = "__equip_begin__"
"""The first statement of a class body or module, which gets the line of the compiler's set-up before it."""
_OUTER = "__equip_outer__"
_TARGET = "__equip_target__"
WRAPPER_QUALNAME = f"{_OUTER}.<locals>."
"""How the qualified names of what is nested in a snippet begin."""
TARGET_QUALNAME = f"{_TARGET}.<locals>."
"""What stands in them for the function that is the target."""
_FAR = 1_000_000
"""Lines of the wrapper's own statements begin here, out of the way of the snippet's."""

_DROPPED = isa.ops("NOP")
_CLASSDICT = "__classdict__"
_KEEP_NAMESPACE = (
    *([Item(isa.OP["LOAD_LOCALS"])] if "LOAD_LOCALS" in isa.OP else []),
    Item(isa.OP["STORE_DEREF"], Slot(_CLASSDICT)),
    Item(isa.OP.get("LOAD_CLOSURE", isa.OP["LOAD_FAST"]), Slot(_CLASSDICT)),
    Item(isa.OP["STORE_NAME"], Name("__classdictcell__", 0)),
)
"""What the compiler puts into a class body for annotations that see its names (3.12 on), if there are any."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What compiling a snippet depends on in its target."""

    kinds: tuple[tuple[str, NameKind], ...]
    """Every name of the snippet that is not simply global, mangled, in order."""
    is_function: bool = True
    is_module: bool = False
    generator: bool = False
    asynchronous: bool = False
    class_name: str | None = None
    """Where it matters: the class for name mangling and ``super``."""
    first_parameter: str | None = None
    """Where ``super()`` needs it."""
    future_flags: int = 0
    optimize: int = -1


@dataclass(frozen=True, eq=False, slots=True)
class Compiled:
    """A template and what is to be known of it."""

    template: Template
    captured: frozenset[str]
    """Variables that a nested function of the snippet closes over."""
    stored: frozenset[str]
    """Variables in the frame that it assigns."""
    slots: tuple[str, ...]
    """All variables in the frame that it names, in the order in which it names them: so new ones get their slots."""
    holes: tuple[object, ...]
    """The constants with hole tags, as keys of the template's ``Hole`` operands."""
    has_code: bool
    """Whether it has functions, classes or comprehensions of its own, compiled to code objects."""


def compile_in(scope: Scope, body: Sequence[ast.stmt]) -> Compiled:
    """The template for ``body`` in ``scope``. Raises ``SyntaxError`` as the compiler does."""
    tree, names = _wrapped(scope, body)
    module = compile(
        tree, "<snippet>", "exec", flags=scope.future_flags, dont_inherit=True, optimize=scope.optimize
    )
    code = _find(module, names) if not scope.is_module else module
    compiled = _cut_out(code, scope.is_function)
    if _CLASSDICT in compiled.slots and _CLASSDICT not in dict(scope.kinds):
        compiled = replace(compiled, template=wrapped(_KEEP_NAMESPACE, compiled.template))
    first = scope.first_parameter
    if first is not None and isa.UNCHECKED_LOCALS and dict(scope.kinds).get(first) is NameKind.LOCAL:
        compiled = _with_checks(compiled, first)
    return compiled


def _with_checks(compiled: Compiled, symbol: str) -> Compiled:
    """Look whether ``symbol`` is bound at each load of it; ``super()`` made it a parameter of the wrapper."""
    checked = isa.OP["LOAD_FAST_CHECK"]
    items = []
    for item in compiled.template.items:
        if item.operand == Slot(symbol) and item.opcode in isa.ops("LOAD_FAST LOAD_FAST_BORROW"):
            item = item._replace(opcode=checked)
        items.append(item)
    template = compiled.template
    return replace(compiled, template=Template(tuple(items), template.cold_at, template.protected, template.stack))


# -- the wrapper -------------------------------------------------------------------------------------------


def _wrapped(scope: Scope, body: Sequence[ast.stmt]) -> tuple[ast.Module, list[str]]:
    """The module around the snippet, and the names of the scopes that lead to it."""
    if scope.is_module:
        lines = [_BEGIN, _PLACE, f"{_SENTINEL}.a.b.c.d.e.f"]
        path: list[str] = []
    else:
        lines, path = _scoped_lines(scope)
    tree = ast.parse("\n".join(lines))
    holder: list[ast.stmt] = tree.body
    for _ in range(8):
        for position, statement in enumerate(holder):
            value = statement.value if isinstance(statement, ast.Expr) else None
            if isinstance(value, ast.Name) and value.id == _PLACE:
                for own in holder:
                    move_down(own, _FAR)
                holder[position : position + 1] = [_no_docstring(body[0]), *body[1:]] if body else []
                return tree, path
        inner = next(s for s in holder if isinstance(s, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)))
        inner.lineno = inner.end_lineno = inner.lineno + _FAR
        holder = inner.body
    raise AssertionError("the wrapper has no place for the snippet: a bug of equip")


def _no_docstring(statement: ast.stmt) -> ast.stmt:
    """A statement that begins no body with a docstring: a string that stands there alone does nothing in a snippet."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return ast.copy_location(ast.Pass(), statement)
    return statement


def _scoped_lines(scope: Scope) -> tuple[list[str], list[str]]:
    named: dict[NameKind, list[str]] = {kind: [] for kind in NameKind}
    for name, kind in scope.kinds:
        named[kind].append(name)
    free = named[NameKind.FREE] + named[NameKind.PASSED_ON]
    if scope.is_function:
        free = [name for name in free if name != "__class__"]  # that of the class around it
    lines = [f"def {_OUTER}({', '.join(free)}):"]
    path = [_OUTER]
    indent = 1
    if scope.class_name is not None and scope.is_function:
        lines.append(f"{' ' * indent}class {scope.class_name}:")
        path.append(scope.class_name)
        indent += 1
    pad = " " * (indent + 1)
    if not scope.is_function:
        lines.append(f"{' ' * indent}class {scope.class_name or _TARGET}:")
        path.append(scope.class_name or _TARGET)
        lines += [f"{pad}{_BEGIN}", f"{pad}{_PLACE}", f"{pad}{_SENTINEL}.a.b.c.d.e.f"]
        lines += [f"{pad}{name} = 0" for name in named[NameKind.PASSED_ON]]
        return lines, path
    bound = list(named[NameKind.BOUND])
    if scope.first_parameter is not None:
        bound = [scope.first_parameter, *(name for name in bound if name != scope.first_parameter)]
    keyword = "async def" if scope.asynchronous else "def"
    lines.append(f"{' ' * indent}{keyword} {_TARGET}({', '.join(bound)}):")
    path.append(_TARGET)
    if named[NameKind.DECLARED_GLOBAL]:
        lines.append(f"{pad}global {', '.join(named[NameKind.DECLARED_GLOBAL])}")
    if free:
        lines.append(f"{pad}nonlocal {', '.join(free)}")
    cells = named[NameKind.CELL] + named[NameKind.PRIVATE_CELL]
    unbound = [name for name in named[NameKind.LOCAL] + named[NameKind.PRIVATE] + cells if name not in bound]
    lines += [f"{pad}{_PLACE}", f"{pad}{_SENTINEL}.a.b.c.d.e.f"]
    # Never executed and, being behind the sentinel, never cut out; but it makes the names what they are.
    dead = [*(f"{name} = 0" for name in unbound)]
    if cells:
        dead.append(f"lambda: ({', '.join(cells)},)")
    if scope.generator:
        dead.append("yield")
    if dead:
        lines += [f"{pad}if 0:", *(f"{pad} {line}" for line in dead)]
    return lines, path


def _find(module: CodeType, path: Iterable[str]) -> CodeType:
    code = module
    for name in path:
        code = next(c for c in code.co_consts if isinstance(c, CodeType) and c.co_name == name)
    return code


# -- cutting it out ------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Instruction:
    start: int
    opcode: int
    arg: int
    end: int
    line: int


def _decoded(code: CodeType) -> list[_Instruction]:
    raw = code.co_code
    lines: list[int] = []
    for first, last, line in code.co_lines():
        lines += [line or 0] * ((last - first) // 2)
    found: list[_Instruction] = []
    index, count = 0, len(raw) // 2
    while index < count:
        start, arg = index, 0
        while raw[2 * index] == isa.EXTENDED_ARG:
            arg = (arg | raw[2 * index + 1]) << 8
            index += 1
        opcode = raw[2 * index]
        arg |= raw[2 * index + 1]
        index += 1 + isa.CACHES[opcode]
        found.append(_Instruction(start, opcode, arg, index, lines[start]))
    return found


_INLINED = "@inlined"


def _symbols(code: CodeType) -> list[str]:
    """The symbols for the variables in the frame: their names.

    What has the name of a free variable besides that one belongs to a comprehension that the compiler has inlined.
    """
    free = code.co_freevars
    names = slot_names(code)
    own = names[: len(names) - len(free)]
    return [*(name + _INLINED if name in free else name for name in own), *free]


def _cut_out(code: CodeType, is_function: bool) -> Compiled:
    found = _decoded(code)
    first = next(i for i, one in enumerate(found) if one.opcode == isa.RESUME) + 1
    handlers = exceptions.decode(code.co_exceptiontable)
    final = stop_iteration_handler(code.co_code, handlers)
    if final is not None:
        found = [one for one in found if one.start < final.target]
    hot_end, cold_start = _sentinel(code, found)
    while not is_function and first < hot_end and found[first].line > _FAR:
        first += 1  # its __module__, __qualname__ and so on, and what its annotations need
    kept = [
        *(one for one in found[first:hot_end] if one.opcode not in _DROPPED),
        *(one for one in found[cold_start:] if one.opcode not in _DROPPED),
    ]
    cold_at = sum(one.opcode not in _DROPPED for one in found[first:hot_end])
    item_of = _items_by_unit(found, kept, first, hot_end, cold_at)
    slots = _symbols(code)
    cells = frozenset(name + _INLINED if name in code.co_freevars else name for name in code.co_cellvars)
    consts = [shared(value) for value in code.co_consts]
    items = tuple(_item(code, one, slots, consts, item_of) for one in kept)
    protected = tuple(
        Protected(start, end, item_of[h.target], h.depth, h.lasti)
        for h in handlers
        if h.target in item_of and (final is None or h.target != final.target)
        for start, end in _item_ranges(kept, h, cold_at)
    )
    template = Template(items, cold_at, protected, code.co_stacksize)
    return _described(template, cells)


def _sentinel(code: CodeType, found: Sequence[_Instruction]) -> tuple[int, int]:
    """The positions at which the sentinel begins and behind which the cold code begins."""
    loads = isa.ops("LOAD_GLOBAL LOAD_NAME")
    for i, one in enumerate(found):
        if one.opcode in loads and code.co_names[one.arg >> isa.NAME_SHIFT[one.opcode]] == _SENTINEL:
            end = next(j for j in range(i, len(found)) if found[j].opcode in isa.RETURNS)
            return i, end + 1
    return len(found), len(found)


def _items_by_unit(
    found: Sequence[_Instruction], kept: Sequence[_Instruction], first: int, hot_end: int, cold_at: int
) -> dict[int, int]:
    """Code unit of an instruction to its item; of a dropped one, to the next item; of the sentinel, to END."""
    item_of: dict[int, int] = {}
    positions = {one.start: i for i, one in enumerate(kept)}
    following = len(kept)
    for j in range(len(found) - 1, first - 1, -1):
        one = found[j]
        if j == hot_end - 1:
            following = END
        if one.start in positions:
            following = positions[one.start]
        elif j == hot_end:
            following = END
        item_of[one.start] = following
    return item_of


def _item_ranges(kept: Sequence[_Instruction], handler: exceptions.Handler, cold_at: int) -> Iterable[tuple[int, int]]:
    """The items that a handler covers, as ranges that do not reach across the parts."""
    start: int | None = None
    for i, one in enumerate(kept):
        inside = handler.start <= one.start < handler.end
        if start is not None and (not inside or i == cold_at):
            yield start, i
            start = None
        if inside and start is None:
            start = i
    if start is not None:
        yield start, len(kept)


def _item(
    code: CodeType, one: _Instruction, slots: Sequence[str], consts: Sequence[object], item_of: Mapping[int, int]
) -> Item:
    opcode, arg = one.opcode, one.arg
    kind = isa.OPERAND[opcode]
    operand: Operand = arg
    if kind == "const":
        value = consts[arg]
        operand = Hole(value) if has_hole(value) else Const(value)
    elif kind == "slot":
        operand = Slot(slots[arg])
    elif kind == "pair":
        operand = Pair(slots[arg >> 4], slots[arg & 15])
    elif kind.startswith("name"):
        shift = isa.NAME_SHIFT[opcode]
        operand = Name(code.co_names[arg >> shift], arg & ((1 << shift) - 1))
    elif kind == "fwd":
        operand = Label(item_of[one.end + arg])
    elif kind == "back":
        operand = Label(item_of[one.end - arg])
    return Item(opcode, operand, one.line if one.line < _FAR else 0)


_STORES = isa.ops("STORE_FAST STORE_DEREF DELETE_FAST DELETE_DEREF LOAD_FAST_AND_CLEAR")


def _described(template: Template, cells: frozenset[str]) -> Compiled:
    stored: set[str] = set()
    slots: dict[str, None] = {}
    holes: list[object] = []
    for opcode, operand, _ in template.items:
        if isinstance(operand, Slot):
            slots[operand.symbol] = None
            if opcode in _STORES:
                stored.add(operand.symbol)
        elif isinstance(operand, Pair):
            slots.update(dict.fromkeys(operand))
            for single, symbol in zip(isa.PAIRS[opcode], operand, strict=True):
                if single in _STORES:
                    stored.add(symbol)
        elif isinstance(operand, Hole):
            holes.append(operand.key)
    has_code = any(isinstance(o, Const) and isinstance(o.value, CodeType) for _, o, _ in template.items)
    return Compiled(template, cells & slots.keys(), frozenset(stored), tuple(slots), tuple(holes), has_code)


# -- holes -------------------------------------------------------------------------------------------------


def has_hole(value: object) -> bool:
    """Whether a constant is, or has in it, the tag of a hole."""
    if isinstance(value, str):
        return value.startswith(HOLE_TAG)
    if isinstance(value, (tuple, frozenset)):
        return any(has_hole(item) for item in value)
    return False


def hole_number(value: object) -> int | None:
    """The number of the hole that a constant is; None for one that only has holes in it, or none."""
    return int(value[len(HOLE_TAG) :]) if isinstance(value, str) and value.startswith(HOLE_TAG) else None


def filled(value: object, constants: Sequence[object]) -> object:
    """A constant with its holes filled by number."""
    number = hole_number(value)
    if number is not None:
        return constants[number]
    if isinstance(value, tuple):
        return tuple(filled(item, constants) for item in value)
    if isinstance(value, frozenset):
        return frozenset(filled(item, constants) for item in value)
    return value
