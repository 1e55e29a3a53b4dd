"""equip instruments Python programs at the bytecode level: source snippets, linked into compiled code.

Importing the package loads nothing else; each name is loaded when it is first used.
"""

TYPE_CHECKING = False  # As type checkers know it; typing itself would cost more than all the rest.
if TYPE_CHECKING:
    from equip.analysis.assignment import DefiniteAssignment
    from equip.analysis.callgraph import Call, CallGraph
    from equip.analysis.conditions import Condition, Conditions, condition
    from equip.analysis.controlflow import BasicBlock, ControlFlow, Edge, EdgeKind
    from equip.analysis.dominators import DominatorTree
    from equip.analysis.expressions import Expressions
    from equip.analysis.liveness import Liveness
    from equip.analysis.loops import Loop
    from equip.analysis.origins import Origins
    from equip.analysis.reaching import Definition, ReachingDefinitions
    from equip.analysis.stackvalues import StackValues
    from equip.analysis.verify import Problem, check, verify
    from equip.code.instruction import Instruction
    from equip.code.provenance import provenance
    from equip.delivery.attach import Attached, attach, detach
    from equip.delivery.hook import Hook, install
    from equip.delivery.memory import instrument_code
    from equip.delivery.patch import Patch, patch
    from equip.delivery.report import FileReport, Report
    from equip.delivery.restoring import restore
    from equip.delivery.state import status
    from equip.errors import (
        AttachError,
        EquipError,
        EquipWarning,
        InvalidCodeError,
        JoinPointError,
        LaunchError,
        PatchError,
        ProbeError,
        PycError,
        SnippetError,
        UnsupportedPythonError,
        VerificationError,
    )
    from equip.inject.request import JoinPoint
    from equip.instrumentation import BytecodeObject, Instrumentation, Program
    from equip.probes import Probe, after, before, on_line, on_raise
    from equip.program.declarations import (
        ImportDeclaration,
        MethodDeclaration,
        ModuleDeclaration,
        TypeDeclaration,
    )
    from equip.rewriter import SimpleRewriter
    from equip.visitors import BlockVisitor, BytecodeVisitor, ClassVisitor, MethodVisitor, ModuleVisitor

__version__ = "0.1.0"

_HOMES = {
    "equip.analysis.assignment": "DefiniteAssignment",
    "equip.analysis.callgraph": "Call CallGraph",
    "equip.analysis.conditions": "Condition Conditions condition",
    "equip.analysis.controlflow": "BasicBlock ControlFlow Edge EdgeKind",
    "equip.analysis.dominators": "DominatorTree",
    "equip.analysis.expressions": "Expressions",
    "equip.analysis.liveness": "Liveness",
    "equip.analysis.loops": "Loop",
    "equip.analysis.origins": "Origins",
    "equip.analysis.reaching": "Definition ReachingDefinitions",
    "equip.analysis.stackvalues": "StackValues",
    "equip.analysis.verify": "Problem check verify",
    "equip.code.instruction": "Instruction",
    "equip.code.provenance": "provenance",
    "equip.delivery.attach": "Attached attach detach",
    "equip.delivery.hook": "Hook install",
    "equip.delivery.memory": "instrument_code",
    "equip.delivery.patch": "Patch patch",
    "equip.delivery.report": "FileReport Report",
    "equip.delivery.restoring": "restore",
    "equip.delivery.state": "status",
    "equip.errors": (
        "AttachError EquipError EquipWarning InvalidCodeError JoinPointError LaunchError PatchError ProbeError "
        "PycError SnippetError UnsupportedPythonError VerificationError"
    ),
    "equip.inject.request": "JoinPoint",
    "equip.instrumentation": "BytecodeObject Instrumentation Program",
    "equip.probes": "Probe after before on_line on_raise",
    "equip.program.declarations": "ImportDeclaration MethodDeclaration ModuleDeclaration TypeDeclaration",
    "equip.rewriter": "SimpleRewriter",
    "equip.visitors": "BlockVisitor BytecodeVisitor ClassVisitor MethodVisitor ModuleVisitor",
}

__all__ = [
    "AttachError",
    "Attached",
    "BasicBlock",
    "BlockVisitor",
    "BytecodeObject",
    "BytecodeVisitor",
    "Call",
    "CallGraph",
    "ClassVisitor",
    "Condition",
    "Conditions",
    "ControlFlow",
    "DefiniteAssignment",
    "Definition",
    "DominatorTree",
    "Edge",
    "EdgeKind",
    "EquipError",
    "EquipWarning",
    "Expressions",
    "FileReport",
    "Hook",
    "ImportDeclaration",
    "Instruction",
    "Instrumentation",
    "InvalidCodeError",
    "JoinPoint",
    "JoinPointError",
    "LaunchError",
    "Liveness",
    "Loop",
    "MethodDeclaration",
    "MethodVisitor",
    "ModuleDeclaration",
    "ModuleVisitor",
    "Origins",
    "Patch",
    "PatchError",
    "Probe",
    "ProbeError",
    "Problem",
    "Program",
    "PycError",
    "ReachingDefinitions",
    "Report",
    "SimpleRewriter",
    "SnippetError",
    "StackValues",
    "TypeDeclaration",
    "UnsupportedPythonError",
    "VerificationError",
    "after",
    "attach",
    "before",
    "check",
    "condition",
    "detach",
    "install",
    "instrument_code",
    "on_line",
    "on_raise",
    "patch",
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
