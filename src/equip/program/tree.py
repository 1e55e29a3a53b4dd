"""The Python files of a program: which there are below the paths given, what their modules are called.

The order is stable: paths as given, folders before their contents in the order of their names.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from equip.errors import PycError
from equip.program import pyc
from equip.program.atomic import real_file
from equip.program.record import KEPT_SUFFIX, kept_path

CACHE_FOLDER: Final = "__pycache__"
EMPTY: Final = "no Python files in this folder"
_KEPT: Final = ".pyc" + KEPT_SUFFIX
_INSTALLED: Final = ("site-packages", "dist-packages")


@dataclass(frozen=True, slots=True)
class ModuleFile:
    """A module and the compiled file that the import system uses for it.

    ``source`` is None where there is only the compiled file. ``optimize`` is the level that the compiled file is
    of. ``named`` says that the file itself was asked for, not a folder around it. ``aliases`` are names that it has
    if the folders around it are packages, or none, other than they look (``namespace_names``). Paths are absolute.
    """

    source: str | None
    pyc: str
    module_name: str
    optimize: int
    named: bool = False
    aliases: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """The file that a person knows: the source where there is one."""
        return self.source or self.pyc


@dataclass(frozen=True, slots=True)
class Passed:
    """A path that is no module to instrument, and why. ``fault`` says that it was named and cannot be used."""

    path: str
    reason: str
    fault: bool


@dataclass(frozen=True, slots=True)
class Tree:
    """What was found below some paths."""

    modules: tuple[ModuleFile, ...]
    passed: tuple[Passed, ...]
    folders: tuple[str, ...] = ()


Location = str | os.PathLike[str]


def find_modules(paths: Location | Iterable[Location], levels: tuple[int, ...] | None = None) -> Tree:
    """The modules below ``paths``, one entry for each optimisation level of ``levels`` (the running one)."""
    search = _Search(levels or (pyc.running_optimize(),))
    for path in [paths] if isinstance(paths, (str, bytes, os.PathLike)) else paths:
        search.add(absolute(path))
    return Tree(tuple(search.modules.values()), tuple(search.passed.values()), tuple(search.folders))


def absolute(path: Location) -> str:
    """A path that a user has given, as a report names it; an empty one, which names nothing, stays empty.

    Raises ``TypeError`` for what is no path.
    """
    text = os.fspath(path) if isinstance(path, os.PathLike) else path
    if not isinstance(text, str):
        raise TypeError(f"a path is text, or an os.PathLike of text, not {path!r}")
    return os.path.abspath(text) if text else ""


class _Search:
    """Collects modules (one for each compiled file) and what was passed by, each once."""

    def __init__(self, levels: tuple[int, ...]) -> None:
        self.levels = levels
        self.modules: dict[str, ModuleFile] = {}
        self.passed: dict[str, Passed] = {}
        self.seen_folders: set[tuple[int, int]] = set()
        self.folders: list[str] = []
        self.is_package = functools.cache(_is_package)

    def add(self, path: str) -> None:
        if os.path.isdir(path):
            before, folders = len(self.modules), len(self.seen_folders)
            self._add_folder(path, root=path)
            new = len(self.seen_folders) > folders
            if new and len(self.modules) == before and path not in self.passed:
                self._pass(path, EMPTY, fault=True)
        elif path.endswith(".pyc") and not os.path.lexists(path) and os.path.lexists(kept_path(path)):
            self._add_named_pyc(path)
        elif not os.path.lexists(path):
            self._pass(path, "no such file or folder: check the path", fault=True)
        elif not os.path.isfile(path):
            self._pass(path, "neither a file nor a folder (a broken link, or a device)", fault=True)
        elif path.endswith(".py"):
            self._add_source(path, root=os.path.dirname(path), named=True)
        elif path.endswith(".pyc"):
            self._add_named_pyc(path)
        else:
            self._pass(
                path,
                "not a .py or .pyc file: Python has no compiled form of it to rewrite (a script without suffix is "
                "compiled at each start; move its code into a module)",
                fault=True,
            )

    def _pass(self, path: str, reason: str, fault: bool = False) -> None:
        self.passed.setdefault(path, Passed(path, reason, fault))

    def _add_folder(self, folder: str, root: str) -> None:
        try:
            status = os.stat(folder)
            if (status.st_dev, status.st_ino) in self.seen_folders:
                return
            self.seen_folders.add((status.st_dev, status.st_ino))
            self.folders.append(folder)
            with os.scandir(folder) as scan:
                entries = sorted(scan, key=lambda entry: (entry.is_symlink(), entry.name))
        except OSError as error:
            self._pass(folder, f"cannot be looked into ({error.strerror or error})", fault=True)
            return
        names = {entry.name for entry in entries}
        for entry in entries:
            self._add_entry(entry, names, root)

    def _add_entry(self, entry: os.DirEntry[str], names: set[str], root: str) -> None:
        name, path = entry.name, entry.path
        if entry.is_dir():
            if name == CACHE_FOLDER:
                return
            if name.startswith("."):
                self._pass(path, "hidden folders are passed by: name it to have it instrumented")
            elif os.path.exists(os.path.join(path, "pyvenv.cfg")):
                self._pass(path, "virtual environments are passed by: name it to have it instrumented")
            else:
                self._add_folder(path, root)
        elif not entry.is_file():
            return
        elif name.endswith(".py"):
            self._add_source(path, root)
        elif name.endswith(".pyc"):
            if name[:-1] in names:
                self._pass(path, f"Python imports {name[:-1]} beside it, and never this file")
            else:
                self._add_pyc(path, root, pyc.running_optimize())

    def _add_source(self, path: str, root: str, named: bool = False) -> None:
        name, aliases = self._names(path, root)
        for level in self.levels:
            try:
                compiled = pyc.cache_path(path, level)
            except PycError as error:
                self._pass(path, str(error), fault=True)
                return
            self.modules.setdefault(compiled, ModuleFile(path, compiled, name, level, named, aliases))

    def _add_pyc(self, path: str, root: str, level: int) -> None:
        name, aliases = self._names(path, root)
        self.modules.setdefault(path, ModuleFile(None, path, name, level, aliases=aliases))

    def _names(self, path: str, root: str) -> tuple[str, tuple[str, ...]]:
        name = module_name(path, root, self.is_package)
        return name, namespace_names(path, root, name, self.is_package)

    def _add_named_pyc(self, path: str) -> None:
        """A compiled file that was named: in a cache folder it stands for its source."""
        folder = os.path.dirname(path)
        if os.path.basename(folder) != CACHE_FOLDER and not sys.pycache_prefix:
            self._add_pyc(path, folder, pyc.running_optimize())
            return
        source = find_source(path)
        if source is None and os.path.basename(folder) != CACHE_FOLDER:
            self._add_pyc(path, folder, pyc.running_optimize())
        elif source is None:
            self._pass(path, "its source is gone, or it is of another Python: this Python never loads it", fault=True)
        else:
            name, aliases = self._names(source, os.path.dirname(source))
            self.modules.setdefault(path, ModuleFile(source, path, name, level_of(path), aliases=aliases))


def find_source(cached: str) -> str | None:
    """The source of a file in the cache of this interpreter, None if there is none or it is another's."""
    folder, name = os.path.split(cached)
    stem = name.split(".")[0]
    if sys.pycache_prefix and folder.startswith(os.path.abspath(sys.pycache_prefix) + os.sep):
        beside = os.sep + os.path.relpath(folder, os.path.abspath(sys.pycache_prefix))
    else:
        beside = os.path.dirname(folder)
    # Not importlib's source_from_cache: a module's name may have dots in it, and the tag must be ours.
    for level in (0, 1, 2):
        tail = os.path.basename(pyc.cache_path(os.path.join(beside, "x.py"), level))[1:]
        if name.endswith(tail):
            stem = name[: -len(tail)]
            source = os.path.join(beside, stem + ".py")
            if os.path.isfile(source):
                return source
    return None


