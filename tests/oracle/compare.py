"""One case on one program: both sides made, run, compared."""

from __future__ import annotations

from types import CodeType

import equip
from oracle.cases import ALL, Case, for_program
from oracle.drive import instrument
from oracle.observe import Observation, differences, run
from oracle.programs import Program
from oracle.rewrite import Refused, rewrite


def module_name(program: Program, case: Case) -> str:
    return "__main__" if case.as_main else f"corpus_{program.name}"


def run_by_hand(program: Program, case: Case, source: str) -> Observation:
    tree, _ = rewrite(source, program.path, case.puts_for, case.module_puts)
    code = compile(tree, program.path, "exec", dont_inherit=True)
    return run(code, module_name(program, case), program.path)


def run_plain(program: Program, case: Case, source: str) -> Observation:
    code = compile(source, program.path, "exec", dont_inherit=True)
    return run(code, module_name(program, case), program.path)


def compare(program: Program, case_name: str) -> list[str]:
    """What the instrumented program does differently from the one written by hand."""
    source, path = program.source, program.path
    case = for_program(ALL[case_name], source)
    tree, must_refuse = rewrite(source, path, case.puts_for, case.module_puts)
    plain = compile(source, path, "exec", dont_inherit=True)
    if problems := wrong_refusals(plain, case, must_refuse):
        return problems
    instrumented = instrument(plain, case, without=must_refuse)
    expected = run(compile(tree, path, "exec", dont_inherit=True), module_name(program, case), path)
    got = run(instrumented, module_name(program, case), path)
    return differences(expected, got)


def wrong_refusals(plain: CodeType, case: Case, must_refuse: set[Refused]) -> list[str]:
    """Each insertion that cannot be must be refused, when it is asked for or when it is carried out."""
    problems = []
    for place in must_refuse:
        others = must_refuse - {place}
        try:
            instrument(plain, case, without=others)
        except equip.SnippetError:
            continue
        problems.append(f"not refused: {place}")
    return problems
