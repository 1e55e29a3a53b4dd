"""Import statements, read from bytecode, and the modules that a snippet imports."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import CodeType
from typing import NamedTuple

from equip.code import Instruction, instructions
from equip.errors import InvalidCodeError

_Aliases = tuple[tuple[str, str | None], ...]


class ImportStatement(NamedTuple):
    """One statement: bytes ``[first, end)`` of ``co_code``, its first and last line, what it says.

    ``what`` is root, aliases, dots, star and the names bound, as ``ImportDeclaration`` explains them.
    """

    first: int
    end: int
    lineno: tuple[int, int]
    what: tuple[str | None, _Aliases, int, bool, tuple[str, ...]]


def find_imports(code: CodeType) -> Iterator[ImportStatement]:
    """The import statements of ``code`` itself, in the order of its instructions. Raises ``InvalidCodeError``."""
    whole = instructions(code)
    last_lines = [end_lineno for _, end_lineno, _, _ in code.co_positions()]
    for at, instruction in enumerate(whole):
        if instruction.opname == "IMPORT_NAME" and at >= 2:
            lineno = instruction.lineno or code.co_firstlineno
            try:
                last_line = last_lines[instruction.offset // 2]
                found = _statement(whole, at, (lineno, max(last_line or lineno, lineno)))
            except IndexError:
                what = f"{code.co_qualname} ({code.co_filename}, line {lineno})"
                raise InvalidCodeError(f"{what}: an import statement, or the location table, is cut off") from None
            yield found


def _statement(whole: Sequence[Instruction], at: int, lines: tuple[int, int]) -> ImportStatement:
    name = str(whole[at].argval)
    dots, names = whole[at - 2].argval, whole[at - 1].argval
    dots = dots if isinstance(dots, int) else 0
    star = isinstance(names, tuple) and names == ("*",)
    aliases: _Aliases = ()
    bound: tuple[str, ...] = ()
    if star:
        stop = at + 1
    elif isinstance(names, tuple):
        stop, aliases, bound = _from_aliases(whole, at + 1)
    else:
        stop, aliases, bound = _plain_alias(whole, at + 1, name)
    root = name if isinstance(names, tuple) else None
    return ImportStatement(whole[at - 2].offset, whole[stop].end, lines, (root, aliases, dots, star, bound))


def _plain_alias(whole: Sequence[Instruction], at: int, name: str) -> tuple[int, _Aliases, tuple[str, ...]]:
    """``import a.b`` stores ``a`` at once; ``import a.b as c`` walks to ``b`` first."""
    walked = False
    while not whole[at].opname.startswith("STORE_"):
        walked = True
        at += 1
    bound = _stored_name(whole[at])
    alias = bound if walked or bound != name.partition(".")[0] else None
    return at, ((name, alias),), (bound,)


def _from_aliases(whole: Sequence[Instruction], at: int) -> tuple[int, _Aliases, tuple[str, ...]]:
    aliases: list[tuple[str, str | None]] = []
    bound: list[str] = []
    while whole[at].opname == "IMPORT_FROM":
        name, stored = str(whole[at].argval), _stored_name(whole[at + 1])
        aliases.append((name, stored if stored != name else None))
        bound.append(stored)
        at += 2
    return at, tuple(aliases), tuple(bound)


def _stored_name(store: Instruction) -> str:
    return str(store.argval[0] if isinstance(store.argval, tuple) else store.argval)


Imported = tuple[int, str, tuple[str, ...]]
"""What an import statement says: how many dots, the module, the names taken from it."""


def find_imported(code: CodeType) -> Iterator[Imported]:
    """What the import statements of ``code``, and of all code inside it, say."""
    whole = instructions(code)
    for at, instruction in enumerate(whole):
        if instruction.opname == "IMPORT_NAME" and at >= 2:
            dots, names = whole[at - 2].argval, whole[at - 1].argval
            yield (
                dots if isinstance(dots, int) else 0,
                str(instruction.argval),
                names if isinstance(names, tuple) else (),
            )
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from find_imported(constant)
