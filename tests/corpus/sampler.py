"""One small function of each kind: the program on which every snippet is tried first."""

import contextlib

names = ["module"]


def plain(a, b=2, *rest, key=None, **more):
    total = a + b
    for x in rest:
        if x > total:
            return "big", x
        total += x
    return total, key, sorted(more)


def handlers(a):
    out = []
    for i in (0, 1, 2):
        try:
            with contextlib.nullcontext(i) as x:
                if i == a:
                    return out, x
                out.append(10 // i)
        except ZeroDivisionError as error:
            out.append(str(error))
        finally:
            out.append("finally")
    raise LookupError(a)


def generator(n):
    got = []
    while n:
        n -= 1
        got.append((yield n))
    return got


async def coroutine(a):
    b = await ready(a)
    return [x async for x in agen(b)]


async def agen(n):
    for i in range(n):
        yield i


def closure(a):
    k = [x for x in range(2) if x]

    def inner(b):
        nonlocal a
        a += b
        return a, b, k

    return inner(1), inner(2), (lambda y: y + a)(3)


class Thing:
    def __init__(self, a):
        self.a = a

    def method(self, a=1):
        """Documented."""
        return self.a + a, names


def deletes(a):
    del a
    return "gone"


def main():
    print(plain(1), plain(1, 2, 3, 99, key="k"), plain(5, z=1))
    for a in (2, 5):
        try:
            print(handlers(a))
        except LookupError as error:
            print(repr(error))
    gen = generator(2)
    print(next(gen), gen.send("s"), list(generator(2)))
    try:
        gen.throw(KeyError("thrown"))
    except KeyError as error:
        print(repr(error))
    other = generator(1)
    next(other)
    other.close()
    co = coroutine(2)
    try:
        while True:
            co.send(None)
    except StopIteration as stop:
        print(stop.value)
    print(closure(1), Thing(1).method(), deletes(1))


async def ready(x):
    return x


if __name__ == "__main__":
    main()
