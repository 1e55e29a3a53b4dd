"""Compiled files: where this interpreter looks for them, reading, judging, compiling.

What ``read_pyc`` returns has this interpreter's magic number and holds one code object; whether it is still
valid for its source is another question (``find_staleness``), answered as the import system does.
"""

from __future__ import annotations

import _imp
import importlib.util
import marshal
import os
import struct
import sys
from dataclasses import dataclass
from types import CodeType
from typing import Final

from equip import isa
from equip.errors import PycError

HEADER_BYTES: Final = 16
HASHED: Final = 0b01
CHECK_SOURCE: Final = 0b10
_MASK: Final = 0xFFFFFFFF
_MAGIC: Final = importlib.util.MAGIC_NUMBER
_OLDEST_MAGIC_OF_MINOR: Final = {3400: 10, 3450: 11, 3500: 12, 3550: 13, 3600: 14, 3650: 15, 3700: 16}


@dataclass(frozen=True, slots=True)
class Pyc:
    """A compiled file: ``header`` is its first 16 bytes, ``data`` all of it."""

    path: str
    data: bytes
    code: CodeType

    @property
    def header(self) -> bytes:
        return self.data[:HEADER_BYTES]


def running_optimize() -> int:
    """The optimisation level of this interpreter: 0, 1 (``-O``) or 2 (``-OO``)."""
    return min(sys.flags.optimize, 2)


def cache_path(source: str, optimize: int) -> str:
    """Where the import system of this interpreter keeps the compiled form of ``source``.

    Follows the cache tag, the optimisation level and ``PYTHONPYCACHEPREFIX``. Raises ``PycError`` if this
    interpreter keeps none.
    """
    try:
        return importlib.util.cache_from_source(os.path.abspath(source), optimization=str(optimize) if optimize else "")
    except NotImplementedError:
        raise PycError(f"{source}: this interpreter has no cache of compiled files (no cache tag)") from None


def read_file(path: str) -> bytes:
    """The bytes of a file. Raises ``PycError``."""
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except OSError as error:
        raise PycError(f"{path}: cannot be read ({error.strerror or error})") from error


def read_pyc(path: str) -> Pyc:
    """Read and judge a compiled file. Raises ``PycError`` saying what is wrong with it and what to do."""
    return decode_pyc(path, read_file(path))


def decode_pyc(path: str, data: bytes) -> Pyc:
    """As ``read_pyc``, for the bytes of a file that are already here."""
    reason = find_header_fault(data)
    if reason:
        raise PycError(f"{path}: {reason}")
    try:
        code = marshal.loads(memoryview(data)[HEADER_BYTES:])
    except Exception as error:  # Damaged data raises nearly anything.
        raise PycError(
            f"{path}: truncated or damaged ({type(error).__name__}: {error}): delete it, or compile it anew"
        ) from error
    if not isinstance(code, CodeType):
        raise PycError(f"{path}: holds a {type(code).__name__}, not a code object: delete it, or compile it anew")
    return Pyc(path, data, code)


def is_foreign(data: bytes) -> bool:
    """Whether these are the bytes of a compiled file of another Python, as far as its header tells."""
    return len(data) >= HEADER_BYTES and data[2:4] == _MAGIC[2:] and data[:4] != _MAGIC


def find_header_fault(data: bytes) -> str | None:
    """Why the first bytes are not those of a compiled file of this interpreter, None if they are."""
    if data[:4] != _MAGIC:
        return _foreign_magic(data)
    if len(data) < HEADER_BYTES:
        return f"truncated: {len(data)} bytes, where the header alone has {HEADER_BYTES}: compile it anew"
    flags = int.from_bytes(data[4:8], "little")
    if flags & ~(HASHED | CHECK_SOURCE):
        return f"damaged: the flags of its header are {flags:#x}, which no Python writes: compile it anew"
    return None


