"""Counts the calls of a program that equip has never seen: Python-Markdown.

    python3 tools/demo.py [--python VERSION]

Installs it, copies it to a scratch folder, instruments the copy with ``examples/counter``, and renders the README of
this project by its own command, ``python -m markdown``, in an interpreter that cannot import equip.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pythons import ROOT, SUPPORTED, chosen, environment

_SHOWN = 15


def main() -> int:
    parser = argparse.ArgumentParser(description="Counts the calls of Python-Markdown while it renders the README.")
    parser.add_argument("--python", choices=SUPPORTED, metavar="VERSION", help="with this version (the newest found)")
    wanted = parser.parse_args().python
    python = list(chosen([wanted] if wanted else None).values())[-1]
    interpreter = environment(python, "--editable", ".", "markdown", name="demo")
    with tempfile.TemporaryDirectory(prefix="equip-demo-") as folder:
        _demonstrate(interpreter, Path(folder))
    return 0


def _demonstrate(python: Path, folder: Path) -> None:
    installed = _run([python, "-c", "import markdown; print(*markdown.__path__)"], echo=False).strip()
    package = shutil.copytree(installed, folder / "markdown", ignore=shutil.ignore_patterns("__pycache__"))
    print(f"A copy of {installed} is in {package}. To instrument it:\n")
    print(_run([python, ROOT / "examples/counter/counter.py", package]))
    print("To run it, as always (-S: without site-packages, so without equip):\n")
    # Extensions by their modules: short names are looked up in the metadata of what is installed.
    extensions = [part for name in ("fenced_code", "tables") for part in ("-x", f"markdown.extensions.{name}")]
    html = _run([python, "-S", "-m", "markdown", *extensions, ROOT / "README.md"], cwd=folder)
    print(f"  {len(html):,} characters of HTML, beginning with {html.splitlines()[0]}\n")
    _show(json.loads((folder / "calls.json").read_text(encoding="utf-8")))


def _run(command: Sequence[str | Path], cwd: Path = ROOT, echo: bool = True) -> str:
    if echo:
        print(f"  $ cd {cwd} && {' '.join(map(str, command))}")
    done = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, text=True, env=_environment())
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: ended with status {done.returncode}")
    return done.stdout


def _environment() -> dict[str, str]:
    """The environment without what would let an interpreter find equip or write its files elsewhere."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def _show(counts: dict[str, int]) -> None:
    """The functions called most often, as a table."""
    print(f"  {'calls':>9}  function")
    for name, count in sorted(counts.items(), key=lambda item: -item[1])[:_SHOWN]:
        print(f"  {count:9,}  {name}")
    print(f"  {sum(counts.values()):9,}  calls of {len(counts)} functions in all")


if __name__ == "__main__":
    sys.exit(main())
