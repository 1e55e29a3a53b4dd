"""The import hook: modules are instrumented as they are imported.

One finder serves all hooks. It lets the other finders find a module, and gives its loader a class of its own, derived
from the loader's, whose ``get_code`` returns the instrumented code. So everything else that the loader can do, and
whoever asks for what it is, finds it as before.
"""

from __future__ import annotations

import atexit
import copy
import importlib.machinery
import importlib.util
import sys
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from types import CodeType, FunctionType, ModuleType, TracebackType
from typing import Any, Final, Self, cast

from equip.delivery import live
from equip.delivery.codecache import Cache, Entry
from equip.delivery.gates import drop_gate, new_gate, put_gate
from equip.delivery.patch import Gated, Patch
from equip.delivery.planning import Matching, Portable, Visitor, as_visitors, complaints, run_visitors, warn_of_idle
from equip.delivery.reach import functions_in
from equip.delivery.recursion import snippet_imports
from equip.delivery.where import matches_module
from equip.errors import EquipError, EquipWarning, ProbeError
from equip.program.declarations import ModuleDeclaration
from equip.program.imports import Imported
from equip.program.pyc import running_optimize

_SHOWN = 3
_passing: ContextVar[bool] = ContextVar("equip_passing", default=False)
"""Set while a module that snippets import is loaded: neither it nor what it imports is instrumented."""
_PASSED_OVER = (importlib.machinery.ExtensionFileLoader, importlib.machinery.NamespaceLoader)
_PLAIN = (importlib.machinery.SourceFileLoader, importlib.machinery.SourcelessFileLoader)


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
    ) -> None:
        self.reversible = reversible or any(isinstance(one, Gated) and one.is_limited for one in visitors)
        self._strict = reversible
        self.include, self.exclude = include, exclude
        self.instrumented: list[str] = []
        self.visitors = tuple(_begun(one) for one in visitors)
        self.spared = {name for one in self.visitors for name in _imported_by(one)}
        self._gates = [_open_gate(self, one) for one in self.visitors if isinstance(one, Gated)]
        self._made: dict[str, tuple[Callable[[], CodeType | None], CodeType]] = {}
        self._patches: list[Patch] = []
        self.loaded = tuple(name for name, module in list(sys.modules.items()) if self._is_late(name, module))
        if patch_loaded:
            self._patch_loaded()
        _hooks.append(self)
        if _FINDER not in sys.meta_path:
            sys.meta_path.insert(0, _FINDER)
        atexit.register(self._tell)

    def wants(self, name: str) -> bool:
        """Whether the module with that name is to be instrumented."""
        if name.partition(".")[0] == "equip" or name in self.spared:
            return False
        included = any(matches_module(glob, name) for glob in self.include)
        return included and not any(matches_module(glob, name) for glob in self.exclude)

    @property
    def active(self) -> bool:
        return self in _hooks

    def uninstall(self) -> None:
        """Instrument no more modules, and undo the patches of those that were loaded before.

        Modules that were imported meanwhile stay as they are. Warns of probes without a match.
        """
        if self.active:
            self._close()
            warn_of_idle(self.visitors, 2)

    def _close(self) -> None:
        _hooks.remove(self)
        if not _hooks and _FINDER in sys.meta_path:
            sys.meta_path.remove(_FINDER)
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
        if name == "__main__" and name not in self.include:
            return False
        spec = getattr(module, "__spec__", None)
        is_python = not isinstance(getattr(spec, "loader", None), _PASSED_OVER) and hasattr(module, "__file__")
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
        try:
            patch = Patch(self.visitors, functions)
        except EquipError as error:
            if self._strict:
                raise
            _warn(module.__name__, error)
        else:
            if patch.active:
                self._patches.append(patch)
                self.instrumented.append(module.__name__)

    def note(self, name: str, clean: Callable[[], CodeType | None], code: CodeType) -> None:
        """Remember a module that it has put something into."""
        if name not in self.instrumented:
            self.instrumented.append(name)
        if self.reversible:
            self._made[name] = clean, code

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
        for name, (clean, made) in list(self._made.items()):
            code = clean()
            if code is not None:
                new = self._without_retired(name, code)
                live.replace_tree(code, made, new)
                self._made[name] = clean, new

    def _without_retired(self, name: str, clean: CodeType) -> CodeType:
        visitors = [_begun(one) for hook in _hooks if hook.wants(name) for one in hook.visitors]
        return _make(clean, name, "", visitors, in_memory=True).code or clean


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
    hook = Hook(as_visitors(visitor), _globs("include", include), _globs("exclude", exclude), patch_loaded)
    if hook.loaded and not patch_loaded:
        names = ", ".join(sorted(hook.loaded)[:_SHOWN]) + (", ..." if len(hook.loaded) > _SHOWN else "")
        warnings.warn(
            f"{len(hook.loaded)} modules are loaded already and stay as they are ({names}): install the hook before "
            "they are imported, or with patch_loaded=True",
            EquipWarning,
            stacklevel=2,
        )
    return hook


def _globs(option: str, given: str | Iterable[str]) -> tuple[str, ...]:
    found = (given,) if isinstance(given, str) else tuple(given)
    for one in found:
        if not isinstance(one, str) or not one.strip():
            raise ProbeError(f"{option} is a glob of module names or several, for example 'shop.*', not {given!r}")
    if option == "include" and not found:
        raise ProbeError("include has no glob of module names in it: nothing would be instrumented")
    return found


def _begun(visitor: Visitor) -> Visitor:
    if isinstance(visitor, Matching):
        return visitor.begin(visitor.digest if isinstance(visitor, Portable) else "")
    return visitor


