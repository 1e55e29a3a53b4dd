"""Instrumenting code objects in memory. Pure: nothing is written, nothing that is loaded changes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from types import CodeType

from equip.analysis.verify import verify_changed
from equip.delivery.planning import Visitor, as_visitors, begun, carry_out, run_visitors, warn_of_idle
from equip.errors import VerificationError
from equip.inject.damage import refuse_damaged
from equip.program.declarations import ModuleDeclaration
from equip.program.pyc import running_optimize
from equip.program.tree import module_name as name_of_file


def instrument_code(
    code: CodeType,
    visitor: Visitor | Iterable[Visitor],
    *,
    file_path: str | None = None,
    module_name: str | None = None,
    optimize: int = -1,
    verify: bool = False,
) -> CodeType:
    """``code``, of a module or of a single function, as the visitor (or a list of them) wants it.

    Returns the same object when nothing was asked for. ``file_path`` and ``module_name`` are for the fields of
    snippets; they are taken from the code's file name. ``optimize`` is the level for snippets, -1 that of this
    interpreter. With ``verify`` what has changed has passed ``equip.verify``; this costs more than the rest, and what
    it refuses is a bug of equip. Raises ``SnippetError`` and ``JoinPointError``, then also ``VerificationError``;
    ``InvalidCodeError`` for damaged code, ``TypeError`` for what is none; warns (``EquipWarning``) of probes without a
    match.
    """
    _check_is_code(code)
    visitors = begun(as_visitors(visitor))
    new = code_with(code, visitors, file_path, module_name, optimize)
    if verify and new is not code:
        try:
            verify_changed(new, code)
        except VerificationError as error:
            refuse_damaged(code, error)
            raise
    warn_of_idle(visitors, 2)
    return new


def _check_is_code(code: object) -> None:
    if not isinstance(code, CodeType):
        raise TypeError(
            f"instrument_code makes a code object of a code object, not of {type(code).__name__!r}: {code!r} (for "
            "functions, classes and modules that are loaded there is equip.patch)"
        )


def code_with(
    code: CodeType, visitors: Sequence[Visitor], file_path: str | None, module_name: str | None, optimize: int = -1
) -> CodeType:
    """``code`` as the visitors want it; the same object when they ask for nothing."""
    path = code.co_filename if file_path is None else file_path
    if module_name is None:
        module_name = name_in_memory(path)
    level = running_optimize() if optimize < 0 else optimize
    module = ModuleDeclaration(code, path, module_name, level, in_memory=True)
    return carry_out(module, run_visitors(module, visitors))


def name_in_memory(path: str) -> str:
    """The module name for code whose file may not exist."""
    if os.path.isfile(path):
        absolute = os.path.abspath(path)
        return name_of_file(absolute, os.path.dirname(absolute))
    return os.path.basename(path).removesuffix(".py") or "__main__"
