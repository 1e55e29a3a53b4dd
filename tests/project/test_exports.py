"""What is public: one list, reviewed here. A change of it is a decision, and changes this file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import equip

PUBLIC = """
    AttachError Attached BasicBlock BlockVisitor BytecodeObject BytecodeVisitor Call CallGraph ClassVisitor
    Condition Conditions ControlFlow DefiniteAssignment Definition DominatorTree Edge EdgeKind EquipError
    EquipWarning Expressions FileReport Hook ImportDeclaration Instruction Instrumentation InvalidCodeError
    JoinPoint JoinPointError LaunchError Liveness Loop MethodDeclaration MethodVisitor ModuleDeclaration ModuleVisitor
    Origins Patch PatchError Probe ProbeError Problem Program PycError ReachingDefinitions Report SimpleRewriter
    SnippetError StackValues TypeDeclaration UnsupportedPythonError VerificationError after attach before check
    condition detach install instrument_code on_line on_raise patch provenance restore status verify
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
