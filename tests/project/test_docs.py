"""The documentation is true: its programs are run as a reader would, and print what it says.

A ``python`` block whose first line is ``# some/file.py`` is that file. A ``console`` block has commands, ``$ ...``,
each followed by what it prints; a line ``...`` stands for any lines. One folder is used for a whole document.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import equip

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("examples/*/README.md"))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_programs(document: Path, tmp_path: Path) -> None:
    for language, text in BLOCK.findall(document.read_text(encoding="utf-8")):
        if language == "python":
            write_file(text, tmp_path)
        elif language == "console":
            for command, expected in COMMAND.findall(text):
                check_command(command, expected, tmp_path)


def write_file(text: str, folder: Path) -> None:
    first = text.partition("\n")[0]
    if named := re.fullmatch(r"# ([\w/.]+\.py)", first):
        target = folder / named[1]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")


def check_command(command: str, expected: str, folder: Path) -> None:
    """Run a command with ``python`` being this interpreter, and equip on its path."""
    places = [str(folder / "..bin"), os.environ.get("PATH", os.defpath)]
    for name, start in (("python", ""), ("equip", "-m equip")):
        link = folder / "..bin" / name
        if not link.exists():
            link.parent.mkdir(exist_ok=True)
            link.write_text(f'#!/bin/sh\nexec "{sys.executable}" {start} "$@"\n', encoding="utf-8")
            link.chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment |= {"PYTHONUNBUFFERED": "1"}  # As on a terminal: what is printed first comes first.
    environment |= {"PATH": os.pathsep.join(places), "PYTHONPATH": str(Path(equip.__file__).parents[1])}
    done = subprocess.run(
        command, shell=True, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    pattern = re.escape(expected).replace(re.escape("...\n"), "(?:.*\n)*")
    assert re.fullmatch(pattern, done.stdout), f"$ {command}\n{done.stdout}\ninstead of\n{expected}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_links(document: Path) -> None:
    """Links to files of the project lead somewhere, also to a heading."""
    text = BLOCK.sub("", document.read_text(encoding="utf-8"))
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in link:
            continue
        path, _, heading = link.partition("#")
        target = document.parent / path if path else document
        assert target.exists(), link
        if heading:
            headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in {re.sub(r"[^\w -]", "", one).lower().replace(" ", "-") for one in headings}, link
