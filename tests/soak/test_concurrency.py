"""Functions that change while threads, generators and tasks run them, and other interpreters in the process."""

from __future__ import annotations

import asyncio
import contextlib
import random
import subprocess
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import equip

SHOP = """
import asyncio

def plain(a, b=2):
    total = a
    for n in range(b):
        total += n
    return total

def recursive(n):
    return 0 if n == 0 else 1 + recursive(n - 1)

def numbers(n):
    for i in range(n):
        try:
            yield i
        finally:
            n -= 1

def outer(a):
    def inner(b):
        return a + b
    return inner

def failing(a):
    try:
        return 1 // a
    except ZeroDivisionError as error:
        raise ValueError(a) from error

async def task(n):
    for i in range(n):
        await asyncio.sleep(0)
    return n

async def stream(n):
    for i in range(n):
        await asyncio.sleep(0)
        yield i
"""


@pytest.fixture
def shop() -> Iterator[Any]:
    module = types.ModuleType("soakshop")
    exec(compile(SHOP, "soakshop.py", "exec"), module.__dict__)
    sys.modules["soakshop"] = module
    yield module
    del sys.modules["soakshop"]


def everything() -> list[Any]:
    """Probes of each kind, in each function, that change nothing."""
    return [
        equip.before("soakshop:*", "[{arguments}]"),
        equip.after("soakshop:*", "held = {return_value}; {return_value} = held"),
        equip.on_raise("soakshop:*", "[{exception}]"),
    ]


def use(shop: Any) -> list[object]:
    found: list[object] = [shop.plain(1, 4), shop.recursive(5), list(shop.numbers(4)), shop.outer(1)(2)]
    try:
        shop.failing(0)
    except ValueError as error:
        found.append((error.args, type(error.__cause__)))
    return found


@contextlib.contextmanager
def at_work(work: Callable[[], None], count: int, interval: float) -> Iterator[list[str]]:
    """Threads that do some work over and over, switched often; what it raises is in the list."""
    stop, errors = threading.Event(), []

    def repeat() -> None:
        try:
            while not stop.is_set():
                work()
        except BaseException as error:
            errors.append(repr(error))

    before = sys.getswitchinterval()
    sys.setswitchinterval(interval)
    threads = [threading.Thread(target=repeat) for _ in range(count)]
    try:
        for thread in threads:
            thread.start()
        yield errors
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        sys.setswitchinterval(before)


def test_threads_and_patches_in_any_order(shop: Any) -> None:
    expected, clean = use(shop), {n: f.__code__ for n, f in vars(shop).items() if hasattr(f, "__code__")}
    rounds = [0]

    def work() -> None:
        found = use(shop)
        rounds[0] += 1
        assert found == expected, found

    with at_work(work, 4, 1e-5) as errors:
        end, dice = time.monotonic() + 1.5, random.Random(3)
        while time.monotonic() < end:
            patches = [equip.patch(shop, one) for one in everything()]
            dice.shuffle(patches)
            for patch in patches:
                patch.undo()
    assert not errors
    assert rounds[0]
    assert all(getattr(shop, name).__code__ is code for name, code in clean.items())


