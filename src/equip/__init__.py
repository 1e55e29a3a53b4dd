"""equip instruments Python programs at the bytecode level: source snippets, linked into compiled code.

Importing the package loads nothing else; each name is loaded when it is first used.
"""

TYPE_CHECKING = False  # As type checkers know it; typing itself would cost more than all the rest.
if TYPE_CHECKING:
    from equip.analysis.controlflow import BasicBlock, ControlFlow, Edge, EdgeKind
    from equip.analysis.dominators import DominatorTree
    from equip.analysis.loops import Loop
    from equip.analysis.verify import Problem, check, verify
    from equip.code.instruction import Instruction
    from equip.code.provenance import provenance
    from equip.delivery.memory import instrument_code
    from equip.delivery.report import FileReport, Report
    from equip.delivery.state import restore, status
    from equip.errors import (
        EquipError,
        InvalidCodeError,
        JoinPointError,
        PycError,
        SnippetError,
        UnsupportedPythonError,
        VerificationError,
    )
    from equip.inject.request import JoinPoint
    from equip.instrumentation import BytecodeObject, Instrumentation, Program
    from equip.program.declarations import (
        ImportDeclaration,
        MethodDeclaration,
        ModuleDeclaration,
        TypeDeclaration,
    )
    from equip.rewriter import SimpleRewriter
    from equip.visitors import BytecodeVisitor, ClassVisitor, MethodVisitor, ModuleVisitor

__version__ = "0.1.0"

_HOMES = {
    "equip.analysis.controlflow": "BasicBlock ControlFlow Edge EdgeKind",
    "equip.analysis.dominators": "DominatorTree",
    "equip.analysis.loops": "Loop",
    "equip.analysis.verify": "Problem check verify",
    "equip.code.instruction": "Instruction",
    "equip.code.provenance": "provenance",
    "equip.delivery.memory": "instrument_code",
    "equip.delivery.report": "FileReport Report",
    "equip.delivery.state": "restore status",
    "equip.errors": "EquipError InvalidCodeError JoinPointError PycError SnippetError UnsupportedPythonError "
    "VerificationError",
    "equip.inject.request": "JoinPoint",
    "equip.instrumentation": "BytecodeObject Instrumentation Program",
    "equip.program.declarations": "ImportDeclaration MethodDeclaration ModuleDeclaration TypeDeclaration",
    "equip.rewriter": "SimpleRewriter",
    "equip.visitors": "BytecodeVisitor ClassVisitor MethodVisitor ModuleVisitor",
}

__all__ = [
    "BasicBlock",
    "BytecodeObject",
    "BytecodeVisitor",
    "ClassVisitor",
    "ControlFlow",
    "DominatorTree",
    "Edge",
    "EdgeKind",
    "EquipError",
    "FileReport",
    "ImportDeclaration",
    "Instruction",
    "Instrumentation",
    "InvalidCodeError",
    "JoinPoint",
    "JoinPointError",
    "Loop",
    "MethodDeclaration",
    "MethodVisitor",
    "ModuleDeclaration",
    "ModuleVisitor",
    "Problem",
    "Program",
    "PycError",
    "Report",
    "SimpleRewriter",
    "SnippetError",
    "TypeDeclaration",
    "UnsupportedPythonError",
    "VerificationError",
    "check",
    "instrument_code",
    "provenance",
    "restore",
    "status",
    "verify",
]


def __getattr__(name: str) -> object:
    for home, names in _HOMES.items():
        if name in names.split():
            import importlib

            found: object = getattr(importlib.import_module(home), name)
            globals()[name] = found
            return found
    raise AttributeError(f"module 'equip' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
