"""Coroutines driven by hand: await, async for, async with, async generators and comprehensions."""


class Pause:
    def __init__(self, value):
        self.value = value

    def __await__(self):
        got = yield self.value
        return got


class Resource:
    def __init__(self, name, suppress=False):
        self.name, self.suppress = name, suppress

    async def __aenter__(self):
        print("  enter", self.name)
        await Pause("aenter " + self.name)
        return self.name

    async def __aexit__(self, kind, value, tb):
        print("  exit", self.name, kind and kind.__name__)
        await Pause("aexit " + self.name)
        return self.suppress


class Count:
    def __init__(self, n):
        self.i, self.n = 0, n

    def __aiter__(self):
        return self

    async def __anext__(self):
        if self.i == self.n:
            raise StopAsyncIteration
        self.i += 1
        await Pause(("anext", self.i))
        return self.i


async def simple(x):
    return x + 1


async def awaits(x):
    a = await simple(x)
    b = await Pause("give b")
    return a, b


async def agen(n):
    for i in range(n):
        got = yield i
        if got:
            print("  agen got", got)
        await Pause(("agen", i))


async def agen_finally():
    try:
        yield 1
        yield 2
    finally:
        await Pause("cleanup")
        print("  cleaned")


async def loops():
    total = 0
    async for i in Count(3):
        if i == 2:
            continue
        total += i
    else:
        total += 100
    async for i in agen(5):
        if i == 1:
            break
    return total, i


async def comprehensions():
    a = [i async for i in Count(3) if i != 2]
    b = {i: await simple(i) async for i in agen(2)}
    c = [await simple(i) for i in range(2)]
    d = {x async for x in agen(2)}
    g = (i async for i in Count(2))
    e = [x async for x in g]
    return a, b, c, d, e


async def withs():
    async with Resource("a") as a, Resource("b") as b:
        print("  body", a, b)
    async with Resource("c", suppress=True):
        raise ValueError("suppressed")
    async with Resource("d"):
        return "returned"


async def failing():
    async with Resource("f"):
        await Pause("before failing")
        raise KeyError("f")


async def try_finally():
    try:
        await Pause("in try")
        return "value"
    finally:
        await Pause("in finally")
        print("  finally")


async def asend_athrow():
    g = agen(3)
    print("  ", await g.asend(None), await g.asend("x"))
    try:
        await g.athrow(ValueError("thrown"))
    except ValueError as error:
        print("  caught", error)
    g = agen_finally()
    print("  ", await anext(g))
    await g.aclose()
    print("  ", [x async for x in agen_finally()])


def run(coro, throw_at=None):
    """Drive a coroutine without an event loop, answering each pause with its number."""
    step, value = 0, None
    try:
        while True:
            if throw_at == step and step:
                asked = coro.throw(RuntimeError("injected"))
            else:
                asked = coro.send(value)
            print("  asked", asked)
            step, value = step + 1, step
    except StopIteration as stop:
        print("=>", stop.value)
    except Exception as error:
        print("!!", type(error).__name__, error)


def main():
    run(simple(1))
    run(awaits(1))
    run(awaits(1), throw_at=1)
    run(loops())
    run(comprehensions())
    run(withs())
    run(withs(), throw_at=2)
    run(failing())
    run(try_finally())
    run(try_finally(), throw_at=1)
    run(try_finally(), throw_at=2)
    run(asend_athrow())
    never = awaits(1)
    never.close()
    started = awaits(1)
    started.send(None)
    started.close()


if __name__ == "__main__":
    main()
