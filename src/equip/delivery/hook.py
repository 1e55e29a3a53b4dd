"""The import hook: modules are instrumented as they are imported. How they are found and loaded: ``finder``."""

from __future__ import annotations

import atexit
import sys
import warnings
import weakref
from collections.abc import Callable, Iterable, Sequence
from types import FunctionType, ModuleType, TracebackType
from typing import Any, Self, cast

from equip.delivery import finder, live
from equip.delivery.finder import PASSED_OVER, Made, begun_for_imports, main_module, make_entry, warn_of_import
from equip.delivery.gates import drop_gate, new_gate, put_gate
from equip.delivery.outline import names_of_loaded
from equip.delivery.patch import Gated, Patch
from equip.delivery.planning import Visitor, as_visitors, complaints, warn_of_idle
from equip.delivery.reach import functions_in
from equip.delivery.recursion import Absolute, absolute, snippet_imports
from equip.delivery.spared import IMPORTING, Spared, brought_in
from equip.delivery.where import is_module_glob, matches_module
from equip.errors import EquipError, EquipWarning, ProbeError

_SHOWN = 3


class Hook:
    """An import hook. Made by ``equip.install``; a context manager that uninstalls itself.

    ``instrumented`` are the modules that it has put something into; ``loaded`` those that were meant but loaded
    before.
    """

    def __init__(
        self,
        visitors: Sequence[Visitor],
        include: tuple[str, ...],
        exclude: tuple[str, ...],
        patch_loaded: bool,
        reversible: bool = False,
        with_library: bool = True,
    ) -> None:
        self.reversible = reversible or any(isinstance(one, Gated) and one.is_limited for one in visitors)
        self._strict = reversible
        self.include, self.exclude, self.with_library = include, exclude, with_library
        self.instrumented: list[str] = []
        self.visitors = tuple(begun_for_imports(one) for one in visitors)
        self.spared = Spared(self._is_meant, IMPORTING.difference(include))  # Those that are named are meant.
        for one in self.visitors:
            self.spared.add(*_brought_in_by(one))
        self._gates = [_open_gate(self, one) for one in self.visitors if isinstance(one, Gated)]
        self._made: dict[str, Made] = {}
        self._patches: list[Patch] = []
        self.loaded = tuple(name for name, module in list(sys.modules.items()) if self._is_late(name, module))
        if patch_loaded:
            self._patch_loaded()
        finder.add(self)
        atexit.register(self._tell)

    def wants(self, name: str) -> bool:
        """Whether the module with that name is to be instrumented."""
        return self._is_meant(name) and name not in self.spared

    def _is_meant(self, name: str) -> bool:
        top = name.partition(".")[0]
        if top == "equip" or (not self.with_library and top in sys.stdlib_module_names):
            return False
        names = names_of_loaded(name) if self._strict else main_module.names_of(name)
        included = any(matches_module(glob, one) for glob in self.include for one in names)
        return included and not any(matches_module(glob, one) for glob in self.exclude for one in names)

    @property
    def active(self) -> bool:
        return self in finder.hooks

    def uninstall(self) -> None:
        """Instrument no more modules, and undo the patches of those that were loaded before.

        Modules that were imported meanwhile stay as they are. Warns of probes without a match.
        """
        if self.active:
            self._close()
            warn_of_idle(self.visitors, 2)

    def _close(self) -> None:
        finder.remove(self)
        atexit.unregister(self._tell)
        self._drop()

    def _drop(self) -> None:
        for patch in self._patches:
            patch.undo()
        for key in filter(None, self._gates):
            drop_gate(key)

    def withdraw(self) -> None:
        """Uninstall a reversible hook, and take out of the functions what it has put in, without a warning."""
        self._close()
        with live.lock:
            self.visitors = ()
            self._restore()

    def complaints(self) -> list[str]:
        """What there is to say of probes that matched nothing so far."""
        return complaints(self.visitors)

    def keep_quiet(self) -> None:
        """Do not warn of probes without a match when the program ends."""
        atexit.unregister(self._tell)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.uninstall()

    def __repr__(self) -> str:
        return f"<Hook for {', '.join(self.include)}{'' if self.active else ', uninstalled'}>"

    def _tell(self) -> None:
        warn_of_idle(self.visitors, 1)

    def _is_late(self, name: str, module: ModuleType | None) -> bool:
        if name == "__main__" and not self._strict and name not in self.include:
            return False
        spec = getattr(module, "__spec__", None)
        is_python = not isinstance(getattr(spec, "loader", None), PASSED_OVER) and hasattr(module, "__file__")
        return isinstance(module, ModuleType) and is_python and self.wants(name)

    def _patch_loaded(self) -> None:
        """Patch what was loaded before. Raises what the user is to blame for, if the hook is to be reversible."""
        modules = [sys.modules[name] for name in self.loaded]
        try:
            for module, functions in zip(modules, functions_in(modules), strict=True):
                self.patch(module, functions)
        except BaseException:
            self._drop()
            raise

    def patch(self, module: ModuleType, functions: Sequence[FunctionType]) -> None:
        """Patch a module that is loaded; warn if that is not possible."""

        def leaves_out(snippets: tuple[str, ...], package: str, callables: tuple[Callable[..., Any], ...]) -> bool:
            self.spared.add(*brought_in(snippets, package, callables))
            return module.__name__ in self.spared

        try:
            patch = Patch(self.visitors, functions, leaves_out)
        except EquipError as error:
            if self._strict:
                raise
            warn_of_import(module.__name__, error)
        else:
            if patch.active:
                self._patches.append(patch)
                self.instrumented.append(module.__name__)

    def note(self, name: str, made: Made) -> None:
        """Remember a module that it has put something into."""
        if name not in self.instrumented:
            self.instrumented.append(name)
        if self.reversible:
            self._made[name] = made

    def retire(self, visitor: Visitor) -> None:
        """Take out a probe whose time or hits are up: functions get the code that they have without it."""
        if not live.lock.acquire(blocking=False):
            return  # The gate asks again at its next call.
        try:
            if live.changing or visitor not in self.visitors:
                return
            self.visitors = tuple(one for one in self.visitors if one is not visitor)
            self._restore()
            for patch in self._patches:
                patch.drop(visitor)
        finally:
            live.lock.release()

    def _restore(self) -> None:
        """Have functions run what the visitors that are left make of them. The lock is held."""
        for name, made in list(self._made.items()):
            code = made.clean()
            if code is not None:
                visitors = [begun_for_imports(one) for hook in made.asked for one in hook.visitors]
                new = make_entry(code, name, "", visitors, in_memory=True, aliases=made.aliases).code or code
                live.replace_tree(code, made.code, new)
                self._made[name] = made._replace(code=new)


