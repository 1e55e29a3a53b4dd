"""Patching functions that are loaded, and taking the patch back."""

from __future__ import annotations

import itertools
import threading
import warnings
import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from types import CodeType, FunctionType, TracebackType
from typing import Any, Final, Protocol, Self, runtime_checkable

from equip.delivery import live
from equip.delivery.gates import find_gate, is_gate, new_gate
from equip.delivery.outline import Outline, OutlineDeclaration, outline
from equip.delivery.planning import Matching, Visitor, as_visitors, run_visitors, warn_of_idle
from equip.delivery.reach import functions_of
from equip.errors import EquipWarning
from equip.inject.callables import lent
from equip.inject.request import CodePath, Insertion, JoinPoint, Plan
from equip.program.declarations import ModuleDeclaration

_serial: Final = itertools.count()
_Import = tuple[dict[str, Any], str]
LeavesOut = Callable[[tuple[str, ...], str, tuple[Callable[..., Any], ...]], bool]
"""Whether functions are to stay as they are, for the snippets and callables put into them, and their package."""


@runtime_checkable
class Gated(Protocol):
    """A visitor whose snippets can have a gate: a probe."""

    key: str
    is_limited: bool
    lifespan: float | None

    def gate(self, key: str) -> str | None:
        """The statements that make the gate with that key, None if it needs none."""


class Patch:
    """A patch of functions that are loaded. Made by ``equip.patch``; as a context manager it undoes itself.

    It stays until ``undo`` is called, also when nobody refers to it.
    """

    def __init__(
        self, visitors: Sequence[Visitor], functions: Sequence[FunctionType], leaves_out: LeavesOut | None = None
    ) -> None:
        self._timers: dict[live.Layer, threading.Timer | None] = {}
        self.changed = 0
        """How many function objects it has changed."""
        with live.lock:
            self._apply(visitors, functions, leaves_out)

    @property
    def active(self) -> bool:
        """Whether any of it is still in the program."""
        return bool(self._timers)

    def undo(self) -> None:
        """Take everything out again; a second time is no error. What runs already finishes on the code it runs."""
        with live.lock:
            self._take_off(list(self._timers))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.undo()

    def __repr__(self) -> str:
        return f"<Patch of {self.changed} functions{'' if self.active else ', undone'}>"

    def _apply(
        self, visitors: Sequence[Visitor], functions: Sequence[FunctionType], leaves_out: LeavesOut | None
    ) -> None:
        groups = _grouped(functions)
        asked = [_Asked(visitor, self) for visitor in visitors]
        try:
            for one in asked:
                for group in groups:
                    one.ask(group)
            if leaves_out is not None and any(leaves_out(*one) for each in asked for one in each.brought):
                _remove([one.layer for one in asked])
                return
            sites = dict.fromkeys(site for one in asked for site in one.layer.sites)
            for site in sites:
                site.wanted()  # A mistake in a snippet is heard of before an import is run.
            for namespace, source in _distinct(one for each in asked for one in each.imports):
                exec(compile(source, "<equip>", "exec", dont_inherit=True), namespace)
            self.changed = live.exchange(list(sites))
        except BaseException:
            _remove([one.layer for one in asked])
            raise
        finally:
            _remove([])
        for one in asked:
            if one.layer.sites:
                self._timers[one.layer] = one.started_timer()

    def drop(self, visitor: Visitor) -> None:
        """Take out what one visitor asked for. The lock is held."""
        self._take_off([layer for layer in self._timers if layer.visitor is visitor])

    def _take_off(self, layers: Iterable[live.Layer]) -> None:
        """Remove some layers. The lock is held."""
        there = [layer for layer in layers if layer in self._timers]
        _remove(there)
        for layer in there:
            timer = self._timers.pop(layer)
            if timer is not None:
                timer.cancel()

    def _retire(self, layer: live.Layer, wait: bool) -> None:
        """Remove a layer whose time or hits are up; if that is not possible now, it is asked for again."""
        if not live.lock.acquire(blocking=wait):
            return
        try:
            if not live.changing:
                self._take_off([layer])
        finally:
            live.lock.release()


def patch(target: object, visitor: Visitor | Iterable[Visitor]) -> Patch:
    """Put into functions that are loaded what a visitor, or a list of them, asks for.

    ``target`` is a function, method, property, class or module; of what is decorated, the function below. All
    function objects with the same code change, and the functions that they make from now on. Raises ``PatchError``
    for what has no Python code, ``SnippetError`` and ``JoinPointError``, and has then changed nothing; warns
    (``EquipWarning``) of probes without a match.
    """
    visitors = tuple(
        one.begin(f"live{next(_serial)}") if isinstance(one, Matching) else one for one in as_visitors(visitor)
    )
    made = Patch(visitors, functions_of(target))
    warn_of_idle(visitors, 2)
    return made


def _remove(layers: Sequence[live.Layer]) -> None:
    """Take layers off their sites, and have the functions run what is left. The lock is held."""
    sites = dict.fromkeys(site for layer in layers for site in layer.sites)
    for layer in layers:
        for site in layer.sites:
            site.take_off(layer)
        layer.sites.clear()
    live.exchange([*sites, *(site for site in live.unused() if site not in sites)])


def _distinct(imports: Iterable[_Import]) -> Iterable[_Import]:
    return {(id(namespace), source): (namespace, source) for namespace, source in imports}.values()


