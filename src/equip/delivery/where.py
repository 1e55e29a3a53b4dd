"""Where a probe goes: ``"module.glob:qualname.glob"``, or ``"module.glob:LINE"`` and ``"file/glob.py:LINE"``."""

from __future__ import annotations

import difflib
import glob
import os
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from equip.errors import ProbeError
from equip.program.declarations import Declaration, MethodDeclaration, ModuleDeclaration

_EXAMPLE = 'for example "shop.cart:Cart.add" or "shop.*:Cart.*"'
_LINE_EXAMPLE = 'for example "shop.cart:42" or "shop/cart.py:42"'
_MODULE = re.compile(r"[\w.*?\[\]!-]+")
_QUALNAME = re.compile(r"[\w.*?\[\]!<>-]+")
_SHOWN = 3
_COMPARED = 5_000
"""So many names at most are compared with one that is not there."""


def matches_module(glob: str, name: str) -> bool:
    """Whether a glob of module names matches; ``shop.*`` is the package ``shop``, too."""
    return fnmatchcase(name, glob) or (glob.endswith(".*") and fnmatchcase(name, glob[:-2]))


def is_module_glob(text: str) -> bool:
    """Whether a text can be a glob of module names."""
    return _MODULE.fullmatch(text) is not None


@dataclass(slots=True)
class Where:
    """A place that was parsed, and what it was compared with. Not to be made but by ``parse_where``.

    Either ``module`` or ``file`` (globs), and either ``qualname`` (a glob) or ``line``. ``real`` is the path, without
    links in it, of a file that is meant itself.
    """

    text: str
    module: str = ""
    file: str = ""
    qualname: str = ""
    line: int = 0
    matched: int = 0
    modules: set[str] = field(default_factory=set)
    near: set[str] = field(default_factory=set)
    real: str = ""

    def fresh(self) -> Where:
        """The same place, compared with nothing yet."""
        return Where(self.text, self.module, self.file, self.qualname, self.line, real=self.real)

    def find(self, module: ModuleDeclaration) -> Iterator[Declaration]:
        """The declarations in ``module`` that this means. Remembers what it saw, for ``complaint``."""
        names = (module.module_path,) if self.file else (module.module_name, *module.aliases)
        self.modules.update(names)
        if not any(map(self._is_meant, names)):
            return
        found = self._at_line(module) if self.line else self._named(module)
        for declaration in found:
            self.matched += 1
            yield declaration

    def _is_meant(self, name: str) -> bool:
        """Whether a module is meant, by its path or its name."""
        if self.file:
            is_whole = os.path.isabs(self.file)
            path = (os.path.abspath(name) if is_whole else name).replace("\\", "/")
            wanted = self.file.replace("\\", "/")
            if fnmatchcase(path, wanted) or (not is_whole and fnmatchcase(path, f"*/{wanted}")):
                return True
            return bool(self.real) and os.path.realpath(name) == self.real
        return matches_module(self.module, name)

    def _named(self, module: ModuleDeclaration) -> Iterator[Declaration]:
        shown = module.module_path if self.file else module.module_name
        for declaration in list(module.walk()):
            if isinstance(declaration, MethodDeclaration):
                if fnmatchcase(declaration.qualname, self.qualname):
                    yield declaration
                elif not self.matched and len(self.near) < _COMPARED:
                    self.near.add(f"{shown}:{declaration.qualname}")

    def _at_line(self, module: ModuleDeclaration) -> list[Declaration]:
        """Who encounters the line; a function rather than what is around it, a lambda where there is nothing else."""
        shown = module.module_path if self.file else module.module_name
        found: list[Declaration] = []
        for declaration in module.walk():
            if not (declaration.start_lineno <= self.line <= declaration.end_lineno) and declaration is not module:
                continue
            lines = module.injector.lines_of(declaration.code_path)
            if self.line in lines:
                found.append(declaration)
            elif not self.matched:
                nearest = sorted(filter(None, lines), key=lambda line: abs(line - self.line))[:_SHOWN]
                self.near.update(f"{shown}:{line}" for line in nearest)
        named = [one for one in found if not (isinstance(one, MethodDeclaration) and one.is_lambda)] or found
        around = {around.code_path for one in named for around in _around(one)}
        return [one for one in named if one.code_path not in around]

    def memory(self) -> tuple[int, tuple[str, ...], tuple[str, ...]]:
        """What it was compared with so far, as plain data; the names that came near as far as they are of use."""
        near = () if self.matched else tuple(_closest(self.text, self.near) if not self.line else sorted(self.near))
        return self.matched, tuple(sorted(self.modules)), near

    def recall(self, memory: tuple[int, tuple[str, ...], tuple[str, ...]]) -> None:
        """Count as compared with what ``memory`` says."""
        self.matched += memory[0]
        self.modules.update(memory[1])
        self.near.update(memory[2])

    def complaint(self) -> str | None:
        """What to tell the user if nothing was matched, with the names that come near."""
        if self.matched:
            return None
        if not any(self._is_meant(name) for name in self.modules):
            wanted = self.file or self.module
            if wanted in sys.modules:
                return (
                    f"matched nothing: module {wanted!r} is loaded, but no probe gets there: it was loaded before, "
                    "is left out (include, exclude, what snippets import), or is no Python code"
                )
            what, cutoff, seen = ("file" if self.file else "module"), 0.4, self.modules
            if not seen and not self.file:
                cutoff, seen = 0.6, set(sys.modules)
            close = difflib.get_close_matches(wanted, sorted(seen)[:_COMPARED], _SHOWN, cutoff)
            why = f"no {what} {wanted!r}" + (f" among {len(self.modules)} seen" if self.modules else " was seen")
        elif self.line:
            numbered = sorted(self.near, key=lambda one: abs(int(one.rpartition(":")[2]) - self.line))
            close, why = numbered[:_SHOWN], f"line {self.line} has no code that runs"
        else:
            close = _closest(self.text, self.near)
            why = f"no function {self.qualname!r} there"
        hint = f"; did you mean {' or '.join(close)}?" if close else ""
        return f"matched nothing: {why}{hint}"


