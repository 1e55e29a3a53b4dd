"""Programs as files and declarations: what there is to instrument, and where it is stored."""

from __future__ import annotations

from equip.program.declarations import (
    Declaration,
    ImplicitScope,
    ImportDeclaration,
    MethodDeclaration,
    ModuleDeclaration,
    TypeDeclaration,
)
from equip.program.tree import ModuleFile, Tree, find_modules

__all__ = [
    "Declaration",
    "ImplicitScope",
    "ImportDeclaration",
    "MethodDeclaration",
    "ModuleDeclaration",
    "ModuleFile",
    "Tree",
    "TypeDeclaration",
    "find_modules",
]
