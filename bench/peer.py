"""The work of ``bench.linking`` with the ``bytecode`` library."""

from __future__ import annotations

import inspect
from types import CodeType
from typing import Any

from bytecode import Bytecode, Instr

from bench.corpus import Module

TITLE = "bytecode: the same at entry and at every return"
GOAL = None
_RETURNS = {"RETURN_VALUE", "RETURN_CONST"}
_IMPLICIT = {"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>", "__annotate__"}


def run(modules: list[Module]) -> None:
    fragment = _fragment()
    for module in modules:
        _instrument(module.code, fragment)


def _fragment() -> list[Instr]:
    """The instructions of the snippet, as in a function: from behind RESUME to the one that drops the value."""
    scope: dict[str, Any] = {}
    exec("def snippet(): _hits.append(1)", scope)
    found = [one for one in Bytecode.from_code(scope["snippet"].__code__) if isinstance(one, Instr)]
    names = [one.name for one in found]
    return found[names.index("RESUME") + 1 : names.index("POP_TOP") + 1]


def _instrument(code: CodeType, fragment: list[Instr]) -> CodeType:
    bytecode = Bytecode.from_code(code)
    for one in bytecode:
        if isinstance(one, Instr) and isinstance(one.arg, CodeType):
            one.arg = _instrument(one.arg, fragment)
    if code.co_flags & inspect.CO_OPTIMIZED and code.co_name not in _IMPLICIT:
        _insert(bytecode, fragment)
    code_made: CodeType = bytecode.to_code()
    return code_made


def _insert(bytecode: Bytecode, fragment: list[Instr]) -> None:
    at = next(i for i, one in enumerate(bytecode) if isinstance(one, Instr) and one.name == "RESUME")
    for i in range(len(bytecode) - 1, at, -1):
        one = bytecode[i]
        if isinstance(one, Instr) and one.name in _RETURNS:
            bytecode[i:i] = [part.copy() for part in fragment]
    bytecode[at + 1 : at + 1] = [part.copy() for part in fragment]
