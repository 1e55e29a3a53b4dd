"""``equip run``: what the program sees and how it ends are as ``python`` has it."""

from __future__ import annotations

import os
import py_compile
import signal
import subprocess
import sys
import textwrap
import time
from functools import partial
from pathlib import Path

import pytest

from .conftest import Ended, Run, environment

ADD = ("--before", "shop.cart:Cart.add", "print({qualname}, item)")
SEEN = """
import inspect, sys
print(sys.argv, sys.path[0] == __import__("os").path.dirname(__import__("os").path.realpath(__file__)), sys.path[1:2])
print(sorted(globals()), __name__, __file__, __spec__ and __spec__.name, __package__, type(__loader__).__name__)
print(sys.modules["__main__"].__dict__ is globals(), "click" in sys.modules, "rich" in sys.modules)
"""
ENDS = {
    "by itself": "print('done')",
    "status": "raise SystemExit(7)",
    "message": "raise SystemExit('a message')",
    "exception": "def f():\n    1 / 0\nf()",
    "cause": "def f():\n  try:\n    1 / 0\n  except ArithmeticError as e:\n    raise KeyError(1) from e\nf()",
    "syntax": "print(1\n",
    "interrupt": "raise KeyboardInterrupt",
    "own excepthook": "import sys\nsys.excepthook = lambda *e: print(e[0], e[2].tb_frame.f_code.co_name)\n1 / 0",
    "excepthook raises": "import sys\ndef hook(*e):\n    {}['x']\nsys.excepthook = hook\n1 / 0",
    "excepthook raises from": "import sys\ndef hook(_, e, t):\n    raise OSError from e\nsys.excepthook = hook\n1 / 0",
    "excepthook exits": "import sys\nsys.excepthook = lambda *e: sys.exit('bye')\n1 / 0",
    "excepthook is none": "import sys\nsys.excepthook = None\n1 / 0",
    "no excepthook": "import sys\ndel sys.excepthook\n1 / 0",
    "excepthook in its place": """
import sys, traceback
def hook(*e):
    print(sys.excepthook is hook, e[2] is sys.last_traceback, e[1] is sys.last_value)
    traceback.print_tb(sys.last_traceback)
sys.excepthook = hook
1 / 0
""",
    "excepthook and no stderr": "import sys\nsys.stderr = sys.excepthook = None\n1 / 0",
    "atexit": "import atexit\natexit.register(print, 'bye')\n1 / 0",
    "thread": "import threading as t, time\nt.Thread(target=lambda: (time.sleep(.2), print('late'))).start()\nprint(1)",
    "group": "raise ExceptionGroup('several', [ValueError(1), TypeError(2)])",
}


def same(one: Ended, other: Ended) -> None:
    assert (one.status, one.out, one.err) == (other.status, other.out, other.err)


def test_a_script_with_probes(equip: Run) -> None:
    after = ("--after", "__main__:main", "print('main', {return_value})")
    assert equip("run", *ADD, *after, "app.py", "2") == Ended(2, "Cart.add 0\nCart.add 1\nmain 2\n", "")


def test_what_a_script_sees(folder: Path, python: Run, equip: Run) -> None:
    (folder / "scripts").mkdir()
    (folder / "scripts" / "s.py").write_text(SEEN)
    same(equip("run", "scripts/s.py", "-m", "--limit", "3"), python("scripts/s.py", "-m", "--limit", "3"))
    os.symlink(folder / "scripts" / "s.py", folder / "link.py")
    same(equip("run", "link.py"), python("link.py"))


def test_what_a_compiled_script_and_one_without_suffix_see(folder: Path, python: Run, equip: Run) -> None:
    source = SEEN + "\ndef f(): pass\nf()\n"
    (folder / "tool").write_text(source)
    (folder / "made.py").write_text(source)
    py_compile.compile(str(folder / "made.py"), cfile=str(folder / "made.pyc"))
    for path in ("tool", "./tool", "made.pyc"):
        plain = python(path, "-x")
        same(equip("run", path, "-x"), plain)
        for name in (path.removeprefix("./").partition(".")[0], "__main__"):
            assert equip("run", "--before", f"{name}:f", "print('in f')", path, "-x").out == plain.out + "in f\n"


def test_a_program_from_standard_input(folder: Path, python: Run, equip: Run) -> None:
    source = """
        import sys
        print(sys.argv, sys.path[0], sorted(globals()), __loader__, __file__, sys.stdin.read())
        def f(x):
            raise ValueError(x)
        f(sys.argv[1])
    """
    for given in (textwrap.dedent(source), "print(1\n"):
        same(equip("run", "-", "a", input=given), python("-", "a", input=given))
    found = equip("run", "--before", "__main__:f", "print('f', x)", "-", "a", input=textwrap.dedent(source))
    assert found.lines[-1] == "f a"


