"""Functions that are loaded: what was put into them by whom, and the exchange of their code.

A *site* is a code object as the program was loaded with it, with all the code inside it. Each visitor of each patch
is a *layer* on some sites. The code that runs is always made anew from the clean code with the layers that are
there, so layers come off in any order, and the last one leaves the very same code objects.
"""

from __future__ import annotations

import re
import sys
import threading
import weakref
from collections.abc import Iterable, Iterator, Sequence
from types import CodeType, FunctionType
from typing import Any, Final

from equip.delivery.outline import outline
from equip.delivery.reach import functions_with
from equip.errors import PatchError
from equip.inject.module import ModuleInjector
from equip.inject.request import CodePath, Insertion, Plan
from equip.program.pyc import running_optimize

lock: Final = threading.RLock()
"""Held while sites change."""
changing: Final[list[None]] = []
"""Not empty while code is being exchanged: what runs meanwhile in this thread must not start it again."""


class Layer:
    """What one visitor asks for. ``objects`` are what its snippets use, by the constant that stands for each."""

    def __init__(self, objects: dict[str, object], visitor: object) -> None:
        self.objects = objects
        self.visitor = visitor
        self.sites: list[Site] = []


class Site:
    """One code object of the program as it was loaded; ``module_name`` is that of its functions."""

    def __init__(self, code: CodeType, module_name: str) -> None:
        self.code = code
        self.module_name = module_name
        self.layers: dict[Layer, Plan] = {}
        self.made: dict[tuple[Layer, ...], CodeType] = {(): code}
        self.functions: weakref.WeakSet[FunctionType] = weakref.WeakSet()
        self.current = code
        found = outline([code])
        self._path = found.paths[id(code)]
        self._injector = ModuleInjector(
            found.code, file_path=code.co_filename, module_name=module_name, optimize=running_optimize()
        )

    def wanted(self) -> CodeType:
        """The code with all layers. Raises ``SnippetError`` and ``JoinPointError``."""
        layers = tuple(self.layers)
        found = self.made.get(layers)
        if found is None:
            new = self._injector.inject(self._plan(), self._global_names)
            for index in self._path:
                new = new.co_consts[index]
            found = _holding(new, {name: one for layer in layers for name, one in layer.objects.items()})
            if found.co_freevars != self.code.co_freevars:
                raise PatchError(f"{self.code.co_qualname!r}: the snippets would change what it closes over")
            self.made[layers] = found
        return found

    def _global_names(self) -> frozenset[str]:
        return frozenset(name for function in self.functions for name in function.__globals__)

    def _plan(self) -> Plan:
        """What all layers ask for; each with private names of its own."""
        merged: Plan = {}
        for plan in self.layers.values():
            for path, insertions in plan.items():
                there = merged.setdefault((*self._path, *path), [])
                free = max((one.group for one in there), default=-1) + 1
                there += [one._replace(group=one.group + free) for one in insertions]
        return merged

    def take_off(self, layer: Layer) -> None:
        self.layers.pop(layer, None)

    def forget_unused(self) -> None:
        """Let go of code that only layers that are gone made."""
        self.made = {layers: code for layers, code in self.made.items() if all(one in self.layers for one in layers)}


_known: dict[int, tuple[Site, CodePath, CodeType]] = {}
"""The code objects of all sites, clean and made: by identity, and kept so that it stays one."""


def clean_code(code: CodeType) -> CodeType:
    """The code as the program was loaded with it. The lock is held."""
    found = _known.get(id(code))
    if found is None:
        return code
    site, path, _ = found
    clean = site.code
    for index in path:
        clean = clean.co_consts[index]
    return clean


def site_of(function: FunctionType) -> tuple[Site, CodePath]:
    """The site that a function's code belongs to, a new one if need be, and where in it. The lock is held."""
    code = function.__code__
    found = _known.get(id(code))
    if found is None:
        site, path = Site(code, str(function.__globals__.get("__name__", function.__module__))), CodePath()
        adopt(site)
    else:
        site, path, _ = found
    site.functions.add(function)
    return site, path


def place_of(code: CodeType) -> tuple[Site, CodePath]:
    """The site of a code object that is known, and where in it. The lock is held."""
    site, path, _ = _known[id(code)]
    return site, path


def unused() -> list[Site]:
    """The sites without a layer. The lock is held."""
    return list(dict.fromkeys(site for site, _, _ in _known.values() if not site.layers))


def adopt(site: Site) -> None:
    """Make a site known; sites inside it become part of it. The lock is held."""
    inner = {_known[id(code)][0] for _, code in walk(site.code) if id(code) in _known}
    for one in inner - {site}:
        prefix = next(path for path, code in walk(site.code) if code is one.code)
        for layer, plan in one.layers.items():
            mine = site.layers.setdefault(layer, {})
            for path, insertions in plan.items():
                mine.setdefault((*prefix, *path), []).extend(insertions)
            layer.sites = [site if s is one else s for s in layer.sites]
        for key, (owner, path, code) in list(_known.items()):
            if owner is one:
                _known[key] = (site, (*prefix, *path), code)
        site.functions |= one.functions
    learn(site, site.code)


