"""Patching what is loaded."""

from __future__ import annotations

import asyncio
import functools
import gc
import sys
import threading
import time
import types
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

import equip
from equip.delivery import live

SOURCE = '''
import functools

def deco(function):
    @functools.wraps(function)
    def wrapper(*args):
        return function(*args)
    return wrapper

def f(x):
    return x + 1

@deco
def decorated(x):
    return x * 2

@functools.lru_cache
def cached(x):
    return x

def make(n):
    def inner(z):
        return z + n
    return inner

def numbers(n):
    for i in range(n):
        yield i

async def sleeper(x):
    import asyncio
    await asyncio.sleep(0)
    return x

class Cart:
    def __init__(self, items=()):
        self.__items = list(items)

    def add(self, item):
        self.__items.append(item)
        return len(self.__items)

    @staticmethod
    def tax(x): return x

    @classmethod
    def new(cls, x): return cls([x])

    @property
    def size(self): return len(self.__items)

    @size.setter
    def size(self, value): self.__items = [0] * value

    @functools.cached_property
    def lazy(self): return 1

    class Line:
        def text(self): return ""

half = functools.partial(f, 1)
alias = f
'''


@pytest.fixture
def shop() -> Iterator[Any]:
    module = types.ModuleType("shop")
    module.__dict__.update(seen=[], __name__="shop")
    exec(compile(SOURCE, "shop.py", "exec"), module.__dict__)
    yield module
    assert not live._known, "something was left in the program"


def names(where: str = "shop:*") -> equip.Probe:
    return equip.before(where, "seen.append('{qualname}')")


def code_of(shop: Any) -> dict[str, types.CodeType]:
    return {
        name: function.__code__
        for name, function in vars(shop).items()
        if isinstance(function, types.FunctionType)
    } | {name: f.__code__ for name, f in vars(shop.Cart).items() if isinstance(f, types.FunctionType)}


@pytest.mark.parametrize(
    ("target", "call", "seen"),
    [
        ("m.f", "m.f(1)", ["f"]),
        ("m.decorated", "m.decorated(1)", ["decorated"]),
        ("m.cached", "m.cached(1)", ["cached"]),
        ("m.half", "m.half()", ["f"]),
        ("m.Cart.add", "m.Cart().add(1)", ["Cart.add"]),
        ("m.Cart().add", "m.Cart().add(1)", ["Cart.add"]),
        ("m.Cart.tax", "m.Cart.tax(1)", ["Cart.tax"]),
        ("vars(m.Cart)['tax']", "m.Cart.tax(1)", ["Cart.tax"]),
        ("m.Cart.new", "m.Cart.new(1)", ["Cart.new"]),
        ("vars(m.Cart)['new']", "m.Cart.new(1)", ["Cart.new"]),
        ("m.Cart.size", "m.Cart().size; setattr(m.Cart(), 'size', 3)", ["Cart.size", "Cart.size"]),
        ("vars(m.Cart)['lazy']", "m.Cart().lazy", ["Cart.lazy"]),
        ("m.Cart", "m.Cart().add(1); m.Cart.Line().text()", ["Cart.__init__", "Cart.add", "Cart.Line.text"]),
        ("m", "m.decorated(m.f(1))", ["f", "deco.<locals>.wrapper", "decorated"]),
        ("m.make", "m.make(1)(2)", ["make", "make.<locals>.inner"]),
    ],
)
def test_targets(shop: Any, target: str, call: str, seen: list[str]) -> None:
    before = code_of(shop)
    free = {name: code.co_freevars for name, code in before.items()}
    with equip.patch(eval(target, {"m": shop}), names()) as patch:
        assert patch.active
        exec(call, {"m": shop})
        assert shop.seen == seen
        assert {name: code.co_freevars for name, code in code_of(shop).items()} == free
    exec(call, {"m": shop})
    assert shop.seen == seen
    after = code_of(shop)
    assert all(after[name] is code for name, code in before.items())
    assert not patch.active


def test_functions_that_share_the_code(shop: Any) -> None:
    """Wherever they are: closures, copies, what is bound elsewhere."""
    first, second = shop.make(1), shop.make(2)
    copies = [types.FunctionType(first.__code__, first.__globals__, "x", None, first.__closure__)]
    bound = types.MethodType(second, 5)
    with equip.patch(first, names()):
        later = shop.make(3)
        assert [second(1), copies[0](1), bound(), later(1)] == [3, 2, 7, 4]
        assert shop.seen == ["make.<locals>.inner"] * 3, "make itself was not patched"
    with equip.patch(shop.make, names()):
        second(1)
        during = shop.make(9)
    assert during.__code__ is second.__code__ is first.__code__
    assert shop.seen[3:] == ["make.<locals>.inner", "make"]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (1, 2, 0)])