def install(
    visitor: Visitor | Iterable[Visitor],
    include: str | Iterable[str],
    exclude: str | Iterable[str] = (),
    *,
    patch_loaded: bool = False,
) -> Hook:
    """Instrument modules as they are imported from now on, as a visitor, or a list of them, asks for.

    ``include`` and ``exclude`` are globs of module names; ``shop.*`` is the package ``shop``, too. Modules that are
    loaded already are warned of (``EquipWarning``), or patched with ``patch_loaded``. A module that cannot be
    instrumented is imported as it is, with a warning. Probes without a match are warned of when the hook is
    uninstalled, or when the program ends. Raises ``ProbeError`` for globs that are none.
    """
    hook = Hook(as_visitors(visitor), as_globs("include", include), as_globs("exclude", exclude), patch_loaded)
    if hook.loaded and not patch_loaded:
        names = ", ".join(sorted(hook.loaded)[:_SHOWN]) + (", ..." if len(hook.loaded) > _SHOWN else "")
        warnings.warn(
            f"{len(hook.loaded)} modules are loaded already and stay as they are ({names}): install the hook before "
            "they are imported, or with patch_loaded=True",
            EquipWarning,
            stacklevel=2,
        )
    return hook


def as_globs(option: str, given: str | Iterable[str]) -> tuple[str, ...]:
    """One glob of module names, or several. Raises ``ProbeError``."""
    found = tuple(given) if isinstance(given, Iterable) and not isinstance(given, str) else (given,)
    for one in found:
        if not isinstance(one, str) or not is_module_glob(one):
            raise ProbeError(f"{option} is a glob of module names or several, for example 'shop.*', not {one!r}")
    if option == "include" and not found:
        raise ProbeError("include has no glob of module names in it: nothing would be instrumented")
    return found


def _brought_in_by(visitor: Visitor) -> tuple[tuple[Absolute, ...], tuple[str, ...]]:
    """What is known to be spared for a visitor before it has seen any module; relative imports are not yet."""
    code = getattr(visitor, "code", None)
    if isinstance(code, str):
        return tuple(absolute((one for one in snippet_imports(code) if not one[0]), "")), ()
    return brought_in((), "", [code] if callable(code) else [])


def _open_gate(hook: Hook, probe: Gated) -> str | None:
    """Put the gate of a probe where modules find it; its key."""
    source = probe.gate(probe.key)
    if source is None:
        return None
    hook_of = weakref.ref(hook)

    def spent() -> None:
        hook = hook_of()
        if hook is not None:
            hook.retire(cast("Visitor", probe))

    put_gate(probe.key, new_gate(probe.key, source, spent if probe.is_limited else None))
    return probe.key
