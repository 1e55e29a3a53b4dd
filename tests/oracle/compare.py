"""One case on one program: both sides made, run, compared."""

from __future__ import annotations

from oracle.cases import ALL, Case, for_program
from oracle.observe import Observation, differences, run
from oracle.programs import Program
from oracle.rewrite import rewrite


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
    from oracle.drive import instrument

    source, name = program.source, program.path
    case = for_program(ALL[case_name], source)
    tree, must_refuse = rewrite(source, name, case.puts_for, case.module_puts)
    instrumented, refused = instrument(compile(source, name, "exec", dont_inherit=True), case)
    problems = [f"not refused: {place}" for place in must_refuse - refused.keys()]
    problems += [f"refused: {place}: {refused[place]}" for place in refused.keys() - must_refuse]
    if problems:
        return problems
    expected = run(compile(tree, name, "exec", dont_inherit=True), module_name(program, case), name)
    got = run(instrumented, module_name(program, case), name)
    return differences(expected, got)
