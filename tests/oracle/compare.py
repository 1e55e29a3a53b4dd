"""One case on one program: both sides made, run, compared; and which pairs there are."""

from __future__ import annotations

import functools
import sys
from types import CodeType

import equip
from oracle.cases import ALL, Case, for_program
from oracle.drive import instrument
from oracle.observe import Observation, differences, run
from oracle.programs import Program
from oracle.rewrite import Refused, rewrite
from oracle.targets import Target, functions, target_of_code

SAMPLER, MODULE = "sampler", "module_body"
"""The programs on which the normal tier runs every case, and every case of modules."""


@functools.cache
def targets(program: Program) -> tuple[Target, ...]:
    code = compile(program.source, program.path, "exec", dont_inherit=True)
    return tuple(target_of_code(function) for function in functions(code))


def applies(program: Program, case: Case) -> bool:
    """Whether the case puts something into the program, and is for it and for this Python."""
    if program.name in case.not_programs or (case.programs and program.name not in case.programs):
        return False
    if sys.version_info < case.minimum:
        return False
    if any(put.where == "line" for put in (*case.puts, *case.module_puts)):
        case = for_program(case, program.source)
        if not any(put.lines for put in (*case.puts, *case.module_puts)):
            return False
    return bool(case.module_puts) or any(case.puts_for(target) for target in targets(program))


def home(case: Case) -> str:
    """The program on which it must be seen that the snippets of the case run."""
    if case.home or case.programs:
        return case.home or case.programs[0]
    return MODULE if case.module_puts and not case.puts else SAMPLER


def module_name(program: Program, case: Case) -> str:
    return "__main__" if case.as_main else f"corpus_{program.name}"


def run_by_hand(program: Program, case: Case, source: str) -> Observation:
    tree, _ = rewrite(source, program.path, case.puts_for, case.module_puts)
    code = compile(tree, program.path, "exec", dont_inherit=True)
    return run(code, module_name(program, case), program.path)


def run_plain(program: Program, case: Case, source: str) -> Observation:
    code = compile(source, program.path, "exec", dont_inherit=True)
    return run(code, module_name(program, case), program.path)


def compare(program: Program, case_name: str, *, verify: bool = False) -> list[str]:
    """What the instrumented program does differently from the one written by hand; or what is wrong with its code."""
    source, path = program.source, program.path
    case = for_program(ALL[case_name], source)
    tree, must_refuse = rewrite(source, path, case.puts_for, case.module_puts)
    plain = compile(source, path, "exec", dont_inherit=True)
    if problems := wrong_refusals(plain, case, must_refuse):
        return problems
    instrumented = instrument(plain, case, without=must_refuse)
    if verify and (wrong := equip.check(instrumented)):
        return [str(problem) for problem in wrong]
    expected = run(compile(tree, path, "exec", dont_inherit=True), module_name(program, case), path)
    got = run(instrumented, module_name(program, case), path)
    if program.name == home(case) and not (case.silent or expected.events or differs(program, case, expected)):
        return ["no snippet of the case is seen to run"]
    return differences(expected, got)


def differs(program: Program, case: Case, by_hand: Observation) -> bool:
    return bool(differences(run_plain(program, case, program.source), by_hand, by_hand=False))


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
