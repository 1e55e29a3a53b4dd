"""Code objects of the standard library: every function, class body and module of some modules of all kinds."""

from __future__ import annotations

import functools
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

MODULES = ["_pydecimal", "ast", "asyncio/base_events", "asyncio/streams", "asyncio/taskgroups", "collections/__init__", "contextlib", "dataclasses", "enum", "functools", "http/client", "inspect", "json/decoder", "json/encoder", "opcode", "pickle", "re/_compiler", "sqlite3/dbapi2", "statistics", "subprocess", "tarfile", "traceback", "typing"]


@functools.cache
def code_objects() -> list[CodeType]:
    """The code objects, in a stable order."""
    library = Path(sysconfig.get_path("stdlib"))
    found: list[CodeType] = []
    for name in MODULES:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            code = compile((library / f"{name}.py").read_bytes(), f"{name}.py", "exec", dont_inherit=True)
        found += walk(code)
    return found


def every_code_object() -> Iterator[CodeType]:
    """All code objects of the whole standard library, one module after the other."""
    library = Path(sysconfig.get_path("stdlib"))
    for path in sorted(library.rglob("*.py")):
        if "site-packages" in path.parts or not path.is_file():
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                code = compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
            except (SyntaxError, ValueError):  # examples of bad code
                continue
        yield from walk(code)


def walk(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from walk(constant)
