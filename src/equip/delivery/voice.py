"""How a process in which equip is a guest tells its warnings: in a line of its own, and never as an exception."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from typing import Any

from equip.errors import EquipWarning


def tell_warnings(tell: Callable[[str], None]) -> None:
    """From now on, give the text of equip's warnings to ``tell``; others are shown, or raised, as before."""
    plain = warnings.showwarning

    def show(message: Any, category: type[Warning], *rest: Any, **options: Any) -> None:
        if issubclass(category, EquipWarning):
            tell(str(message))
        else:
            plain(message, category, *rest, **options)

    warnings.showwarning = show
    warnings.simplefilter("always", EquipWarning)


def tell(message: str) -> None:
    """Say something on standard error, if there is one."""
    if sys.stderr is not None:
        sys.stderr.write(f"equip: process {os.getpid()}: {message}\n")
