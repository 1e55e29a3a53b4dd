"""A case as a user of equip would write it: visitors that ask for the insertions."""

from __future__ import annotations

from types import CodeType
from typing import Any

import equip
from oracle.cases import Case
from oracle.rewrite import Put, Refused
from oracle.targets import is_function, target_of_code


class FunctionVisitor(equip.MethodVisitor):
    """Puts the snippets of a case into the functions that it wants, those of one visitor."""

    def __init__(self, case: Case, number: int, without: set[Refused]) -> None:
        super().__init__()
        self.case, self.number, self.without = case, number, without

    def visit(self, decl: Any) -> None:
        if not is_function(decl.code_object):
            return
        target = target_of_code(decl.code_object)
        puts = self.case.puts_for(target)
        rewriter = equip.SimpleRewriter(decl) if puts else None
        for number, put in enumerate(puts):
            if put.visitor == self.number and (target.qualname, target.lineno, number) not in self.without:
                insert(rewriter, put, decl.code_object)


class WholeModuleVisitor(equip.ModuleVisitor):
    """Puts the snippets of a case into the module."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        self.case = case

    def visit(self, decl: Any) -> None:
        rewriter = equip.SimpleRewriter(decl)
        for put in self.case.module_puts:
            insert(rewriter, put, decl.code_object)


def lines_with_code(code: CodeType) -> set[int]:
    return {line for _, _, line in code.co_lines() if line}


def insert(rewriter: equip.SimpleRewriter, put: Put, code: CodeType) -> None:
    options = {"suppress": True} if put.suppress else {}
    match put.where:
        case "before":
            rewriter.insert_before(put.code, **options)
        case "after":
            rewriter.insert_after(put.code, **options)
        case "raise":
            rewriter.insert_on_raise(put.code, **options)
        case "import":
            rewriter.insert_import(put.code)
        case "import_local":
            rewriter.insert_import(put.code, module_import=False)
        case "enter":
            rewriter.insert_enter_code(put.code, put.import_code, **options)
        case "exit":
            rewriter.insert_exit_code(put.code, put.import_code, **options)
        case "line":
            for lineno in sorted(lines_with_code(code).intersection(put.lines)):
                rewriter.insert_at_line(lineno, put.code.replace("LINE", str(lineno)), **options)
        case _:
            raise AssertionError(put.where)


def instrument(code: CodeType, case: Case, without: set[Refused]) -> CodeType:
    """The program with the case's snippets, as equip makes it, some insertions left out."""
    visitors: list[Any] = [FunctionVisitor(case, n, without) for n in sorted({p.visitor for p in case.puts})]
    if case.module_puts:
        visitors.append(WholeModuleVisitor(case))
    return equip.instrument_code(code, visitors, verify=True)
