"""The import hook, as programs use it: each test starts one in a folder of its own."""

from __future__ import annotations

import os
import py_compile
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import pytest

import equip

HERE = str(Path(equip.__file__).parents[1])
CART = '''\
"""Carts."""
import os

class Cart:
    def __init__(self):
        self.items = []
    def add(self, item):
        self.items.append(item)
        return len(self.items)

def fail():
    raise ValueError("as it was")
'''


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    package = tmp_path / "shop"
    package.mkdir()
    (package / "__init__.py").write_text("def top(): return 'top'\n")
    (package / "cart.py").write_text(CART)
    (package / "note.txt").write_text("a note")
    (package / "tracing.py").write_text("from shop import low\ndef log(*what): print('log', low.low(), *what)\n")
    (package / "low.py").write_text("def low(): return 'low'\n")
    (package / "__main__.py").write_text("from shop.cart import Cart\nprint(Cart().add(1), __name__)\n")
    return tmp_path


def run(folder: Path, program: str, *, fails: bool = False, cached: bool = True) -> list[str]:
    """What a program prints, on both streams."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment["PYTHONPATH"] = HERE
    if not cached:
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
    (folder / "program.py").write_text("import equip, sys\n" + textwrap.dedent(program))
    done = subprocess.run(
        [sys.executable, "program.py"], cwd=folder, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60,
    )  # fmt: skip
    assert bool(done.returncode) == fails, done.stdout
    return done.stdout.splitlines()


ADD = """
    hook = equip.install(equip.before("shop.*:Cart.add", "print('add', item)"), "shop.*")
    import shop.cart
    print(shop.cart.Cart().add(3))
