"""Runs comparisons in a process of their own, since bad bytecode ends a process without a word.

``python -m oracle.worker TASK PROGRAM:NAME...`` prints, for each pair, a line ``start PROGRAM:NAME`` and
then a line of JSON: the list of what differs.
"""

from __future__ import annotations

import importlib
import json
import sys
import traceback
import warnings

from oracle import helpers
from oracle.programs import programs


def main(task: str, *items: str) -> None:
    helpers.install()
    warnings.simplefilter("ignore")
    module, _, function = task.rpartition(":")
    perform = getattr(importlib.import_module(module), function)
    for item in items:
        program, _, name = item.partition(":")
        print(f"start {item}", flush=True)
        try:
            problems = perform(programs().get(program), name)
        except Exception:
            problems = [traceback.format_exc()]
        print(json.dumps(problems), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
