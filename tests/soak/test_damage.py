"""Damaged code that the verifier calls clean does not crash the interpreter: a short slice, and a long one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).with_name("damage.py")


def campaign(seconds: float, seed: int) -> re.Match[str]:
    command = [sys.executable, str(TOOL), "--seconds", str(seconds), "--seed", str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds * 3 + 120, check=True)
    found = re.search(r"mutants (\d+), clean (\d+), clean and crashed (\d+)", done.stdout)
    assert found, done.stdout
    print(done.stdout)
    assert found[3] == "0", done.stdout
    return found


def test_a_slice() -> None:
    found = campaign(10, 0)
    assert int(found[1]) > 200
    assert int(found[2]) > 50


@pytest.mark.slow
def test_for_long() -> None:
    """``EQUIP_SOAK_SECONDS`` says for how long; the seeds differ from those of the slice."""
    assert int(campaign(float(os.environ.get("EQUIP_SOAK_SECONDS", "600")), 10**9)[1]) > 1000
