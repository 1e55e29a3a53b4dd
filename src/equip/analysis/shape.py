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

from collections.abc import Callable, Sequence
from itertools import compress
from typing import Final

from equip import isa
from equip.code import exceptions
from equip.errors import InvalidCodeError

FALLTHROUGH, JUMP, TRUE, FALSE, EXHAUSTED, EXCEPTION, RETURN, RAISE = range(8)
"""Kinds of edges, as integers."""

Numbers = Sequence[int]


class Shape:
    """Blocks and edges. All sequences are for reading only: shapes share them."""

    __slots__ = ("count", "handlers", "kinds", "predecessors", "starts", "successors", "units")

    def __init__(
        self, units: int, starts: Numbers, successors: Sequence[Numbers], kinds: Sequence[Numbers], handlers: Numbers
    ) -> None:
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
        self.predecessors: Sequence[Numbers] = _predecessors(successors)
        """By node: where its edges come from, in the order of the nodes."""


def shape_of(raw: bytes, table: bytes, name: str, implicit: bool = True) -> Shape:
    """The shape of ``co_code`` with an exception table; ``name`` is for messages.

    Without ``implicit`` exceptions, only RAISE_VARARGS and RERAISE raise. Raises ``InvalidCodeError``.
    """
    opcodes = raw[::2]
    units = len(opcodes)
    _check_instructions(raw, opcodes, name)
    found, leaders = _transfers(raw, opcodes, name)
    if found.get(units, _ON)[0] not in _LEAVES:
        raise InvalidCodeError(f"{name}: the code falls off its end, at offset {2 * units}")
    if not table and len(leaders) == 2:
        single = _single(opcodes, found[units][0], implicit)
        if single is not None:
            return Shape(units, _FIRST, *single, ())
    handlers = _decoded(table, name) if table else []
    for handler in handlers:
        leaders.update(handler[:3])
    starts = sorted(leaders)
    if starts[0] or starts[-1] > units:
        raise _stray(raw, opcodes, handlers, name)
    starts.pop()
    for start in starts:
        if not opcodes[start] or (start and opcodes[start - 1] == isa.EXTENDED_ARG):
            raise _stray(raw, opcodes, handlers, name)
    covers = _covering(starts, handlers, units, name) if handlers else ()
    successors, kinds = _edges(opcodes, starts, found, handlers, covers, implicit)
    return Shape(units, starts, successors, kinds, covers)


# -- what an instruction does to control: kinds of edges to what follows it, and to its target ------------------------

_Transfer = tuple[int, int, int]
"""(kind of the edge to what follows or ``_NONE``, kind of the edge to the target or ``_NONE``, the target)."""
_NONE: Final = -1
_EXPLICIT: Final = -2
"""In the first place: raises, and nothing follows."""
_ON: Final = (FALLTHROUGH, _NONE, 0)
_LEAVES: Final = frozenset({_NONE, _EXPLICIT, RETURN})
_MOVES: Final[dict[int, tuple[int, int]]] = (
    dict.fromkeys(isa.UNCONDITIONAL, (_NONE, JUMP))
    | dict.fromkeys(isa.TRUE_JUMPS, (FALSE, TRUE))
    | dict.fromkeys(isa.FALSE_JUMPS, (TRUE, FALSE))
    | dict.fromkeys(isa.EXHAUSTIBLE, (FALLTHROUGH, EXHAUSTED))
)
_LEAVING: Final = dict.fromkeys(isa.LEAVING, (_EXPLICIT, _NONE, 0)) | dict.fromkeys(isa.RETURNS, (RETURN, _NONE, 0))


def _table(value: Callable[[int], int]) -> bytes:
    return bytes(value(opcode) for opcode in range(256))


_TRANSFERS: Final = _table(lambda opcode: opcode in _MOVES or opcode in _LEAVING)
_RAISES: Final = _table(lambda opcode: opcode not in isa.QUIET and opcode != 0)
_CACHES: Final = _table(lambda opcode: isa.CACHES[opcode])
_KNOWN: Final = bytes(
    opcode for opcode in range(256) if not opcode or (isa.OPERAND[opcode] != "?" and opcode not in isa.INTERNAL)
)
_CACHELESS: Final = bytes(opcode for opcode in range(256) if not isa.CACHES[opcode])
_TOO_LONG: Final = bytes([isa.EXTENDED_ARG]) * 4
_SEND: Final = isa.OP["SEND"]
_YIELD: Final = isa.OP["YIELD_VALUE"]