def find_cached_source(compiled: str, file: ModuleFile | None) -> str | None:
    """The source that Python keeps a compiled file of, and compiles anew if need be; None if there is none.

    For a link that is the source of the file behind it, which may be another one, or have none.
    """
    real = real_file(compiled)
    if real == compiled:
        return None if file is None else file.source
    return find_source(real) if os.path.basename(os.path.dirname(real)) == CACHE_FOLDER else None


def find_origin(compiled: str, file: ModuleFile | None) -> str | None:
    """The source that a compiled file can be compiled from, None if there is none.

    That is also one in the same folder, although Python never looks at both.
    """
    beside = real_file(compiled).removesuffix("c")
    is_beside = beside.endswith(".py") and os.path.isfile(beside)
    return find_cached_source(compiled, file) or (beside if is_beside else None)


def level_of(cached: str) -> int:
    """The optimisation level that the name of a cached file tells."""
    part = cached.removesuffix(".pyc").rpartition(".")[2]
    return int(part[4:]) if part in ("opt-1", "opt-2") else 0


# -- module names ---------------------------------------------------------------------------------


def module_name(path: str, root: str, is_package: Callable[[str], bool] | None = None) -> str:
    """What the module in ``path`` is imported as. ``is_package`` says whether a folder has an ``__init__``.

    The packages around it give the name; a folder without ``__init__`` inside a package is part of it. Below
    ``site-packages``, and below a ``root`` folder that is in no package, folders without ``__init__`` count as
    namespace packages.
    """
    folder, stem = os.path.dirname(path), os.path.splitext(os.path.basename(path))[0]
    top, packages = _packages_around(folder, is_package or _is_package)
    namespace = _namespace(top, root, regular=bool(packages))
    return ".".join([*namespace, *packages, *([] if stem == "__init__" else [stem])]) or stem


