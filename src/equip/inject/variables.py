"""What the variables that snippets bring along change in the original code.

New locals move the slots of cells and free variables; a local that a snippet captures becomes a cell; a local
that a snippet assigns in the middle of an expression must not be borrowed by that expression.
"""

from __future__ import annotations

from collections.abc import Collection
from types import CodeType

from equip import isa
from equip.analysis.regions import accesses
from equip.code.edit import Edit
from equip.code.fragment import Item, Slot, Template, Use
from equip.code.instruction import Instruction, instructions, slot_names, with_prefixes
from equip.code.pools import Pools

Rewritten = dict[int, tuple[int, int]]
"""By code unit of an opcode: the opcode and argument that take its place."""

_MAKE_CELL = isa.OP["MAKE_CELL"]
_CELL_TWINS: dict[int, int] = {
    isa.OP[plain]: isa.OP[cell]
    for plain, cell in (
        ("LOAD_FAST", "LOAD_DEREF"),
        ("LOAD_FAST_CHECK", "LOAD_DEREF"),
        ("LOAD_FAST_BORROW", "LOAD_DEREF"),
        ("STORE_FAST", "STORE_DEREF"),
        ("DELETE_FAST", "DELETE_DEREF"),
    )
    if plain in isa.OP
}
_CHECKING: dict[int, int] = {
    isa.OP[plain]: isa.OP["LOAD_FAST_CHECK"]
    for plain in ("LOAD_FAST", "LOAD_FAST_BORROW")
    if plain in isa.OP and isa.UNCHECKED_LOCALS
}
_SLOTTED = isa.Scan(isa.SLOT_OPS | isa.kind("pair"))
_BORROWING = isa.Scan(frozenset(isa.UNCHECKED_BORROWS))


def changed_variables(
    code: CodeType,
    pools: Pools,
    converted: Collection[str],
    rewritten: Rewritten,
    checked: Collection[str] = (),
) -> list[Edit]:
    """Adjust the instructions of ``code`` to the variables in ``pools``.

    ``converted`` are locals that become cells, ``checked`` those of which each load has to look whether they are
    bound. Adds to ``rewritten`` (and respects what is there); returns edits for super-instructions that must be two.
    """
    moved = pools.moved_slots()
    edits: list[Edit] = []
    if moved is None and not converted and not checked:
        return edits
    named = accesses(code) if converted or checked else {}
    raw = code.co_code
    for index in _SLOTTED.positions(raw[::2]):
        start, arg = with_prefixes(raw, index)
        opcode, arg = rewritten.get(index, (raw[2 * index], arg))
        twins = [
            _CELL_TWINS if use.name in converted and not use.borrowed else _CHECKING if use.name in checked else {}
            for use in named.get(2 * start, ())
        ]
        if opcode in isa.PAIRS:
            edit = _pair(opcode, arg, twins, moved, index, rewritten)
            if edit is not None:
                edits.append(edit)
            continue
        new = moved[arg] if moved is not None else arg
        if twins:
            opcode = twins[0].get(opcode, opcode)
        if (opcode, new) != (raw[2 * index], arg):
            rewritten[index] = (opcode, new)
    return edits


def _pair(
    opcode: int,
    arg: int,
    twins: list[dict[int, int]],
    moved: list[int] | None,
    index: int,
    rewritten: Rewritten,
) -> Edit | None:
    """A super-instruction with its slots moved, or the edit that puts two instructions in its place."""
    old = arg >> 4, arg & 15
    new = tuple(moved[slot] if moved is not None else slot for slot in old)
    singles = isa.PAIRS[opcode]
    changed = tuple(twin.get(single, single) for single, twin in zip(singles, twins, strict=True)) if twins else singles
    if max(new) < 16 and changed == singles:
        if new != old:
            rewritten[index] = (opcode, new[0] << 4 | new[1])
        return None
    items = tuple(Item(single, slot) for single, slot in zip(changed, new, strict=True))
    rewritten.pop(index, None)
    return Edit(index, Use(Template(items, len(items))), removed=1)


