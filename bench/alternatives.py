"""The other ways to watch or change a call, on one small function: what a call costs with each of them.

The reference is the function as it is. ``sys.monitoring`` is measured where it exists, with local events and the
smallest callback.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from types import CodeType, FunctionType
from typing import Any

import equip
from bench.running import CALLS
from bench.timing import Row, in_new_process, minima

_CALLS = 100_000
_ROUNDS = 15
Scope = dict[str, Any]
Setup = Callable[[Scope], Any]
"""Makes a fresh scope (``add``, ``work``, ``counts``) do something at each call, as a context manager."""


def measure() -> list[Row]:
    """A row for each way. Each is in processes of its own: what watches calls leaves its mark on all the code."""
    best = minima({name: partial(_in_new_process, name) for name in _ways()})
    plain = best[_PLAIN]
    return [Row(f"a call: {_title(name, seconds - plain)}", seconds, plain) for name, seconds in best.items()]


def _title(name: str, seconds: float) -> str:
    return name if name == _PLAIN else f"{name} ({seconds / _CALLS * 1e9:+.0f} ns)"


def _in_new_process(name: str) -> float:
    return float(in_new_process("bench.alternatives", name))


def _least_seconds(name: str) -> float:
    code, setup = _ways()[name]
    scope: Scope = {"counts": {"add": 0}, "__name__": "program"}
    exec(code, scope)
    with setup(scope):
        return minima({name: lambda: _timed(scope)}, _ROUNDS)[name]


def _timed(scope: Scope) -> float:
    work, begin = scope["work"], time.process_time()
    work(_CALLS)
    return time.process_time() - begin


_PLAIN = "nothing done"
_MONITORING: Any = getattr(sys, "monitoring", None)
_TOOL = 3


def _ways() -> dict[str, tuple[CodeType, Setup]]:
    plain = _compiled(before="", result="return ", after="")
    counted = _compiled(before="\n    counts['add'] += 1", result="return ", after="")
    changed = _compiled(before="", result="result = ", after="\n    result = abs(result)\n    return result")
    count = equip.before("*:add", "counts['add'] += 1")
    note = equip.before("*:add", "counts['add'] = 1")
    change = equip.after("*:add", "{return_value} = abs({return_value})")
    ways: dict[str, tuple[CodeType, Setup]] = {
        _PLAIN: (plain, _nothing),
        "counted, written in the source": (counted, _nothing),
        "counted, equip": (equip.instrument_code(plain, count), _nothing),
        "counted, equip.patch while it is loaded": (plain, lambda scope: equip.patch(scope["add"], count)),
        "counted, decorator": (plain, _decorated(_counting)),
        "counted, sys.monitoring": (plain, _monitored(always=True)),
        "counted, sys.setprofile": (plain, _profiled),
        "noted that it ran, equip": (equip.instrument_code(plain, note), _nothing),
        "noted that it ran, sys.monitoring, then off": (plain, _monitored(always=False)),
        "result changed, written in the source": (changed, _nothing),
        "result changed, equip": (equip.instrument_code(plain, change), _nothing),
        "result changed, decorator": (plain, _decorated(_changing)),
    }
    return {name: way for name, way in ways.items() if _MONITORING is not None or "monitoring" not in name}


def _compiled(**parts: str) -> CodeType:
    return compile(CALLS.format(**parts), "program.py", "exec")


@contextmanager
def _nothing(scope: Scope) -> Iterator[None]:
    yield


def _decorated(decorate: Callable[[FunctionType, Scope], Any]) -> Setup:
    @contextmanager
    def setup(scope: Scope) -> Iterator[None]:
        scope["add"] = wraps(scope["add"])(decorate(scope["add"], scope))
        yield

    return setup


def _counting(function: FunctionType, scope: Scope) -> Any:
    counts = scope["counts"]

    def counting(*args: Any, **kwargs: Any) -> Any:
        counts["add"] += 1
        return function(*args, **kwargs)

    return counting


def _changing(function: FunctionType, scope: Scope) -> Any:
    return lambda *args, **kwargs: abs(function(*args, **kwargs))


def _monitored(always: bool) -> Setup:
    """Events of this function alone. The callback counts; unless ``always``, it switches the event off."""

    @contextmanager
    def setup(scope: Scope) -> Iterator[None]:
        assert _MONITORING is not None
        counts, start = scope["counts"], _MONITORING.events.PY_START
        answer = None if always else _MONITORING.DISABLE

        def started(code: CodeType, offset: int) -> Any:
            counts["add"] += 1
            return answer

        _MONITORING.use_tool_id(_TOOL, "bench")
        _MONITORING.register_callback(_TOOL, start, started)
        _MONITORING.set_local_events(_TOOL, scope["add"].__code__, start)
        yield
        _MONITORING.free_tool_id(_TOOL)

    return setup


@contextmanager
def _profiled(scope: Scope) -> Iterator[None]:
    counts, watched = scope["counts"], scope["add"].__code__

    def profile(frame: Any, event: str, argument: object) -> None:
        if event == "call" and frame.f_code is watched:
            counts["add"] += 1

    sys.setprofile(profile)
    yield
    sys.setprofile(None)


if __name__ == "__main__":
    print(_least_seconds(sys.argv[1]))
