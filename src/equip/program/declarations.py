"""The declarations of a program, found in its code objects: modules, classes, functions, imports.

Built lazily from a code tree: a declaration reads the constants of its code object when its children are
first asked for, its instructions only where a property says so. Declarations are told apart by identity and
by ``code_path``; equal code objects can be different functions.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import CodeType
from typing import TypeVar

from equip.code import Instruction, instructions
from equip.inject.module import ModuleInjector
from equip.inject.request import CodePath, Plan
from equip.program import scopes
from equip.program.superclasses import find_superclasses

_Kind = TypeVar("_Kind", bound="Declaration")


class Declaration:
    """What all declarations have. Lines are from 1, as in the source.

    ``code_object`` is the code as it was found, never an instrumented one; ``code_path`` names it: indices into
    ``co_consts`` from the module down.
    """

    __slots__ = ("_children", "_implicit_scopes", "_last_line", "_module", "code_object", "code_path", "parent")

    def __init__(self, code: CodeType, path: CodePath, parent: Declaration | None) -> None:
        self.code_object = code
        self.code_path = path
        self.parent = parent
        self._module: ModuleDeclaration | None = None if parent is None else parent._module
        self._children: tuple[Declaration, ...] | None = None
        self._implicit_scopes: tuple[ImplicitScope, ...] = ()
        self._last_line: int | None = None

    @property
    def children(self) -> tuple[Declaration, ...]:
        """The functions and classes directly inside, in source order; those inside implicit scopes included."""
        if self._children is None:
            self._find_children()
        assert self._children is not None
        return self._children

    @property
    def implicit_scopes(self) -> tuple[ImplicitScope, ...]:
        """The scopes inside that only the compiler made: comprehensions, annotations, type parameters."""
        if self._children is None:
            self._find_children()
        return self._implicit_scopes

    def _find_children(self) -> None:
        children: list[Declaration] = []
        implicit: list[ImplicitScope] = []
        _collect(self.code_object, self.code_path, self, children, implicit)
        children.sort(key=_first_line)
        self._children = tuple(children)
        self._implicit_scopes = tuple(implicit)

    @property
    def qualname(self) -> str:
        """The dotted name inside the module, as the compiler gives it."""
        return self.code_object.co_qualname

    @property
    def start_lineno(self) -> int:
        """The first line, decorators included."""
        return self.code_object.co_firstlineno

    @property
    def end_lineno(self) -> int:
        """The last line of the source that left code, nested declarations included."""
        if self._last_line is None:
            self._last_line = _find_last_line(self.code_object)
        return self._last_line

    @property
    def lines(self) -> tuple[int, int]:
        """First and last line, both included."""
        return self.start_lineno, self.end_lineno

    @property
    def executable_lines(self) -> tuple[int, ...]:
        """The lines at which ``insert_at_line`` can put a snippet, in order: those with code of this body's own."""
        return tuple(sorted(self.module.injector.lines_of(self.code_path)))

    @property
    def parent_module(self) -> ModuleDeclaration | None:
        """The module around; None for a module."""
        return self._find_around(ModuleDeclaration)

    @property
    def parent_class(self) -> TypeDeclaration | None:
        """The innermost class around, if there is one."""
        return self._find_around(TypeDeclaration)

    @property
    def parent_method(self) -> MethodDeclaration | None:
        """The innermost function around, if there is one."""
        return self._find_around(MethodDeclaration)

    @property
    def module(self) -> ModuleDeclaration:
        """The module that this belongs to; of a module, itself."""
        found = self._module
        assert found is not None, "every declaration is made under a module"
        return found

    @property
    def bytecode(self) -> tuple[Instruction, ...]:
        """The instructions of ``code_object``, nested code objects not included."""
        return instructions(self.code_object)

    def walk(self) -> Iterator[Declaration]:
        """This declaration and all below it, in source order."""
        pending: list[Declaration] = [self]
        while pending:
            declaration = pending.pop()
            yield declaration
            children = declaration._children
            if children is None:
                children = declaration.children
            if children:
                pending += reversed(children)

    def _find_around(self, kind: type[_Kind]) -> _Kind | None:
        around = self.parent
        while around is not None and not isinstance(around, kind):
            around = around.parent
        return around

    def _children_of(self, kind: type[_Kind]) -> tuple[_Kind, ...]:
        return tuple(child for child in self.children if isinstance(child, kind))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.qualname} line {self.start_lineno}>"


