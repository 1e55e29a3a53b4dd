"""Bugs in compiled files, the import hook and the command, as somebody met them: each in a folder of its own."""

from __future__ import annotations

import importlib.util
import os
import py_compile
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import equip
from equip.delivery.codecache import Cache, Entry

PACKAGE = str(Path(equip.__file__).parents[1])
DISK = ("--before", "m:f", "print('disk')")
HOOK = """
import equip
equip.install(equip.before("m:f", "print('hook')"), "m")
import m
m.f()
"""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def python(tmp_path: Path) -> Run:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "EQUIP", "COV"))}

    def run(*arguments: str, text: bool = True) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *arguments]
        environment = {**kept, "PYTHONPATH": PACKAGE}
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, errors="replace", timeout=120
        )

    return run


@pytest.fixture
def command(python: Run) -> Run:
    return lambda *arguments: python("-m", "equip", *arguments)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def theirs(ended: subprocess.CompletedProcess[str]) -> str:
    """What the program has written to standard error, and not the command."""
    return "".join(line for line in ended.stderr.splitlines(True) if not line.startswith("equip: "))


# -- compiled files ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("again", "status", "said"),
    [
        (("--dry-run", "--before", "m:f", "print('other')"), 0, "not written, as asked"),
        (("--before", "m:nosuch", "pass"), 2, "matched nothing"),
        (("--before", "m:f", "yield"), 2, "`yield` would make a generator"),
    ],
)
def test_what_is_only_tried_drops_nothing(
    tmp_path: Path, command: Run, again: tuple[str, ...], status: int, said: str
) -> None:
    (tmp_path / "m.py").write_text("def f(): return 1\n")
    assert command("instrument", *DISK, ".").returncode == 0
    before = contents(tmp_path)
    ended = command("instrument", "--force-rebuild", *again, ".")
    assert ended.returncode == status
    assert said in ended.stdout + ended.stderr
    assert contents(tmp_path) == before


def test_a_dry_run_leaves_a_stale_file(tmp_path: Path, command: Run) -> None:
    source = tmp_path / "m.py"
    source.write_text("def f(): return 1\n")
    py_compile.compile(str(source), doraise=True)
    source.write_text("def f(): return 1000\n")
    before = contents(tmp_path)
    assert "not written" in command("instrument", "--dry-run", *DISK, ".").stdout
    assert contents(tmp_path) == before


def test_files_that_nothing_goes_into_are_built_anew_too(tmp_path: Path) -> None:
    for name in ("m", "n"):
        (tmp_path / f"{name}.py").write_text("def f(): return 1\n")
    equip.Instrumentation(tmp_path).apply(equip.before("*:f", "pass"), rewrite=True)
    program = equip.Instrumentation(tmp_path)
    program.set_option("force-rebuild")
    program.apply(equip.before("m:f", "pass"), rewrite=True)
    assert [[probe.name for probe in one.probes] for one in equip.status(tmp_path)] == [["before m:f"], []]


@pytest.mark.parametrize("force", [False, True])
def test_a_file_with_the_hash_of_its_source_stays_one(tmp_path: Path, force: bool) -> None:
    source = tmp_path / "m.py"
    source.write_text("def f(): return 1\n")
    compiled = py_compile.compile(
        str(source), doraise=True, invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH
    )
    assert compiled is not None
    if not force:
        source.write_text("def f(): return 1000\n")
    program = equip.Instrumentation(source)
    program.set_option("force-rebuild", force)
    assert program.apply(equip.before("m:f", "pass"), rewrite=True).instrumented
    header = Path(compiled).read_bytes()[:16]
    assert header[4] == 3
    assert header[8:] == importlib.util.source_hash(source.read_bytes())


def test_restoring_a_module_restores_no_other_whose_name_begins_alike(tmp_path: Path) -> None:
    for name in ("a", "a.b"):
        (tmp_path / f"{name}.py").write_text("def f(): return 1\n")
    equip.Instrumentation(tmp_path).apply(equip.before("*:f", "pass"), rewrite=True)
    assert [Path(one.path).name for one in equip.restore(tmp_path / "a.py").restored] == ["a.py"]
    assert [bool(one.probes) for one in equip.status(tmp_path)] == [True, False]


def test_no_path_is_not_the_current_folder(tmp_path: Path, command: Run) -> None:
    (tmp_path / "m.py").write_text("def f(): return 1\n")
    ended = command("instrument", *DISK, "")
    assert ended.returncode == 2
    assert "no such file or folder" in ended.stderr
    assert not (tmp_path / "__pycache__").exists()


