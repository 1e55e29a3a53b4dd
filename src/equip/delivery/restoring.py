"""Bringing the clean compiled files back (``restore``).

What is kept of a file is removed when its original is in place again, or when there is a source and Python compiles
it anew, or has done so. Where the kept file may be the only copy of anything, it stays until then:

================================  =====================================  =========================================
the compiled file                 without a source                       with a source
================================  =====================================  =========================================
instrumented                      the original is written back           the original is written back
the same, its original is lost    refused                                removed: Python compiles it anew
damaged                           the original is written back           the same if valid for the source, or refused
gone                              the original is written back           nothing: Python compiles it anew
another one than equip wrote      refused                                nothing: Python has compiled it anew
================================  =====================================  =========================================

``record`` says what is what. A file of another Python cannot be looked into: its bytes are put back as they were.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Literal

from equip.delivery.report import FileReport, Report
from equip.errors import PycError
from equip.program import atomic, pyc, record
from equip.program.tree import Location, ModuleFile, find_cached_source, find_compiled, find_origin


def restore(paths: Location | Iterable[Location]) -> Report:
    """Bring back the clean compiled files below ``paths``, byte for byte, and remove what was kept beside them.

    Files of other optimisation levels and of other Pythons are restored, too: their bytes are kept as they were.
    """
    compiled = find_compiled(paths)
    outcomes = []
    for path, file in compiled.files:
        if not os.path.lexists(path) and not os.path.lexists(record.kept_path(path)):
            continue
        try:
            with atomic.locked(os.path.dirname(atomic.real_file(path))):
                outcomes.append(_restore(path, file))
        except OSError as error:
            reason = f"cannot be written ({error.strerror or error}): make its folder writable, or free space"
            outcomes.append(_outcome(path, file, "refused", reason))
        except PycError as error:
            outcomes.append(_outcome(path, file, "refused", str(error).removeprefix(f"{path}: ")))
    passed = [FileReport(one.path, None, "refused" if one.fault else "skipped", one.reason) for one in compiled.passed]
    return Report((*outcomes, *passed))


def _outcome(
    path: str, file: ModuleFile | None, outcome: Literal["restored", "unchanged", "refused"], reason: str = ""
) -> FileReport:
    shown, name = (file.path, file.module_name) if file is not None else (path, "")
    return FileReport(shown, path, outcome, reason, name, (), outcome == "restored")


def _restore(name: str, file: ModuleFile | None) -> FileReport:
    """Restore one file. Its folder is locked. Raises ``PycError`` if its original is lost, and ``OSError``."""
    path = atomic.real_file(name)
    atomic.remove_leftovers(path)
    if not os.path.lexists(path):
        return _restore_missing(name, path, file)
    data = pyc.read_file(path)
    try:
        trailer = record.find_trailer(path, data)
        has_remains = trailer is None and _has_remains(path, data)
    except PycError:
        original = record.find_original(path, find_cached_source(name, file))
        if original is None:
            raise
        record.write_clean(path, original)
        return _outcome(name, file, "restored", "it was damaged")
    if trailer is not None:
        original = _find_original_of(path, trailer)
    elif has_remains:
        original = record.find_original(path, find_cached_source(name, file))
    else:
        return _restore_another(name, path, file, data)
    if original is None:
        return _restore_lost(name, path, file)
    record.write_clean(path, original)
    return _outcome(name, file, "restored")


def _restore_missing(name: str, path: str, file: ModuleFile | None) -> FileReport:
    kept_at = record.kept_path(path)
    if find_cached_source(name, file) is not None:
        atomic.remove_file(kept_at)
        return _outcome(name, file, "unchanged", "the compiled file is gone; what was kept of it was removed")
    kept = record.find_kept(path)
    if kept is None:
        raise PycError(f"{path}: is gone, and no original of it is kept: bring back the file")
    record.write_clean(path, kept.original, record.find_mode(kept_at))
    return _outcome(name, file, "restored", "it was gone")


def _has_remains(path: str, data: bytes) -> bool:
    """Whether there is code in a file that equip put in. Raises ``PycError`` for a damaged one."""
    if pyc.is_foreign(data):
        return False
    pyc.decode_pyc(path, data)
    kept = _find_kept(path)
    return (kept is None or kept.original != data) and bool(record.find_remains(path, data))


def _restore_another(name: str, path: str, file: ModuleFile | None, data: bytes) -> FileReport:
    """A file without any of equip's in it: clean as it was, compiled anew, or somebody else's."""
    if not os.path.lexists(record.kept_path(path)):
        return _outcome(name, file, "unchanged", "clean")
    has_source = find_origin(name, file) is not None
    kept = _find_kept(path) if has_source else record.find_kept(path)
    if kept is not None and kept.original != data:
        if not has_source:
            raise PycError(f"{path}: {record.describe_replaced(path, kept)}")
        source = find_cached_source(name, file)
        if pyc.is_foreign(data) and source is not None and record.find_original(path, source) is not None:
            record.write_clean(path, kept.original)  # It may be damaged, and this is what it is compiled to anew.
            return _outcome(name, file, "restored")
    atomic.remove_file(record.kept_path(path))
    return _outcome(name, file, "unchanged", "already clean; a stale original beside it was removed")


def _restore_lost(name: str, path: str, file: ModuleFile | None) -> FileReport:
    """An instrumented file without original. What is behind a link stays: it may be another module's."""
    if file is None or file.source is None:
        raise PycError(
            f"{path}: its original, {record.kept_path(path)}, is lost, and there is no source to compile: "
            "bring back the file, or install the module anew"
        )
    atomic.remove_file(name)
    if name == path:
        atomic.remove_file(record.kept_path(path))
    return _outcome(name, file, "restored", "its original is lost: it was removed, and Python will compile it anew")


# -- originals ------------------------------------------------------------------------------------


def _find_kept(path: str) -> record.Kept | None:
    """What is kept of a file, if that can be read."""
    try:
        return record.find_kept(path)
    except PycError:
        return None


def _find_original_of(path: str, trailer: record.Trailer) -> bytes | None:
    """The original of a file that says itself which one that is."""
    kept = _find_kept(path)
    return kept.original if kept is not None and record.digest(kept.original) == trailer.original else None
