"""match: every kind of pattern, guards, captures, fall through."""

from dataclasses import dataclass
from enum import Enum


class Color(Enum):
    RED = 1
    BLUE = 2


@dataclass
class Point:
    x: int
    y: int


def classify(value):
    match value:
        case None:
            return "none"
        case True | False:
            return "bool"
        case 0:
            return "zero"
        case int(n) if n > 100:
            return f"big {n}"
        case int() | float():
            return "number"
        case "a" | "b" as letter:
            return f"letter {letter}"
        case str(text):
            return f"text {text}"
        case []:
            return "empty"
        case [one]:
            return f"one {one}"
        case [first, *middle, last] if len(middle) > 2:
            return f"long {first} {middle} {last}"
        case (a, b, *_):
            return f"pair {a} {b}"
        case {"kind": "circle", "r": r, **rest}:
            return f"circle {r} {sorted(rest)}"
        case {"kind": kind}:
            return f"kind {kind}"
        case Point(x=0, y=0):
            return "origin"
        case Point(x, y=0):
            return f"on x at {x}"
        case Point(x=px) as p if px == p.y:
            return f"diagonal {px}"
        case Color.RED:
            return "red"
        case _:
            return "other"


def no_default(value):
    found = "nothing"
    match value:
        case [1, [2, [x]]]:
            found = x
        case {"a": {"b": [y, *_]}}:
            found = y
    return found


def captures(value):
    match value:
        case (x, y):
            pass
        case x:
            y = None
    return x, y


def loop(values):
    out = []
    for value in values:
        match value:
            case "skip":
                continue
            case "stop":
                break
            case [*items]:
                out.extend(items)
            case _:
                try:
                    out.append(value + 1)
                except TypeError:
                    out.append("bad")
    else:
        out.append("exhausted")
    return out


def rebinds_argument(value):
    match value:
        case [value]:
            return rebinds_argument(value)
        case value if value:
            return value
    return "falsy", value


def main():
    for value in (
        None, True, 0, 5, 500, 2.5, "a", "hello", [], [1], [1, 2, 3, 4, 5], [1, 2, 3], (7, 8),
        {"kind": "circle", "r": 2, "z": 1}, {"kind": "square"}, Point(0, 0), Point(3, 0), Point(4, 4),
        Point(1, 2), Color.RED, Color.BLUE, b"x",
    ):  # fmt: skip
        print(value, classify(value))
    print(no_default([1, [2, [3]]]), no_default({"a": {"b": [4, 5]}}), no_default(0))
    print(captures((1, 2)), captures([3]))
    print(loop([1, "skip", [2, 3], None, 4]), loop([1, "stop", 2]))
    print(rebinds_argument([[[5]]]), rebinds_argument([0]))


if __name__ == "__main__":
    main()
