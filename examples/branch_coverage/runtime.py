# This is put at the top of each module that is measured, and runs there: it may use nothing but the standard
# library. A name that it binds becomes a name of the module, so all of them begin with an underscore.
import sys as _sys

if not hasattr(_sys, "_branch_probes"):
    import atexit as _atexit
    import os as _os

    def _write_branch_probes(probes, path, process):
        import json

        if _os.getpid() == process:  # not at the end of a forked child
            with open(path, "w", encoding="utf-8") as stream:
                json.dump({name: probes[name].hex() for name in sorted(probes)}, stream, indent=1)

    _sys._branch_probes = {}
    _output = _os.path.abspath(_os.environ.get("BRANCH_PROBES", "branches.json"))
    _atexit.register(_write_branch_probes, _sys._branch_probes, _output, _os.getpid())
