"""What is public: one list, reviewed here. A change of it is a decision, and changes this file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import equip

PUBLIC = """
    BasicBlock BytecodeObject BytecodeVisitor ClassVisitor ControlFlow DominatorTree Edge EdgeKind EquipError FileReport
    ImportDeclaration Instruction Instrumentation InvalidCodeError JoinPoint JoinPointError Loop MethodDeclaration
    MethodVisitor ModuleDeclaration ModuleVisitor Problem Program PycError Report SimpleRewriter SnippetError
    TypeDeclaration UnsupportedPythonError VerificationError check instrument_code provenance restore status verify
""".split()


def test_all_is_the_list() -> None:
    assert equip.__all__ == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_each_is_there_and_documented(name: str) -> None:
    found = getattr(equip, name)
    assert found.__doc__
    assert found.__module__.startswith("equip")


def test_nothing_else_is_there() -> None:
    assert set(PUBLIC) <= set(dir(equip))
    with pytest.raises(AttributeError, match="no attribute 'Everything'"):
        equip.Everything  # noqa: B018


def test_errors_have_one_root() -> None:
    for name in PUBLIC:
        if name.endswith("Error"):
            assert issubclass(getattr(equip, name), equip.EquipError)


def test_importing_the_package_loads_nothing_else() -> None:
    """What a program pays for ``import equip``."""
    program = "import sys; before = set(sys.modules); import equip; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["equip"]


def test_types_are_shipped() -> None:
    assert (Path(equip.__file__).parent / "py.typed").is_file()
