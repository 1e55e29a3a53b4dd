"""Immediate dominators and dominance frontiers of a graph in integers.

Cooper, Harvey, Kennedy: A Simple, Fast Dominance Algorithm (2001), and its frontiers. Nodes are numbered such that
each has a predecessor of a smaller number, which every reverse postorder is: then a dominator has a smaller number
than what it dominates. Only joins need more than one look. The search for the common ancestor of many nodes marks the
way that it has gone, and in large graphs goes up in large steps, so that a function of 10^5 blocks takes a second.

Nothing leads to the root. Everything is a loop over lists: no recursion.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Numbers = Sequence[int]
_MANY = 8
"""Joins of more ways than this mark where they have been."""
_LARGE = 1000
"""Graphs of more nodes than this are given ways to walk up the tree in large steps."""


class Dominance:
    """A dominator tree by node number; ``idom`` is -1 for nodes that the root does not reach."""

    __slots__ = ("_frontiers", "idom", "incoming", "order")

    def __init__(self, order: Numbers, idom: list[int], incoming: Sequence[Numbers]) -> None:
        self.order = order
        """The reachable nodes, the root first, each behind its immediate dominator."""
        self.idom = idom
        """By node: its immediate dominator; the root's is itself."""
        self.incoming = incoming
        """By node: its predecessors."""
        self._frontiers: list[list[int]] | None = None

    @property
    def is_total(self) -> bool:
        """Whether the root reaches every node."""
        return len(self.order) == len(self.idom)

    def frontiers(self, live: Numbers | None = None) -> list[list[int]]:
        """By node: the joins at which its dominance ends, in their order, each once.

        With ``live``, nodes for which that is negative count for each other only: they are in the frontiers of no
        other node. (What dominates a live node must be live, too.) The first call decides.
        """
        if self._frontiers is None:
            self._frontiers = self._find_frontiers(live)
        return self._frontiers

    def _find_frontiers(self, live: Numbers | None) -> list[list[int]]:
        idom, incoming = self.idom, self.incoming
        found: list[list[int]] = [[] for _ in idom]
        last = [-1] * len(idom)
        for join in self.order:
            sources = incoming[join]
            if len(sources) < 2:
                continue
            top = idom[join]
            dead = live is not None and live[join] < 0
            for node in sources:
                # A node that has this join already has it for all that dominate it, too.
                while node != top and last[node] != join:
                    above = idom[node]
                    if above < 0 or (dead and live is not None and live[node] >= 0):
                        break
                    last[node] = join
                    found[node].append(join)
                    node = above
        return found

    def intervals(self) -> tuple[list[int], list[int]]:
        """By node: its number in a preorder of the tree, and that behind its last descendant; -1 and -1 elsewhere."""
        idom, order = self.idom, self.order
        size = [1] * len(idom)
        for node in reversed(order):
            if node != order[0]:
                size[idom[node]] += size[node]
        first, behind, free = [-1] * len(idom), [-1] * len(idom), [0] * len(idom)
        for node in order:
            if node == order[0]:
                begin = 0
            else:
                above = idom[node]
                begin = free[above]
                free[above] = begin + size[node]
            first[node], behind[node], free[node] = begin, begin + size[node], begin + 1
        return first, behind

    def children(self) -> list[list[int]]:
        """By node: the nodes of which it is the immediate dominator."""
        found: list[list[int]] = [[] for _ in self.idom]
        for node in self.order:
            if node != self.order[0]:
                found[self.idom[node]].append(node)
        return found


def dominators(outgoing: Sequence[Numbers], incoming: Sequence[Numbers]) -> Dominance:
    """The dominators of a graph, node 0 being the root."""
    idom = solve(incoming)
    if idom is not None:
        return Dominance(range(len(outgoing)), idom, incoming)
    return _renumbered(reverse_postorder(outgoing, 0), incoming)


def post_dominators(outgoing: Sequence[Numbers], incoming: Sequence[Numbers]) -> Dominance:
    """The dominators of the reversed graph, the last node being the root.

    What never comes to the last node is given an edge to it: from the first block of each strongly connected
    component that nothing leaves.
    """
    last = len(outgoing) - 1
    solved = solve([[last - node for node in targets] for targets in reversed(outgoing)])
    if solved is not None:
        solved.reverse()
        return Dominance(range(last, -1, -1), [last - number for number in solved], outgoing)
    order = reverse_postorder(incoming, last)
    if len(order) <= last:
        caught = traps(outgoing, set(range(last + 1)).difference(order))
        outgoing = [[*targets, last] if node in caught else targets for node, targets in enumerate(outgoing)]
        incoming = [*incoming[:-1], [*incoming[last], *sorted(caught)]]
        order = reverse_postorder(incoming, last)
    return _renumbered(order, outgoing)


def _renumbered(order: list[int], incoming: Sequence[Numbers]) -> Dominance:
    """The dominators of what stands in a reverse postorder."""
    number = [-1] * len(incoming)
    for i, node in enumerate(order):
        number[node] = i
    solved = solve([[number[source] for source in incoming[node] if number[source] >= 0] for node in order])
    assert solved is not None, "a reverse postorder has a predecessor before each node"
    idom = [-1] * len(incoming)
    for i, node in enumerate(order):
        idom[node] = order[solved[i]]
    return Dominance(order, idom, incoming)


