"""Running visitors over a module: code in, plan out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, runtime_checkable

from equip.inject.request import Plan
from equip.program.declarations import ModuleDeclaration


@runtime_checkable
class Visitor(Protocol):
    """What can be asked to instrument a module (``equip.visitors`` has the classes to derive from)."""

    def traverse(self, module: ModuleDeclaration) -> None:
        """Look at the module and ask for insertions, which go into ``module.plan``."""


def as_visitors(visitor: Visitor | Iterable[Visitor]) -> tuple[Visitor, ...]:
    """One visitor or several as a tuple. Raises ``TypeError`` for anything else."""
    given: Sequence[object] = tuple(visitor) if isinstance(visitor, (list, tuple)) else (visitor,)
    for one in given:
        if isinstance(one, type):
            raise TypeError(f"{one.__name__} is a class: pass an instance of it, {one.__name__}()")
        if not isinstance(one, Visitor):
            raise TypeError(
                f"{one!r} is no visitor: derive from equip.MethodVisitor, ClassVisitor, ModuleVisitor, "
                "BytecodeVisitor or BlockVisitor"
            )
    return tuple(one for one in given if isinstance(one, Visitor))


def probe_name(visitor: Visitor) -> str:
    """Who an insertion is recorded for: the class of the visitor, unless it names itself with ``probe_name``."""
    return str(getattr(visitor, "probe_name", None) or type(visitor).__name__)


def run_visitors(module: ModuleDeclaration, visitors: Sequence[Visitor]) -> Plan:
    """Run the visitors over a module in turn, and return what they asked for.

    Raises what they raise, ``SnippetError`` and ``JoinPointError`` among them.
    """
    before = module.probe
    try:
        for visitor in visitors:
            module.probe = probe_name(visitor)
            visitor.traverse(module)
    finally:
        module.probe = before
    return {path: insertions for path, insertions in module.plan.items() if insertions}
