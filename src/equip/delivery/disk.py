"""Instrumenting the compiled files of a tree.

Three phases, so that a mistake in a snippet is raised before anything is written: visitors run over the clean
code of each file, in order, here; plans are carried out, here or in workers; files are replaced one by one. A
fault of one file is reported for it, and the others go on.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from equip.delivery import notes
from equip.delivery.emission import CompileJob, Done, InjectJob, damaged, run_job
from equip.delivery.planning import Matching, Visitor, begun, complaints, probe_name, run_visitors
from equip.delivery.recursion import Known, modules_behind
from equip.delivery.report import FileReport, Report, Status
from equip.delivery.workers import Pool, how_many, run_jobs
from equip.errors import EquipError, InvalidCodeError, ProbeError, PycError
from equip.inject.request import Plan
from equip.program import atomic, pyc, record
from equip.program.declarations import ModuleDeclaration
from equip.program.merge import merge_plans
from equip.program.record import Recorded
from equip.program.tree import ModuleFile, Passed, find_origin, longer_and_shorter_names, stem_of

_OWN_FOLDER = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))


@dataclass(slots=True)
class _Work:
    """What is known of one file on its way. ``outcome`` is set once nothing more will be done with it."""

    file: ModuleFile
    before: Recorded | None = None
    asked: Plan = field(default_factory=dict)
    merged: Plan = field(default_factory=dict)
    job: int | None = None
    done: Done | None = None
    is_script: bool = False
    outcome: FileReport | None = None

    def end(self, status: Status, reason: str = "", written: bool = False) -> None:
        probes: Iterable[record.ProbeRecord] = ()
        if status == "instrumented":
            probes = record.probes_of(self.merged)
        elif self.before is not None:
            probes = record.probes_of(self.before.plan)
        self.outcome = FileReport(
            self.file.path,
            self.file.pyc,
            status,
            reason,
            self.file.module_name,
            tuple(probe.name for probe in probes),
            written,
        )


@dataclass(frozen=True, slots=True)
class Settings:
    """How to instrument: the number of processes (None: as many as are worth it), and whether to write anything.

    ``instrument_imports`` instruments the modules that snippets import, too. With ``strict`` a probe that matches
    nothing is an error.
    """

    workers: int | None = None
    rewrite: bool = True
    instrument_imports: bool = False
    strict: bool = False


# -- compiling ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fresh:
    """The bytes of a compiled file that is to be in place before anything is put in, and those it had until then."""

    data: bytes
    before: bytes | None


@dataclass(frozen=True, slots=True)
class Compilation:
    """What was compiled, by compiled file; and why some could not be."""

    fresh: Mapping[str, Fresh] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)


def compile_files(files: Sequence[ModuleFile], *, force: bool, workers: int | None) -> Compilation:
    """Compile what has no valid compiled file where the import system will look (``force``: everything, without what
    was put in before). Writes nothing."""
    fresh: dict[str, Fresh] = {}
    faults: dict[str, str] = {}
    to_compile: list[tuple[ModuleFile, bytes | None]] = []
    for file in files:
        try:
            if _is_own(file):
                continue
            if file.source is None:
                before = record.load(file.pyc) if force else None
                if before is not None and before.plan:
                    fresh[file.pyc] = Fresh(before.clean_data, before.data)
            elif force or not _is_valid(file):
                to_compile.append((file, _bytes_of(file.pyc)))
        except (OSError, PycError) as error:
            faults[file.pyc] = _reason(file.path, error)
    jobs = [CompileJob(file.path, file.optimize, file.pyc) for file, _ in to_compile]
    count = how_many(workers, sum(_size(file.path) for file, _ in to_compile))
    for (file, there), done in zip(to_compile, run_jobs(jobs, count), strict=True):
        if done.fault or not done.changed:
            faults[file.pyc] = done.fault or "was not compiled"
        else:
            fresh[file.pyc] = Fresh(done.body, there)
    return Compilation(fresh, faults)


def write_compiled(files: Iterable[ModuleFile], compilation: Compilation) -> dict[str, str]:
    """Put new compiled files in place. Returns why a file has none, by its path."""
    faults = dict(compilation.faults)
    for file in files:
        fault = _write_fresh(file, compilation)
        if fault is not None:
            faults[file.pyc] = fault
    return faults


def _write_fresh(file: ModuleFile, compilation: Compilation) -> str | None:
    """Put a compiled file in place if there is a new one, and nobody has put another one there meanwhile. Returns why
    that is not possible."""
    fresh = compilation.fresh.get(file.pyc)
    if fresh is None:
        return None
    path = _place_of(file)
    folder = os.path.dirname(path)
    try:
        os.makedirs(folder, exist_ok=True)
        with atomic.locked(folder):
            if _bytes_of(path) == fresh.before:
                record.write_clean(path, fresh.data, None if file.source is None else pyc.find_mode(file.path))
    except (OSError, PycError) as error:
        return _reason(file.pyc, error)
    return None


def _place_of(file: ModuleFile) -> str:
    """Where a compiled file is written: a link to another one, in the cache of a source, becomes a file of its own."""
    return file.pyc if file.source is not None else atomic.real_file(file.pyc)


def _bytes_of(path: str) -> bytes | None:
    """What is in a file; None if there is none, or it cannot be read."""
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except OSError:
        return None


def _is_valid(file: ModuleFile) -> bool:
    """Whether the import system would use the compiled file."""
    try:
        with open(file.pyc, "rb") as stream:
            header = stream.read(pyc.HEADER_BYTES)
    except OSError:
        return False
    assert file.source is not None
    return pyc.find_header_fault(header) is None and pyc.find_staleness(header, file.source) is None


def _is_own(file: ModuleFile) -> bool:
    return (os.path.realpath(file.path) + os.sep).startswith(_OWN_FOLDER + os.sep)


def _reason(path: str, error: Exception) -> str:
    """What a person needs to know, the path being told beside it."""
    if isinstance(error, OSError):
        return f"cannot be written ({error.strerror or error}): make its folder writable, or free space"
    return str(error).removeprefix(f"{path}: ")


# -- instrumenting --------------------------------------------------------------------------------


def instrument_files(
    files: Sequence[ModuleFile],
    visitors: Sequence[Visitor],
    settings: Settings,
    *,
    passed: Sequence[Passed] = (),
    compilation: Compilation,
) -> Report:
    """Run the visitors over the files and put in what they ask for.

    ``passed`` and the faults of ``compilation`` are what is already known not to work, for the report; what was
    compiled is put in place, too. Raises ``SnippetError`` and ``JoinPointError``, with ``strict`` also ``ProbeError``,
    before anything is written, and what a visitor raises.
    """
    visitors = begun(visitors)
    works = [_Work(file) for file in files]
    count = how_many(settings.workers, sum(_size(file.path) for file in files))
    with Pool(count) as pool:
        for work in works:
            _plan(work, visitors, compilation, pool)
        if not settings.instrument_imports:
            _spare_imported(works)
        _collect(works, pool.results())
    complained = complaints(visitors)
    refused = [work for work in works if work.outcome is not None and work.outcome.status == "refused"]
    if complained and settings.strict and not refused and not any(one.fault for one in passed):
        raise ProbeError("\n".join(complained))
    for work in works:
        fault = _write_fresh(work.file, compilation) if settings.rewrite else None
        if fault is not None:
            work.end("refused", fault)
        elif work.outcome is None:
            _finish(work, settings.rewrite)
    outcomes = [work.outcome for work in works if work.outcome is not None]
    outcomes += [FileReport(one.path, None, "refused" if one.fault else "skipped", one.reason) for one in passed]
    scripts = [work.file for work in works if work.is_script]
    active = {one.probe for work in works for insertions in work.asked.values() for one in insertions}
    others = [one for one in visitors if not isinstance(one, Matching)]
    idle = [name for name in dict.fromkeys(map(probe_name, others)) if name not in active]
    return Report(tuple(outcomes), (*complained, *notes.notes_for(outcomes, scripts, idle)))


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except OSError:
        return 0


def _plan(work: _Work, visitors: Sequence[Visitor], compilation: Compilation, pool: Pool) -> None:
    """Load a file, run the visitors over its clean code, and have done what is not in it yet."""
    file = work.file
    fault, fresh = compilation.faults.get(file.pyc), compilation.fresh.get(file.pyc)
    if _is_own(file):
        work.end("skipped", "equip never instruments itself")
        return
    try:
        if fault is not None:
            raise PycError(fault)
        before = _load_valid(file) if fresh is None else Recorded(_place_of(file), fresh.data, fresh.data, {})
        code = before.clean_code()
        source = file.source or code.co_filename
        module = ModuleDeclaration(code, source, file.module_name, file.optimize, aliases=file.aliases)
        work.asked = run_visitors(module, visitors)
    except PycError as error:
        work.end("refused", _reason(file.pyc, error))
    except InvalidCodeError as error:
        work.end("refused", damaged(error))
    else:
        work.before = before
        guarded = "__name__" in code.co_names and "__main__" in code.co_consts
        work.is_script = guarded or (file.named and "." not in file.module_name)
        work.merged = merge_plans(before.plan, work.asked)
        if work.merged != before.plan:
            work.job = pool.submit(_job(work, module.module_path), module.injector)


def _load_valid(file: ModuleFile) -> Recorded:
    """Load a compiled file that the import system would use. Raises ``PycError``."""
    before = record.load(file.pyc, find_origin(file.pyc, file))
    if file.source is not None:
        try:
            stale = pyc.find_staleness(before.data, file.source)
        except OSError as error:
            raise PycError(f"{file.source}: cannot be looked at ({error.strerror or error})") from error
        if stale:
            raise PycError(f"{file.pyc}: no longer valid ({stale}): call prepare_program() to compile it")
    return before


def _spare_imported(works: Sequence[_Work]) -> None:
    """Leave out the modules that the snippets themselves bring in."""
    loaded: dict[str, list[_Work]] = {}
    for work in works:
        if work.before is not None:
            loaded.setdefault(stem_of(work.file.path), []).append(work)
    plans = [
        (stem, plan) for stem, same in loaded.items() for work in same for plan in (work.asked, _loaded(work).plan)
    ]
    behind = modules_behind(plans, (_known(stem, same) for stem, same in loaded.items()))
    for stem, why in behind.items():
        for work in loaded.get(stem, ()):
            if work.outcome is None:
                work.end(
                    "skipped",
                    f"{why} imports it, and a probe must not fire inside itself (option 'instrument-imports' to do it)",
                )


def _known(stem: str, works: Sequence[_Work]) -> Known:
    """A module, of which there is a file for each optimisation level, as imports can be about it."""
    file = works[0].file
    is_package = os.path.basename(file.path).startswith("__init__.")
    longer, shorter = longer_and_shorter_names(file)
    return Known(
        stem, file.module_name, is_package, lambda: [_loaded(work).clean_code() for work in works], longer, shorter
    )


def _loaded(work: _Work) -> Recorded:
    assert work.before is not None, "only files that were loaded get here"
    return work.before


def _job(work: _Work, file_path: str) -> InjectJob:
    file = work.file
    return InjectJob(file.pyc, _loaded(work).clean_data, work.merged, file_path, file.module_name, file.optimize)


def _collect(works: Sequence[_Work], results: Sequence[Done]) -> None:
    """Take in what came of the jobs. Raises the first mistake of the user's."""
    for work in works:
        if work.outcome is not None:
            continue
        if work.job is None:
            work.end("unchanged", "already in it" if work.asked else "nothing was asked for here")
            continue
        done = work.done = results[work.job]
        if done.mistake is not None:
            raise done.mistake
        if done.fault:
            work.end("refused", _reason(work.file.pyc, PycError(done.fault)))
        elif not done.changed:
            work.end("unchanged", "what was asked for has no place in it")


def _finish(work: _Work, rewrite: bool) -> None:
    if not rewrite:
        return work.end("instrumented", "not written, as asked")
    try:
        _write(work)
    except (OSError, EquipError) as error:
        work.end("refused", _reason(work.file.pyc, error))
    else:
        work.end("instrumented", written=True)


def _write(work: _Work) -> None:
    """Replace the file, unless it is another one by now; what another process put in meanwhile is kept."""
    before, done = _loaded(work), work.done
    assert done is not None
    path = before.path
    with atomic.locked(os.path.dirname(path)):
        now = pyc.read_file(path)
        if now != before.data:
            current = record.decode(path, now, before.source)
            if current.clean_data != before.clean_data:
                raise PycError(f"{path}: was compiled anew while it was being instrumented: run again")
            work.before = before = current
            work.merged = merge_plans(current.plan, work.asked)
            if work.merged == current.plan:
                return
            source = work.file.source or current.clean_code().co_filename
            done = run_job(_job(work, source))
            if done.mistake is not None:
                raise done.mistake
            if done.fault:
                raise PycError(done.fault)
        record.put(before, done.body, work.merged)
