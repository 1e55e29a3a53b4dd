"""A module's code object as the thing that plans are for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from operator import attrgetter
from types import CodeType

from equip import isa
from equip.errors import JoinPointError
from equip.inject.collector import without_collector
from equip.inject.compiling import bind, private_names
from equip.inject.damage import refuse_damaged
from equip.inject.engine import check_at_places, instrument
from equip.inject.joinpoints import check_place
from equip.inject.refusals import parsed
from equip.inject.request import CodePath, Insertion, JoinPoint, Place, Plan, made
from equip.inject.snippet import parse
from equip.inject.target import Setting, Target

_STORE_GLOBAL = isa.OP["STORE_GLOBAL"]
_IMPLICIT_GLOBALS = ("__name__", "__file__", "__doc__", "__spec__", "__package__", "__path__", "__loader__")


_LINENO = JoinPoint.LINENO
_PLACED = frozenset({_LINENO, JoinPoint.BLOCK, JoinPoint.EDGE})
_SOUND_LIMIT = 20_000
_sound: dict[tuple[int, JoinPoint, str, bool, str, int], Insertion] = {}
"""Insertions that were found to be possible in whatever target has such a scope; at a line or place, if that exists."""


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
            if path:
                around = self._targets.get(path[:-1]) or self.target(path[:-1])
                index = path[-1]
                found = Target(child_at(around.code, index), self._setting, around, index)
            else:
                found = Target(self.code, self._setting)
            self._targets[path] = found
        return found

    def insertion(
        self,
        target: Target,
        location: JoinPoint,
        source: str,
        lineno: int | None,
        suppress: bool,
        probe: str = "",
        group: int = 0,
        place: Place = (),
    ) -> Insertion:
        """The insertion into a target. Raises ``SnippetError`` or ``JoinPointError`` for what can be told from it
        alone, ``InvalidCodeError`` for code that is damaged."""
        key = (target.scope_key, location, source, suppress, probe, group)
        sound = _sound.get(key)
        if sound is not None and lineno is None and location not in _PLACED:
            return sound
        insertion = made(Insertion, (location, source, lineno, suppress, probe, group, place))
        try:
            if sound is not None and type(lineno) is int and location is _LINENO and lineno in target.encounters:
                return insertion
            check_place(insertion, target)
            if sound is None:
                snippet = parsed(source, target)
                bind(insertion, target, private_names(snippet, target), (), None)
                depends = location in _PLACED and snippet.depends_on_place
                if depends:
                    check_at_places(insertion, target)
                if not (depends or snippet.demands) and (lineno is None or location in _PLACED):
                    if len(_sound) >= _SOUND_LIMIT:
                        _sound.clear()
                    _sound[key] = insertion
        except Exception as error:
            refuse_damaged(target.code, error)
            raise
        return insertion

    def has_place(self, path: CodePath, location: JoinPoint, place: Place) -> bool:
        """Whether code can stand at a block or an edge. Raises ``InvalidCodeError``."""
        target = self.target(path)
        try:
            check_place(Insertion(location, "", place=place), target)
        except JoinPointError:
            return False
        except Exception as error:
            refuse_damaged(target.code, error)
            raise
        return True

    def inject(self, plan: Plan, global_names: Callable[[], frozenset[str]] | None = None) -> CodeType:
        """The code with the insertions of ``plan``; the same object when nothing changes.

        ``global_names`` tells the names of a module that is loaded, which otherwise its code tells. Raises
        ``SnippetError`` and ``JoinPointError``, ``InvalidCodeError`` for code that is damaged.
        """
        find, known = self.target, self._targets.get
        asked = {known(path) or find(path): insertions for path, insertions in plan.items() if insertions}
        if not asked:
            return self.code
        try:
            new = without_collector(_Rebuild(self.code, asked, global_names).rebuilt)
        except Exception as error:
            refuse_damaged(self.code, error)
            raise
        # Declarations refer to each other and to this: what has served is given back at once, not by the collector.
        self._targets = {}
        return new

    def lines_of(self, path: CodePath) -> Collection[int]:
        """The lines that are encountered in the code object that ``path`` names. Raises ``InvalidCodeError``."""
        target = self.target(path)
        try:
            return target.encounters.keys()
        except Exception as error:
            refuse_damaged(target.code, error)
            raise


_NO_CHILDREN: Mapping[int, CodeType] = {}
_depth: Callable[[Target], int] = attrgetter("depth")


class _Rebuild:
    """One plan carried out, from the innermost code objects outwards."""

    def __init__(
        self,
        module: CodeType,
        asked: Mapping[Target, Sequence[Insertion]],
        global_names: Callable[[], frozenset[str]] | None,
    ) -> None:
        self._module = module
        self._asked = asked
        self._global_names = global_names
        self._globals: frozenset[str] | None = None
        self._has_globals = False

    def rebuilt(self) -> CodeType:
        """The module with the insertions."""
        asked = dict(self._asked)
        for target in self._asked:
            around = target.around
            while around is not None and around not in asked:
                asked[around] = ()
                around = around.around
        targets = sorted(asked, key=_depth, reverse=True)
        pending = instrument([(target, asked[target]) for target in targets], self.known_globals)
        changed: dict[Target, dict[int, CodeType]] = {}
        for target, one in zip(targets, pending, strict=True):
            new = one.completed(changed.get(target, _NO_CHILDREN))
            around = target.around
            if around is None:
                return self._module if new is target.code else new
            if new is target.code:
                continue
            if around in changed:
                changed[around][target.index] = new
            else:
                changed[around] = {target.index: new}
        raise AssertionError("the module is the last of what changes: a bug of equip")

    def known_globals(self) -> frozenset[str] | None:
        """The names that the module and its snippets are seen to bind; None when there can be others, too."""
        if not self._has_globals:
            self._has_globals = True
            loaded = self._global_names
            self._globals = bound_globals(self._module) if loaded is None else loaded()
            if self._globals is not None:
                for insertions in self._asked.values():
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
