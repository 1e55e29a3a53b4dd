"""Decorators: stacked, with arguments, on classes, on methods, from the standard library."""

import contextlib
import functools


def logged(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        print("calling", function.__name__)
        return function(*args, **kwargs)

    return wrapper


def times(n):
    def decorate(function):
        def repeat(*args):
            return [function(*args) for _ in range(n)]

        return repeat

    return decorate


def replaced(function):
    return len(function.__name__)


@logged
@times(2)
def stacked(x):
    return x + 1


@logged
@functools.lru_cache(maxsize=None)
def fib(n):
    return n if n < 2 else fib.__wrapped__(n - 1) + fib.__wrapped__(n - 2)


@replaced
def number():
    pass


@(lambda f: f)
def through_lambda(a):
    return a


def add_method(cls):
    def extra(self):
        return type(self).__name__

    cls.extra = extra
    return cls


@add_method
@functools.total_ordering
class Ordered:
    def __init__(self, v):
        self.v = v

    def __eq__(self, other):
        return self.v == other.v

    def __lt__(self, other):
        return self.v < other.v

    @logged
    def method(self, x=1):
        return self.v + x

    @functools.cached_property
    def cached(self):
        print("computed")
        return self.v * 2

    @functools.singledispatchmethod
    def kind(self, arg):
        return "object"

    @kind.register
    def _(self, arg: int):
        return "int"


@functools.singledispatch
def show(x):
    return "any"


@show.register(str)
def _(x):
    return "str"


@contextlib.contextmanager
def tag(name):
    print("<", name)
    yield
    print(">", name)


@tag("t")
def in_tag():
    return "inside"


def main():
    print(stacked(1), fib(6), number, through_lambda(3), stacked.__name__)
    a, b = Ordered(1), Ordered(2)
    print(a < b, a >= b, a.extra(), a.method(), a.cached, a.cached, a.kind(1), a.kind("s"))
    print(show(1), show("s"), in_tag(), functools.reduce(lambda x, y: x * y, range(1, 5)))


if __name__ == "__main__":
    main()
