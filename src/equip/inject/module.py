"""A module's code object as the thing that plans are for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from types import CodeType

from equip import isa
from equip.errors import JoinPointError
from equip.inject.compiling import bind, parsed, private_names
from equip.inject.engine import check_place, instrument
from equip.inject.request import CodePath, Insertion, JoinPoint, Place, Plan
from equip.inject.snippet import parse
from equip.inject.target import Setting, Target

_STORE_GLOBAL = isa.OP["STORE_GLOBAL"]
_IMPLICIT_GLOBALS = ("__name__", "__file__", "__doc__", "__spec__", "__package__", "__path__", "__loader__")


_PLACED = frozenset({JoinPoint.LINENO, JoinPoint.BLOCK, JoinPoint.EDGE})
_SOUND_LIMIT = 20_000
_sound: set[tuple[int, JoinPoint, bool, str]] = set()
"""Snippets that were found to be possible at a join point of whatever target with that kind of scope."""


class ModuleInjector:
    """Checks and carries out insertions in the code objects of one module (or in one function and what it holds).

    What is found out about a code object while checking serves the carrying out, too.
    """

    def __init__(self, code: CodeType, *, file_path: str, module_name: str, optimize: int = -1) -> None:
        self.code = code
        self._setting = Setting(file_path, module_name, optimize)
        self._targets: dict[CodePath, Target] = {}

    def target(self, path: CodePath) -> Target:
        """The code object that ``path`` names."""
        found = self._targets.get(path)
        if found is None:
            enclosing: Sequence[CodeType] = ()
            in_function = False
            code = self.code
            if path:
                around = self._targets.get(path[:-1]) or self.target(path[:-1])
                code, enclosing = child_at(around.code, path[-1]), around.enclosing_below
                in_function = around.in_function or around.is_function
            found = self._targets[path] = Target(code, path, enclosing, in_function, self._setting)
        return found

    def check(self, target: Target, insertion: Insertion) -> None:
        """Raise ``SnippetError`` or ``JoinPointError`` for what can be told from this insertion alone."""
        location, source, lineno, suppress, _, _, _ = insertion
        key = (target.scope_key, location, suppress, source)
        is_sound = key in _sound
        if is_sound and (location not in _PLACED or (type(lineno) is int and lineno in target.encounters)):
            return
        check_place(insertion, target)
        if is_sound:
            return
        snippet = parsed(source, target)
        bind(insertion, target, private_names(snippet, target), (), None)
        if not snippet.demands:
            if len(_sound) >= _SOUND_LIMIT:
                _sound.clear()
            _sound.add(key)

    def has_place(self, path: CodePath, location: JoinPoint, place: Place) -> bool:
        """Whether code can stand at a block or an edge."""
        try:
            check_place(Insertion(location, "", place=place), self.target(path))
        except JoinPointError:
            return False
        return True

    def inject(self, plan: Plan, global_names: Callable[[], frozenset[str]] | None = None) -> CodeType:
        """The code with the insertions of ``plan``; the same object when nothing changes.

        ``global_names`` tells the names of a module that is loaded, which otherwise its code tells.
        """
        paths = dict.fromkeys([path for path, insertions in plan.items() if insertions])
        if not paths:
            return self.code
        for path in list(paths):
            while path and path[:-1] not in paths:
                path = path[:-1]
                paths[path] = None
        new = _Rebuild(self, plan, global_names).rebuilt(sorted(paths, key=len, reverse=True))
        # Declarations refer to each other and to this: what has served is given back at once, not by the collector.
        self._targets = {}
        return new

    def lines_of(self, path: CodePath) -> Collection[int]:
        """The lines that are encountered in the code object that ``path`` names."""
        return self.target(path).encounters.keys()


_NO_CHILDREN: Mapping[int, CodeType] = {}


class _Rebuild:
    """One plan carried out, from the innermost code objects outwards."""

    def __init__(
        self, module: ModuleInjector, plan: Plan, global_names: Callable[[], frozenset[str]] | None
    ) -> None:
        self.module = module
        self.plan = plan
        self._global_names = global_names
        self._globals: frozenset[str] | None = None
        self._has_globals = False

    def rebuilt(self, paths: Sequence[CodePath]) -> CodeType:
        """The module with the insertions; ``paths`` are the code objects that change, each before the one around it."""
        changed: dict[CodePath, dict[int, CodeType]] = {}
        known, find = self.module._targets.get, self.module.target
        targets = [known(path) or find(path) for path in paths]
        asked = [self.plan.get(path, ()) for path in paths]
        pending = instrument(zip(targets, asked, strict=True), self.known_globals)
        for path, target, one in zip(paths, targets, pending, strict=True):
            new = one.completed(changed.pop(path, _NO_CHILDREN))
            if not path:
                return new
            if new is not target.code:
                around = path[:-1]
                if around in changed:
                    changed[around][path[-1]] = new
                else:
                    changed[around] = {path[-1]: new}
        raise AssertionError("the module is the last of what changes: a bug of equip")

    def known_globals(self) -> frozenset[str] | None:
        """The names that the module and its snippets are seen to bind; None when there can be others, too."""
        if not self._has_globals:
            self._has_globals = True
            loaded = self._global_names
            self._globals = bound_globals(self.module.code) if loaded is None else loaded()
            if self._globals is not None:
                for insertions in self.plan.values():
                    for insertion in insertions:
                        names = parse(insertion.source).names
                        self._globals |= names.bound | names.declared_global
        return self._globals


def child_at(code: CodeType, index: int) -> CodeType:
    """The code object that is constant ``index`` of ``code``."""
    consts = code.co_consts
    child = consts[index] if 0 <= index < len(consts) else None
    if not isinstance(child, CodeType):
        raise JoinPointError(
            f"{code.co_qualname!r} has no code object as its constant {index}: the plan is for other code"
        )
    return child


def bound_globals(module: CodeType) -> frozenset[str] | None:
    """The names that a module is seen to store in its namespace; None where it can store others.

    That is so with a star import, and with code that is not a whole module.
    """
    if module.co_flags & 1:
        return None
    found: set[str] = {*_IMPLICIT_GLOBALS, *module.co_names}
    for code in _nested(module):
        if _STORE_GLOBAL in code.co_code[::2]:
            found.update(code.co_names)
        if any(isinstance(constant, tuple) and "*" in constant for constant in code.co_consts):
            return None
    return frozenset(found)


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)
