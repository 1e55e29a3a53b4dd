"""The same under a real event loop: tasks, gather, queues, cancellation, timeouts of zero."""

import asyncio
import contextlib


async def worker(name, queue, out):
    while True:
        item = await queue.get()
        if item is None:
            return name
        out.append((name, item))
        await asyncio.sleep(0)


async def produce(queue, n):
    for i in range(n):
        await queue.put(i)
    await queue.put(None)


@contextlib.asynccontextmanager
async def session(name):
    print("open", name)
    try:
        yield name
    finally:
        await asyncio.sleep(0)
        print("close", name)


async def ticks(n):
    for i in range(n):
        await asyncio.sleep(0)
        yield i


async def cancelled(log):
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        log.append("cancelled")
        raise
    finally:
        log.append("finally")


async def failing(n):
    await asyncio.sleep(0)
    raise ValueError(n)


async def everything():
    queue, out = asyncio.Queue(), []
    results = await asyncio.gather(worker("w", queue, out), produce(queue, 3))
    print(results, out)
    async with session("s") as name:
        print("in", name, [i async for i in ticks(3)])
    log = []
    task = asyncio.create_task(cancelled(log))
    await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    print(log)
    results = await asyncio.gather(failing(1), failing(2), return_exceptions=True)
    print([repr(r) for r in results])
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(failing(3))
            group.create_task(worker("never", asyncio.Queue(), []))
    except* ValueError as group_error:
        print("group", [repr(e) for e in group_error.exceptions])
    return "done"


def main():
    print(asyncio.run(everything()))


if __name__ == "__main__":
    main()
