"""Gates: what lets a probe run only so often, for so long, or not within itself.

The text of ``SOURCE`` goes into the instrumented module, so that a rewritten file needs nothing from equip. The
gate of a probe is one for the whole process: modules find it in ``sys`` by its key.

Hits are counted exactly, also by several threads. ``every`` is a lock that nobody waits for: of several threads that
arrive at once one passes. ``enter`` and ``leave`` keep a mark for each thread and each task (a context variable).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

NAME: Final = "_equip_gate_"
"""How the variable starts that holds a gate in a module; the gate's key follows."""

_SOURCE: Final = """\
def _equip_gate_KEY(key="KEY", limit=LIMIT, every=EVERY, lifespan=LIFESPAN):
    import contextvars, itertools, sys, time, _thread
    gates = sys.__dict__.setdefault("_equip_gates", {})
    if key in gates:
        return gates[key]

    class Gate:
        __slots__ = ("count", "lock", "due", "end", "inside", "spent", "closed")

        def open(self):
            if self.closed:
                return self.close()
            now = time.monotonic()
            if self.end is not None and now >= self.end:
                return self.close()
            if every is not None:
                if not self.lock.acquire(False):
                    return False
                try:
                    if now < self.due:
                        return False
                    self.due = now + every
                finally:
                    self.lock.release()
            if limit is not None:
                hit = next(self.count)
                if hit >= limit:
                    self.close()
                return hit <= limit
            return True

        def close(self):
            self.closed = True
            if self.spent is not None:
                self.spent()
            return False

        def enter(self):
            if self.inside.get():
                return False
            self.inside.set(True)
            return True

        def leave(self):
            self.inside.set(False)

    gate = Gate()
    gate.count, gate.lock, gate.due = itertools.count(1), _thread.allocate_lock(), 0.0
    gate.end = None if lifespan is None else time.monotonic() + lifespan
    gate.inside, gate.spent, gate.closed = contextvars.ContextVar(key, default=False), None, False
    return gates.setdefault(key, gate)
_equip_gate_KEY = _equip_gate_KEY()
"""


def gate_source(key: str, limit: int | None, every: float | None, lifespan: float | None) -> str:
    """The statements that put a gate into the variable ``NAME + key`` of a module."""
    source = _SOURCE.replace("LIMIT", repr(limit)).replace("EVERY", repr(every)).replace("LIFESPAN", repr(lifespan))
    return source.replace("KEY", key)


def is_gate(source: str) -> bool:
    """Whether a snippet is the making of a gate."""
    return source.startswith(f"def {NAME}")


def new_gate(key: str, source: str, spent: Callable[[], None] | None) -> Any:
    """A gate of its own, which starts now and calls ``spent`` when its time or its hits are up."""
    gates: dict[str, Any] = sys.__dict__.setdefault("_equip_gates", {})
    before = gates.pop(key, None)
    scope: dict[str, Any] = {"__name__": "equip.gate"}
    exec(source, scope)
    gate = gates.pop(key)
    if before is not None:
        gates[key] = before
    gate.spent = spent
    return gate


def put_gate(key: str, gate: Any) -> None:
    """Have the modules that are loaded from now on use ``gate``."""
    sys.__dict__.setdefault("_equip_gates", {})[key] = gate


def find_gate(key: str) -> Any:
    """The gate that was put there with that key, None if there is none."""
    return sys.__dict__.get("_equip_gates", {}).get(key)


def drop_gate(key: str) -> None:
    """Let go of the gate with that key; modules that use it keep it."""
    sys.__dict__.get("_equip_gates", {}).pop(key, None)
