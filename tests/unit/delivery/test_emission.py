"""The door to the disk: what the verifier refuses is not written, and reported as a bug of equip."""

from __future__ import annotations

import marshal

import pytest

import equip
from equip import isa
from equip.delivery import emission
from equip.inject import ModuleInjector
from equip.inject.request import Insertion, JoinPoint


def _broken() -> object:
    code = compile("x = 1", "broken.py", "exec")
    at = code.co_code[::2].index(isa.OP["STORE_NAME"])
    raw = code.co_code[: 2 * at] + bytes([isa.OP["NOP"], 0]) + code.co_code[2 * at + 2 :]
    return code.replace(co_code=raw, co_stacksize=4)


def test_what_is_refused_is_not_marshalled() -> None:
    with pytest.raises(equip.VerificationError, match="left-over"):
        emission.emit(_broken(), "broken.pyc")  # type: ignore[arg-type]


def test_what_passes_is_marshalled() -> None:
    code = compile("x = 1", "right.py", "exec")
    assert marshal.loads(emission.emit(code, "right.pyc")) == code


def test_a_failure_is_reported_as_a_bug_of_equip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ModuleInjector, "inject", lambda self, plan: _broken())
    injector = ModuleInjector(compile("x = 1", "right.py", "exec"), file_path="right.py", module_name="right")
    plan = {(): [Insertion(JoinPoint.MODULE_ENTER, "pass")]}
    job = emission.InjectJob("right.pyc", b"", plan, "right.py", "right", 0)
    done = emission.run_job(job, injector)
    assert not done.changed
    assert done.fault.startswith("a bug of equip: nothing was written. Please report it")
    assert isa.RELEASE in done.fault
    assert "left-over" in done.fault


def test_verify_on_demand(monkeypatch: pytest.MonkeyPatch) -> None:
    class Before(equip.MethodVisitor):
        def visit(self, decl: equip.MethodDeclaration) -> None:
            equip.SimpleRewriter(decl).insert_before("pass")

    monkeypatch.setattr(ModuleInjector, "inject", lambda self, plan: _broken())
    code = compile("def f(): pass", "right.py", "exec")
    assert equip.check(equip.instrument_code(code, Before()))
    with pytest.raises(equip.VerificationError):
        equip.instrument_code(code, Before(), verify=True)
