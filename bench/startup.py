"""``import equip`` in a new process, against ``import argparse``."""

from __future__ import annotations

import subprocess
import sys
from functools import partial

from bench.timing import Row, minima

GOAL = 1.0
_ROUNDS = 15
_EVERYTHING = "import equip\nfor name in equip.__all__: getattr(equip, name)"


def measure() -> list[Row]:
    statements = {"equip": "import equip", "everything": _EVERYTHING, "argparse": "import argparse"}
    best = minima({name: partial(_time_in_new_process, what) for name, what in statements.items()}, _ROUNDS)
    return [
        Row("import equip, against import argparse", best["equip"], best["argparse"], GOAL),
        Row("import equip and load all that it offers", best["everything"], best["argparse"]),
    ]


def _time_in_new_process(statements: str) -> float:
    """The time of the statements in a process that has loaded nothing but ``time``."""
    program = f"import time\nbegin = time.process_time()\n{statements}\nprint(time.process_time() - begin)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return float(done.stdout)
