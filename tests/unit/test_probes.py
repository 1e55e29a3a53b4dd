"""Probes: where they go, what runs, how often."""

from __future__ import annotations

import asyncio
import glob
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import equip
from equip.program.declarations import ModuleDeclaration

SOURCE = """\
def f(x):
    y = x + 1
    return y

class Cart:
    def add(self, item, count=1):
        return [item] * count

    def again(self, n):
        return n and self.again(n - 1)

def endless():
    while True:
        raise ValueError("no way out")

def one(a): return a + 1
def key(rows):
    return sorted(rows, key=lambda r: -r)
"""


def run(*probes: equip.Probe, source: str = SOURCE, **names: object) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": "shop", "seen": [], **names}
    exec(equip.instrument_code(compile(source, "lib/shop.py", "exec"), list(probes), module_name="shop"), namespace)
    return namespace


def test_before_after_and_on_raise() -> None:
    shop = run(
        equip.before("shop:f", "seen.append(('in', {arg0}))"),
        equip.after("shop:f", "{return_value} += 10"),
        equip.on_raise("shop:endless", "seen.append(str({exception}))"),
    )
    assert shop["f"](1) == 12
    with pytest.raises(ValueError, match="no way out"):
        shop["endless"]()
    assert shop["seen"] == [("in", 1), "no way out"]


@pytest.mark.parametrize(
    ("where", "matched"),
    [
        ("shop:*", {"f", "Cart.add", "Cart.again", "endless", "one", "key", "key.<locals>.<lambda>"}),
        ("sh*:Cart.*", {"Cart.add", "Cart.again"}),
        ("shop.*:?", {"f"}),
        ("lib/shop.py:*add", {"Cart.add"}),
        ("*:key.<locals>.*", {"key.<locals>.<lambda>"}),
    ],
)
def test_globs(where: str, matched: set[str]) -> None:
    shop = run(equip.before(where, "seen.append('{qualname}')"))
    shop["f"](1)
    shop["Cart"]().add(1)
    shop["Cart"]().again(0)
    with pytest.raises(ValueError, match="no way out"):
        shop["endless"]()
    shop["one"](1)
    shop["key"]([1])
    assert set(shop["seen"]) == matched


@pytest.mark.parametrize("where", ["shop:2", "shop.py:2", "lib/*.py:2", "sh?p:2"])
def test_lines(where: str) -> None:
    shop = run(equip.on_line(where, "seen.append(x)"))
    shop["f"](5)
    assert shop["seen"] == [5]


@pytest.mark.parametrize(
    ("file", "meant"),
    [
        ("./shop.py", {"shop.py"}),
        ("lib/../shop.py", {"shop.py"}),
        ("./lib/../[s]hop.py", {"shop.py"}),
        ("./*/shop.py", {"lib/shop.py", "[a]/shop.py"}),
        ("./[a]/shop.py", {"[a]/shop.py"}),
        ("{here}/shop.py", {"shop.py"}),
        ("{here}/lib/./shop.py", {"lib/shop.py"}),
        ("{here}/link/shop.py", {"lib/shop.py"}),
        ("{escaped}/*/shop.py", {"lib/shop.py", "[a]/shop.py"}),
        ("../he[r]e/shop.py", {"shop.py"}),
        ("./none.py", set()),
        ("shop.py", {"shop.py", "lib/shop.py", "[a]/shop.py"}),
    ],
)
def test_files_by_a_path_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, meant: set[str]
) -> None:
    """That is from where the probe is made; the program may go elsewhere."""
    here = tmp_path / "he[r]e"
    names = ["shop.py", "lib/shop.py", "[a]/shop.py"]
    for name in names:
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_text("def f():\n    pass\n")
    (here / "link").symlink_to(here / "lib", target_is_directory=True)
    monkeypatch.chdir(here)
    probe = equip.on_line(file.format(here=here, escaped=glob.escape(str(here))) + ":2", "pass")
    assert matched(probe, names) == meant
    monkeypatch.chdir("/")
    for shown in (str(here), f"{here}/.", f"{here}/lib/.."):
        assert matched(probe, [f"{shown}/{name}" for name in names]) == {f"{shown}/{name}" for name in meant}


def matched(probe: equip.Probe, files: list[str]) -> set[str]:
    found = set()
    for file in files:
        begun = probe.begin()
        begun.traverse(ModuleDeclaration(compile("def f():\n    pass\n", file, "exec"), file, "shop", 0))
        found |= {file} if begun.complaint() is None else set()
    return found


def test_a_line_of_several_scopes_is_the_innermost_def() -> None:
    shop = run(equip.on_line("shop:16", "seen.append(a)"), equip.on_line("shop:18", "seen.append(rows)"))
    shop["one"](3)
    shop["key"]([1, 2])
    assert shop["seen"] == [3, [1, 2]]


