"""Visitors as plain data, by which another process makes the same ones."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from functools import reduce
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from equip.delivery.planning import Visitor
from equip.errors import ProbeError
from equip.inject.callables import call_of


@runtime_checkable
class Described(Protocol):
    """A visitor that can be described as plain data: a probe."""

    def describe(self) -> dict[str, Any]:
        """What makes it: the name of the function of equip, and its arguments."""


def made_from(described: dict[str, Any]) -> Visitor:
    """The probe that says of itself what ``described`` does."""
    equip = importlib.import_module("equip")
    code = described["code"]
    if not isinstance(code, str):
        code = reduce(getattr, code["name"].split("."), importlib.import_module(code["module"]))
    made: Visitor = getattr(equip, described["kind"])(described["where"], code, **described["options"])
    return made


def described_callable(function: Any) -> dict[str, str]:
    """How another process finds a callable. Raises ``SnippetError`` if it cannot."""
    call_of(function, in_memory=False)
    return {"module": function.__module__, "name": function.__qualname__}


def visitors_in_file(where: str) -> tuple[Visitor, ...]:
    """The visitor ``FILE.py:NAME``: an instance, a class that can be made without arguments, or a list of them.

    Raises ``ProbeError`` if there is none.
    """
    path, _, name = where.rpartition(":")
    if not path or not name.isidentifier():
        raise ProbeError(f"{where}: is no visitor: say FILE.py:NAME, as in tools/visitors.py:Calls")
    if not os.path.isfile(path):
        raise ProbeError(f"{where}: there is no file {path}")
    module_name = Path(path).stem
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise ProbeError(f"{where}: {path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(module_name, module)
    try:
        spec.loader.exec_module(module)
        found = getattr(module, name)
        made = _made(found, where) if isinstance(found, type) else found
    except AttributeError as error:
        if error.obj is not module:
            raise
        raise ProbeError(f"{where}: there is no {name} in {path}") from None
    given = tuple(made) if isinstance(made, (list, tuple)) else (made,)
    if not given or not all(isinstance(one, Visitor) for one in given):
        raise ProbeError(f"{where}: is no visitor: derive from equip.MethodVisitor or its like, or use a probe")
    return given


def _made(kind: type, where: str) -> object:
    try:
        return kind()
    except TypeError as error:
        trace = error.__traceback__
        if trace is not None and trace.tb_next is not None:
            raise  # From the user's own code.
        raise ProbeError(f"{where}: cannot be made without arguments: {error}") from error
