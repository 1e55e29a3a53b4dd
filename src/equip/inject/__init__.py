"""Snippets into code: what the user asked for, as a plan, carried out on a module's code object."""

from __future__ import annotations

from types import CodeType

from equip.inject.module import ModuleInjector
from equip.inject.request import CodePath, Insertion, JoinPoint, Plan

__all__ = ["CodePath", "Insertion", "JoinPoint", "ModuleInjector", "Plan", "inject"]


def inject(
    code: CodeType, plan: Plan, *, file_path: str, module_name: str, optimize: int = -1
) -> CodeType:
    """``code`` with the insertions of ``plan``. Pure; the same object when nothing changes.

    ``optimize`` is the optimisation level (-1 to 2) for the snippets. Raises ``SnippetError`` and
    ``JoinPointError``.
    """
    return ModuleInjector(code, file_path=file_path, module_name=module_name, optimize=optimize).inject(plan)