def test_several_patches_come_off_in_any_order(shop: Any, order: tuple[int, ...]) -> None:
    clean = shop.f.__code__
    patches = [equip.patch(shop.f, equip.before("shop:f", f"seen.append({n})")) for n in range(3)]
    shop.alias(1)
    assert shop.seen == [0, 1, 2]
    left = [0, 1, 2]
    for one in order:
        patches[one].undo()
        patches[one].undo()
        left.remove(one)
        shop.seen.clear()
        shop.f(1)
        assert shop.seen == left
    assert shop.f.__code__ is clean


def test_the_code_before_is_back_after_each_undo(shop: Any) -> None:
    with equip.patch(shop.f, names()):
        middle = shop.f.__code__
        with equip.patch(shop.f, names()):
            assert shop.f.__code__ is not middle
        assert shop.f.__code__ is middle


def test_a_patch_of_a_function_and_one_of_what_is_around_it(shop: Any) -> None:
    inner = shop.make(1)
    clean = inner.__code__, shop.make.__code__
    one = equip.patch(inner, equip.before("shop:*", "seen.append(1)"))
    two = equip.patch(shop.make, equip.before("shop:*inner", "seen.append(2)"))
    inner(0)
    assert shop.seen == [1, 2]
    one.undo()
    shop.make(5)(0)
    assert shop.seen == [1, 2, 2]
    two.undo()
    assert (inner.__code__, shop.make.__code__) == clean
    assert inner.__code__ is clean[0]


def test_probes_of_two_tools_have_private_names_of_their_own(shop: Any) -> None:
    class Tool(equip.MethodVisitor):
        def __init__(self, value: int) -> None:
            self.value = value

        def visit(self, decl: equip.MethodDeclaration) -> None:  # type: ignore[override]
            rewriter = equip.SimpleRewriter(decl)
            rewriter.insert_before(f"mine = {self.value}").insert_after("seen.append(mine)")

    with equip.patch(shop.f, Tool(1)), equip.patch(shop.f, Tool(2)):
        shop.f(0)
    assert shop.seen == [1, 2]


def test_fields_mangling_and_callables(shop: Any) -> None:
    told: list[object] = []
    probe = equip.after("shop:Cart.add", "seen.append(('{class_name}', '{module_name}', self.__items))")
    log = equip.after("shop:Cart.add", lambda class_name, arg1, return_value: told.append((class_name, arg1)))
    with equip.patch(shop.Cart, [probe, log]):
        shop.Cart().add(7)
    assert shop.seen == [("Cart", "shop", [7])]
    assert told == [("Cart", 7)]


def test_imports_of_a_visitor(shop: Any) -> None:
    class Tool(equip.MethodVisitor):
        def visit(self, decl: equip.MethodDeclaration) -> None:  # type: ignore[override]
            equip.SimpleRewriter(decl).insert_import("import json as tools").insert_before("seen.append(tools)")

    with equip.patch(shop.f, Tool()):
        shop.f(1)
    assert shop.seen == [sys.modules["json"]]


def test_suspended_generators_finish_on_the_code_they_run(shop: Any) -> None:
    old = shop.numbers(3)
    next(old)
    callback = equip.after("shop:numbers", lambda: shop.seen.append("end"), limit=5)
    patch = equip.patch(shop.numbers, callback)
    new = shop.numbers(2)
    next(new)
    patch.undo()
    assert list(old) == [1, 2]
    assert shop.seen == []
    assert list(new) == [1]
    assert shop.seen == ["end"]


def test_limit_takes_itself_out(shop: Any) -> None:
    clean = shop.f.__code__
    patch = equip.patch(shop.f, [equip.before("shop:f", "seen.append(x)", limit=2)])
    assert [shop.f(n) for n in range(4)] == [1, 2, 3, 4]
    assert shop.seen == [0, 1]
    assert shop.f.__code__ is clean
    assert not patch.active
    patch.undo()


def test_only_the_probe_whose_hits_are_up_goes(shop: Any) -> None:
    probes = [equip.before("shop:f", "seen.append('a')", limit=1), equip.before("shop:f", "seen.append('b')")]
    with equip.patch(shop.f, probes) as patch:
        shop.f(1)
        shop.f(1)
        assert patch.active
    assert shop.seen == ["a", "b", "b"]


def test_lifespan_takes_itself_out(shop: Any) -> None:
    clean = shop.f.__code__
    patch = equip.patch(shop.f, equip.before("shop:f", "seen.append(x)", lifespan=2))
    shop.f(1)
    end = time.monotonic() + 60
    while patch.active and time.monotonic() < end:
        time.sleep(0.02)
    assert shop.f.__code__ is clean
    assert shop.seen == [1]


