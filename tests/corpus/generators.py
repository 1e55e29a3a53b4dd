"""Generators: suspended, resumed, sent to, thrown into, closed, exhausted, delegated to."""


def count(n):
    for i in range(n):
        yield i


def with_return(n):
    yield n
    return n * 2


def echo():
    got = None
    while got != "stop":
        got = yield got
        print("  got", got)
    return "echo done"


def careful():
    try:
        while True:
            try:
                value = yield "ready"
                print("  value", value)
            except ValueError as error:
                print("  caught", error)
                yield "caught"
    finally:
        print("  closing")


def delegate(n):
    result = yield from with_return(n)
    print("  result", result)
    back = yield from echo()
    print("  back", back)
    yield from [10, 20]
    yield from ()
    return back


def empty():
    return
    yield


def yields_none():
    yield
    yield None
    x = yield
    print("  x", x)


def stop_inside():
    yield 1
    raise StopIteration("leaks")


def refuses_to_close():
    try:
        yield 1
    except GeneratorExit:
        yield 2


def returns_on_close():
    try:
        yield 1
    except GeneratorExit:
        return "closed"


def no_handler(a, b):
    yield a
    yield b


def yield_in_finally():
    try:
        yield 1
        raise KeyError("k")
    finally:
        yield 2


def yield_as_expression(a):
    total = (yield a) + (yield a + 1)
    print("  total", (yield total))
    return [(yield 1), (yield 2)]


def deep(n):
    if n:
        yield n
        yield from deep(n - 1)


def drive(gen, *sends):
    try:
        print(" ", next(gen))
        for value in sends:
            if isinstance(value, BaseException):
                print(" ", gen.throw(value))
            else:
                print(" ", gen.send(value))
        gen.close()
    except StopIteration as stop:
        print("  stop", stop.value)
    except Exception as error:
        print(" ", type(error).__name__, error, type(error.__cause__).__name__)


def unstarted():
    gen = count(2)
    gen.close()
    print(list(gen))
    gen = careful()
    try:
        gen.throw(KeyError("early"))
    except KeyError as error:
        print("early", error)
    gen = count(1)
    try:
        gen.send(1)
    except TypeError as error:
        print(error)


def main():
    print(list(count(3)), list(empty()), list(deep(3)))
    drive(with_return(4), None)
    drive(echo(), 1, 2, "stop")
    drive(careful(), 1, ValueError("v"), 2, 3)
    drive(careful(), KeyError("k"))
    drive(delegate(1), None, 5, "stop", None, None)
    drive(delegate(1), None, ValueError("through"))
    drive(yields_none(), 1, 2, 3)
    drive(stop_inside(), None)
    drive(refuses_to_close())
    drive(returns_on_close())
    drive(no_handler(1, 2))
    drive(no_handler(1, 2), RuntimeError("r"))
    drive(yield_in_finally(), None, None)
    drive(yield_as_expression(1), 2, 3, 4, 5, 6)
    unstarted()
    a, b = count(3), count(3)
    print([(next(a), next(b)) for _ in range(3)])


if __name__ == "__main__":
    main()
