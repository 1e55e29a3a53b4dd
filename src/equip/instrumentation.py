"""The classic way in: a program on disk, its compiled files, and the visitors that go over them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from types import CodeType

from equip.delivery import disk
from equip.delivery.emission import emit
from equip.delivery.memory import name_in_memory
from equip.delivery.planning import Visitor, as_visitors, run_visitors
from equip.delivery.report import Report
from equip.errors import PycError
from equip.inject.request import Plan
from equip.program import atomic, pyc, record
from equip.program.declarations import Declaration, MethodDeclaration, ModuleDeclaration, TypeDeclaration
from equip.program.merge import merge_plans
from equip.program.tree import Location, ModuleFile, Passed, find_modules, find_origin, namespace_names
from equip.rewriter import SimpleRewriter
from equip.visitors import ModuleVisitor


class BytecodeObject:
    """One compiled file: its declarations, and its code with what was asked for so far.

    Raises ``PycError`` if the file cannot be read or trusted. The declarations show the clean code, also of a
    file that is instrumented already; what is asked for is added to what is in it.
    """

    def __init__(self, pyc_path: Location) -> None:
        path = os.path.abspath(os.fspath(pyc_path))
        tree = find_modules(path)
        if path.endswith(".pyc") and tree.modules:
            self._open(tree.modules[0])
        else:
            reason = tree.passed[0].reason if tree.passed else "not a .pyc file: name the compiled file"
            raise PycError(f"{path}: {reason}")

    def _open(self, file: ModuleFile) -> None:
        self._file: ModuleFile | None = file
        self._before: record.Recorded | None = record.load(file.pyc, find_origin(file.pyc, file))
        code = self._before.clean_code()
        self.path = file.pyc
        source = file.source or code.co_filename
        self.main_module = ModuleDeclaration(code, source, file.module_name, file.optimize, aliases=file.aliases)

    @classmethod
    def from_code(cls, code: CodeType, path: Location) -> BytecodeObject:
        """For the code object of a module, whose source (or compiled) file is ``path``; the file need not exist.

        Raises ``TypeError`` for what is no code object.
        """
        if not isinstance(code, CodeType):
            raise TypeError(f"BytecodeObject.from_code needs the code object of a module, not {code!r}")
        made = cls.__new__(cls)
        made._file, made._before = None, None
        made.path = os.fspath(path)
        name, full = name_in_memory(made.path), os.path.abspath(made.path)
        aliases = namespace_names(full, os.path.dirname(full), name) if os.path.isfile(full) else ()
        made.main_module = ModuleDeclaration(code, made.path, name, pyc.running_optimize(), aliases=aliases)
        return made

    @property
    def declarations(self) -> tuple[Declaration, ...]:
        """The module and everything in it, in source order."""
        return tuple(self.main_module.walk())

    def get_decl(
        self, method_name: str | None = None, type_name: str | None = None, qualname: str | None = None
    ) -> Declaration | None:
        """The first declaration that has all of the names given, None if there is none."""
        if method_name is None and type_name is None and qualname is None:
            raise TypeError("get_decl() needs method_name, type_name or qualname")
        for declaration in self.declarations:
            if method_name is not None and not (
                isinstance(declaration, MethodDeclaration) and declaration.method_name == method_name
            ):
                continue
            if type_name is not None and not (
                isinstance(declaration, TypeDeclaration) and declaration.type_name == type_name
            ):
                continue
            if qualname is None or declaration.qualname == qualname:
                return declaration
        return None

    def accept(self, visitor: Visitor | Iterable[Visitor]) -> None:
        """Run a visitor, or a list of them, over the module."""
        run_visitors(self.main_module, as_visitors(visitor))

    @property
    def code(self) -> CodeType:
        """The module's code with all that was asked for. Raises ``SnippetError`` and ``JoinPointError``."""
        return self.main_module.injector.inject(self._plan())

    @property
    def has_changes(self) -> bool:
        """Whether anything was asked for that is not in the file yet."""
        return self._plan() != (self._before.plan if self._before is not None else {})

    def write(self) -> bool:
        """Replace the compiled file if there are changes; whether it was. Raises ``PycError``,
        ``VerificationError`` and ``OSError``.

        A module that was given as a code object is written to its path if that ends in ``.pyc``, else to where
        the import system looks for the compiled form of the path.
        """
        if not self.has_changes:
            return False
        plan = self._plan()
        plain = self.main_module.code_object
        body = emit(self.code, self.path, plain)
        path = self._before.path if self._before is not None else self._target()
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with atomic.locked(os.path.dirname(path)):
            if self._before is None:
                data = self._header() + emit(plain, path, plain)
                record.write_clean(path, data)
                before = record.Recorded(path, data, data, {})
            elif pyc.read_file(path) != self._before.data:
                raise PycError(f"{path}: was changed since it was read: open it again")
            else:
                before = self._before
            record.put(before, body, plan)
        self._before = record.load(path)
        return True

    def _plan(self) -> Plan:
        return merge_plans(self._before.plan if self._before is not None else {}, self.main_module.plan)

    def _target(self) -> str:
        path = os.path.abspath(self.path)
        return path if path.endswith(".pyc") else pyc.cache_path(path, self.main_module.optimize)

    def _header(self) -> bytes:
        if os.path.isfile(self.path) and not self.path.endswith(".pyc"):
            return pyc.encode_header(*pyc.source_state(self.path))
        return pyc.encode_header(0, 0)