class ModuleDeclaration(Declaration):
    """A module, and what was asked of it: rewriters fill ``plan`` while visitors run.

    ``module_path`` is the source file as the code knows it. ``optimize`` is the optimisation level that it was
    compiled with. ``probe`` names the visitor that is running. ``in_memory`` says that the code is for this
    process only and never becomes a file, ``aliases`` are other names that it may be imported as or goes by.
    """

    __slots__ = (
        "_imports",
        "_superclasses",
        "aliases",
        "in_memory",
        "injector",
        "module_name",
        "module_path",
        "optimize",
        "plan",
        "probe",
    )

    def __init__(
        self,
        code: CodeType,
        module_path: str,
        module_name: str,
        optimize: int,
        *,
        in_memory: bool = False,
        aliases: tuple[str, ...] = (),
    ) -> None:
        super().__init__(code, (), None)
        self._module = self
        self.module_path = module_path
        self.module_name = module_name
        self.optimize = optimize
        self.in_memory = in_memory
        self.aliases = aliases
        self.probe = ""
        self.plan: Plan = {}
        self.injector = ModuleInjector(code, file_path=module_path, module_name=module_name, optimize=optimize)
        self._superclasses: dict[CodePath, dict[int, tuple[str, ...]]] = {}
        self._imports: tuple[ImportDeclaration, ...] | None = None
        if code.co_flags & scopes.CO_OPTIMIZED:  # A function by itself: it stands for its module.
            self._children = (MethodDeclaration(code, (), self),)

    @property
    def imports(self) -> tuple[ImportDeclaration, ...]:
        """The import statements of the module's own body, in order."""
        if self._imports is None:
            from equip.program.imports import find_imports

            self._imports = tuple(
                ImportDeclaration(self, statement.first, statement.end, statement.lineno, *statement.what)
                for statement in find_imports(self.code_object)
            )
        return self._imports

    @property
    def classes(self) -> tuple[TypeDeclaration, ...]:
        return self._children_of(TypeDeclaration)

    @property
    def functions(self) -> tuple[MethodDeclaration, ...]:
        return self._children_of(MethodDeclaration)

    def superclasses_in(self, path: CodePath) -> dict[int, tuple[str, ...]]:
        """The bases of the classes made in the code object that ``path`` names, by the constant of their body."""
        found = self._superclasses.get(path)
        if found is None:
            found = find_superclasses(scopes.code_at(self.code_object, path))
            self._superclasses[path] = found
        return found

    def __repr__(self) -> str:
        return f"<ModuleDeclaration {self.module_name} {self.module_path!r}>"


class TypeDeclaration(Declaration):
    """A class statement; ``code_object`` is its body."""

    __slots__ = ()

    @property
    def type_name(self) -> str:
        return self.code_object.co_name

    @property
    def superclasses(self) -> tuple[str, ...]:
        """The bases that are dotted names, as written and in order; other expressions are left out."""
        return self.module.superclasses_in(self.code_path[:-1]).get(self.code_path[-1], ())

    @property
    def methods(self) -> tuple[MethodDeclaration, ...]:
        return self._children_of(MethodDeclaration)

    @property
    def nested_types(self) -> tuple[TypeDeclaration, ...]:
        return self._children_of(TypeDeclaration)


class MethodDeclaration(Declaration):
    """A function, method or lambda."""

    __slots__ = ()

    @property
    def method_name(self) -> str:
        """The plain name; ``<lambda>`` for a lambda."""
        return self.code_object.co_name

    @property
    def formal_parameters(self) -> tuple[str, ...]:
        """The parameters in the order of the signature, ``*args`` and ``**kwargs`` by their bare names."""
        code = self.code_object
        names, flags = code.co_varnames, code.co_flags
        positional, named = code.co_argcount, code.co_argcount + code.co_kwonlyargcount
        starred = bool(flags & scopes.CO_VARARGS)
        total = named + starred + bool(flags & scopes.CO_VARKEYWORDS)
        return (
            *names[:positional],
            *names[named : named + starred],
            *names[positional:named],
            *names[named + starred : total],
        )

    @property
    def nested_types(self) -> tuple[TypeDeclaration, ...]:
        return self._children_of(TypeDeclaration)

    @property
    def is_lambda(self) -> bool:
        return self.code_object.co_name == "<lambda>"

    @property
    def is_generator(self) -> bool:
        return bool(self.code_object.co_flags & scopes.CO_GENERATOR)

    @property
    def is_coroutine(self) -> bool:
        """Whether it was written with ``async def`` and is no generator."""
        return bool(self.code_object.co_flags & scopes.CO_COROUTINE)

    @property
    def is_async_generator(self) -> bool:
        return bool(self.code_object.co_flags & scopes.CO_ASYNC_GENERATOR)


