"""Running a program in this process as the interpreter would run it, with import hooks at work from its first line."""

from __future__ import annotations

import contextlib
import functools
import importlib.machinery
import os
import runpy
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from types import CodeType, ModuleType, TracebackType
from typing import Any, Final, NoReturn, Protocol, runtime_checkable

from equip.delivery.finder import instrumented_main, main_module, warn_of_import
from equip.delivery.hook import Hook, as_globs
from equip.delivery.lookup import locate
from equip.delivery.planning import Visitor
from equip.delivery.scriptsource import compile_script
from equip.errors import LaunchError
from equip.program.pyc import read_pyc
from equip.program.tree import script_names

_STDIN: Final = "<stdin>"

Start = Callable[[], object]
"""Runs a program, whose end is that of the call."""


@runtime_checkable
class Included(Protocol):
    """A visitor that says which modules it is about: a probe."""

    include: str


def hooks_for(
    visitors: Sequence[Visitor],
    include: Iterable[str] = (),
    exclude: Iterable[str] = (),
    kind: Callable[..., Hook] = Hook,
) -> list[Hook]:
    """Hooks for a whole program, in what is loaded already, too.

    Probes go into the modules that they name. Other visitors see every module that is not of the standard library.
    ``include`` replaces both, ``exclude`` takes away from both. Raises ``EquipError`` for what does not fit.
    """
    without, given = as_globs("exclude", exclude), tuple(include)
    if given:
        as_globs("include", given)
        return [kind(visitors, given, without, patch_loaded=True)]
    probes = [one for one in visitors if isinstance(one, Included)]
    others = [one for one in visitors if not isinstance(one, Included)]
    found = []
    if probes:
        found.append(kind(probes, tuple(dict.fromkeys(one.include for one in probes)), without, patch_loaded=True))
    if others:
        found.append(kind(others, ("*",), without, patch_loaded=False, with_library=False))
    return found


# -- what is run -----------------------------------------------------------------------------------------------


def start_script(path: str, arguments: Sequence[str]) -> Start:
    """For what ``python PATH ARGUMENTS`` runs: a script, a folder or archive with a ``__main__`` in it, `-`.

    Raises ``LaunchError`` if there is no such file, ``SnippetError`` and its like if probes do not fit the script.
    """
    sys.argv = [path, *arguments]
    if path == "-":
        _begin_path("")
        return _prepare(_STDIN, lambda: compile_script(sys.stdin.buffer.read(), _STDIN))
    absolute = os.getcwd() if path == "." else os.path.join(os.getcwd(), path)  # As it is, a `./` in it too.
    if is_importable(absolute):
        sys.path[: not sys.flags.safe_path] = [absolute]  # With -P, too: it is what is run.
        main_module.name = "__main__"
        return functools.partial(_run_as_main, "__main__", alter_argv=False)
    try:
        with open(path, "rb"):
            pass
    except OSError as error:
        raise LaunchError(f"{path}: cannot be run: {error.strerror}") from error
    _begin_path(os.path.dirname(os.path.realpath(path)))
    return prepare_script(absolute)


def prepare_script(path: str, must_fit: bool = True) -> Start:
    """For running a script, source or compiled, by its absolute path.

    Raises what is wrong with a compiled file, and with probes in the script if they ``must_fit``; else it warns.
    """
    if path.endswith(".pyc"):
        return _prepare(path, lambda: read_pyc(path).code, must_fit)
    with open(path, "rb") as file:
        source = file.read()
    return _prepare(path, lambda: compile_script(source, path), must_fit)


def _prepare(path: str, make: Callable[[], CodeType], must_fit: bool = True) -> Start:
    try:
        code = make()
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        return functools.partial(_raise, error.with_traceback(None))
    return functools.partial(_run_script, path, instrumented_script(path, code, must_fit))


def instrumented_script(path: str, code: CodeType, must_fit: bool = True) -> CodeType:
    """The code of a script as the hooks want it; as it is, with a warning, where they do not fit and need not."""
    names = ("__main__",) if path == _STDIN else script_names(path)
    try:
        return instrumented_main(code, names)
    except Exception as error:
        if must_fit:
            raise
        warn_of_import(names[0], error)
        return code


def is_importable(path: str) -> bool:
    """Whether a path is itself a place to import from: a folder, an archive."""
    if os.path.isdir(path):
        return True
    for hook in sys.path_hooks:
        try:
            hook(path)
        except ImportError:
            continue
        return True
    return False


