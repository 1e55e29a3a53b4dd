"""The code in the documentation does what the documentation says, on this Python. ``page.py`` has the convention."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from docs.page import blocks

import equip

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md")), *sorted(ROOT.glob("examples/*/README.md"))]
RUNNER = Path(__file__).with_name("page.py")


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


# The blocks of a page are run together, so they stay in one process of a parallel run.
BLOCKS = [
    pytest.param(page, line, id=f"{named(page)}:{line}", marks=pytest.mark.xdist_group(named(page)))
    for page in PAGES
    for line, _ in blocks(page)
]


@pytest.fixture(scope="session")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A function from a page to what became of its blocks, by line. Each page is run once, in a folder of its own."""

    @functools.cache
    def run(page: Path) -> dict[int, dict[str, Any]]:
        place = tmp_path_factory.mktemp("page")
        return run_page(page, place)

    return run


def run_page(page: Path, place: Path) -> dict[int, dict[str, Any]]:
    """Run a page in ``place/page``; the commands that it knows are in ``place/bin``."""
    folder, commands = place / "page", place / "bin"
    folder.mkdir()
    commands.mkdir()
    link = commands / "python"
    link.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
    link.chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment |= {
        "PATH": os.pathsep.join([str(commands), os.environ.get("PATH", os.defpath)]),
        "PYTHONPATH": str(Path(equip.__file__).parents[1]),
        "NO_COLOR": "1",
        "TERM": "dumb",
    }
    done = subprocess.run(
        [sys.executable, str(RUNNER), str(page)], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return {one["line"]: one for one in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize(("page", "line"), BLOCKS)
def test_block(page: Path, line: int, outcomes: Any) -> None:
    outcome = outcomes(page)[line]
    if outcome["outcome"] == "skipped":
        pytest.skip(outcome["detail"])
    assert outcome["outcome"] == "passed", f"{named(page)}:{line}\n{outcome['detail']}"