# -- asking visitors ---------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Group:
    """Functions of one module: what visitors see of them, and where each code object belongs."""

    name: str
    file: str
    namespace: dict[str, Any]
    codes: list[CodeType] = field(default_factory=list)
    sites: dict[int, tuple[live.Site, CodePath]] = field(default_factory=dict)
    outline: Outline | None = None

    def declaration(self) -> ModuleDeclaration:
        if self.outline is None:
            self.outline = outline(self.codes)
        return OutlineDeclaration(self.outline, self.file, self.name)

    def find(self, path: CodePath) -> tuple[live.Site, CodePath] | None:
        """The site that a path of the declaration is in, and the path there."""
        assert self.outline is not None
        for key, start in self.outline.paths.items():
            if path[: len(start)] == start:
                site, prefix = self.sites[key]
                return site, (*prefix, *path[len(start) :])
        return None


def _grouped(functions: Sequence[FunctionType]) -> list[_Group]:
    """The functions by module; those whose code is inside that of others are left to these. The lock is held."""
    clean = {id(code): (code, one) for one in functions for code in (live.clean_code(one.__code__),)}
    inside = {id(below) for code, _ in clean.values() for path, below in live.walk(code) if path}
    groups: dict[tuple[int, str], _Group] = {}
    for key, (code, function) in clean.items():
        if key in inside:
            continue
        namespace = function.__globals__
        group = groups.get((id(namespace), code.co_filename))
        if group is None:
            name = str(namespace.get("__name__", function.__module__))
            group = groups[id(namespace), code.co_filename] = _Group(name, code.co_filename, namespace)
        group.codes.append(code)
        group.sites[key] = live.site_of(function)
    for group in groups.values():
        # A site that came later can have taken over one that was there.
        group.sites = {id(code): live.place_of(code) for code in group.codes}
        group.codes.sort(key=lambda code: code.co_firstlineno)
    return list(groups.values())


class _Asked:
    """What one visitor asks for."""

    def __init__(self, visitor: Visitor, patch: Patch) -> None:
        self.visitor = visitor
        self.layer = live.Layer({}, visitor)
        self.imports: list[_Import] = []
        self.brought: list[tuple[tuple[str, ...], str, tuple[Callable[..., Any], ...]]] = []
        self._gates: dict[str, object] = {}
        self._spent = _spender(patch, self.layer)
        if isinstance(visitor, Gated):
            source = visitor.gate(visitor.key)
            if source is not None and (there := find_gate(visitor.key)) is not None:
                self._gates[visitor.key] = there  # That of an import hook, which takes care of it.
            elif source is not None:
                spent = self._spent if visitor.is_limited else None
                self._gates[visitor.key] = new_gate(visitor.key, source, spent)

    def ask(self, group: _Group) -> None:
        """Run the visitor over a group, and put what it asks for on the sites."""
        module = group.declaration()
        callables: list[Callable[..., Any]] = []
        token = lent.set(callables)
        try:
            plan = run_visitors(module, [self.visitor])
        finally:
            lent.reset(token)
        sources = tuple(one.source for insertions in plan.values() for one in insertions)
        self.brought.append((sources, str(group.namespace.get("__package__") or ""), tuple(callables)))
        holder = live.Holder(callables, self._gates)
        lost: set[JoinPoint] = set()
        for path, insertions in plan.items():
            found = group.find(path)
            if found is not None:
                site, inner = found
                mine: Plan = site.layers.setdefault(self.layer, {})
                mine.setdefault(inner, []).extend(holder.convert(insertions))
                if site not in self.layer.sites:
                    self.layer.sites.append(site)
            else:
                lost.update(one.location for one in insertions if not self._is_import(one, path, group))
        self.layer.objects.update(holder.objects)
        if lost:
            shown = ", ".join(sorted(one.name for one in lost))
            warnings.warn(
                f"{shown} in the body of {group.name!r} or of its classes has no effect: that has run already, "
                "only functions can be patched",
                EquipWarning,
                stacklevel=5,
            )

    def _is_import(self, one: Insertion, path: CodePath, group: _Group) -> bool:
        """Whether this is for the top of the module, and then taken care of."""
        if path or one.location is not JoinPoint.IMPORT:
            return False
        if one.source and not is_gate(one.source):
            self.imports.append((group.namespace, one.source))
        return True

    def started_timer(self) -> threading.Timer | None:
        """A timer that takes the layer out when its time is up."""
        if not isinstance(self.visitor, Gated) or self.visitor.lifespan is None:
            return None
        timer = threading.Timer(min(self.visitor.lifespan, threading.TIMEOUT_MAX), self._spent, (True,))
        timer.daemon = True
        timer.start()
        return timer


def _spender(patch: Patch, layer: live.Layer) -> Callable[..., None]:
    """What a gate calls when it is spent. It keeps neither alive."""
    patch_of, layer_of = weakref.ref(patch), weakref.ref(layer)

    def spent(wait: bool = False) -> None:
        patch, layer = patch_of(), layer_of()
        if layer is not None:
            if patch is not None:
                patch._retire(layer, wait)
            elif live.lock.acquire(blocking=wait):
                try:
                    if not live.changing:
                        _remove([layer])
                finally:
                    live.lock.release()

    return spent
