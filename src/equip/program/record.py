"""What was put into a compiled file, and how it looked before.

Two things are written. A *trailer* behind the code of the rewritten ``.pyc``, where the import system does not
look: which probes it has, and digests of the original and of the plan. And beside it, until ``restore``, a
*kept* file ``<name>.pyc.equip`` with the original bytes and the whole plan, from which more can be added.

The kept file is written first, with the plan that was in force and the one that is about to be; then the
``.pyc`` is replaced. The trailer names its plan, so at each moment the pair is understood:

=======================  =======================  ==========================================
``.pyc``                 kept file                meaning
=======================  =======================  ==========================================
no trailer               none                     clean
no trailer               its original is equal    clean: stopped before the ``.pyc`` was replaced
no trailer               its original differs     with a source: Python compiled it anew, the kept file is stale;
                                                  without: another file is in its place, of which nobody knows
no trailer, but remains  its original differs     instrumented, and written anew by another tool: only to be restored
trailer                  has that plan            instrumented
trailer                  missing, or another one  instrumented, only to be compiled anew
missing, or damaged      any                      only to be restored
=======================  =======================  ==========================================

*Remains* are code that equip put in, as the records of code objects tell (``provenance``): a tool that loads a file and
dumps it again drops the trailer, and keeps these. Where there is no source, the kept file is the only copy of the
original, and is given up for nothing but the original itself.

A ``.pyc`` that is a symbolic link stands for the file behind it: that is rewritten, with its original beside it.
"""

from __future__ import annotations

import hashlib
import marshal
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from types import CodeType
from typing import Any, Final

from equip.code.provenance import RECORD_TAG, injected_probes
from equip.errors import PycError
from equip.inject.request import Insertion, JoinPoint, Plan
from equip.program import atomic
from equip.program.pyc import HEADER_BYTES, decode_pyc, find_header_fault, find_staleness, marshalled, read_file

KEPT_SUFFIX: Final = ".equip"
FORMAT: Final = 1
_TRAILER_END: Final = b"equip\x00\r\n"
_KEPT_START: Final = b"equip kept \x00\r\n" + bytes((FORMAT,))
_REMAINS: Final = RECORD_TAG.encode()
_DIGEST_BYTES: Final = 32
_UNSHARED: Final = 2
"""The version of marshal's format in which nothing is shared, so that the bytes depend on values alone."""


@dataclass(frozen=True, slots=True)
class ProbeRecord:
    """A probe that is in a file: its name, and a digest of all that it put there."""

    name: str
    digest: str


@dataclass(frozen=True, slots=True)
class Trailer:
    """What a rewritten file says about itself; digests are hexadecimal SHA-256."""

    probes: tuple[ProbeRecord, ...]
    original: str
    plan: str


@dataclass(frozen=True, slots=True)
class Kept:
    """The original bytes of a ``.pyc`` and the plans that it may have been rewritten with, the newest last."""

    original: bytes
    plans: tuple[Plan, ...]


@dataclass(frozen=True, slots=True)
class Recorded:
    """A compiled file as it is (``data``), as it was before anything was put in, and the plan of what was.

    ``clean_data`` is ``data`` and ``plan`` is empty where nothing was put in. ``stale`` says that a kept file
    lies beside it that belongs to an earlier compilation. ``path`` is no link; ``source`` is what it can be compiled
    from, if there is that.
    """

    path: str
    data: bytes
    clean_data: bytes
    plan: Plan
    stale: bool = False
    source: str | None = None

    def clean_code(self) -> CodeType:
        """The code before anything was put in. Raises ``PycError`` if it is damaged."""
        return _code_in(self.path, self.clean_data, self.source)


def kept_path(pyc_path: str) -> str:
    """Where the original of ``pyc_path`` is kept while it is instrumented."""
    return pyc_path + KEPT_SUFFIX


# -- reading --------------------------------------------------------------------------------------


def load(path: str, source: str | None = None) -> Recorded:
    """Read a compiled file and what is known of it. ``source`` is what it can be compiled from, if there is that.

    Raises ``PycError``, also where its original is lost, and where that would be lost with what is put in now.
    """
    path = atomic.real_file(path)
    try:
        data = read_file(path)
    except PycError as error:
        raise PycError(f"{error}{'' if os.path.lexists(path) else way_back(path, source)}") from error
    return decode(path, data, source)


def decode(path: str, data: bytes, source: str | None = None) -> Recorded:
    """As ``load``, for the bytes of ``path``, which is no link, that are already here."""
    fault = find_header_fault(data)
    if fault:
        raise PycError(f"{path}: {fault}{way_back(path, source)}")
    try:
        trailer = find_trailer(path, data)
    except PycError as error:
        raise PycError(f"{error}{way_back(path, source)}") from error
    if trailer is None:
        return _without_trailer(path, data, source)
    kept = find_kept(path)
    plan = plan_of(kept, trailer)
    if kept is None or plan is None:
        raise PycError(
            f"{path}: was instrumented with {names_of(trailer.probes)}, but {kept_path(path)}, which has its original, "
            "is missing or of another file: compile it anew from its source (option 'force-rebuild'), "
            "or bring the file back"
        )
    return Recorded(path, data, kept.original, plan, source=source)


