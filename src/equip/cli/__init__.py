"""The command ``equip``. One file a subcommand; what they share is in ``app``, ``probes``, ``targets`` and ``output``.

The only part of equip with dependencies of its own: ``pip install 'equip[cli]'``.
"""

from __future__ import annotations

import sys
from typing import NoReturn

_LIBRARIES = ("click", "rich")


def main() -> NoReturn:
    """Run the command line of this process, and leave it with the exit status."""
    try:
        from equip.cli.app import run_command_line
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in _LIBRARIES:
            raise
        print(f"equip: the command needs {error.name}: pip install 'equip[cli]'", file=sys.stderr)
        sys.exit(2)
    outcome = run_command_line()
    if callable(outcome):
        outcome()  # A program that is to be run: it has this process to itself.
    sys.exit(outcome if isinstance(outcome, int) else 0)
