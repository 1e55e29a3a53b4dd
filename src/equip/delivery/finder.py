"""Finding and loading for import hooks: modules that a hook wants get a loader that instruments.

One finder serves all hooks. It lets the other finders find a module, and gives its loader a class of its own, derived
from the loader's, whose ``get_code`` returns the instrumented code. So everything else that the loader can do, and
whoever asks for what it is, finds it as before.
"""

from __future__ import annotations

import copy
import copyreg
import importlib.machinery
import importlib.util
import sys
import warnings
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from functools import partial
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final, NamedTuple, Protocol, TypeVar, cast

from equip.delivery.codecache import Cache, Entry
from equip.delivery.lookup import OwnFinder
from equip.delivery.planning import Matching, Portable, Visitor, carry_out, run_visitors
from equip.delivery.reach import functions_in
from equip.delivery.spared import Spared, brought_in
from equip.errors import EquipError, EquipWarning
from equip.inject.callables import called
from equip.program.declarations import ModuleDeclaration
from equip.program.pyc import running_optimize

_Function = TypeVar("_Function", bound=Callable[..., Any])
_passing: ContextVar[bool] = ContextVar("equip_passing", default=False)
"""Set while a module that snippets import is loaded: neither it nor what it imports is instrumented."""


class OwnLoader:
    """A loader of equip's own, which is left as it is."""


PASSED_OVER = (importlib.machinery.ExtensionFileLoader, importlib.machinery.NamespaceLoader, OwnLoader)
_PLAIN = (importlib.machinery.SourceFileLoader, importlib.machinery.SourcelessFileLoader)


class MainModule:
    """Which module is about to be run as ``__main__``, so that it goes by that name, too."""

    def __init__(self) -> None:
        self.name = ""
        self.aliases: tuple[str, ...] = ()

    def names_of(self, name: str) -> tuple[str, ...]:
        """The names that a module goes by."""
        is_main = self.name and name in (self.name, f"{self.name}.__main__")
        return (name, *self.aliases, "__main__") if is_main else (name,)

    def forget(self, name: str, is_package: Callable[[str], bool] = lambda _: False) -> tuple[str, ...]:
        """The other names of the module if it is the main one, whose code is taken now; what comes later is not."""
        aliases = self.names_of(name)[1:]
        if name == self.name and is_package(name):
            return ()  # what is run of a package is the module ``__main__`` in it
        if aliases:
            self.name, self.aliases = "", ()
        return aliases


main_module: Final = MainModule()


class Made(NamedTuple):
    """What was put into a module when it was imported: how to get its code without that, its code with it, the hooks
    that asked, its other names."""

    clean: Callable[[], CodeType | None]
    code: CodeType
    asked: tuple[Wanting, ...]
    aliases: tuple[str, ...]


class Wanting(Protocol):
    """A hook, as far as finding and loading need it."""

    visitors: tuple[Visitor, ...]
    spared: Spared

    def wants(self, name: str) -> bool:
        """Whether the module with that name is to be instrumented."""

    def note(self, name: str, made: Made) -> None:
        """Remember a module that it has put something into."""

    def patch(self, module: ModuleType, functions: Sequence[FunctionType]) -> None:
        """Patch a module whose loader makes code that nobody can ask for."""


hooks: Final[list[Wanting]] = []
"""The hooks at work, in the order in which they were installed."""
_IMPORTLIB: Final = "<frozen importlib._bootstrap_external>"


def _of_importlib(function: _Function) -> _Function:
    """A function between those of ``importlib``: tracebacks leave it out as they do these, by their file name.

    They leave out only what follows one another, so without that all of them would be there.
    """
    plain = cast("FunctionType", function)
    plain.__code__ = plain.__code__.replace(co_filename=_IMPORTLIB)
    return function


def add(hook: Wanting) -> None:
    """Have a hook asked for each module from now on."""
    hooks.append(hook)
    if FINDER not in sys.meta_path:
        sys.meta_path.insert(0, FINDER)


def remove(hook: Wanting) -> None:
    """Ask a hook no more."""
    hooks.remove(hook)
    if not hooks and FINDER in sys.meta_path:
        sys.meta_path.remove(FINDER)


