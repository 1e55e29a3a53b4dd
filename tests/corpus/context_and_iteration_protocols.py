"""Code called by the interpreter itself: special methods, callbacks, sort keys, iterators."""

import functools
import itertools
import operator


class Countdown:
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        return self

    def __next__(self):
        if not self.n:
            raise StopIteration
        self.n -= 1
        return self.n


class Version:
    def __init__(self, text):
        self.parts = [int(p) for p in text.split(".")]

    def __lt__(self, other):
        return self.parts < other.parts

    def __hash__(self):
        return hash(tuple(self.parts))

    def __eq__(self, other):
        return isinstance(other, Version) and self.parts == other.parts

    def __format__(self, spec):
        return spec + ".".join(map(str, self.parts))

    def __index__(self):
        return self.parts[0]

    def __radd__(self, other):
        return other + self.parts[0]

    def __missing__(self, key):
        return key


class Default(dict):
    def __missing__(self, key):
        self[key] = value = key * 2
        return value


class Lazy:
    def __getattribute__(self, name):
        if name == "real":
            return object.__getattribute__(self, "_real")
        return name

    def __init__(self):
        object.__setattr__(self, "_real", 7)

    def __setattr__(self, name, value):
        print("setattr", name, value)


def compare(a, b):
    return (a > b) - (a < b)


def main():
    print(list(Countdown(3)), [*Countdown(2)], dict(enumerate(Countdown(2))), 1 in Countdown(3))
    a, b, *rest = Countdown(4)
    print(a, b, rest, sum(Countdown(5)), sorted("bca", key=lambda c: -ord(c)))
    versions = sorted(map(Version, ["2.0", "1.10", "1.9"]))
    print([f"{x:v}" for x in versions], len({Version("1.0"), Version("1.0")}), [1, 2, 3][Version("1.1")])
    print(sum([Version("3.0")], 1), Default()[4], functools.reduce(compare, [3, 1, 2]))
    print(sorted([3, 1, 2], key=functools.cmp_to_key(compare)), list(filter(lambda x: x % 2, range(5))))
    print([(k, list(g)) for k, g in itertools.groupby("aabc", lambda c: c < "b")])
    print(list(itertools.takewhile(lambda x: x < 3, itertools.count())), operator.attrgetter("n")(Countdown(2)))
    lazy = Lazy()
    lazy.x = 1
    print(lazy.real, lazy.other, max([1, -5, 3], key=abs), list(map(lambda x, y: x + y, [1, 2], [3, 4])))
    print(next(iter(lambda it=iter("ab-"): next(it), "-")), list(iter(functools.partial(next, iter("ab-")), "-")))


if __name__ == "__main__":
    main()
