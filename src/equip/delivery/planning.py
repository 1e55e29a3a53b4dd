"""Running visitors over a module: code in, plan out."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from functools import lru_cache
from types import CodeType
from typing import Any, Protocol, TypeGuard, cast, runtime_checkable

from equip.errors import EquipWarning
from equip.inject.damage import refuse_damaged
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
    found: list[Visitor] = []
    for one in given:
        if isinstance(one, type):
            raise TypeError(f"{one.__name__} is a class: pass an instance of it, {one.__name__}()")
        kind: type = type(one)
        if not (_has_methods_of(kind, Visitor) or isinstance(one, Visitor)):
            raise TypeError(
                f"{one!r} is no visitor: derive from equip.MethodVisitor, ClassVisitor, ModuleVisitor, "
                "BytecodeVisitor or BlockVisitor"
            )
        found.append(cast(Visitor, one))
    return tuple(found)


@runtime_checkable
class Matching(Protocol):
    """A visitor that says by a pattern what it wants, and can tell if that was nothing: a probe."""

    def begin(self, key: str = "") -> Visitor:
        """The same for another delivery, with nothing matched yet; ``key`` names what is its own there."""

    def complaint(self) -> str | None:
        """What to tell the user if nothing was matched so far."""


@runtime_checkable
class Portable(Protocol):
    """A visitor that can be told apart from others from one run to the next: what it made can be kept in files."""

    digest: str
    is_portable: bool

    def memory(self) -> object:
        """What it has matched so far, as plain data."""

    def recall(self, memory: Any) -> None:
        """Have matched what ``memory`` says, too."""


def is_matching(visitor: Visitor) -> TypeGuard[Matching]:
    """Whether a visitor is ``Matching``."""
    return _has_methods_of(type(visitor), Matching)


@lru_cache(maxsize=64)
def _has_methods_of(kind: type, protocol: type) -> bool:
    """Whether a class has what the protocol asks for. To look at each instance for it is dear until 3.12."""
    return issubclass(kind, protocol)


def begun(visitors: Iterable[Visitor]) -> tuple[Visitor, ...]:
    """The visitors for one delivery."""
    return tuple([one.begin() if is_matching(one) else one for one in visitors])


def complaints(visitors: Iterable[Visitor]) -> list[str]:
    """What those visitors have to complain of that matched nothing."""
    return [found for one in visitors if is_matching(one) and (found := one.complaint())]


def warn_of_idle(visitors: Iterable[Visitor], stacklevel: int) -> None:
    """Warn of probes that matched nothing, at the caller ``stacklevel`` calls up from here."""
    for complaint in complaints(visitors):
        warnings.warn(complaint, EquipWarning, stacklevel=stacklevel + 1)


def probe_name(visitor: Visitor) -> str:
    """Who an insertion is recorded for: the class of the visitor, unless it names itself with ``probe_name``."""
    return str(getattr(visitor, "probe_name", None) or type(visitor).__name__)


def run_visitors(module: ModuleDeclaration, visitors: Sequence[Visitor]) -> Plan:
    """Run the visitors over a module in turn, and return what they asked for.

    Raises what they raise, ``SnippetError`` and ``JoinPointError`` among them; ``InvalidCodeError`` if the code that
    they look at is damaged.
    """
    before = module.probe
    try:
        for visitor in visitors:
            module.probe = probe_name(visitor)
            visitor.traverse(module)
    except Exception as error:
        refuse_damaged(module.code_object, error)
        raise
    finally:
        module.probe = before
    return {path: insertions for path, insertions in module.plan.items() if insertions}


def carry_out(module: ModuleDeclaration, plan: Plan) -> CodeType:
    """The module's code with what its visitors have asked for; the same object when that is nothing.

    The module forgets the plan: declarations refer to each other, and would keep it until the collector comes.
    """
    try:
        return module.injector.inject(plan)
    finally:
        module.plan = {}
