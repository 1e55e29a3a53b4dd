"""New code: made from clean code and a plan, judged, and marshalled for a file.

``emit`` is the only way by which code reaches the disk. It runs in this process or in a worker.
"""

from __future__ import annotations

import os
import traceback
from dataclasses import dataclass
from types import CodeType

from equip import isa
from equip.analysis.verify import verify_changed
from equip.errors import EquipError, InvalidCodeError, JoinPointError, PycError, SnippetError, VerificationError
from equip.inject import ModuleInjector
from equip.inject.damage import refuse_damaged
from equip.inject.request import Plan
from equip.program import pyc


@dataclass(frozen=True, slots=True)
class InjectJob:
    """Put ``plan`` into a clean compiled file, whose bytes are ``data``. Plain data, for a worker too."""

    path: str
    data: bytes
    plan: Plan
    file_path: str
    module_name: str
    optimize: int


@dataclass(frozen=True, slots=True)
class CompileJob:
    """Compile a source file, for the place of ``compiled``."""

    source: str
    optimize: int
    compiled: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a job: the bytes to write, or why there are none.

    ``mistake`` is an error that whoever asked for the plan made; ``fault`` says what is wrong with the file.
    """

    body: bytes = b""
    changed: bool = False
    mistake: EquipError | None = None
    fault: str = ""


Job = InjectJob | CompileJob


def run_job(job: Job, injector: ModuleInjector | None = None) -> Done:
    """Do a job; never raises for what is the matter with one file or one snippet.

    ``injector`` is for the code of the job, if that is loaded already.
    """
    try:
        if isinstance(job, CompileJob):
            return Done(pyc.compile_source(job.source, job.optimize, job.compiled), changed=True)
        return _inject(job, injector or _injector_of(job))
    except (SnippetError, JoinPointError) as error:
        return Done(mistake=error)
    except InvalidCodeError as error:
        return Done(fault=damaged(error))
    except EquipError as error:
        return Done(fault=str(error))
    except (RecursionError, MemoryError) as error:
        return Done(fault=f"too large or too deeply nested ({type(error).__name__}): leave this file out")
    except Exception as error:
        return Done(fault=_describe_bug(error))


def damaged(error: InvalidCodeError) -> str:
    """What to tell of a file the code of which is not whole."""
    return f"damaged code ({error}): delete it, or compile it anew"


def _describe_bug(error: Exception) -> str:
    """A file that we fail on stays as it was, like any other file that cannot be done."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{os.path.basename(frame.filename)}:{frame.lineno} in {frame.name}"
    return f"a bug of equip ({type(error).__name__}: {error}, at {where}): please report it, with this file"


def verify_made(code: CodeType, plain: CodeType) -> None:
    """Verify what equip has changed, before ``code``, made from ``plain``, is written.

    Raises ``InvalidCodeError`` if it was damaged before, else ``VerificationError``: a bug of equip. The message is
    all that is needed to look into it.
    """
    try:
        verify_changed(code, plain)
    except VerificationError as error:
        refuse_damaged(plain, error)
        message = (
            "a bug of equip: nothing was written. Please report it, with the snippets, this file and what follows "
            f"(Python {isa.RELEASE}): {error}"
        )
        raise VerificationError(error.problems, message) from None


def _injector_of(job: InjectJob) -> ModuleInjector:
    code = pyc.decode_pyc(job.path, job.data).code
    return ModuleInjector(code, file_path=job.file_path, module_name=job.module_name, optimize=job.optimize)


def _inject(job: InjectJob, injector: ModuleInjector) -> Done:
    new = injector.inject(job.plan)
    if new is injector.code:
        return Done()
    return Done(emit(new, job.path, injector.code), changed=True)


def emit(code: CodeType, path: str, plain: CodeType) -> bytes:
    """``code``, made from ``plain`` and to be written to ``path``, judged and marshalled.

    Everything that equip writes to disk passes here or, for the import hook's own files, ``verify_made``. Raises
    ``PycError``, ``InvalidCodeError`` for code that was damaged, and ``VerificationError`` for what could break the
    interpreter.
    """
    verify_made(code, plain)
    try:
        return pyc.marshalled(code)
    except ValueError as error:
        raise PycError(f"{path}: the new code has a constant that no file can hold ({error})") from error
