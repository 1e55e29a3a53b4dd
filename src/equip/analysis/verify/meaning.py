"""What each instruction does to the abstract frame.

``STEPS`` has for each opcode what it does when control goes on, ``BRANCHES`` for jumps that can go two ways: these
return the stack at the target. Everything that the tables of ``isa.demands`` can say is said there.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from inspect import CO_OPTIMIZED
from typing import Final

from equip import isa
from equip.analysis.verify import kinds
from equip.analysis.verify.frame import Frame
from equip.analysis.verify.kinds import BORROWED, CELL, NULL, OBJECT, SETS
from equip.analysis.verify.problem import Fault
from equip.isa import demands

Step = Callable[[Frame, int], None]
Branch = Callable[[Frame, int], list[int]]


# -- rows of the table ------------------------------------------------------------------------------------------------

_COUNTS: Final[dict[str, Callable[[int], int]]] = {
    "": lambda arg: 1,
    "A": lambda arg: arg,
    "2A": lambda arg: 2 * arg,
    "LOW": lambda arg: arg & 1,
    "BIT2": lambda arg: arg >> 2 & 1,
    "SPREAD": lambda arg: (arg & 255) + 1 + (arg >> 8),
}
_FEW: Final = 1 << 20
"""More values than this are on no stack."""


class Effect:
    """A row for one argument: ``denied`` kinds of each input, ``made`` outputs (a value, a place, whose borrow)."""

    __slots__ = ("denied", "fixed", "made", "names", "pushed")

    def __init__(self, row: list[str], arg: int) -> None:
        cut = row.index("--")
        self.names = _repeated(row[:cut], arg)
        self.denied = [kinds.KINDS & ~SETS[name] for name in self.names]
        self.made: list[tuple[int, int, int]] = []
        for name in _repeated(row[cut + 1 :], arg):
            kind, _, place = name.partition("+")
            self.made.append((0, int(kind), -1) if kind.isdigit() else (SETS[kind], -1, int(place or -1)))
        self.pushed = sum(place < 0 for _, place, _ in self.made)
        self.fixed = [value for value, _, _ in self.made] if all(m[1] < 0 and m[2] < 0 for m in self.made) else None

    def apply(self, frame: Frame) -> None:
        stack, denied = frame.stack, self.denied
        count = len(denied)
        if not count:
            stack += self.fixed or ()
            return
        if len(stack) < count:
            raise Fault("underflow", f"expected {count} values on the stack, found {len(stack)}")
        taken = stack[-count:]
        for value, refused in zip(taken, denied, strict=True):
            if value & refused:
                self._refuse(taken)
        if self.fixed is not None:
            stack[-count:] = self.fixed
            return
        stack[-count:] = [
            taken[place] if place >= 0 else value | (taken[lender] >> BORROWED << BORROWED if lender >= 0 else 0)
            for value, place, lender in self.made
        ]

    def _refuse(self, taken: list[int]) -> None:
        for place, (value, refused) in enumerate(zip(taken, self.denied, strict=True)):
            if value & refused:
                where = f"at {len(taken) - place} from the top"
                raise Fault("kind", f"expected {self.names[place]} {where}, found {kinds.shown(value)}")


def _repeated(items: list[str], arg: int) -> list[str]:
    found: list[str] = []
    for item in items:
        name, _, count = item.partition("*")
        times = _COUNTS[count](arg)
        if times > _FEW:
            raise Fault("underflow", f"expected {times} values on the stack, found fewer")
        found += [name] * times
    return found


_KEPT: dict[int, Effect] = {}
_USES_ARGUMENT: Final = frozenset(n for n, row in demands.ROWS.items() if any("*" in item for item in row))


def effect_of(opcode: int, arg: int) -> Effect:
    """The row of an opcode, kept for the arguments that are frequent."""
    key = opcode | arg << 8 if opcode in _USES_ARGUMENT else opcode
    found = _KEPT.get(key)
    if found is None:
        found = Effect(demands.ROWS[opcode], arg)
        if arg < 256:
            _KEPT[key] = found
    return found


def _counting(opcode: int) -> Step:
    """What a row does that depends on the argument."""
    kept: dict[int, Effect] = {}

    def step(frame: Frame, arg: int) -> None:
        effect = kept.get(arg)
        if effect is None:
            effect = kept[arg] = effect_of(opcode, arg)
            if len(kept) > _KEPT_EACH:
                kept.clear()
        effect.apply(frame)

    return step


_KEPT_EACH: Final = 512


def _step_of(opcode: int) -> Step:
    """What a row does. The frequent shapes, of few inputs and new outputs, do without a loop."""
    if opcode in _USES_ARGUMENT:
        return _counting(opcode)
    effect = effect_of(opcode, 0)
    if effect.fixed is None or len(effect.denied) > 2:
        return lambda frame, arg: effect.apply(frame)
    fixed, count = effect.fixed, len(effect.denied)
    if not count:
        return (lambda frame, arg: frame.stack.extend(fixed)) if fixed else _nothing
    if count == 1:
        return _one_input(effect, effect.denied[0], fixed)
    return _two_inputs(effect, effect.denied[0], effect.denied[1], fixed)


def _one_input(effect: Effect, denied: int, fixed: list[int]) -> Step:
    def step(frame: Frame, arg: int) -> None:
        stack = frame.stack
        if stack and not stack[-1] & denied:
            stack[-1:] = fixed
        else:
            effect.apply(frame)

    return step


def _two_inputs(effect: Effect, below: int, top: int, fixed: list[int]) -> Step:
    def step(frame: Frame, arg: int) -> None:
        stack = frame.stack
        if len(stack) > 1 and not (stack[-1] & top or stack[-2] & below):
            stack[-2:] = fixed
        else:
            effect.apply(frame)

    return step


def _nothing(frame: Frame, arg: int) -> None:
    """No change: also of branches, which do theirs when their block is left, and of KW_NAMES (see ``structure``)."""


# -- slots ------------------------------------------------------------------------------------------------------------


_UNCHECKED: Final = isa.UNCHECKED_LOCALS


def _load_fast(frame: Frame, slot: int) -> None:
    bit = 1 << slot
    if _UNCHECKED and not frame.bound & bit:
        _refuse_unbound(frame, slot)
    frame.stack.append(_value_of(frame, slot) if frame.cells & bit or frame.promised else OBJECT)


def _refuse_unbound(frame: Frame, slot: int) -> None:
    raise Fault("unbound", f"expected {frame.slots[slot]} to be bound on all ways here, found it can be unbound")


def _value_of(frame: Frame, slot: int) -> int:
    if frame.cells >> slot & 1:
        return CELL
    return frame.promised.get(slot, OBJECT)


def _load_two(frame: Frame, pair: int) -> None:
    _load_fast(frame, pair >> 4)
    _load_fast(frame, pair & 15)


def _borrow(frame: Frame, slot: int) -> None:
    bit = 1 << slot
    if not frame.bound & bit:
        _refuse_unbound(frame, slot)
    frame.stack.append((_value_of(frame, slot) if frame.cells & bit or frame.promised else OBJECT) | bit << BORROWED)


def _borrow_two(frame: Frame, pair: int) -> None:
    _borrow(frame, pair >> 4)
    _borrow(frame, pair & 15)


def _load_check(frame: Frame, slot: int) -> None:
    frame.stack.append(_value_of(frame, slot))
    frame.bound |= 1 << slot


def _load_and_clear(frame: Frame, slot: int) -> None:
    frame.rebind(slot)
    frame.stack.append(_value_of(frame, slot) | (0 if frame.bound >> slot & 1 else NULL))
    _clear(frame, slot)


def _clear(frame: Frame, slot: int) -> None:
    frame.bound &= ~(1 << slot)
    frame.cells &= ~(1 << slot)


def _store_fast(frame: Frame, slot: int) -> None:
    value = frame.pop(OBJECT | NULL, "object or NULL")
    if value >> BORROWED:
        raise Fault("borrow", f"expected an owned reference for {frame.slots[slot]}, found {kinds.shown(value)}")
    frame.rebind(slot)
    if frame.promised:
        _keep_promise(frame, slot, value)
    bit = 1 << slot
    frame.bound = frame.bound & ~bit if value & NULL else frame.bound | bit
    frame.cells = frame.cells | bit if value & kinds.KINDS == CELL else frame.cells & ~bit


def _keep_promise(frame: Frame, slot: int, value: int) -> None:
    """Names that no program can spell have values of one kind."""
    name = frame.slots[slot]
    if name[0] == "." and value & kinds.KINDS & ~(frame.promised.get(slot, OBJECT) | NULL):
        raise Fault("kind", f"expected {demands.PROMISED[name]} for {name}, found {kinds.shown(value)}")


def _store_two(frame: Frame, pair: int) -> None:
    _store_fast(frame, pair >> 4)
    _store_fast(frame, pair & 15)


def _store_load(frame: Frame, pair: int) -> None:
    _store_fast(frame, pair >> 4)
    _load_fast(frame, pair & 15)


def _delete_fast(frame: Frame, slot: int) -> None:
    frame.rebind(slot)
    _clear(frame, slot)


def _make_cell(frame: Frame, slot: int) -> None:
    frame.rebind(slot)
    frame.bound |= 1 << slot
    frame.cells |= 1 << slot


def _copy_free(frame: Frame, count: int) -> None:
    mask = ((1 << count) - 1) << (len(frame.slots) - count)
    frame.bound |= mask
    frame.cells |= mask


def _cell(frame: Frame, slot: int) -> None:
    if not frame.cells >> slot & 1:
        raise Fault("cell", f"expected a cell in the slot of {frame.slots[slot]} on all ways here, found none")


def _load_deref(frame: Frame, slot: int) -> None:
    _cell(frame, slot)
    frame.stack.append(frame.promised.get(slot, OBJECT) if frame.promised else OBJECT)


def _load_name(frame: Frame, index: int) -> None:
    frame.stack.append(SETS[demands.PROMISED.get(frame.names[index], "object")])


def _load_classderef(frame: Frame, slot: int) -> None:
    if frame.flags & CO_OPTIMIZED:
        raise Fault("flags", "expected code with a namespace around LOAD_CLASSDEREF, found CO_OPTIMIZED")
    _load_deref(frame, slot)


def _load_dict_or_deref(frame: Frame, slot: int) -> None:
    _cell(frame, slot)
    frame.pop(OBJECT, "object")
    frame.stack.append(frame.promised.get(slot, OBJECT) if frame.promised else OBJECT)


def _store_deref(frame: Frame, slot: int) -> None:
    _cell(frame, slot)
    value = frame.pop(OBJECT, "object")
    if frame.promised:
        _keep_promise(frame, slot, value)


# -- constants and the stack ------------------------------------------------------------------------------------------

_COMMON: Final[dict[int, int]] = {
    number: kinds.of_constant(key[1]) for key, number in isa.COMMON_CONSTANTS.items() if isinstance(key, tuple)
}
_NOT_COPIED: Final = SETS["any"] if isa.BORROWS else SETS["held"]


def _load_const(frame: Frame, index: int) -> None:
    frame.stack.append(frame.constants[index])


def _load_common(frame: Frame, number: int) -> None:
    frame.stack.append(_COMMON.get(number, kinds.OTHER))


def _copy(frame: Frame, place: int) -> None:
    frame.stack.append(frame.peek(place, _NOT_COPIED, "object"))


def _swap(frame: Frame, place: int) -> None:
    frame.peek(place, SETS["any"], "a value")
    stack = frame.stack
    stack[-1], stack[-place] = stack[-place], stack[-1]


def _build_tuple(frame: Frame, count: int) -> None:
    stack = frame.stack
    if count > len(stack):
        raise Fault("underflow", f"expected {count} values on the stack, found {len(stack)}")
    parts = stack[len(stack) - count :]
    for place, value in enumerate(parts):
        if value & kinds.KINDS & ~OBJECT:
            raise Fault("kind", f"expected object at {count - place} from the top, found {kinds.shown(value)}")
    is_closure = count and all(value & kinds.KINDS == CELL for value in parts)
    stack[len(stack) - count :] = [kinds.counted(kinds.CELLS if is_closure else kinds.TUPLE, count)]


def _into(kind: str, taken: int, frame: Frame, place: int) -> None:
    """LIST_APPEND and its like: ``taken`` values go into the container at a place below them."""
    for _ in range(taken):
        frame.pop(OBJECT, "object")
    frame.peek(place, SETS[kind], kind)


_CALLABLE_ABOVE: Final = 2 if demands.NULL_BELOW_CALLABLE else 3


def _dict_merge(frame: Frame, place: int) -> None:
    _into("dict", 1, frame, place)
    frame.peek(place + _CALLABLE_ABOVE, OBJECT, "object")


# -- calls and functions ----------------------------------------------------------------------------------------------


_CALL_ROW: Final = isa.OP["CALL"]
_CALLED: Final = 1 if demands.NULL_BELOW_CALLABLE else 2
"""How far what is called is below the arguments, when it is no method."""


_PLAIN_CALL: Final = _step_of(_CALL_ROW)


def _call(frame: Frame, count: int) -> None:
    stack = frame.stack
    if not count and len(stack) > 1 and stack[-2] & kinds.COMPREHENSION:
        frame.pop(kinds.ITER, "iterator")
        stack[-1] = kinds.ITER if stack[-1] & kinds.GENERATES else OBJECT
        return
    made = len(stack) >= count + 2 and stack[-count - _CALLED] & kinds.GENERATES
    _PLAIN_CALL(frame, count)
    if made:
        stack[-1] = kinds.ITER


def _call_kw(frame: Frame, count: int) -> None:
    names = frame.pop(kinds.NAMES | kinds.TUPLE, "tuple of names")
    known = kinds.count_of(names)
    if not 0 <= known <= count or (known and names & kinds.TUPLE):
        raise Fault("call-names", f"expected at most {count} names, found {kinds.shown(names)}")
    _PLAIN_CALL(frame, count)


def _precall(frame: Frame, count: int) -> None:
    if not count and len(frame.stack) > 1 and frame.stack[-2] & kinds.COMPREHENSION:
        return
    frame.peek(count + 2, OBJECT | NULL, "object or NULL")
    frame.peek(count + 1, OBJECT, "object")
    frame.stack[-count - 2] = OBJECT | NULL


def _intrinsic_1(frame: Frame, number: int) -> None:
    expected = demands.INTRINSIC_1[number]
    frame.pop(SETS[expected], expected)
    frame.stack.append(SETS[demands.INTRINSIC_1_RESULTS.get(number, "object")])


def _intrinsic_2(frame: Frame, number: int) -> None:
    below, top = demands.INTRINSIC_2[number].split()
    frame.pop(SETS[top], top)
    frame.pop(SETS[below], below)
    frame.stack.append(SETS[demands.INTRINSIC_2_RESULTS.get(number, "object")])


def _wanted(frame: Frame) -> tuple[int, int]:
    """The free variables of the code object on top, and its marks."""
    code = frame.pop(kinds.CODE, "code")
    if kinds.count_of(code) < 0:
        raise Fault("closure", "expected a code object of which it is known how many free variables it has")
    return kinds.count_of(code), code & _MARKS


_MARKS: Final = kinds.GENERATES | kinds.WANTS_ITERATOR


def _function(marks: int) -> int:
    """A finished function."""
    return (kinds.COMPREHENSION if marks & kinds.WANTS_ITERATOR else kinds.FUNCTION) | marks & _MARKS


def _make_function_with(frame: Frame, flags: int) -> None:
    wanted, marks = _wanted(frame)
    if bool(wanted) != bool(flags & 8):
        raise Fault("closure", f"expected a closure of {wanted} cells, found flags {flags}")
    for flag in (8, 4, 2, 1):
        if flags & flag:
            _attribute(frame, flag, wanted)
    frame.stack.append(_function(marks))


def _make_function(frame: Frame, arg: int) -> None:
    wanted, marks = _wanted(frame)
    frame.stack.append(kinds.counted(kinds.OPEN, wanted) | marks if wanted else _function(marks))


def _attribute(frame: Frame, flag: int, wanted: int) -> None:
    """Take an attribute for a function that wants so many cells."""
    expected = demands.FUNCTION_ATTRIBUTES[flag]
    if expected != "closure":
        value = frame.pop(SETS["object" if flag == 16 else expected], expected)
        if flag == 4 and kinds.count_of(value) > 0 and kinds.count_of(value) & 1:
            raise Fault("kind", f"expected names and annotations in pairs, found {kinds.shown(value)}")
        return
    value = frame.pop(kinds.CELLS, "tuple of cells")
    if kinds.count_of(value) != wanted:
        raise Fault("closure", f"expected a closure of {wanted} cells, found {kinds.shown(value)}")


def _set_attribute(frame: Frame, flag: int) -> None:
    if flag not in demands.FUNCTION_ATTRIBUTES:
        raise Fault("argument", f"expected one of {list(demands.FUNCTION_ATTRIBUTES)}, found {flag}")
    function = frame.pop(kinds.FUNCTION | kinds.OPEN | kinds.COMPREHENSION, "function")
    wanted = kinds.count_of(function) if function & kinds.OPEN else 0
    if flag == 8 and not wanted:
        raise Fault("closure", "expected a function that wants a closure, found one that does not")
    _attribute(frame, flag, wanted)
    frame.stack.append(_function(function) if flag == 8 else function)


# -- leaving ----------------------------------------------------------------------------------------------------------


_YIELD: Final = _step_of(isa.OP["YIELD_VALUE"])


def _return_generator(frame: Frame, arg: int) -> None:
    if not frame.bound & frame.unmade:
        raise Fault("generator", "expected a frame that is no generator's yet, found one that can be")
    frame.bound = frame.bound & ~frame.unmade | frame.made
    frame.stack.append(OBJECT)


def _yield_value(frame: Frame, delegates: int) -> None:
    if not frame.bound & frame.made:
        raise Fault("generator", "expected RETURN_GENERATOR on all ways to YIELD_VALUE, found one without")
    if demands.YIELD_DELEGATES and delegates:
        _receiver(frame)
    _YIELD(frame, 0)


def _resume(frame: Frame, arg: int) -> None:
    if demands.RESUME_DELEGATES and arg & demands.RESUME_LOCATION > 1:
        _receiver(frame)


def _receiver(frame: Frame) -> None:
    """While a frame is suspended in SEND, ``throw`` and ``close`` go to what stands below the value."""
    frame.peek(2 + demands.INDEXED, OBJECT, "what it delegates to")


def _return_value(frame: Frame, arg: int) -> None:
    frame.pop(OBJECT, "object")
    _return_const(frame, arg)


def _return_const(frame: Frame, arg: int) -> None:
    if frame.stack:
        left = ", ".join(map(kinds.shown, frame.stack))
        raise Fault("left-over", f"expected an empty stack at the return, found {left}")
    if frame.suspends and not frame.bound & frame.made:
        raise Fault("generator", "expected RETURN_GENERATOR on all ways to the return, found one without")


def _reraise(frame: Frame, place: int) -> None:
    frame.pop(kinds.EXC, "exception")
    if place:
        frame.peek(place, kinds.LASTI, "offset")


def _compare(frame: Frame, arg: int) -> None:
    frame.pop(OBJECT, "object")
    frame.pop(OBJECT, "object")
    frame.stack.append(kinds.BOOL if arg & demands.COMPARE_BOOL else OBJECT)


# -- jumps ------------------------------------------------------------------------------------------------------------


def _for_iter(frame: Frame, arg: int) -> list[int]:
    stack = frame.stack
    if demands.INDEXED:
        frame.peek(1, SETS["index"], "index")
    frame.peek(1 + demands.INDEXED, kinds.ITER, "iterator")
    ended = [*stack, OBJECT] if demands.LOOP_PHANTOM else stack[:-1]
    stack.append(OBJECT)
    return ended


def _send(frame: Frame, arg: int) -> list[int]:
    frame.pop(OBJECT, "object")
    stack = frame.stack
    if demands.INDEXED:
        frame.peek(1, SETS["index"], "index")
    frame.peek(1 + demands.INDEXED, kinds.ITER, "iterator")
    ended = [*stack, OBJECT] if demands.SEND_COMPANION else [*stack[:-1], OBJECT]
    stack.append(OBJECT)
    return ended


def _pop_jump(allowed: int, expected: str, frame: Frame, arg: int) -> list[int]:
    frame.pop(allowed, expected)
    return frame.stack


def _jump_or_pop(frame: Frame, arg: int) -> list[int]:
    frame.peek(1, OBJECT, "object")
    kept = list(frame.stack)
    frame.stack.pop()
    return kept


def _known(table: dict[str, Step]) -> dict[int, Step]:
    return {isa.OP[name]: step for name, step in table.items() if name in isa.OP}


_OWN_STEPS: Final[dict[int, Step]] = {
    **{opcode: _step_of(opcode) for opcode in demands.ROWS},
    **_known(
        {
            "BUILD_TUPLE": _build_tuple,
            "CALL_INTRINSIC_1": _intrinsic_1,
            "CALL_INTRINSIC_2": _intrinsic_2,
            "CALL": _call,
            "CALL_KW": _call_kw,
            "COPY": _copy,
            "COPY_FREE_VARS": _copy_free,
            "DELETE_DEREF": _cell,
            "DELETE_FAST": _delete_fast,
            "DICT_MERGE": _dict_merge,
            "DICT_UPDATE": partial(_into, "dict", 1),
            "KW_NAMES": _nothing,
            "LIST_APPEND": partial(_into, "list", 1),
            "LIST_EXTEND": partial(_into, "list", 1),
            "LOAD_CLASSDEREF": _load_classderef,
            "LOAD_CLOSURE": _load_check,
            "LOAD_COMMON_CONSTANT": _load_common,
            "LOAD_CONST": _load_const,
            "LOAD_DEREF": _load_deref,
            "LOAD_FAST": _load_fast,
            "LOAD_FAST_AND_CLEAR": _load_and_clear,
            "LOAD_FAST_BORROW": _borrow,
            "LOAD_FAST_BORROW_LOAD_FAST_BORROW": _borrow_two,
            "LOAD_FAST_CHECK": _load_check,
            "LOAD_FAST_LOAD_FAST": _load_two,
            "LOAD_NAME": _load_name,
            "LOAD_FROM_DICT_OR_DEREF": _load_dict_or_deref,
            "MAKE_CELL": _make_cell,
            "MAKE_FUNCTION": _make_function if "SET_FUNCTION_ATTRIBUTE" in isa.OP else _make_function_with,
            "MAP_ADD": partial(_into, "dict", 2),
            "PRECALL": _precall,
            "RERAISE": _reraise,
            "RESUME": _resume,
            "RETURN_CONST": _return_const,
            "RETURN_GENERATOR": _return_generator,
            "RETURN_VALUE": _return_value,
            "SET_ADD": partial(_into, "set", 1),
            "SET_FUNCTION_ATTRIBUTE": _set_attribute,
            "SET_UPDATE": partial(_into, "set", 1),
            "STORE_DEREF": _store_deref,
            "STORE_FAST": _store_fast,
            "STORE_FAST_LOAD_FAST": _store_load,
            "STORE_FAST_STORE_FAST": _store_two,
            "SWAP": _swap,
            "YIELD_VALUE": _yield_value,
            **({"COMPARE_OP": _compare} if demands.COMPARE_BOOL else {}),
        }
    ),
}

_POP_JUMP: Final = partial(_pop_jump, OBJECT, "object")
ON_NONE: Final = isa.ops("POP_JUMP_IF_NONE POP_JUMP_FORWARD_IF_NONE POP_JUMP_BACKWARD_IF_NONE")
"""Jumps that are taken when the value is None."""
ON_NOT_NONE: Final = isa.ops("POP_JUMP_IF_NOT_NONE POP_JUMP_FORWARD_IF_NOT_NONE POP_JUMP_BACKWARD_IF_NOT_NONE")
_OR_POP: Final = isa.ops("JUMP_IF_TRUE_OR_POP JUMP_IF_FALSE_OR_POP")

BRANCHES: Final[dict[int, Branch]] = {
    **dict.fromkeys(isa.TRUE_JUMPS | isa.FALSE_JUMPS, _POP_JUMP),
    **dict.fromkeys(_OR_POP, _jump_or_pop),
    isa.OP["FOR_ITER"]: _for_iter,
    isa.OP["SEND"]: _send,
}

_PUSH_ONE: Final = isa.ops(
    "BUILD_TUPLE CALL_INTRINSIC_1 CALL_INTRINSIC_2 CALL_KW COMPARE_OP MAKE_FUNCTION LOAD_FROM_DICT_OR_DEREF"
)
_LOADS: Final = isa.ops(
    "LOAD_FAST LOAD_FAST_CHECK LOAD_DEREF LOAD_CLASSDEREF LOAD_CLOSURE LOAD_CONST LOAD_FAST_LOAD_FAST COPY"
)
_STAY: Final = isa.ops("YIELD_VALUE RETURN_GENERATOR RESUME")
_TESTS: Final = frozenset(BRANCHES) - isa.ops("FOR_ITER")


def pushed(opcode: int, arg: int) -> int:
    """How many values of the stack behind an instruction were not there when it could still raise.

    For branches, of the stack before: what they take is taken then.
    """
    if opcode in _PUSHED:
        return _PUSHED[opcode]
    if opcode in demands.ROWS:
        return effect_of(opcode, arg).pushed
    return 0


_PUSHED: Final[dict[int, int]] = {
    **dict.fromkeys(_PUSH_ONE | _LOADS | _TESTS, 1),
    **dict.fromkeys(_STAY, 0),
    **{opcode: effect_of(opcode, 0).pushed for opcode in demands.ROWS if opcode not in _USES_ARGUMENT | _STAY},
}

STEPS: Final[list[Step]] = [_OWN_STEPS.get(opcode, _nothing) for opcode in range(256)]
"""By opcode; what changes nothing, or is a branch, does nothing."""
