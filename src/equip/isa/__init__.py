"""What the bytecode of the running interpreter is, as data.

Guarantees, checked when the module is loaded: the interpreter is a CPython that equip knows; every
opcode that its compiler can emit has exactly one row in ``table.ROWS``, and every row of this version
names an opcode. Anything else raises ``UnsupportedPythonError``: nothing is guessed.

Opcodes are numbers (``OP["LOAD_FAST"]``); ``index`` counts code units of two bytes.
"""

from __future__ import annotations

import opcode as _opcode
import sys
from typing import Final

from equip.errors import UnsupportedPythonError
from equip.isa import table

KNOWN_MINORS: Final = (11, 12, 13, 14, 15)


def _running_minor() -> int:
    name, version = sys.implementation.name, sys.version_info
    if name != "cpython" or version[0] != 3 or version[1] not in KNOWN_MINORS:
        raise UnsupportedPythonError(
            f"equip does not know the bytecode of {name} {version[0]}.{version[1]}; it runs on CPython "
            f"3.{KNOWN_MINORS[0]} to 3.{KNOWN_MINORS[-1]}: use one of these, or a newer equip"
        )
    return version[1]


def _rows_of(minor: int) -> dict[str, str]:
    operands: dict[str, str] = {}
    for row in table.ROWS.split("\n"):
        if not row:
            continue
        name, operand, minors = row.split()
        first, _, last = minors.partition("-")
        if int(first) <= minor <= int(last or first):
            if name in operands:
                raise UnsupportedPythonError(f"isa table: two rows for {name} on 3.{minor}: a bug of equip")
            operands[name] = operand
    return operands


def check_complete(operands: dict[str, str], opmap: dict[str, int], specialized: set[str], minor: int) -> None:
    """Raise ``UnsupportedPythonError`` unless rows and opcodes name each other one to one.

    Pseudo-opcodes (above 255), instrumented and specialised ones never stand in a code object's
    ``co_code`` and have no row.
    """
    emitted = {
        name
        for name, number in opmap.items()
        if number < 256 and not name.startswith("INSTRUMENTED_") and name not in specialized
    }
    missing, surplus = emitted - operands.keys(), operands.keys() - emitted - {"CACHE", "RESERVED"}
    if missing or surplus:
        raise UnsupportedPythonError(
            f"this interpreter calls itself 3.{minor}, but its instruction set is not the one that equip knows "
            f"(without a row: {sorted(missing)}; without an opcode: {sorted(surplus)}): use a released version"
        )


MINOR: Final = _running_minor()
RELEASE: Final = ".".join(map(str, sys.version_info[:3]))
"""The interpreter, as reports name it."""
_OPERANDS: Final = _rows_of(MINOR)
_SPECIALIZED: Final = set(
    getattr(_opcode, "_specialized_opmap", ()) or getattr(_opcode, "_specialized_instructions", ())
)
check_complete(_OPERANDS, _opcode.opmap, _SPECIALIZED, MINOR)

OP: Final[dict[str, int]] = {name: _opcode.opmap[name] for name in _OPERANDS if name in _opcode.opmap}
"""Opcode by name, for this interpreter."""

OPNAMES: Final[tuple[str, ...]] = tuple(
    {number: name for name, number in OP.items()}.get(number, f"<{number}>") for number in range(256)
)
OPERAND: Final[tuple[str, ...]] = tuple(_OPERANDS.get(OPNAMES[number], "?") for number in range(256))
"""Kind of operand by opcode (see ``table``); ``?`` for numbers that are no opcode."""


def _cache_units() -> tuple[int, ...]:
    raw = _opcode._inline_cache_entries  # type: ignore[attr-defined]  # list until 3.12, mapping from 3.13
    if isinstance(raw, list):
        return tuple(raw[:256])
    return tuple(int(raw.get(name, 0)) for name in OPNAMES)


CACHES: Final = _cache_units()
"""Inline cache entries, in code units, that follow an opcode."""


def ops(names: str) -> frozenset[int]:
    """The opcodes among ``names`` (space separated) that this interpreter has."""
    return frozenset(OP[name] for name in names.split() if name in OP)


def kind(*operands: str) -> frozenset[int]:
    """The opcodes with one of these kinds of operand."""
    return frozenset(number for number in range(256) if OPERAND[number] in operands)


