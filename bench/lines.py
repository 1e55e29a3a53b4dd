"""A fragment at every line of every function."""

from __future__ import annotations

import dis
from itertools import dropwhile
from operator import itemgetter
from types import CodeType

import equip
from bench.corpus import Module

TITLE = "equip: a fragment at every line"
GOAL = 1.3
_LINE = itemgetter(2)
_RESUME, _CACHE = dis.opmap["RESUME"], dis.opmap["CACHE"]


class EveryLine(equip.MethodVisitor):
    def visit(self, decl: equip.MethodDeclaration) -> None:
        rewriter = equip.SimpleRewriter(decl)
        for line in lines_of(decl.code_object):
            rewriter.insert_at_line(line, "_hits.append(1)")


def lines_of(code: CodeType) -> dict[int, None]:
    """The lines of the body: those of what comes after the first RESUME, in order."""
    opcodes = code.co_code[::2]
    body = opcodes.index(_RESUME) + 1
    while opcodes[body] == _CACHE:
        body += 1
    lines = dict.fromkeys(map(_LINE, dropwhile(lambda span: span[1] <= 2 * body, code.co_lines())))
    lines.pop(None, None)
    return lines


def run(modules: list[Module]) -> None:
    visitor = EveryLine()
    for module in modules:
        equip.instrument_code(module.code, visitor, file_path=module.path, module_name=module.name)
