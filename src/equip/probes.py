"""Probes: visitors in one line. A probe says where it goes and what runs there.

A probe can be given wherever a visitor can, alone or in a list, and used as often as wanted.
"""

from __future__ import annotations

import hashlib
import inspect
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from equip.delivery.described import described_callable
from equip.delivery.gates import NAME, gate_source
from equip.delivery.where import Where, parse_where
from equip.errors import ProbeError, SnippetError
from equip.inject.callables import call_of
from equip.inject.request import JoinPoint
from equip.inject.snippet import parse
from equip.inject.source import OWN, guarded
from equip.program.declarations import Declaration, ModuleDeclaration
from equip.rewriter import SimpleRewriter, Snippet

_INDENT = "    "


@dataclass(slots=True)
class Probe:
    """A snippet at one join point of all the functions that ``place`` names. Made by ``before`` and its like."""

    location: JoinPoint
    place: Where
    code: Snippet
    suppress: bool
    when: str | None
    limit: int | None
    every: float | None
    lifespan: float | None
    reentrant: bool
    key: str = ""
    """What its gate is called, unless by what it is given."""
    number: int = field(default_factory=itertools.count().__next__)

    @property
    def probe_name(self) -> str:
        """Who the insertions are recorded for."""
        return f"{_NAMES[self.location]} {self.place.text}"

    @property
    def digest(self) -> str:
        """What tells it apart from other probes, the same in each run. Hexadecimal."""
        code = self.code
        if not isinstance(code, str):
            code = f"{getattr(code, '__module__', '')}:{getattr(code, '__qualname__', '')}:{_parameters(code)}"
        options = (self.suppress, self.when, self.limit, self.every, self.lifespan, self.reentrant)
        return hashlib.sha256(ascii((self.probe_name, code, options)).encode()).hexdigest()[:16]

    @property
    def include(self) -> str:
        """The glob of the modules that it may be about."""
        return self.place.module or "*"

    @property
    def is_limited(self) -> bool:
        """Whether it can come to an end by itself."""
        return self.limit is not None or self.lifespan is not None

    def gate(self, key: str) -> str | None:
        """The statements that make its gate, None if it needs none."""
        if not self.is_limited and self.every is None and self.reentrant:
            return None
        return gate_source(key, self.limit, self.every, self.lifespan)

    def key_in(self, module: ModuleDeclaration) -> str:
        """The key of its gate: in files by what the probe is, in memory one for each probe that was made."""
        return self.key or (f"{self.digest}_{self.number}" if module.in_memory else self.digest)

    def begin(self, key: str = "") -> Probe:
        """The same probe for another delivery: nothing matched yet, ``key`` for its gate."""
        return replace(self, place=self.place.fresh(), key=key)

    @property
    def is_portable(self) -> bool:
        """Whether another process can run what it puts in."""
        if not isinstance(self.code, str):
            try:
                call_of(self.code, in_memory=False)
            except SnippetError:
                return False
        return True

    def describe(self) -> dict[str, Any]:
        """What makes it, as plain data. Raises ``SnippetError`` for a callable that cannot be imported."""
        names = ("suppress", "when", "limit", "every", "lifespan", "reentrant")
        options = {name: getattr(self, name) for name in names}
        code = self.code if isinstance(self.code, str) else described_callable(self.code)
        kind = _NAMES[self.location]
        return {"kind": kind, "where": self.place.text, "include": self.include, "code": code, "options": options}

    def memory(self) -> object:
        """What it has matched so far, as plain data."""
        return self.place.memory()

    def recall(self, memory: Any) -> None:
        """Have matched what ``memory`` says, too."""
        self.place.recall(memory)

    def complaint(self) -> str | None:
        """What to tell the user if it has matched nothing."""
        found = self.place.complaint()
        return None if found is None else f"probe {self.probe_name!r} {found}"

    def traverse(self, module: ModuleDeclaration) -> None:
        """Put the snippet into what the probe means in a module."""
        for declaration in self.place.find(module):
            self._put_in(declaration)

    def _put_in(self, declaration: Declaration) -> None:
        rewriter = SimpleRewriter(declaration)
        module = declaration.module
        key = self.key_in(module)
        gate = self.gate(key)
        code = self.code
        imported = None
        if not isinstance(code, str):
            imported, code = call_of(code, in_memory=module.in_memory)
        if self.when is not None or gate is not None:
            code = self._guarded(code, key)
        line = self.place.line or None
        if imported is not None or gate is not None:
            # A mistake is heard of before anything is asked for.
            target = module.injector.target(declaration.code_path)
            module.injector.insertion(target, self.location, code, line, self.suppress)
        for needed in filter(None, (imported, gate)):
            rewriter.insert_import(needed)
        rewriter.insert_generic(code, self.location, line, suppress=self.suppress)

    def _guarded(self, code: str, key: str) -> str:
        """``code`` below its conditions, in lines of their own."""
        if not parse(code).body:
            return code
        variable = NAME + key
        has_gate = self.is_limited or self.every is not None
        conditions = [f"({self.when}\n)"] if self.when is not None else []
        conditions += [f"{variable}.open()"] if has_gate else []
        header, depth = [], 0
        if not self.reentrant:
            header, depth = [f"if {variable}.enter():", f"{_INDENT}try:"], 2
        if conditions:
            header.append(f"{_INDENT * depth}if {' and '.join(conditions)}:")
            depth += 1
        footer = [] if self.reentrant else [f"{_INDENT}finally: {variable}.leave()"]
        return guarded([*header, _INDENT * depth + OWN, *footer], code)

    def __repr__(self) -> str:
        return f"<probe {self.probe_name!r}>"


