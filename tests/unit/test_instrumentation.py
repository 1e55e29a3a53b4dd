"""The classic API: options, the start and end of a program, single compiled files."""

from __future__ import annotations

import importlib.util
import marshal
import os
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent / "delivery"))
from programs import CALLS, Calls, Returns, compiled, run, write_tree

import equip


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return write_tree(tmp_path) / "shop"


# -- options --------------------------------------------------------------------------------------


def test_unknown_options_are_refused_with_the_known_ones() -> None:
    instrumentation = equip.Instrumentation()
    with pytest.raises(
        ValueError, match=r"'force-rebild'.*'force-rebuild', 'instrument-imports', 'optimize', 'strict', 'workers'"
    ):
        instrumentation.set_option("force-rebild")
    with pytest.raises(ValueError, match="the options are"):
        instrumentation.get_option("x")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("workers", 0),
        ("workers", "2"),
        ("workers", True),
        ("optimize", 3),
        ("optimize", "1"),
        ("optimize", []),
        ("optimize", [0, 4]),
    ],
)
def test_values_that_an_option_cannot_have(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"option '{name}'"):
        equip.Instrumentation().set_option(name, value)


def test_options_are_remembered() -> None:
    instrumentation = equip.Instrumentation()
    instrumentation.set_option("force-rebuild")
    instrumentation.set_option("optimize", (0, 1))
    assert instrumentation.get_option("force-rebuild") is True
    assert instrumentation.get_option("optimize") == (0, 1)
    assert instrumentation.get_option("workers") is None


def test_locations(shop: Path, tmp_path: Path) -> None:
    assert not equip.Instrumentation().prepare_program()
    for location in (str(shop), shop, [shop], iter([str(shop)]), {shop}):
        instrumentation = equip.Instrumentation(location)
        assert instrumentation.prepare_program()
        assert instrumentation.program is not None
        assert len(instrumentation.program.source_files) == len(instrumentation.program.bytecode_files) == 3
    assert all(map(os.path.isfile, instrumentation.program.bytecode_files))


# -- start and end --------------------------------------------------------------------------------


def test_code_for_the_start_and_the_end(shop: Path) -> None:
    instrumentation = equip.Instrumentation(shop)
    instrumentation.prepare_program()
    instrumentation.on_enter("start = 1; print('start')")
    instrumentation.on_exit("print('end', math.floor(1.5))", import_code="import math")
    report = instrumentation.apply(Calls(), rewrite=True)
    assert run("-m", "shop", cwd=shop.parent) == f"start\n{CALLS}end 1\n"
    assert {name for one in report for name in one.probes} == {"on_enter", "on_exit", "Calls"}
    assert run("-c", "import shop.cart", cwd=shop.parent) == ""


@pytest.mark.parametrize("ending", ["import sys; sys.exit(3)", "raise SystemExit", "1 / 0", "x = 1"])
def test_the_end_comes_once_however_it_ends(shop: Path, ending: str) -> None:
    (shop / "__main__.py").write_text(ending + "\n")
    instrumentation = equip.Instrumentation(shop)
    instrumentation.on_exit("print('end')")
    instrumentation.apply(rewrite=True)
    assert run("-m", "shop", cwd=shop.parent).count("end\n") == 1


# -- single files ---------------------------------------------------------------------------------


def prepared(shop: Path) -> str:
    equip.Instrumentation(shop).prepare_program()
    return importlib.util.cache_from_source(str(shop / "cart.py"))


def test_a_compiled_file(shop: Path) -> None:
    made = equip.BytecodeObject(prepared(shop))
    assert [d.qualname for d in made.declarations] == ["<module>", "Cart", "Cart.__init__", "Cart.add"]
    assert made.main_module is made.declarations[0]
    assert made.main_module.module_name == "shop.cart"
    assert made.main_module.module_path == str(shop / "cart.py")
    assert made.get_decl(method_name="add") is made.get_decl(qualname="Cart.add") is made.declarations[3]
    assert made.get_decl(type_name="Cart") is made.declarations[1]
    assert made.get_decl(method_name="Cart") is None
    assert made.get_decl(type_name="Cart", qualname="x") is None
    with pytest.raises(TypeError, match="needs"):
        made.get_decl()


def test_asking_and_writing(shop: Path) -> None:
    path = prepared(shop)
    made = equip.BytecodeObject(path)
    assert not made.has_changes
    assert made.code is made.main_module.code_object
    assert not made.write()
    made.accept(Calls())
    assert made.has_changes
    assert made.code is not made.main_module.code_object
    assert run("-m", "shop", cwd=shop.parent) == "2\n"
    assert made.write()
    assert not made.has_changes
    assert not made.write()
    assert run("-m", "shop", cwd=shop.parent) == CALLS
    again = equip.BytecodeObject(path)
    again.accept(Calls())
    assert not again.has_changes
    again.accept([Returns()])
    assert again.write()
    assert "return Cart.add 2" in run("-m", "shop", cwd=shop.parent)
    equip.restore(shop)
    assert run("-m", "shop", cwd=shop.parent) == "2\n"


