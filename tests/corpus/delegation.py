"""Exceptions thrown into generators and coroutines that wait for another one, which then returns or raises."""


def swallows(log):
    while len(log) < 9:
        try:
            got = yield len(log)
            log.append(got)
        except KeyError as error:
            log.append(error.args)
            return "returned", len(log)


def translates():
    try:
        yield 1
    except KeyError as error:
        raise ValueError("translated") from error


def delegates(log):
    result = yield from swallows(log)
    log.append(result)
    try:
        yield from translates()
    except ValueError as error:
        log.append((str(error), type(error.__cause__).__name__))
    result = yield from swallows(log)
    yield "last", result


class Pause:
    def __await__(self):
        try:
            got = yield "paused"
        except LookupError as error:
            return type(error).__name__
        return got


async def awaits(log):
    log.append(await Pause())
    log.append(await Pause())
    async for item in ticks():
        log.append(item)
    async with Manager(log) as entered:
        log.append(entered)
    return "done"


async def ticks():
    for number in range(2):
        yield number, await Pause()


class Manager:
    def __init__(self, log):
        self.log = log

    async def __aenter__(self):
        return await Pause()

    async def __aexit__(self, *exception):
        self.log.append(await Pause())


def main():
    log = []
    generator = delegates(log)
    print(next(generator), generator.send("sent"))
    print(generator.throw(KeyError("first")))
    print(generator.throw(KeyError("second")))
    print(generator.throw(KeyError("third")))
    print(list(generator), log)

    for errors in ((), (0,), (1, 2), (0, 1, 2, 3, 4)):
        log = []
        coroutine = awaits(log)
        steps = 0
        try:
            coroutine.send(None)
            while True:
                if steps in errors:
                    coroutine.throw(IndexError(steps))
                else:
                    coroutine.send(f"value {steps}")
                steps += 1
        except StopIteration as stop:
            print(stop.value, steps, log)

    unfinished = delegates([])
    next(unfinished)
    unfinished.close()
    failing = delegates([])
    next(failing)
    try:
        failing.throw(OSError("not handled"))
    except OSError as error:
        print(error)
