"""Compiled files on disk: rewritten, added to, left alone, each with its reason."""

from __future__ import annotations

import compileall
import importlib.util
import os
import py_compile
import shutil
import stat
import sys
from pathlib import Path

import pytest
from programs import BOTH, CALLS, PLAIN, RETURNS, SHOP, Calls, Returns, compiled, instrument, run, snapshot, write_tree

import equip

TAG = sys.implementation.cache_tag


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return write_tree(tmp_path) / "shop"


def start(root: Path, *options: str) -> str:
    return run(*options, "-m", "shop", cwd=root.parent)


def by_name(report: equip.Report) -> dict[str, str]:
    return {os.path.basename(one.path): one.status for one in report}


def test_a_program_runs_with_the_code_in_it(shop: Path) -> None:
    report = instrument(shop, Calls())
    assert start(shop) == CALLS
    assert by_name(report) == {"__init__.py": "unchanged", "__main__.py": "unchanged", "cart.py": "instrumented"}
    (one,) = report.instrumented
    assert one.written
    assert one.probes == ("Calls",)
    assert one.module_name == "shop.cart"
    assert one.pyc == importlib.util.cache_from_source(str(shop / "cart.py"))


def test_sources_are_not_touched(shop: Path) -> None:
    before = snapshot(shop)
    instrument(shop, Calls())
    assert before.items() <= snapshot(shop).items()


def test_without_rewrite_nothing_is_written(shop: Path) -> None:
    instrumentation = equip.Instrumentation(shop)
    instrumentation.prepare_program()
    before = snapshot(shop)
    report = instrumentation.apply(Calls())
    assert snapshot(shop) == before
    assert [(one.status, one.written) for one in report.instrumented] == [("instrumented", False)]


def test_apply_prepares(shop: Path) -> None:
    equip.Instrumentation(str(shop)).apply(Calls(), rewrite=True)
    assert start(shop) == CALLS


def test_twice_is_once(shop: Path) -> None:
    instrument(shop, Calls())
    before = compiled(shop)
    report = instrument(shop, Calls())
    assert compiled(shop) == before
    assert start(shop) == CALLS
    assert not report.instrumented
    assert {one.reason for one in report.unchanged} >= {"already in it"}


def test_another_probe_is_added(shop: Path) -> None:
    instrument(shop, Calls())
    report = instrument(shop, Returns())
    assert report.instrumented[0].probes == ("Calls", "Returns")
    assert start(shop) == BOTH
    assert instrument(shop, Returns(), Calls()).instrumented == ()


def test_the_result_does_not_depend_on_the_way(tmp_path: Path) -> None:
    first, second = write_tree(tmp_path / "a"), write_tree(tmp_path / "b")
    instrument(first, Calls())
    instrument(first, Returns())
    instrument(second, Calls(), Returns())
    assert start(first / "shop") == start(second / "shop") == BOTH


def test_restore_brings_the_bytes_back(shop: Path) -> None:
    compileall.compile_dir(shop, quiet=2)
    before = snapshot(shop)
    instrument(shop, Calls())
    instrument(shop, Returns())
    assert snapshot(shop) != before
    report = equip.restore(shop)
    assert snapshot(shop) == before
    assert start(shop) == PLAIN
    assert by_name(report) == {"__init__.py": "unchanged", "__main__.py": "unchanged", "cart.py": "restored"}
    assert equip.restore(shop).restored == ()


def test_force_rebuild_drops_what_was_there(shop: Path) -> None:
    instrument(shop, Calls())
    instrument(shop, Returns(), force_rebuild=True)
    assert start(shop) == RETURNS


def test_a_changed_source_is_compiled_anew(shop: Path) -> None:
    instrument(shop, Calls())
    (shop / "cart.py").write_text(SHOP["shop/cart.py"].replace("return len", "return 10 * len"))
    assert start(shop) == "20\n"
    assert instrument(shop, Calls()).instrumented
    assert start(shop).endswith("call Cart.add\n20\n")
    assert equip.restore(shop).restored
    assert start(shop) == "20\n"


