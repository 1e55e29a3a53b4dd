"""A picture before it is drawn: boxes of text and arrows between them."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Row:
    """One line of text in a box. ``style``: ``head``, ``source``, ``code`` or ``note``."""

    text: str
    style: str = "code"


@dataclass(frozen=True, slots=True)
class Box:
    """A node. ``key`` is its number in the figure, ``style`` one of ``block``, ``virtual``, ``handler``, ``dead``.

    ``depth`` is how many loops it is in, ``tip`` what is shown for the mouse.
    """

    key: int
    rows: tuple[Row, ...]
    style: str = "block"
    depth: int = 0
    tip: str = ""


@dataclass(frozen=True, slots=True)
class Arrow:
    """An edge between two boxes, by their keys. ``style`` is the kind of edge, in lower case."""

    source: int
    target: int
    label: str = ""
    style: str = "fallthrough"


@dataclass(frozen=True, slots=True)
class Figure:
    """Boxes in the order in which they are to be read, the first one on top."""

    title: str
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    groups: tuple[tuple[str, tuple[int, ...], int], ...] = field(default=())
    """Boxes that belong together (loops): a name, their keys, and how deep the group is nested."""
    lowest: int | None = None
    """The key of the box that goes below all others."""
