"""The door to the disk, and code that is verified on demand."""

from __future__ import annotations

import marshal

import pytest

import equip
from equip import isa
from equip.delivery import emission
from equip.inject import ModuleInjector


def _broken() -> object:
    code = compile("x = 1", "broken.py", "exec")
    at = code.co_code[::2].index(isa.OP["STORE_NAME"])
    raw = code.co_code[: 2 * at] + bytes([isa.OP["NOP"], 0]) + code.co_code[2 * at + 2 :]
    return code.replace(co_code=raw, co_stacksize=4)


def test_what_passes_is_marshalled() -> None:
    code = compile("x = 1", "right.py", "exec")
    assert marshal.loads(emission.emit(code, "right.pyc")) == code


def test_verify_on_demand(monkeypatch: pytest.MonkeyPatch) -> None:
    class Before(equip.MethodVisitor):
        def visit(self, decl: equip.MethodDeclaration) -> None:
            equip.SimpleRewriter(decl).insert_before("pass")

    monkeypatch.setattr(ModuleInjector, "inject", lambda self, plan: _broken())
    code = compile("def f(): pass", "right.py", "exec")
    assert equip.check(equip.instrument_code(code, Before()))
    with pytest.raises(equip.VerificationError):
        equip.instrument_code(code, Before(), verify=True)
