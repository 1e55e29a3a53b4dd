"""What a command is to look at: ``FILE[:QUALNAME]``, and ``PATH...`` with compiled files below."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Iterator
from types import CodeType

import click

from equip.cli.app import Mistake
from equip.instrumentation import BytecodeObject
from equip.program.declarations import Declaration
from equip.program.tree import Passed, absolute


def split_target(target: str) -> tuple[str, str]:
    """The path and the qualified name ("" without one). A path may have colons in it, a name has none."""
    if os.path.exists(target):
        return target, ""
    path, _, qualname = target.rpartition(":")
    if not path:
        return target, ""
    return path, qualname


def open_module(path: str) -> BytecodeObject:
    """The module in a source or compiled file. Raises ``Mistake``, and ``PycError`` for a damaged compiled file."""
    if not os.path.isfile(path):
        raise Mistake(f"{path}: {'is a folder: name a file in it' if os.path.isdir(path) else 'no such file'}")
    if path.endswith(".pyc"):
        return BytecodeObject(path)
    try:
        with open(path, "rb") as file:
            source = file.read()
    except OSError as error:
        raise Mistake(f"{path}: cannot be read: {error.strerror}") from error
    try:
        code = compile(source, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise Mistake(f"{path}: does not compile: {error or type(error).__name__}") from error
    return BytecodeObject.from_code(code, path)


def find_declaration(module: BytecodeObject, qualname: str) -> Declaration:
    """The declaration of that name. Raises ``Mistake`` that names the nearest ones."""
    found = module.get_decl(qualname=qualname)
    if found is None:
        known = [declaration.qualname for declaration in module.declarations]
        near = difflib.get_close_matches(qualname, known, 3) or known[1:4]
        raise Mistake(f"{module.path}: there is no {qualname!r}" + (f"; there is {', '.join(near)}" if near else ""))
    return found


def code_at(module: BytecodeObject, path: Iterable[int]) -> CodeType:
    """The code of a module, or of something in it, as it is in its file and with what was asked for since."""
    code = module.code
    for index in path:
        code = code.co_consts[index]
    return code


def nested(code: CodeType) -> Iterator[CodeType]:
    """``code`` and everything in it, in order."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from nested(constant)


path_arguments = click.argument("paths", nargs=-1, required=True, type=click.Path(), metavar="PATH...")


def check_paths(paths: Iterable[str], passed: Iterable[Passed]) -> None:
    """Raise ``Mistake`` for a path with nothing in it to work on, given what was passed by below all of them."""
    reasons = {one.path: one.reason for one in passed if one.fault}
    for path in paths:
        reason = reasons.get(absolute(path))
        if reason is not None:
            raise Mistake(f"{path or repr(path)}: {reason}")
