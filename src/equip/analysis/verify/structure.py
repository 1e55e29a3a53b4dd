"""What can be seen without running the code: instructions, arguments, tables, the prologue, sizes and flags."""

from __future__ import annotations

import re
from collections.abc import Iterator
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR
from itertools import compress
from operator import gt, lt
from types import CodeType
from typing import Final

from equip import isa
from equip.analysis.verify.decoded import Decoded
from equip.analysis.verify.problem import Fault
from equip.code.instruction import parameter_count
from equip.isa import demands

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
_IN_PROLOGUE: Final = bytes([_COPY_FREE_VARS, _MAKE_CELL, _RETURN_GENERATOR, _POP_TOP, isa.OP["NOP"]])
_SEND_AT: Final = isa.OP.get(demands.SEND_COMPANION, -1)
_LOOP_AT: Final = bytes(isa.OP[name] for name in demands.LOOP_COMPANIONS)
_PAIR: Final = isa.kind("pair")
_KW_NAMES: Final = isa.OP.get("KW_NAMES", -1)
_PRECALL: Final = isa.OP.get("PRECALL", -1)
_CALL: Final = isa.OP["CALL"]
_FOR_ITER: Final = isa.OP["FOR_ITER"]


def faults(decoded: Decoded) -> Iterator[Fault]:
    """What is wrong, in no order."""
    yield from _sizes(decoded.code)
    yield from _locations(decoded.code)
    yield from _arguments(decoded)
    yield from _prologue(decoded)
    yield from _companions(decoded)
    for number, handler in enumerate(decoded.handlers):
        if handler.start <= handler.target < handler.end:
            yield Fault(
                "handler",
                f"expected entry {number} not to cover its own handler, where raising never ends",
                handler.target,
            )


# -- the code object --------------------------------------------------------------------------------------------------


def _sizes(code: CodeType) -> Iterator[Fault]:
    parameters = parameter_count(code)
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

_ANY: Final = 1 << 32
_POOLS: Final = ("co_consts", "co_names", "co_names", "co_names", "the variables", "nothing", "two variables")
"""What the first classes of arguments are about; the others are about tables of the interpreter."""
_LOW: Final = bytes(demands.ARGUMENT_LIMITS.get(opcode, (0, 0))[0] for opcode in range(256))
_TABLE_LIMITS: Final = sorted({high for low, high in demands.ARGUMENT_LIMITS.values() if high or not low})


def _class_of(opcode: int) -> int:
    operand = isa.OPERAND[opcode]
    if operand == "const":
        return 0
    if operand.startswith("name"):
        return 1 + isa.NAME_SHIFT[opcode]
    if operand == "slot":
        return 4
    if operand == "pair":
        return 6
    low, high = demands.ARGUMENT_LIMITS.get(opcode, (1, 0))
    return 7 + _TABLE_LIMITS.index(high) if high or not low else 5


_CLASSES: Final = bytes(_class_of(opcode) for opcode in range(256))
_IS_PAIR: Final = bytes(opcode in _PAIR for opcode in range(256))
_ALLOWED: Final = bytes(opcode for opcode in range(256) if opcode not in demands.NEVER)


def _arguments(decoded: Decoded) -> Iterator[Fault]:
    code, opcodes, args = decoded.code, decoded.opcodes, decoded.args
    names, slots = len(code.co_names), len(decoded.slots)
    limits = [len(code.co_consts) - 1, names - 1, 2 * names - 1, 4 * names - 1, slots - 1, _ANY, 255, *_TABLE_LIMITS]
    high = map(limits.__getitem__, opcodes.translate(_CLASSES))
    if any(map(gt, args, high)) or any(map(lt, args, opcodes.translate(_LOW))):
        yield from _out_of_range(decoded, limits)
    if opcodes.translate(None, _ALLOWED):
        for at, opcode in zip(decoded.at, opcodes, strict=True):
            if opcode in demands.NEVER:
                yield Fault("opcode", f"expected an instruction of a program, found {isa.OPNAMES[opcode]}", at)
    if slots < 16:
        for pair in set(compress(args, opcodes.translate(_IS_PAIR))):
            if pair >> 4 >= slots or pair & 15 >= slots:
                at = next(decoded.at[i] for i, op in enumerate(opcodes) if op in _PAIR and args[i] == pair)
                yield Fault("argument", f"expected two of {slots} variables, found {pair >> 4} and {pair & 15}", at)