class ImplicitScope(Declaration):
    """A scope that only the compiler made: nobody's child, and without children of its own.

    Functions inside it are children of ``parent``, the declaration around it.
    """

    __slots__ = ()

    @property
    def name(self) -> str:
        """What the compiler calls it: ``<genexpr>``, ``__annotate__``, ``<generic parameters of f>``."""
        return self.code_object.co_name

    def _find_children(self) -> None:
        self._children = ()


class ImportDeclaration(Declaration):
    """An import statement.

    ``root`` is the module of a ``from`` import (``""`` in ``from . import x``), None for a plain one. ``aliases``
    are pairs of the imported name and what ``as`` says, or None. ``dots`` counts the dots of a relative import.
    ``live_names`` are the names that the statement binds, unknown (empty) for a star.
    """

    __slots__ = ("_span", "aliases", "dots", "live_names", "root", "star")

    def __init__(
        self,
        module: ModuleDeclaration,
        first: int,
        end: int,
        lineno: tuple[int, int],
        root: str | None,
        aliases: tuple[tuple[str, str | None], ...],
        dots: int,
        star: bool,
        live_names: tuple[str, ...],
    ) -> None:
        super().__init__(module.code_object, module.code_path, module)
        self._children = ()
        self._span = (first, end, *lineno)
        self.root = root
        self.aliases = aliases
        self.dots = dots
        self.star = star
        self.live_names = frozenset(live_names)

    @property
    def start_lineno(self) -> int:
        return self._span[2]

    @property
    def end_lineno(self) -> int:
        return self._span[3]

    @property
    def executable_lines(self) -> tuple[int, ...]:
        """Those of the statement."""
        return tuple(line for line in super().executable_lines if self.start_lineno <= line <= self.end_lineno)

    @property
    def bytecode(self) -> tuple[Instruction, ...]:
        """The instructions of the statement."""
        first, end = self._span[:2]
        return tuple(i for i in instructions(self.code_object) if first <= i.offset < end)

    def __str__(self) -> str:
        """The statement as source text."""
        names = ", ".join(name if bound is None else f"{name} as {bound}" for name, bound in self.aliases)
        if self.root is None:
            return f"import {names}"
        return f"from {'.' * self.dots}{self.root} import {'*' if self.star else names}"

    def __repr__(self) -> str:
        return f"<ImportDeclaration {self} line {self.start_lineno}>"


def _collect(
    holder: CodeType,
    path: CodePath,
    owner: Declaration,
    children: list[Declaration],
    implicit: list[ImplicitScope],
) -> None:
    """Sort the code objects in ``holder`` into ``owner``'s children and implicit scopes."""
    consts = holder.co_consts
    if CodeType not in map(type, consts):
        return
    lazily_evaluated = scopes.find_lazily_evaluated(holder)
    for index, code in enumerate(consts):
        if type(code) is not CodeType:
            continue
        below = (*path, index)
        if not code.co_flags & scopes.CO_OPTIMIZED:
            children.append(TypeDeclaration(code, below, owner))
        elif index in lazily_evaluated or scopes.is_implicit(code):
            implicit.append(ImplicitScope(code, below, owner))
            _collect(code, below, owner, children, implicit)
        else:
            method = MethodDeclaration(code, below, owner)
            if CodeType not in map(type, code.co_consts):
                method._children = ()  # as of most
            children.append(method)


def _first_line(declaration: Declaration) -> int:
    return declaration.code_object.co_firstlineno


def _find_last_line(code: CodeType) -> int:
    last = code.co_firstlineno
    for _, end_lineno, _, _ in code.co_positions():
        if end_lineno is not None and end_lineno > last:
            last = end_lineno
    for _, _, lineno in code.co_lines():
        if lineno is not None and lineno > last:
            last = lineno
    for constant in code.co_consts:
        if type(constant) is CodeType:
            last = max(last, _find_last_line(constant))
    return last