def test_a_source_that_changes_after_preparing_is_refused(shop: Path) -> None:
    instrumentation = equip.Instrumentation(shop)
    instrumentation.prepare_program()
    (shop / "cart.py").write_text("x = 1\n")
    report = instrumentation.apply(Calls(), rewrite=True)
    assert "no longer valid" in report.refused[0].reason
    assert "prepare_program" in report.refused[0].reason


@pytest.mark.parametrize("mode", list(py_compile.PycInvalidationMode))
def test_headers_stay_valid(shop: Path, mode: py_compile.PycInvalidationMode) -> None:
    compileall.compile_dir(shop, quiet=2, invalidation_mode=mode)
    cached = Path(importlib.util.cache_from_source(str(shop / "cart.py")))
    header = cached.read_bytes()[:16]
    instrument(shop, Calls())
    assert cached.read_bytes()[:16] == header
    assert start(shop) == CALLS


def test_mode_bits_are_kept(shop: Path) -> None:
    compileall.compile_dir(shop, quiet=2)
    cached = Path(importlib.util.cache_from_source(str(shop / "cart.py")))
    cached.chmod(0o604)
    instrument(shop, Calls())
    assert stat.S_IMODE(cached.stat().st_mode) == 0o604


def test_a_new_file_has_the_mode_of_its_source(shop: Path) -> None:
    (shop / "cart.py").chmod(0o444)
    instrument(shop)
    cached = Path(importlib.util.cache_from_source(str(shop / "cart.py")))
    assert stat.S_IMODE(cached.stat().st_mode) == 0o644


def test_optimisation_levels(shop: Path) -> None:
    report = instrument(shop, Calls(), optimize=[0, 2])
    assert len(report.instrumented) == 2
    assert start(shop) == start(shop, "-OO") == CALLS
    assert start(shop, "-O") == PLAIN
    assert {state.state for state in equip.status(shop) if "cart" in state.pyc and "opt-1" not in state.pyc} == {
        "instrumented"
    }
    equip.restore(shop)
    assert start(shop, "-OO") == PLAIN


