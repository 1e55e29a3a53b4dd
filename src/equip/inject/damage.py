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
        return None
    more = f" (and {len(problems) - 1} more: see equip.check)" if len(problems) > 1 else ""
    return InvalidCodeError(f"{problems[0]}{more}")