@pytest.mark.parametrize("call", [equip.Instrumentation, equip.status, equip.restore])
def test_bytes_are_no_path(call: Callable[..., object]) -> None:
    with pytest.raises(TypeError, match=r"path.*b'm\.py'"):
        call(b"m.py")


# -- the import hook -----------------------------------------------------------------------------------


def test_what_the_hook_keeps_is_for_one_state_of_the_compiled_file(tmp_path: Path, command: Run, python: Run) -> None:
    (tmp_path / "m.py").write_text("def f(): return 1\n")
    (tmp_path / "h.py").write_text(HOOK)
    for _ in range(2):
        assert python("h.py").stdout.split() == ["hook"]
    command("instrument", *DISK, "m.py")
    for _ in range(2):
        assert python("h.py").stdout.split() == ["hook", "disk"]
    command("restore", "m.py")
    for _ in range(2):
        assert python("h.py").stdout.split() == ["hook"]


def test_the_hook_keeps_nothing_of_a_compiled_file_that_is_replaced_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    source = tmp_path / "m.py"
    source.write_text("def f(): return 1\n")
    compiled = py_compile.compile(str(source), doraise=True)
    assert compiled is not None
    made = Entry(compile("x = 1", "m.py", "exec"), (), (), ())
    for is_replaced in (True, False):
        cache = Cache("m", str(source), ())
        if is_replaced:
            Path(compiled).write_bytes(Path(compiled).read_bytes() + b"more")
        cache.write(made)
        assert (Cache("m", str(source), ()).read() is None) is is_replaced


def test_a_probe_that_is_used_up_takes_no_other_out(tmp_path: Path, command: Run) -> None:
    (tmp_path / "app.py").write_text("def f(): pass\ndef g(): pass\nfor i in range(3): g(); f()\n")
    (tmp_path / "pyproject.toml").write_text(
        "[tool.equip.probes.once]\nbefore = [['app:g', 'print(1)']]\nlimit = 1\n"
    )
    for start in (("app.py",), ("-m", "app")):
        ended = command("run", "--probes", "once", "--before", "__main__:f", "print('f')", *start)
        assert ended.stdout.split() == ["1", "f", "f", "f"], ended.stderr


def test_a_probe_that_is_used_up_leaves_what_a_hook_has_put_in_that_is_uninstalled(tmp_path: Path, python: Run) -> None:
    (tmp_path / "m.py").write_text("def f(): pass\n")
    (tmp_path / "h.py").write_text("""
import equip
first = equip.install(equip.before("m:f", "print('first')"), "m")
second = equip.install(equip.before("m:f", "print('once')", limit=1), "m")
import m
first.uninstall()
m.f(), m.f(), m.f()
""")
    assert sorted(python("h.py").stdout.split()) == ["first", "first", "first", "once"]


@pytest.mark.parametrize("text", ["def b(): raise ValueError('x')\nb()\n", "import nosuch\n", "1 +\n"])
def test_tracebacks_through_a_hooked_module(tmp_path: Path, command: Run, python: Run, text: str) -> None:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "__init__.py").write_text("")
    (tmp_path / "pkg" / "boom.py").write_text(text)
    (tmp_path / "a.py").write_text("import pkg.boom\n")
    plain = python("a.py")
    for _ in range(2):
        hooked = command("run", "--before", "pkg.*:b", "pass", "a.py")
        assert theirs(hooked) == plain.stderr


def test_loaders_are_pickled_as_what_they_are(tmp_path: Path, python: Run) -> None:
    (tmp_path / "m.py").write_text("def f(): pass\n")
    (tmp_path / "h.py").write_text(f"""{HOOK}
import importlib.machinery, pickle
spec = pickle.loads(pickle.dumps(m.__spec__))
print(type(spec.loader) is importlib.machinery.SourceFileLoader, vars(spec.loader) == vars(m.__spec__.loader))
""")
    ended = python("h.py")
    assert ended.stdout.split() == ["hook", "True", "True"], ended.stderr


@pytest.mark.parametrize("include", [None, 3])
def test_what_is_no_glob_of_module_names(include: object) -> None:
    with pytest.raises(equip.ProbeError, match="include is a glob of module names"):
        equip.install(equip.before("m:f", "pass"), include)  # type: ignore[arg-type]