def test_a_probe_starts_anew_in_each_patch(shop: Any) -> None:
    probe = equip.before("shop:f", "seen.append(x)", limit=1)
    for _ in range(2):
        equip.patch(shop.f, probe)
        shop.f(1)
        shop.f(2)
    assert shop.seen == [1, 1]


def test_not_reentrant(shop: Any) -> None:
    probe = equip.before("shop:f", "seen.append(x); f(x + 1)", reentrant=False)
    with equip.patch(shop.f, probe):
        shop.f(1)
    assert shop.seen == [1]


def test_nothing_is_kept_alive(shop: Any) -> None:
    class Tool:
        def __call__(self, arg0: object) -> None:
            """Nothing."""

    tool = Tool()
    inner = shop.make(1)
    ends = [weakref.ref(tool), weakref.ref(inner)]
    patch = equip.patch(inner, [equip.before("shop:*", tool, limit=3), names()])
    inner(1)
    patch.undo()
    del tool, inner
    gc.collect()
    assert [end() for end in ends] == [None, None]


def test_threads_run_on(shop: Any) -> None:
    stop, errors = threading.Event(), []

    def work() -> None:
        while not stop.is_set():
            if shop.f(1) != 2 or shop.make(1)(2) != 3 or list(shop.numbers(3)) != [0, 1, 2]:
                errors.append("wrong")

    def guarded() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(repr(error))

    threads = [threading.Thread(target=guarded) for _ in range(3)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 1
    while time.monotonic() < end:
        with equip.patch(shop, equip.before("shop:*", lambda: None, every=0.001)):
            time.sleep(0.001)
    stop.set()
    for thread in threads:
        thread.join()
    assert not errors


def test_tasks_run_on(shop: Any) -> None:
    async def main() -> list[int]:
        first = asyncio.ensure_future(shop.sleeper(1))
        await asyncio.sleep(0)
        with equip.patch(shop.sleeper, equip.after("shop:sleeper", "{return_value} += 10")):
            second = asyncio.ensure_future(shop.sleeper(2))
            await asyncio.sleep(0)
        return [await first, await second, await shop.sleeper(3)]

    assert asyncio.run(main()) == [1, 12, 3]


@pytest.mark.skipif(not hasattr(sys, "monitoring"), reason="no local events before sys.monitoring")
def test_local_events_are_carried_over(shop: Any) -> None:
    monitoring: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
    events = monitoring.events
    lines: list[int] = []
    monitoring.use_tool_id(4, "test")
    try:
        monitoring.register_callback(4, events.LINE, lambda code, line: lines.append(line))
        monitoring.set_local_events(4, shop.f.__code__, events.LINE)
        shop.f(1)
        assert lines == [11]
        with equip.patch(shop.f, names()):
            shop.f(1)
            assert lines == [11, 11]
            monitoring.set_local_events(4, shop.f.__code__, 0)
        shop.f(1)
        assert lines == [11, 11], "what a tool changed meanwhile counts"
    finally:
        monitoring.set_local_events(4, shop.f.__code__, 0)
        monitoring.free_tool_id(4)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (len, "not written in Python"),
        ("".join, "not written in Python"),
        (int, "no functions of its own"),
        (sys, "no functions of its own"),
        ("shop.f", "name the object itself"),
        (3, "no function, method, class or module"),
        (functools.partial(print), "patch its class|not written in Python"),
        (equip.patch, "never instruments itself"),
        (compile("1", "x", "exec"), "equip.instrument_code"),
    ],
)
def test_what_cannot_be_patched(target: object, message: str) -> None:
    with pytest.raises(equip.PatchError, match=message):
        equip.patch(target, names())


def test_a_mistake_changes_nothing(shop: Any) -> None:
    clean = shop.f.__code__
    with pytest.raises(equip.SnippetError):
        equip.patch(shop, [names(), equip.before("shop:f", "yield x")])
    assert shop.f.__code__ is clean
    with equip.patch(shop.f, names()):
        first = shop.f.__code__
        with pytest.raises(equip.SnippetError):
            equip.patch(shop.f, equip.before("shop:f", "del x"))
        assert shop.f.__code__ is first


def test_no_match_and_no_effect_are_warned_of(shop: Any) -> None:
    with pytest.warns(equip.EquipWarning, match="did you mean shop:Cart.add") as warned:
        equip.patch(shop, equip.before("shop:Cart.ad", "1")).undo()
    assert warned[0].filename == __file__

    class Tool(equip.ClassVisitor):
        def visit(self, decl: equip.TypeDeclaration) -> None:  # type: ignore[override]
            equip.SimpleRewriter(decl).insert_before("x = 1")

    with pytest.warns(equip.EquipWarning, match="BEFORE in the body of 'shop'") as warned:
        equip.patch(shop.Cart, Tool()).undo()
    assert warned[0].filename == __file__