def cell_prologue(code: CodeType, names: Collection[str]) -> list[Edit]:
    """MAKE_CELL for each of these variables, where the compiler puts them."""
    if not names:
        return []
    raw = code.co_code
    at = first = 0
    while raw[2 * first] == isa.EXTENDED_ARG:
        first += 1
    if raw[2 * first] == isa.OP["COPY_FREE_VARS"]:
        at = first + 1
    items = tuple(Item(_MAKE_CELL, Slot(name)) for name in sorted(names))
    return [Edit(at, Use(Template(items, len(items))), covered=None)]


# -- borrowed references ---------------------------------------------------------------------------------------


def own_loads(code: CodeType, names: Collection[str], rewritten: Rewritten) -> None:
    """Turn every borrowing load of one of these locals into one that owns its reference."""
    if not isa.BORROWS or not names:
        return
    slots = slot_names(code)
    raw = code.co_code
    for index in _BORROWING.positions(raw[::2]):
        opcode, (_, arg) = raw[2 * index], with_prefixes(raw, index)
        used = {slots[arg >> 4], slots[arg & 15]} if opcode in isa.PAIRS else {slots[arg]}
        if not used.isdisjoint(names):
            rewritten[index] = (isa.UNCHECKED_BORROWS[opcode], arg)


_OWNED = (
    "LOAD_CONST LOAD_GLOBAL LOAD_ATTR LOAD_DEREF LOAD_SMALL LOAD_COMMON LOAD_NAME CALL BINARY_ COMPARE_ CONTAINS_ "
    "IS_OP BUILD_ UNARY_ FORMAT_ YIELD"
)
_PRODUCES_OWNED = isa.ops(
    "LOAD_FAST LOAD_FAST_CHECK RESUME END_SEND STORE_FAST_LOAD_FAST LOAD_FAST_LOAD_FAST"
) | frozenset(number for name, number in isa.OP.items() if name.startswith(tuple(_OWNED.split())))
_KEEPS_STACK = isa.ops("NOP NOT_TAKEN RESUME")


def own_returned_values(code: CodeType, returns: Collection[int], rewritten: Rewritten) -> None:
    """Make sure that no value returned at one of these offsets is a borrowed reference.

    The load is found by walking back over what only rearranges the stack; where that does not lead to it
    (the value comes from more than one place) every borrowing load becomes an owning one.
    """
    if not isa.BORROWS or not _BORROWING.occurs(code.co_code[::2]):
        return
    found = instructions(code)
    positions = {instruction.offset: i for i, instruction in enumerate(found)}
    targets = {instruction.target for instruction in found if instruction.target is not None}
    for offset in returns:
        producer = _producer(found, positions[offset], targets)
        if producer is None:
            own_loads(code, code.co_varnames, rewritten)
            return
        if producer.opcode in isa.UNCHECKED_BORROWS and producer.oparg is not None:
            unit = producer.end // 2 - 1
            rewritten[unit] = (isa.UNCHECKED_BORROWS[producer.opcode], producer.oparg)


def _producer(found: tuple[Instruction, ...], position: int, targets: Collection[int]) -> Instruction | None:
    """The instruction that pushed what is on top of the stack before ``found[position]``, or None."""
    depth = 1  # which element from the top
    while position > 0:
        if found[position].offset in targets:
            return None
        position -= 1
        instruction = found[position]
        opcode, name = instruction.opcode, instruction.opname
        if opcode in isa.NO_FALLTHROUGH:
            return None
        if name == "SWAP":
            if depth == 1:
                depth = instruction.oparg or 1
            elif depth == instruction.oparg:
                depth = 1
        elif name == "POP_TOP":
            depth += 1
        elif opcode in _KEEPS_STACK:
            continue
        elif opcode in isa.UNCHECKED_BORROWS or opcode in _PRODUCES_OWNED:
            pushed = 2 if name in ("LOAD_FAST_LOAD_FAST", "LOAD_FAST_BORROW_LOAD_FAST_BORROW") else 1
            if depth <= pushed:
                return instruction
            return None
        else:
            return None
    return None

