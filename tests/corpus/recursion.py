"""Recursion: plain, mutual, in generators, in methods, through closures and lambdas."""


def factorial(n):
    if n <= 1:
        return 1
    return n * factorial(n - 1)


def fib(n, cache=None):
    cache = {} if cache is None else cache
    if n in cache:
        return cache[n]
    result = n if n < 2 else fib(n - 1, cache) + fib(n - 2, cache)
    cache[n] = result
    return result


def hanoi(n, a="a", b="b", c="c"):
    if n:
        yield from hanoi(n - 1, a, c, b)
        yield a + c
        yield from hanoi(n - 1, b, a, c)


def permutations(items):
    if not items:
        return [[]]
    return [[x, *rest] for i, x in enumerate(items) for rest in permutations(items[:i] + items[i + 1 :])]


def flatten(x):
    for item in x:
        if isinstance(item, list):
            yield from flatten(item)
        else:
            yield item


def queens(n, row=0, placed=()):
    if row == n:
        return 1
    total = 0
    for col in range(n):
        if all(col != c and abs(col - c) != row - r for r, c in enumerate(placed)):
            total += queens(n, row + 1, (*placed, col))
    return total


class Node:
    def __init__(self, value, *children):
        self.value, self.children = value, children

    def total(self):
        return self.value + sum(child.total() for child in self.children)

    def walk(self):
        yield self.value
        for child in self.children:
            yield from child.walk()


def ackermann(m, n):
    return n + 1 if m == 0 else ackermann(m - 1, 1 if n == 0 else ackermann(m, n - 1))


def raises_at(n):
    try:
        if n == 0:
            raise ValueError("bottom")
        return raises_at(n - 1)
    except ValueError:
        if n == 2:
            return "caught at 2"
        raise


def main():
    print(factorial(10), fib(20), len(list(hanoi(4))), permutations([1, 2, 3]), list(flatten([1, [2, [3, []], 4]])))
    print(queens(4), ackermann(2, 1), raises_at(5))
    tree = Node(1, Node(2, Node(3)), Node(4))
    print(tree.total(), list(tree.walk()))
    y = lambda f: (lambda x: x(x))(lambda x: f(lambda v: x(x)(v)))  # noqa: E731
    print(y(lambda me: lambda n: 1 if n == 0 else n * me(n - 1))(5))


if __name__ == "__main__":
    main()
