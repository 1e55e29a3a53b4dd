"""Builds the documentation as a site in ``build/site``, strictly: a broken link is an error.

    python3 tools/build_docs.py [serve]        with ``serve``: shows it at http://127.0.0.1:8000/ while it is written
"""

from __future__ import annotations

import subprocess
import sys

from pythons import ROOT, chosen, environment


def main() -> int:
    # The oldest: it is the one that wheels of all that mkdocs needs are there for.
    oldest = next(iter(chosen().values()))
    python = environment(oldest, "--editable", ".[docs]", name="docs")
    command, *arguments = sys.argv[1:] or ["build"]
    return subprocess.run([python, "-m", "mkdocs", command, "--strict", *arguments], cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main())