def start_module(name: str, arguments: Sequence[str]) -> Start:
    """For what ``python -m NAME ARGUMENTS`` runs. Raises ``LaunchError`` if there is no such module."""
    _begin_path(os.getcwd())
    sys.argv = ["-m", *arguments]
    if not name or locate(name.partition(".")[0]) is None:
        raise LaunchError(f"-m {name}: there is no such module here or on sys.path")
    main_module.name = name  # What else is amiss, in the packages around it, too, the program hears of.
    return functools.partial(_run_as_main, name)


def forget_command(program: Sequence[str]) -> None:
    """Have ``sys.orig_argv`` name only the program: one that starts itself anew by it gets its probes as a child."""
    begin = sys.orig_argv[: len(sys.orig_argv) - len(sys.argv) + 1]
    name = begin.pop()
    if sys.modules["__main__"].__spec__ is not None:  # Started with -m, be it `-m equip`, `-Im equip` or `-mequip`.
        options = (name if name.startswith("-") else begin.pop()).partition("m")[0]
        begin += [options] if options != "-" else []
    sys.orig_argv = [*begin, *program]


def _begin_path(place: str) -> None:
    """Put ``place`` where the interpreter has what it was started with."""
    if not sys.flags.safe_path:
        sys.path[0] = place


def _run_as_main(name: str, alter_argv: bool = True) -> None:
    sys.modules["__main__"] = _new_main()
    runpy._run_module_as_main(name, alter_argv)  # type: ignore[attr-defined]  # What the interpreter itself calls.


def _run_script(path: str, code: CodeType) -> None:
    main = sys.modules["__main__"] = _new_main()
    main.__dict__["__file__"] = path
    if path == _STDIN:
        main.__loader__ = importlib.machinery.BuiltinImporter  # As the interpreter has it.
    elif path.endswith(".pyc"):
        main.__loader__ = importlib.machinery.SourcelessFileLoader("__main__", path)
    else:
        main.__loader__ = importlib.machinery.SourceFileLoader("__main__", path)
    exec(code, main.__dict__)


def _raise(error: Exception) -> NoReturn:
    raise error


def _new_main() -> ModuleType:
    """A fresh ``__main__``, with the names that this interpreter gives it."""
    plain = vars(sys.modules["__main__"])
    made = ModuleType("__main__")
    fresh = {"__builtins__": sys.modules["builtins"], "__annotations__": {}, "__cached__": None}
    made.__dict__.update((name, value) for name, value in fresh.items() if name in plain)
    return made


# -- its end ---------------------------------------------------------------------------------------------------


def run_to_end(start: Start, ended: Callable[[], bool] = bool) -> NoReturn:
    """Run a program, and end with its exit status and tracebacks, in which nothing is of equip's.

    ``ended`` is called when the program's threads have ended, too; if it returns True, something is wrong, and an
    exit status of 0 becomes 2.
    """
    try:
        start()
    except SystemExit as error:
        if _fails(ended) and error.code in (None, 0):
            sys.exit(2)
        raise
    except BaseException:
        sys.excepthook = functools.partial(_show_theirs, vars(sys).get("excepthook", _MISSING))
        _fails(ended)
        raise
    sys.exit(2 if _fails(ended) else 0)


def _fails(ended: Callable[[], bool]) -> bool:
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    return ended()


_MISSING: Final = object()


def _show_theirs(hook: Any, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Do with the program's own ``sys.excepthook`` what the interpreter does, which has called this in its place."""
    sys.last_traceback = theirs = _without_ours(trace)
    error = error.with_traceback(theirs)
    if hook is _MISSING:
        del sys.excepthook
        _write("sys.excepthook is missing\n")
        sys.__excepthook__(kind, error, theirs)
        return
    sys.excepthook = hook
    try:
        hook(kind, error, theirs)
    except SystemExit:
        raise
    except BaseException as failed:
        _write("Error in sys.excepthook:\n")
        below = failed.__traceback__ and failed.__traceback__.tb_next
        sys.__excepthook__(type(failed), failed.with_traceback(below), below)
        _write("\nOriginal exception was:\n")
        sys.__excepthook__(kind, error, theirs)


def _write(text: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(text)
    else:
        with contextlib.suppress(OSError):
            os.write(2, text.encode())


def _without_ours(trace: TracebackType | None) -> TracebackType | None:
    """The part of a traceback below the last function of this file."""
    found, theirs = trace, trace
    while found is not None:
        if found.tb_frame.f_code.co_filename == _run_script.__code__.co_filename:
            theirs = found.tb_next
        found = found.tb_next
    return theirs