class _Finder(OwnFinder):
    """Finds what any hook wants, through the other finders."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        self._come_first()
        if _passing.get() or not any(hook.wants(name) or name in hook.spared for hook in hooks):
            return None
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            if finder is self or find is None:
                continue
            spec: importlib.machinery.ModuleSpec | None = find(name, path, target)
            if spec is not None:
                loader = spec.loader
                if loader is not None and not isinstance(loader, (type, *PASSED_OVER)):
                    spec.loader = _instrumenting(loader, name)
                return spec
        return None

    def _come_first(self) -> None:
        """Go before finders that were put in front meanwhile, such as that of pytest: they would be asked alone."""
        path = sys.meta_path
        if self in path[1:]:
            path.insert(0, cast("Any", self))
            del path[path.index(cast("Any", self), 1)]  # Only now: whoever goes through the list must meet one.


FINDER: Final = cast("Any", _Finder())
_classes: dict[type, type] = {}


def _instrumenting(loader: Any, name: str) -> Any:
    """A loader like ``loader`` that instruments; that itself, with a warning, if there can be none."""
    if type(loader) in _classes.values():  # found by a finder that asks all finders
        return loader
    try:
        if not hasattr(loader, "exec_module"):
            raise TypeError("its loader has no exec_module")
        made = copy.copy(loader)
        if isinstance(loader, importlib.util.LazyLoader):
            made.loader = _instrumenting(cast("Any", loader).loader, name)
        else:
            made.__class__ = _class_for(type(loader))
    except (TypeError, AttributeError, copy.Error) as error:
        warn_of_import(name, error)
        return loader
    return made


def _is_package(loader: Any, name: str) -> bool:
    try:
        return bool(loader.is_package(name))
    except (AttributeError, ImportError):
        return False


def _class_for(base: Any) -> type:
    """A class of loaders like ``base`` that instrument."""
    found = _classes.get(base)
    if found is not None:
        return found

    @_of_importlib
    def get_code(self: Any, fullname: str) -> CodeType | None:
        loading.set(True)
        return _code_for(self, base, fullname, partial(base.get_code, self, fullname))

    @_of_importlib
    def exec_module(self: Any, module: ModuleType) -> None:
        name = module.__name__
        spared = any(name in hook.spared for hook in hooks)
        marks = [(_passing, _passing.set(_passing.get() or spared)), (loading, loading.set(False))]
        try:
            base.exec_module(self, module)
            took_code = loading.get()
        finally:
            for variable, token in marks:
                variable.reset(token)
        if not took_code and not spared and not _passing.get():
            for hook in hooks:
                if hook.wants(name):
                    hook.patch(module, *functions_in([module]))  # The loader makes code that nobody can ask for.

    def __reduce_ex__(self: Any, protocol: Any) -> Any:
        """What is pickled or copied is a loader of the class that was there before."""
        reduced = base.__reduce_ex__(self, protocol)
        if isinstance(reduced, str):
            return reduced
        how, given, *rest = reduced
        how = base if how is made else how
        if how is copyreg.__newobj__:  # type: ignore[attr-defined]  # which pickle lets make the object's own class only
            how = base.__new__
        return (how, tuple(base if one is made else one for one in given), *rest)

    loading: ContextVar[bool] = ContextVar("equip_loading", default=False)
    body: dict[str, Any] = {"exec_module": exec_module, "__reduce_ex__": __reduce_ex__}
    if hasattr(base, "get_code"):
        body["get_code"] = get_code
    body |= {"__module__": base.__module__, "__doc__": base.__doc__}
    made = _classes[base] = type(base.__name__, (base,), body)
    made.__qualname__ = base.__qualname__
    return made


@_of_importlib
def _code_for(loader: Any, base: type, name: str, plain: Callable[[], CodeType | None]) -> CodeType | None:
    """The code of a module: from the cache, or made now; as it is, with a warning, where that fails."""
    asking = [] if _passing.get() else [hook for hook in hooks if hook.wants(name)]
    aliases = main_module.forget(name, partial(_is_package, loader))
    code = None
    while any(hook.visitors for hook in asking):
        code, entry = _made(loader, base, name, plain, [one for hook in asking for one in hook.visitors], aliases)
        if entry is None:
            return code
        if not _learnt(asking, name, entry):
            return _taken_in(asking, name, aliases, plain, entry) or code or plain()
        asking = [hook for hook in asking if name not in hook.spared]
    return code or plain()


@_of_importlib
def _made(
    loader: Any,
    base: type,
    name: str,
    plain: Callable[[], CodeType | None],
    visitors: Sequence[Visitor],
    aliases: tuple[str, ...],
) -> tuple[CodeType | None, Entry | None]:
    """A module as it is, if it had to be loaded, and what the visitors make of it; None if they cannot, or need not."""
    cache = None
    if base in _PLAIN and not aliases and all(isinstance(one, Portable) and one.is_portable for one in visitors):
        cache = Cache(name, loader.path, [one.digest for one in visitors if isinstance(one, Portable)])
    entry = cache.read() if cache is not None else None
    if entry is not None:
        return None, entry
    code = plain()
    if code is None:
        return None, None
    begun = [begun_for_imports(one) for one in visitors]
    try:
        package = name if loader.is_package(name) else name.rpartition(".")[0]
        entry = make_entry(code, name, package, begun, in_memory=cache is None, aliases=aliases)
        if cache is not None and cache.is_writing and entry.code is not None:
            _verify(entry.code, code)
    except Exception as error:
        warn_of_import(name, error)
        _recall(visitors, _memories(begun))
        return code, None
    if cache is not None:
        cache.write(entry)
    return code, entry


def _verify(made: CodeType, code: CodeType) -> None:
    token = _passing.set(True)  # What is imported here would be verified before the verifier is there.
    try:
        from equip.delivery.emission import verify_made
    finally:
        _passing.reset(token)
    verify_made(made, code)


def _learnt(asking: Sequence[Wanting], name: str, entry: Entry) -> bool:
    """Whether the snippets for a module import that itself, or what imports it: it is to be left alone, then."""
    for hook in asking:
        hook.spared.add(entry.imports, entry.homes)
    return any(name in hook.spared for hook in asking)


def _taken_in(
    asking: Sequence[Wanting],
    name: str,
    aliases: tuple[str, ...],
    plain: Callable[[], CodeType | None],
    entry: Entry,
) -> CodeType | None:
    """What was made for the hooks that asked; they get to know what came of it."""
    _recall([one for hook in asking for one in hook.visitors], entry.memories)
    if entry.code is not None:
        made = Made(plain, entry.code, tuple(asking), aliases)
        for hook in asking:
            hook.note(name, made)
    return entry.code


def instrumented_main(code: CodeType, names: tuple[str, ...]) -> CodeType:
    """The code of a script that no loader has loaded, ``names`` being what it is called elsewhere.

    Raises ``SnippetError``, ``JoinPointError`` and what visitors raise.
    """
    name = names[0]
    main_module.name, main_module.aliases = name, names[1:]
    asking = [hook for hook in hooks if hook.wants(name)]
    aliases = main_module.forget(name)
    while any(hook.visitors for hook in asking):
        begun = [begun_for_imports(one) for hook in asking for one in hook.visitors]
        entry = make_entry(code, name, "", begun, in_memory=True, aliases=aliases)
        if not _learnt(asking, name, entry):
            return _taken_in(asking, name, aliases, lambda: code, entry) or code
        asking = [hook for hook in asking if name not in hook.spared]
    return code


def make_entry(
    code: CodeType,
    name: str,
    package: str,
    begun: Sequence[Visitor],
    *,
    in_memory: bool,
    aliases: tuple[str, ...] = (),
) -> Entry:
    """Instrument a module. Raises ``SnippetError``, ``JoinPointError`` and what visitors raise."""
    module = ModuleDeclaration(code, code.co_filename, name, running_optimize(), in_memory=in_memory, aliases=aliases)
    callables: list[Callable[..., Any]] = []
    token = called.set(callables)
    try:
        plan = run_visitors(module, begun)
    finally:
        called.reset(token)
    imports, homes = brought_in((one.source for each in plan.values() for one in each), package, callables)
    return Entry(carry_out(module, plan) if plan else None, imports, homes, _memories(begun))


def begun_for_imports(visitor: Visitor) -> Visitor:
    if isinstance(visitor, Matching):
        return visitor.begin(visitor.digest if isinstance(visitor, Portable) else "")
    return visitor


def _memories(visitors: Sequence[Visitor]) -> tuple[object, ...]:
    return tuple(one.memory() if isinstance(one, Portable) else None for one in visitors)


def _recall(visitors: Sequence[Visitor], memories: Sequence[object]) -> None:
    for visitor, memory in zip(visitors, memories, strict=True):
        if isinstance(visitor, Portable):
            visitor.recall(memory)


def warn_of_import(name: str, error: Exception) -> None:
    kind = "" if isinstance(error, EquipError) else f"{type(error).__name__}: "
    warnings.warn(f"module {name!r} is imported as it is, without probes: {kind}{error}", EquipWarning, stacklevel=2)
