"""Runs ruff or mypy from an environment of their own: ``python3 tools/check.py ruff check``."""

from __future__ import annotations

import subprocess
import sys

from pythons import ROOT, chosen, environment


def main() -> int:
    # The oldest: both tools are told to check for 3.11, and have wheels for it for sure.
    oldest = next(iter(chosen().values()))
    python = environment(oldest, ".[lint]", name="lint")
    return subprocess.run([python, "-m", *sys.argv[1:]], cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main())
