"""Following the processes that a program starts: each gets the same probes before its first line runs.

A forked process has what its parent has. For any other the environment names a folder with a ``sitecustomize``, which
Python imports when it starts. Interpreters that ignore the environment or the site (``-E``, ``-I``, ``-S``) and
programs that make an environment of their own are not followed.
"""

from __future__ import annotations

import functools
import importlib.machinery
import importlib.util
import json
import os
import runpy
import sys
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final, Protocol, Self, cast, runtime_checkable

from equip.delivery import launch, voice
from equip.delivery.described import Described, made_from, visitors_in_file
from equip.delivery.finder import Made, OwnLoader, main_module
from equip.delivery.hook import Hook
from equip.delivery.planning import Matching, Portable, Visitor
from equip.errors import EquipError, EquipWarning, ProbeError

_FOLDER: Final = os.path.join(os.path.dirname(os.path.abspath(__file__)), "startup")
_HOME: Final = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_VARIABLE: Final = "EQUIP_CHILDREN"


@dataclass(frozen=True)
class Followed:
    """What is put into each process, as plain data. ``seen`` is a folder for marks of what has matched in any."""

    probes: tuple[dict[str, Any], ...]
    used: tuple[str, ...]
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    seen: str

    @classmethod
    def of(
        cls, probes: Iterable[Visitor], used: Iterable[str], include: Iterable[str], exclude: Iterable[str], seen: str
    ) -> Self:
        """For probes and visitors named ``FILE.py:NAME``. Raises ``SnippetError`` for callables without a name."""
        described = []
        for one in probes:
            if not isinstance(one, Described):
                raise ProbeError(f"{one!r} cannot be sent to another process: only probes (equip.before, ...) can")
            described.append(one.describe())
        paths = tuple(os.path.abspath(one) for one in used)
        return cls(tuple(described), paths, tuple(include), tuple(exclude), seen)

    def visitors(self) -> list[Visitor]:
        """The visitors, made anew. Raises ``ProbeError``."""
        made = [made_from(one) for one in self.probes]
        return [*made, *(visitor for one in self.used for visitor in visitors_in_file(one))]

    def hooks(self) -> list[Hook]:
        """Hooks at work for all of it. Raises ``EquipError``."""
        kind = functools.partial(MarkingHook, self.seen)
        found = launch.hooks_for(self.visitors(), self.include, self.exclude, kind)
        for hook in found:
            hook.keep_quiet()
        return found

    def follow(self) -> None:
        """Have the processes that this one starts from now on get the probes, too."""
        os.environ[_VARIABLE] = json.dumps({"home": _HOME, **asdict(self)})
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (_FOLDER, os.environ.get("PYTHONPATH", ""))))


class MarkingHook(Hook):
    """Leaves a mark for each probe that has matched something, whichever process it was in."""

    def __init__(self, seen: str, *arguments: Any, **options: Any) -> None:
        self._seen = seen  # First: modules that are loaded already are patched, and marked, from there.
        super().__init__(*arguments, **options)
        self._mark()

    def note(self, name: str, made: Made) -> None:
        super().note(name, made)
        self._mark()

    def patch(self, module: ModuleType, functions: Sequence[FunctionType]) -> None:
        super().patch(module, functions)
        self._mark()

    def _mark(self) -> None:
        for probe in self._probes():
            if probe.complaint() is None and os.path.isdir(self._seen):
                with open(self._mark_of(probe), "wb"):
                    pass

    def complaints(self) -> list[str]:
        """What there is to say of probes that matched nothing in any process so far."""
        missed = [probe for probe in self._probes() if not os.path.exists(self._mark_of(probe))]
        return [found for probe in missed if (found := probe.complaint())]

    def _probes(self) -> list[Probe]:
        return [one for one in self.visitors if isinstance(one, Probe)]

    def _mark_of(self, probe: Probe) -> str:
        return os.path.join(self._seen, probe.digest)


@runtime_checkable
class Probe(Matching, Portable, Protocol):
    """A visitor that can be told apart from others, and knows if it has matched nothing."""


# -- in a process that was started so --------------------------------------------------------------------------


def join_in() -> None:
    """Put the probes into this process, which has just been started. Warns if that is not possible."""
    found = json.loads(os.environ[_VARIABLE])
    del found["home"]
    voice.tell_warnings(voice.tell)
    try:
        Followed(**found).hooks()
    except EquipError as error:
        warnings.warn(f"it runs without probes: {error}", EquipWarning, stacklevel=2)
        return
    script, main_module.name = _what_to_run(sys.orig_argv[1:])
    if script and not launch.is_importable(script):
        sys.path_hooks.insert(0, _ScriptHook(script))
    _instrument_spawned()


def _what_to_run(arguments: list[str]) -> tuple[str, str]:
    """The script and the module that the interpreter is to run, by its own arguments; "" for what it is not."""
    left = iter(arguments)
    for one in left:
        if not one.startswith("-") or one == "-":
            return "" if one == "-" else one, ""
        if one == "--check-hash-based-pycs":
            next(left, None)
        elif not one.startswith("--"):
            letter, value = _with_value(one[1:])
            if letter:
                value = value or next(left, "")
            if letter in ("c", "m"):
                return "", value if letter == "m" else ""
    return "", ""


def _with_value(letters: str) -> tuple[str, str]:
    """Of options in one argument, as in ``-um``: the one that takes a value, and what is there of that."""
    for index, letter in enumerate(letters):
        if letter in "cmWX":
            return letter, letters[index + 1 :]
    return "", ""


class _ScriptHook:
    """A path hook that has the interpreter run its script as it runs a folder: through an importer."""

    def __init__(self, script: str) -> None:
        self.script = os.path.abspath(script)

    def __call__(self, path: str) -> _ScriptFinder:
        if os.path.abspath(path) != self.script or not os.path.isfile(path):
            raise ImportError(path)
        sys.path_hooks.remove(self)
        return _ScriptFinder(path)


class _ScriptFinder:
    def __init__(self, path: str) -> None:
        self.path = path

    def find_spec(self, name: str, target: ModuleType | None = None) -> importlib.machinery.ModuleSpec | None:
        if name != "__main__":
            return None
        return importlib.util.spec_from_loader(name, cast("Any", _ScriptLoader(self.path)), origin=self.path)


class _ScriptLoader(OwnLoader):
    """Gives code that runs a script as ``__main__``, in the place of what ``runpy`` would have it run in."""

    def __init__(self, path: str) -> None:
        self.path = path

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        raise ImportError("only runpy runs it")

    def get_code(self, name: str) -> CodeType:
        sys.path_importer_cache.pop(self.path, None)
        starter = f"__import__('sys').modules[{__name__!r}]._run_script({self.path!r})"
        return compile(starter, __file__, "exec", dont_inherit=True)


def _run_script(path: str) -> None:
    """Run the script of this process, as the interpreter would have without the path hook."""
    sys.path.remove(path)
    if not sys.flags.safe_path:
        sys.path.insert(0, os.path.dirname(os.path.realpath(path)))
    launch.run_to_end(launch.prepare_script(path, must_fit=False))


def _instrument_spawned() -> None:
    """Have the main script of a process that ``multiprocessing`` spawned instrumented, too, when it is run there."""
    plain = runpy._get_code_from_file  # type: ignore[attr-defined]

    def get_code(*arguments: Any) -> Any:
        found = plain(*arguments)
        code, *rest = found if isinstance(found, tuple) else (found,)
        code = launch.instrumented_script(code.co_filename, code, must_fit=False)
        return (code, *rest) if rest else code

    runpy._get_code_from_file = get_code  # type: ignore[attr-defined]
