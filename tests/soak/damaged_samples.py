"""Functions of all kinds, for ``damage``: they touch nothing outside of themselves."""


def arithmetic(a=1, b=2, *rest, c=3, **more):
    total = a + b * c - (a ** 2) // 3
    text = f"{total!r:>5} {a} {b:x}"
    if a < b <= c and not rest:
        return total, text, more
    return -total if total else +total, a is None, b in (1, 2)


def loops(a=(1, 2, 3), b=0):
    found = []
    for x in a:
        if x == 2:
            continue
        for y in range(3):
            found.append(x * y)
            if y > b:
                break
        else:
            found.extend((x, y))
    while b < 5:
        b += 1
    return found, [x for x in a if x], {x: y for x, y in enumerate(a)}, {x for x in a}


def handlers(a=1, b="x"):
    try:
        try:
            c = a / 0
        except ZeroDivisionError as e:
            c = str(e)
            raise ValueError(c) from e
        finally:
            a = 5
    except (ValueError, TypeError) as e:
        return e, a
    except Exception:
        raise
    else:
        return b
    finally:
        del b


def groups(a=1):
    try:
        raise ExceptionGroup("g", [ValueError(1), TypeError(2)])
    except* ValueError as e:
        a = e
    except* TypeError:
        pass
    return a


def contexts(a=1):
    class Manager:
        def __enter__(self):
            return self

        def __exit__(self, *details):
            return True

    with Manager() as m, Manager():
        a = [m, a / 0]
    return a


def closures(a=1, b=2):
    c = a

    def inner(d=b, *, e: int = a):
        nonlocal c
        c += d
        return lambda x=0: (a, c, d, e, x)

    return inner()(), [lambda: x + a for x in range(2)][0]()


def generator(a=(1, 2)):
    try:
        for x in a:
            y = yield x
            if y:
                yield from [y, x]
    finally:
        a = None
    return a


def delegating(a=(1, 2)):
    def inner():
        try:
            got = yield 1
            return got
        except ValueError:
            yield 2

    result = yield from inner()
    yield result
    yield sum(x * x for x in a)


def classes(a=1, *args):
    class Base:
        attribute = a

        def method(self, x=2):
            return self.attribute, x

    class Derived(Base):
        def method(self, x=1):
            return super().method(x), __class__

        @property
        def value(self):
            return self.__class__.__name__

    d = Derived()
    d.attribute = 4
    del d.attribute
    return d.method(x=5), d.value, d.method(*args, **{"x": 3})


def matching(a=None):
    match a:
        case None:
            return 0
        case [1, x, *rest] if rest:
            return x, rest
        case {"a": y, **more}:
            return y, more
        case int(real=0) | str() as z:
            return z
        case _:
            return None


def deletion(a=1, b=2):
    c = [1, 2, 3]
    del c[0], a
    c[0] = c[-1]
    c[0:1] = [4]
    try:
        return a
    except NameError:
        x, (y, *z) = 1, (2, 3, 4)
        return c[:2], x, y, z, b


def unbound(a=0):
    if a:
        x = 1
    for y in range(a if isinstance(a, int) else 1):
        z = y
    try:
        return x, y, z
    finally:
        if a:
            del x


def calls(a=1, b=2):
    def f(*args, k=1, **kwargs):
        return args, k, kwargs

    return f(a, b, k=3), f(*[a], b, **{"z": a}), f(a, j=b, k=a), max([a, 1], key=lambda v: str(v)), "".join(["x", "y"])


def inlined(a=(1, 2), x=3):
    y = [[x for x in range(z)] for z in a]
    w = {x: [lambda: x for x in a] for x in a}
    return x, y, len(w)


async def coroutine(a=1):
    class Manager:
        async def __aenter__(self):
            return self

        async def __aexit__(self, *details):
            return True

        def __aiter__(self):
            return self

        async def __anext__(self):
            if self.__dict__.setdefault("n", 0) > 2:
                raise StopAsyncIteration
            self.n += 1
            return self.n

    async with Manager() as m:
        async for x in m:
            a += x
    return a, [x async for x in Manager()]


async def async_generator(a=1):
    class Awaitable:
        def __await__(self):
            yield 1
            return 2

    for x in range(3):
        y = await Awaitable()
        yield x, y, a


def many(a=1):
    v1 = v2 = v3 = v4 = v5 = v6 = v7 = v8 = v9 = v10 = v11 = v12 = v13 = v14 = v15 = v16 = v17 = a
    if a:
        v1, v2 = v2, v17
        v3, v4, v5 = v5, v4, v3
    return v1, v2, v3, v4, v5, v6, v7, v8, v9, v10, v11, v12, v13, v14, v15, v16, v17
