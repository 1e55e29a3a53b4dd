"""What the snippets of the tests call: builtins of the harness, none of them part of equip."""

from __future__ import annotations

import builtins
import contextlib
import sys
import types
from collections.abc import AsyncIterator, Generator, Iterator
from typing import Any

EVENTS: list[str] = []
"""What the snippets of the present run recorded, as text made at that moment."""

_SEEN: dict[Any, int] = {}


def describe(value: object, depth: int = 3) -> str:
    """A text that is the same in every run: no addresses, no code of the program is run."""
    kind = type(value)
    if value is None or kind in (bool, int, float, complex, str, bytes, type(...)):
        return repr(value)[:200]
    if issubclass(kind, type):
        return value.__name__  # type: ignore[attr-defined]
    if kind in (list, tuple, set, frozenset, dict) and depth:
        if kind is dict:
            parts = [f"{describe(k, depth - 1)}: {describe(v, depth - 1)}" for k, v in value.items()]  # type: ignore[attr-defined]
        else:
            parts = [describe(item, depth - 1) for item in value]  # type: ignore[attr-defined]
        if kind in (set, frozenset):
            parts.sort()
        return f"{kind.__name__}({', '.join(parts[:20])}{', ...' if len(parts) > 20 else ''})"
    if issubclass(kind, BaseException):
        return f"{kind.__name__}{describe(value.args, depth - 1)}"  # type: ignore[attr-defined]
    return f"<{kind.__name__}>"


def record(*values: object) -> None:
    """Write down what a snippet saw."""
    EVENTS.append(" ".join(map(describe, values)))


def once(*key: object, times: int = 1) -> bool:
    """True the first time that it is called with this key in a run."""
    _SEEN[key] = _SEEN.get(key, 0) + 1
    return _SEEN[key] <= times


def collect(*args: object, **kwargs: object) -> tuple[object, object]:
    return args, kwargs


@contextlib.contextmanager
def opened(name: str) -> Iterator[str]:
    record("enter", name)
    try:
        yield name.upper()
    finally:
        record("exit", name)


class Suppressing:
    def __enter__(self) -> Suppressing:
        return self

    def __exit__(self, *exc_info: object) -> bool:
        return True


@types.coroutine
def suspend(value: object = None) -> Generator[object, None, object]:
    """Suspend once, as an event loop expects it."""
    yield None
    return value


async def ready(value: object = None) -> object:
    return value


@contextlib.asynccontextmanager
async def async_opened(name: str) -> AsyncIterator[str]:
    record("aenter", name)
    yield name
    await ready()
    record("aexit", name)


async def async_range(n: int) -> AsyncIterator[int]:
    for i in range(n):
        await ready()
        yield i


def report_unraisable(error: BaseException) -> None:
    record("unraisable", error)


def _unraisable_hook(unraisable: Any) -> None:
    record("unraisable", unraisable.exc_value)


def reset() -> None:
    EVENTS.clear()
    _SEEN.clear()


def install() -> None:
    """Make the helpers reachable from every snippet."""
    names = (describe, record, once, collect, opened, Suppressing, suspend, ready, async_opened, async_range)
    for helper in names:
        setattr(builtins, helper.__name__, helper)
    setattr(builtins, "_oracle_report_unraisable", report_unraisable)  # noqa: B010
    sys.unraisablehook = _unraisable_hook
