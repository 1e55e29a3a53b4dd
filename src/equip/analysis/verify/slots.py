"""What the instructions on variables do to the abstract frame: locals, cells, free variables, names."""

from __future__ import annotations

from inspect import CO_OPTIMIZED
from typing import Final

from equip import isa
from equip.analysis.verify import kinds
from equip.analysis.verify.effects import Step
from equip.analysis.verify.frame import Frame
from equip.analysis.verify.kinds import BORROWED, CELL, NULL, OBJECT, SETS
from equip.analysis.verify.problem import Fault
from equip.isa import demands

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


STEPS: Final[dict[str, Step]] = {
    "COPY_FREE_VARS": _copy_free,
    "DELETE_DEREF": _cell,
    "DELETE_FAST": _delete_fast,
    "LOAD_CLASSDEREF": _load_classderef,
    "LOAD_CLOSURE": _load_check,
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
    "STORE_DEREF": _store_deref,
    "STORE_FAST": _store_fast,
    "STORE_FAST_LOAD_FAST": _store_load,
    "STORE_FAST_STORE_FAST": _store_two,
}
"""By the name of the opcode."""
