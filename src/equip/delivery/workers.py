"""A pool of processes that inject and compile.

A worker is this interpreter with an empty program: it gets pickled jobs on its standard input and answers on
its standard output. Visitors never run there. Results come in the order of the jobs, whatever the number of
workers and whichever was faster.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import IO, Final

from equip.delivery.emission import CompileJob, Done, InjectJob, run_job

Job = InjectJob | CompileJob

_BOOT: Final = "import sys; sys.path.insert(0, sys.argv[1]); from equip.delivery import workers; workers.serve()"
_WORTHWHILE_BYTES: Final = 4_000_000
"""Compiled code below this is done faster here than the workers start."""


def run_jobs(jobs: Sequence[Job], workers: int | None = None) -> list[Done]:
    """The results of ``jobs`` in their order, with that many processes (None: as many as are worth it).

    After a job that fails by a mistake of the user, later ones may be left out (an empty ``Done``); earlier
    ones are always done, so the first mistake is the same each time.
    """
    count = _worthwhile(jobs) if workers is None else workers
    if count <= 1 or len(jobs) < 2 or not sys.executable:
        return _run_here(jobs)
    return _Pool(jobs, min(count, len(jobs))).run()


def _worthwhile(jobs: Sequence[Job]) -> int:
    """How many processes to use: the processors, unless the work is small."""
    size = sum(len(job.data) if isinstance(job, InjectJob) else 30_000 for job in jobs)
    if size < _WORTHWHILE_BYTES:
        return 1
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def _run_here(jobs: Sequence[Job]) -> list[Done]:
    results = []
    for job in jobs:
        done = run_job(job)
        results.append(done)
        if done.mistake is not None:
            return results + [Done()] * (len(jobs) - len(results))
    return results


class _Pool:
    """One thread here for each worker hands it job after job."""

    def __init__(self, jobs: Sequence[Job], count: int) -> None:
        self.jobs = jobs
        self.count = count
        self.results: list[Done | None] = [None] * len(jobs)
        self.lock = threading.Lock()
        self.next = 0
        self.stop = len(jobs)

    def run(self) -> list[Done]:
        threads = [threading.Thread(target=self._feed, daemon=True) for _ in range(self.count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        while (index := self._take()) is not None:  # All workers failed to start: do it here.
            self._keep(index, run_job(self.jobs[index]))
        return [done or Done() for done in self.results]

    def _take(self) -> int | None:
        with self.lock:
            if self.next >= self.stop:
                return None
            self.next += 1
            return self.next - 1

    def _keep(self, index: int, done: Done) -> None:
        self.results[index] = done
        if done.mistake is not None:
            with self.lock:
                self.stop = min(self.stop, index)

    def _feed(self) -> None:
        worker: _Worker | None = None
        try:
            while (index := self._take()) is not None:
                try:
                    worker = worker or _Worker()
                except OSError:  # No process to be had: this thread does the work itself.
                    self._keep(index, run_job(self.jobs[index]))
                    continue
                try:
                    self._keep(index, worker.do(self.jobs[index]))
                except (OSError, EOFError, pickle.UnpicklingError) as error:
                    status, worker = worker.end(), None
                    self._keep(index, Done(fault=_death(status, error)))
        finally:
            if worker is not None:
                worker.end()


def _death(status: int, error: Exception) -> str:
    how = f"signal {-status}" if status < 0 else f"exit status {status}"
    return (
        f"the process that worked on it ended ({how}, {type(error).__name__}): "
        "run again with the option 'workers' at 1 to see why"
    )


def _flags() -> list[str]:
    """What a worker must have in common with this process, and nothing else of its surroundings."""
    flags = ["-I", "-S", *["-O"] * sys.flags.optimize, *(f"-W{option}" for option in sys.warnoptions)]
    if sys.dont_write_bytecode:
        flags.append("-B")
    if sys.pycache_prefix:
        flags += ["-X", f"pycache_prefix={sys.pycache_prefix}"]
    if "no_debug_ranges" in sys._xoptions or os.environ.get("PYTHONNODEBUGRANGES"):
        flags += ["-X", "no_debug_ranges"]
    return flags


class _Worker:
    """A worker process. Raises ``OSError`` if it cannot be started."""

    def __init__(self) -> None:
        home = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        self.process = subprocess.Popen(
            [sys.executable, *_flags(), "-c", _BOOT, home], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def do(self, job: Job) -> Done:
        send, receive = self.process.stdin, self.process.stdout
        assert send is not None
        assert receive is not None
        pickle.dump(job, send, pickle.HIGHEST_PROTOCOL)
        send.flush()
        done = pickle.load(receive)
        assert isinstance(done, Done)
        return done

    def end(self) -> int:
        """Let the process end, and return its exit status."""
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        return self.process.wait()


def serve() -> None:
    """The main loop of a worker: jobs in, results out, until the input ends."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Whoever started us is told, and closes our input.
    answers: IO[bytes] = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    while True:
        try:
            job = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        pickle.dump(run_job(job), answers, pickle.HIGHEST_PROTOCOL)
        answers.flush()
