"""Doing something in a process of its own that may be killed, or may be another user."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import equip
from equip.program import pyc, record

NOBODY = 65534
_STEPS = ("open", "write", "fsync", "replace", "unlink")


def in_child(action: Callable[[], object]) -> int:
    """Run ``action`` in a copy of this process; its exit status, negative for a signal."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            action()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killed_at_step(action: Callable[[], object], step: int) -> bool:
    """Run ``action`` in a child that is killed at its n-th system call that changes files; whether it came to that."""

    def counted() -> None:
        left = [step]

        def counting(call: Callable[..., object]) -> Callable[..., object]:
            def counted_call(*arguments: object, **keywords: object) -> object:
                left[0] -= 1
                if left[0] < 0:
                    if call is write and isinstance(arguments[1], (bytes, memoryview)):
                        write(arguments[0], arguments[1][: len(arguments[1]) // 2])  # type: ignore[arg-type]
                    os.kill(os.getpid(), signal.SIGKILL)
                return call(*arguments, **keywords)

            return counted_call

        write = os.write
        for name in _STEPS:
            setattr(os, name, counting(getattr(os, name)))
        action()

    status = in_child(counted)
    assert status in (0, -signal.SIGKILL), f"the child ended with {status}"
    return status != 0


def check_whole(root: Path, originals: dict[str, bytes]) -> set[str]:
    """Check that each compiled file is the clean one or an instrumented one, whole; the states that were found."""
    states = set()
    for state in equip.status(root):
        assert state.state in ("clean", "instrumented"), state
        states.add(state.state)
        path = Path(state.pyc)
        data = path.read_bytes()
        pyc.decode_pyc(state.pyc, data)
        original = originals[str(path.relative_to(root))]
        if state.state == "clean":
            assert data == original
        else:
            assert record.load(state.pyc).clean_data == original
    return states
