"""What is wrong with code whose instructions, jumps or exception table are not whole: only run when something is."""

from __future__ import annotations

from collections.abc import Iterator
from types import CodeType

from equip import isa
from equip.analysis.verify.problem import Fault
from equip.code import exceptions
from equip.errors import InvalidCodeError
from equip.isa import demands


def faults(code: CodeType) -> Iterator[Fault]:
    """Each instruction that is not whole, each jump and handler that leads to none."""
    raw = code.co_code
    units = len(raw) // 2
    starts, found = _instructions(raw, units)
    yield from found
    yield from _jumps(raw, starts, units)
    try:
        handlers = exceptions.decode(code.co_exceptiontable)
    except InvalidCodeError as error:
        yield Fault("exception-table", str(error))
        return
    before = 0
    for number, handler in enumerate(handlers):
        for part, position in (("begin", handler.start), ("end", handler.end), ("handler", handler.target)):
            if position not in starts and not (part == "end" and position == units):
                yield Fault(
                    "exception-table", f"entry {number}: expected an instruction at its {part}, found {2 * position}"
                )
        if not before <= handler.start < handler.end:
            yield Fault("exception-table", f"entry {number}: expected a range behind the one before, found {handler}")
        before = handler.end


def _instructions(raw: bytes, units: int) -> tuple[set[int], list[Fault]]:
    """The code units at which instructions begin, prefixes included."""
    starts: set[int] = set()
    found: list[Fault] = []
    index, start, prefixes, last = 0, 0, 0, -1
    while index < units:
        opcode = raw[2 * index]
        if isa.OPERAND[opcode] == "?" or opcode in demands.NEVER:
            what = "a cache entry" if opcode == 0 else f"{isa.OPNAMES[opcode]} ({opcode})"
            rule = "cache" if opcode == 0 else "opcode"
            found.append(Fault(rule, f"expected an instruction of a program, found {what}", index))
        if opcode == isa.EXTENDED_ARG:
            prefixes += 1
            if prefixes == 4:
                found.append(Fault("truncated", "expected at most three prefixes, found more", index))
            index += 1
            last = opcode
            continue
        starts.add(start)
        end = index + 1 + isa.CACHES[opcode]
        if end > units or any(raw[2 * unit] for unit in range(index + 1, end)):
            found.append(Fault("cache", f"expected {isa.CACHES[opcode]} cache entries behind it", index))
            end = min(end, units)
        index = start = end
        prefixes, last = 0, opcode
    if last == isa.EXTENDED_ARG:
        found.append(Fault("truncated", "expected an instruction behind the last prefix", units - 1))
    elif last not in isa.NO_FALLTHROUGH:
        found.append(Fault("falls-off", "expected the last instruction to leave or to jump", units - 1))
    return starts, found


def _jumps(raw: bytes, starts: set[int], units: int) -> Iterator[Fault]:
    prefix = index = 0
    while index < units:
        opcode, arg = raw[2 * index], prefix | raw[2 * index + 1]
        end = index + 1 + (0 if opcode == isa.EXTENDED_ARG else isa.CACHES[opcode])
        prefix = arg << 8 if opcode == isa.EXTENDED_ARG else 0
        if opcode in isa.JUMPS:
            target = end + arg if opcode in isa.FORWARD else end - arg
            if target not in starts:
                what = "is outside the code" if not 0 <= target < units else "is inside of one"
                yield Fault(
                    "jump", f"expected an instruction at its target, found offset {2 * target}, which {what}", index
                )
        index = end
