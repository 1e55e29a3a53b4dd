"""Snippets into code: what the user asked for, as a plan, carried out on a module's code object."""

from __future__ import annotations

from collections.abc import Iterator
from types import CodeType

from equip import isa
from equip.errors import JoinPointError
from equip.inject.compiling import bind, check_request, private_names
from equip.inject.engine import check_place, instrument
from equip.inject.request import CodePath, Insertion, JoinPoint, Plan
from equip.inject.target import Target

__all__ = ["CodePath", "Insertion", "JoinPoint", "Plan", "check_insertion", "inject"]


def inject(
    code: CodeType, plan: Plan, *, file_path: str, module_name: str, optimize: int = -1
) -> CodeType:
    """``code`` with the insertions of ``plan``. Pure; the same object when nothing changes.

    ``optimize`` is the optimisation level (-1 to 2) for the snippets. Raises ``SnippetError`` and
    ``JoinPointError``.
    """
    if not any(plan.values()):
        return code
    inside: dict[CodePath, None] = {}
    for path, insertions in plan.items():
        if insertions:
            inside.update(dict.fromkeys(path[:length] for length in range(len(path) + 1)))
    module = _Module(code, file_path, module_name, optimize)
    return module.rebuilt(code, (), (), plan, _children_of(inside))


def check_insertion(
    module_code: CodeType,
    path: CodePath,
    insertion: Insertion,
    *,
    file_path: str,
    module_name: str,
    optimize: int = -1,
) -> None:
    """Raise what ``inject`` would raise for this insertion alone (``SnippetError``, ``JoinPointError``)."""
    code, enclosing = module_code, []
    for index in path:
        enclosing.append(code)
        code = _child(code, index)
    target = Target(
        code, path, enclosing, file_path=file_path, module_name=module_name, optimize=optimize
    )
    check_place(insertion, target)
    snippet = check_request(insertion, target)
    bind(insertion, target, private_names(snippet, target), (), lambda: None)


def _child(code: CodeType, index: int) -> CodeType:
    child = code.co_consts[index] if 0 <= index < len(code.co_consts) else None
    if not isinstance(child, CodeType):
        raise JoinPointError(f"{code.co_qualname!r} has no code object as its constant {index}: the plan is for other code")
    return child


def _children_of(paths: dict[CodePath, None]) -> dict[CodePath, list[int]]:
    children: dict[CodePath, list[int]] = {}
    for path in paths:
        if path:
            children.setdefault(path[:-1], []).append(path[-1])
    return children


class _Module:
    """The module that a plan is for."""

    def __init__(self, code: CodeType, file_path: str, module_name: str, optimize: int) -> None:
        self.code = code
        self.file_path = file_path
        self.module_name = module_name
        self.optimize = optimize
        self._globals: frozenset[str] | None = None
        self._has_globals = False

    def rebuilt(
        self,
        code: CodeType,
        path: CodePath,
        enclosing: tuple[CodeType, ...],
        plan: Plan,
        children_of: dict[CodePath, list[int]],
    ) -> CodeType:
        """``code`` with the insertions for it and for everything nested in it."""
        children: dict[int, CodeType] = {}
        for index in children_of.get(path, ()):
            child = _child(code, index)
            new = self.rebuilt(child, (*path, index), (*enclosing, code), plan, children_of)
            if new is not child:
                children[index] = new
        insertions = plan.get(path, ())
        if not insertions:
            return instrument_children(code, children)
        target = Target(
            code,
            path,
            enclosing,
            file_path=self.file_path,
            module_name=self.module_name,
            optimize=self.optimize,
        )
        for insertion in insertions:
            check_place(insertion, target)
        return instrument(target, insertions, lambda: self.known_globals(plan), children)

    def known_globals(self, plan: Plan) -> frozenset[str] | None:
        """The names that the module is seen to bind; None when it can bind others, too."""
        if not self._has_globals:
            self._has_globals = True
            self._globals = _bound_globals(self.code)
            if self._globals is not None:
                for insertions in plan.values():
                    for insertion in insertions:
                        names = check_names(insertion)
                        self._globals |= names
        return self._globals


def check_names(insertion: Insertion) -> frozenset[str]:
    """The names that a snippet binds or declares global."""
    from equip.inject.snippet import parse

    names = parse(insertion.source).names
    return frozenset(names.bound | names.declared_global)


def instrument_children(code: CodeType, children: dict[int, CodeType]) -> CodeType:
    from equip.code.linker import link

    return link(code, children=children)


_NAME_STORES = isa.ops("STORE_NAME STORE_GLOBAL")


def _bound_globals(module: CodeType) -> frozenset[str] | None:
    """The names that instructions of a module store in its namespace; None where a star import stores unknown ones."""
    found: set[str] = {"__name__", "__file__", "__doc__", "__spec__", "__package__", "__path__", "__loader__"}
    for code in _all_code(module):
        raw = code.co_code
        if code is module or any(op in raw[::2] for op in isa.ops("STORE_GLOBAL")):
            found.update(code.co_names)
        if "*" in [name for const in code.co_consts if isinstance(const, tuple) for name in const]:
            return None
    return frozenset(found)


def _all_code(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _all_code(constant)


_ = JoinPoint