def test_threads_that_patch(shop: Any) -> None:
    """Patches of several threads, made and undone at the same time."""
    expected, clean, errors = use(shop), shop.plain.__code__, []

    def work(probe: Any) -> None:
        try:
            for _ in range(10):
                with equip.patch(shop, probe):
                    if use(shop) != expected:
                        errors.append("wrong")
        except BaseException as error:
            errors.append(repr(error))

    threads = [threading.Thread(target=work, args=(probe,)) for probe in everything()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert shop.plain.__code__ is clean


@pytest.mark.parametrize("patched", ["never", "before", "during", "within"])
def test_suspended_generators(shop: Any, patched: str) -> None:
    """A generator that is suspended across a patch goes on as if there had been none."""
    patches = [equip.patch(shop, everything())] if patched == "before" else []
    running = shop.numbers(6)
    closed, thrown = shop.numbers(6), shop.numbers(6)
    found = [next(running), next(closed), next(thrown)]
    if patched in {"during", "within"}:
        patches.append(equip.patch(shop, everything()))
    found.append(next(running))
    if patched == "within":
        patches.pop().undo()
    closed.close()
    with pytest.raises(KeyError):
        thrown.throw(KeyError("k"))
    found += running
    for patch in patches:
        patch.undo()
    assert found == [0, 0, 0, 1, 2, 3, 4, 5]


def test_suspended_tasks_and_streams(shop: Any) -> None:
    async def collect() -> list[int]:
        return [one async for one in shop.stream(30)]

    async def main() -> list[object]:
        tasks = [asyncio.ensure_future(one) for one in (collect(), shop.task(30), collect(), shop.task(3))]
        for number in range(10):
            with equip.patch(shop, everything()):
                tasks.append(asyncio.ensure_future(shop.task(number)))
                await asyncio.sleep(0)
            await asyncio.sleep(0)
        return await asyncio.gather(*tasks)

    thirty = list(range(30))
    assert asyncio.run(main()) == [thirty, 30, thirty, 3, *range(10)]


SUBINTERPRETERS = """
import sys, threading
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

CODE = '''
import sys
sys.path[:] = {path!r}
import shop
assert shop.double(4) == 9, shop.double(4)
import equip
with equip.patch(shop, equip.after("shop:double", "{{return_value}} += 1")):
    assert shop.double(4) == 10
with equip.install(equip.after("other:*", "{{return_value}} = 5"), include="other"):
    import other
assert other.value() == 5
assert shop.double(4) == 9
'''.format(path=sys.path)

def use(errors):
    try:
        for _ in range(2):
            identity = interpreters.create()
            failed = getattr(interpreters, "run_string")(identity, CODE)
            if failed is not None:
                errors.append(failed)
            interpreters.destroy(identity)
    except BaseException as error:
        errors.append(repr(error))

errors = []
use(errors)
threads = [threading.Thread(target=use, args=(errors,)) for _ in range(2)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print("errors", errors)
"""


HASHES = "import hashlib; hashlib.sha256(b''); raise SystemExit\n"


def test_subinterpreters(tmp_path: Path) -> None:
    """Code rewritten on disk runs in other interpreters of the process, and equip itself does, at the same time."""
    (tmp_path / "shop.py").write_text("def double(n):\n    return 2 * n\n", encoding="utf-8")
    (tmp_path / "other.py").write_text("def value():\n    return 1\n", encoding="utf-8")
    probe = equip.after("shop:double", "{return_value} += 1")
    report = equip.Instrumentation(tmp_path / "shop.py").apply(probe, rewrite=True)
    assert len(report.instrumented) == 1
    done = in_child(SUBINTERPRETERS, tmp_path)
    assert done.stdout == "errors []\n", done.stderr[-3000:]
    if done.returncode:
        # OpenSSL's hashes alone have 3.12.1 abort when such an interpreter has ended.
        hashes = in_child(SUBINTERPRETERS.replace("import shop\n", HASHES), tmp_path)
        assert done.returncode == hashes.returncode, done.stderr[-3000:]


def in_child(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    path = [str(folder), *(one for one in sys.path if one)]
    command = [sys.executable, "-c", f"import sys\nsys.path[:0] = {path!r}\n{script}"]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize("whole", [False, True])
def test_tuples_that_are_being_made(shop: Any, whole: bool) -> None:
    """Whoever looks at all objects must not hold a tuple that another thread still makes: it could not go on."""

    def work() -> None:
        assert len(tuple(n for n in range(300))) == 300

    with at_work(work, 3, 1e-6) as errors:
        end = time.monotonic() + 2
        while time.monotonic() < end and not errors:
            equip.patch(shop if whole else shop.plain, everything()).undo()
    assert not errors