def test_the_cache_prefix(shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prefix = tmp_path / "elsewhere"
    monkeypatch.setattr(sys, "pycache_prefix", str(prefix))
    report = instrument(shop, Calls())
    assert not compiled(shop)
    assert compiled(prefix)
    option = ("-X", f"pycache_prefix={prefix}")
    assert start(shop, *option) == CALLS
    (state,) = equip.status(report.instrumented[0].pyc or "")
    assert state.state == "instrumented"
    assert state.path == str(shop / "cart.py")
    equip.restore(shop)
    assert start(shop, *option) == PLAIN


# -- sourceless -----------------------------------------------------------------------------------


@pytest.fixture
def sourceless(shop: Path) -> Path:
    compileall.compile_dir(shop, quiet=2, legacy=True)
    for source in shop.glob("*.py"):
        source.unlink()
    return shop


def test_sourceless_packages_are_rewritten_in_place(sourceless: Path) -> None:
    before = snapshot(sourceless)
    instrument(sourceless, Calls())
    instrument(sourceless, Returns())
    assert start(sourceless) == BOTH
    assert snapshot(sourceless)["cart.pyc.equip"]
    equip.restore(sourceless)
    assert snapshot(sourceless) == before


def test_sourceless_packages_can_be_begun_again(sourceless: Path) -> None:
    instrument(sourceless, Calls())
    instrument(sourceless, Returns(), force_rebuild=True)
    assert start(sourceless) == RETURNS


def test_a_legacy_file_beside_its_source_is_rewritten_when_named(shop: Path) -> None:
    compileall.compile_dir(shop, quiet=2, legacy=True)
    report = instrument(shop / "cart.pyc", Calls())
    assert report.instrumented[0].pyc == str(shop / "cart.pyc")
    assert {one.reason for one in instrument(shop, Calls()).skipped} == {
        f"Python imports {name}.py beside it, and never this file" for name in ("__init__", "__main__", "cart")
    }


# -- links ----------------------------------------------------------------------------------------


@pytest.fixture
def linked(sourceless: Path) -> Path:
    """A program with two names for one file, the other one imported first."""
    (sourceless / "basket.pyc").symlink_to("cart.pyc")
    source = sourceless.parent / "__init__.py"
    source.write_text("from .basket import Cart as Basket\nfrom .cart import Cart\nBasket().add(1)\n")
    py_compile.compile(str(source), str(sourceless / "__init__.pyc"), doraise=True)
    source.unlink()
    return sourceless


def links(folder: Path) -> dict[str, str]:
    return {path.name: os.readlink(path) for path in folder.rglob("*") if path.is_symlink()}


@pytest.mark.parametrize("name", [".", "basket.pyc", "cart.pyc"])
def test_a_link_stays_one_and_the_file_behind_it_is_rewritten_once(linked: Path, name: str) -> None:
    before = snapshot(linked)
    report = instrument(linked / name, Calls())
    assert {one.status for one in report if one.path.endswith(("cart.pyc", "basket.pyc"))} == {"instrumented"}
    assert start(linked).count("call Cart.add") == 2
    assert links(linked) == {"basket.pyc": "cart.pyc"}
    assert [path.name for path in linked.glob("*.equip")] == ["cart.pyc.equip"]
    both = {os.path.basename(one.pyc): one.state for one in equip.status(linked) if one.probes}
    assert both == {"cart.pyc": "instrumented", "basket.pyc": "instrumented"}
    assert not instrument(linked, Calls()).instrumented
    instrument(linked, Returns())
    assert start(linked).count("return Cart.add") == start(linked).count("call Cart.add") == 2
    assert not equip.restore(linked / name).refused
    assert (snapshot(linked), links(linked)) == (before, {"basket.pyc": "cart.pyc"})


@pytest.mark.parametrize("name", ["basket.pyc", "."])
def test_a_link_to_a_file_that_is_damaged_or_gone(linked: Path, name: str) -> None:
    before = snapshot(linked)
    instrument(linked, Calls())
    (linked / "cart.pyc").write_bytes(b"")
    assert equip.restore(linked / name).restored
    assert snapshot(linked) == before
    instrument(linked, Calls())
    (linked / "cart.pyc").unlink()
    assert equip.restore(linked).restored
    assert (snapshot(linked), links(linked)) == (before, {"basket.pyc": "cart.pyc"})


def test_a_link_out_of_the_tree(linked: Path, tmp_path: Path) -> None:
    (linked / "cart.pyc").rename(tmp_path / "elsewhere.pyc")
    (linked / "cart.pyc").symlink_to(tmp_path / "elsewhere.pyc")
    before = snapshot(tmp_path)
    assert not instrument(linked, Calls()).refused
    assert start(linked).count("call Cart.add") == 2
    assert (tmp_path / "elsewhere.pyc.equip").exists()
    assert not equip.restore(linked).refused
    assert snapshot(tmp_path) == before
    assert len(links(linked)) == 2


def test_links_in_the_cache(shop: Path) -> None:
    """Two sources that may share a compiled file, as their headers tell."""
    shutil.copy2(shop / "cart.py", shop / "basket.py")
    compileall.compile_dir(shop, quiet=2)
    cart, basket = (Path(importlib.util.cache_from_source(str(shop / name))) for name in ("cart.py", "basket.py"))
    basket.unlink()
    basket.symlink_to(cart.name)
    before = snapshot(shop)
    assert not instrument(shop, Calls(), Returns()).refused
    assert start(shop) == BOTH
    assert links(shop) == {basket.name: cart.name}
    assert not equip.restore(shop).refused
    assert (snapshot(shop), links(shop)) == (before, {basket.name: cart.name})


def test_a_link_to_a_file_without_a_source_stays_one_when_it_is_built_anew(shop: Path, tmp_path: Path) -> None:
    only = tmp_path / "only.pyc"
    py_compile.compile(str(shop / "cart.py"), str(only), doraise=True)
    clean = only.read_bytes()
    link = tmp_path / "lib" / "cart.pyc"
    link.parent.mkdir()
    link.symlink_to(only)
    instrument(link, Calls())
    assert only.read_bytes() != clean
    program = equip.Instrumentation(link)
    program.set_option("force-rebuild")
    program.prepare_program()
    assert link.is_symlink()
    assert only.read_bytes() == clean


def test_a_link_in_the_cache_becomes_a_file_when_its_source_is_compiled(shop: Path) -> None:
    """As with the import system."""
    shutil.copy2(shop / "cart.py", shop / "basket.py")
    compileall.compile_dir(shop, quiet=2)
    cart, basket = (Path(importlib.util.cache_from_source(str(shop / name))) for name in ("cart.py", "basket.py"))
    basket.unlink()
    basket.symlink_to(cart.name)
    (shop / "basket.py").write_text("x = 1\n")
    before = cart.read_bytes()
    equip.Instrumentation(shop).prepare_program()
    assert cart.read_bytes() == before
    assert links(shop) == {}


def test_what_is_behind_a_link_is_never_removed(shop: Path, tmp_path: Path) -> None:
    """A cached file that leads to one without a source, instrumented, of which the original is lost."""
    compileall.compile_dir(shop, quiet=2)
    cached = Path(importlib.util.cache_from_source(str(shop / "cart.py")))
    cached.rename(tmp_path / "only.pyc")
    instrument(tmp_path / "only.pyc", Calls())
    (tmp_path / "only.pyc.equip").unlink()
    cached.symlink_to(tmp_path / "only.pyc")
    assert "Python will compile it anew" in equip.restore(shop).restored[0].reason
    assert not cached.is_symlink()
    assert (tmp_path / "only.pyc").exists()
    assert start(shop) == PLAIN


@pytest.mark.parametrize("damage", ["gone", "another", "compiled anew"])
def test_the_original_of_what_is_behind_a_link_stays(shop: Path, tmp_path: Path, damage: str) -> None:
    """That the link has a source does not mean that the file has one."""
    compileall.compile_dir(shop, quiet=2)
    cached = Path(importlib.util.cache_from_source(str(shop / "cart.py")))
    cached.rename(tmp_path / "only.pyc")
    original = (tmp_path / "only.pyc").read_bytes()
    instrument(tmp_path / "only.pyc", Calls())
    cached.symlink_to(tmp_path / "only.pyc")
    if damage == "gone":
        (tmp_path / "only.pyc").unlink()
    else:
        shutil.copy(importlib.util.cache_from_source(str(shop / "__init__.py")), tmp_path / "only.pyc")
    if damage == "compiled anew":
        assert not instrument(shop, Returns()).refused
        assert links(shop) == {}
    equip.restore(shop)
    if (tmp_path / "only.pyc.equip").exists():
        (tmp_path / "only.pyc").unlink()
        equip.restore(tmp_path / "only.pyc")
    assert (tmp_path / "only.pyc").read_bytes() == original
    assert start(shop) == PLAIN


# -- mistakes and faults --------------------------------------------------------------------------


class Broken(equip.MethodVisitor):
    def visit(self, decl: equip.MethodDeclaration) -> None:  # type: ignore[override]
        code = "print(" if decl.qualname == "Cart.add" else "print('fine')"
        equip.SimpleRewriter(decl).insert_before(code)


class Nowhere(equip.MethodVisitor):
    def visit(self, decl: equip.MethodDeclaration) -> None:  # type: ignore[override]
        equip.SimpleRewriter(decl).insert_before("pass")
        if decl.qualname == "Cart.add":
            equip.SimpleRewriter(decl).insert_at_line(999, "pass")


@pytest.mark.parametrize(("visitor", "error"), [(Broken(), equip.SnippetError), (Nowhere(), equip.JoinPointError)])
def test_a_mistake_is_raised_before_anything_is_written(
    shop: Path, visitor: equip.MethodVisitor, error: type[Exception]
) -> None:
    instrumentation = equip.Instrumentation(shop)
    instrumentation.prepare_program()
    before = snapshot(shop)
    with pytest.raises(error):
        instrumentation.apply(visitor, rewrite=True)
    assert snapshot(shop) == before


def _damage(shop: Path, change: bytes) -> bytes:
    path = shop / "sub.pyc"
    code = py_compile.compile(str(shop / "cart.py"), str(path), doraise=True)
    assert code
    data = path.read_bytes()
    damaged = {
        b"short": data[:9],
        b"cut": data[:-20],
        b"foreign": (3413).to_bytes(2, "little") + data[2:],
        b"other": b"#!/bin/sh\nexit 0\n",
        b"empty": b"",
        b"data": data[:16] + b"\x7f" * 30,
    }[change]
    path.write_bytes(damaged)
    return damaged


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (b"short", "truncated"),
        (b"cut", "truncated or damaged"),
        (b"foreign", "compiled by CPython 3.10"),
        (b"other", "not a compiled Python file"),
        (b"empty", "empty"),
        (b"data", "truncated or damaged"),
    ],
)
def test_a_bad_file_is_left_and_the_others_go_on(shop: Path, change: bytes, reason: str) -> None:
    damaged = _damage(shop, change)
    report = instrument(shop, Calls())
    assert reason in report.refused[0].reason
    assert report.refused[0].pyc == str(shop / "sub.pyc")
    assert (shop / "sub.pyc").read_bytes() == damaged
    assert start(shop) == CALLS
    state = next(one for one in equip.status(shop) if one.pyc.endswith("sub.pyc"))
    assert state.state == "not ours"
    assert reason in state.reason