def _transfers(raw: bytes, opcodes: bytes, name: str) -> tuple[dict[int, _Transfer], set[int]]:
    """By where they end: the instructions after which control may go elsewhere; and where blocks begin for them."""
    found: dict[int, _Transfer] = {}
    units = len(opcodes)
    leaders = {0, units}
    caches, forward, moves, extended = isa.CACHES, isa.FORWARD, _MOVES, isa.EXTENDED_ARG
    for at in compress(range(units), opcodes.translate(_TRANSFERS)):
        opcode = opcodes[at]
        end = at + 1 + caches[opcode]
        move = moves.get(opcode)
        leaders.add(end)
        if move is None:
            found[end] = _LEAVING[opcode]
            continue
        arg = raw[2 * at + 1]
        if at and opcodes[at - 1] == extended:
            arg = _argument(raw, opcodes, at)
        target = end + arg if opcode in forward else end - arg
        if not 0 <= target < units:
            raise _stray(raw, opcodes, (), name)
        found[end] = (*move, target)
        leaders.add(target)
        if isa.THROW_ENDS_SEND and opcode == _SEND and opcodes[end : end + 1] == _YIELD_BYTE:
            found[end + 1] = (FALLTHROUGH, EXHAUSTED, target)
            leaders.add(end + 1)
    return found, leaders


_YIELD_BYTE: Final = bytes([_YIELD])


def _argument(raw: bytes, opcodes: bytes, at: int) -> int:
    """The whole argument of the instruction whose opcode stands at ``at``."""
    arg, shift = raw[2 * at + 1], 0
    while at and opcodes[at - 1] == isa.EXTENDED_ARG:
        at -= 1
        shift += 8
        arg |= raw[2 * at + 1] << shift
    return arg


# -- code of one block ------------------------------------------------------------------------------------------------

_FIRST: Final = (0,)
_SINGLE: Final[dict[tuple[int, bool], tuple[Sequence[Numbers], Sequence[Numbers]]]] = {
    (RETURN, False): (((1,), (2,), ()), ((FALLTHROUGH,), (RETURN,), ())),
    (RETURN, True): (((1,), (2, 2), ()), ((FALLTHROUGH,), (RETURN, RAISE), ())),
    (_EXPLICIT, True): (((1,), (2,), ()), ((FALLTHROUGH,), (RAISE,), ())),
}


def _single(opcodes: bytes, leaving: int, implicit: bool) -> tuple[Sequence[Numbers], Sequence[Numbers]] | None:
    raising = leaving == _EXPLICIT or (implicit and 1 in opcodes.translate(_RAISES))
    return _SINGLE.get((leaving, raising))


# -- edges ------------------------------------------------------------------------------------------------------------


def _edges(
    opcodes: bytes,
    starts: Numbers,
    found: dict[int, _Transfer],
    handlers: Sequence[exceptions.Handler],
    covers: Numbers,
    implicit: bool,
) -> tuple[list[Numbers], list[Numbers]]:
    node_at = {start: number for number, start in enumerate(starts, 1)}
    leave = len(starts) + 1
    first_raise = opcodes.translate(_RAISES).find
    successors: list[Numbers] = [(1,)]
    kinds: list[Numbers] = [(FALLTHROUGH,)]
    ends = [*starts[1:], len(opcodes)]
    for number, end in enumerate(ends, 1):
        transfer = found.get(end)
        explicit = False
        if transfer is None:
            to, kind = [number + 1], [FALLTHROUGH]
        else:
            follows, jumps, target = transfer
            if follows >= 0:
                if follows == RETURN:
                    to, kind = [leave], [RETURN]
                else:
                    to, kind = [number + 1, node_at[target]], [follows, jumps]
            elif jumps >= 0:
                to, kind = [node_at[target]], [jumps]
            else:
                to, kind, explicit = [], [], True
        if explicit or (implicit and first_raise(1, starts[number - 1], end) >= 0):
            cover = covers[number - 1] if covers else -1
            if cover < 0:
                to.append(leave)
                kind.append(RAISE)
            else:
                to.append(node_at[handlers[cover].target])
                kind.append(EXCEPTION)
        successors.append(to)
        kinds.append(kind)
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
        index += 1 + isa.CACHES[opcode]
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
        if opcode not in _MOVES:
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
