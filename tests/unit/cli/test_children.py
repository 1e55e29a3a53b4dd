"""``equip run --children``: the processes that a program starts have the probes, too."""

from __future__ import annotations

import multiprocessing
import py_compile
import textwrap
from pathlib import Path

import pytest

from .conftest import Run

ADD = ("--before", "shop.cart:Cart.add", "print('add', item, flush=True)")
PARENT = """
    import subprocess, sys
    for command in {commands}:
        done = subprocess.run([sys.executable, *command], capture_output=True, text=True)
        print(done.returncode, done.stdout.splitlines(), done.stderr)
"""
COMMANDS = [
    ["app.py", "1"],
    ["./app.py", "5"],
    ["-X", "utf8", "-m", "app", "5"],
    ["-Wignore", "-um", "app", "1"],
    ["-Xutf8", "tool", "1"],
    ["app.pyc", "1"],
    ["-c", "from shop.cart import Cart; Cart().add(1)"],
    ["bad.py"],
    ["nosuch.py"],
]


def test_subprocesses(folder: Path, python: Run, equip: Run) -> None:
    (folder / "parent.py").write_text(textwrap.dedent(PARENT.format(commands=COMMANDS)))
    (folder / "bad.py").write_text("print(1\n")
    (folder / "tool").write_text((folder / "app.py").read_text())
    py_compile.compile(str(folder / "app.py"), cfile=str(folder / "app.pyc"))
    plain = python("parent.py")
    main = ("--before", "__main__:main", "print('main', flush=True)")
    found = equip("run", "--children", *ADD, *main, "parent.py")
    assert found.status == 0
    assert found.lines[0] == "1 ['main', 'add 0'] "
    assert found.out.count("add ") == 1 + 5 + 5 + 1 + 1 + 1 + 1
    assert found.out.count("'main'") == 6
    for mark in ("'main', ", *(f"'add {n}'" + end for n in range(5) for end in (", ", ""))):
        found = type(found)(found.status, found.out.replace(mark, ""), found.err)
    assert found.out == plain.out
    assert equip("run", *ADD, "parent.py").out == plain.out  # They are not followed unless that is asked for.


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_multiprocessing(folder: Path, equip: Run, method: str) -> None:
    (folder / "pool.py").write_text(textwrap.dedent(f"""
        import multiprocessing
        from shop import cart
        def work(n):
            return cart.Cart().add(n, n)
        if __name__ == "__main__":
            with multiprocessing.get_context({method!r}).Pool(1) as pool:
                print(pool.map(work, [1, 2]))
    """))
    found = equip("run", "--children", *ADD, "--before", "__main__:work", "print('work', n, flush=True)", "pool.py")
    assert found.lines == ["work 1", "add 1", "work 2", "add 2", "[1, 2]"]
    assert (found.status, found.err) == (0, "")


def test_a_match_in_a_child_counts(folder: Path, equip: Run) -> None:
    (folder / "parent.py").write_text(textwrap.dedent(PARENT.format(commands=[["app.py", "0"]])))
    assert equip("run", "--children", *ADD, "parent.py").status == 0
    missed = equip("run", "--children", "--before", "shop.cart:Cart.nope", "1", "parent.py")
    assert missed.status == 2
    assert missed.err.count("matched nothing") == 1


def test_a_probe_that_does_not_fit_is_no_end_of_a_child(folder: Path, equip: Run) -> None:
    (folder / "parent.py").write_text(textwrap.dedent(PARENT.format(commands=[["-Werror", "app.py", "1"]])))
    broken = ("--before", "*:Cart.__init__", "{arg7}", "--before", "app:main", "{arg7}")
    found = equip("run", "--children", *ADD, *broken, "parent.py")
    assert found.lines[0].startswith("1 [] equip: process ")
    assert found.out.count("is imported as it is, without probes: snippet '{arg7}'") == 2
    assert found.out.count("\n") == 3
    assert "Traceback" not in found.out


def test_a_program_that_starts_itself_anew(folder: Path, equip: Run) -> None:
    """As the reloader of a development server does, by what it was started with."""
    (folder / "again.py").write_text(textwrap.dedent("""
        import os, subprocess, sys
        def serve(): print(sys.orig_argv[1:], sys.argv[1:], flush=True)
        serve()
        if "EQUIP_AGAIN" not in os.environ:
            subprocess.run([sys.executable, *sys.orig_argv[1:]], env={**os.environ, "EQUIP_AGAIN": "1"}, check=True)
    """))
    probe = ("--before", "again:serve", "print('in')")
    for program in (["again.py", "x"], ["-m", "again", "x"]):
        assert equip("run", "--children", *probe, *program).lines == ["in", f"{program} ['x']"] * 2


def test_a_match_in_a_module_whose_code_nobody_can_ask_for_counts(folder: Path, equip: Run) -> None:
    (folder / "test_cart.py").write_text("def test_it(): assert 1\n")
    (folder / "parent.py").write_text(textwrap.dedent(PARENT.format(commands=[["-m", "pytest", "-q", "test_cart.py"]])))
    assert equip("run", "--children", "--before", "test_cart:test_it", "1", "parent.py").status == 0


def test_a_visitor_of_ones_own(folder: Path, equip: Run) -> None:
    (folder / "parent.py").write_text(textwrap.dedent(PARENT.format(commands=[["app.py", "1"]])))
    (folder / "visitors.py").write_text(textwrap.dedent("""
        import equip
        class Calls(equip.MethodVisitor):
            def visit(self, decl):
                equip.SimpleRewriter(decl).insert_before("print('call', {qualname})")
    """))
    found = equip("run", "--children", "--use", "visitors.py:Calls", "parent.py")
    assert found.lines == ["1 ['call main', 'call Cart.__init__', 'call Cart.add'] "]


def test_a_sitecustomize_of_ones_own_is_run(folder: Path, python: Run, equip: Run) -> None:
    (folder / "site").mkdir()
    (folder / "site" / "sitecustomize.py").write_text("import sys\nsys.own_site = __file__\n")
    child = "import sys, sitecustomize as s; print(sys.own_site == s.__file__, [p for p in sys.path if 'startup' in p])"
    parent = f"""
        import os, subprocess, sys
        os.environ["PYTHONPATH"] += os.pathsep + {str(folder / "site")!r}
        subprocess.run([sys.executable, "-c", {child!r}], check=True)
    """
    (folder / "parent.py").write_text(textwrap.dedent(parent))
    assert equip("run", "--children", *ADD, "parent.py").lines == ["True []"]
