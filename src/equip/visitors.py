"""The classes to derive visitors from.

A visitor looks at declarations and asks, through ``SimpleRewriter``, for snippets to be put in. It always sees
clean code: what others asked for, now or in an earlier run, is not there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from equip.code import Instruction
from equip.program.declarations import Declaration, MethodDeclaration, ModuleDeclaration, TypeDeclaration

if TYPE_CHECKING:
    from equip.analysis.controlflow import BasicBlock, ControlFlow


class _DeclarationVisitor:
    """Calls ``visit`` for the declarations of the kinds that its base classes name, in source order.

    A class may derive from several of the visitors below: then its ``visit`` gets declarations of each kind.
    """

    _visited: ClassVar[type[Declaration]]

    def traverse(self, module: ModuleDeclaration) -> None:
        """Visit a module."""
        kinds = tuple({base.__dict__["_visited"]: None for base in type(self).__mro__ if "_visited" in base.__dict__})
        for declaration in list(module.walk()):
            if isinstance(declaration, kinds):
                self.visit(declaration)

    def visit(self, decl: Any, /) -> object:
        """Look at a declaration. To be overridden."""
        raise NotImplementedError(f"{type(self).__name__} has no method visit(self, decl)")


class ModuleVisitor(_DeclarationVisitor):
    """``visit`` is called for each module."""

    _visited = ModuleDeclaration


class ClassVisitor(_DeclarationVisitor):
    """``visit`` is called for each class."""

    _visited = TypeDeclaration


class MethodVisitor(_DeclarationVisitor):
    """``visit`` is called for each function, method and lambda."""

    _visited = MethodDeclaration


class BytecodeVisitor:
    """``visit`` is called for each instruction of a module: of its body, classes and functions, in source order.

    Unless overridden, ``visit`` calls the method ``visit_<opname in lower case>`` if there is one, such as
    ``visit_load_const``. ``declaration`` is the one that the instruction belongs to. What the compiler alone made
    (comprehensions, annotations) is in the ``implicit_scopes`` of the declarations and not visited.
    """

    declaration: Declaration

    def traverse(self, module: ModuleDeclaration) -> None:
        """Visit a module."""
        for declaration in list(module.walk()):
            self.declaration = declaration
            for instruction in declaration.bytecode:
                self.visit(instruction)

    def visit(self, instruction: Instruction) -> object:
        """Look at an instruction."""
        method = getattr(self, "visit_" + instruction.opname.lower(), None)
        return method(instruction) if method is not None else None


class BlockVisitor:
    """``visit`` is called for each basic block of a module: of its body, classes and functions, in source order.

    Before the blocks of each of them, in the order of the code, ``new_control_flow`` is called with their graph.
    ``declaration`` and ``control_flow`` are those that the block belongs to: code goes to blocks and edges by
    ``SimpleRewriter(self.declaration).insert_at_block(block, ...)`` and ``insert_on_edge``. What the compiler alone
    made (comprehensions, annotations) is in the ``implicit_scopes`` of the declarations and not visited.
    """

    declaration: Declaration
    control_flow: ControlFlow

    def traverse(self, module: ModuleDeclaration) -> None:
        """Visit a module. Raises ``InvalidCodeError`` for code that is damaged."""
        from equip.analysis.controlflow import ControlFlow

        for declaration in list(module.walk()):
            self.declaration = declaration
            self.control_flow = ControlFlow(declaration)
            self.new_control_flow(self.control_flow)
            for block in self.control_flow.blocks:
                self.visit(block)

    def new_control_flow(self, cfg: ControlFlow, /) -> object:
        """Look at the graph whose blocks come next."""

    def visit(self, block: BasicBlock, /) -> object:
        """Look at a basic block."""