class Scan:
    """Finds any of some opcodes in ``co_code[::2]``. A translation and a search for one byte: no pattern is as fast."""

    __slots__ = ("_flags",)

    def __init__(self, numbers: frozenset[int]) -> None:
        self._flags = bytes(number in numbers for number in range(256))

    def occurs(self, opcodes: bytes) -> bool:
        """Whether there is one."""
        return 1 in opcodes.translate(self._flags)

    def first(self, opcodes: bytes) -> int:
        """The index of the first one, -1 where there is none."""
        return opcodes.translate(self._flags).find(1)

    def positions(self, opcodes: bytes) -> list[int]:
        """The indices of all of them, in order."""
        find = opcodes.translate(self._flags).find
        found: list[int] = []
        at = find(1)
        while at >= 0:
            found.append(at)
            at = find(1, at + 1)
        return found


EXTENDED_ARG: Final = OP["EXTENDED_ARG"]
RESUME: Final = OP["RESUME"]
RESUME_UNITS: Final = 1 + CACHES[RESUME]
"""The code units of a RESUME with its caches."""
FORWARD: Final = kind("fwd")
BACKWARD: Final = kind("back")
JUMPS: Final = FORWARD | BACKWARD
UNCONDITIONAL: Final = ops(table.UNCONDITIONAL)
LEAVING: Final = ops(table.LEAVING)
RETURNS: Final = ops(table.RETURNS)
RETURN_CONST: Final = OP.get("RETURN_CONST", -1)
NO_FALLTHROUGH: Final = UNCONDITIONAL | LEAVING
COMPANION_JUMPS: Final = ops("FOR_ITER SEND END_ASYNC_FOR") & JUMPS if MINOR >= 12 else frozenset()
"""Jumps whose argument names a fixed companion instruction, not a place to go on: nothing may be put between."""

FLIPPED: Final[dict[int, int]] = {
    OP[a]: OP[b]
    for forward, backward in table.BACKWARD_TWINS.items()
    if forward in OP and backward in OP
    for a, b in ((forward, backward), (backward, forward))
} | {OP["JUMP_BACKWARD_NO_INTERRUPT"]: OP["JUMP_FORWARD"]}
"""The instruction that jumps the other way on the same condition."""

PAIRS: Final[dict[int, tuple[int, int]]] = {
    OP[name]: (OP[first], OP[second]) for name, (first, second) in table.PAIRS.items() if name in OP
}
NAME_SHIFT: Final[dict[int, int]] = {n: int(OPERAND[n][4:]) for n in range(256) if OPERAND[n].startswith("name")}
CONST_OPS: Final = kind("const")
SLOT_OPS: Final = kind("slot")

# -- behaviours -----------------------------------------------------------------------------------

UNCHECKED_LOCALS: Final = "LOAD_FAST_CHECK" in OP
"""LOAD_FAST does not look whether the local is bound; LOAD_FAST_CHECK does."""

CLOSURES_BY_LOAD_FAST: Final = "LOAD_CLOSURE" not in OP
"""Cells are put in closures by LOAD_FAST: only the kind of the slot tells."""

BORROWS: Final = "LOAD_FAST_BORROW" in OP
"""LOAD_FAST_BORROW pushes a reference that lives only as long as the local keeps it."""

UNCHECKED_BORROWS: Final[dict[int, int]] = {
    OP[borrow]: OP[plain]
    for borrow, plain in (
        ("LOAD_FAST_BORROW", "LOAD_FAST"),
        ("LOAD_FAST_BORROW_LOAD_FAST_BORROW", "LOAD_FAST_LOAD_FAST"),
    )
    if borrow in OP
}
"""Loads that borrow, and the same loads that own."""

SMALL_INTS: Final = range(256) if "LOAD_SMALL_INT" in OP else range(0)
"""Integers that LOAD_SMALL_INT carries in its argument."""

STOP_ITERATION_HANDLER: Final = "CALL_INTRINSIC_1" in OP
"""Generators end with a handler of the compiler's own that turns StopIteration into RuntimeError."""

RESUME_NO_HANDLER: Final = {13: 4, 14: 4, 15: 8}.get(MINOR, 0)
"""The bit of RESUME's argument that lets ``close()`` skip unwinding, since no handler of the code is active."""

YIELD_COUNTS_HANDLERS: Final = MINOR == 12
"""YIELD_VALUE's argument is the number of handlers around it; ``close()`` skips unwinding when it is 1."""

LINE_EVENTS_AT_CANDIDATES: Final = MINOR >= 12
"""Line events fire at line starts and jump targets, not wherever the line number changes."""

LINES_IN_ONE_SPAN: Final = MINOR >= 12
"""Whether ``co_lines`` gives neighbours on the same line as one."""

THROW_RESUMES: Final = MINOR >= 13
"""An exception thrown into a suspended frame counts as raised by its RESUME."""