def test_what_a_module_sees(folder: Path, python: Run, equip: Run) -> None:
    (folder / "shop" / "tool.py").write_text(SEEN)
    (folder / "shop" / "__main__.py").write_text(SEEN)
    for name in ("shop.tool", "shop"):
        same(equip("run", "-m", name, "-v", "--x"), python("-m", name, "-v", "--x"))


def test_a_folder_and_an_archive(folder: Path, python: Run, equip: Run) -> None:
    (folder / "inside").mkdir()
    (folder / "inside" / "__main__.py").write_text("import sys, other\ndef f(): print(sys.argv, other.f())\nf()")
    (folder / "inside" / "other.py").write_text("def f(): return 'other'")
    subprocess.run([sys.executable, "-m", "zipapp", "inside", "-o", "program.pyz"], cwd=folder, check=True)
    for path in ("inside", "program.pyz"):
        plain = python(path, "x")
        same(equip("run", path, "x"), plain)
        probes = ("--before", "__main__:f", "print('in f')", "--before", "other:f", "print('in other')")
        assert equip("run", *probes, path, "x") == Ended(0, "in f\nin other\n" + plain.out, "")


PLACES = """
import os, sys
print(sys.path[0], sys.argv, globals().get("__cached__", "none"), __file__, __spec__.origin, __spec__.cached)
print(sys._getframe().f_code.co_filename, __package__, __loader__.get_filename("__main__"))
os.chdir("/")
import other
print(other.__file__, other.__spec__.cached, other.f())
1 / 0
"""


@pytest.mark.parametrize("options", [(), ("-P",)])
def test_a_folder_and_an_archive_by_relative_paths(
    folder: Path, python: Run, equip: Run, options: tuple[str, ...]
) -> None:
    """They are found when the program has gone to another folder, too."""
    for name in ("inside", "empty"):
        (folder / name).mkdir()
    (folder / "inside" / "__main__.py").write_text(PLACES)
    (folder / "inside" / "other.py").write_text("def f(): return 'other'")
    subprocess.run([sys.executable, "-m", "zipapp", "inside", "-o", "program.pyz"], cwd=folder, check=True)
    os.symlink(folder / "inside", folder / "link")
    for path in ("inside", "./inside", "inside/", "link", "empty", "program.pyz", "./shop/../program.pyz", "."):
        ran = python(*options, "-m", "equip", "run", path, "x")
        same(ran, python(*options, path, "x"))
        assert ("ZeroDivisionError" in ran.err) == (path not in ("empty", "."))
    assert "in other" in equip("run", "--before", "other:f", "print('in other')", "program.pyz").lines


@pytest.mark.parametrize("name", list(ENDS))
def test_how_it_ends(folder: Path, python: Run, equip: Run, name: str) -> None:
    (folder / "ends.py").write_text(ENDS[name])
    same(equip("run", "ends.py"), python("ends.py"))


NO_TEXT = {
    "null": b"x = 1\nprint('\0')\n",
    "null first": b"\0",
    "null in an encoding": b"# coding: latin-1\nx = '\xe9'\n\n  \0x\n",
    "no utf-8": b"#!/usr/bin/env python\n'\xff'\n",
    "no utf-8 in a comment": b"# caf\xe9\nprint(1)\n",
    "utf-16": "print(1)".encode("utf-16"),
    "no utf-8 though declared": b"# coding: utf-8\nprint('\xff')\n",
    "no utf-8 though marked": b"\xef\xbb\xbfprint('\xff')\n",
    "another encoding": b"\n# vim: set fileencoding=latin-1 :\nprint(ascii('\xe9'))\n",
    "no encoding": b"# coding: nosuch\nprint(1)\n",
    "another mark": b"\xef\xbb\xbf# coding: latin-1\n",
    "lines": b"print(1)\rprint(2)\r\nprint(\n",
    "too deep": b"x = " + b"-" * 200_000 + b"1\n",
}


@pytest.mark.parametrize("name", list(NO_TEXT))
def test_a_source_that_is_no_text(folder: Path, python: Run, equip: Run, name: str) -> None:
    """The interpreter reads it in another way than ``compile`` does."""
    (folder / "source.py").write_bytes(NO_TEXT[name])
    same(equip("run", "source.py"), python("source.py"))


