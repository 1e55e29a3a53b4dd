"""Putting probes into a process that runs, from another one, and taking them out again.

``sys.remote_exec`` (3.14 and newer) has the main thread of the process run a small file at its next safe point. The
file calls ``equip.delivery.agent``, which installs and patches, and answers in another file.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, cast

from equip.delivery.described import Described
from equip.delivery.planning import Visitor, as_visitors
from equip.errors import AttachError
from equip.program import atomic

_HOME: Final = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_PAUSE: Final = 0.02
_SCRIPT: Final = """\
def _equip_attach(home=HOME, work=WORK, answer=ANSWER):
    import sys
    sys.path.insert(0, home)
    try:
        from equip.delivery import agent
    finally:
        sys.path.remove(home)
    agent.answer(work, answer)
try:
    _equip_attach()
finally:
    globals().pop('_equip_attach', None)
"""


@dataclass(frozen=True, slots=True)
class Attached:
    """What is in another process now: ``modules`` that were patched, ``warnings`` of what has no effect."""

    pid: int
    modules: tuple[str, ...]
    warnings: tuple[str, ...]

    def detach(self) -> None:
        """Take the probes out again. Raises ``AttachError``."""
        detach(self.pid)


def attach(pid: int, probes: Visitor | Iterable[Visitor], *, timeout: float = 10.0) -> Attached:
    """Put probes into the running process ``pid``: into what it has loaded, and what it imports from now on.

    Callables must be importable there. Waits ``timeout`` seconds for the process to come to a safe point. Raises
    ``AttachError`` where that is not possible, and then nothing has changed there.
    """
    described = []
    for one in as_visitors(probes):
        if not isinstance(one, Described):
            raise AttachError(f"{one!r} cannot be sent to another process: only probes can, such as equip.before(...)")
        described.append(one.describe())
    found = _ask(pid, {"do": "attach", "probes": described}, timeout)
    return Attached(pid, tuple(found["modules"]), tuple(found["warnings"]))


def detach(pid: int, *, timeout: float = 10.0) -> None:
    """Take all probes that were attached out of the process ``pid``. Raises ``AttachError``."""
    _ask(pid, {"do": "detach"}, timeout)


def _ask(pid: int, work: dict[str, Any], timeout: float) -> dict[str, Any]:
    """Have a process do something, and wait for its answer. Raises ``AttachError``."""
    execute = getattr(sys, "remote_exec", None)
    if execute is None:
        raise AttachError(
            "attaching to a process needs Python 3.14 or newer, here and there: on this one, instrument the files, "
            "or start the program with equip.install"
        )
    if isinstance(pid, bool) or not isinstance(pid, int) or pid < 1:
        raise AttachError(f"a process is named by its number, not {pid!r}")
    if not _is_alive(pid):
        raise AttachError(f"process {pid}: there is no such process")
    with tempfile.TemporaryDirectory(prefix="equip-attach-") as folder:
        script, answer = os.path.join(folder, "script.py"), os.path.join(folder, "answer.json")
        os.chmod(folder, 0o755)
        source = _SCRIPT.replace("HOME", repr(_HOME)).replace("WORK", repr(json.dumps(work)))
        atomic.write_atomically(script, source.replace("ANSWER", repr(answer)).encode())
        atomic.write_atomically(answer, b"", 0o666)
        try:
            execute(pid, script)
        except (OSError, RuntimeError, ValueError) as error:
            raise AttachError(f"process {pid}: {_reason(error)}") from None
        found = _wait(pid, answer, timeout)
        if found is None:
            atomic.write_atomically(script, b"")  # What has not begun by now never will.
            found = _wait(pid, answer, 0.2)
    if found is None:
        raise AttachError(
            f"process {pid} has not come to a safe point in {timeout:g} s, and nothing was changed in it: its main "
            "thread waits for something, or runs code that is not Python's; try again when it is busy"
        )
    if "error" in found:
        raise AttachError(f"process {pid}: {found['error']}")
    return found


def _wait(pid: int, answer: str, timeout: float) -> dict[str, Any] | None:
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        with open(answer, encoding="utf-8") as stream:
            text = stream.read()
        if text.endswith("\n"):
            return cast("dict[str, Any]", json.loads(text))
        if not _is_alive(pid):
            raise AttachError(f"process {pid} has ended")
        time.sleep(_PAUSE)
    return None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):  # No process has a number that large.
        return False
    except PermissionError:
        return True
    return True


def _reason(error: Exception) -> str:
    """What the refusals of the interface mean."""
    text = str(error)
    if isinstance(error, PermissionError):
        return (
            "not allowed: it belongs to another user, or the system does not let processes look into others "
            "(on Linux, CAP_SYS_PTRACE or kernel.yama.ptrace_scope): use the rights of its user, or more"
        )
    if isinstance(error, ProcessLookupError) or "No such process" in text:
        return "there is no such process"
    if "PyRuntime" in text or "not found" in text.lower():
        return f"it runs no Python, or one that cannot be attached to ({text}): 3.14 or newer is needed there"
    if "disabled" in text.lower() or "not enabled" in text.lower():
        return "it was started with remote debugging disabled (PYTHON_DISABLE_REMOTE_DEBUG, -X disable-remote-debug)"
    if "main thread" in text:
        return "it is just starting or ending"
    if "version" in text.lower() or "send commands" in text:
        return f"it runs another version of Python ({text}): use that version here"
    return f"it cannot be attached to ({text or type(error).__name__}): does it run Python 3.14 or newer?"
