"""Pictures: everything is in them, nothing overlaps, nothing breaks the format."""

from __future__ import annotations

import re
import sys
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import CodeType

import networkx
import pytest

from equip import BasicBlock, ControlFlow, EdgeKind
from equip.analysis.pictures.contents import flow_figure
from equip.analysis.pictures.layered import Drawing, arranged
from equip.analysis.pictures.svg import escaped

CORPUS = sorted((Path(__file__).parents[2] / "corpus").glob("[a-z]*.py"))
SVG = "{http://www.w3.org/2000/svg}"


def example(items, limit=10):
    total = 0
    for item in items:
        try:
            total += item
        except ValueError:
            print("<&>\"'")
            break
        while total > limit:
            total -= limit
    return total


def codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from codes(constant)


def corpus() -> Iterator[ControlFlow]:
    for path in CORPUS[::3]:
        try:
            with warnings.catch_warnings(action="ignore"):
                code = compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
        except SyntaxError:  # for a newer Python
            continue
        for one in codes(code):
            yield ControlFlow(one)


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(svg).iter(f"{SVG}text")]


def test_svg_has_blocks_source_and_labels() -> None:
    flow = ControlFlow(example)
    root = ET.fromstring(flow.to_svg())
    shown = [element.text or "" for element in root.iter(f"{SVG}text")]
    assert len(list(root.iter(f"{SVG}g"))) == len(flow) + 2
    assert any(text.endswith("total += item") for text in shown)
    assert any("LOAD_GLOBAL print" in text for text in shown)
    assert {"total > limit", "not total > limit", "exhausted", "exception", "return"} <= set(shown)
    assert any(text.endswith("· loop 2") for text in shown)
    assert "entry of example" in shown
    assert any(text.endswith("print(\"<&>\\\"'\")") for text in shown), "escaped"
    assert flow._repr_svg_() == flow.to_svg(), "the same each time"


def test_what_can_be_left_out() -> None:
    flow = ControlFlow(example)
    shown = texts(flow.to_svg(source=False, instructions=False, exceptions=False, loops=False))
    assert not any("total +=" in text or "LOAD" in text or "loop" in text for text in shown)
    assert "exception" not in shown
    assert any("more instructions" in text for text in texts(flow.to_svg(limit=1)))
    labelled = flow.to_svg(label=lambda edge: "item > 0" if edge.kind is EdgeKind.TRUE else None)
    assert {"item > 0", "false"} <= set(texts(labelled))
    assert not {"true", "total > limit"} & set(texts(labelled))


def test_without_the_source_file() -> None:
    code = compile("if a:\n    b()\n", "not there.py", "exec")
    assert any("LOAD_NAME a" in text for text in texts(ControlFlow(code).to_svg()))


def test_control_characters_and_surrogates() -> None:
    assert escaped("a\x00\x1b<\ud800") == r"a\x00\x1b&lt;\ud800"
    code = compile("x = '\\x00\\ud800<' * f(']]>')", "odd\x01.py", "exec").replace(co_name="<\x02>", co_qualname="\x02")
    ET.fromstring(ControlFlow(code).to_svg())
    assert "\x02" not in ControlFlow(code).to_dot()


def test_huge_constants_are_cut() -> None:
    code = compile(f"x = {'9' * 4000}\ny = '{'z' * 10000}'\n", "x.py", "exec")
    assert len(ControlFlow(code).to_svg()) < 10_000


def test_all_of_the_corpus_is_drawn() -> None:
    for flow in corpus():
        figure = flow_figure(flow)
        assert len(figure.boxes) >= len(flow) + 1
        drawing = drawn(figure_sizes(flow), [(a.source + 1, a.target + 1) for a in figure.arrows])
        check(drawing, figure_sizes(flow), [(a.source + 1, a.target + 1) for a in figure.arrows])
        ET.fromstring(flow.to_svg())


def figure_sizes(flow: ControlFlow) -> list[tuple[float, float]]:
    return [(60.0 + 7 * (node % 5), 20.0 + 5 * (node % 7)) for node in range(len(flow.nodes))]


def drawn(sizes: list[tuple[float, float]], arrows: list[tuple[int, int]]) -> Drawing:
    return arranged(sizes, arrows, [True] * len(arrows))


