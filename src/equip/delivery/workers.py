"""A pool of processes that inject and compile.

A worker is this interpreter with an empty program: it gets pickled jobs on its standard input and answers on
its standard output. Visitors never run there. Results come in the order of the jobs, whatever the number of
workers and whichever was faster.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Iterable
from types import TracebackType
from typing import IO, Final, Self

from equip.delivery.emission import Done, Job, run_job
from equip.inject import ModuleInjector

_BOOT: Final = "import sys; sys.path.insert(0, sys.argv[1]); from equip.delivery import workers; workers.serve()"
_WORTHWHILE_BYTES: Final = 3_000_000
"""Files that are smaller than this together are done faster here than workers start."""


def how_many(wanted: int | None, size: int) -> int:
    """How many processes to use for files of ``size`` bytes: as ``wanted``, else as many as are worth it."""
    if not sys.executable:
        return 1
    if wanted is not None:
        return wanted
    if size < _WORTHWHILE_BYTES:
        return 1
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def run_jobs(jobs: Iterable[Job], workers: int) -> list[Done]:
    """The results of ``jobs`` in their order."""
    with Pool(workers) as pool:
        for job in jobs:
            pool.submit(job)
        return pool.results()


class Pool:
    """Does jobs as they are submitted, in that many processes; with one, here and at once.

    Leaving the ``with`` block ends the processes, without waiting for jobs whose results nobody has asked for.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._results: list[Done] = []
        self._waiting: queue.SimpleQueue[tuple[int, Job] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._running: set[_Worker] = set()
        self._abandoned = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._abandoned = True
        for worker in tuple(self._running):
            worker.process.kill()
        self._end()

    def submit(self, job: Job, injector: ModuleInjector | None = None) -> int:
        """Have a job done; the index of its result. ``injector`` is for the code of the job, if that is loaded."""
        index = len(self._results)
        if self.workers <= 1:
            self._results.append(run_job(job, injector))
            return index
        self._results.append(Done())
        self._waiting.put((index, job))
        if len(self._threads) < self.workers:
            thread = threading.Thread(target=self._feed, daemon=True)
            self._threads.append(thread)
            thread.start()
        return index

    def results(self) -> list[Done]:
        """Wait for all jobs; their results in the order of the jobs."""
        self._end()
        return self._results

    def _end(self) -> None:
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    def _feed(self) -> None:
        """Hand job after job to a worker of this thread's own."""
        worker: _Worker | None = None
        while (item := self._waiting.get()) is not None:
            if self._abandoned:
                continue
            index, job = item
            if worker is None:
                worker = self._start()
            if worker is None:  # No process to be had: this thread does the work itself.
                self._results[index] = run_job(job)
                continue
            try:
                self._results[index] = worker.do(job)
            except (OSError, EOFError, pickle.UnpicklingError) as error:
                self._results[index] = Done(fault=_death(self._stop(worker), error))
                worker = None
        if worker is not None:
            self._stop(worker)

    def _start(self) -> _Worker | None:
        try:
            worker = _Worker()
        except OSError:
            return None
        self._running.add(worker)
        return worker

    def _stop(self, worker: _Worker) -> int:
        self._running.discard(worker)
        return worker.end()


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
