"""Adding a plan to what is recorded, so that nothing is put in twice."""

from __future__ import annotations

from equip.inject.request import CodePath, Insertion, JoinPoint, Plan
from equip.program.record import identity


def merge_plans(recorded: Plan, asked: Plan) -> Plan:
    """All of ``recorded``, then what ``asked`` has beyond it, in the order asked for.

    An insertion that is asked for n times and recorded m times is added n - m times, if that is positive. The
    import of a module counts once, whoever asked for it. What is added shares private names with the recorded
    insertions that were asked for together with it, and with no others. Equal to ``recorded`` when there is
    nothing to add.
    """
    merged = {path: list(insertions) for path, insertions in recorded.items()}
    for path, insertions in asked.items():
        before = merged.get(path, [])
        added = _added(path, before, insertions)
        if added:
            merged[path] = before + added
    return merged


def is_module_import(path: CodePath, one: Insertion) -> bool:
    """Whether this is an import at the top of a module."""
    return not path and one.location is JoinPoint.IMPORT


def _added(path: CodePath, before: list[Insertion], asked: list[Insertion]) -> list[Insertion]:
    imported = {one.source for one in before if is_module_import(path, one)}
    present: dict[tuple[object, ...], list[int]] = {}
    for one in reversed(before):
        present.setdefault(identity(one), []).append(one.group)
    groups: dict[tuple[str, int], int] = {}
    claimed: set[tuple[str, int]] = set()
    added = []
    for one in asked:
        same = present.get(identity(one))
        if same:
            group, key = same.pop(), (one.probe, one.group)
            if (one.probe, group) not in claimed:
                claimed.add((one.probe, group))
                groups.setdefault(key, group)
        elif not (is_module_import(path, one) and one.source in imported):
            added.append(one)
    return _renumbered(before, added, groups)


def _renumbered(before: list[Insertion], added: list[Insertion], groups: dict[tuple[str, int], int]) -> list[Insertion]:
    free: dict[str, int] = {}
    for one in before:
        free[one.probe] = max(free.get(one.probe, 0), one.group + 1)
    for one in added:
        key = (one.probe, one.group)
        if key not in groups:
            groups[key] = free.get(one.probe, 0)
            free[one.probe] = groups[key] + 1
    return [one._replace(group=groups[one.probe, one.group]) for one in added]