def check(drawing: Drawing, sizes: list[tuple[float, float]], arrows: list[tuple[int, int]]) -> None:
    """Boxes lie apart and inside; arrows begin at their source, end at their target, and cross no box sideways."""
    boxes = [(x, y, x + w, y + h) for (x, y), (w, h) in zip(drawing.corners, sizes, strict=True)]
    by_row: dict[float, list[tuple[float, float, float, float]]] = {}
    for box in boxes:
        assert box[0] >= 0
        assert box[2] <= drawing.width
        assert box[3] <= drawing.height
        by_row.setdefault(box[1], []).append(box)
    for row in by_row.values():
        for left, right in pairwise(sorted(row)):
            assert left[2] < right[0], "boxes overlap"
    for one, other in pairwise(sorted(by_row.items())):
        assert max(box[3] for box in one[1]) < other[0], "ranks overlap"
    for (source, target), route in zip(arrows, drawing.routes, strict=True):
        (x, y), (goal_x, goal_y) = route.points[0], route.points[-1]
        assert boxes[source][0] < x < boxes[source][2]
        assert y == boxes[source][3]
        assert boxes[target][0] < goal_x < boxes[target][2]
        assert goal_y == boxes[target][1]
        for (x1, y1), (x2, y2) in pairwise(route.points):
            if x1 == x2:
                low, high = sorted((y1, y2))
                assert not any(b[0] < x1 < b[2] and b[1] < high and low < b[3] for b in boxes), "through a box"


def test_dominator_trees() -> None:
    tree = ControlFlow(example).dominators
    root = ET.fromstring(tree.to_svg())
    assert len([p for p in root.iter(f"{SVG}path") if p.get("marker-end")]) == len(tree.dom) - 1
    assert "exit" in texts(tree.to_svg(post=True))
    assert tree.to_dot(post=True).startswith('digraph "post-dominator tree of example" {')
    assert tree._repr_svg_() == tree.to_svg()


def test_dot() -> None:
    """Every statement is one that the language has; loops are clusters in clusters."""
    for flow in (ControlFlow(example), *corpus()):
        text = flow.to_dot()
        depth = 0
        string = r'"(?:[^"\\]|\\.)*"'
        for line in text.splitlines():
            bare = re.sub(string, '""', line)
            depth += bare.count("{") - bare.count("}")
            assert re.fullmatch(
                r'digraph "" \{|\s*(graph|node|edge) \[.*\];|\s*n-?\d+( -> n-?\d+)? \[.*\];|'
                r'\s*subgraph cluster_\d+ \{|\s*label="";.*|\s*\}',
                bare,
            ), line
        assert depth == 0
        assert text.count("subgraph") == len(flow.loops)
        assert {int(n) for n in re.findall(r"^ *n(-?\d+) \[", text, re.MULTILINE)} >= {b.index for b in flow}


def test_networkx() -> None:
    flow = ControlFlow(example)
    graph = flow.to_networkx()
    assert set(graph) == set(flow.nodes)
    assert graph.number_of_edges() == len(flow.edges)
    assert {data["kind"] for _, _, data in graph.edges(data=True)} == {edge.kind for edge in flow.edges}
    tree = flow.dominators.to_networkx()
    immediate = networkx.immediate_dominators(networkx.DiGraph(graph), flow.entry)
    assert {b: a for a, b in tree.edges} == {b: a for b, a in immediate.items() if a not in (None, b)}
    assert set(flow.dominators.to_networkx(post=True)) == set(flow.dominators.post_dom)


def test_networkx_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "networkx", None)
    with pytest.raises(ImportError, match="pip install networkx"):
        ControlFlow(example).to_networkx()


def test_reprs() -> None:
    flow = ControlFlow(example)
    assert repr(flow) == f"<ControlFlow of example: {len(flow)} blocks, {len(flow.edges)} edges>"
    assert re.fullmatch(r"<BasicBlock 0: 0 to \d+, lines \d+ to \d+>", repr(flow.blocks[0]))
    assert repr(flow.edges[0]) == "<Edge entry to 0: fall-through>"
    assert repr(flow.edges_to(flow.exit)[-1]).endswith(" to exit: raise>")
    assert isinstance(flow.blocks[0], BasicBlock)


def test_a_long_chain_of_branches_is_no_recursion() -> None:
    source = "def f(x):\n" + "".join(f"    if x > {i}: x -= {i}\n" for i in range(1500))
    namespace: dict[str, object] = {}
    exec(source, namespace)
    flow = ControlFlow(namespace["f"])
    assert len(flow) > 3000
    ET.fromstring(flow.to_svg(instructions=False, exceptions=False))
