"""Private copies of standard library modules, made from their source under names of their own."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
import sysconfig
import types
from collections.abc import Callable, Iterator, Sequence
from types import CodeType

Transform = Callable[[CodeType], CodeType]


class Copies:
    """Compiles modules from source, passes their code through a function, runs them as ``copy_of_NAME``.

    ``without`` names modules that must not be found while that is done: the C accelerators.
    """

    def __init__(self, transform: Transform | None = None) -> None:
        self.transform = transform
        self.codes: dict[str, CodeType] = {}
        "The plain code of each module copied."

    def load(self, *names: str, without: Sequence[str] = ()) -> list[types.ModuleType]:
        codes = [self.code(name) for name in names]
        with _blocked(without), _aliases(names) as modules:
            for code, module in zip(codes, modules, strict=True):
                exec(code, module.__dict__)
        return modules

    def code(self, name: str) -> CodeType:
        path, source = source_of(name)
        plain = compile(source, path, "exec", dont_inherit=True)
        self.codes[name] = plain
        return self.transform(plain) if self.transform else plain


def source_of(name: str) -> tuple[str, str]:
    """The file of a module and its text."""
    spec = importlib.util.find_spec(name)
    assert spec is not None, name
    assert spec.origin is not None, name
    path = spec.origin
    if path == "frozen":
        path = os.path.join(sysconfig.get_path("stdlib"), *name.split(".")) + ".py"
    with open(path, "rb") as stream:
        return path, importlib.util.decode_source(stream.read())


@contextlib.contextmanager
def _blocked(names: Sequence[str]) -> Iterator[None]:
    before = {name: sys.modules.get(name) for name in names}
    sys.modules.update(dict.fromkeys(names))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module


@contextlib.contextmanager
def _aliases(names: Sequence[str]) -> Iterator[list[types.ModuleType]]:
    """Module objects that stay known under their private names only; imports among them find each other."""
    modules = []
    before = {name: sys.modules.get(name) for name in names}
    for name in names:
        spec = importlib.util.find_spec(name)
        assert spec
        module = types.ModuleType(f"copy_of_{name}")
        module.__file__ = spec.origin
        module.__package__ = name if spec.submodule_search_locations else name.rpartition(".")[0]
        if spec.submodule_search_locations:
            module.__path__ = list(spec.submodule_search_locations)
        sys.modules[module.__name__] = module
        modules.append(module)
    try:
        for name, module in zip(names, modules, strict=True):
            sys.modules[name] = module
        yield modules
    finally:
        for name, original in before.items():
            if original is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = original