def test_a_damaged_file_in_the_cache_is_left_until_told_otherwise(shop: Path) -> None:
    compileall.compile_dir(shop, quiet=2)
    cached = Path(importlib.util.cache_from_source(str(shop / "cart.py")))
    damaged = cached.read_bytes()[:-30]
    cached.write_bytes(damaged)
    report = instrument(shop, Calls())
    assert "truncated or damaged" in report.refused[0].reason
    assert cached.read_bytes() == damaged
    assert instrument(shop, Calls(), force_rebuild=True).instrumented
    assert start(shop) == CALLS


def test_what_the_import_system_would_not_use_is_compiled(shop: Path) -> None:
    compileall.compile_dir(shop, quiet=2)
    cached = Path(importlib.util.cache_from_source(str(shop / "cart.py")))
    cached.write_bytes(b"nonsense")
    assert instrument(shop, Calls()).instrumented
    assert start(shop) == CALLS


def test_a_source_that_does_not_compile(shop: Path) -> None:
    (shop / "wrong.py").write_text("def f(:\n")
    report = instrument(shop, Calls())
    (one,) = report.refused
    assert one.path == str(shop / "wrong.py")
    assert "does not compile" in one.reason
    assert "wrong.py:1" in one.reason
    assert not list(shop.glob("__pycache__/wrong*"))
    assert start(shop) == CALLS