@pytest.mark.parametrize("name", ["by itself", "status", "exception", "thread"])
def test_a_probe_without_a_match(folder: Path, python: Run, equip: Run, name: str) -> None:
    (folder / "ends.py").write_text(ENDS[name])
    plain, found = python("ends.py"), equip("run", "--before", "*:nothing_of_the_kind", "pass", "ends.py")
    assert found.status == (plain.status or 2)
    told = [line for line in found.err.splitlines() if line.startswith("equip: ")]
    assert len(told) == 1
    assert "matched nothing" in told[0]
    assert found.err.replace(told[0] + "\n", "") == plain.err
    assert found.out == plain.out


def test_how_a_module_ends(folder: Path, python: Run, equip: Run) -> None:
    (folder / "shop" / "bad.py").write_text("def f():\n    1 / 0\nf()")
    same(equip("run", "-m", "shop.bad"), python("-m", "shop.bad"))


@pytest.mark.parametrize("name", ["app", "__main__"])
def test_a_module_goes_by_both_names(equip: Run, name: str) -> None:
    assert equip("run", "--before", f"{name}:main", "print('M')", "-m", "app", "0") == Ended(0, "M\n", "")
    assert equip("run", "--before", f"{name}:main", "print('M')", "app.py", "0") == Ended(0, "M\n", "")


def test_a_script_inside_a_package(folder: Path, python: Run, equip: Run) -> None:
    """Its folder need not be a package itself."""
    (folder / "shop" / "scripts").mkdir()
    for place, name in (("shop", "shop.tool"), ("shop/scripts", "shop.scripts.tool")):
        (folder / place / "tool.py").write_text("def f(): return __name__\nprint(f())\n")
        for one in (name, "tool", "__main__"):
            assert equip("run", "--before", f"{one}:f", "print('f')", f"{place}/tool.py").lines == ["f", "__main__"]
        (folder / place / "tool").write_text("def f(): return __name__\nprint(f())\n")
        assert equip("run", "--before", f"{name}:f", "print('f')", f"{place}/tool").lines == ["f", "__main__"]


def test_lines(equip: Run) -> None:
    assert equip("run", "--on-line", "app.py:7", "print(i)", "app.py", "2") == Ended(2, "0\n1\n", "")
    assert equip("run", "--on-line", "shop/cart.py:7", "print(item)", "app.py", "2").out == "1\n"


def test_lines_of_a_file_that_is_here(folder: Path, equip: Run) -> None:
    """And of no other of that name; wherever the program, or a process that it starts, goes."""
    for file in ("./app.py", "shop/../app.py", folder / "app.py"):
        for script in ("app.py", "./app.py", folder / "app.py"):
            assert equip("run", "--on-line", f"{file}:7", "print(i)", script, "2") == Ended(2, "0\n1\n", "")
    probe = ("--on-line", "./app.py:7", "print(i)")
    (folder / "away").mkdir()
    (folder / "away" / "start.py").write_text(
        f"import os, sys\nsys.path.append({str(folder)!r})\nos.chdir('/')\nimport app\napp.main(1)\n"
    )
    assert equip("run", *probe, "away/start.py").lines == ["0"]
    (folder / "parent.py").write_text(
        "import subprocess, sys\nsubprocess.run([sys.executable, 'start.py'], cwd='away')\n"
    )
    assert equip("run", "--children", *probe, "parent.py") == Ended(0, "0\n", "")
    (folder / "away" / "app.py").write_text((folder / "app.py").read_text())
    other = equip("run", *probe, "away/app.py", "1")
    assert other.out == ""
    assert "no file" in other.err


FINDER = """
    import importlib.machinery, sys
    class Loader(importlib.machinery.SourceFileLoader):
        pass
    class First:
        def find_spec(self, name, path=None, target=None):
            if not name.startswith("shop"):
                return None
            spec = importlib.machinery.PathFinder.find_spec(name, path, target)
            spec.loader = Loader(name, spec.origin)
            return spec
    sys.meta_path.insert(0, First())
    import xml.sax  # Whatever is imported in between.
    from shop import cart
    cart.Cart().add(7)
    print(type(cart.__loader__).__name__, [type(one).__name__ for one in sys.meta_path].count("_Finder"))
"""


def test_finders_that_come_in_front_later(folder: Path, equip: Run) -> None:
    (folder / "finder.py").write_text(textwrap.dedent(FINDER))
    assert equip("run", *ADD, "finder.py").lines == ["Cart.add 7", "Loader 1"]


