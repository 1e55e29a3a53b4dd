"""The pages of the documentation, and running one of them as ``page.py`` does, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import equip

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md")), *sorted(ROOT.glob("examples/*/README.md"))]
RUNNER = Path(__file__).with_name("page.py")


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def run_page(page: Path, place: Path) -> dict[int, dict[str, Any]]:
    """Run a page in ``place/page``; the commands that it knows are in ``place/bin``."""
    folder, commands = place / "page", place / "bin"
    folder.mkdir()
    commands.mkdir()
    for name, start in (("python", ""), ("equip", "-m equip")):
        link = commands / name
        link.write_text(f'#!/bin/sh\nexec "{sys.executable}" {start} "$@"\n', encoding="utf-8")
        link.chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment |= {
        "PATH": os.pathsep.join([str(commands), os.environ.get("PATH", os.defpath)]),
        "PYTHONPATH": str(Path(equip.__file__).parents[1]),
        "PYTHONUNBUFFERED": "1",  # As on a terminal: what is printed first comes first.
        "NO_COLOR": "1",
        "TERM": "dumb",
    }
    done = subprocess.run(
        [sys.executable, str(RUNNER), str(page)], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return {one["line"]: one for one in map(json.loads, done.stdout.splitlines())}
