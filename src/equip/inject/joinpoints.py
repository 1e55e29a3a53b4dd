"""Whether a join point exists in a target."""

from __future__ import annotations

from equip.errors import JoinPointError
from equip.inject.request import Insertion, JoinPoint
from equip.inject.target import Target


def check_place(insertion: Insertion, target: Target) -> None:
    """Raise ``JoinPointError`` where the join point does not exist in the target."""
    location = insertion.location
    if (location is JoinPoint.BEFORE or location is JoinPoint.AFTER) and target.is_function:
        return
    if location is JoinPoint.BLOCK or location is JoinPoint.EDGE:
        _check_flow(insertion, target)
        return
    if location in (JoinPoint.MODULE_ENTER, JoinPoint.MODULE_EXIT) and not target.is_module:
        raise JoinPointError(f"{location.name} exists only in a module, not in {target}: use the module's declaration")
    if location is JoinPoint.AFTER and not target.is_function:
        raise JoinPointError(
            f"AFTER exists only in a function: {target} does not return (for the end of a module use MODULE_EXIT)"
        )
    if location is JoinPoint.LINENO:
        line = insertion.lineno
        if type(line) is not int:
            raise JoinPointError(f"LINENO needs a line number, not {line!r} ({target})")
        if line in target.encounters:
            return
        lines = sorted(target.encounters)
        below = [known for known in lines if known < line][-2:]
        above = [known for known in lines if known > line][:2]
        near = ", ".join(map(str, below + above)) or "none"
        raise JoinPointError(f"line {line} has no code in {target}; the nearest lines that have: {near}")


def _check_flow(insertion: Insertion, target: Target) -> None:
    location, place = insertion.location, insertion.place
    offsets, kinds = (1, 0) if location is JoinPoint.BLOCK else (2, 1)
    if [type(part) for part in place] != [int] * offsets + [str] * kinds:
        what = "the block" if location is JoinPoint.BLOCK else "the edge"
        raise JoinPointError(f"{location.name} needs {what} of the control flow graph, not {place!r} ({target})")
    target.flow.find(place)