PUSHES_FRAMES: Final = (
    ops("CALL CALL_KW CALL_FUNCTION_EX BINARY_OP BINARY_SUBSCR LOAD_ATTR LOAD_SUPER_ATTR FOR_ITER SEND")
    if MINOR >= 13
    else frozenset()
)
"""Instructions that can run a Python function in the same interpreter loop, when an exception that comes out of it
is looked up in the exception table at the code unit *before* the instruction. The compiler never lets a range begin
at one of these; nothing that is put in may either."""

FOR_ITER_SKIPS: Final = {11: 0, 12: 1, 13: 2}.get(MINOR, 1)
"""Instructions at its target that an exhausted FOR_ITER does not execute."""

LOOP_END: Final = 0 if MINOR == 11 else 1 if MINOR == 12 else 2
"""Instructions (END_FOR and its companion) between the target of an exhausted FOR_ITER and the code behind the loop."""

DOCSTRING_FLAG: Final = 0x4000000 if MINOR >= 14 else 0
"""The flag that says that ``co_consts[0]`` is a docstring; 0 where the first constant always is one or None."""


THROW_ENDS_SEND: Final = MINOR == 11
"""``throw()`` into a generator that waits for another one, which then returns, goes on at the target of its SEND as if
YIELD_VALUE had jumped there; what the other one raises is raised by the instruction before that target. Newer
versions have CLEANUP_THROW for it."""

QUIET: Final = (
    ops(table.QUIET)
    - ops("JUMP_BACKWARD_NO_INTERRUPT" if THROW_ENDS_SEND else "")
    | ops(table.QUIET_UNCHECKED if UNCHECKED_LOCALS else "")
    | ops(table.QUIET_ON_BOOL if "TO_BOOL" in OP else "")
)
"""Instructions that never raise. RESUME and JUMP_BACKWARD are none: there the interpreter runs signal handlers and
raises what another thread has asked for. YIELD_VALUE and RETURN_GENERATOR raise what is thrown into the frame."""

TRUE_JUMPS: Final = frozenset(OP[name] for name, when in table.CONDITIONS.items() if when and name in OP)
FALSE_JUMPS: Final = frozenset(OP[name] for name, when in table.CONDITIONS.items() if not when and name in OP)
"""Branches that jump when the value tested is true, or false; for tests of None, when it is None, or is not."""

EXHAUSTIBLE: Final = ops(table.EXHAUSTIBLE)
"""Jumps that are taken when an iterator (of a loop, or awaited) is exhausted."""

INTERNAL: Final = ops("CACHE RESERVED ENTER_EXECUTOR TRACE_RECORD")
"""Opcodes that never stand in a code object as an instruction."""

if UNCONDITIONAL | TRUE_JUMPS | FALSE_JUMPS | EXHAUSTIBLE | (COMPANION_JUMPS & ops("END_ASYNC_FOR")) != JUMPS:
    raise UnsupportedPythonError("isa table: a jump of which it is not known when it is taken: a bug of equip")


def _common_constants() -> dict[object, int]:
    if "LOAD_COMMON_CONSTANT" not in OP:
        return {}
    import dis

    found: dict[object, int] = {}
    for number, value in enumerate(dis._common_constants):  # type: ignore[attr-defined]
        if value is None or isinstance(value, (bool, str, int)):
            found[type(value), value] = number
    return found


def _described(name: str) -> tuple[str, ...]:
    """What the interpreter calls the values of an argument; empty where it has no such list."""
    return tuple(one if isinstance(one, str) else one[1] for one in getattr(_opcode, name, ()))


BINARY_OPERATORS: Final = _described("_nb_ops")
"""By argument of BINARY_OP: its symbol (``+``, ``+=``, and from 3.14 on ``[]``)."""

INTRINSICS: Final = _described("_intrinsic_1_descs")
"""By argument of CALL_INTRINSIC_1: its name."""

COMPARE_SHIFT: Final = 0 if MINOR == 11 else 4 if MINOR == 12 else 5
"""COMPARE_OP's argument is the operator's number above so many bits of hints."""

CALL_EX_TAKES_NULL: Final = MINOR >= 14
"""CALL_FUNCTION_EX always takes keyword arguments, NULL when there are none; before, a flag says so."""

NULL_FIRST: Final = MINOR < 13
"""The NULL of a call stands below what is called, not above it."""

COMPARISONS: Final = tuple(_opcode.cmp_op)
"""Comparison operators by number."""


def _common_values() -> tuple[object, ...]:
    if "LOAD_COMMON_CONSTANT" not in OP:
        return ()
    import dis

    return tuple(dis._common_constants)  # type: ignore[attr-defined]


COMMON_CONSTANTS: Final = _common_constants()
"""``(type, value)`` to the argument of LOAD_COMMON_CONSTANT, for the constants of code that it can load."""

COMMON_VALUES: Final = _common_values()
"""What LOAD_COMMON_CONSTANT loads, by argument."""
