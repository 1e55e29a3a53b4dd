"""Templates made from compiled snippets: with other exits, as handlers, inside handlers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from equip import isa
from equip.code.fragment import Const, Item, Label, Name, Protected, Slot, Template, wrapped
from equip.inject.substitute import EXCEPTION

_OP = isa.OP
_LOAD_CONST = _OP["LOAD_CONST"]
_SUSPENDING = isa.ops("RESUME YIELD_VALUE")


class Keeping(NamedTuple):
    """How a handler has its exception in a variable: what takes it from the stack, and what clears up at the end."""

    store: Item
    forget: tuple[Item, ...]


def kept_in_frame(is_cell: bool) -> Keeping:
    """In the variable ``EXCEPTION`` of the frame."""
    store = Item(_OP["STORE_DEREF" if is_cell else "STORE_FAST"], Slot(EXCEPTION))
    return Keeping(store, (Item(_LOAD_CONST, Const(None)), store))


def kept_in_namespace() -> Keeping:
    """In the namespace of a module or class body, by the name ``EXCEPTION``, as ``except ... as`` does."""
    name = Name(EXCEPTION, 0)
    store = Item(_OP["STORE_NAME"], name)
    return Keeping(store, (Item(_LOAD_CONST, Const(None)), store, Item(_OP["DELETE_NAME"], name)))


def handler(body: Template, keeping: Keeping | None) -> tuple[Template, int]:
    """A handler that runs ``body`` and raises the exception again; and the item that does so.

    On the stack, upwards: the raising offset, the exception handled before, the exception. The offset makes the
    frame look as if it were still at the program's own line when the handler is left. ``keeping``: the exception
    is in a variable meanwhile.
    """
    forget = keeping.forget if keeping else ()
    drop = [Item(_OP["SWAP"], 2), Item(_OP["POP_TOP"])]
    leave = [*drop, Item(_OP["SWAP"], 2), Item(_OP["POP_EXCEPT"]), *drop]
    body = with_exits(body, [*forget, *leave])
    front = [Item(_OP["PUSH_EXC_INFO"])]
    if keeping:
        front += [Item(_OP["COPY"], 1), keeping.store]
    again = [*forget, Item(_OP["SWAP"], 2), Item(_OP["POP_EXCEPT"]), Item(_OP["RERAISE"], 1)]
    back = again if body.falls_through else []
    inside = wrapped(front, body, back)
    cleanup = [*forget, Item(_OP["COPY"], 3), Item(_OP["POP_EXCEPT"]), Item(_OP["RERAISE"], 1)]
    first_cleanup = len(inside.items)
    first, behind = len(front), len(front) + body.cold_at
    own = [Protected(first, behind, first_cleanup, 2, True)]
    if len(inside.items) > inside.cold_at:
        own.append(Protected(inside.cold_at, len(inside.items), first_cleanup, 2, True))
    deeper = [protected._replace(depth=protected.depth + 3) for protected in inside.protected]
    template = Template(
        (*inside.items, *cleanup), inside.cold_at, (*own, *deeper), max(body.stack + 3, 5)
    )
    return template, inside.cold_at - 1


def needing(template: Template, stack: int) -> Template:
    """The template with a stack need of at least ``stack``."""
    if template.stack >= stack:
        return template
    return Template(template.items, template.cold_at, template.protected, stack)


def with_exits(template: Template, before: Sequence[Item]) -> Template:
    """``template`` with ``before`` in front of every return of its own; the value stays on top of the stack."""
    if not before or not template.opcodes & isa.RETURNS:
        return template
    items: list[Item] = []
    new_index: list[int] = []
    for item in template.items:
        new_index.append(len(items))
        if item.opcode in isa.RETURNS:
            if item.opcode == isa.RETURN_CONST:
                items.append(Item(_LOAD_CONST, item.operand, item.mark))
            items += [extra._replace(mark=item.mark) for extra in before]
            item = Item(_OP["RETURN_VALUE"], 0, item.mark)
        items.append(item)
    new_index.append(len(items))
    items = [
        item._replace(operand=Label(new_index[item.operand.item]))
        if isinstance(item.operand, Label) and item.operand.item >= 0
        else item
        for item in items
    ]
    protected = tuple(
        Protected(new_index[start], new_index[end], new_index[goal], depth, lasti)
        for start, end, goal, depth, lasti in template.protected
    )
    return Template(tuple(items), new_index[template.cold_at], protected, template.stack + 1)


def handled_argument(opcode: int, arg: int) -> int | None:
    """The argument of a RESUME or YIELD_VALUE that says that a handler is active; None for others."""
    if opcode == isa.RESUME and isa.RESUME_NO_HANDLER and arg & isa.RESUME_NO_HANDLER:
        return arg & ~isa.RESUME_NO_HANDLER
    if isa.YIELD_COUNTS_HANDLERS and opcode == _OP["YIELD_VALUE"] and arg == 1:
        return 2
    return None


def handled_suspensions(template: Template) -> Template:
    """The template with its suspensions inside a handler of the target's."""
    if not template.opcodes & _SUSPENDING:
        return template
    items = []
    for item in template.items:
        changed = handled_argument(item.opcode, item.operand) if isinstance(item.operand, int) else None
        items.append(item if changed is None else item._replace(operand=changed))
    return Template(tuple(items), template.cold_at, template.protected, template.stack)
