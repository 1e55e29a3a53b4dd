"""Expressions: chained comparisons, conditional, boolean, walrus, slices, over several lines."""


def chained(a, b, c):
    return a < b < c, a < b == b != c, a <= b in (b, c) is not None


def chained_side_effects():
    log = []

    def v(x):
        log.append(x)
        return x

    r = v(1) < v(3) < v(2) < v(9)
    return r, log


def conditional(x):
    sign = "neg" if x < 0 else "zero" if x == 0 else "pos"
    return sign if x else (sign, x) if x is not None else None


def boolean(a, b, c):
    return a and b or c, not a or b and not c, (a or b) and (b or c), a and b and c, bool(a) is not bool(b)


def walrus(data):
    if (n := len(data)) > 2 and (last := data[-1]):
        return n, last
    while (item := data.pop() if data else None) is not None:
        n += item
    return n, item


def long_call(a, b):
    return max(
        a
        + b,
        min(
            a,
            b,
        ),
        *[
            a,
            b
        ],
        key=lambda v: (
            -v
            if v > 2
            else v
        ),
    )  # fmt: skip


def deep_arithmetic(a, b, c):
    return (
        (a + b) * (b + c) - ((a - b) ** 2 // (c or 1))
        + (
            (a << 2)
            | (b & 7)
            ^ ~c
        ) % 13
        + -a
        + +b
    )  # fmt: skip


def subscripts(x):
    x = list(x)
    x[1:3] = [9, 9, 9]
    x[0] += 5
    x[-1], x[0] = x[0], x[-1]
    x[::2] = [0] * len(x[::2])
    return x, x[1:], x[:-1], x[::-1], x[slice(1, 3)]


def augmented():
    a = b = c = 7
    a += 1
    b //= 2
    c **= 2
    a |= 16
    b <<= 3
    c %= 10
    s = "x"
    s *= 3
    d = {"k": [1]}
    d["k"] += [2]
    d["k"][0] -= 1
    return a, b, c, s, d


def starred(first, *rest):
    a, *b, c = first, *rest
    [d, *e] = b or [0]
    (f, g), h = (a, c), [*b, *range(2)]
    merged = {**{"x": 1}, "y": 2, **{"x": 3}}
    return a, b, c, d, e, f, g, h, merged, {*b, a}


def fstrings(x, name="n"):
    return (
        f"{x} {x!r:>6} {x:05.1f} {name=} {{literal}} {'nested ' + f'{name}'} {x if x > 1 else -x:{6}.{2}}",
        f"{'a' 'b'}{name!s:^{4}}|",
        f"""{
            x
            + 1
        }""",
    )


def asserts(x):
    assert x, "falsy: " + repr(x)
    assert x > 1
    return x


def fails_in_the_middle(a, b):
    return [
        a,
        a
        / b,
        b,
    ]  # fmt: skip


def constants():
    return 1, 1.0, True, 0.0, -0.0, 1j, b"1", "1", (1, (1.0,)), frozenset({1}), None, ..., 2**70, -1, 255, 256, 257


def lambdas(x):
    f = lambda a, b=x, *c, d=2, **e: (a, b, c, d, sorted(e))  # noqa: E731
    return f(1), f(1, 2, 3, d=4, z=5), (lambda: x)(), (lambda *, k: k)(k=1), (lambda: (yield))().__class__.__name__


def evaluation_order():
    log = []

    def n(tag):
        log.append(tag)
        return tag

    d = {}
    d[n("key")] = n("value")
    {n("k1"): n("v1"), n("k2"): n("v2")}
    (lambda *a, **k: None)(n("a"), *[n("b")], x=n("c"), **{"y": n("d")})
    n("left") + n("right")
    return log


def main():
    print(chained(1, 2, 3), chained(3, 2, 1), chained_side_effects())
    print([conditional(x) for x in (-1, 0, 1)], [boolean(a, b, c) for a in (0, 1) for b in (0, 2) for c in (0, 3)])
    print(walrus([1, 2, 3]), walrus([1, 2]), long_call(3, 4), deep_arithmetic(5, 3, 2))
    print(subscripts(range(6)), augmented(), starred(1, 2, 3, 4), starred(1, 2), fstrings(2.25))
    for x in (2, 1, 0):
        try:
            print(asserts(x))
        except AssertionError as error:
            print("AssertionError", error)
    try:
        fails_in_the_middle(1, 0)
    except ZeroDivisionError as error:
        print(error)
    print(constants(), lambdas(7), evaluation_order())


if __name__ == "__main__":
    main()
