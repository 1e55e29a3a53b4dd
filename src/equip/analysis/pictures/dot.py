"""A figure in the language of Graphviz."""

from __future__ import annotations

from collections.abc import Iterable

from equip.analysis.pictures.figure import Box, Figure

_ARROW = {
    "fallthrough": 'color="#57606a"',
    "jump": 'color="#57606a"',
    "true": 'color="#1a7f37", fontcolor="#1a7f37"',
    "false": 'color="#bc4c00", fontcolor="#bc4c00"',
    "exhausted": 'color="#8250df", fontcolor="#8250df"',
    "exception": 'color="#cf222e", fontcolor="#cf222e", style=dashed',
    "return": 'color="#0969da", fontcolor="#0969da"',
    "raise": 'color="#cf222e", fontcolor="#cf222e", style=dashed',
}
_BOX = {
    "block": "",
    "virtual": ', style="filled,rounded", fillcolor="#eef1f4"',
    "handler": ', color="#cf222e"',
    "dead": ', style=dashed, fontcolor="#6e7781"',
}


def to_dot(figure: Figure) -> str:
    """The figure as a directed graph; groups (loops) are clusters, inner ones in outer ones."""
    lines = [
        "digraph " + quoted(figure.title) + " {",
        '  graph [rankdir=TB, fontname="monospace", fontsize=10];',
        '  node [shape=box, fontname="monospace", fontsize=10];',
        '  edge [fontname="monospace", fontsize=9];',
    ]
    lines += _nodes(figure)
    for arrow in figure.arrows:
        label = f"label={quoted(arrow.label)}, " if arrow.label else ""
        lines.append(f"  n{arrow.source} -> n{arrow.target} [{label}{_ARROW[arrow.style]}];")
    lines.append("}")
    return "\n".join(lines) + "\n"


def quoted(text: str) -> str:
    """A string of the language; every backslash is meant."""
    shown = "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)
    shown = shown.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{shown}"'


def _nodes(figure: Figure) -> Iterable[str]:
    """The boxes, each in the innermost group that has it."""
    innermost: dict[int, int] = {}
    for number, (_, keys, _) in enumerate(figure.groups):
        innermost.update(dict.fromkeys(keys, number))
    members: dict[int, list[Box]] = {}
    for box in figure.boxes:
        if box.key in innermost:
            members.setdefault(innermost[box.key], []).append(box)
        else:
            yield _node(box, 1)
    open_: list[frozenset[int]] = []
    for number in _nested(figure):
        name, keys, _ = figure.groups[number]
        inside = frozenset(keys)
        while open_ and not inside < open_[-1]:
            open_.pop()
            yield "  " * (len(open_) + 1) + "}"
        indent = "  " * (len(open_) + 1)
        yield f"{indent}subgraph cluster_{number} {{"
        yield f'{indent}  label={quoted(name)}; color="#d4a72c"; style=rounded;'
        open_.append(inside)
        for box in members.get(number, ()):
            yield _node(box, len(open_) + 1)
    while open_:
        open_.pop()
        yield "  " * (len(open_) + 1) + "}"


def _nested(figure: Figure) -> list[int]:
    """The groups, each right behind the one that it is in."""
    sets = [frozenset(keys) for _, keys, _ in figure.groups]
    found: list[int] = []
    pending = [number for number in range(len(sets) - 1, -1, -1) if figure.groups[number][2] <= 1]
    while pending:
        number = pending.pop()
        found.append(number)
        depth = figure.groups[number][2]
        pending += [
            inner
            for inner in range(len(sets) - 1, -1, -1)
            if figure.groups[inner][2] == depth + 1 and sets[inner] < sets[number]
        ]
    return found


def _node(box: Box, level: int) -> str:
    text = "".join(quoted(row.text)[1:-1] + "\\l" for row in box.rows)
    return f'{"  " * level}n{box.key} [label="{text}"{_BOX[box.style]}];'