def test_a_place_that_a_function_does_not_have_is_no_error() -> None:
    run(equip.after("shop:endless", "1"))


@pytest.mark.parametrize(
    ("probe", "message"),
    [
        (equip.before("shop:Cart.ad", "1"), r"no function 'Cart.ad' there; did you mean shop:Cart.add"),
        (equip.before("shpo:Cart.add", "1"), r"no module 'shpo' among 1 seen; did you mean shop\?"),
        (equip.on_line("shop:4", "1"), r"line 4 has no code that runs; did you mean shop:[1-9]"),
        (equip.on_line("shop:1000", "1"), r"did you mean shop:[1-9]\d*( or shop:[1-9]\d*){2}\?$"),
        (equip.on_line("shpo.py:4", "1"), r"no file 'shpo.py'"),
    ],
)
def test_a_probe_without_a_match_warns(probe: equip.Probe, message: str) -> None:
    with pytest.warns(equip.EquipWarning, match=message) as warned:
        run(probe)
    assert warned[0].filename == __file__


def test_a_probe_is_as_new_in_each_delivery() -> None:
    probe = equip.before("shop:f", "seen.append(1)")
    run(probe)
    with pytest.warns(equip.EquipWarning, match="no module 'shop'"):
        equip.instrument_code(compile("def f(): pass", "other.py", "exec"), probe)


@pytest.mark.parametrize(
    "where", ["x", "a:", ":f", "a:b c", "a b:c", "a:3", "", 3, None, "shop:a..b", "shop:f()"]
)
def test_a_malformed_place(where: Any) -> None:
    with pytest.raises(equip.ProbeError, match=r"for example \"shop.cart:Cart.add\""):
        equip.before(where, "1")


@pytest.mark.parametrize("where", ["shop:f", "shop:0", "shop", "shop.py:-1"])
def test_a_malformed_line(where: str) -> None:
    with pytest.raises(equip.ProbeError, match=r"for example \"shop.cart:42\""):
        equip.on_line(where, "1")


@pytest.mark.parametrize(
    "option",
    [{"limit": 0}, {"limit": True}, {"limit": 1.5}, {"every": -1}, {"every": "1"}, {"lifespan": 0}],
)
def test_options_out_of_range(option: dict[str, Any]) -> None:
    with pytest.raises(equip.ProbeError, match=next(iter(option))):
        equip.before("shop:f", "1", **option)


@pytest.mark.parametrize("condition", ["x >", "", "x = 1", "1; 2", "x) or (y"])
def test_a_condition_that_is_none(condition: str) -> None:
    if condition == "x) or (y":
        equip.before("shop:f", "1", when=condition)  # Odd, yet an expression.
        return
    with pytest.raises(equip.SnippetError, match="when="):
        equip.before("shop:f", "1", when=condition)


def test_when() -> None:
    shop = run(equip.before("shop:f", "seen.append(x)\nseen.append('''a\n  b''')", when="x > 3 # a comment"))
    shop["f"](3)
    shop["f"](4)
    assert shop["seen"] == [4, "a\n  b"]


def test_mistakes_are_told_by_the_user_s_own_lines() -> None:
    with pytest.raises(equip.SnippetError, match=r"^snippet line 2 'yield x'"):
        run(equip.before("shop:f", "a = 1\nyield x", when="x"))
    with pytest.raises(equip.SnippetError, match=r"^snippet line 2 'b = \('"):
        run(equip.before("shop:f", "a = 1\nb = (", limit=1))


def test_lines_of_a_guarded_snippet_are_the_user_s() -> None:
    shop = run(equip.before("shop:f", "seen.append(1)\nseen.append(2)", when="x", limit=3, reentrant=False))
    assert {one.snippet_line for one in equip.provenance(shop["f"].__code__)} == {1, 2}


def test_limit_counts_the_hits_of_the_probe() -> None:
    shop = run(equip.before("shop:[fo]*", "seen.append('{qualname}')", limit=3, when="True"))
    for _ in range(3):
        shop["f"](1)
        shop["one"](1)
    assert shop["seen"] == ["f", "one", "f"]


