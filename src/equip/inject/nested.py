"""Functions, classes and comprehensions of a snippet, as if they had been written in the target."""

from __future__ import annotations

from types import CodeType
from typing import cast

from equip.code.fragment import Const, Item, Template
from equip.code.locations import Location, encode
from equip.inject.target import Target
from equip.inject.wrapper import TARGET_QUALNAME, WRAPPER_QUALNAME


def at_home(template: Template, target: Target, line: int) -> Template:
    """``template`` with its nested code named after ``target``, in its file, on ``line``."""
    items = tuple(
        item._replace(operand=Const(_relocated(cast("Const", item.operand).value, target, line)))
        if _holds_code(item)
        else item
        for item in template.items
    )
    return Template(items, template.cold_at, template.protected, template.stack)


def _relocated(value: object, target: Target, line: int) -> CodeType:
    """A nested code object of a snippet as if it had been written in the target."""
    assert isinstance(value, CodeType)
    consts = tuple(
        _relocated(constant, target, line)
        if isinstance(constant, CodeType)
        else _qualname(constant, target)
        if isinstance(constant, str) and constant.startswith(WRAPPER_QUALNAME)
        else constant
        for constant in value.co_consts
    )
    return value.replace(
        co_qualname=_qualname(value.co_qualname, target),
        co_filename=target.code.co_filename,
        co_firstlineno=line,
        co_linetable=_flat_lines(value),
        co_consts=consts,
    )


def _qualname(name: str, target: Target) -> str:
    """The qualified name of something nested in a snippet, given the one that it has in the wrapper."""
    _, found, own = name.partition(TARGET_QUALNAME)
    if found:
        return f"{target.code.co_qualname}.<locals>.{own}" if target.is_function else own
    if target.is_module or target.is_function:
        return name
    own = name.partition("<locals>.")[2].partition(".")[2]
    return f"{target.code.co_qualname}.{own}"


def _flat_lines(code: CodeType) -> bytes:
    """A location table that gives every code unit the code object's first line, without columns."""
    units = len(code.co_code) // 2
    return encode((Location(min(8, units - at), 1, 1, None, None) for at in range(0, units, 8)), 1)


def _holds_code(item: Item) -> bool:
    return isinstance(item.operand, Const) and isinstance(item.operand.value, CodeType)