def script_names(path: str) -> tuple[str, ...]:
    """What a script is called: as a module, and as one that is looked for in its own folder, as it is when it runs."""
    path = os.path.abspath(path)
    name = module_name(path, os.path.dirname(path))
    return tuple(dict.fromkeys((name, os.path.splitext(os.path.basename(path))[0])))


def _packages_around(folder: str, is_package: Callable[[str], bool]) -> tuple[str, list[str]]:
    """The names of the folders from the outermost package down to ``folder``, and the folder around them."""
    top, packages, between = folder, list[str](), list[str]()
    parent, name = os.path.split(folder)
    while name:
        between.insert(0, name)
        if is_package(folder):
            top, packages, between = parent, [*between, *packages], []
        elif not name.isidentifier():
            break
        folder = parent
        parent, name = os.path.split(folder)
    return top, packages


def _namespace(top: str, root: str, regular: bool) -> list[str]:
    """The names of the folders above ``top`` that are namespace packages."""
    folders = top.split(os.sep)
    for installed in _INSTALLED:
        if installed in folders:
            below = folders[len(folders) - folders[::-1].index(installed) :]
            return below if all(name.isidentifier() for name in below) else []
    if regular or not (top + os.sep).startswith(root.rstrip(os.sep) + os.sep):
        return []
    below = [name for name in top[len(root) :].split(os.sep) if name]
    return below if all(name.isidentifier() for name in below) else []


def namespace_names(
    path: str, root: str, name: str, is_package: Callable[[str], bool] | None = None
) -> tuple[str, ...]:
    """What else than ``name`` the module can be imported as.

    That is as if ``root``, or a folder below, is a namespace package; and as if what is around the folders with an
    ``__init__`` nearest to it is where modules are looked for.
    """
    found = []
    parts = _parts(os.path.relpath(path, os.path.dirname(root)))
    if all(part.isidentifier() for part in parts):
        found += [".".join(parts[start:]) for start in range(min(2, len(parts)))]
    folder, nearest = os.path.dirname(path), _parts(os.path.basename(path))
    while (is_package or _is_package)(folder) and os.path.basename(folder):
        nearest.insert(0, os.path.basename(folder))
        folder = os.path.dirname(folder)
    if folder != os.path.dirname(path):
        found.append(".".join(nearest))
    return tuple(one for one in dict.fromkeys(found) if one and one != name)