def _out_of_range(decoded: Decoded, limits: list[int]) -> Iterator[Fault]:
    for at, opcode, arg in zip(decoded.at, decoded.opcodes, decoded.args, strict=True):
        group = _CLASSES[opcode]
        low, high = _LOW[opcode], limits[group]
        if not low <= arg <= high:
            pool = _POOLS[group] if group < len(_POOLS) else "the interpreter's tables"
            shown = f"from {low} to {high}, for {pool}" if high != _ANY else f"of {low} or more"
            yield Fault("argument", f"expected an argument {shown}, found {arg}", at)


# -- what belongs together --------------------------------------------------------------------------------------------


def _prologue(decoded: Decoded) -> Iterator[Fault]:
    code, opcodes, at = decoded.code, decoded.opcodes, decoded.at
    free = len(code.co_freevars)
    if opcodes.count(_COPY_FREE_VARS) != bool(free) or (
        free and (opcodes[0], decoded.args[0]) != (_COPY_FREE_VARS, free)
    ):
        yield Fault("prologue", f"expected {f'COPY_FREE_VARS {free} first' if free else 'no COPY_FREE_VARS'}", 0)
    resume = opcodes.find(_RESUME)
    if resume < 0:
        yield Fault("prologue", "expected a RESUME, found none", 0)
        return
    odd = opcodes[:resume].translate(None, _IN_PROLOGUE)
    if odd:
        shown = isa.OPNAMES[odd[0]]
        yield Fault(
            "prologue", f"expected nothing but the prologue before RESUME, found {shown}", at[opcodes.index(odd[0])]
        )
    if code.co_cellvars:
        yield from _parameter_cells(decoded, resume)
    start = opcodes.find(_RETURN_GENERATOR)
    is_generator = bool(code.co_flags & _GENERATORS)
    if opcodes.count(_RETURN_GENERATOR) != is_generator:
        found = f"{opcodes.count(_RETURN_GENERATOR)} RETURN_GENERATOR and co_flags {code.co_flags:#x}"
        yield Fault("generator", f"expected one RETURN_GENERATOR in a generator and none elsewhere, found {found}")
        return
    if start >= 0:
        if opcodes[start + 1 : start + 3] != bytes([_POP_TOP, _RESUME]):
            yield Fault("generator", "expected POP_TOP and RESUME behind RETURN_GENERATOR", at[start])
        if start > resume and not demands.EARLY_ITERATION:
            yield Fault("generator", "expected RETURN_GENERATOR in the prologue", at[start])
    elif _YIELD in opcodes:
        yield Fault("generator", "expected no YIELD_VALUE outside a generator", at[opcodes.index(_YIELD)])
    end = at[resume]
    starts = decoded.starts
    if len(starts) > 1 and starts[1] <= end:
        yield from _jumps_into(decoded, end)


def _parameter_cells(decoded: Decoded, resume: int) -> Iterator[Fault]:
    """Parameters that are cells are made cells first of all: ``super`` takes that for granted."""
    code = decoded.code
    made = {arg for opcode, arg in zip(decoded.opcodes[:resume], decoded.args, strict=False) if opcode == _MAKE_CELL}
    for slot, name in enumerate(code.co_varnames[: parameter_count(code)]):
        if name in code.co_cellvars and slot not in made:
            yield Fault("cell", f"expected MAKE_CELL in the prologue for the parameter {name}, found none", 0)


