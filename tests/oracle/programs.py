"""The programs of the corpus: files in tests/corpus, and the generated ones."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from oracle.generated import GENERATED

CORPUS = Path(__file__).resolve().parents[1] / "corpus"


@dataclass(frozen=True)
class Program:
    """One program: its name, the path that its code carries, and the Python that it needs."""

    name: str
    path: str
    minimum: tuple[int, int]

    @property
    def source(self) -> str:
        if self.name in GENERATED:
            return GENERATED[self.name]()
        return Path(self.path).read_text(encoding="utf-8")

    @property
    def runs_here(self) -> bool:
        return sys.version_info >= self.minimum


def _minimum(name: str) -> tuple[int, int]:
    match = re.match(r"py3(\d+)_", name)
    return (3, int(match[1])) if match else (3, 11)


@lru_cache(maxsize=1)
def programs() -> dict[str, Program]:
    """All programs by name, those of a newer Python included: see ``runs_here``."""
    names = {path.stem: str(path) for path in sorted(CORPUS.glob("*.py"))}
    names |= {name: str(CORPUS / f"{name}.py") for name in GENERATED}
    return {name: Program(name, path, _minimum(name)) for name, path in names.items()}
