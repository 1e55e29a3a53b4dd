"""What can be seen without running the code: instructions, arguments, tables, the prologue, sizes and flags."""

from __future__ import annotations

import re
from collections.abc import Iterator
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR, CO_VARARGS, CO_VARKEYWORDS
from types import CodeType
from typing import Final

from equip import isa
from equip.analysis.verify.decoded import Decoded, target_of
from equip.analysis.verify.problem import Fault
from equip.isa import effects

_GENERATORS: Final = CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR
_VARINT: Final = rb"[\x40-\x7f]{0,5}[\x00-\x3f]"
_ENTRIES: Final = re.compile(
    rb"(?:[\x80-\xcf][\x00-\x7f]|[\xd0-\xe7][\x00-\x7f]{2}|[\xe8-\xef]" + _VARINT + rb"|[\xf0-\xf7](?:" + _VARINT
    + rb"){4}|[\xf8-\xff])*"
)  # fmt: skip
"""A whole location table: entries of each form (see ``code.locations``)."""
_UNITS: Final = bytes((first & 7) + 1 for first in range(256))
_PAYLOAD: Final = bytes(range(128))

_COPY_FREE_VARS: Final = isa.OP["COPY_FREE_VARS"]
_MAKE_CELL: Final = isa.OP["MAKE_CELL"]
_RETURN_GENERATOR: Final = isa.OP["RETURN_GENERATOR"]
_POP_TOP: Final = isa.OP["POP_TOP"]
_RESUME: Final = isa.RESUME
_YIELD: Final = isa.OP["YIELD_VALUE"]
_SEND: Final = isa.OP["SEND"]
_PROLOGUE: Final = frozenset({_COPY_FREE_VARS, _MAKE_CELL, _RETURN_GENERATOR, _POP_TOP, isa.OP["NOP"]})
_EARLY: Final = isa.ops("LOAD_FAST LOAD_FAST_BORROW GET_ITER") if effects.EARLY_ITERATION else frozenset()
_SEND_AT: Final = isa.OP.get(effects.SEND_COMPANION, -1)
_LOOP_AT: Final = [isa.OP[name] for name in effects.LOOP_COMPANIONS]
_PAIR: Final = isa.kind("pair")
_KW_NAMES: Final = isa.OP.get("KW_NAMES", -1)
_PRECALL: Final = isa.OP.get("PRECALL", -1)
_CALL: Final = isa.OP["CALL"]
_FOR_ITER: Final = isa.OP["FOR_ITER"]
_COMPARE: Final = isa.OP["COMPARE_OP"]


def faults(decoded: Decoded) -> Iterator[Fault]:
    """What is wrong, in no order."""
    yield from _sizes(decoded.code)
    yield from _locations(decoded.code)
    yield from _arguments(decoded)
    yield from _prologue(decoded)
    yield from _companions(decoded)


# -- the code object --------------------------------------------------------------------------------------------------


def _sizes(code: CodeType) -> Iterator[Fault]:
    parameters = (
        code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & CO_VARARGS) + bool(code.co_flags & CO_VARKEYWORDS)
    )
    if code.co_nlocals != len(code.co_varnames):
        yield Fault("sizes", f"expected {len(code.co_varnames)} locals, as co_varnames has, found {code.co_nlocals}")
    if parameters > code.co_nlocals or code.co_posonlyargcount > code.co_argcount:
        yield Fault("sizes", f"expected at most {code.co_nlocals} parameters, as there are locals, found {parameters}")
    kinds = code.co_flags & _GENERATORS
    if kinds & (kinds - 1):
        yield Fault("flags", f"expected one kind of generator or none, found co_flags {code.co_flags:#x}")


def _locations(code: CodeType) -> Iterator[Fault]:
    table = code.co_linetable
    if not _ENTRIES.fullmatch(table):
        yield Fault("locations", "expected a location table of whole entries, found a damaged one")
        return
    covered, units = sum(table.translate(_UNITS, _PAYLOAD)), len(code.co_code) // 2
    if covered != units:
        yield Fault("locations", f"expected a location for each of {units} code units, found {covered}")


# -- arguments --------------------------------------------------------------------------------------------------------


def _limits(decoded: Decoded) -> list[tuple[int, int, str]]:
    """By opcode: the least and greatest argument, and what it is about."""
    code = decoded.code
    found = list(_FIXED)
    consts, names, slots = len(code.co_consts) - 1, len(code.co_names), len(decoded.slots) - 1
    for opcode in isa.CONST_OPS:
        found[opcode] = (0, consts, "co_consts")
    for opcode, shift in isa.NAME_SHIFT.items():
        found[opcode] = (0, (names << shift) - 1, "co_names")
    for opcode in isa.SLOT_OPS:
        found[opcode] = (0, slots, "the variables")
    free = len(code.co_freevars)
    found[_COPY_FREE_VARS] = (free, free, "the free variables")
    return found


_ANY: Final = 1 << 32
_FIXED: Final = [(0, _ANY, "") for _ in range(256)]
for _opcode, (_low, _high) in effects.ARGUMENT_LIMITS.items():
    _FIXED[_opcode] = (_low, _high or _ANY, "the interpreter's tables") if _high or not _low else (_low, _ANY, "the stack")


