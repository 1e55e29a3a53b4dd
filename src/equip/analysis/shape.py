"""The shape of a code object: its basic blocks and edges, as integers.

Guarantees: blocks tile the code; an edge leads to the first instruction of a block; a block is covered by one
entry of the exception table or by none. What no interpreter of this version could have been meant to run is
refused: unknown opcodes, incomplete instructions, jumps and handlers that lead to no instruction, a damaged
exception table, code that falls off its end.

Nodes are numbered: 0 is the virtual entry, 1 to n are the blocks in the order of the code, n + 1 is the virtual exit.
Positions are code units. Works at the speed of ``bytes.translate``: an instruction that changes no control costs
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import compress
from typing import Final, NamedTuple

from equip import isa
from equip.code import exceptions
from equip.errors import InvalidCodeError

FALLTHROUGH, JUMP, TRUE, FALSE, EXHAUSTED, EXCEPTION, RETURN, RAISE = range(8)
"""Kinds of edges, as integers."""

Numbers = Sequence[int]


class Shape:
    """Blocks and edges. All sequences are for reading only: shapes share them."""

    __slots__ = ("count", "handlers", "is_common", "kinds", "predecessors", "starts", "successors", "table", "units")

    def __init__(
        self,
        units: int,
        starts: Numbers,
        successors: Sequence[Numbers],
        kinds: Sequence[Numbers],
        predecessors: Sequence[Numbers],
        handlers: Numbers = (),
        table: Sequence[exceptions.Handler] = (),
        is_common: bool = False,
    ) -> None:
        self.is_common = is_common
        """Whether the edges are tuples that much code shares: that of one block."""
        self.units = units
        """Code units of the code."""
        self.count = len(starts)
        """Blocks."""
        self.starts = starts
        """Where each block begins: block number i is node i + 1."""
        self.successors = successors
        """By node: where its edges lead, falling through first, then the jump, then the exception."""
        self.kinds = kinds
        """By node: the kind of each of its edges, in the same order."""
        self.handlers = handlers
        """By block: the number of its entry in the exception table, -1 without one; empty where there is no table."""
        self.table = table
        """The entries of the exception table."""
        self.predecessors = predecessors
        """By node: where its edges come from, in the order of the nodes."""


def shape_of(raw: bytes, table: bytes, name: str, implicit: bool = True) -> Shape:
    """The shape of ``co_code`` (where cache entries are zeros) with an exception table; ``name`` is for messages.

    Without ``implicit`` exceptions, only RAISE_VARARGS and RERAISE raise. Raises ``InvalidCodeError``.
    """
    opcodes, found, starts, handlers, covers = blocks_of(raw, table, name)
    last = found.get(len(opcodes), _NEXT)
    if len(starts) == 1 and not table and last in isa.LEAVING:
        return _single(opcodes, last, implicit)
    successors, kinds = _edges(opcodes, starts, found, handlers, covers, implicit)
    return Shape(len(opcodes), starts, successors, kinds, _predecessors(successors), covers, handlers)


class Blocks(NamedTuple):
    """Blocks without their edges: what ``Shape`` has by the same names, and what changes control (``_transfers``)."""

    opcodes: bytes
    found: dict[int, int]
    starts: Numbers
    table: Sequence[exceptions.Handler] = ()
    handlers: Numbers = ()


def blocks_of(raw: bytes, table: bytes, name: str) -> Blocks:
    """The blocks of ``co_code`` with an exception table, without edges. Raises ``InvalidCodeError``."""
    opcodes = raw[::2]
    units = len(opcodes)
    _check_instructions(raw, opcodes, name)
    found, leaders = _transfers(raw, opcodes, name)
    last = found.get(units, _NEXT)
    if last < 0 or (last & 255) not in isa.NO_FALLTHROUGH:
        raise InvalidCodeError(f"{name}: the code falls off its end, at offset {2 * units}")
    if len(leaders) == 2 and not table and last in isa.LEAVING:
        return Blocks(opcodes, found, _FIRST)
    handlers = _decoded(table, name) if table else []
    for handler in handlers:
        leaders.update(handler[:3])
    starts = sorted(leaders)
    if starts[-1] > units:
        raise _stray(raw, opcodes, handlers, name)
    starts.pop()
    for start in starts:
        if not opcodes[start] or (start and opcodes[start - 1] == isa.EXTENDED_ARG):
            raise _stray(raw, opcodes, handlers, name)
    covers = _covering(starts, handlers, units, name) if handlers else ()
    return Blocks(opcodes, found, starts, handlers, covers)


# -- what an instruction does to control ------------------------------------------------------------------------------

_RETURN, _LEAVE, _JUMP, _BRANCH = range(4)
"""What comes after the last instruction of a block: nothing but the exit, nothing, a target, the next block or that."""
_BRANCHES: Final = (
    dict.fromkeys(isa.TRUE_JUMPS, (FALSE, TRUE))
    | dict.fromkeys(isa.FALSE_JUMPS, (TRUE, FALSE))
    | dict.fromkeys(isa.EXHAUSTIBLE, (FALLTHROUGH, EXHAUSTED))
)
_WAYS: Final[Mapping[int, tuple[int, tuple[int, ...]]]] = (
    {opcode: (_BRANCH, kinds) for opcode, kinds in _BRANCHES.items()}
    | dict.fromkeys(isa.UNCONDITIONAL, (_JUMP, (JUMP,)))
    | dict.fromkeys(isa.LEAVING, (_LEAVE, ()))
    | dict.fromkeys(isa.RETURNS, (_RETURN, (RETURN,)))
)
_YIELD: Final = isa.OP["YIELD_VALUE"]
_SEND: Final = isa.OP["SEND"]
_NEXT: Final = -1
"""In the place of an opcode: nothing but the next block."""

_Kinds = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]


def _kinds(kinds: tuple[int, ...]) -> _Kinds:
    """Kinds of edges of a block that cannot raise, that can, and that has a handler."""
    return kinds, (*kinds, RAISE), (*kinds, EXCEPTION)


_KINDS: Final[dict[int, _Kinds]] = {
    **{opcode: _kinds(kinds) for opcode, (_, kinds) in _WAYS.items()},
    _NEXT: _kinds((FALLTHROUGH,)),
    _YIELD: _kinds((FALLTHROUGH, EXHAUSTED)),  # where throw() ends what a SEND waits for
}


def _table(value: Callable[[int], int]) -> bytes:
    return bytes(value(opcode) for opcode in range(256))


_TRANSFERS: Final = _table(lambda opcode: opcode in _WAYS)
_RAISES: Final = _table(lambda opcode: opcode not in isa.QUIET and opcode != 0)
_CACHES: Final = _table(lambda opcode: isa.CACHES[opcode])
_KNOWN: Final = bytes(
    opcode for opcode in range(256) if not opcode or (isa.OPERAND[opcode] != "?" and opcode not in isa.INTERNAL)
)
_CACHELESS: Final = bytes(opcode for opcode in range(256) if not isa.CACHES[opcode])
_TOO_LONG: Final = bytes([isa.EXTENDED_ARG]) * 4


def _transfers(raw: bytes, opcodes: bytes, name: str) -> tuple[dict[int, int], set[int]]:
    """What changes control, and where blocks begin for it.

    By where it ends: the instruction's opcode, and above its eight bits the target; without one the opcode alone.
    """
    units = len(opcodes)
    found: dict[int, int] = {}
    targets: set[int] = set()
    caches, forward, leaving, extended = isa.CACHES, isa.FORWARD, isa.LEAVING, isa.EXTENDED_ARG
    at = -1
    gaps = opcodes.translate(_TRANSFERS).split(b"\1")
    gaps.pop()
    for gap in map(len, gaps):
        at += gap + 1
        opcode = opcodes[at]
        end = at + 1 + caches[opcode]
        if opcode in leaving:
            found[end] = opcode
            continue
        arg = raw[2 * at + 1]
        if at and opcodes[at - 1] == extended:
            arg = _argument(raw, opcodes, at)
        target = end + arg if opcode in forward else end - arg
        if not 0 <= target < units:
            raise _stray(raw, opcodes, (), name)
        found[end] = opcode | target << 8
        targets.add(target)
        if isa.THROW_ENDS_SEND and opcode == _SEND and end < units and opcodes[end] == _YIELD:
            found[end + 1] = _YIELD | target << 8
    targets.update(found)
    targets.add(0)
    return found, targets


def _argument(raw: bytes, opcodes: bytes, at: int) -> int:
    """The whole argument of the instruction whose opcode stands at ``at``."""
    arg, shift = raw[2 * at + 1], 0
    while at and opcodes[at - 1] == isa.EXTENDED_ARG:
        at -= 1
        shift += 8
        arg |= raw[2 * at + 1] << shift
    return arg


# -- edges ------------------------------------------------------------------------------------------------------------


def _single(opcodes: bytes, last: int, implicit: bool) -> Shape:
    """The shape of code that is one block."""
    units = len(opcodes)
    raising = last not in isa.RETURNS or (implicit and 1 in opcodes.translate(_RAISES))
    edges = _SINGLE[_WAYS[last][0], raising]
    return Shape(units, _FIRST, *edges, is_common=True)


_FIRST: Final = (0,)
_SINGLE: Final[dict[tuple[int, bool], tuple[Sequence[Numbers], Sequence[Numbers], Sequence[Numbers]]]] = {
    (_RETURN, False): (((1,), (2,), ()), ((FALLTHROUGH,), (RETURN,), ()), ((), (0,), (1,))),
    (_RETURN, True): (((1,), (2, 2), ()), ((FALLTHROUGH,), (RETURN, RAISE), ()), ((), (0,), (1, 1))),
    (_LEAVE, True): (((1,), (2,), ()), ((FALLTHROUGH,), (RAISE,), ()), ((), (0,), (1,))),
}


def _edges(
    opcodes: bytes,
    starts: Numbers,
    found: dict[int, int],
    handlers: Sequence[exceptions.Handler],
    covers: Numbers,
    implicit: bool,
) -> tuple[list[Numbers], list[Numbers]]:
    node_at = {start: number for number, start in enumerate(starts, 1)}
    leave = len(starts) + 1
    first_raise = opcodes.translate(_RAISES).find
    ways, kinds_of = _WAYS, _KINDS
    successors: list[Numbers] = [(1,)]
    kinds: list[Numbers] = [(FALLTHROUGH,)]
    start = 0
    number = 1
    for end in (*starts[1:], len(opcodes)):
        packed = found.get(end)
        explicit = False
        to: tuple[int, ...]
        if packed is None:
            opcode = _NEXT
            to = (number + 1,)
        else:
            opcode = packed & 255
            way = ways[opcode][0] if opcode != _YIELD else _BRANCH
            if way == _BRANCH:
                to = (number + 1, node_at[packed >> 8])
            elif way == _JUMP:
                to = (node_at[packed >> 8],)
            elif way == _RETURN:
                to = (leave,)
            else:
                to, explicit = (), True
        if explicit or (implicit and first_raise(1, start, end) >= 0):
            cover = covers[number - 1] if covers else -1
            if cover < 0:
                successors.append((*to, leave))
                kinds.append(kinds_of[opcode][1])
            else:
                successors.append((*to, node_at[handlers[cover].target]))
                kinds.append(kinds_of[opcode][2])
        else:
            successors.append(to)
            kinds.append(kinds_of[opcode][0])
        start = end
        number += 1
    successors.append(())
    kinds.append(())
    return successors, kinds


def _predecessors(successors: Sequence[Numbers]) -> Sequence[Numbers]:
    found: list[list[int]] = [[] for _ in successors]
    for number, targets in enumerate(successors):
        for target in targets:
            found[target].append(number)
    return found


# -- what is wrong ----------------------------------------------------------------------------------------------------


def _check_instructions(raw: bytes, opcodes: bytes, name: str) -> None:
    """Raise ``InvalidCodeError`` unless the code is whole instructions that this version has.

    ``co_code`` shows cache entries as zeros. So each unit that is none begins an instruction, and all are complete
    when there are as many zeros as the instructions want and the last one ends where the code does.
    """
    units = len(opcodes)
    if len(raw) != 2 * units or not units:
        raise InvalidCodeError(f"{name}: the code has {len(raw)} bytes, which are no instructions")
    if opcodes.translate(None, _KNOWN):
        at = next(i for i, opcode in enumerate(opcodes) if opcode not in _KNOWN)
        raise InvalidCodeError(f"{name}: {opcodes[at]} at offset {2 * at} is no opcode of this Python")
    last = len(opcodes.rstrip(b"\0")) - 1
    if (
        last < 0
        or last + 1 + isa.CACHES[opcodes[last]] != units
        or opcodes[last] == isa.EXTENDED_ARG
        or opcodes.count(0) != sum(opcodes.translate(_CACHES, _CACHELESS))
        or _TOO_LONG in opcodes
    ):
        raise _incomplete(opcodes, name)


def _incomplete(opcodes: bytes, name: str) -> InvalidCodeError:
    """The first instruction that is not whole."""
    index, prefixes, units = 0, 0, len(opcodes)
    while index < units:
        opcode = opcodes[index]
        if not opcode:
            return InvalidCodeError(f"{name}: a cache entry, at offset {2 * index}, stands where an instruction should")
        prefixes = prefixes + 1 if opcode == isa.EXTENDED_ARG else 0
        if prefixes > 3:
            return InvalidCodeError(f"{name}: more than three prefixes in a row, at offset {2 * index}")
        if index + isa.CACHES[opcode] >= units or (prefixes and index + 1 == units):
            return InvalidCodeError(f"{name}: the code ends within {isa.OPNAMES[opcode]} at offset {2 * index}")
        index += 1
        caches = opcodes[index : index + isa.CACHES[opcode]]
        if caches.strip(b"\0"):
            return InvalidCodeError(f"{name}: {isa.OPNAMES[opcode]} has an opcode in its cache, at offset {2 * index}")
        index += len(caches)
    raise AssertionError("every instruction is whole")


def _fault(position: int, opcodes: bytes) -> str | None:
    """What is wrong with going on at a position; None when nothing is."""
    if not 0 <= position < len(opcodes):
        return "is outside the code"
    if not opcodes[position]:
        return "is a cache entry"
    if position and opcodes[position - 1] == isa.EXTENDED_ARG:
        return "is within an instruction, behind its prefix"
    return None


def _stray(raw: bytes, opcodes: bytes, handlers: Sequence[exceptions.Handler], name: str) -> InvalidCodeError:
    """The first jump, or entry of the exception table, that does not lead to an instruction."""
    for at in compress(range(len(opcodes)), opcodes.translate(_TRANSFERS)):
        opcode = opcodes[at]
        if opcode not in isa.JUMPS:
            continue
        arg = _argument(raw, opcodes, at)
        end = at + 1 + isa.CACHES[opcode]
        target = end + arg if opcode in isa.FORWARD else end - arg
        fault = _fault(target, opcodes)
        if fault:
            shown = f"{isa.OPNAMES[opcode]} at offset {2 * at}"
            return InvalidCodeError(f"{name}: {shown} goes to offset {2 * target}, which {fault}")
    for number, handler in enumerate(handlers):
        for position, part in zip(handler[:3], ("begins", "ends", "has its handler"), strict=True):
            fault = _fault(position, opcodes)
            if fault and (part != "ends" or position != len(opcodes)):
                shown = f"entry {number} {part} at offset {2 * position}"
                return InvalidCodeError(f"{name}: exception table: {shown}, which {fault}")
    raise AssertionError("every target is an instruction")


def _decoded(table: bytes, name: str) -> list[exceptions.Handler]:
    try:
        return exceptions.decode(table)
    except InvalidCodeError as error:
        raise InvalidCodeError(f"{name}: {error}") from None


def _covering(starts: Numbers, handlers: Sequence[exceptions.Handler], units: int, name: str) -> list[int]:
    """By block: the entry that covers it, or -1. Raises ``InvalidCodeError`` unless entries are sorted and disjoint."""
    before = 0
    for number, handler in enumerate(handlers):
        if not before <= handler.start < handler.end:
            shown = f"entry {number}, offsets {2 * handler.start} to {2 * handler.end}"
            raise InvalidCodeError(f"{name}: exception table: {shown}, is empty or overlaps or precedes the one before")
        if handler.target == units:
            raise InvalidCodeError(
                f"{name}: exception table: entry {number} has its handler at offset {2 * units}, "
                "which is outside the code"
            )
        before = handler.end
    found: list[int] = []
    number = 0
    for start in starts:
        while number < len(handlers) and handlers[number].end <= start:
            number += 1
        found.append(number if number < len(handlers) and handlers[number].start <= start else -1)
    return found
