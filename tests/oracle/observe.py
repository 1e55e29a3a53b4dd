"""Running a program and writing down everything that can be seen of the run."""

from __future__ import annotations

import contextlib
import gc
import io
import signal
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from types import CodeType, TracebackType
from typing import Any

from oracle import helpers
from oracle.rewrite import line_is_exact, positions_are_exact

Position = tuple[int | None, int | None, int | None, int | None]


@dataclass
class Raised:
    """An exception, its arguments, and the program's own frames that it went through."""

    kind: str
    args: str
    frames: list[tuple[str, Position]] = field(default_factory=list)
    cause: str = ""


@dataclass
class Observation:
    """What a run printed, recorded and raised."""

    stdout: str = ""
    events: list[str] = field(default_factory=list)
    raised: Raised | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class TooLongError(BaseException):
    """The run did not end in time: both sides must not end then."""


def frames_of(traceback: TracebackType | None, path: str) -> list[tuple[str, Position]]:
    frames = []
    while traceback:
        code = traceback.tb_frame.f_code
        if code.co_filename == path:
            positions = list(code.co_positions())
            position = positions[traceback.tb_lasti // 2]
            assert position[0] == traceback.tb_lineno, (position, traceback.tb_lineno)
            frames.append((code.co_name, position))
        traceback = traceback.tb_next
    return frames


def describe_exception(error: BaseException, path: str) -> Raised:
    chain = []
    following = error.__cause__ or error.__context__
    while following and len(chain) < 10:
        chain.append(f"{type(following).__name__}{helpers.describe(following.args)}")
        following = following.__cause__ or following.__context__
    return Raised(
        type(error).__name__,
        helpers.describe(error.args) + helpers.describe(getattr(error, "__notes__", None)),
        frames_of(error.__traceback__, path),
        " < ".join(chain),
    )


@contextlib.contextmanager
def module_in_place(name: str, path: str) -> Iterator[types.ModuleType]:
    """A fresh module object under a name of ``sys.modules``."""
    module = types.ModuleType(name)
    module.__file__ = path
    before = sys.modules.get(name)
    sys.modules[name] = module
    try:
        yield module
    finally:
        if before is None:
            sys.modules.pop(name, None)
        else:
            sys.modules[name] = before


_WAITING = 40
"""So much longer may it take by the clock than of the processor's time: other work may be going on."""


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise ``TooLongError`` after so many seconds of the processor's time, or when nothing has happened for long."""

    def expired(*_: object) -> None:
        raise TooLongError

    limits = ((signal.SIGPROF, signal.ITIMER_PROF, seconds), (signal.SIGALRM, signal.ITIMER_REAL, _WAITING * seconds))
    previous = [signal.signal(number, expired) for number, _, _ in limits]
    for _, timer, limit in limits:
        signal.setitimer(timer, limit)
    try:
        yield
    finally:
        for _, timer, _ in limits:
            signal.setitimer(timer, 0)
        for (number, _, _), handler in zip(limits, previous, strict=True):
            signal.signal(number, handler)


def run(code: CodeType, name: str, path: str, *, seconds: float = 20, around: Callable[[], Any] | None = None) -> Observation:
    """Run a module's code and, where it is not the main module, its ``main``."""
    helpers.reset()
    output = io.StringIO()
    seen = Observation()
    manager = around() if around else contextlib.nullcontext()
    gc.collect()
    gc.freeze()
    with module_in_place(name, path) as module, contextlib.redirect_stdout(output), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        error: BaseException | None = None
        try:
            with time_limit(seconds), manager:
                exec(code, module.__dict__)
                if name != "__main__" and hasattr(module, "main"):
                    module.main()
        except BaseException as caught:
            error = caught
        if error is not None:
            seen.raised = describe_exception(error, path)
            error = None
        module.__dict__.clear()
        gc.collect()  # generators that are still suspended end here, on both sides
    seen.stdout = output.getvalue()
    seen.events = list(helpers.EVENTS)
    return seen


def differences(expected: Observation, got: Observation, *, by_hand: bool = True) -> list[str]:
    """What the two runs do not have in common; ``by_hand``: positions of snippets are the oracle's own."""
    problems = []
    for name in ("stdout", "events"):
        left, right = getattr(expected, name), getattr(got, name)
        if left != right:
            problems.append(f"{name}: {first_difference(left, right)}")
    one, other = expected.raised, got.raised
    if one and one.kind == TooLongError.__name__:
        return ["the run by hand does not end: the case is not for this program"]
    if one is None or other is None:
        if one is not other:
            problems.append(f"raised: expected {one}, got {other}")
        return problems
    for name in ("kind", "args", "cause"):
        if getattr(one, name) != getattr(other, name):
            problems.append(f"raised {name}: expected {getattr(one, name)!r}, got {getattr(other, name)!r}")
    if [f[0] for f in one.frames] != [f[0] for f in other.frames]:
        problems.append(f"frames: expected {one.frames}, got {other.frames}")
        return problems
    for (frame, position), (_, actual) in zip(one.frames, other.frames, strict=True):
        if not same_place(position, actual, by_hand):
            problems.append(f"frame {frame}: expected at {position}, got {actual}")
    return problems


def same_place(expected: Position, got: Position, by_hand: bool) -> bool:
    if not by_hand or positions_are_exact(expected):
        return expected == got
    return expected[0] == got[0] if line_is_exact(expected) else got[0] is not None


def first_difference(expected: str | list[str], got: str | list[str]) -> str:
    """The first line or event that differs, with the two before it."""
    left = expected.splitlines() if isinstance(expected, str) else expected
    right = got.splitlines() if isinstance(got, str) else got
    at = next((i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))
    return f"at {at}, after {left[max(0, at - 2) : at]}: expected {left[at : at + 2]}, got {right[at : at + 2]}"