"""


def test_source_modules(shop: Path) -> None:
    assert run(shop, ADD + "    print(hook.instrumented, hook)") == [
        "add 3", "1", "['shop.cart'] <Hook for shop.*>"
    ]  # fmt: skip


def test_sourceless_modules(shop: Path) -> None:
    source = shop / "shop" / "cart.py"
    py_compile.compile(str(source), str(source) + "c", doraise=True)
    source.unlink()
    for _ in range(2):
        assert run(shop, ADD) == ["add 3", "1"]


def test_zipped_modules(shop: Path) -> None:
    with zipfile.ZipFile(shop / "all.zip", "w") as archive:
        for name in ("__init__.py", "cart.py", "note.txt"):
            archive.write(shop / "shop" / name, f"shop/{name}")
            (shop / "shop" / name).unlink()
    os.rename(shop / "shop", shop / "gone")
    program = "    import importlib.resources as r\n    print(r.files('shop').joinpath('note.txt').read_text())"
    assert run(shop, "    sys.path.insert(0, 'all.zip')" + ADD + program) == ["add 3", "1", "a note"]


def test_namespace_packages_and_extensions(shop: Path) -> None:
    (shop / "shop" / "__init__.py").unlink()
    assert run(shop, ADD) == ["add 3", "1"]
    program = """
        import importlib
        with equip.install(equip.before("*:*", "1"), "_*") as hook:
            for name in ("_json", "_bisect", "_elementtree"):
                importlib.reload(importlib.import_module(name)) if name == "_json" else importlib.import_module(name)
        print(hook.instrumented, "extension" in type(sys.modules["_elementtree"].__loader__).__name__.lower())
    """
    found = [line for line in run(shop, program) if "Warning" not in line and not line.startswith("  ")]
    assert found[-1].startswith("[]")


def test_exclude_and_several_globs(shop: Path) -> None:
    program = """
        probe = equip.before("*:*", "print('{module_name}', '{qualname}')")
        with equip.install(probe, ["shop", "shop.l*", "shop.cart"], exclude="shop.c*"):
            import shop, shop.cart, shop.low
        shop.top(); shop.cart.Cart(); shop.low.low()
    """
    assert run(shop, program) == ["shop top", "shop.low low"]


def test_the_second_start_reads_what_the_first_has_made(shop: Path) -> None:
    watch = """
        import equip.delivery.finder as f
        make = f.make_entry
        f.make_entry = lambda *a, **k: (print('made', a[1]), make(*a, **k))[1]
    """
    program = textwrap.dedent(watch) + textwrap.dedent(ADD)
    assert run(shop, program) == ["made shop", "made shop.cart", "add 3", "1"]
    assert run(shop, program) == ["add 3", "1"]
    assert run(shop, program.replace("'add'", "'new'")) == ["made shop", "made shop.cart", "new 3", "1"]
    (shop / "shop" / "cart.py").write_text(CART.replace("return len", "return 100 + len"))
    assert run(shop, program) == ["made shop.cart", "add 3", "101"]
    kept = list((shop / "shop" / "__pycache__").glob("*.equip-*"))
    assert kept
    for path in kept:
        path.write_bytes(path.read_bytes()[:-7] + b"damaged")
    assert run(shop, program) == ["made shop", "made shop.cart", "add 3", "101"]
    assert run(shop, "import shop.cart\nprint(shop.cart.Cart().add(1))") == ["101"], "only the hook reads its files"


def test_nothing_is_written_where_python_would_write_nothing(shop: Path) -> None:
    assert run(shop, ADD, cached=False) == ["add 3", "1"]
    assert not list(shop.rglob("*.equip-*"))


def test_what_the_verifier_refuses_is_not_kept(shop: Path) -> None:
    program = """
        from equip.inject import ModuleInjector
        from equip.isa import OP
        right = ModuleInjector.inject
        def wrong(self, plan):
            made = right(self, plan)
            raw = made.co_code.replace(bytes([OP["STORE_NAME"]]), bytes([OP["NOP"]]))
            return made.replace(co_code=raw, co_stacksize=20)
        ModuleInjector.inject = wrong
        equip.install(equip.before("shop.cart:Cart.add", "print('add')"), include="shop.cart")
        from shop.cart import Cart
        print(Cart().add(1))
    """
    for _ in range(2):
        told = "\n".join(run(shop, program))
        assert "shop.cart" in told
        assert "a bug of equip: nothing was written" in told
        assert told.endswith("\n1")
    assert not list(shop.rglob("*.equip-*"))


def test_uninstall_and_reload(shop: Path) -> None:
    program = """
        hook.uninstall(); hook.uninstall()
        import importlib, shop.low
        importlib.reload(shop.cart)
        print(shop.cart.Cart().add(4), len(sys.meta_path) == before)
        with equip.install(equip.before("shop.cart:Cart.add", "print('again', item)"), "shop.low", patch_loaded=True):
            pass
        with equip.install(equip.before("shop.cart:Cart.add", "print('again', item)"), "shop.cart", patch_loaded=True):
            importlib.reload(shop.cart)
            shop.cart.Cart().add(5)
    """
    found = run(shop, "before = len(sys.meta_path)" + textwrap.dedent(ADD) + textwrap.dedent(program))
    assert [line for line in found if "Warning" not in line and not line.startswith("  ")] == [
        "add 3", "1", "1 True", "again 5"
    ]  # fmt: skip


def test_modules_that_are_loaded(shop: Path) -> None:
    program = """
        import shop.cart
        add = shop.cart.Cart.add
        clean = add.__code__
        probe = equip.before("shop.*:Cart.add", "print('add', item)", limit=2)
        hook = equip.install(probe, "shop.*")
        shop.cart.Cart().add(1)
        hook.uninstall()
        with equip.install(probe, "shop.*", patch_loaded=True) as hook:
            shop.cart.Cart().add(2)
            print(sorted(hook.loaded), hook.instrumented)
        print(add.__code__ is clean)
    """
    found = run(shop, program)
    assert "2 modules are loaded already and stay as they are (shop, shop.cart)" in found[0]
    assert [line for line in found if "Warning" not in line and not line.startswith("  ")] == [
        "add 2", "['shop', 'shop.cart'] ['shop.cart']", "True"
    ]  # fmt: skip


def test_the_program_looks_as_it_was(shop: Path) -> None:
    program = """
        import inspect, pickle, traceback, importlib.machinery, importlib.resources
        cart = shop.cart
        print(inspect.getsource(cart.Cart.add).splitlines()[0].strip(), cart.__loader__)
        print(isinstance(cart.__loader__, importlib.machinery.SourceFileLoader), type(cart.__loader__).__name__)
        print(type(pickle.loads(pickle.dumps(cart.Cart()))) is cart.Cart, cart.__doc__, cart.__spec__.cached[-3:])
        print(importlib.resources.files("shop").joinpath("note.txt").read_text())
        try:
            cart.fail()
        except ValueError:
            print(traceback.format_exc().splitlines()[-3:-1])
    """
    found = run(shop, textwrap.dedent(ADD.replace("Cart.add", "*").replace(", item", "")) + textwrap.dedent(program))
    rest = [line for line in found if line != "add"]
    assert rest[1].startswith("def add(self, item): <")
    assert rest[2:5] == ["True SourceFileLoader", "True Carts. pyc", "a note"]
    assert "line 12, in fail" in rest[5]
    assert 'raise ValueError("as it was")' in rest[5]


def test_runpy(shop: Path) -> None:
    program = """
        import runpy
        probe = equip.before("shop.*:Cart.add", "print('add', item)")
        with equip.install(probe, "shop.*"):
            runpy.run_module("shop", run_name="__main__", alter_sys=True)
    """
    assert run(shop, program) == ["add 1", "1 __main__"]


def test_what_snippets_import_is_left_alone(shop: Path) -> None:
    """And what that imports: the snippet would run itself without end."""
    program = """
        class Log(equip.MethodVisitor):
            def visit(self, decl):
                equip.SimpleRewriter(decl).insert_import("from shop import tracing").insert_before(
                    "tracing.log('{qualname}')")

        for visitor in (Log(), equip.before("shop.*:*", "import shop.tracing as t; t.log('{qualname}')")):
            for name in [name for name in sys.modules if name.startswith("shop")]:
                del sys.modules[name]
            with equip.install(visitor, "shop.*") as hook:
                import shop.cart
                shop.top()
                shop.cart.Cart()
    """
    for _ in range(2):
        assert run(shop, program) == ["log low top", "log low Cart.__init__"] * 2


LOGGED = {
    "prices.py": "import shop.deep\ndef total(x):\n    shop.deep.out(x)\n    return x\n",
    "note.py": "def note(x):\n    from shop import show\n    show.show(x)\n",
    "show.py": "from .deep import out\ndef show(x):\n    out(x)\n",
    "deep.py": "def out(x): print('out', x)\n",
}


@pytest.mark.parametrize("package", [True, False])
@pytest.mark.parametrize("loaded", ["", "shop.prices, shop.note"])
@pytest.mark.parametrize(
    "visitor",
    [
        "equip.before('shop.*:*', 'import shop.note; shop.note.note(x)')",
        "equip.before('shop.*:*', 'from .note import note; note(x)')",
        "equip.before('shop.*:*', 'from . import note; note.note(x)', limit=100)",
        "[Notes(), equip.before('nothing:*', 'pass')]",
    ],
)
def test_what_snippets_import_is_left_alone_whenever_it_is_imported(
    shop: Path, package: bool, loaded: str, visitor: str
) -> None:
    """Before the program does, after it, or only when it is called; by a name that is relative, too."""
    for name, text in LOGGED.items():
        (shop / "shop" / name).write_text(text)
    (shop / "shop" / "__init__.py").write_text("")
    if not package:
        (shop / "shop" / "__init__.py").unlink()
    program = f"""
        class Notes(equip.MethodVisitor):
            def visit(self, decl):
                equip.SimpleRewriter(decl).insert_import("from shop import note as n").insert_before("n.note({{arg0}})")

        import {loaded or "sys"}
        hook = equip.install({visitor}, "shop.*", patch_loaded=True)
        import shop.prices, shop.note
        shop.prices.total(3)
        print(hook.instrumented)
        hook.uninstall()
    """
    for _ in range(2):
        found = [line for line in run(shop, program) if "Warning" not in line and not line.startswith("  ")]
        assert found == ["out 3", "out 3", "['shop.prices']"]


CALLABLES = """
    import shop.prices
    from shop.show import show
    def local(x): show(x)
    def log(arg0): local(arg0)
    class Log:
        def log(self, arg0): self.show(arg0)
        def show(self, x): show(x)
    method = Log().log
    def make():
        import functools
        kept = functools.partial(local)
        return lambda arg0: kept(arg0)
    made = make()
