"""The depth of the value stack before each instruction.

A worklist over the bytes in the order in which they are reached; the effect of an instruction is the interpreter's
own (``dis.stack_effect``), exceptions follow the exception table. Unreachable instructions have no depth; handlers
that cover nothing are not unreachable: what is put into the empty body of their ``try`` can raise.
"""

from __future__ import annotations

import dis
from collections.abc import Iterable, Sequence
from functools import lru_cache
from types import CodeType
from typing import Final

from equip import isa
from equip.code import exceptions
from equip.errors import InvalidCodeError


def stack_depths(code: CodeType, more: Iterable[exceptions.Handler] = ()) -> dict[int, int]:
    """Depth before the instruction at each offset (bytes; its first prefix) that can be reached, if exceptions can come
    to ``more`` handlers than the table says, too.

    Raises ``InvalidCodeError`` where two ways into an instruction disagree or the stack underflows.
    """
    raw = code.co_code
    waiting = table = exceptions.decode(code.co_exceptiontable) if code.co_exceptiontable else []
    reached = bytearray(len(raw))  # the opcodes, for the handlers that cover them
    depths: dict[int, int] = {}
    pending = [*map(_entry_of, more), *unused_handlers(raw, table), (0, 0)]
    while pending:
        _follow(code, pending, depths, reached)
        entered = [handler for handler in waiting if 1 in reached[2 * handler.start : 2 * handler.end]]
        if entered:
            pending = [_entry_of(handler) for handler in entered]
            waiting = [handler for handler in waiting if handler not in entered]
    return depths


def depth_at(code: CodeType, table: Sequence[exceptions.Handler], offset: int) -> int | None:
    """What ``stack_depths`` has for an offset, found on the way from the nearest handler before it; ``table`` are the
    handlers. None where no way from any of them or from the beginning leads to it."""
    raw = code.co_code
    entries = {(0, 0), *map(_entry_of, table), *unused_handlers(raw, table)}
    depths: dict[int, int] = {}
    _follow(code, sorted(entry for entry in entries if entry[0] <= offset), depths, bytearray(len(raw)), offset)
    return depths.get(offset)


def _entry_of(handler: exceptions.Handler) -> tuple[int, int]:
    """Offset and depth of where a handler begins."""
    return 2 * handler.target, handler.depth + handler.lasti + 1


def _follow(
    code: CodeType, pending: list[tuple[int, int]], depths: dict[int, int], reached: bytearray, goal: int = -1
) -> None:
    """Fill in ``depths``, and mark opcodes as ``reached``, from the ``pending`` (offset, depth) on, the last ones
    first, until the one at ``goal`` is known."""
    raw = code.co_code
    end = len(raw)
    caches, jumps, forward, leaving, prefix = isa.CACHES, _TAKEN, isa.FORWARD, isa.NO_FALLTHROUGH, isa.EXTENDED_ARG
    while pending and goal not in depths:
        at, depth = pending.pop()
        if at and raw[at - 2 : at - 1] == _PREFIX:
            raise _no_instruction(code, at)
        while (known := depths.get(at)) is None:
            if depth < 0 or not 0 <= at < end or not raw[at]:
                raise _no_instruction(code, at)
            depths[at] = depth
            opcode, arg = raw[at], raw[at + 1]
            simple = _simple.get(opcode << 8 | arg)
            if simple is not None:
                reached[at] = 1
                depth += simple[0]
                at += simple[1]
                continue
            while opcode == prefix and at + 2 < end:
                at += 2
                opcode, arg = raw[at], arg << 8 | raw[at + 1]
            reached[at] = 1
            size = 2 + 2 * caches[opcode]
            if opcode in jumps:
                target = at + size + (2 * arg if opcode in forward else -2 * arg)
                pending.append((target, depth + _effect(opcode, arg, True)))
            if opcode in leaving:
                break
            step = _effect(opcode, arg, False)
            if arg < _SMALL and opcode not in jumps:
                _simple[opcode << 8 | arg] = step, size
            depth += step
            at += size
        else:
            if known != depth:
                raise InvalidCodeError(f"{code.co_qualname}: the stack depth at offset {at} is {known} or {depth}")


def unused_handlers(raw: bytes, table: Sequence[exceptions.Handler]) -> list[tuple[int, int]]:
    """The offsets of the handlers that cover nothing, with the depth there.

    The cleanup around a handler begins where the exception has been pushed, so its depth is that one.
    """
    if not table:
        return []
    targets = {handler.target for handler in table}
    begins = {handler.start: handler.depth for handler in table if handler.lasti}
    found = _HANDLERS.positions(raw[::2])
    return [(2 * at, begins[at]) for at in found if at not in targets and at in begins]


def _no_instruction(code: CodeType, offset: int) -> InvalidCodeError:
    return InvalidCodeError(f"{code.co_qualname}: control reaches offset {offset}, which is no instruction")


_SMALL = 256
_simple: dict[int, tuple[int, int]] = {}
"""What instructions that only fall through add to the depth, and their size in bytes; by ``opcode << 8 | argument``."""


@lru_cache(maxsize=4096)
def _effect(opcode: int, arg: int, jump: bool) -> int:
    """What an instruction adds to the depth, as the interpreter says."""
    if opcode == _RETURN_GENERATOR:
        return 1  # what it resumes with; until 3.12 the interpreter's own table leaves it out
    return dis.stack_effect(opcode, None if isa.OPERAND[opcode] == "-" else arg, jump=jump)


_HANDLERS = isa.Scan(isa.ops("PUSH_EXC_INFO"))
_PREFIX = bytes([isa.EXTENDED_ARG])
_RETURN_GENERATOR = isa.OP["RETURN_GENERATOR"]
NEVER_TAKEN: Final = isa.ops("END_ASYNC_FOR") & isa.JUMPS
"""Their argument names the instruction that they belong to; control never goes there from them."""
_TAKEN = isa.JUMPS - NEVER_TAKEN
