"""Compiling the source of a script as the interpreter does, which reads the file itself, line by line.

What is no text it refuses in other words than ``compile`` does for the same bytes, or where ``compile`` sees nothing
wrong.
"""

from __future__ import annotations

import re
from functools import cache
from types import CodeType
from typing import Final

_CODING: Final = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_BLANK: Final = re.compile(rb"^[ \t\f]*(?:[#\r\n]|$)")
_BOM: Final = b"\xef\xbb\xbf"
_SEE: Final = "but no encoding declared; see https://peps.python.org/pep-0263/ for details"


def compile_script(source: bytes, path: str) -> CodeType:
    """The code of a script. Raises ``SyntaxError`` and ``ValueError``, for what is too deep also ``MemoryError`` and
    ``RecursionError``."""
    lines = source.splitlines(keepends=True)
    encoding = _declared(lines)
    if b"\0" in source or not _is_utf8(source):
        for number, line in enumerate(lines, 1):
            fault = _find_fault(line.removeprefix(_BOM) if number == 1 else line, number, path, encoding)
            if fault is not None:
                raise fault
    try:
        return compile(source, path, "exec", dont_inherit=True)
    except SyntaxError as error:
        if error.lineno == 0 and not _says_where():
            raise SyntaxError(error.msg if "BOM" in error.msg else f"encoding problem: {encoding}") from None
        raise


def _declared(lines: list[bytes]) -> str | None:
    """The encoding that a source names; that of a byte order mark is UTF-8."""
    for line in lines[:2]:
        found = _CODING.match(line.removeprefix(_BOM))
        if found is not None:
            return found[1].decode()
        if not _BLANK.match(line.removeprefix(_BOM)):
            break
    return "utf-8" if lines and lines[0].startswith(_BOM) else None


def _is_utf8(source: bytes) -> bool:
    try:
        source.decode()
    except UnicodeDecodeError:
        return False
    return True


def _find_fault(line: bytes, number: int, path: str, encoding: str | None) -> SyntaxError | None:
    """What the interpreter says of a line that is no text; None if it is."""
    before, found, _ = line.partition(b"\0")
    text = before.decode(errors="replace")
    if encoding is None or (encoding.lower() == "utf-8" and _says_where()):
        try:
            line.decode()
        except UnicodeDecodeError as error:
            if encoding is not None:
                return SyntaxError(f"(unicode error) {error}", (path, number, None, text))
            what = f"Non-UTF-8 code starting with '\\x{line[error.start]:02x}' in file {path} on line {number}, {_SEE}"
            if not _says_where():
                return SyntaxError(what)
            offset = len(line[: error.start].decode()) + 1
            return SyntaxError(what, (path, number, offset, text, number, offset))
    return SyntaxError("source code cannot contain null bytes", (path, number, None, text)) if found else None


@cache
def _says_where() -> bool:
    """Whether this interpreter shows the place of what is no text."""
    try:
        compile(b'"\xff"', "", "exec")
    except SyntaxError as error:
        return error.msg.startswith("Non-UTF-8")
    return False
