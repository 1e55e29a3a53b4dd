"""Measures speed on each Python in turn: ``python3 tools/run_bench.py [--quick] [--only GROUP] [--python VERSION]...``.

Figures of different versions can be compared only as ratios.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from pythons import MEASURING, ROOT, SUPPORTED, WHERE_LOOKED, chosen, environment


def main() -> int:
    parser = argparse.ArgumentParser(description="Measures speed on each supported Python of this machine.")
    parser.add_argument("--quick", action="store_true", help="a part of the standard library only")
    parser.add_argument("--only", metavar="GROUP", help="one group of measurements, such as alternatives")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows of all versions to FILE, too")
    parser.add_argument(
        "--python", action="append", choices=SUPPORTED, metavar="VERSION", help="only this version; can be repeated"
    )
    options = parser.parse_args()
    pythons = chosen(options.python)
    rows: list[object] = []
    for python in pythons.values():
        interpreter = environment(python, *MEASURING, name=f"bench-{python.version}")
        with tempfile.TemporaryDirectory() as folder:
            found = Path(folder, "rows.json")
            command = [str(interpreter), "-m", "bench", "--json", str(found), *(["--quick"] if options.quick else [])]
            command += ["--only", options.only] if options.only else []
            print(flush=True)
            if status := subprocess.run(command, cwd=ROOT).returncode:
                return status
            rows += json.loads(found.read_text(encoding="utf-8"))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    if missing := [version for version in options.python or SUPPORTED if version not in pythons]:
        print(f"\nNOT MEASURED, no interpreter: Python {', '.join(missing)} ({WHERE_LOOKED})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