def _without_trailer(path: str, data: bytes, source: str | None) -> Recorded:
    kept, is_stale = None, False
    try:
        kept = find_kept(path)
    except PycError:
        is_stale = True
        if source is None:
            raise
    if kept is not None and kept.original == data:
        return Recorded(path, data, data, {}, source=source)
    if kept is not None or _REMAINS in data:
        _code_in(path, data, source)  # What is damaged is nothing else.
    remains = find_remains(path, data)
    if remains:
        anew = "compile it anew from its source (option 'force-rebuild'), or bring back the original"
        raise PycError(f"{path}: {describe_remains(remains)}{way_back(path, source) or f': {anew}'}")
    if kept is not None and source is None:
        raise PycError(f"{path}: {describe_replaced(path, kept)}")
    return Recorded(path, data, data, {}, stale=is_stale or kept is not None, source=source)


def _code_in(path: str, data: bytes, source: str | None) -> CodeType:
    try:
        return decode_pyc(path, data).code
    except PycError as error:
        raise PycError(f"{error}{way_back(path, source)}") from error


def find_remains(path: str, data: bytes) -> tuple[ProbeRecord, ...]:
    """The probes of which there is code in a file without trailer; they have no digests. Raises ``PycError``."""
    if _REMAINS not in data:
        return ()
    return tuple(ProbeRecord(name, "") for name in injected_probes(decode_pyc(path, data).code))


def describe_remains(remains: Iterable[ProbeRecord]) -> str:
    """What is the matter with a file that has remains, for a message."""
    return f"has {names_of(remains)} in it, but no record of that, as if another tool had written it anew"


def describe_replaced(path: str, kept: Kept) -> str:
    """What is the matter with a file that is another one than equip wrote, for a message."""
    probes = probes_of(kept.plans[-1]) if kept.plans else ()
    return (
        f"another file is in the place of the one that was instrumented with {names_of(probes)}, of which "
        f"{kept_path(path)} keeps the only original: delete that if nobody needs it; "
        "or delete this file, and `equip restore` brings the other back"
    )


def way_back(path: str, source: str | None) -> str:
    """What to do about a file that is damaged or gone, behind a message that says so; nothing without an original."""
    return "; its original is kept: `equip restore` brings it back" if find_original(path, source) is not None else ""


def find_original(path: str, source: str | None) -> bytes | None:
    """The original of a file that cannot tell itself which one that is; None where none is kept that can be trusted.

    With a ``source`` it must be valid for that: otherwise the file may have been compiled since, and damaged then.
    """
    try:
        kept = find_kept(path)
        if kept is None or (source is not None and find_staleness(kept.original, source)):
            return None
    except (PycError, OSError):
        return None
    return kept.original


def plan_of(kept: Kept | None, trailer: Trailer) -> Plan | None:
    """The plan that a file with this trailer was rewritten with; None if the kept file is not its own."""
    if kept is None or digest(kept.original) != trailer.original:
        return None
    return next((plan for plan in kept.plans if digest_plan(plan) == trailer.plan), None)


def find_trailer(path: str, data: bytes) -> Trailer | None:
    """What the rewritten file ``path`` with the bytes ``data`` says about itself, None if nothing was put in.

    Raises ``PycError`` if the record is there and cannot be read.
    """
    if not data.endswith(_TRAILER_END):
        return None
    length_at = len(data) - len(_TRAILER_END) - 4
    length = int.from_bytes(data[length_at : length_at + 4], "little")
    try:
        layout, probes, original, plan = marshal.loads(data[length_at - length : length_at])
        records = tuple(ProbeRecord(str(name), str(digest)) for name, digest in probes)
    except Exception as error:
        raise PycError(f"{path}: the record at its end is damaged ({error}): compile it anew") from error
    if layout != FORMAT:
        raise PycError(
            f"{path}: instrumented by another version of equip (record format {layout}, this one has {FORMAT}): "
            "restore it with that version, or compile it anew"
        )
    return Trailer(records, str(original), str(plan))


def find_kept(pyc_path: str) -> Kept | None:
    """The kept original of a compiled file, None if there is none. Raises ``PycError`` if it cannot be trusted."""
    path = kept_path(pyc_path)
    try:
        with open(path, "rb") as stream:
            data = stream.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PycError(f"{path}: cannot be read ({error.strerror or error})") from error
    start, checked = len(_KEPT_START), data[len(_KEPT_START) + _DIGEST_BYTES :]
    if not data.startswith(_KEPT_START) or hashlib.sha256(checked).digest() != data[start : start + _DIGEST_BYTES]:
        if len(data) > start and data.startswith(_KEPT_START[:-1]) and data[start - 1] != FORMAT:
            raise PycError(
                f"{path}: kept by another version of equip (format {data[start - 1]}, this one has {FORMAT}): "
                "restore with that version"
            )
        raise PycError(
            f"{path}: not a file that equip keeps, or damaged: delete it, and bring back or compile anew {pyc_path}"
        )
    original, plans = marshal.loads(checked)
    return Kept(original, tuple(_decode_plan(plan) for plan in plans))