def longer_and_shorter_names(file: ModuleFile) -> tuple[list[str], list[str]]:
    """What else a module may be imported as, if modules are looked for further up, or further down, than its name says.

    Further down is below folders that are no packages, and where its aliases begin.
    """
    longer: list[str] = []
    shorter: list[str] = []
    own = file.module_name.count(".") + 1
    parts = _parts(file.path)
    for count in range(1, len(parts)):
        if not parts[-count].isidentifier():
            break
        name = ".".join(parts[-count:])
        if count > own:
            longer.append(name)
        elif count < own and (name in file.aliases or not _is_package(os.sep.join(parts[:-count]))):
            shorter.append(name)
    return longer, shorter


def is_installed(path: str) -> bool:
    """Whether a path is where libraries are installed."""
    return any(installed in path.split(os.sep) for installed in _INSTALLED)


def stem_of(path: str) -> str:
    """The file of a module without suffix, the folder of a package."""
    return os.sep.join(_parts(path))


def _parts(path: str) -> list[str]:
    """The parts of a path that can be those of a module's name."""
    parts = path.rpartition(".")[0].split(os.sep)
    return parts[:-1] if parts[-1] == "__init__" else parts


def _is_package(folder: str) -> bool:
    return any(os.path.isfile(os.path.join(folder, "__init__" + suffix)) for suffix in (".py", ".pyc"))


def iter_cached(module: ModuleFile) -> Iterator[str]:
    """The compiled files of a module that exist or are kept, of any Python and level; its own first."""
    yield module.pyc
    if module.source is None:
        return
    folder = os.path.dirname(module.pyc)
    stem = os.path.basename(module.source).removesuffix(".py") + "."
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return
    found = dict.fromkeys(name.removesuffix(KEPT_SUFFIX) for name in names if name.startswith(stem))
    for name in found:
        path = os.path.join(folder, name)
        middle = name.removeprefix(stem).removesuffix(".pyc").split(".")
        is_own = len(middle) == 1 or (len(middle) == 2 and middle[1].startswith("opt-"))
        if name.endswith(".pyc") and path != module.pyc and is_own:
            yield path


@dataclass(frozen=True, slots=True)
class Compiled:
    """The compiled files below some paths, also those that are gone and of which the original is kept.

    Each with its module, None where the source is gone. ``passed`` are paths without any.
    """

    files: tuple[tuple[str, ModuleFile | None], ...]
    passed: tuple[Passed, ...]


def find_compiled(paths: Location | Iterable[Location]) -> Compiled:
    """The compiled files below ``paths``, of any optimisation level and Python, in the order of the tree."""
    tree = find_modules(paths)
    found: dict[str, ModuleFile | None] = {}
    for file in tree.modules:
        for path in iter_cached(file):
            found.setdefault(path, file)
    inhabited = []
    for folder in tree.folders:
        orphans = _orphans(folder)
        if orphans:
            inhabited.append(folder + os.sep)
        for path in orphans:
            found.setdefault(path, None)
    passed = []
    for one in tree.passed:
        if one.path.endswith(".pyc") and os.path.lexists(kept_path(one.path)):
            found.setdefault(one.path, None)
        elif one.reason != EMPTY or not any(folder.startswith(one.path + os.sep) for folder in inhabited):
            passed.append(one)
    return Compiled(tuple(found.items()), tuple(passed))


def _orphans(folder: str) -> list[str]:
    """Compiled files with a kept original in and for a folder."""
    found = []
    for place in (folder, os.path.dirname(pyc.cache_path(os.path.join(folder, "x.py"), 0))):
        try:
            names = sorted(os.listdir(place))
        except OSError:
            continue
        found += [os.path.join(place, name.removesuffix(KEPT_SUFFIX)) for name in names if name.endswith(_KEPT)]
    return found
