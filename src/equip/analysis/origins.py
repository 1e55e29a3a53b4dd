"""Where the value of a local comes from, copies looked through: constants that are read, and copies of one value.

On the values of the stack and on reaching definitions: a store whose value a load of a local pushed is a copy, and what
is behind it is what had reached that load. Only locals: cells and names can be bound by other code.
"""

from __future__ import annotations

from equip.analysis.controlflow import ControlFlow
from equip.analysis.literals import loaded_constant
from equip.analysis.reaching import ENTRY, Definition, ReachingDefinitions
from equip.analysis.stackvalues import StackValues
from equip.analysis.variables import VariableKind
from equip.code.instruction import Instruction


class Origins:
    """Origins of the values that a code object, a function, a declaration or its ``ControlFlow`` reads."""

    def __init__(self, code: object) -> None:
        self.flow = code if isinstance(code, ControlFlow) else ControlFlow(code)
        self._reaching = ReachingDefinitions(self.flow)
        self._stacks = StackValues(self.flow)
        self._instructions = {one.offset: one for one in self.flow.instructions}

    def of(self, offset: int) -> frozenset[int] | None:
        """The instructions whose value the load of a local at an offset (bytes) can push.

        ``ENTRY`` stands for the argument. None where it is not known: for other instructions, for loads of two locals,
        and where a value could have come from a place of which the bytecode says nothing.
        """
        found: set[int] = set()
        seen: set[Definition] = set()
        pending = self._definitions(offset)
        if not pending:
            return None
        while pending:
            one = pending.pop()
            if one in seen:
                continue
            seen.add(one)
            if one.offset == ENTRY:
                found.add(ENTRY)
                continue
            stored = self._stored(self._instructions[one.offset])
            if not stored:
                return None
            for source in stored:
                behind = self._definitions(source)
                if behind:
                    pending += behind
                else:
                    found.add(source)
        return frozenset(found)

    def find_constant(self, offset: int) -> tuple[object] | None:
        """The constant that the instruction at an offset (bytes) pushes whenever it runs, in a tuple; None: none.

        Constants are the same when their types are, too: 1 is not True.
        """
        direct = loaded_constant(self._instructions[offset])
        if direct is not None:
            return direct
        found = [self._instructions[one] for one in self.of(offset) or () if one >= 0]
        loaded = [loaded_constant(one) for one in found]
        if not loaded or len(found) != len(self.of(offset) or ()) or loaded[0] is None:
            return None
        same = all(one is not None and _same(one[0], loaded[0][0]) for one in loaded)
        return loaded[0] if same else None

    def _definitions(self, offset: int) -> list[Definition]:
        """What reaches the load of one local; nothing for other instructions."""
        found = self._reaching.definitions_of(offset)
        variables = {one.variable for one in found}
        is_local = len(variables) == 1 and next(iter(variables)).kind is VariableKind.LOCAL
        loads = self._instructions[offset].opname.startswith("LOAD_FAST") if offset in self._instructions else False
        return [*found] if is_local and loads and isinstance(self._instructions[offset].argval, str) else []

    def _stored(self, store: Instruction) -> frozenset[int]:
        """What pushed the value that a store binds; nothing where that is not known."""
        if store.opname != "STORE_FAST":
            return frozenset()
        stack = self._stacks.find_before(store.offset)
        sources = frozenset(one >> 16 for one in stack[-1]) if stack else frozenset()
        return frozenset() if any(one < 0 for one in sources) else sources


def _same(one: object, other: object) -> bool:
    return type(one) is type(other) and repr(one) == repr(other)