# -- the command ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["import missing_dep\n", "raise ValueError('boo')\n"])
def test_a_package_that_fails_around_the_module_to_run(tmp_path: Path, command: Run, python: Run, text: str) -> None:
    (tmp_path / "q").mkdir()
    (tmp_path / "q" / "__init__.py").write_text(text)
    (tmp_path / "q" / "tool.py").write_text("print(1)\n")
    plain, ran = python("-m", "q.tool"), command("run", "--before", "zz:*", "pass", "-m", "q.tool")
    assert (ran.returncode, ran.stdout) == (plain.returncode, plain.stdout)
    assert theirs(ran) == plain.stderr


def test_sources_that_are_too_deep(tmp_path: Path, command: Run) -> None:
    (tmp_path / "deep.py").write_text("x = " + "+".join(["a"] * 200_000) + "\n")
    (tmp_path / "fine.py").write_text("x = 1\n")
    with pytest.raises((RecursionError, MemoryError)):
        compile((tmp_path / "deep.py").read_text(), "deep.py", "exec")
    verified = command("verify", ".")
    assert verified.returncode == 1
    assert "deep.py: does not compile" in verified.stdout
    assert "1 files checked, 1 problems" in verified.stdout
    shown = command("dis", "deep.py")
    assert shown.returncode == 2
    assert shown.stderr.startswith("equip: ")


@pytest.mark.skipif(sys.platform != "linux", reason="file names that are no text")
def test_a_picture_of_a_file_whose_name_is_no_text(tmp_path: Path, command: Run) -> None:
    path = os.fsencode(tmp_path) + b"/bad\xff.py"
    with open(path, "wb") as file:
        file.write(b"def q(x): return x\n")
    assert command("cfg", os.fsdecode(path) + ":q", "-o", "o.html").returncode == 0
    assert "q in" in (tmp_path / "o.html").read_text(encoding="utf-8")


@pytest.mark.skipif(sys.platform == "win32", reason="file names with a newline")
def test_file_names_with_a_newline_in_a_list(tmp_path: Path, command: Run) -> None:
    (tmp_path / "a\nb.py").write_text("def f(): return 1\n")
    rows = command("instrument", "--before", "*:f", "pass", ".").stdout.splitlines()
    assert len(rows) == 1
    assert r"a\nb" in rows[0]


def test_the_instructions_of_a_file_are_those_that_are_in_it(tmp_path: Path, command: Run) -> None:
    (tmp_path / "m.py").write_text("def f(): return 1\n")
    command("instrument", *DISK, ".")
    compiled = importlib.util.cache_from_source("m.py")
    assert "'disk'" in command("dis", f"{compiled}:f").stdout
    assert "'disk'" not in command("dis", "m.py:f").stdout
    changes = command("dis", "--before", "*:f", "print('new')", f"{compiled}:f").stdout.splitlines()
    assert [line for line in changes if line.startswith("+") and "disk" in line] == []
    assert [line for line in changes if line.startswith("+") and "new" in line]


# -- found by a reviewer of the mends above ------------------------------------------------------------


def test_what_another_process_puts_in_meanwhile_is_kept(tmp_path: Path, command: Run, python: Run) -> None:
    (tmp_path / "m.py").write_text("def f(): return 1\n")

    class Slow(equip.MethodVisitor):
        def visit(self, meth_decl: equip.MethodDeclaration) -> None:
            assert command("instrument", *DISK, "m.py").returncode == 0
            equip.SimpleRewriter(meth_decl).insert_before("print('slow')")

    equip.Instrumentation(tmp_path / "m.py").apply(Slow(), rewrite=True)
    assert sorted(python("-c", "import m; m.f()").stdout.split()) == ["disk", "slow"]


@pytest.mark.skipif(sys.platform == "win32", reason="links")
@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("dangling", [False, True])
def test_a_link_in_the_cache_whose_source_is_compiled_anew(
    tmp_path: Path, python: Run, force: bool, dangling: bool
) -> None:
    source = tmp_path / "m.py"
    source.write_text("def f(): return 1\n")
    compiled = Path(importlib.util.cache_from_source(str(source)))
    compiled.parent.mkdir()
    compiled.symlink_to(tmp_path / "other.pyc")
    if not dangling:
        py_compile.compile(str(source), str(tmp_path / "other.pyc"), doraise=True)
        source.write_text("def f(): return 1000\n")
    program = equip.Instrumentation(source)
    program.set_option("force-rebuild", force)
    assert program.apply(equip.before("m:f", "print('disk')"), rewrite=True).instrumented
    assert python("-c", "import m; m.f()").stdout.split() == ["disk"]


