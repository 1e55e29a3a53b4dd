"""For all tests: the folder of the tests is on the path, so that they find what they share (`oracle`)."""

from __future__ import annotations

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent
sys.path.insert(0, str(TESTS))
collect_ignore = ["corpus"]
