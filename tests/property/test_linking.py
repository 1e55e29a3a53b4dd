"""Random insertions: whatever is put in, at whatever places, the program's own instructions stay what they were.

The fragments do nothing, in one to several hundred code units, so that jumps grow and need prefixes; an
instruction, its operand, where it jumps to, its position in the source and the handler around it are compared
one by one.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from types import CodeType
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from equip import Instruction, isa
from equip.code import Edit, Item, Template, Use, exceptions, instructions, link, locations
from equip.code.exceptions import Handler
from property.library import code_objects

NOTHING = Template((Item(isa.OP["NOP"], mark=1),), cold_at=1)
MUCH = Template((Item(isa.OP["NOP"], mark=1),) * 150, cold_at=150)
VERY_MUCH = Template((Item(isa.OP["NOP"], mark=1),) * 66_000, cold_at=66_000)
MARK = {1: 1}


def places(code: CodeType) -> list[int]:
    """The code units at which something can be put in: instructions of the body that no other needs beside it."""
    found = instructions(code)
    body = next(i for i, one in enumerate(found) if one.opcode == isa.RESUME) + 1
    bound = {0}
    for i, one in enumerate(found):
        if one.opcode in isa.COMPANION_JUMPS and one.target is not None:
            bound |= {one.target, *(other.offset for other in after(found, one.target, isa.LOOP_END))}
        if one.opname in {"NOT_TAKEN", "END_FOR", "END_SEND"}:
            bound.add(one.offset)
        if one.opname == "RESUME":  # the other half of a yield
            bound |= {one.offset, found[i - 1].offset}
    return [one.offset // 2 for one in found[body:] if one.offset not in bound]


def after(found: tuple[Instruction, ...], offset: int, count: int) -> Iterator[Instruction]:
    following = [one for one in found if one.offset >= offset]
    yield from following[:count]


@functools.cache
def candidates() -> list[tuple[CodeType, list[int]]]:
    return [(code, found) for code in code_objects() if (found := places(code))]


@st.composite
def edited(draw: st.DrawFn) -> tuple[CodeType, CodeType]:
    """A code object of the library before and after some edits."""
    code, found = draw(st.sampled_from(candidates()))
    chosen = draw(st.lists(st.sampled_from(found), min_size=1, max_size=8))
    templates = st.sampled_from([NOTHING, NOTHING, MUCH])
    return code, link(code, [Edit(at, Use(draw(templates), marks=MARK)) for at in chosen])


class Shown(NamedTuple):
    """An instruction without its place: jumps and handlers name the instruction (by number) that they lead to."""

    opname: str
    operand: object
    position: tuple[int | None, ...]
    handler: tuple[object, ...] | None


def shown(code: CodeType) -> list[Shown]:
    """The program's own instructions."""
    found = instructions(code)
    table = locations.decode(code.co_linetable, code.co_firstlineno)
    entries = [entry for entry in table for _ in range(entry.units)]
    own = [one for one in found if not locations.is_mark(entries[one.offset // 2])]
    numbers = {one.offset: i for i, one in enumerate(own)}
    number = len(own)
    for one in reversed(found):  # a place in an injected range leads to what comes behind it
        number = numbers.setdefault(one.offset, number)
    handlers = by_unit(exceptions.decode(code.co_exceptiontable), len(entries))

    def show(one: Instruction) -> Shown:
        operand = numbers[one.target] if one.target is not None else one.argval
        handler = handlers[one.offset // 2]
        around = (numbers[2 * handler.target], handler.depth, handler.lasti) if handler else None
        return Shown(one.opname, operand, entries[one.offset // 2][1:], around)

    return [show(one) for one in own]


def by_unit(table: list[Handler], units: int) -> list[Handler | None]:
    found: list[Handler | None] = [None] * units
    for handler in table:
        found[handler.start : handler.end] = [handler] * (handler.end - handler.start)
    return found


@given(edited())
def test_the_program_is_what_it_was(both: tuple[CodeType, CodeType]) -> None:
    before, after = both
    check(before, after)


def test_jumps_over_more_than_two_bytes_can_say() -> None:
    code, found = max(candidates(), key=lambda one: len(instructions(one[0])))
    check(code, link(code, [Edit(found[len(found) // 2], Use(VERY_MUCH, marks=MARK))]))


def check(before: CodeType, after: CodeType) -> None:
    assert shown(after) == shown(before)
    assert len(list(after.co_positions())) == len(after.co_code) // 2
    same = after.replace(
        co_code=before.co_code, co_linetable=before.co_linetable, co_exceptiontable=before.co_exceptiontable
    )
    assert same == before, "something else than the code and its tables has changed"


def test_no_edit_gives_back_the_same_object() -> None:
    for code in code_objects():
        assert link(code) is code