def test_what_is_applied_twice_is_built_anew_once(tmp_path: Path, python: Run) -> None:
    (tmp_path / "m.py").write_text("def f(): return 1\n")
    program = equip.Instrumentation(tmp_path / "m.py")
    program.set_option("force-rebuild")
    for text in ("one", "two"):
        program.apply(equip.before("m:f", f"print({text!r})"), rewrite=True)
    assert python("-c", "import m; m.f()").stdout.split() == ["one", "two"]


@pytest.mark.parametrize(
    ("begin", "name"),
    [
        ("__path__.append('elsewhere')", "pkg"),
        ("__path__[:] = ['elsewhere']", "pkg"),
        ("__path__.append('elsewhere')", "pkg.hidden"),
        ("", "pkg"),
        ("1 +", "pkg"),
    ],
)
def test_a_package_is_run_as_python_runs_it(
    tmp_path: Path, command: Run, python: Run, begin: str, name: str
) -> None:
    text = "def f(): print('f', __name__)\nf()\n"
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "__init__.py").write_text(f"def f(): print('init')\nf()\n{begin}\n")
    for folder in ("elsewhere", "elsewhere/hidden"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__main__.py").write_text(text)
    plain = python("-m", name)
    ran = command("run", "--before", "__main__:f", "print('P')", "-m", name)
    assert ran.stdout == plain.stdout.replace("f __main__", "P\nf __main__")
    assert theirs(ran) == plain.stderr
    assert ran.returncode == plain.returncode
    (tmp_path / "start.py").write_text(f"import subprocess, sys; subprocess.run([sys.executable, '-m', {name!r}])\n")
    followed = command("run", "--children", "--before", "__main__:f", "print('P')", "start.py")
    assert followed.stdout == ran.stdout


def test_hooks_that_are_uninstalled_are_freed(tmp_path: Path, python: Run) -> None:
    (tmp_path / "m.py").write_text("def f(): pass\n")
    (tmp_path / "h.py").write_text("""
import equip, gc, weakref
hook = equip.install(equip.before("m:f", "print('hook')"), "m")
import m
hook.uninstall()
alive = weakref.ref(hook)
del hook
gc.collect()
print(alive())
""")
    assert python("h.py").stdout.split() == ["None"]


def test_finders_that_ask_all_finders(tmp_path: Path, python: Run) -> None:
    (tmp_path / "m.py").write_text("def f(): pass\n")
    (tmp_path / "h.py").write_text("""
import equip, importlib.util, sys
class Asking:
    busy = False
    def find_spec(self, name, path=None, target=None):
        if self.busy: return None
        self.busy = True
        try: return importlib.util.find_spec(name)
        finally: self.busy = False
sys.meta_path.insert(0, Asking())
equip.install(equip.before("m:f", "print('hook')"), "m")
import m
m.f()
""")
    assert python("h.py").stdout.split() == ["hook"]


def test_a_loader_without_exec_module_is_left_as_it_is(tmp_path: Path, python: Run) -> None:
    (tmp_path / "h.py").write_text("""
import equip, importlib.machinery, sys, types
class Old:
    def load_module(self, name):
        found = sys.modules[name] = types.ModuleType(name)
        return found
class Finder:
    def find_spec(self, name, path=None, target=None):
        return importlib.machinery.ModuleSpec(name, Old()) if name == "old" else None
sys.meta_path.insert(0, Finder())
if len(sys.argv) > 1:
    equip.install(equip.before("old:f", "pass"), "old")
try: import old
except ImportError as error: print(error)
else: print(type(old.__loader__ if hasattr(old, "__loader__") else None), old.__name__)
""")
    plain, hooked = python("h.py"), python("h.py", "hook")
    assert hooked.stdout == plain.stdout
    assert "imported as it is" in hooked.stderr


def test_loaders_that_say_themselves_how_they_are_pickled(tmp_path: Path, python: Run) -> None:
    (tmp_path / "m.py").write_text("def f(): pass\n")
    (tmp_path / "own.py").write_text("""
import importlib.machinery, importlib.util
class Loader(importlib.machinery.SourceFileLoader):
    def __reduce_ex__(self, protocol):
        return type(self), (self.name, self.path)
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "m":
            return importlib.util.spec_from_file_location(name, "m.py", loader=Loader(name, "m.py"))
""")
    (tmp_path / "h.py").write_text("""
import equip, own, pickle, sys
sys.meta_path.insert(0, own.Finder())
equip.install(equip.before("m:f", "print('hook')"), "m")
import m
m.f()
print(type(pickle.loads(pickle.dumps(m.__spec__.loader))) is own.Loader)
""")
    ended = python("h.py")
    assert ended.stdout.split() == ["hook", "True"], ended.stderr
