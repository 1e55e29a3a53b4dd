"""One run of one kind of work over a corpus, in a process of its own: ``python -m bench.worker WORK CORPUS``.

So that no run profits from what another has left in the caches, and the reference has the same conditions.
"""

from __future__ import annotations

import importlib
import sys

import equip
from bench import corpus
from bench.timing import seconds_of


def main(work: str, path: str) -> None:
    module = importlib.import_module(work)
    for name in equip.__all__:  # what equip loads when it is first needed
        getattr(equip, name)
    modules = corpus.read(path)
    print(seconds_of(lambda: module.run(modules)))


if __name__ == "__main__":
    main(*sys.argv[1:])