def test_a_test_run_under_pytest(folder: Path, equip: Run) -> None:
    (folder / "test_cart.py").write_text(textwrap.dedent("""
        from shop import cart
        def test_add():
            assert cart.Cart().add(3, 2) == 2
        def test_wrong():
            found = [1, 2]
            assert found == [1, 3]
    """))
    probes = ("--before", "test_cart:test_*", "print('in', {qualname})", "--on-line", "test_cart.py:7", "print(found)")
    found = equip("run", *ADD, *probes, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "test_cart.py")
    assert found.status == 1
    assert "At index 1 diff: 2 != 3" in found.out
    shown = [line.lstrip(".") for line in found.lines[:4]]
    assert shown == ["in test_add", "Cart.add 3", "in test_wrong", "[1, 2]"]
    assert found.err == ""


def test_conditions(equip: Run) -> None:
    assert equip("run", *ADD, "--when", "item > 0", "app.py", "3").lines == ["Cart.add 1", "Cart.add 2"]
    assert equip("run", *ADD, "--limit", "1", "app.py", "3").lines == ["Cart.add 0"]
    assert equip("run", *ADD, "--every", "1000", "app.py", "3").lines == ["Cart.add 0"]
    broken = ("--before", "shop.cart:Cart.add", "1 / 0")
    assert equip("run", *broken, "--suppress", "app.py", "1").status == 1
    assert equip("run", *broken, "--suppress", "app.py", "2").err.count("ZeroDivisionError") == 2
    assert equip("run", *broken, "app.py", "1").err.endswith("ZeroDivisionError: division by zero\n")


def test_a_visitor_of_ones_own(folder: Path, equip: Run) -> None:
    (folder / "visitors.py").write_text(textwrap.dedent("""
        import equip
        class Calls(equip.MethodVisitor):
            def visit(self, decl):
                equip.SimpleRewriter(decl).insert_before("print('call', {qualname})")
        probes = [equip.before("app:main", "print('main')"), equip.before("shop.cart:boom", "print('boom')")]
    """))
    assert equip("run", "--use", "visitors.py:Calls", "app.py", "1").lines == [
        "call main", "call Cart.__init__", "call Cart.add"
    ]  # fmt: skip
    assert equip("run", "--use", "visitors.py:probes", "app.py", "4").lines == ["main", "boom"]
    assert equip("run", "--use", "visitors.py:Calls", "--exclude", "shop.*", "app.py", "1").lines == ["call main"]
    library = equip("run", "--use", "visitors.py:Calls", "--include", "textwrap", "-m", "app", "0")
    assert library.lines == []
    (folder / "uses.py").write_text("import textwrap\nprint(textwrap.dedent('  x'))\n")
    assert "call dedent" in equip("run", "--use", "visitors.py:Calls", "--include", "textwrap", "uses.py").lines


def test_a_visitor_of_ones_own_that_exits(folder: Path, equip: Run) -> None:
    (folder / "own.py").write_text("import sys\nsys.exit(0)\n")
    for children in ((), ("--children",)):
        found = equip("run", *children, "--use", "own.py:X", "app.py", "1")
        assert found == Ended(2, "", f"equip: {folder / 'own.py'}, line 2: SystemExit: 0\n")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def x(:", "own.py, line 1: SyntaxError: "),
        ("import nosuch", "own.py, line 1: ModuleNotFoundError: No module named 'nosuch'"),
        ("class X:\n    def __init__(self, n): pass", "own.py:X: cannot be made without arguments: "),
        ("class X:\n    def __init__(self): 1 / 0", "own.py, line 2: ZeroDivisionError: "),
        ("import equip\nclass X(equip.MethodVisitor):\n  def visit(self, d): 1 / 0", "own.py, line 3: ZeroDivision"),
        ("import sys\nsys.exit(3)", "own.py, line 2: SystemExit: 3"),
        ("import sys\nsys.exit()", "own.py, line 2: SystemExit\n"),
        ("import equip\nclass X(equip.MethodVisitor):\n  def visit(self, d): exit('no')", "line 3: SystemExit: no"),
    ],
)
@pytest.mark.parametrize("command", [["dis", "app.py"], ["instrument", "app.py"]])
def test_a_broken_visitor_of_ones_own(
    folder: Path, equip: Run, command: list[str], source: str, message: str
) -> None:
    (folder / "own.py").write_text(source + "\n")
    found = equip(command[0], "--use", "own.py:X", *command[1:])
    assert (found.status, found.out) == (2, "")
    assert found.err.startswith("equip: ")
    assert message in found.err
    assert found.err.count("\n") == 1