def test_limit_is_exact_among_threads() -> None:
    shop = run(equip.before("shop:f", "seen.append(x)", limit=500))
    threads = [threading.Thread(target=lambda: [shop["f"](1) for _ in range(300)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(shop["seen"]) == 500


def test_every_and_lifespan(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    shop = run(
        equip.before("shop:f", "seen.append('often')", every=0.5),
        equip.before("shop:f", "seen.append('life')", lifespan=1),
    )
    seen = []
    for clock[0] in (1000.0, 1000.25, 1000.5, 1000.75, 1001.25, 1001.5, 1002.0):
        shop["seen"].clear()
        shop["f"](1)
        seen.append(shop["seen"].copy())
    assert seen == [["often", "life"], ["life"], ["often", "life"], ["life"], ["often"], [], ["often"]]


def test_two_probes_with_one_text_count_by_themselves() -> None:
    for _ in range(2):
        shop = run(equip.before("shop:f", "seen.append(x)", limit=1))
        shop["f"](7)
        assert shop["seen"] == [7]


def test_not_reentrant() -> None:
    shop = run(equip.before("shop:Cart.again", "seen.append(n); self.again(1)", reentrant=False))
    shop["Cart"]().again(2)
    assert shop["seen"] == [2, 1, 0]


def test_not_reentrant_leaves_also_when_the_snippet_fails() -> None:
    shop = run(equip.before("shop:f", "seen.append(x)\nif x: raise KeyError(x)", reentrant=False))
    for _ in range(2):
        with pytest.raises(KeyError):
            shop["f"](1)
    assert shop["seen"] == [1, 1]


def test_not_reentrant_is_per_thread_and_task() -> None:
    source = "import asyncio\nasync def g(n):\n    return n\n"
    probe = equip.before("shop:g", "seen.append(n)\nawait asyncio.sleep(0.01)", reentrant=False)
    shop = run(probe, source=source)

    async def main() -> None:
        await asyncio.gather(*(shop["g"](n) for n in range(3)))

    asyncio.run(main())
    assert sorted(shop["seen"]) == [0, 1, 2]
    ready = threading.Barrier(2, timeout=10)
    shop = run(equip.before("shop:f", "ready.wait(); seen.append(x)", reentrant=False), ready=ready)
    thread = threading.Thread(target=shop["f"], args=(1,))
    thread.start()
    shop["f"](2)
    thread.join()
    assert sorted(shop["seen"]) == [1, 2]


def test_callables() -> None:
    seen: list[object] = []

    def log(qualname: str, arg0: object, return_value: object = None) -> None:
        seen.append((qualname, arg0, return_value))

    shop = run(equip.after("shop:f", log, limit=1, when="{return_value} > 2"))
    for x in range(4):
        shop["f"](x)
    assert seen == [("f", 2, 3)]


def test_suppress(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    shop = run(equip.before("shop:f", "1 / 0", suppress=True, when="x"))
    assert shop["f"](1) == 2
    assert len(told) == 1


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "store"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "a.py").write_text("def f(x):\n    return x\n")
    (folder / "b.py").write_text("def g(x):\n    return x\n")
    (folder / "hooks.py").write_text("def log(qualname, arg0): print('hook', qualname, arg0)\n")
    (folder / "__main__.py").write_text(
        "import sys\nfrom store.a import f\nfrom store.b import g\nfor i in range(4): f(i); g(i)\n"
        "print('equip' in sys.modules)\n"
    )
    return folder


def start(package: Path) -> str:
    return subprocess.run(
        [sys.executable, "-m", "store"], cwd=package.parent, capture_output=True, text=True, check=True
    ).stdout


def test_files_need_nothing_from_equip(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is that of the probe, also where it stands in several modules."""
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    probe = equip.before("store.?:*", "print('{qualname}', x)", limit=3, when="x", reentrant=False)
    report = equip.Instrumentation(package).apply(probe, rewrite=True)
    assert len(report.instrumented) == 2
    assert not report.notes
    assert start(package).split("\n")[:-1] == ["f 1", "g 1", "f 2", "False"]
    assert not equip.Instrumentation(package).apply(probe, rewrite=True).instrumented
    assert {p.name for s in equip.status(package) for p in s.probes} == {"before store.?:*"}


def test_callables_in_files(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(package.parent)
    from store.hooks import log  # type: ignore[import-not-found]

    try:
        equip.Instrumentation(package).apply(equip.before("store.a:f", log, limit=1), rewrite=True)
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] == "store"]:
            del sys.modules[name]
    assert start(package).split("\n")[:-1] == ["hook f 0", "False"]


def test_a_probe_without_a_match_is_in_the_report(package: Path) -> None:
    probes = [equip.before("store.a:ff", "1"), equip.before("store.b:g", "1")]
    report = equip.Instrumentation(package).apply(probes, rewrite=True)
    assert report.notes == (
        "probe 'before store.a:ff' matched nothing: no function 'ff' there; did you mean store.a:f?",
    )


@pytest.mark.parametrize("make", [equip.before, equip.after, equip.on_raise, equip.on_line])
def test_what_is_no_snippet(make: Callable[..., equip.Probe]) -> None:
    with pytest.raises(TypeError, match="source or a callable"):
        make("shop:1" if make is equip.on_line else "shop:f", 3)