def _foreign_magic(data: bytes) -> str:
    if not data:
        return "empty, so not a compiled file: delete it, or compile it anew"
    if len(data) < 4 or data[2:4] != b"\r\n":
        return "not a compiled Python file (no magic number at its beginning): name .py or .pyc files"
    magic = int.from_bytes(data[:2], "little")
    minor = max((m for first, m in _OLDEST_MAGIC_OF_MINOR.items() if first <= magic), default=None)
    other = f"CPython 3.{minor}" if minor is not None and magic < 3750 else "another Python"
    running = f"3.{isa.MINOR}"
    if other.endswith(f" {running}"):
        other = f"another build of CPython {running}"
    return (
        f"compiled by {other} (magic number {magic}; this is CPython {running}, "
        f"{int.from_bytes(_MAGIC[:2], 'little')}): run equip with the interpreter that compiled it"
    )


def source_state(source: str) -> tuple[int, int]:
    """Modification time (whole seconds) and size of a source file, as headers keep them. Raises ``OSError``."""
    status = os.stat(source)
    return int(status.st_mtime) & _MASK, status.st_size & _MASK


def find_staleness(header: bytes, source: str) -> str | None:
    """Why the import system would not use a file with this header for ``source``, None if it would.

    Raises ``OSError`` if the source cannot be looked at.
    """
    flags = int.from_bytes(header[4:8], "little")
    if not flags & HASHED:
        mtime, size = source_state(source)
        if int.from_bytes(header[8:12], "little") != mtime:
            return "the source was modified at another time than the header says"
        if int.from_bytes(header[12:16], "little") != size:
            return "the source has another size than the header says"
        return None
    policy = _imp.check_hash_based_pycs
    if policy == "never" or not (flags & CHECK_SOURCE or policy == "always"):
        return None
    with open(source, "rb") as stream:
        if importlib.util.source_hash(stream.read()) != header[8:16]:
            return "the hash of the source is another than the header says"
    return None


def compile_source(source: str, optimize: int, compiled: str = "") -> bytes:
    """Compile a source file to the bytes of the file that the import system would write for it.

    In the place of ``compiled``, if that has the hash of its source, it would write one that has it, too. Raises
    ``PycError`` naming the line if it does not compile.
    """
    try:
        state = source_state(source)  # Before reading: a change in between makes the result stale, not wrong.
        with open(source, "rb") as stream:
            text = stream.read()
    except OSError as error:
        raise PycError(f"{source}: cannot be read ({error.strerror or error})") from error
    try:
        code = compile(text, source, "exec", dont_inherit=True, optimize=optimize)
    except SyntaxError as error:
        where = f"{source}:{error.lineno}" if error.lineno else source
        raise PycError(f"{where}: does not compile ({error.msg}): correct the source") from error
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        raise PycError(f"{source}: does not compile ({type(error).__name__}: {error})") from error
    header = _header_with_hash(compiled, text) or encode_header(*state)
    return header + marshal.dumps(code)


def _header_with_hash(compiled: str, text: bytes) -> bytes | None:
    """The header of a file that is valid for a source with this text, if there is such a file in its place."""
    try:
        with open(compiled, "rb") as stream:
            before = stream.read(HEADER_BYTES)
    except OSError:
        return None
    if find_header_fault(before) is not None or not before[4] & HASHED:
        return None
    return before[:8] + importlib.util.source_hash(text)


def marshalled(value: object) -> bytes:
    """``value``, code or other constants, for a file: the same bytes in each process. Raises ``ValueError``.

    ``marshal`` notes of each object with more than one reference that it may come again. Who else has references to
    the parts of ``value``, visitors among them, differs from process to process; to those of a copy nobody has any.
    """
    return marshal.dumps(marshal.loads(marshal.dumps(value)))  # type: ignore[arg-type]


def encode_header(mtime: int, size: int) -> bytes:
    """The header of a file that is valid while its source has this modification time and size."""
    return _MAGIC + struct.pack("<III", 0, mtime & _MASK, size & _MASK)


def find_mode(source: str) -> int:
    """The mode bits that the import system gives a new compiled file of ``source``."""
    try:
        return (os.stat(source).st_mode | 0o200) & 0o666
    except OSError:
        return 0o644