def solve(incoming: Sequence[Numbers]) -> list[int] | None:
    """Immediate dominators, node 0 being the root; None if a node has no predecessor of a smaller number."""
    idom = [0] * len(incoming)
    ancestry = _Ancestry(idom) if len(incoming) > _LARGE else None
    joins: list[int] = []
    again = False
    for node in range(1, len(incoming)):
        sources = incoming[node]
        if len(sources) == 1:
            found = sources[0]
            if found >= node:
                return None
        elif 0 in sources:
            found = 0
        else:
            joins.append(node)
            before = [source for source in sources if source < node]
            if not before:
                return None
            again = again or len(before) < len(sources)
            if ancestry is not None:
                found = ancestry.nearest(before)
            else:
                found = before[0] if len(before) == 1 else _nearest(idom, before)
        idom[node] = found
        if ancestry is not None:
            ancestry.add(node)
    if again and ancestry is not None:
        again = not ancestry.is_final(joins, incoming)
    while again:
        again = False
        for node in joins:
            found = _nearest(idom, incoming[node])
            if found != idom[node]:
                idom[node] = found
                again = True
    return idom


class _Ancestry:
    """A tree that grows by leaves, and the nearest common ancestors in it, in logarithmic time.

    Where a chain of thousands of nodes is the rule, it is too long to be walked at each join. Source: Myers, An
    Applicative Random-Access Stack (1983).
    """

    def __init__(self, parent: list[int]) -> None:
        self.parent = parent
        self.depth = [0] * len(parent)
        self.jump = [0] * len(parent)
        """By node: an ancestor far above."""

    def add(self, node: int) -> None:
        """Take in a node whose parent is known by now."""
        depth, jump = self.depth, self.jump
        above = self.parent[node]
        far = jump[above]
        depth[node] = depth[above] + 1
        jump[node] = jump[far] if depth[above] - depth[far] == depth[far] - depth[jump[far]] else above

    def nearest(self, nodes: Numbers) -> int:
        """The nearest common ancestor of nodes."""
        parent, depth, jump = self.parent, self.depth, self.jump
        found = nodes[0]
        for other in nodes:
            if depth[found] < depth[other]:
                found, other = other, found
            level = depth[other]
            while depth[found] > level:
                found = jump[found] if depth[jump[found]] >= level else parent[found]
            while found != other:
                if jump[found] != jump[other]:
                    found, other = jump[found], jump[other]
                else:
                    found, other = parent[found], parent[other]
        return found

    def is_final(self, joins: Numbers, incoming: Sequence[Numbers]) -> bool:
        """Whether the sources that joins have behind them are all below their parents, so that nothing changes."""
        first, behind = Dominance(range(len(self.parent)), self.parent, incoming).intervals()
        for node in joins:
            above = self.parent[node]
            low, high = first[above], behind[above]
            for source in incoming[node]:
                if not low <= first[source] < high:
                    return False
        return True


def _nearest(idom: list[int], nodes: Numbers) -> int:
    """The nearest common ancestor of nodes."""
    if len(nodes) > _MANY:
        return _nearest_of_many(idom, nodes)
    found = nodes[0]
    for node in nodes:
        while node != found:
            if node > found:
                node = idom[node]
            else:
                found = idom[found]
    return found


def _nearest_of_many(idom: list[int], nodes: Numbers) -> int:
    """The same, passing no node twice."""
    found = nodes[0]
    passed = {found}
    for node in nodes:
        while node not in passed:
            if node > found:
                passed.add(node)
                node = idom[node]
            else:
                found = idom[found]
                passed.add(found)
    return found


def reverse_postorder(outgoing: Sequence[Iterable[int]], root: int) -> list[int]:
    """What the root reaches, in the reverse of the order in which a depth-first search leaves it."""
    seen = bytearray(len(outgoing))
    seen[root] = 1
    order: list[int] = []
    path = [root]
    ways = [iter(outgoing[root])]
    while path:
        for node in ways[-1]:
            if not seen[node]:
                seen[node] = 1
                path.append(node)
                ways.append(iter(outgoing[node]))
                break
        else:
            order.append(path.pop())
            ways.pop()
    order.reverse()
    return order


def traps(outgoing: Sequence[Numbers], nodes: set[int]) -> set[int]:
    """The first node of each strongly connected component of ``nodes`` that no edge leaves.

    Tarjan's algorithm, with a stack of its own. ``nodes`` have edges among themselves only.
    """
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    leaves: dict[int, bool] = {}
    pending: list[int] = []
    done: set[int] = set()
    found: set[int] = set()
    for root in sorted(nodes):
        if root in index:
            continue
        path = [(root, iter(outgoing[root]))]
        index[root] = low[root] = len(index)
        leaves[root] = False
        pending.append(root)
        while path:
            node, ways = path[-1]
            for target in ways:
                if target not in index:
                    index[target] = low[target] = len(index)
                    leaves[target] = False
                    pending.append(target)
                    path.append((target, iter(outgoing[target])))
                    break
                if target in done:
                    leaves[node] = True
                else:
                    low[node] = min(low[node], index[target])
            else:
                path.pop()
                component: list[int] = []
                if low[node] == index[node]:
                    while not component or component[-1] != node:
                        component.append(pending.pop())
                    done.update(component)
                    if not leaves[node]:
                        found.add(min(component))
                if path:
                    above = path[-1][0]
                    low[above] = min(low[above], low[node])
                    leaves[above] = leaves[above] or bool(component) or leaves[node]
    return found
