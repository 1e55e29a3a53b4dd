"""Looking at compiled files (``status``): which are instrumented, by which probes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from equip.errors import PycError
from equip.program import atomic, pyc, record
from equip.program.tree import Location, ModuleFile, find_cached_source, find_compiled, find_origin

State = Literal["clean", "instrumented", "stale", "not ours"]


@dataclass(frozen=True, slots=True)
class FileState:
    """What a compiled file is.

    ``clean``: nothing of equip's in it, or not compiled yet. ``instrumented``: with ``probes``. ``stale``: it was
    instrumented, and the source has changed since, so the import system compiles it anew, or has done so; or it is
    gone, or another file is in its place. ``not ours``: of another Python, damaged, or no compiled file; ``reason``
    says which.
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
    compiled = find_compiled(paths)
    found = [FileState(one.path, one.path, "not ours", (), one.reason) for one in compiled.passed if one.fault]
    return (*found, *(_state_of(path, file) for path, file in compiled.files))


def _state_of(path: str, file: ModuleFile | None) -> FileState:
    shown = file.path if file is not None else path
    real = atomic.real_file(path)
    try:
        data = pyc.read_file(real)
    except PycError as error:
        if os.path.lexists(real):
            return FileState(shown, path, "not ours", (), str(error).removeprefix(f"{real}: "))
        if not os.path.lexists(record.kept_path(real)):
            return FileState(shown, path, "clean", (), "not compiled yet")
        if find_cached_source(path, file) is None:
            return FileState(shown, path, "stale", (), f"the compiled file is gone{record.way_back(real, None)}")
        return FileState(shown, path, "stale", (), "the compiled file is gone, its original is still kept")
    probes: tuple[record.ProbeRecord, ...] = ()
    try:
        trailer = record.find_trailer(real, data)
        probes = trailer.probes if trailer is not None else ()
        pyc.decode_pyc(real, data)
        changed = _find_change(data, file)
        if trailer is not None:
            state, reason = _instrumented(changed)
        else:
            state, probes, reason = _state_without_trailer(path, data, changed, file)
    except PycError as error:
        reason = f"{error}{record.way_back(real, find_cached_source(path, file))}"
        return FileState(shown, path, "not ours", probes, reason.removeprefix(f"{real}: "))
    return FileState(shown, path, state, probes, reason)


def _instrumented(changed: str | None) -> tuple[State, str]:
    return ("stale", f"{changed}: Python will compile it anew") if changed else ("instrumented", "")


def _state_without_trailer(
    name: str, data: bytes, changed: str | None, file: ModuleFile | None
) -> tuple[State, tuple[record.ProbeRecord, ...], str]:
    """The state, the probes and the reason. Raises ``PycError``."""
    path = atomic.real_file(name)
    kept = record.find_kept(path)
    if kept is None or kept.original != data:
        remains = record.find_remains(path, data)
        if remains:
            state, reason = _instrumented(changed)
            way_back = record.way_back(path, find_cached_source(name, file))
            return state, remains, reason or f"{record.describe_remains(remains)}{way_back}"
        if kept is not None:
            gone = record.probes_of(kept.plans[-1]) if kept.plans else ()
            if find_origin(name, file) is None:
                return "stale", gone, record.describe_replaced(path, kept)
            return "stale", gone, "Python has compiled it anew: these are no longer in it"
    return "clean", (), f"{changed}: Python will compile it anew" if changed else ""


def _find_change(data: bytes, file: ModuleFile | None) -> str | None:
    if file is None or file.source is None:
        return None
    try:
        return pyc.find_staleness(data, file.source)
    except OSError:
        return None
