"""Where boxes and arrows go: a layered drawing, top to bottom.

The steps are those of Sugiyama, Tagawa and Toda (1981): arrows that close a cycle are set aside; every box gets a
rank below those that lead to it; arrows over several ranks get a bend in each; within their ranks boxes and bends are
ordered by the barycentre of their neighbours, the order with the fewest crossings is kept; positions are, sweep by
sweep, the closest to those of the neighbours that leave everything its place (least squares, by pooling adjacent
violators). Arrows that lead upwards run at the left, in lanes of their own. Nothing is recursive. Lengths are in
pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

Point = tuple[float, float]

MARGIN = 16.0
BETWEEN_BOXES = 28.0
BETWEEN_BENDS = 14.0
BETWEEN_RANKS = 34.0
PER_ARROW = 2.5
"""By how much the space between two ranks grows for each arrow in it."""
TALLEST_SPACE = 110.0
LANE = 12.0
SWEEPS = 12
STIFFNESS = 16.0
"""How much more a bend is drawn to the next bend of its arrow than a box to a box."""
LABELLED = 16.0
"""What a label takes of the space between ranks."""


@dataclass(slots=True)
class Route:
    """How one arrow runs: through these points; ``upward`` in straight pieces, else in curves between the ranks."""

    points: list[Point] = field(default_factory=list)
    upward: bool = False
    label_at: Point = (0.0, 0.0)
    label_side: int = 1
    """1: the label stands right of the point, -1: left of it."""


@dataclass(slots=True)
class Drawing:
    """The upper left corner of each box, the route of each arrow, and the size of the whole."""

    corners: list[Point]
    routes: list[Route]
    width: float
    height: float


def arranged(
    sizes: Sequence[tuple[float, float]],
    arrows: Sequence[tuple[int, int]],
    labelled: Sequence[bool],
    bottom: Sequence[int] = (),
) -> Drawing:
    """Boxes of these sizes (width, height) and the arrows between them, by number. Box 0 comes first.

    The boxes in ``bottom`` go below all others.
    """
    return _Layout(sizes, arrows, labelled, bottom).drawing()


class _Layout:
    def __init__(
        self,
        sizes: Sequence[tuple[float, float]],
        arrows: Sequence[tuple[int, int]],
        labelled: Sequence[bool],
        bottom: Sequence[int],
    ) -> None:
        self.sizes = sizes
        self.arrows = arrows
        self.labelled = labelled
        self.upward = self._closing()
        self.ranks = self._ranked(set(bottom))
        self.chains: dict[int, list[int]] = {}
        """By arrow: source, bends and target, as vertices: boxes, then bends."""
        self.rank_of = list(self.ranks)
        self.widths = [width for width, _ in sizes]
        self._bend()
        self.layers: list[list[int]] = [[] for _ in range(max(self.rank_of, default=0) + 1)]
        self._order()
        self.x = [0.0] * len(self.rank_of)
        """The middle of each vertex."""
        self._place()
        self._straighten()

    # -- ranks ---------------------------------------------------------------------------------------

    def _closing(self) -> set[int]:
        """The arrows that lead back to a box on the way to their source, in a depth-first search."""
        leaving: list[list[tuple[int, int]]] = [[] for _ in self.sizes]
        for number, (source, target) in enumerate(self.arrows):
            leaving[source].append((number, target))
        found: set[int] = set()
        state = [0] * len(self.sizes)  # 1: on the way, 2: done
        for root in range(len(self.sizes)):
            if state[root]:
                continue
            state[root] = 1
            path = [(root, iter(leaving[root]))]
            while path:
                box, ways = path[-1]
                for number, target in ways:
                    if state[target] == 1:
                        found.add(number)
                    elif not state[target]:
                        state[target] = 1
                        path.append((target, iter(leaving[target])))
                        break
                else:
                    state[box] = 2
                    path.pop()
        return found

    def _ranked(self, bottom: set[int]) -> list[int]:
        """The longest way to each box; what nothing leads to comes as low as what it leads to allows."""
        count = len(self.sizes)
        forward = [pair for number, pair in enumerate(self.arrows) if number not in self.upward]
        entering = [0] * count
        leaving: list[list[int]] = [[] for _ in range(count)]
        for source, target in forward:
            entering[target] += 1
            leaving[source].append(target)
        ranks = [0] * count
        roots = [box for box in range(count) if not entering[box]]
        order = list(roots)
        for box in order:
            for target in leaving[box]:
                ranks[target] = max(ranks[target], ranks[box] + 1)
                entering[target] -= 1
                if not entering[target]:
                    order.append(target)
        for box in roots:
            if box and leaving[box]:
                ranks[box] = max(0, min(ranks[target] for target in leaving[box]) - 1)
        lowest = max((rank for box, rank in enumerate(ranks) if box not in bottom), default=0)
        for box in bottom:
            ranks[box] = max(ranks[box], lowest + 1)
        return ranks

    def _bend(self) -> None:
        for number, (source, target) in enumerate(self.arrows):
            if number in self.upward:
                continue
            chain = [source]
            for rank in range(self.ranks[source] + 1, self.ranks[target]):
                chain.append(len(self.rank_of))
                self.rank_of.append(rank)
                self.widths.append(0.0)
            self.chains[number] = [*chain, target]

    # -- order within ranks ----------------------------------------------------------------------------

    def _order(self) -> None:
        count = len(self.rank_of)
        self.above: list[list[int]] = [[] for _ in range(count)]
        self.below: list[list[int]] = [[] for _ in range(count)]
        for chain in self.chains.values():
            for upper, lower in pairwise(chain):
                self.below[upper].append(lower)
                self.above[lower].append(upper)
        seen = [False] * count
        for root in sorted(range(count), key=lambda vertex: self.rank_of[vertex]):
            pending = [root]
            while pending:
                vertex = pending.pop()
                if not seen[vertex]:
                    seen[vertex] = True
                    self.layers[self.rank_of[vertex]].append(vertex)
                    pending += reversed(self.below[vertex])
        best, fewest = [list(layer) for layer in self.layers], self._crossings()
        for sweep in range(SWEEPS):
            if not fewest:
                break
            places = self._places()
            if sweep % 2:
                for layer in reversed(self.layers[:-1]):
                    self._sort(layer, self.below, places)
            else:
                for layer in self.layers[1:]:
                    self._sort(layer, self.above, places)
            crossings = self._crossings()
            if crossings < fewest:
                best, fewest = [list(layer) for layer in self.layers], crossings
        self.layers = best

    @staticmethod
    def _sort(layer: list[int], neighbours: Sequence[Sequence[int]], places: dict[int, int]) -> None:
        keys: dict[int, float] = {}
        last = -1.0
        for vertex in layer:
            around = neighbours[vertex]
            if around:
                last = sum(places[one] for one in around) / len(around)
            keys[vertex] = last
        layer.sort(key=keys.__getitem__)
        for place, vertex in enumerate(layer):
            places[vertex] = place

    def _places(self) -> dict[int, int]:
        return {vertex: place for layer in self.layers for place, vertex in enumerate(layer)}

    def _crossings(self) -> int:
        """How many pairs of pieces between neighbouring ranks cross: inversions, counted with a Fenwick tree."""
        places = self._places()
        total = 0
        for layer in self.layers[:-1]:
            ends = [place for vertex in layer for place in sorted(places[one] for one in self.below[vertex])]
            size = max(ends, default=0) + 2
            tree = [0] * (size + 1)
            for count, end in enumerate(ends):
                at, before = end + 1, 0
                while at:
                    before += tree[at]
                    at -= at & -at
                total += count - before
                at = end + 1
                while at <= size:
                    tree[at] += 1
                    at += at & -at
        return total

    # -- positions ---------------------------------------------------------------------------------------

    def _place(self) -> None:
        for layer in self.layers:
            at = 0.0
            for i, vertex in enumerate(layer):
                at += self._apart(layer[i - 1], vertex) if i else self.widths[vertex] / 2
                self.x[vertex] = at
        for sweep in range(4 * SWEEPS):
            layers = self.layers if sweep % 2 == 0 else self.layers[::-1]
            nearer, other = (self.above, self.below) if sweep % 2 == 0 else (self.below, self.above)
            for layer in layers:
                self._settle(layer, nearer, other if sweep >= SWEEPS else None)

    def _apart(self, left: int, right: int) -> float:
        boxes = len(self.sizes)
        space = BETWEEN_BOXES if left < boxes and right < boxes else BETWEEN_BENDS
        return (self.widths[left] + self.widths[right]) / 2 + space

    def _settle(
        self, layer: list[int], nearer: Sequence[Sequence[int]], other: Sequence[Sequence[int]] | None
    ) -> None:
        """Move the vertices of a rank towards their neighbours, in their order and with their distances."""
        boxes, x = len(self.sizes), self.x
        pools: list[tuple[float, float, int]] = []  # (weighted sum, weight, count) of vertices that touch
        offsets: list[float] = []
        offset = 0.0
        for i, vertex in enumerate(layer):
            if i:
                offset += self._apart(layer[i - 1], vertex)
            offsets.append(offset)
            around = [(one, STIFFNESS if vertex >= boxes and one >= boxes else 1.0) for one in nearer[vertex]]
            if other is not None:
                around += [(one, STIFFNESS if vertex >= boxes and one >= boxes else 1.0) for one in other[vertex]]
            weight = sum(much for _, much in around)
            wanted = sum(x[one] * much for one, much in around) / weight if weight else x[vertex]
            weight = weight or 0.01
            pools.append(((wanted - offset) * weight, weight, 1))
            while len(pools) > 1 and pools[-2][0] / pools[-2][1] > pools[-1][0] / pools[-1][1]:
                right, left = pools.pop(), pools.pop()
                pools.append((left[0] + right[0], left[1] + right[1], left[2] + right[2]))
        i = 0
        for total, weight, count in pools:
            for _ in range(count):
                x[layer[i]] = total / weight + offsets[i]
                i += 1

    def _straighten(self) -> None:
        """Put the bends of an arrow below each other, as far down as there is room for it."""
        beside: dict[int, tuple[int | None, int | None]] = {}
        for layer in self.layers:
            for left, vertex, right in zip([None, *layer], layer, [*layer[1:], None], strict=False):
                beside[vertex] = (left, right)
        for chain in self.chains.values():
            run: list[int] = []
            low, high = -1e12, 1e12
            for bend in [*chain[1:-1], None]:
                if bend is not None:
                    left, right = beside[bend]
                    least = -1e12 if left is None else self.x[left] + self._apart(left, bend)
                    most = 1e12 if right is None else self.x[right] - self._apart(bend, right)
                    if max(low, least) <= min(high, most):
                        run.append(bend)
                        low, high = max(low, least), min(high, most)
                        continue
                middle = sorted(self.x[one] for one in run)[len(run) // 2] if run else 0.0
                for one in run:
                    self.x[one] = min(max(middle, low), high)
                if bend is not None:
                    run, low, high = [bend], least, most

    # -- the drawing -------------------------------------------------------------------------------------

    def drawing(self) -> Drawing:
        boxes = len(self.sizes)
        tops, bottoms = self._levels()
        routes = [Route() for _ in self.arrows]
        starts, ends = self._ports()
        for number, chain in self.chains.items():
            route = routes[number]
            source, target = self.arrows[number]
            low = tops[self.ranks[source]] + self.sizes[source][1]
            route.points = [(starts[number], low), (starts[number], bottoms[self.ranks[source]])]
            for vertex in chain[1:-1]:
                rank = self.rank_of[vertex]
                route.points += [(self.x[vertex], tops[rank]), (self.x[vertex], bottoms[rank])]
            route.points.append((ends[number], tops[self.ranks[target]]))
        self._upward(routes, starts, ends, tops, bottoms)
        for number, route in enumerate(routes):
            source = self.arrows[number][0]
            route.label_side = -1 if starts[number] < self.x[source] - 1 else 1
            x, y = route.points[0]
            route.label_at = (x + 4 * route.label_side, y + 12)
        corners = [(self.x[box] - self.sizes[box][0] / 2, tops[self.ranks[box]]) for box in range(boxes)]
        return _moved(corners, routes, self.sizes)

    def _levels(self) -> tuple[list[float], list[float]]:
        """The top and the bottom of each rank."""
        heights = [0.0] * len(self.layers)
        for box, (_, height) in enumerate(self.sizes):
            heights[self.ranks[box]] = max(heights[self.ranks[box]], height)
        between = [0] * len(self.layers)
        labels = [False] * len(self.layers)
        for number, (source, target) in enumerate(self.arrows):
            labels[self.ranks[source]] |= self.labelled[number]
            between[self.ranks[source]] += 1
            if number in self.upward and self.ranks[target]:
                between[self.ranks[target] - 1] += 2
        tops, bottoms = [], []
        y = 0.0
        for rank, height in enumerate(heights):
            tops.append(y)
            bottoms.append(y + height)
            space = min(TALLEST_SPACE, BETWEEN_RANKS + PER_ARROW * between[rank])
            y += height + space + (LABELLED if labels[rank] else 0)
        return tops, bottoms

    def _ports(self) -> tuple[list[float], list[float]]:
        """Where on the boxes' edges each arrow begins and ends: in the order of where it comes from or goes to."""
        leaving: list[list[tuple[float, int]]] = [[] for _ in self.sizes]
        entering: list[list[tuple[float, int]]] = [[] for _ in self.sizes]
        for number, (source, target) in enumerate(self.arrows):
            if number in self.upward:
                leaving[source].append((-1e9, number))
                entering[target].append((-1e9, number))
            else:
                chain = self.chains[number]
                leaving[source].append((self.x[chain[1]], number))
                entering[target].append((self.x[chain[-2]], number))
        found = ([0.0] * len(self.arrows), [0.0] * len(self.arrows))
        for ports, arrows in zip(found, (leaving, entering), strict=True):
            for box, here in enumerate(arrows):
                here.sort()
                step = min(64.0, self.sizes[box][0] / (len(here) + 1))
                first = self.x[box] - step * (len(here) - 1) / 2
                for place, (_, number) in enumerate(here):
                    ports[number] = first + step * place
        return found

    def _upward(
        self,
        routes: list[Route],
        starts: Sequence[float],
        ends: Sequence[float],
        tops: Sequence[float],
        bottoms: Sequence[float],
    ) -> None:
        """Arrows that lead upwards: short ones nearer, each in a lane left of all that stands in its ranks."""
        lefts = [
            min((self.x[vertex] - self.widths[vertex] / 2 for vertex in layer), default=0.0) for layer in self.layers
        ]
        spans = {one: (self.ranks[self.arrows[one][1]], self.ranks[self.arrows[one][0]]) for one in self.upward}
        turns = [0] * (len(self.layers) + 1)
        for number, (upper, lower) in sorted(spans.items(), key=lambda span: (span[1][1] - span[1][0], span[0])):
            source = self.arrows[number][0]
            lane = min(lefts[upper : lower + 1]) - 2 * LANE
            for rank in range(upper, lower + 1):
                lefts[rank] = lane + LANE
            low = tops[lower] + self.sizes[source][1]
            turn = bottoms[lower] + 9 + 5 * (turns[lower + 1] % 4)
            back = tops[upper] - 12 - 5 * (turns[upper] % 4)
            turns[lower + 1] += 1
            turns[upper] += 1
            routes[number].upward = True
            routes[number].points = [
                (starts[number], low),
                (starts[number], turn),
                (lane, turn),
                (lane, back),
                (ends[number], back),
                (ends[number], tops[upper]),
            ]


def _moved(corners: list[Point], routes: list[Route], sizes: Sequence[tuple[float, float]]) -> Drawing:
    """Everything moved so that the whole begins at the margin."""
    points = [point for route in routes for point in route.points]
    far = [(x + width, y + height) for (x, y), (width, height) in zip(corners, sizes, strict=True)]
    left = min((x for x, _ in corners + points), default=0.0) - MARGIN
    top = min((y for _, y in corners + points), default=0.0) - MARGIN
    right = max((x for x, _ in far + points), default=0.0) + MARGIN
    low = max((y for _, y in far + points), default=0.0) + MARGIN
    for route in routes:
        route.points = [(x - left, y - top) for x, y in route.points]
        route.label_at = (route.label_at[0] - left, route.label_at[1] - top)
    return Drawing([(x - left, y - top) for x, y in corners], routes, right - left, low - top)
