"""Annotations that stay text."""

from __future__ import annotations

import dataclasses


def annotated(a: undefined_name, b: also[undefined] = 1) -> never.evaluated:
    local: nothing = a
    return local, b


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0
    tags: list[str] = dataclasses.field(default_factory=list)

    def plus(self, other: Point) -> Point:
        return Point(self.x + other.x, self.y + other.y)


class Tree:
    left: Tree | None = None

    def depth(self: Tree) -> int:
        return 1 + (self.left.depth() if self.left else 0)


def main():
    print(annotated(1), annotated.__annotations__)
    print(Point(1).plus(Point(2, 3)), Point(1) == Point(1), Point.__annotations__)
    tree = Tree()
    tree.left = Tree()
    print(tree.depth(), Tree.__annotations__)


if __name__ == "__main__":
    main()
