"""The verifier: proof that a code object cannot break the interpreter.

CPython has none; it runs what it is given. ``check`` decodes the code, looks at what can be seen without running it
(``structure``), then runs it on abstract values along the control flow graph, exceptions included (``interpret``,
``frame``, ``meaning``, ``kinds``; what instructions take and give is data, in ``isa.demands``). The invariants, by the
names of their rules:

``opcode``          every instruction is one that this version's compiler can emit
``truncated``       no prefix without its instruction, nor more than three
``cache``           every instruction has its inline cache entries, which are zero in ``co_code``
``jump``            jumps lead to the first prefix of an instruction
``falls-off``       the last instruction leaves or jumps
``argument``        arguments are in range: of the constants, names and variables, of the interpreter's own tables
``sizes``           parameters, locals and their names fit
``flags``           at most one kind of generator; a namespace where one is needed
``locations``       the location table decodes and covers exactly the code
``exception-table`` entries decode, are sorted and disjoint, begin, end and lead to instructions
``prologue``        COPY_FREE_VARS, MAKE_CELL, RETURN_GENERATOR, POP_TOP, RESUME: whole, in order, never jumped into
``generator``       RETURN_GENERATOR exactly in generators, once, before any YIELD_VALUE and return
``companion``       FOR_ITER, SEND, YIELD_VALUE and RESUME stand with what the interpreter expects beside them
``call-names``      names of keyword arguments are a tuple of strings, not more than arguments, right before the call
``underflow``       no instruction takes, or reaches below, what is not on the stack
``overflow``        the stack never holds more than ``co_stacksize`` values
``merge``           all ways to an instruction have the same depth
``kind``            values are of the kinds that the interpreter assumes without looking: NULL or object, iterator,
                    exception, offset, handled exception, list, set, dict, tuple, str, bool, code, function
``handler``         an exception never finds fewer values on the stack than its handler keeps
``left-over``       the stack is empty at a return: no iterator, no handled exception is left
``unbound``         an unchecked load never finds a variable unbound (3.12 on)
``borrow``          no borrowed reference to a variable is on the stack while that changes, none is stored (3.14 on)
``cell``            instructions on cells find a cell
``closure``         functions get as many cells as their code has free variables
``damaged``         whatever else cannot be decoded

The interpretation of a code object ends with the first of its problems. Specialised and instrumented forms of
instructions are invisible: ``co_code`` shows the plain ones, and so does what is written to files.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from types import CodeType
from typing import Final

from equip import isa
from equip.analysis.verify import damage, kinds, structure
from equip.analysis.verify.decoded import Decoded
from equip.analysis.verify.interpret import Interpretation, Trace
from equip.analysis.verify.problem import Fault, Problem
from equip.code.holder import code_of
from equip.code.lines import lines_by_unit
from equip.errors import InvalidCodeError, VerificationError

__all__ = ["Problem", "check", "verify", "verify_changed"]

_AROUND = 6
"""Instructions shown before the place."""
_SHOWN = 5
"""Problems shown in the message of an error."""


def check(code: object) -> tuple[Problem, ...]:
    """What is wrong with a code object (or that of a function or declaration), and those among its constants; empty
    when nothing is. Raises ``TypeError`` for what has no code."""
    outer = code_of(code, "check is")
    found: list[CodeType] = []
    pending, seen = [outer], {id(outer)}
    while pending:
        one = pending.pop()
        found.append(one)
        for constant in one.co_consts:
            if isinstance(constant, CodeType) and id(constant) not in seen:
                seen.add(id(constant))
                pending.append(constant)
    return _problems_in(found)


def verify(code: object) -> None:
    """Raise ``VerificationError`` unless ``check`` finds nothing, ``TypeError`` for what has no code."""
    problems = check(code_of(code, "verify is"))
    if problems:
        raise VerificationError(problems, _report(problems))


def verify_changed(code: CodeType, plain: CodeType) -> None:
    """Raise ``VerificationError`` unless ``check`` finds nothing in those code objects of ``code`` that are not
    as they were in ``plain``, from which it was made."""
    problems = _problems_in(_changed(code, plain))
    if problems:
        raise VerificationError(problems, _report(problems))


def _changed(code: CodeType, plain: CodeType) -> list[CodeType]:
    """The code objects of ``code``, each once, that differ from those at their place in ``plain``."""
    found: list[CodeType] = []
    seen: set[int] = set()
    pending: list[tuple[CodeType, CodeType | None]] = [(code, plain)]
    while pending:
        one, before = pending.pop()
        if one is before or id(one) in seen:
            continue
        seen.add(id(one))
        if before is None or not _is_alike(one, before):
            found.append(one)
        known = before.co_consts if before is not None else ()
        for index, constant in enumerate(one.co_consts):
            if isinstance(constant, CodeType):
                old = known[index] if index < len(known) else None
                pending.append((constant, old if isinstance(old, CodeType) else None))
    return found


def _is_alike(one: CodeType, other: CodeType) -> bool:
    """Whether two code objects are the same but for code among their constants that is called in the same way."""
    if _shape_of(one) != _shape_of(other) or len(one.co_consts) != len(other.co_consts):
        return False
    return all(
        a is b or (isinstance(a, CodeType) and isinstance(b, CodeType) and _outside(a) == _outside(b))
        for a, b in zip(one.co_consts, other.co_consts, strict=True)
    )


_shape_of: Final = attrgetter(
    "co_code",
    "co_exceptiontable",
    "co_linetable",
    "co_stacksize",
    "co_flags",
    "co_names",
    "co_varnames",
    "co_cellvars",
    "co_freevars",
    "co_argcount",
    "co_kwonlyargcount",
)
_outside: Final = attrgetter("co_flags", "co_freevars")


def _report(problems: tuple[Problem, ...]) -> str:
    count = "one problem" if len(problems) == 1 else f"{len(problems)} problems"
    shown = [problem.render() for problem in problems[:_SHOWN]]
    more = [f"… and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
    return "\n".join((f"this code could break the interpreter, {count}:", *shown, *more))


def _problems_in(codes: Sequence[CodeType]) -> tuple[Problem, ...]:
    """The problems of each code object.

    Each stage is done for all before the next one: its code and data then stay in the processor's caches.
    """
    found: dict[int, list[Problem]] = {}
    whole: list[tuple[int, Decoded]] = []
    sound: list[tuple[int, Decoded]] = []
    for number, code in enumerate(codes):
        try:
            whole.append((number, Decoded(code)))
        except InvalidCodeError as error:
            found[number] = _problems(code, list(damage.faults(code)) or [Fault("damaged", str(error))])
    for number, decoded in whole:
        faults = list(structure.faults(decoded))
        if faults:
            found[number] = _problems(decoded.code, faults)
        else:
            sound.append((number, decoded))
    for number, decoded in sound:
        failure = Interpretation(decoded).run()
        if failure:
            found[number] = _problems(decoded.code, failure[:1], decoded, failure[1])
    return tuple(problem for number in sorted(found) for problem in found[number])


def _problems(
    code: CodeType, faults: Iterable[Fault], decoded: Decoded | None = None, trace: Trace | None = None
) -> list[Problem]:
    listing = _listing(decoded, trace) if decoded and trace else ()
    return [
        Problem(
            fault.rule,
            code.co_qualname,
            fault.message,
            2 * fault.unit if fault.unit >= 0 else None,
            _line(code, fault.unit),
            code.co_filename,
            listing,
            code,
        )
        for fault in faults
    ]


def _line(code: CodeType, unit: int) -> int | None:
    if unit < 0:
        return None
    try:
        lines = lines_by_unit(code)
    except (ValueError, OverflowError):
        return None
    return lines[unit] if unit < len(lines) else None


def _listing(decoded: Decoded, trace: Trace) -> tuple[str, ...]:
    shown = []
    for index, stack in trace[-_AROUND:]:
        values = ", ".join(map(kinds.shown, stack))
        name = isa.OPNAMES[decoded.opcodes[index]]
        shown.append(f"{2 * decoded.at[index]:>6} {name:<28} {decoded.args[index]:<6} [{values}]")
    return tuple(shown)
