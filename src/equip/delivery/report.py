"""What became of each file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Status = Literal["instrumented", "unchanged", "refused", "skipped", "restored"]


@dataclass(frozen=True, slots=True)
class FileReport:
    """One file. ``path`` is the source where there is one, ``pyc`` the compiled file (None for a path that has none).

    ``instrumented``: new code was made, and ``written`` unless that was not asked for. ``unchanged``: nothing to
    do, ``reason`` says why. ``refused``: left as it was because of a fault, which ``reason`` names. ``skipped``:
    passed by on purpose. ``restored``: the clean file is back.
    """

    path: str
    pyc: str | None
    status: Status
    reason: str = ""
    module_name: str = ""
    probes: tuple[str, ...] = ()
    written: bool = False

    def __str__(self) -> str:
        shown = f"{self.status}: {self.pyc or self.path}"
        if self.probes:
            shown += f" [{', '.join(name or 'unnamed' for name in self.probes)}]"
        return f"{shown}: {self.reason}" if self.reason else shown


@dataclass(frozen=True, slots=True)
class Report:
    """What became of each file, in the order of the tree, and ``notes`` that a user should read."""

    files: tuple[FileReport, ...]
    notes: tuple[str, ...] = ()

    def with_status(self, status: Status) -> tuple[FileReport, ...]:
        return tuple(one for one in self.files if one.status == status)

    @property
    def instrumented(self) -> tuple[FileReport, ...]:
        return self.with_status("instrumented")

    @property
    def unchanged(self) -> tuple[FileReport, ...]:
        return self.with_status("unchanged")

    @property
    def refused(self) -> tuple[FileReport, ...]:
        return self.with_status("refused")

    @property
    def skipped(self) -> tuple[FileReport, ...]:
        return self.with_status("skipped")

    @property
    def restored(self) -> tuple[FileReport, ...]:
        return self.with_status("restored")

    def __iter__(self) -> Iterator[FileReport]:
        return iter(self.files)

    def __len__(self) -> int:
        return len(self.files)

    def __str__(self) -> str:
        """The counts, then what is not as hoped for: refused files and notes."""
        counts: dict[str, int] = {}
        for one in self.files:
            counts[one.status] = counts.get(one.status, 0) + 1
        lines = [", ".join(f"{number} {status}" for status, number in counts.items()) or "no files"]
        lines += [str(one) for one in self.refused]
        lines += self.notes
        return "\n".join(lines)
