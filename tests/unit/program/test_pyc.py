"""Compiled files: where they are, whether they can be trusted, whether they are valid."""

from __future__ import annotations

import importlib.util
import marshal
import os
import py_compile
import subprocess
import sys
from pathlib import Path

import pytest

from equip.errors import PycError
from equip.program import pyc


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "mod.py"
    path.write_text("x = 1\n")
    return path


@pytest.mark.parametrize(("level", "option"), [(0, ""), (1, "1"), (2, "2")])
def test_cache_path_is_that_of_the_import_system(source: Path, level: int, option: str) -> None:
    expected = importlib.util.cache_from_source(str(source), optimization=option)
    assert pyc.cache_path(str(source), level) == expected


def test_cache_path_follows_the_prefix(source: Path, tmp_path: Path) -> None:
    code = f"from equip.program import pyc; print(pyc.cache_path({str(source)!r}, 0))"
    prefix = str(tmp_path / "elsewhere")
    found = subprocess.run(
        [sys.executable, "-X", f"pycache_prefix={prefix}", "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert found.startswith(prefix)
    assert found.strip().endswith(f"mod.{sys.implementation.cache_tag}.pyc")


def test_an_interpreter_without_cache_is_an_error(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.implementation, "cache_tag", None)
    with pytest.raises(PycError, match="no cache"):
        pyc.cache_path(str(source), 0)


def test_compiling_writes_what_python_writes(source: Path, tmp_path: Path) -> None:
    expected = tmp_path / "expected.pyc"
    py_compile.compile(str(source), str(expected), doraise=True)
    made = pyc.compile_source(str(source), pyc.running_optimize())
    assert made[:16] == expected.read_bytes()[:16]
    assert marshal.loads(made[16:]) == marshal.loads(expected.read_bytes()[16:])
    assert pyc.decode_pyc("x.pyc", made).code.co_filename == str(source)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"x = (\n", r"mod\.py:1: does not compile"),
        (b"x = 1\n\xff\n", r"mod\.py.*does not compile"),
        (b"x = '\0'\n", r"mod\.py.*does not compile"),
        (b"# coding: nonsense\n", r"mod\.py.*does not compile"),
        (b"(" * 10_000, r"mod\.py.*does not compile"),
    ],
)
def test_a_source_that_does_not_compile(source: Path, text: bytes, message: str) -> None:
    source.write_bytes(text)
    with pytest.raises(PycError, match=message):
        pyc.compile_source(str(source), 0)


def test_a_source_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(PycError, match="cannot be read"):
        pyc.compile_source(str(tmp_path / "none.py"), 0)


GOOD = importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(compile("x = 1", "x", "exec"))


def _foreign(magic: int) -> bytes:
    return magic.to_bytes(2, "little") + b"\r\n" + GOOD[4:]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"\x7fELF", "not a compiled Python file"),
        (b"x", "not a compiled Python file"),
        (b"import os\n" * 10, "not a compiled Python file"),
        (_foreign(3413), r"compiled by CPython 3\.10 .*magic number 3413.*run equip with the interpreter"),
        (_foreign(3425), r"compiled by CPython 3\.10"),
        (_foreign(62211), "compiled by another Python"),
        (GOOD[:4], "truncated: 4 bytes"),
        (GOOD[:15], "truncated: 15 bytes"),
        (GOOD[:4] + b"\xff" + GOOD[5:], "damaged: the flags"),
        (GOOD[:16], "truncated or damaged"),
        (GOOD[:-3], "truncated or damaged"),
        (GOOD[:16] + b"\xff" * 40, "truncated or damaged"),
        (GOOD[:16] + marshal.dumps((1, 2)), "holds a tuple, not a code object"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(data: bytes, message: str) -> None:
    with pytest.raises(PycError, match=message) as caught:
        pyc.decode_pyc("/a/b.pyc", data)
    assert str(caught.value).startswith("/a/b.pyc: ")


def test_a_good_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.pyc"
    path.write_bytes(GOOD)
    found = pyc.read_pyc(str(path))
    assert found.code.co_consts[0] == 1
    assert found.header == GOOD[:16]
    assert found.data == GOOD


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(PycError, match="cannot be read"):
        pyc.read_pyc(str(tmp_path))


# -- validity, as the import system judges it -----------------------------------------------------


def test_timestamps(source: Path) -> None:
    header = pyc.compile_source(str(source), 0)[:16]
    assert pyc.find_staleness(header, str(source)) is None
    status = source.stat()
    os.utime(source, (status.st_atime, status.st_mtime + 5))
    assert "modified" in (pyc.find_staleness(header, str(source)) or "")
    source.write_text("x = 12\n")
    os.utime(source, (status.st_atime, status.st_mtime))
    assert "size" in (pyc.find_staleness(header, str(source)) or "")


@pytest.mark.parametrize(
    ("mode", "stale"),
    [(py_compile.PycInvalidationMode.CHECKED_HASH, True), (py_compile.PycInvalidationMode.UNCHECKED_HASH, False)],
)
def test_hashes(source: Path, tmp_path: Path, mode: py_compile.PycInvalidationMode, stale: bool) -> None:
    target = tmp_path / "x.pyc"
    py_compile.compile(str(source), str(target), doraise=True, invalidation_mode=mode)
    header = target.read_bytes()[:16]
    assert pyc.find_staleness(header, str(source)) is None
    source.write_text("x = 2\n")
    assert bool(pyc.find_staleness(header, str(source))) is stale


def test_validity_is_that_of_the_import_system(source: Path) -> None:
    """A file that we call valid is used, and one that we call stale is compiled anew."""
    cached = Path(pyc.cache_path(str(source), 0))
    cached.parent.mkdir()
    code = compile("x = 'from the cache'", str(source), "exec")
    cached.write_bytes(pyc.encode_header(*pyc.source_state(str(source))) + marshal.dumps(code))
    program = [sys.executable, "-B", "-c", "import mod; print(mod.x)"]
    assert subprocess.run(program, cwd=source.parent, capture_output=True).stdout.strip() == b"from the cache"
    source.write_text("x = 'from the source'\n")
    assert pyc.find_staleness(cached.read_bytes(), str(source))
    assert subprocess.run(program, cwd=source.parent, capture_output=True).stdout.strip() == b"from the source"


def test_what_is_written_does_not_depend_on_who_else_refers_to_it() -> None:
    value = ("a text", 70000, b"bytes", (2.5, "a text"))
    elsewhere = [value, *value, *value[3]]
    assert len(elsewhere) == 7
    alone = pyc.marshalled(marshal.loads(marshal.dumps(value)))
    assert pyc.marshalled(value) == alone
    assert marshal.loads(alone) == value