def _imported_by(visitor: Visitor) -> Iterator[str]:
    code = getattr(visitor, "code", None)
    if isinstance(code, str):
        yield from _resolved(snippet_imports(code), "")
    elif code is not None and isinstance(getattr(code, "__module__", None), str):
        yield code.__module__


def _resolved(imports: Iterable[Imported], package: str) -> Iterator[str]:
    """The modules that import statements can mean, the relative ones those of modules in ``package``."""
    for dots, module, names in imports:
        if dots:
            parts = package.split(".")
            module = ".".join([*parts[: len(parts) - dots + 1], *([module] if module else [])])
        yield module
        yield from (f"{module}.{name}" for name in names)


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


# -- finding and loading -------------------------------------------------------------------------------------


class _Finder:
    """Finds what any hook wants, through the other finders."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if _passing.get() or not any(hook.wants(name) or name in hook.spared for hook in _hooks):
            return None
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            if finder is self or find is None:
                continue
            spec: importlib.machinery.ModuleSpec | None = find(name, path, target)
            if spec is not None:
                loader = spec.loader
                if loader is not None and not isinstance(loader, (type, *_PASSED_OVER)):
                    spec.loader = _instrumenting(loader, name)
                return spec
        return None


_hooks: Final[list[Hook]] = []
_FINDER: Final = cast("Any", _Finder())
_classes: dict[type, type] = {}


def _instrumenting(loader: Any, name: str) -> Any:
    """A loader like ``loader`` that instruments; that itself, with a warning, if there can be none."""
    try:
        made = copy.copy(loader)
        if isinstance(loader, importlib.util.LazyLoader):
            made.loader = _instrumenting(cast("Any", loader).loader, name)
        else:
            made.__class__ = _class_for(type(loader))
    except (TypeError, AttributeError, copy.Error) as error:
        _warn(name, error)
        return loader
    return made


def _class_for(base: Any) -> type:
    """A class of loaders like ``base`` that instrument."""
    found = _classes.get(base)
    if found is not None:
        return found

    def get_code(self: Any, fullname: str) -> CodeType | None:
        loading.set(True)
        return _code_for(self, base, fullname, lambda: cast("CodeType | None", base.get_code(self, fullname)))

    def exec_module(self: Any, module: ModuleType) -> None:
        name = module.__name__
        spared = any(name in hook.spared for hook in _hooks)
        marks = [(_passing, _passing.set(_passing.get() or spared)), (loading, loading.set(False))]
        try:
            base.exec_module(self, module)
            took_code = loading.get()
        finally:
            for variable, token in marks:
                variable.reset(token)
        if not took_code and not spared and not _passing.get():
            for hook in _hooks:
                if hook.wants(name):
                    hook.patch(module, *functions_in([module]))  # The loader makes code that nobody can ask for.

    loading: ContextVar[bool] = ContextVar("equip_loading", default=False)
    body: dict[str, Any] = {"exec_module": exec_module, "__module__": base.__module__, "__doc__": base.__doc__}
    if hasattr(base, "get_code"):
        body["get_code"] = get_code
    made = _classes[base] = type(base.__name__, (base,), body)
    made.__qualname__ = base.__qualname__
    return made


def _code_for(loader: Any, base: type, name: str, plain: Callable[[], CodeType | None]) -> CodeType | None:
    """The code of a module: from the cache, or made now; as it is, with a warning, where that fails."""
    hooks = [] if _passing.get() else [hook for hook in _hooks if hook.wants(name)]
    visitors = [one for hook in hooks for one in hook.visitors]
    if not visitors:
        return plain()
    cache = None
    if base in _PLAIN and all(isinstance(one, Portable) and one.is_portable for one in visitors):
        cache = Cache(name, loader.path, [one.digest for one in visitors if isinstance(one, Portable)])
    entry = cache.read() if cache is not None else None
    code: CodeType | None = None
    if entry is None:
        code = plain()
        if code is None:
            return None
        begun = [_begun(one) for one in visitors]
        try:
            package = name if loader.is_package(name) else name.rpartition(".")[0]
            entry = _make(code, name, package, begun, in_memory=cache is None)
        except Exception as error:
            _warn(name, error)
            _recall(visitors, _memories(begun))
            return code
        if cache is not None:
            cache.write(entry)
    _recall(visitors, entry.memories)
    for hook in hooks:
        hook.spared.update(entry.spared)
    if entry.code is None:
        return plain() if code is None else code
    for hook in hooks:
        hook.note(name, plain, entry.code)
    return entry.code


def _make(code: CodeType, name: str, package: str, begun: Sequence[Visitor], *, in_memory: bool) -> Entry:
    """Instrument a module. Raises ``SnippetError``, ``JoinPointError`` and what visitors raise."""
    module = ModuleDeclaration(code, code.co_filename, name, running_optimize(), in_memory=in_memory)
    plan = run_visitors(module, begun)
    imports = (found for each in plan.values() for one in each for found in snippet_imports(one.source))
    return Entry(
        module.injector.inject(plan) if plan else None,
        tuple(dict.fromkeys(_resolved(imports, package))),
        _memories(begun),
    )


def _memories(visitors: Sequence[Visitor]) -> tuple[object, ...]:
    return tuple(one.memory() if isinstance(one, Portable) else None for one in visitors)


def _recall(visitors: Sequence[Visitor], memories: Sequence[object]) -> None:
    for visitor, memory in zip(visitors, memories, strict=True):
        if isinstance(visitor, Portable):
            visitor.recall(memory)


def _warn(name: str, error: Exception) -> None:
    kind = "" if isinstance(error, EquipError) else f"{type(error).__name__}: "
    warnings.warn(f"module {name!r} is imported as it is, without probes: {kind}{error}", EquipWarning, stacklevel=2)
