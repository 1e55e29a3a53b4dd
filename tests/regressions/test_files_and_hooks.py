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
    "again",
    [
        ("--dry-run", "--before", "m:f", "print('other')"),
        ("--before", "m:nosuch", "pass"),
        ("--before", "m:f", "yield"),
    ],
)
def test_what_is_only_tried_drops_nothing(tmp_path: Path, command: Run, again: tuple[str, ...]) -> None:
    (tmp_path / "m.py").write_text("def f(): return 1\n")
    assert command("instrument", *DISK, ".").returncode == 0
    before = contents(tmp_path)
    command("instrument", "--force-rebuild", *again, ".")
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
    (tmp_path / "deep.py").write_text("x = " + "+".join(["a"] * 20000) + "\n")
    (tmp_path / "fine.py").write_text("x = 1\n")
    verified = command("verify", ".")
    assert verified.returncode in (0, 1)  # there may be room enough
    assert "Traceback" not in verified.stderr
    assert "fine" not in verified.stdout
    assert "Traceback" not in command("dis", "deep.py").stderr


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
