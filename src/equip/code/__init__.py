"""One code object: its instructions and tables, fragments, and the linker that puts them in."""

from __future__ import annotations

from equip.code.edit import FALLTHROUGH, INHERIT, Edit, Guard, Ways
from equip.code.fragment import (
    END,
    Const,
    Hole,
    Item,
    Label,
    Name,
    Pair,
    Protected,
    Slot,
    Template,
    Use,
)
from equip.code.instruction import Instruction, instructions
from equip.code.linker import link
from equip.code.pools import Pools
from equip.code.provenance import Injected, provenance

__all__ = [
    "END",
    "FALLTHROUGH",
    "INHERIT",
    "Const",
    "Edit",
    "Guard",
    "Hole",
    "Injected",
    "Instruction",
    "Item",
    "Label",
    "Name",
    "Pair",
    "Pools",
    "Protected",
    "Slot",
    "Template",
    "Use",
    "Ways",
    "instructions",
    "link",
    "provenance",
]
