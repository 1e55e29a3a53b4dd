"""Working without the cyclic garbage collector."""

from __future__ import annotations

import _thread
import gc
from collections.abc import Callable
from typing import TypeVar

_Result = TypeVar("_Result")


def without_collector(work: Callable[[], _Result]) -> _Result:
    """What ``work`` returns, which makes many objects, hardly any that only the collector could free.

    The collector would look through them again and again for nothing. If it was on, it is on again when this returns or
    raises. It is left alone while there is any thread but the main one, however started: that could see it off, or turn
    it off itself.
    """
    if not gc.isenabled() or _thread._count():
        return work()
    try:
        gc.disable()
        return work()
    finally:
        gc.enable()