def _around(declaration: Declaration) -> Iterator[Declaration]:
    around = declaration.parent
    while around is not None:
        yield around
        around = around.parent


def _closest(wanted: str, names: Iterable[str]) -> list[str]:
    """The names that come nearest: by the whole, else by what is behind the colon."""
    ordered = sorted(names)
    close = difflib.get_close_matches(wanted, ordered, _SHOWN, 0.6)
    if close:
        return close
    tails: dict[str, str] = {}
    for name in ordered:
        tails.setdefault(name.rpartition(":")[2], name)
    tail = wanted.rpartition(":")[2]
    return [tails[one] for one in difflib.get_close_matches(tail, list(tails), _SHOWN, 0.5)]


def _as_file(path: str) -> tuple[str, str]:
    """A glob of files, and the file that is meant itself, if there is one. With a `.` or `..` in it, it is one here."""
    begins_here = not {".", ".."}.isdisjoint(re.split(r"[/\\]", path))
    if not begins_here and not os.path.isabs(path):
        return path, ""
    whole = os.path.abspath(path)
    if os.path.isfile(whole):
        return glob.escape(whole), os.path.realpath(whole)
    here = "" if os.path.isabs(path) else glob.escape(os.getcwd()) + os.sep
    return os.path.normpath(here + path), ""


def parse_where(text: object, *, lines: bool) -> Where:
    """Parse the place of a function, or (``lines``) of a line. Raises ``ProbeError``."""
    example = _LINE_EXAMPLE if lines else _EXAMPLE
    if not isinstance(text, str):
        raise ProbeError(f"where is text, {example}, not {text!r}")
    left, colon, right = text.rpartition(":")
    form = '"module:LINE" or "file.py:LINE"' if lines else '"module:function"'
    if not colon:
        raise ProbeError(f"where {text!r} has no colon: it is {form}, {example}")
    if not left or not right:
        raise ProbeError(f"where {text!r} has nothing {'behind' if left else 'before'} the colon: {example}")
    found = Where(text)
    if left.endswith(".py") or "/" in left or "\\" in left:
        found.file, found.real = _as_file(left)
        found.text = f"{found.file}:{right}"
    elif _MODULE.fullmatch(left):
        found.module = left
    else:
        raise ProbeError(f"where {text!r}: {left!r} is no module name (or glob of such), and no file name: {example}")
    if lines:
        if not right.isdecimal() or not int(right):
            raise ProbeError(f"where {text!r}: {right!r} is no line number: {example}")
        found.line = int(right)
    elif right.isdecimal():
        raise ProbeError(f"where {text!r} names a line: use on_line for it, or name a function, {example}")
    elif not _QUALNAME.fullmatch(right) or ".." in right:
        raise ProbeError(f"where {text!r}: {right!r} is no name of a function (or glob of such): {example}")
    else:
        found.qualname = right
    return found