def test_what_is_loaded_already_is_meant_too(folder: Path, equip: Run) -> None:
    (folder / "uses.py").write_text("import os, json\nprint(json.loads('[1]'), os.path.basename('a/b'))\n")
    probes = ("--before", "json:loads", "print('loads')", "--before", "posixpath:basename", "print('base')")
    assert equip("run", *probes, "--limit", "50", "uses.py").lines[-3:] == ["loads", "base", "[1] b"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nosuch.py",), "nosuch.py: cannot be run: No such file"),
        (("-m", "nosuch"), "no such module"),
        (("--before", "shop.cart:Cart.add", "print(", "app.py"), "snippet line 1"),
        (("--before", "app:main", "print({arg7})", "app.py", "1"), "there is no {arg7}"),
        (("--before", "app", "1", "app.py", "1"), "has no colon"),
        (("--before", "app:main", "1", "--when", "1 +", "app.py", "1"), "is no expression"),
        (("--on-line", "app.py:900", "1", "app.py", "0"), "line 900 has no code"),
        (("--before", "shop.crt:*", "1", "app.py", "0"), "did you mean shop.cart"),
        (("--before", "shop.cart:Cart.ad", "1", "app.py", "0"), "did you mean shop.cart:Cart.add"),
        (("--use", "nosuch.py:X", "app.py"), "there is no file"),
        (("--use", "app.py", "app.py"), "say FILE.py:NAME"),
        (("--use", "app.py:X", "app.py", "1"), "there is no X"),
        (("--use", "app.py:main", "app.py", "1"), "no visitor"),
        (("--probes", "x", "app.py"), "no pyproject.toml"),
        (("--before", "app:main"), "requires 2 arguments"),
        (("--limit", "0", "app.py"), "not in the range"),
        (("--include", "", "--before", "app:main", "1", "app.py", "0"), "include is a glob"),
        (("--exclude", "shop/", "app.py", "0"), "exclude is a glob"),
        (("--include", "shop", "--before", "shop.cart:boom", "1", "app.py", "0"), "'shop.cart' is loaded, but"),
        ((), "Missing argument"),
        (("--nonsense", "app.py"), "No such option"),
        (("--lifespan", "-1", "--before", "app:main", "1", "app.py", "0"), "lifespan"),
    ],
)
def test_mistakes(equip: Run, arguments: tuple[str, ...], message: str) -> None:
    found = equip("run", *arguments)
    assert found.status == 2
    assert message in found.err
    assert found.err.count("\n") <= 2
    assert found.err.startswith("equip: ")
    assert "Traceback" not in found.err


def test_nothing_is_left_in_the_folder(folder: Path, equip: Run) -> None:
    before = sorted(path for path in folder.rglob("*") if "__pycache__" not in path.parts)
    equip("run", *ADD, "app.py", "1")
    assert sorted(path for path in folder.rglob("*") if "__pycache__" not in path.parts) == before


def test_probes_in_pyproject(folder: Path, equip: Run) -> None:
    (folder / "pyproject.toml").write_text(textwrap.dedent("""
        [tool.equip.probes.calls]
        before = [["shop.cart:Cart.add", "print('add', item)"], ["app:main", "print('main')"]]
        after = [["app:main", "print('end')"]]
        limit = 1
        [tool.equip.probes.used]
        use = ["tools/v.py:found"]
        [tool.equip.probes.wrong]
        befor = []
        [tool.equip.probes.pairs]
        before = ["a:b", "c"]
        [tool.equip.probes.kind]
        limit = "3"
        [tool.equip.probes]
        number = 3
    """))
    (folder / "tools").mkdir()
    (folder / "tools" / "v.py").write_text("import equip\nfound = equip.before('app:main', 'print(1)')\n")
    assert equip("run", "--probes", "calls", "app.py", "2").lines == ["main", "add 0", "end"]
    assert equip("run", "--probes", "used", "--probes", "calls", "app.py", "1").lines == ["main", "1", "add 0", "end"]
    for name, message in (
        ("nope", "there is calls, kind, number, pairs, used, wrong"),
        ("wrong", "befor"),
        ("pairs", "list of pairs"),
        ("kind", "limit is '3', and is to be a whole number"),
        ("number", "number is 3, and is to be a table"),
    ):
        found = equip("run", "--probes", name, "app.py", "1")
        assert found.status == 2
        assert message in found.err


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_interrupted(folder: Path) -> None:
    (folder / "waits.py").write_text("import time\nprint('go', flush=True)\ntime.sleep(60)\n")
    listen = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # what a shell runs in the background does not
    ends = []
    for command in (["waits.py"], ["-m", "equip", "run", "waits.py"]):
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=folder,
            env=environment(),
            stdout=-1,
            stderr=-1,
            text=True,
            preexec_fn=listen,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "go\n"
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        ends.append((process.returncode, out, err))
    assert ends[0] == ends[1]
    assert ends[0][0] == -signal.SIGINT
