"""Prints the table of ``make soak``, and below it what is not as it should be: rows as JSON from standard input."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console
from rich.table import Table

COUNTS = {"functions": "functions", "hits": "probes hit", "plain": "passed plain", "instrumented": "instrumented"}
LISTS = {"differences": "differences", "explained": "explained", "crashes": "crashes", "faults": "faults"}
_SHOWN = 20


def main() -> None:
    rows: list[dict[str, Any]] = json.load(sys.stdin)
    console = Console(width=None if sys.stdout.isatty() else 150, markup=False, highlight=False)
    table = Table(title="Programs, plain and instrumented", title_justify="left")
    table.add_column("program", overflow="fold")
    table.add_column("Python")
    for title in (*COUNTS.values(), *LISTS.values(), "seconds"):
        table.add_column(title, justify="right")
    for row in rows:
        table.add_row(row["program"], row["release"], *_cells(row))
    total = {name: sum(row[name] for row in rows) for name in (*COUNTS, "seconds")}
    total |= {name: [one for row in rows for one in row[name]] for name in LISTS}
    table.add_section()
    table.add_row("all", "", *_cells(total))
    console.print(table)
    for name, title in LISTS.items():
        for row in rows:
            for one in row[name][:_SHOWN]:
                console.print(f"{title}, {row['program']} on {row['release']}: {one}", soft_wrap=True)


def _cells(row: dict[str, Any]) -> list[str]:
    counts = [f"{row[name]:,}" if row[name] else "-" for name in COUNTS]
    return [*counts, *(str(len(row[name])) for name in LISTS), f"{row['seconds']:.0f}"]


if __name__ == "__main__":
    main()
