"""Working without the cyclic garbage collector."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from typing import TypeVar

_Result = TypeVar("_Result")


def without_collector(work: Callable[[], _Result]) -> _Result:
    """What ``work`` returns, which makes many objects, hardly any that only the collector could free.

    The collector would look through them again and again for nothing. It is as before when this returns or raises. It
    is not touched while the program has several threads: another one could see that, or want to turn it off itself.
    """
    if not gc.isenabled() or _has_threads():
        return work()
    try:
        gc.disable()
        return work()
    finally:
        gc.enable()


def _has_threads() -> bool:
    """Whether there is more than the main thread."""
    threading = sys.modules.get("threading")
    return threading is not None and threading.active_count() > 1
