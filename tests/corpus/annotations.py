"""Annotations: of parameters, results, locals, attributes, evaluated when the version says so."""

import typing


def annotated(a: int, b: "str" = "x", *args: float, key: list[int] | None = None, **kwargs: dict) -> tuple[int, str]:
    c: int = a + 1
    d: str
    d = b * 2
    return c, d, args, key, kwargs


def only_local_annotations(a):
    x: int
    y: str = a
    (z): int = 3
    return y, z


def attributes():
    class Box:
        x: int = 1
        y: str

    box = Box()
    box.z: int = 3
    box.items: list = [1]
    box.items[0]: int = 5
    return box.z, box.items, sorted(Box.__annotations__)


class Point:
    x: int
    y: int = 2
    names: typing.ClassVar[list[str]] = ["x", "y"]

    def move(self, dx: int = 0) -> "Point":
        self.x: int = self.y + dx
        return self


def side_effects(tag):
    print("evaluated", tag)
    return int


def with_side_effects(a: side_effects("a"), b: side_effects("b") = 1) -> side_effects("r"):
    local: side_effects("never") = 1
    return a + b + local


module_level: int = 5


def inner_annotations(T):
    def f(x: T, *, y: "T" = None) -> T:
        return x

    class C:
        attr: T

    return f.__annotations__["x"].__name__, f(3), C.__annotations__["attr"].__name__


def main():
    print(annotated(1), annotated(1, "z", 2.0, key=[1], k={}))
    print(only_local_annotations(1), attributes(), Point().move(3).x, sorted(Point.__annotations__))
    print(with_side_effects(1), sorted(with_side_effects.__annotations__))
    print(inner_annotations(str), module_level, typing.get_type_hints(Point.move).keys())


if __name__ == "__main__":
    main()
