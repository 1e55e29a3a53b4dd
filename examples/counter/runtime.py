# This is put at the top of each module that is counted, and runs there: it may use nothing but the standard
# library. A name that it binds becomes a name of the module, so all of them begin with an underscore.
import sys as _sys

if not hasattr(_sys, "_call_counts"):
    import atexit as _atexit
    import collections as _collections
    import os as _os

    def _write_call_counts(counts, path, process):
        import json

        if _os.getpid() == process:  # not at the end of a forked child
            with open(path, "w", encoding="utf-8") as stream:
                json.dump(dict(sorted(dict(counts).items())), stream, indent=1)

    _sys._call_counts = _collections.defaultdict(int)
    _output = _os.path.abspath(_os.environ.get("CALL_COUNTS", "calls.json"))
    _atexit.register(_write_call_counts, _sys._call_counts, _output, _os.getpid())

_call_counts = _sys._call_counts