"""


@pytest.mark.parametrize("name", ["log", "method", "made"])
@pytest.mark.parametrize("include", ["shop.*", "*"])
def test_what_callables_use_is_left_alone(shop: Path, name: str, include: str) -> None:
    """But not all that their module imports: it may be the one that starts the program."""
    for path, text in LOGGED.items():
        (shop / "shop" / path).write_text(text)
    (shop / "tools.py").write_text(textwrap.dedent(CALLABLES))
    program = f"""
        import tools
        hook = equip.install(equip.before("*.prices:*", tools.{name}), {include!r}, patch_loaded=True)
        also = equip.install(equip.before("*:out", tools.{name}), {include!r}, patch_loaded=True)
        shop.prices.total(3)
        print(hook.instrumented)
        hook.uninstall(), also.uninstall()
    """
    found = run(shop, "import shop.prices" + textwrap.dedent(program))
    assert [line for line in found if "Warning" not in line and not line.startswith("  ")] == [
        "out 3", "out 3", "['shop.prices']"
    ]  # fmt: skip


def test_what_an_import_statement_runs_is_left_alone(shop: Path) -> None:
    """Unless it is named."""
    (shop / "late.py").write_text("def f(): pass\n")
    program = """
        hook = equip.install(equip.before("*:*", "from json import dumps; import late"), "*", patch_loaded=True)
        print("json.encoder" in hook.instrumented, "importlib._bootstrap" in hook.instrumented)
        hook.uninstall()
        probe = equip.before("importlib._bootstrap:_find_spec", "import sys; sys.stdout.write('find ')")
        with equip.install(probe, "importlib._bootstrap", patch_loaded=True):
            import shop.cart
    """
    assert run(shop, "import json" + textwrap.dedent(program)) == ["False False", "find find "]


def test_a_module_that_cannot_be_instrumented(shop: Path) -> None:
    program = """
        hook = equip.install(equip.before("shop.*:Cart.add", "yield 1"), "shop.*")
        import shop.cart
        print(shop.cart.Cart().add(3), hook.instrumented)
    """
    found = run(shop, program)
    assert "EquipWarning: module 'shop.cart' is imported as it is, without probes: snippet 'yield 1'" in found[0]
    assert found[-1] == "1 []"


@pytest.mark.parametrize("end", ["hook.uninstall()", "pass"])
def test_a_probe_without_a_match(shop: Path, end: str) -> None:
    """At the end, also when all comes from the cache."""
    program = f"""
        hook = equip.install([equip.before("shop.*:Cart.ad", "1"), equip.before("shop.*:top", "1")], "shop.*")
        import shop.cart
        {end}
    """
    for _ in range(2):
        found = [line for line in run(shop, program) if "Warning" in line]
        assert len(found) == 1
        assert "'before shop.*:Cart.ad' matched nothing: no function 'Cart.ad' there; did you mean" in found[0]


def test_a_probe_whose_hits_are_up_takes_itself_out(shop: Path) -> None:
    program = """
        probes = [equip.before("shop.*:*", "print('hit', '{qualname}')", limit=3),
                  equip.before("shop.*:top", "print('stays')")]
        with equip.install(probes, "shop.*"):
            import shop.cart
            cart = shop.cart.Cart()
            for n in range(3):
                cart.add(n)
            shop.top()
        print("hit" in str(shop.cart.Cart.add.__code__.co_consts), "hit" in str(shop.top.__code__.co_consts))
    """
    for _ in range(2):
        assert run(shop, program) == ["hit Cart.__init__", "hit Cart.add", "hit Cart.add", "stays", "False False"]


def test_callables(shop: Path) -> None:
    (shop / "hooks.py").write_text("def log(qualname, arg1): print('hook', qualname, arg1)\n")
    program = """
        import hooks
        seen = []
        probes = [equip.before("shop.*:Cart.add", hooks.log)]
        if sys.argv[1:] or LOCAL:
            probes.append(equip.before("shop.*:Cart.add", lambda arg1: print("local", arg1)))
        equip.install(probes, "shop.*")
        import shop.cart
        shop.cart.Cart().add(1)
    """
    for _ in range(2):
        assert run(shop, program.replace("LOCAL", "0")) == ["hook Cart.add 1"]
        assert run(shop, program.replace("LOCAL", "1")) == ["hook Cart.add 1", "local 1"]


def test_a_loader_that_gives_no_code(shop: Path) -> None:
    """As that of pytest's assertion rewriting: the functions are patched once they are there."""
    program = """
        import importlib.util, importlib.abc
        class Loader(importlib.abc.Loader):
            def create_module(self, spec): return None
            def exec_module(self, module): exec("def f(): return 1", module.__dict__)
        class Finder:
            def find_spec(self, name, path, target=None):
                return importlib.util.spec_from_loader(name, Loader()) if name == "odd" else None
        sys.meta_path.insert(0, Finder())
        with equip.install(equip.before("odd:f", "print('f')"), "odd"):
            import odd
            odd.f()
    """
    assert run(shop, program) == ["f"]


def test_under_pytest(shop: Path) -> None:
    (shop / "conftest.py").write_text(
        'import equip\nequip.install(equip.before("*:*", "print(\'in {qualname}\')"), ["shop.*", "test_it"])\n'
    )
    (shop / "test_it.py").write_text(
        "from shop.cart import Cart\ndef test_it():\n    assert Cart().add(1) == 2\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py"], cwd=shop,
        env=environment | {"PYTHONPATH": HERE}, text=True, stdout=subprocess.PIPE, timeout=100,
    )  # fmt: skip
    assert "assert 1 == 2" in done.stdout, done.stdout
    assert "+  where 1 = add(1)" in done.stdout
    assert "in Cart.add" in done.stdout
    assert "in test_it" in done.stdout


@pytest.mark.parametrize("include", [(), "", [3], [""]])
def test_globs_that_are_none(include: object) -> None:
    with pytest.raises(equip.ProbeError, match="include"):
        equip.install([], include)  # type: ignore[arg-type]