def test_a_file_that_changes_meanwhile_is_not_overwritten(shop: Path) -> None:
    path = prepared(shop)
    first, second = equip.BytecodeObject(path), equip.BytecodeObject(path)
    first.accept(Calls())
    second.accept(Returns())
    first.write()
    with pytest.raises(equip.PycError, match="open it again"):
        second.write()


@pytest.mark.parametrize(("name", "message"), [("none.pyc", "no such file"), ("cart.py", r"not a \.pyc file")])
def test_what_is_no_compiled_file(shop: Path, name: str, message: str) -> None:
    with pytest.raises(equip.PycError, match=message):
        equip.BytecodeObject(shop / name)


def test_from_code_to_a_compiled_file(tmp_path: Path) -> None:
    code = compile("def f():\n    return 1\n", "made.py", "exec")
    made = equip.BytecodeObject.from_code(code, tmp_path / "made.pyc")
    made.accept(Calls())
    assert made.write()
    assert run("-c", "import made; made.f()", cwd=tmp_path) == "call f\n"
    assert equip.status(tmp_path)[0].state == "instrumented"
    equip.restore(tmp_path)
    assert marshal.loads((tmp_path / "made.pyc").read_bytes()[16:]) == code


def test_from_code_to_the_cache_of_a_source(tmp_path: Path) -> None:
    write_tree(tmp_path, {"made.py": "def f():\n    return 1\n"})
    code = compile((tmp_path / "made.py").read_bytes(), str(tmp_path / "made.py"), "exec")
    made = equip.BytecodeObject.from_code(code, tmp_path / "made.py")
    made.accept(Calls())
    made.write()
    assert run("-c", "import made; made.f()", cwd=tmp_path) == "call f\n"
    assert len(compiled(tmp_path)) == 2


# -- the package ----------------------------------------------------------------------------------


def test_every_public_name_is_there() -> None:
    for name in equip.__all__:
        assert getattr(equip, name) is not None
    assert sorted(equip.__all__) == list(equip.__all__)
    assert set(equip.__all__) <= set(dir(equip))
    with pytest.raises(AttributeError, match="nonsense"):
        equip.nonsense  # noqa: B018


def test_importing_equip_loads_nothing_else(tmp_path: Path) -> None:
    home = os.path.dirname(os.path.dirname(os.path.abspath(equip.__file__)))
    program = (
        f"import sys; sys.path.insert(0, {home!r}); before = set(sys.modules); import equip\n"
        "print(sorted(set(sys.modules) - before))"
    )
    found = run("-S", "-c", program, cwd=tmp_path)
    assert "argparse" not in found
    assert "equip.inject" not in found
    assert found.count("'") <= 6


@pytest.mark.parametrize("where", ["shop.prices:total", "prices:total", "shop.*:*"])
def test_folders_without_init_may_be_namespace_packages(tmp_path: Path, where: str) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "prices.py").write_text("def total(): return 1\n")
    for path in (tmp_path / "shop", tmp_path, tmp_path / "shop" / "prices.py"):
        report = equip.Instrumentation(path).apply(equip.before(where, "x = 1"))
        meant = path != tmp_path or where != "prices:total"  # In the folder around it, it is `shop.prices` only.
        assert [one.status for one in report] == ["instrumented" if meant else "unchanged"]


@pytest.mark.parametrize("place", ["", "pkg", "pkg/ns", "pkg/ns/m.py"])
def test_a_folder_without_init_inside_a_package_is_part_of_it(tmp_path: Path, place: str) -> None:
    write_tree(tmp_path, {"pkg/__init__.py": "", "pkg/ns/m.py": "def f(): return 1\n"})
    probe = equip.before("pkg.ns.m:f", "print({module_name})")
    report = equip.Instrumentation(tmp_path / place).apply(probe, rewrite=True)
    assert [one.module_name for one in report.instrumented] == ["pkg.ns.m"]
    assert run("-c", "import pkg.ns.m; pkg.ns.m.f()", cwd=tmp_path) == "pkg.ns.m\n"


def test_strict_probes_must_match(tmp_path: Path) -> None:
    (tmp_path / "prices.py").write_text("def total(): return 1\n")
    instrumentation = equip.Instrumentation(tmp_path)
    instrumentation.set_option("strict")
    both = [equip.before("prices:total", "x = 1"), equip.before("prices:totl", "x = 1")]
    with pytest.raises(equip.ProbeError, match="did you mean prices:total"):
        instrumentation.apply(both, rewrite=True)
    assert [one.state for one in equip.status(tmp_path)] == ["clean"]
    (tmp_path / "broken.py").write_text("def f(:\n")
    again = equip.Instrumentation(tmp_path)
    again.set_option("strict")
    report = again.apply(both, rewrite=True)
    assert [one.status for one in report] == ["refused", "instrumented"]
    assert "did you mean prices:total" in "\n".join(report.notes)


@pytest.mark.parametrize("given", [3, None])
def test_what_is_no_path_and_what_is_no_code(given: Any) -> None:
    with pytest.raises(TypeError, match=rf"path of a file or folder, or several, not {given}"):
        equip.Instrumentation(given)
    with pytest.raises(TypeError, match=rf"needs the code object of a module, not {given}"):
        equip.BytecodeObject.from_code(given, "p.py")