class Program:
    """The files of a program, as found below some paths."""

    def __init__(self, location: Location | Iterable[Location], levels: tuple[int, ...] | None = None) -> None:
        tree = find_modules(location, levels)
        self.modules: tuple[ModuleFile, ...] = tree.modules
        self.passed: tuple[Passed, ...] = tree.passed

    @property
    def source_files(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(file.source for file in self.modules if file.source is not None))

    @property
    def bytecode_files(self) -> tuple[str, ...]:
        """The compiled files that the import system of this interpreter uses, whether or not they exist yet."""
        return tuple(file.pyc for file in self.modules)


class _ProgramCode(ModuleVisitor):
    """Code for the start or the end of the program, in each module that may be started."""

    def __init__(self, probe_name: str, code: str, import_code: str | None) -> None:
        self.probe_name = probe_name
        self.code = code
        self.import_code = import_code

    def visit(self, decl: Declaration, /) -> None:
        rewriter = SimpleRewriter(decl)
        insert = rewriter.insert_enter_code if self.probe_name == "on_enter" else rewriter.insert_exit_code
        insert(self.code, self.import_code)


class Instrumentation:
    """Instruments the compiled files of a program: a file, a folder, or an iterable of them.

    Options (``set_option``): ``force-rebuild`` compiles everything anew and drops what was put in before;
    ``workers`` is the number of processes (None: as many as are worth it); ``optimize`` is the optimisation level
    whose files are instrumented, or several, in place of this interpreter's own; ``instrument-imports``
    instruments also the modules that snippets import; ``strict`` makes it an error (``ProbeError``, nothing is
    written) that a probe matches nothing in files that are all in order; else that is a note of the report.
    """

    KNOWN_OPTIONS = ("force-rebuild", "instrument-imports", "optimize", "strict", "workers")

    def __init__(self, location: Location | Iterable[Location] = ()) -> None:
        is_one = isinstance(location, (str, os.PathLike))
        if isinstance(location, bytes) or not (is_one or isinstance(location, Iterable)):
            raise TypeError(f"Instrumentation takes the path of a file or folder, or several, not {location!r}")
        self.location: Location | Sequence[Location] = location if is_one else list(location)  # type: ignore[arg-type,assignment]
        self.program: Program | None = None
        self.options: dict[str, object] = {}
        self._faults: dict[str, str] | None = None
        """Why files could not be prepared; None before that was tried."""
        self._program_code: list[_ProgramCode] = []

    def set_option(self, name: str, value: object = True) -> None:
        """Set an option. Raises ``ValueError`` for one that is not known, or a value that it cannot have."""
        if name not in self.KNOWN_OPTIONS:
            raise ValueError(f"unknown option {name!r}: the options are {', '.join(map(repr, self.KNOWN_OPTIONS))}")
        if name == "optimize":
            _levels(value)
        elif name == "workers":
            _workers(value)
        self.options[name] = value
        self.program = self._faults = None

    def get_option(self, name: str) -> object:
        """The value of an option, None if it was not set. Raises ``ValueError`` for one that is not known."""
        if name not in self.KNOWN_OPTIONS:
            raise ValueError(f"unknown option {name!r}: the options are {', '.join(map(repr, self.KNOWN_OPTIONS))}")
        return self.options.get(name)

    def prepare_program(self) -> bool:
        """Find the files, and compile those without a valid compiled file. False if there are none.

        What could not be found or compiled is in the report of ``apply``.
        """
        self.program, compilation = self._compiled()
        self._faults = disk.write_compiled(self.program.modules, compilation)
        return bool(self.program.modules)

    def _compiled(self) -> tuple[Program, disk.Compilation]:
        """The files, and those that have to be compiled, which nobody has written yet."""
        program = Program(self.location, _levels(self.options.get("optimize")))
        force, workers = bool(self.options.get("force-rebuild")), _workers(self.options.get("workers"))
        return program, disk.compile_files(program.modules, force=force, workers=workers)

    def on_enter(self, code: str, import_code: str | None = None) -> None:
        """Run ``code`` when the program starts: first in whichever module is started as one."""
        self._program_code.append(_ProgramCode("on_enter", code, import_code))

    def on_exit(self, code: str, import_code: str | None = None) -> None:
        """Run ``code`` when the program ends, in whatever way: last in whichever module was started."""
        self._program_code.append(_ProgramCode("on_exit", code, import_code))

    def apply(self, visitor: Visitor | Iterable[Visitor] = (), rewrite: bool = False) -> Report:
        """Run a visitor, or a list of them, over the program; with ``rewrite``, write what they ask for.

        Files that were not prepared yet are compiled first. Without ``rewrite`` everything is tried and nothing is
        written. Raises ``SnippetError``, ``JoinPointError`` and (``strict``) ``ProbeError``, before anything is
        written, and what a visitor raises; faults of files are in the report.
        """
        visitors = (*self._program_code, *as_visitors(visitor))
        if self.program is None or self._faults is None:
            self.program, compilation = self._compiled()
        else:
            compilation = disk.Compilation(faults=self._faults)
        settings = disk.Settings(
            _workers(self.options.get("workers")),
            rewrite,
            bool(self.options.get("instrument-imports")),
            bool(self.options.get("strict")),
        )
        report = disk.instrument_files(
            self.program.modules, visitors, settings, passed=self.program.passed, compilation=compilation
        )
        if rewrite:
            self._faults = dict(compilation.faults)
        return report


def _levels(value: object) -> tuple[int, ...] | None:
    """The optimisation levels that an option names. Raises ``ValueError``."""
    if value is None:
        return None
    given = tuple(value) if isinstance(value, (list, tuple, set, frozenset, range)) else (value,)
    if not given or not all(isinstance(one, int) and not isinstance(one, bool) and 0 <= one <= 2 for one in given):
        raise ValueError(f"the option 'optimize' is 0, 1, 2 or several of them, not {value!r}")
    return tuple(dict.fromkeys(int(one) for one in given))


def _workers(value: object) -> int | None:
    """The number of processes that an option names. Raises ``ValueError``."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"the option 'workers' is a number of processes from 1, or None, not {value!r}")
    return value
