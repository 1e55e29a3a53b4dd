"""Asking for snippets to be put into a declaration."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from equip.errors import JoinPointError
from equip.inject.callables import call_of
from equip.inject.request import Insertion, JoinPoint, Place, made
from equip.inject.snippet import parse
from equip.program.declarations import Declaration, ImportDeclaration

if TYPE_CHECKING:
    from equip.analysis.controlflow import BasicBlock, Edge
    from equip.inject.target import Target

_BEFORE, _AFTER, _LINENO = JoinPoint.BEFORE, JoinPoint.AFTER, JoinPoint.LINENO  # on 3.11 a member of an enum is dear
Snippet: TypeAlias = str | Callable[..., Any]
"""Python source with fields, or a callable whose parameter names are the fields that it wants."""


class SimpleRewriter:
    """Puts snippets into the code of one declaration; its methods can be chained.

    Snippets at one place run in the order in which they were asked for. A name that a snippet of this rewriter
    binds in a function, and that the function does not have, is private to this rewriter in that function.
    ``suppress=True`` reports an exception in the snippet as unraisable and lets the program carry on.

    Each method raises ``SnippetError`` (the snippet cannot stand there) or ``JoinPointError`` (there is no such
    place), and has then asked for nothing.
    """

    def __init__(self, decl: Declaration) -> None:
        if not isinstance(decl, Declaration) or isinstance(decl, ImportDeclaration):
            raise TypeError(f"SimpleRewriter needs a module, class or method declaration, not {decl!r}")
        self._declaration = decl
        self._module = decl.module
        self._path = decl.code_path
        self._target: Target | None = None
        self._group = 0
        """Ties together what this rewriter puts in; not known before there is something."""
        self._is_repeatable = False
        """Whether what was put at a line can stand at any other."""
        self._of_module: SimpleRewriter | None = None

    def insert_before(self, code: Snippet, *, suppress: bool = False) -> SimpleRewriter:
        """Put ``code`` first in the body."""
        return self._ask(_BEFORE, code, suppress)

    def insert_after(self, code: Snippet, *, suppress: bool = False) -> SimpleRewriter:
        """Put ``code`` before each return of the function; ``{return_value}`` can be read and assigned."""
        return self._ask(_AFTER, code, suppress)

    def insert_on_raise(self, code: Snippet, *, suppress: bool = False) -> SimpleRewriter:
        """Run ``code`` when an exception, ``{exception}``, leaves the body."""
        return self._ask(JoinPoint.RAISE, code, suppress)

    def insert_at_line(self, lineno: int, code: Snippet, *, suppress: bool = False) -> SimpleRewriter:
        """Run ``code`` each time the line ``lineno`` (from 1) is encountered."""
        module, target = self._module, self._target
        asked = module.plan.get(self._path)
        if target is not None and asked:
            location, source, _, suppressed, probe, group, _ = asked[-1]
            if (
                self._is_repeatable
                and source is code
                and location is _LINENO
                and suppressed is suppress
                and group == self._group
                and probe == module.probe
                and type(lineno) is int
                and lineno in target.encounters
            ):  # What was asked for last, at another line: whether it is possible depends on nothing else of the line.
                asked.append(made(Insertion, (location, source, lineno, suppressed, probe, group, ())))
                return self
        return self._ask(_LINENO, code, suppress, lineno)

    def insert_at_block(self, block: BasicBlock, code: Snippet, *, suppress: bool = False) -> SimpleRewriter:
        """Run ``code`` each time control enters a basic block of the body's control flow graph."""
        return self._ask(JoinPoint.BLOCK, code, suppress, place=self._place(JoinPoint.BLOCK, block))

    def insert_on_edge(self, edge: Edge, code: Snippet, *, suppress: bool = False) -> SimpleRewriter:
        """Run ``code`` each time control goes along an edge of the body's control flow graph.

        On some edges no code can stand (``JoinPointError``): on those of the kind RAISE, for which there is
        ``insert_on_raise``, and on some of those around ``await`` and ``yield from``. See ``can_insert_at``.
        """
        return self._ask(JoinPoint.EDGE, code, suppress, place=self._place(JoinPoint.EDGE, edge))

    def can_insert_at(self, place: BasicBlock | Edge) -> bool:
        """Whether code can stand at a block or on an edge."""
        from equip.analysis.controlflow import Edge

        location = JoinPoint.EDGE if isinstance(place, Edge) else JoinPoint.BLOCK
        named = self._place(location, place)
        return self._module.injector.has_place(self._declaration.code_path, location, named)

    def insert_import(self, code: str, module_import: bool = True, *, suppress: bool = False) -> SimpleRewriter:
        """Put the import statement ``code`` at the top of the module (once), or of the body itself."""
        if module_import:
            return self._import_in_module(code, suppress)
        return self._ask(JoinPoint.IMPORT, code, suppress)

    def insert_enter_code(
        self, code: Snippet, import_code: str | None = None, *, suppress: bool = False
    ) -> SimpleRewriter:
        """Run ``code`` first when the module is started as a program; ``import_code`` goes to its top."""
        return self._at_module(JoinPoint.MODULE_ENTER, code, import_code, suppress)

    def insert_exit_code(
        self, code: Snippet, import_code: str | None = None, *, suppress: bool = False
    ) -> SimpleRewriter:
        """Run ``code`` when the module, started as a program, ends in whatever way; ``import_code`` goes to its top."""
        return self._at_module(JoinPoint.MODULE_EXIT, code, import_code, suppress)

    def insert_generic(
        self,
        code: Snippet,
        location: JoinPoint,
        ins_lineno: int | None = None,
        *,
        place: BasicBlock | Edge | None = None,
        suppress: bool = False,
    ) -> SimpleRewriter:
        """Put ``code`` at any join point; ``ins_lineno`` is the line for ``JoinPoint.LINENO``, ``place`` the block
        for ``JoinPoint.BLOCK`` or the edge for ``JoinPoint.EDGE``."""
        if not isinstance(location, JoinPoint):
            raise TypeError(f"location must be one of equip.JoinPoint, not {location!r}")
        if location in (JoinPoint.MODULE_ENTER, JoinPoint.MODULE_EXIT):
            return self._at_module(location, code, None, suppress)
        if location in (JoinPoint.BLOCK, JoinPoint.EDGE):
            return self._ask(location, code, suppress, place=self._place(location, place))
        return self._ask(location, code, suppress, ins_lineno)

    def _place(self, location: JoinPoint, place: object) -> Place:
        """How the block or edge is named in an insertion; it must be of this declaration's code."""
        from equip.analysis.controlflow import BasicBlock, Edge
        from equip.inject.flow import place_of_block, place_of_edge

        found: Place
        if location is JoinPoint.BLOCK and isinstance(place, BasicBlock):
            code, found = place.flow.code, place_of_block(place)
        elif location is JoinPoint.EDGE and isinstance(place, Edge):
            code, found = place.source.flow.code, place_of_edge(place)
        else:
            what = "a BasicBlock" if location is JoinPoint.BLOCK else "an Edge"
            raise TypeError(f"{location.name} needs {what} of a control flow graph, not {place!r}")
        if code is not self._declaration.code_object:
            raise JoinPointError(
                f"{place!r} belongs to the graph of {code.co_qualname!r}, not to that of {self._declaration!r}: "
                "take it from equip.ControlFlow of this declaration"
            )
        return found

    def _at_module(self, location: JoinPoint, code: Snippet, import_code: str | None, suppress: bool) -> SimpleRewriter:
        if import_code is not None:
            self._import_in_module(import_code, suppress)
        self._on_module()._ask(location, code, suppress)
        return self

    def _import_in_module(self, code: str, suppress: bool) -> SimpleRewriter:
        there = self._module.plan.get((), ())
        if any(one.location is JoinPoint.IMPORT and one.source == code for one in there):
            return self
        self._on_module()._ask(JoinPoint.IMPORT, code, suppress)
        return self

    def _on_module(self) -> SimpleRewriter:
        """What puts this rewriter's snippets into the module itself."""
        if not self._path:
            return self
        if self._of_module is None:
            self._of_module = SimpleRewriter(self._module)
        return self._of_module

    def _ask(
        self,
        location: JoinPoint,
        code: Snippet,
        suppress: bool,
        lineno: int | None = None,
        place: Place = (),
    ) -> SimpleRewriter:
        if not isinstance(code, str):
            code = self._call(code, suppress)
        module, path = self._module, self._path
        asked = module.plan.get(path)
        target = self._target
        if target is None:
            target = module.injector.target(path)
            if asked is not None:
                self._group = 1 + max([one.group for one in asked if one.probe == module.probe], default=-1)
        insertion = module.injector.insertion(
            target, location, code, lineno, suppress, module.probe, self._group, place
        )
        self._target = target
        if location is _LINENO:
            self._is_repeatable = not parse(code).depends_on_place
        if asked is None:
            module.plan[path] = [insertion]
        else:
            asked.append(insertion)
        return self

    def _call(self, function: Callable[..., Any], suppress: bool) -> str:
        """The snippet that calls a callable."""
        if not callable(function):
            raise TypeError(f"a snippet is Python source or a callable, not {type(function).__name__}")
        call = call_of(function, in_memory=self._module.in_memory)
        self._import_in_module(call.import_code, suppress)
        return call.code