def learn(site: Site, tree: CodeType) -> None:
    """Make the code objects of one version of a site known."""
    for path, code in _walk_as(site.code, tree):
        _known[id(code)] = (site, path, code)


def exchange(sites: Sequence[Site]) -> int:
    """Have all functions of ``sites`` run what their layers make. Returns how many changed. The lock is held.

    Raises ``SnippetError`` and ``JoinPointError``, and has then changed nothing.
    """
    wanted = {site: site.wanted() for site in sites}
    changing.append(None)
    try:
        goals: dict[int, CodeType] = {}
        for site, new in wanted.items():
            learn(site, new)
            by_path = dict(_walk_as(site.code, new))
            for path, code in _walk_as(site.code, site.current):
                _carry_events(code, by_path[path])
            goals.update({key: by_path[path] for key, (owner, path, _) in _known.items() if owner is site})
        changed = _set_code(wanted, goals)
        for site, new in wanted.items():
            site.current = new
            site.forget_unused()
            if not site.layers:
                for key in [key for key, (owner, _, _) in _known.items() if owner is site]:
                    del _known[key]
                site.functions.clear()
    finally:
        changing.pop()
    return changed


def _set_code(sites: Iterable[Site], goals: dict[int, CodeType]) -> int:
    """Give each function that runs a code object of ``goals`` what that says, which is by identity."""
    functions = {id(one): one for site in sites for one in site.functions}
    old = [code for key, (_, _, code) in _known.items() if key in goals and goals[key] is not code]
    if old:
        functions |= {id(one): one for one in functions_with(old)}
    changed = 0
    for function in functions.values():
        goal = goals.get(id(function.__code__))
        if goal is not None:
            _known[id(goal)][0].functions.add(function)
            if goal is not function.__code__:
                function.__code__ = goal
                changed += 1
    return changed


def replace_tree(clean: CodeType, old: CodeType, new: CodeType) -> None:
    """Have functions that run code of ``old`` run that of ``new``; both were made from ``clean``. The lock is held."""
    pairs = dict(_walk_as(clean, new))
    goals: dict[int, CodeType] = {}
    codes = []
    for path, code in _walk_as(clean, old):
        if code is not pairs[path]:
            _carry_events(code, pairs[path])
            goals[id(code)] = pairs[path]
            codes.append(code)
    changing.append(None)
    try:
        for function in functions_with(codes):
            function.__code__ = goals[id(function.__code__)]
    finally:
        changing.pop()


def walk(code: CodeType) -> Iterator[tuple[CodePath, CodeType]]:
    """A code object and all inside it, with their paths."""
    return _walk_as(code, code)


def _walk_as(clean: CodeType, code: CodeType, path: CodePath = ()) -> Iterator[tuple[CodePath, CodeType]]:
    """What in ``code``, which was made from ``clean``, stands for each code object of that."""
    yield path, code
    for index, constant in enumerate(clean.co_consts):
        if isinstance(constant, CodeType):
            yield from _walk_as(constant, code.co_consts[index], (*path, index))


def _carry_events(old: CodeType, new: CodeType) -> None:
    """Have tools get the same local events of ``new`` as of ``old``, which ``code.replace`` drops."""
    monitoring: Any = getattr(sys, "monitoring", None)
    if monitoring is None or old is new:
        return
    for tool in range(6):
        if monitoring.get_tool(tool) is not None:
            events = monitoring.get_local_events(tool, old)
            if events != monitoring.get_local_events(tool, new):
                monitoring.set_local_events(tool, new, events)


# -- objects that snippets use --------------------------------------------------------------------------


class Held:
    """A callable as a constant of code: it lives as long as code that calls it, and no longer."""

    __slots__ = ("call",)

    def __init__(self, call: object) -> None:
        self.call = call


_REFERENCE: Final = re.compile(r"\b_equip_(?:lent\[(\d+)\]\(|gate_(\w+)\.)")
_numbers = iter(range(sys.maxsize))


class Holder:
    """Turns references to callables and gates in the snippets of one layer into constants that hold these."""

    def __init__(self, callables: Sequence[object], gates: dict[str, object]) -> None:
        self.objects: dict[str, object] = {}
        self._callables = callables
        self._gates = gates
        self._names: dict[str, str] = {}

    def convert(self, insertions: Iterable[Insertion]) -> list[Insertion]:
        return [one._replace(source=_REFERENCE.sub(self._constant, one.source)) for one in insertions]

    def _constant(self, found: re.Match[str]) -> str:
        number, key = found.groups()
        name = self._names.get(found[0])
        if name is None:
            one = self._gates.get(key) if number is None else Held(self._callables[int(number)])
            if one is None:
                return found[0]
            name = self._names[found[0]] = f"@equip:object:{next(_numbers)}"
            self.objects[name] = one
        return f"{name!r}." if number is None else f"{name!r}.call("


def _holding(code: CodeType, objects: dict[str, object]) -> CodeType:
    """``code`` with the objects in the place of the constants that stand for them."""
    if not objects:
        return code
    consts = tuple(
        _holding(one, objects) if isinstance(one, CodeType) else objects.get(one, one) if type(one) is str else one
        for one in code.co_consts
    )
    if all(new is old for new, old in zip(consts, code.co_consts, strict=True)):
        return code
    return code.replace(co_consts=consts)
