"""Code that is damaged: found out when something has gone wrong in it, so that sound code pays nothing."""

from __future__ import annotations

from types import CodeType

from equip.errors import EquipError, InvalidCodeError, VerificationError


def refuse_damaged(code: CodeType, error: Exception) -> None:
    """Raise ``InvalidCodeError``, with where and why, if ``code`` is damaged, which then is why ``error`` was raised.

    Whatever goes by jumps and indices that lead nowhere can fail in many ways; what is wrong only the verifier says.
    """
    says_itself = isinstance(error, (EquipError, MemoryError, RecursionError))
    if not says_itself or isinstance(error, (InvalidCodeError, VerificationError)):
        damage = find_damage(code)
        if damage is not None:
            raise damage from error


def find_damage(code: CodeType) -> InvalidCodeError | None:
    """What is wrong with code to which nothing was added; None if it is sound."""
    from equip.analysis.verify import check

    problems = check(code)
    if not problems:
        return _find_refused(code)
    more = f" (and {len(problems) - 1} more: see equip.check)" if len(problems) > 1 else ""
    return InvalidCodeError(f"{problems[0]}{more}")


def _find_refused(code: CodeType) -> InvalidCodeError | None:
    """What the interpreter itself would not make, although it can run it: only files can have such code."""
    try:
        code.replace()
    except ValueError as error:
        return InvalidCodeError(f"{code.co_qualname}: {error}")
    nested = (_find_refused(constant) for constant in code.co_consts if isinstance(constant, CodeType))
    return next(filter(None, nested), None)
