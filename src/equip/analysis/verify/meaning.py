"""What each instruction does to the abstract frame.

``STEPS`` has for each opcode what it does when control goes on, ``jumps.BRANCHES`` for jumps that can go two ways.
Everything that the tables of ``isa.demands`` can say is said there (``effects``); the rest is in a module by subject.
"""

from __future__ import annotations

from typing import Final

from equip import isa
from equip.analysis.verify import calls, leaving, slots, values
from equip.analysis.verify.effects import USES_ARGUMENT, Step, effect_of, nothing, step_of
from equip.analysis.verify.jumps import BRANCHES
from equip.isa import demands

_OWN: Final = values.STEPS | slots.STEPS | calls.STEPS | leaving.STEPS
_OWN_STEPS: Final[dict[int, Step]] = {
    **{opcode: step_of(opcode) for opcode in demands.ROWS},
    **{isa.OP[name]: step for name, step in _OWN.items() if name in isa.OP},
}

_PUSH_ONE: Final = isa.ops(
    "BUILD_TUPLE CALL_INTRINSIC_1 CALL_INTRINSIC_2 CALL_KW COMPARE_OP MAKE_FUNCTION LOAD_FROM_DICT_OR_DEREF"
)
_LOADS: Final = isa.ops(
    "LOAD_FAST LOAD_FAST_CHECK LOAD_DEREF LOAD_CLASSDEREF LOAD_CLOSURE LOAD_CONST LOAD_FAST_LOAD_FAST COPY"
)
_STAY: Final = isa.ops("YIELD_VALUE RETURN_GENERATOR RESUME")
_TESTS: Final = frozenset(BRANCHES) - isa.ops("FOR_ITER")


def pushed(opcode: int, arg: int) -> int:
    """How many values of the stack behind an instruction were not there when it could still raise.

    For branches, of the stack before: what they take is taken then.
    """
    if opcode in _PUSHED:
        return _PUSHED[opcode]
    if opcode in demands.ROWS:
        return effect_of(opcode, arg).pushed
    return 0


_PUSHED: Final[dict[int, int]] = {
    **dict.fromkeys(_PUSH_ONE | _LOADS | _TESTS, 1),
    **dict.fromkeys(_STAY, 0),
    **{opcode: effect_of(opcode, 0).pushed for opcode in demands.ROWS if opcode not in USES_ARGUMENT | _STAY},
}

STEPS: Final[list[Step]] = [_OWN_STEPS.get(opcode, nothing) for opcode in range(256)]
"""By opcode; what changes nothing, or is a branch, does nothing."""
