"""Makes ``children``, and the small programs of the delivery tests, importable by the tests here."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "unit" / "delivery")]