def _arguments(decoded: Decoded) -> Iterator[Fault]:
    limits = _limits(decoded)
    slots = len(decoded.slots)
    for word in decoded.words:
        at, opcode, arg, _ = word
        low, high, pool = limits[opcode]
        if not low <= arg <= high:
            yield Fault("argument", f"expected an argument from {low} to {high}, for {pool}, found {arg}", at)
        elif opcode in effects.NEVER:
            yield Fault("opcode", f"expected an instruction of a program, found {isa.OPNAMES[opcode]}", at)
        elif opcode in _PAIR and (arg > 255 or (arg >> 4) >= slots or (arg & 15) >= slots):
            yield Fault("argument", f"expected two of {slots} variables, found {arg >> 4} and {arg & 15}", at)
        elif opcode == _COMPARE and arg >> effects.COMPARE_SHIFT > 5:
            yield Fault("argument", f"expected one of 6 comparisons, found {arg >> effects.COMPARE_SHIFT}", at)


# -- what belongs together --------------------------------------------------------------------------------------------


def _prologue(decoded: Decoded) -> Iterator[Fault]:
    code, words = decoded.code, decoded.words
    opcodes = [word.opcode for word in words]
    free = len(code.co_freevars)
    copies = [index for index, opcode in enumerate(opcodes) if opcode == _COPY_FREE_VARS]
    if copies != ([0] if free else []):
        expected = "COPY_FREE_VARS as the first instruction" if free else "no COPY_FREE_VARS without free variables"
        yield Fault("prologue", f"expected {expected}, found it at {copies}", 0)
    if _RESUME not in opcodes:
        yield Fault("prologue", "expected a RESUME, found none", 0)
        return
    resume = opcodes.index(_RESUME)
    odd = next((word for word in words[:resume] if word.opcode not in _PROLOGUE), None)
    if odd is not None:
        yield Fault("prologue", f"expected nothing but the prologue before RESUME, found {isa.OPNAMES[odd.opcode]}", odd.at)
    starts = [index for index, opcode in enumerate(opcodes) if opcode == _RETURN_GENERATOR]
    is_generator = bool(code.co_flags & _GENERATORS)
    if len(starts) != is_generator:
        found = f"{len(starts)} RETURN_GENERATOR and co_flags {code.co_flags:#x}"
        yield Fault("generator", f"expected one RETURN_GENERATOR in a generator and none elsewhere, found {found}")
        return
    last = resume
    if starts:
        last = starts[0]
        if opcodes[last + 1 : last + 3] != [_POP_TOP, _RESUME]:
            yield Fault("generator", "expected POP_TOP and RESUME behind RETURN_GENERATOR", words[last].at)
        if last > resume and not _EARLY.issuperset(opcodes[resume + 1 : last]):
            yield Fault("generator", "expected RETURN_GENERATOR in the prologue", words[last].at)
    elif _YIELD in opcodes:
        yield Fault("generator", "expected no YIELD_VALUE outside a generator", words[opcodes.index(_YIELD)].at)
    end = words[last].at
    for word in words:
        if word.opcode in isa.JUMPS and 0 <= target_of(word) <= end and word.opcode not in _BACK_COMPANIONS:
            yield Fault("prologue", f"expected no jump into the prologue, found one to offset {2 * target_of(word)}", word.at)


_BACK_COMPANIONS: Final = isa.COMPANION_JUMPS & isa.BACKWARD


def _companions(decoded: Decoded) -> Iterator[Fault]:
    """Instructions that the interpreter expects beside others."""
    words, first = decoded.words, decoded.first
    before = -2
    targets: set[int] | None = None
    for index, word in enumerate(words):
        at, opcode, arg, end = word
        if opcode == _FOR_ITER and _LOOP_AT:
            there = first[end + arg]
            if [w.opcode for w in words[there : there + len(_LOOP_AT)]] != _LOOP_AT:
                expected = " and ".join(effects.LOOP_COMPANIONS)
                yield Fault("companion", f"expected {expected} at the target of FOR_ITER", at)
        elif opcode == _SEND and _SEND_AT >= 0 and words[first[end + arg]].opcode != _SEND_AT:
            yield Fault("companion", "expected END_SEND at the target of SEND", at)
        elif opcode == _RESUME:
            location = arg & effects.RESUME_LOCATION
            if (before == _YIELD) != (location > 0):
                yield Fault("companion", f"expected RESUME {'from 1' if before == _YIELD else '0'}, found {arg}", at)
            elif location:
                if targets is None:
                    targets = {target_of(w) for w in words if w.opcode in isa.JUMPS} | {h.target for h in decoded.handlers}
                waits = index > 1 and words[index - 2].opcode == _SEND
                if at in targets or (location > 1 and (not waits or words[index - 1].at in targets)):
                    yield Fault("companion", "expected SEND, YIELD_VALUE and RESUME in one piece", at)
        if before == _YIELD and opcode != _RESUME:
            yield Fault("companion", f"expected RESUME behind YIELD_VALUE, found {isa.OPNAMES[opcode]}", at)
        if before == _KW_NAMES and opcode not in (_PRECALL, _CALL):
            yield Fault("call-names", f"expected a call behind KW_NAMES, found {isa.OPNAMES[opcode]}", at)
        if opcode == _KW_NAMES:
            yield from _keywords(decoded, index)
        elif opcode == _PRECALL and (words[index + 1].opcode != _CALL or words[index + 1].arg != arg):
            yield Fault("call-names", f"expected CALL {arg} behind PRECALL {arg}", at)
        before = opcode


def _keywords(decoded: Decoded, index: int) -> Iterator[Fault]:
    at, _, arg, _ = decoded.words[index]
    names = decoded.code.co_consts[arg] if arg < len(decoded.code.co_consts) else None
    if type(names) is not tuple or not all(type(name) is str for name in names):
        yield Fault("call-names", f"expected a tuple of names, found {names!r:.60}", at)
    elif index + 1 < len(decoded.words) and len(names) > decoded.words[index + 1].arg:
        yield Fault("call-names", f"expected at most {decoded.words[index + 1].arg} names, found {len(names)}", at)
