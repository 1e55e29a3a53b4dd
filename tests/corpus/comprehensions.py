"""Comprehensions of all kinds, nested, capturing, shadowing, failing (inlined from 3.12 on)."""


def kinds(n):
    a = [i * i for i in range(n)]
    b = {i % 2 for i in range(n)}
    c = {i: str(i) for i in range(n)}
    d = (i for i in range(n))
    return a, sorted(b), c, list(d)


def nested(n):
    return [[i * j for j in range(i)] for i in range(n)], [i + j for i in range(n) for j in range(i) if j]


def shadowing(x):
    inner = [x for x in range(3)]
    return x, inner, [x for x in [x, x + 1]]


def shadowing_argument(i, j=0):
    return [i for i in range(i)], [j for i in range(2)], i


def lambdas(n):
    fs = [lambda: i for i in range(n)]
    gs = [lambda k=i: k for i in range(n)]
    return [f() for f in fs], [g() for g in gs]


def captured_and_inlined(n):
    getters = [(lambda: x) for x in range(n)]
    x = "outer"
    return [g() for g in getters], x, (lambda: x)()


def captures_function_variables(a, b):
    c = a + b
    return [a + b + c + i for i in range(2)], {a: [b for _ in range(2)] for a in range(2)}, a


def conditional(n):
    return [i if i % 2 else -i for i in range(n) if i != 1 if i < 5]


def failing():
    x = "kept"
    try:
        return [1 // x for x in (1, 0)]
    except ZeroDivisionError as error:
        return str(error), x


def failing_nested(i):
    try:
        return [[1 // j for j in (i, i - 1)] for i in (2, 1)]
    except ZeroDivisionError:
        return "failed", i


def with_walrus(values):
    return [y for v in values if (y := v * 2) > 2], y


def unpacking():
    return [a + b for a, (b, *_) in [(1, (2, 3)), (4, (5,))]], {k: v for k, v in zip("ab", range(2))}


def multi_line(n):
    return [
        i
        + j
        for i in range(n)
        if i
        for j in range(
            n
        )
        if j
    ]  # fmt: skip


def unbound_after():
    [gone for gone in range(2)]
    try:
        return gone  # noqa: F821
    except NameError as error:
        return str(error)


def conditionally_bound(flag):
    if flag:
        v = 1
    out = [v for v in range(2)]
    try:
        return v, out
    except UnboundLocalError:
        return "unbound", out


def generator_expression_laziness():
    n = 3
    g = (n * i for i in range(n))
    n = 100
    return list(g)


def sums(n):
    return sum(i for i in range(n)), any(i > 2 for i in range(n)), max((i for i in range(n)), default=None)


class Scope:
    n = 3
    items = [i for i in range(n)]
    nested = [[j for j in range(i)] for i in range(n)]
    functions = [lambda: i for i in range(2)]
    names = {str(x): x for x in items}


module_level = [x * 2 for x in range(3)]


def iterating_fails():
    def bad():
        yield 1
        raise ValueError("iter")

    try:
        return [x for x in bad()]
    except ValueError as error:
        return str(error)


def in_loop():
    out = []
    for i in range(3):
        out.append([i * j for j in range(i)])
        out += [k for k in range(1) if i]
    return out, i


def main():
    print(kinds(4), nested(3), shadowing(9), shadowing_argument(2, 5))
    print(lambdas(3), captured_and_inlined(2), captures_function_variables(1, 2))
    print(conditional(8), failing(), failing_nested("i"), with_walrus([1, 2, 3]))
    print(unpacking(), multi_line(3), unbound_after(), conditionally_bound(True), conditionally_bound(False))
    print(generator_expression_laziness(), sums(5), sums(0), iterating_fails(), in_loop())
    print(Scope.items, Scope.nested, [f() for f in Scope.functions], Scope.names, module_level)


if __name__ == "__main__":
    main()
