"""A figure as SVG: text of readable size, escaped; nothing is loaded from elsewhere, no script."""

from __future__ import annotations

from collections.abc import Iterable
from xml.sax.saxutils import escape

from equip.analysis.pictures.figure import Arrow, Box, Figure, Row
from equip.analysis.pictures.layered import Drawing, Point, Route, arranged

FONT = 12.0
LETTER = 7.25
"""Width of a letter of the fixed-width font."""
LINE = 16.0
PAD = 9.0
SMALL_LETTER = 6.2

_TEXT = {"head": "#57606a", "source": "#0550ae", "code": "#1f2328", "note": "#6e7781"}
_BOX = {
    "block": ("#ffffff", "#8c959f"),
    "virtual": ("#eef1f4", "#8c959f"),
    "handler": ("#fff8f7", "#cf222e"),
    "dead": ("#f6f8fa", "#afb8c1"),
}
_LOOP = ("#ffffff", "#fffbe6", "#fff3c4", "#ffe8a3", "#ffdc85")
"""What a block of so many loops is filled with."""
_ARROW = {
    "fallthrough": "#57606a",
    "jump": "#57606a",
    "true": "#1a7f37",
    "false": "#bc4c00",
    "exhausted": "#8250df",
    "exception": "#cf222e",
    "return": "#0969da",
    "raise": "#cf222e",
}
_DASHED = ("exception", "raise")


def to_svg(figure: Figure) -> str:
    """The figure as a document of its own, which can also stand in HTML."""
    sizes = [_size(box) for box in figure.boxes]
    number = {box.key: place for place, box in enumerate(figure.boxes)}
    arrows = [(number[arrow.source], number[arrow.target]) for arrow in figure.arrows]
    bottom = [number[figure.lowest]] if figure.lowest in number else []
    drawing = arranged(sizes, arrows, [bool(arrow.label) for arrow in figure.arrows], bottom)
    drawing = _with_labels(figure, drawing)
    width, height = round(drawing.width), round(drawing.height)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'role="img" font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, \'DejaVu Sans Mono\', monospace" '
        f'font-size="{FONT:g}">',
        f"<title>{escaped(figure.title)}</title>",
        "<defs>",
        *(_marker(style, colour) for style, colour in sorted(_ARROW.items())),
        "</defs>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        *(_arrow(arrow, route) for arrow, route in zip(figure.arrows, drawing.routes, strict=True)),
    ]
    for box, corner, size in zip(figure.boxes, drawing.corners, sizes, strict=True):
        parts += _box(box, corner, size)
    parts += [_label(arrow, route) for arrow, route in zip(figure.arrows, drawing.routes, strict=True) if arrow.label]
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """Text as XML has it; control characters, which it has not, are shown as ``\\x..``."""
    shown = "".join(
        c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text.encode("utf-8", "backslashreplace").decode()
    )
    return escape(shown)


def _size(box: Box) -> tuple[float, float]:
    letters = max((len(row.text) for row in box.rows), default=0)
    return letters * LETTER + 2 * PAD, len(box.rows) * LINE + 2 * PAD - 4


def _with_labels(figure: Figure, drawing: Drawing) -> Drawing:
    """The drawing made wide enough for the labels of its arrows."""
    for arrow, route in zip(figure.arrows, drawing.routes, strict=True):
        reach = route.label_at[0] + route.label_side * len(arrow.label) * SMALL_LETTER
        if reach < 4:
            route.label_side, route.label_at = 1, (route.points[0][0] + 4, route.label_at[1])
            reach = route.label_at[0] + len(arrow.label) * SMALL_LETTER
        drawing.width = max(drawing.width, reach + 6)
    return drawing


def _marker(style: str, colour: str) -> str:
    return (
        f'<marker id="equip-{style}" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="7" markerHeight="7" '
        f'orient="auto"><path d="M0 0.5L8 4L0 7.5z" fill="{colour}"/></marker>'
    )


def _arrow(arrow: Arrow, route: Route) -> str:
    dashes = ' stroke-dasharray="5 3"' if arrow.style in _DASHED else ""
    path = _straight(route.points) if route.upward else _curved(route.points)
    return (
        f'<path d="{path}" fill="none" stroke="{_ARROW[arrow.style]}" stroke-width="1.3"{dashes} '
        f'marker-end="url(#equip-{arrow.style})"/>'
    )


def _curved(points: list[Point]) -> str:
    """Straight through each rank, in a curve from one to the next."""
    (x, y), *rest = points
    parts = [f"M{x:.1f} {y:.1f}"]
    for following in rest:
        if abs(following[0] - x) < 0.5:
            parts.append(f"V{following[1]:.1f}")
        else:
            middle = (y + following[1]) / 2
            parts.append(f"C{x:.1f} {middle:.1f} {following[0]:.1f} {middle:.1f} {following[0]:.1f} {following[1]:.1f}")
        x, y = following
    return "".join(parts)


def _straight(points: list[Point], radius: float = 5.0) -> str:
    """Along the points, with round corners."""
    parts = [f"M{points[0][0]:.1f} {points[0][1]:.1f}"]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        first, second = _towards(corner, before, radius), _towards(corner, after, radius)
        parts.append(f"L{first[0]:.1f} {first[1]:.1f}Q{corner[0]:.1f} {corner[1]:.1f} {second[0]:.1f} {second[1]:.1f}")
    parts.append(f"L{points[-1][0]:.1f} {points[-1][1]:.1f}")
    return "".join(parts)


def _towards(point: Point, other: Point, distance: float) -> Point:
    dx, dy = other[0] - point[0], other[1] - point[1]
    length = max((dx * dx + dy * dy) ** 0.5, 0.001)
    share = min(distance / length, 0.5)
    return point[0] + dx * share, point[1] + dy * share


def _box(box: Box, corner: Point, size: tuple[float, float]) -> Iterable[str]:
    (x, y), (width, height) = corner, size
    fill, line = _BOX[box.style]
    if box.depth and box.style != "dead":
        fill = _LOOP[min(box.depth, len(_LOOP) - 1)]
    dashes = ' stroke-dasharray="4 3"' if box.style == "dead" else ""
    radius = 12 if box.style == "virtual" else 4
    yield f"<g><title>{escaped(box.tip)}</title>" if box.tip else "<g>"
    yield (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="{radius}" fill="{fill}" '
        f'stroke="{line}"{dashes}/>'
    )
    for place, row in enumerate(box.rows):
        yield _text(row, x + PAD, y + PAD + FONT - 2 + LINE * place, dead=box.style == "dead")
    yield "</g>"


def _text(row: Row, x: float, y: float, *, dead: bool) -> str:
    colour = _TEXT["note"] if dead else _TEXT[row.style]
    weight = ' font-weight="bold"' if row.style in ("head", "source") else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}"{weight} xml:space="preserve">{escaped(row.text)}</text>'


def _label(arrow: Arrow, route: Route) -> str:
    (x, y), anchor = route.label_at, "start" if route.label_side > 0 else "end"
    attributes = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="10.5" xml:space="preserve"'
    text = escaped(arrow.label)
    return (
        f'<text {attributes} fill="#ffffff" stroke="#ffffff" stroke-width="3">{text}</text>'
        f'<text {attributes} fill="{_ARROW[arrow.style]}">{text}</text>'
    )