def _jumps_into(decoded: Decoded, end: int) -> Iterator[Fault]:
    """Jumps, and handlers, that lead into the prologue, which ends at code unit ``end``."""
    for index, opcode in enumerate(decoded.opcodes):
        if opcode in isa.JUMPS and decoded.target(index) <= end and opcode not in _BACK_COMPANIONS:
            shown = f"one to offset {2 * decoded.target(index)}"
            yield Fault("prologue", f"expected no jump into the prologue, found {shown}", decoded.at[index])
    for handler in decoded.handlers:
        if handler.target <= end:
            yield Fault(
                "prologue", f"expected no handler in the prologue, found one at offset {2 * handler.target}", end
            )


_BACK_COMPANIONS: Final = isa.COMPANION_JUMPS & isa.BACKWARD
_COMPANIONS: Final = isa.Scan(frozenset({_FOR_ITER, _SEND, _YIELD, _RESUME, _KW_NAMES, _PRECALL} - {-1}))


def _companions(decoded: Decoded) -> Iterator[Fault]:
    """Instructions that the interpreter expects beside others."""
    opcodes = decoded.opcodes
    for index in _COMPANIONS.positions(opcodes):
        opcode = opcodes[index]
        if opcode == _PRECALL:
            if opcodes[index + 1] != _CALL or decoded.args[index + 1] != decoded.args[index]:
                yield Fault("call-names", "expected CALL with the same argument behind PRECALL", decoded.at[index])
        elif opcode == _FOR_ITER:
            if _LOOP_AT:
                there = decoded.index(decoded.target(index))
                if opcodes[there : there + len(_LOOP_AT)] != _LOOP_AT:
                    expected = " and ".join(demands.LOOP_COMPANIONS)
                    yield Fault("companion", f"expected {expected} at the target of FOR_ITER", decoded.at[index])
        elif opcode == _SEND:
            if _SEND_AT >= 0 and opcodes[decoded.index(decoded.target(index))] != _SEND_AT:
                yield Fault("companion", "expected END_SEND at the target of SEND", decoded.at[index])
        elif opcode == _KW_NAMES:
            yield from _keywords(decoded, index)
        elif opcode == _YIELD:
            if opcodes[index + 1] != _RESUME:
                yield Fault("companion", "expected RESUME behind YIELD_VALUE", decoded.at[index])
        elif index:
            yield from _resumption(decoded, index)


def _resumption(decoded: Decoded, index: int) -> Iterator[Fault]:
    opcodes, at = decoded.opcodes, decoded.at
    location = decoded.args[index] & demands.RESUME_LOCATION
    yields = opcodes[index - 1] == _YIELD
    if yields != (location > 0):
        yield Fault("companion", f"expected RESUME {'from 1' if yields else '0'}, found {location}", at[index])
    elif location:
        delegates = location > 1 and isa.THROW_ENDS_SEND
        inside = {at[index], at[index - 1]} if delegates else {at[index]}
        if (delegates and opcodes[index - 2] != _SEND) or not inside.isdisjoint(_targets(decoded)):
            piece = "SEND, YIELD_VALUE and RESUME" if delegates else "YIELD_VALUE and RESUME"
            yield Fault("companion", f"expected {piece} in one piece", at[index])


def _targets(decoded: Decoded) -> set[int]:
    """Where jumps and handlers lead, among the starts of blocks that could be in between."""
    opcodes = decoded.opcodes
    found = {decoded.target(index) for index in _JUMPING.positions(opcodes)}
    return found | {handler.target for handler in decoded.handlers}


_JUMPING: Final = isa.Scan(isa.JUMPS)


def _keywords(decoded: Decoded, index: int) -> Iterator[Fault]:
    at, arg = decoded.at[index], decoded.args[index]
    behind = decoded.opcodes[index + 1]
    if behind not in (_PRECALL, _CALL):
        yield Fault("call-names", f"expected a call behind KW_NAMES, found {isa.OPNAMES[behind]}", at)
    names = decoded.code.co_consts[arg] if arg < len(decoded.code.co_consts) else None
    if type(names) is not tuple or not all(type(name) is str for name in names):
        yield Fault("call-names", f"expected a tuple of names, found {names!r:.60}", at)
    elif len(names) > decoded.args[index + 1]:
        yield Fault("call-names", f"expected at most {decoded.args[index + 1]} names, found {len(names)}", at)