def test_missing_and_empty_paths(shop: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    instrumentation = equip.Instrumentation([tmp_path / "missing", tmp_path / "empty"])
    assert not instrumentation.prepare_program()
    report = instrumentation.apply(Calls(), rewrite=True)
    assert [one.status for one in report] == ["refused", "refused"]
    assert "nothing was instrumented" in report.notes[0]
    instrumentation = equip.Instrumentation([tmp_path / "missing", shop])
    assert instrumentation.prepare_program()
    report = instrumentation.apply(Calls(), rewrite=True)
    assert report.instrumented
    assert "no such file" in report.refused[0].reason


def test_the_kept_original_is_lost(shop: Path) -> None:
    (one,) = instrument(shop, Calls()).instrumented
    assert one.pyc is not None
    os.unlink(one.pyc + ".equip")
    report = instrument(shop, Returns())
    assert "force-rebuild" in report.refused[0].reason
    assert start(shop) == CALLS
    (back,) = equip.restore(shop).restored
    assert "original is lost" in back.reason
    assert start(shop) == PLAIN


def test_the_kept_original_of_a_sourceless_file_is_lost(sourceless: Path) -> None:
    instrument(sourceless, Calls())
    (sourceless / "cart.pyc.equip").unlink()
    report = equip.restore(sourceless)
    assert "is lost" in report.refused[0].reason
    assert start(sourceless) == CALLS


# -- who must not be touched ----------------------------------------------------------------------


def test_equip_never_instruments_itself(tmp_path: Path) -> None:
    folder = os.path.dirname(os.path.abspath(equip.__file__))
    (tmp_path / "link").symlink_to(folder, target_is_directory=True)
    for path in (folder, tmp_path / "link"):
        instrumentation = equip.Instrumentation(path)
        assert instrumentation.prepare_program()
        report = instrumentation.apply(Calls(), rewrite=True)
        assert {one.status for one in report} == {"skipped"}
        assert len(report) > 20
        assert {one.reason for one in report if one.pyc} == {"equip never instruments itself"}


TRACED = {
    **SHOP,
    "shop/tracing.py": "from shop.format import show\ndef log(name):\n    print(show(name))\n",
    "shop/format.py": "def show(name):\n    return f'<{name}>'\n",
}


class Traced(equip.MethodVisitor):
    def visit(self, decl: equip.MethodDeclaration) -> None:  # type: ignore[override]
        rewriter = equip.SimpleRewriter(decl)
        rewriter.insert_import("from shop.tracing import log", module_import=False)
        rewriter.insert_before("log('{qualname}')")


def test_what_snippets_import_is_spared(tmp_path: Path) -> None:
    shop = write_tree(tmp_path, TRACED) / "shop"
    report = instrument(shop, Traced())
    assert start(shop) == "<Cart.__init__>\n<Cart.add>\n2\n"
    reasons = {os.path.basename(one.path): one.reason for one in report.skipped}
    assert set(reasons) == {"tracing.py", "format.py"}
    assert "from shop.tracing import log" in reasons["tracing.py"]
    assert "instrument-imports" in reasons["tracing.py"]
    assert "the module shop.tracing imports it" in reasons["format.py"]


def test_what_earlier_snippets_import_is_spared_too(tmp_path: Path) -> None:
    shop = write_tree(tmp_path, TRACED) / "shop"
    instrument(shop, Traced())
    assert {os.path.basename(one.path) for one in instrument(shop, Calls()).skipped} == {"tracing.py", "format.py"}
    assert start(shop).startswith("<Cart.__init__>\ncall Cart.__init__\n")


def test_what_snippets_import_is_instrumented_when_told(tmp_path: Path) -> None:
    shop = write_tree(tmp_path, TRACED) / "shop"
    report = instrument(shop, Traced(), instrument_imports=True)
    assert not report.skipped
    assert len(report.instrumented) == 3
    assert "RecursionError" in start(shop)


LOGGED = {
    "ns/shop/prices.py": "def total(x): return x\n",
    "ns/shop/log.py": "from . import show\ndef note(x):\n    show.show(x)\n",
    "ns/shop/show.py": "def show(x):\n    import ns.shop.deep as deep\n    deep.out(x)\n",
    "ns/shop/deep.py": "def out(x): print('note', x)\n",
    "start.py": "from ns.shop.prices import total\nprint(total(3))\n",
}


@pytest.mark.parametrize("package", ["", "ns", "ns/shop"])
@pytest.mark.parametrize("given", ["", "ns", "ns/shop", "ns/shop/*.py"])
@pytest.mark.parametrize(
    "snippet", ["import ns.shop.log; ns.shop.log.note(x)", "from ns.shop import log; log.note(x)",
                "from .log import note; note(x)"]
)  # fmt: skip
def test_what_snippets_import_is_spared_in_folders_without_init(
    tmp_path: Path, package: str, given: str, snippet: str
) -> None:
    """Whatever of the tree is given, and whichever folder is a package."""
    write_tree(tmp_path, LOGGED | ({f"{package}/__init__.py": ""} if package else {}))
    paths = sorted(tmp_path.glob(given)) if "*" in given else [tmp_path / given]
    report = equip.Instrumentation(paths).apply(equip.before("*:*", snippet), rewrite=True)
    assert {os.path.basename(one.path) for one in report.skipped} == {"log.py", "show.py", "deep.py"}
    assert run("start.py", cwd=tmp_path) == "note 3\n3\n"


def test_what_is_looked_for_below_the_tree_is_spared(tmp_path: Path) -> None:
    write_tree(tmp_path, {f"src/{name}": text for name, text in LOGGED.items()})
    report = instrument(tmp_path, equip.before("*:*", "import ns.shop.log; ns.shop.log.note(x)"))
    assert {os.path.basename(one.path) for one in report.skipped} == {"log.py", "show.py", "deep.py"}
    assert run("src/start.py", cwd=tmp_path) == "note 3\n3\n"


def test_only_what_is_imported_is_spared(tmp_path: Path) -> None:
    """Neither a module of the same name in another folder, nor one of a package that has the name of a library's."""
    tree = {"a/log.py": "def f(): pass\n", "b/log.py": "def f(): pass\n", "shop/logging.py": "def f(): pass\n"}
    write_tree(tmp_path, tree | {"shop/__init__.py": ""})
    for paths in (["a", "b", "shop"], [""]):
        instrumentation = equip.Instrumentation([tmp_path / path for path in paths])
        report = instrumentation.apply(equip.before("*:f", "import a.log, logging"))
        assert [one.path for one in report.skipped] == [str(tmp_path / "a" / "log.py")]
        assert len(report.instrumented) == 2


def test_what_the_module_of_a_callable_imports_is_spared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though that module is not in the tree."""
    write_tree(tmp_path, LOGGED | {"log_tools.py": "from ns.shop.log import note\ndef log(arg0): note(arg0)\n"})
    monkeypatch.syspath_prepend(str(tmp_path))
    tools = importlib.import_module("log_tools")
    for name in [name for name in sys.modules if name.partition(".")[0] == "ns"]:
        monkeypatch.delitem(sys.modules, name)
    report = instrument(tmp_path / "ns", equip.before("*:*", tools.log))
    assert {os.path.basename(one.path) for one in report.skipped} == {"log.py", "show.py", "deep.py"}
    assert run("start.py", cwd=tmp_path) == "note 3\n3\n"


# -- notes ----------------------------------------------------------------------------------------


class Nothing(equip.MethodVisitor):
    def visit(self, decl: equip.MethodDeclaration) -> None:  # type: ignore[override]
        """Asks for nothing."""


def test_nothing_instrumented_is_never_silent(shop: Path) -> None:
    report = instrument(shop, Nothing())
    assert "nothing was instrumented (3 unchanged)" in report.notes[0]
    assert report.notes[0] in str(report)
    assert "Nothing asked for nothing" in instrument(shop, Calls(), Nothing()).notes[0]


def test_scripts_ignore_the_cache_and_the_report_says_what_works(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "it's here", {"tool.py": "def f(): pass\nif __name__ == '__main__':\n    f()\n"})
    (note,) = instrument(folder, Calls()).notes
    assert run("tool.py", cwd=folder) == ""
    command = note.rpartition("with: ")[2]
    assert "python -m tool" in command
    shown = command.replace("python", f'"{sys.executable}"', 1)
    assert os.popen(shown).read() == "call f\n"


def test_a_script_that_is_named_need_not_look_like_one(tmp_path: Path) -> None:
    folder = write_tree(tmp_path, {"plain.py": "def f(): pass\nf()\n"})
    assert instrument(folder, Calls()).notes == ()
    assert "python -m plain" in instrument(folder / "plain.py", Calls()).notes[0]


@pytest.mark.skipif(sys.platform == "win32", reason="such names cannot be had there")
@pytest.mark.parametrize("name", ["x'+exit()+'", 'q"q', "new\nline", "{arg0}", "{{method_name}}", "%s", "\\"])
def test_names_never_become_code(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    write_tree(folder, {f"{name}.py": "def f(a):\n    return a\n"})

    class Names(equip.MethodVisitor):
        def visit(self, decl: equip.MethodDeclaration) -> None:  # type: ignore[override]
            equip.SimpleRewriter(decl).insert_before(
                "print(['{file_name}', {file_path}, '{module_name}', f'{file_name!r}'])"
            )

    assert instrument(folder, Names()).instrumented
    program = (
        "import importlib.util, sys\n"
        "spec = importlib.util.spec_from_file_location('m', sys.argv[1])\n"
        "module = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(module)\n"
        "module.f(1)\n"
    )
    path = str(folder / f"{name}.py")
    assert run("-c", program, path, cwd=tmp_path) == f"{[f'{name}.py', path, name, repr(f'{name}.py')]}\n"
    shutil.rmtree(folder)