_NAMES = {
    JoinPoint.BEFORE: "before",
    JoinPoint.AFTER: "after",
    JoinPoint.RAISE: "on_raise",
    JoinPoint.LINENO: "on_line",
}


def _parameters(function: Callable[..., Any]) -> str:
    try:
        return str(inspect.signature(function))
    except (TypeError, ValueError):
        return ""


def _make(
    location: JoinPoint,
    where: str,
    code: Snippet,
    suppress: bool,
    when: str | None,
    limit: int | None,
    every: float | None,
    lifespan: float | None,
    reentrant: bool,
) -> Probe:
    place = parse_where(where, lines=location is JoinPoint.LINENO)
    name = f"probe {_NAMES[location] + ' ' + where!r}"
    if not isinstance(code, str) and not callable(code):
        raise TypeError(f"{name}: a snippet is Python source or a callable, not {type(code).__name__}")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise ProbeError(f"{name}: limit is a number of hits from 1, or None, not {limit!r}")
    for option, value in (("every", every), ("lifespan", lifespan)):
        good = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < math.inf
        if value is not None and not good:
            raise ProbeError(f"{name}: {option} is a number of seconds above 0, or None, not {value!r}")
    if isinstance(code, str):
        parse(code)
    if when is not None:
        _check_condition(name, when)
    return Probe(location, place, code, suppress, when, limit, every, lifespan, reentrant)


def _check_condition(name: str, when: object) -> None:
    if not isinstance(when, str):
        raise TypeError(f"{name}: when is Python source, not {type(when).__name__}")
    try:
        body = parse(f"({when}\n)").body if when.strip() else ()
    except SnippetError as error:
        raise SnippetError(f"{name}: the condition when={when!r} is no expression ({error})") from None
    if len(body) != 1 or type(body[0]).__name__ != "Expr":
        raise SnippetError(f"{name}: the condition when={when!r} is no expression, for example 'x > 3'")


def before(
    where: str,
    code: Snippet,
    *,
    suppress: bool = False,
    when: str | None = None,
    limit: int | None = None,
    every: float | None = None,
    lifespan: float | None = None,
    reentrant: bool = True,
) -> Probe:
    """A probe that runs ``code`` first in each function that ``where`` names, ``"module.glob:qualname.glob"``.

    ``code`` is a snippet or a callable. ``suppress``: an exception in it is reported as unraisable, and the program
    carries on. It runs only ``when`` a condition in the program's own names is true; ``limit`` times at most;
    at most once in ``every`` seconds; for ``lifespan`` seconds. ``reentrant=False``: not within itself, in a thread
    or task. Raises ``ProbeError`` for a malformed ``where`` or option, ``SnippetError`` for a broken snippet.
    """
    return _make(JoinPoint.BEFORE, where, code, suppress, when, limit, every, lifespan, reentrant)


def after(
    where: str,
    code: Snippet,
    *,
    suppress: bool = False,
    when: str | None = None,
    limit: int | None = None,
    every: float | None = None,
    lifespan: float | None = None,
    reentrant: bool = True,
) -> Probe:
    """A probe that runs ``code`` before each return, where it has ``{return_value}``. See ``before``."""
    return _make(JoinPoint.AFTER, where, code, suppress, when, limit, every, lifespan, reentrant)


def on_raise(
    where: str,
    code: Snippet,
    *,
    suppress: bool = False,
    when: str | None = None,
    limit: int | None = None,
    every: float | None = None,
    lifespan: float | None = None,
    reentrant: bool = True,
) -> Probe:
    """A probe that runs ``code`` when an exception, ``{exception}``, leaves the function. See ``before``."""
    return _make(JoinPoint.RAISE, where, code, suppress, when, limit, every, lifespan, reentrant)


def on_line(
    where: str,
    code: Snippet,
    *,
    suppress: bool = False,
    when: str | None = None,
    limit: int | None = None,
    every: float | None = None,
    lifespan: float | None = None,
    reentrant: bool = True,
) -> Probe:
    """A probe that runs ``code`` each time a line is encountered. See ``before``.

    ``where`` is ``"module.glob:LINE"`` or ``"file/glob.py:LINE"``. Where a line belongs to several scopes, the
    innermost ``def`` or ``class`` is meant, a lambda only where there is nothing else.
    """
    return _make(JoinPoint.LINENO, where, code, suppress, when, limit, every, lifespan, reentrant)
