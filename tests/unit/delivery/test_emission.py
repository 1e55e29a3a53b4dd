"""The door to the disk: what the verifier refuses is not written, and reported as a bug of equip."""

from __future__ import annotations

import marshal
import py_compile
from pathlib import Path
from types import CodeType

import pytest

import equip
from equip import isa
from equip.delivery import emission
from equip.inject import ModuleInjector
from equip.inject.request import Insertion, JoinPoint

PLAIN = compile("x = 1", "right.py", "exec")
LEFT_OVER = "expected an empty stack at the return"


def _broken() -> CodeType:
    code = compile("x = 1", "broken.py", "exec")
    at = code.co_code[::2].index(isa.OP["STORE_NAME"])
    raw = code.co_code[: 2 * at] + bytes([isa.OP["NOP"], 0]) + code.co_code[2 * at + 2 :]
    return code.replace(co_code=raw, co_stacksize=4)


def test_what_is_refused_is_not_marshalled() -> None:
    with pytest.raises(equip.VerificationError, match="left-over"):
        emission.emit(_broken(), "broken.pyc", PLAIN)


def test_what_passes_is_marshalled() -> None:
    code = compile("x = 2", "right.py", "exec")
    assert marshal.loads(emission.emit(code, "right.pyc", PLAIN)) == code


def test_only_what_has_changed_is_verified() -> None:
    plain = compile("def f(): pass\ndef g(): pass", "right.py", "exec")
    f, g = (one for one in plain.co_consts if isinstance(one, CodeType))
    broken = _broken().replace(co_name="g", co_flags=g.co_flags)
    asis = plain.replace(co_consts=tuple(broken if one is g else one for one in plain.co_consts))
    changed = asis.replace(co_consts=tuple(f.replace(co_stacksize=9) if one is f else one for one in asis.co_consts))
    assert equip.check(changed)
    emission.verify_made(changed, asis)
    with pytest.raises(equip.VerificationError, match=LEFT_OVER):
        emission.verify_made(changed, plain)


def test_an_opened_file_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "right.pyc"
    (tmp_path / "right.py").write_text("def f(): pass")
    py_compile.compile(str(tmp_path / "right.py"), cfile=str(path))
    before = path.read_bytes()
    bytecode = equip.BytecodeObject(str(path))
    equip.SimpleRewriter(bytecode.get_decl(method_name="f")).insert_before("pass")
    monkeypatch.setattr(ModuleInjector, "inject", lambda self, plan: _broken())
    with pytest.raises(equip.VerificationError, match="a bug of equip: nothing was written"):
        bytecode.write()
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir() if one.suffix == ".pyc"] == ["right.pyc"]


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
