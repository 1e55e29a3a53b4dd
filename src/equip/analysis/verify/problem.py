"""What the verifier finds."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import CodeType


@dataclass(frozen=True, slots=True)
class Problem:
    """One broken invariant. ``rule`` is its name in the list of ``equip.analysis.verify``.

    ``offset`` is in bytes (None: the code object as a whole), ``lineno`` from 1 or None. ``code`` is the code object
    itself, ``listing`` the instructions around the place with the stack before each, where it is known.
    """

    rule: str
    qualname: str
    message: str
    offset: int | None = None
    lineno: int | None = None
    filename: str = ""
    listing: tuple[str, ...] = ()
    code: CodeType | None = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        line = f":{self.lineno}" if self.lineno is not None else ""
        place = f", offset {self.offset}" if self.offset is not None else ""
        return f"{self.filename}{line}: {self.qualname}{place}: {self.message} [{self.rule}]"

    def render(self) -> str:
        """The problem with the instructions around it."""
        return "\n".join((str(self), *(f"    {line}" for line in self.listing)))


class Fault(Exception):
    """A broken invariant, at a code unit (-1: the code object as a whole): raised where it is seen, for ``check``."""

    def __init__(self, rule: str, message: str, unit: int = -1) -> None:
        super().__init__(rule, message, unit)
        self.rule = rule
        self.message = message
        self.unit = unit
