"""Looking at compiled files (``status``), and bringing the clean ones back (``restore``)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from equip.delivery.report import FileReport, Report
from equip.errors import PycError
from equip.program import atomic, pyc, record
from equip.program.tree import Location, ModuleFile, Tree, find_modules, iter_cached

State = Literal["clean", "instrumented", "stale", "not ours"]


@dataclass(frozen=True, slots=True)
class FileState:
    """What a compiled file is.

    ``clean``: nothing of equip's in it, or not compiled yet. ``instrumented``: with ``probes``. ``stale``: it was
    instrumented, and the source has changed since, so the import system compiles it anew, or has done so.
    ``not ours``: of another Python, damaged, or no compiled file; ``reason`` says which.
    """

    path: str
    pyc: str
    state: State
    probes: tuple[record.ProbeRecord, ...] = ()
    reason: str = ""

    def __str__(self) -> str:
        shown = f"{self.state}: {self.pyc}"
        if self.probes:
            shown += f" [{record.names_of(self.probes)}]"
        return f"{shown}: {self.reason}" if self.reason else shown


def status(paths: Location | Iterable[Location]) -> tuple[FileState, ...]:
    """The state of each compiled file below ``paths``, of any optimisation level, in the order of the tree."""
    tree = find_modules(paths)
    found = [FileState(one.path, one.path, "not ours", (), one.reason) for one in tree.passed if one.fault]
    for path, file in _compiled_files(tree):
        state = _state_of(path, file)
        if state is not None:
            found.append(state)
    return tuple(found)


def _compiled_files(tree: Tree) -> Iterator[tuple[str, ModuleFile | None]]:
    """Each compiled file of a tree with its module; None for those whose source is gone."""
    seen: set[str] = set()
    for file in tree.modules:
        for path in iter_cached(file):
            if path not in seen:
                seen.add(path)
                yield path, file
    for folder in tree.folders:
        for path in _orphans(folder):
            if path not in seen:
                seen.add(path)
                yield path, None


def _orphans(folder: str) -> list[str]:
    """Compiled files with a kept original in and for a folder."""
    found = []
    for place in (folder, os.path.dirname(pyc.cache_path(os.path.join(folder, "x.py"), 0))):
        try:
            names = sorted(os.listdir(place))
        except OSError:
            continue
        found += [os.path.join(place, name.removesuffix(".equip")) for name in names if name.endswith(".pyc.equip")]
    return found


def _state_of(path: str, file: ModuleFile | None) -> FileState | None:
    shown = file.path if file is not None else path
    try:
        data = pyc.read_file(path)
    except PycError as error:
        if os.path.lexists(path):
            return FileState(shown, path, "not ours", (), str(error).removeprefix(f"{path}: "))
        if os.path.lexists(record.kept_path(path)):
            return FileState(shown, path, "stale", (), "the compiled file is gone, its original is still kept")
        return FileState(shown, path, "clean", (), "not compiled yet")
    try:
        trailer = record.find_trailer(path, data)
        probes = trailer.probes if trailer is not None else ()
        fault = pyc.find_header_fault(data)
        if fault:
            return FileState(shown, path, "not ours", probes, fault)
        return _state_of_ours(path, shown, data, probes, file)
    except PycError as error:
        return FileState(shown, path, "not ours", (), str(error).removeprefix(f"{path}: "))


def _state_of_ours(
    path: str, shown: str, data: bytes, probes: tuple[record.ProbeRecord, ...], file: ModuleFile | None
) -> FileState:
    """The state of a file with a good header. Raises ``PycError`` if the rest is not good."""
    pyc.decode_pyc(path, data)
    changed = _find_change(data, file)
    if probes:
        if changed:
            return FileState(shown, path, "stale", probes, f"{changed}: Python will compile it anew")
        return FileState(shown, path, "instrumented", probes)
    kept = record.find_kept(path)
    if kept is not None and kept.original != data:
        gone = record.probes_of(kept.plans[-1]) if kept.plans else ()
        return FileState(shown, path, "stale", gone, "Python has compiled it anew: these are no longer in it")
    return FileState(shown, path, "clean", (), f"{changed}: Python will compile it anew" if changed else "")


def _find_change(data: bytes, file: ModuleFile | None) -> str | None:
    if file is None or file.source is None:
        return None
    try:
        return pyc.find_staleness(data, file.source)
    except OSError:
        return None


# -- restoring ------------------------------------------------------------------------------------


def restore(paths: Location | Iterable[Location]) -> Report:
    """Bring back the clean compiled files below ``paths``, byte for byte, and remove what was kept beside them.

    Files of other optimisation levels and of other Pythons are restored, too: their bytes are kept as they were.
    """
    tree = find_modules(paths)
    outcomes = []
    for path, file in _compiled_files(tree):
        if not os.path.lexists(path) and not os.path.lexists(record.kept_path(path)):
            continue
        try:
            with atomic.locked(os.path.dirname(path)):
                outcomes.append(_restore(path, file))
        except OSError as error:
            reason = f"cannot be written ({error.strerror or error}): make its folder writable, or free space"
            outcomes.append(_outcome(path, file, "refused", reason))
        except PycError as error:
            outcomes.append(_outcome(path, file, "refused", str(error).removeprefix(f"{path}: ")))
    outcomes += [FileReport(one.path, None, "refused" if one.fault else "skipped", one.reason) for one in tree.passed]
    return Report(tuple(outcomes))


def _outcome(
    path: str, file: ModuleFile | None, outcome: Literal["restored", "unchanged", "refused"], reason: str = ""
) -> FileReport:
    shown, name = (file.path, file.module_name) if file is not None else (path, "")
    return FileReport(shown, path, outcome, reason, name, (), outcome == "restored")


def _restore(path: str, file: ModuleFile | None) -> FileReport:
    """Restore one file. Its folder is locked. Raises ``PycError`` if its original is lost, and ``OSError``."""
    atomic.remove_leftovers(path)
    if not os.path.lexists(path):
        atomic.remove_file(record.kept_path(path))
        return _outcome(path, file, "unchanged", "the compiled file is gone; what was kept of it was removed")
    data = pyc.read_file(path)
    trailer = record.find_trailer(path, data)
    if trailer is None:
        if not atomic.remove_file(record.kept_path(path)):
            return _outcome(path, file, "unchanged", "clean")
        return _outcome(path, file, "unchanged", "already clean; a stale original beside it was removed")
    original = _find_original(path, trailer)
    if original is not None:
        record.write_clean(path, original)
        return _outcome(path, file, "restored")
    if file is None or file.source is None:
        raise PycError(
            f"{path}: its original, {record.kept_path(path)}, is lost, and there is no source to compile: "
            "bring back the file, or install the module anew"
        )
    atomic.remove_file(path)
    atomic.remove_file(record.kept_path(path))
    return _outcome(path, file, "restored", "its original is lost: it was removed, and Python will compile it anew")


def _find_original(path: str, trailer: record.Trailer) -> bytes | None:
    try:
        kept = record.find_kept(path)
    except PycError:
        return None
    return kept.original if kept is not None and record.digest(kept.original) == trailer.original else None