# -- writing --------------------------------------------------------------------------------------


def put(before: Recorded, body: bytes, plan: Plan) -> None:
    """Replace the file by its header, ``body`` (the marshalled new code) and a trailer; keep its original first.

    ``plan`` is all that is in ``body``. The folder must be locked. Raises ``OSError``, and then the file is as
    it was.
    """
    path = before.path
    plans = (before.plan, plan) if before.plan else (plan,)
    atomic.remove_leftovers(path)
    atomic.write_atomically(kept_path(path), _encode_kept(before.clean_data, plans), find_mode(path))
    try:
        header = before.clean_data[:HEADER_BYTES]
        atomic.write_atomically(path, header + body + encode_trailer(before.clean_data, plan))
    except OSError:
        if not before.plan:
            atomic.remove_file(kept_path(path))
        raise


def write_clean(path: str, data: bytes, mode: int | None = None) -> None:
    """Put a clean compiled file in place and forget what was kept beside it. The folder must be locked.

    Raises ``OSError``.
    """
    atomic.remove_leftovers(path)
    atomic.write_atomically(path, data, mode)
    atomic.remove_file(kept_path(path))


def encode_trailer(original: bytes, plan: Plan) -> bytes:
    """The record that goes behind the code."""
    probes = tuple((probe.name, probe.digest) for probe in probes_of(plan))
    payload = marshal.dumps((FORMAT, probes, digest(original), digest_plan(plan)), _UNSHARED)
    return payload + len(payload).to_bytes(4, "little") + _TRAILER_END


def _encode_kept(original: bytes, plans: Iterable[Plan]) -> bytes:
    payload = marshalled((original, tuple(_encode_plan(plan) for plan in plans)))
    return _KEPT_START + hashlib.sha256(payload).digest() + payload


def find_mode(path: str) -> int | None:
    """The mode bits of a file, None if there is none. Raises ``OSError``."""
    status = atomic.find_status(path)
    return None if status is None else status.st_mode & 0o7777


# -- plans ----------------------------------------------------------------------------------------


def probes_of(plan: Plan) -> tuple[ProbeRecord, ...]:
    """The probes in a plan, by name. Private name groups do not count: they differ from run to run."""
    found: dict[str, list[object]] = {}
    for path, insertions in sorted(plan.items()):
        for one in insertions:
            found.setdefault(one.probe, []).append((path, *identity(one)))
    return tuple(
        ProbeRecord(name, hashlib.sha256(ascii(asked).encode()).hexdigest()[:16])
        for name, asked in sorted(found.items())
    )


def identity(one: Insertion) -> tuple[object, ...]:
    """What makes two insertions in one code object the same."""
    return one.location.value, one.lineno, one.source, one.suppress, one.probe, *_place(one)


def _place(one: Insertion) -> tuple[object, ...]:
    """The place, only where there is one: digests of all else are as they were before there were places."""
    return (one.place,) if one.place else ()


def digest_plan(plan: Plan) -> str:
    """Hexadecimal SHA-256 of a plan."""
    return digest(ascii(_encode_plan(plan)).encode())


def digest(data: bytes) -> str:
    """Hexadecimal SHA-256 of some bytes."""
    return hashlib.sha256(data).hexdigest()


def names_of(probes: Iterable[ProbeRecord]) -> str:
    """The names of probes, for a message."""
    return ", ".join(probe.name or "an unnamed probe" for probe in probes)


def _encode_plan(plan: Plan) -> tuple[object, ...]:
    return tuple(
        (path, tuple(tuple(map(_shared, (i.location.value, str(i.source), *i[2:6], *_place(i)))) for i in insertions))
        for path, insertions in sorted(plan.items())
        if insertions
    )


def _shared(field: object) -> object:
    """A field of an insertion; for equal texts, of which there are many, the same object."""
    return sys.intern(field) if type(field) is str else field


def _decode_plan(encoded: Iterable[tuple[tuple[int, ...], Iterable[tuple[Any, ...]]]]) -> Plan:
    return {path: [_decode_insertion(*fields) for fields in insertions] for path, insertions in encoded}


def _decode_insertion(
    location: object,
    source: object,
    lineno: object,
    suppress: object,
    probe: object,
    group: object,
    place: tuple[int | str, ...] = (),
) -> Insertion:
    assert isinstance(source, str)
    assert isinstance(probe, str)
    assert isinstance(group, int)
    assert lineno is None or isinstance(lineno, int)
    return Insertion(JoinPoint(location), source, lineno, bool(suppress), probe, group, place)
