"""The oracle against itself: snippets that only look must not change what a program does."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import CodeType

from oracle import compare as comparison
from oracle import cost
from oracle.case import Case
from oracle.cases import ALL, for_program
from oracle.compare import run_by_hand, run_plain
from oracle.drive import instrument
from oracle.observe import differences
from oracle.programs import Program
from oracle.rewrite import Put, Refused, Rewrite, first_lines, lambda_names
from oracle.targets import Target, functions, target_of_code

OBSERVING = (
    "before_constant", "before_arguments", "after_value", "raise_exception", "all_three", "call_arguments",
    "order", "shared_names", "shadow_globals", "global_statement", "nested_function",
    "comprehensions", "try_except", "with", "loops", "import_module_level", "deep_stack",
    "many_names", "suppress", "line_record", "module_exit",
)  # fmt: skip


def check(program: Program, case_name: str) -> list[str]:
    """The program by hand must do as the plain one, and record something the second time as the first."""
    source = program.source
    case = for_program(ALL[case_name], source)
    plain, by_hand, again = (f(program, case, source) for f in (run_plain, run_by_hand, run_by_hand))
    problems = differences(by_hand, again)
    by_hand.events = plain.events
    if case_name in ("module_exit",):
        by_hand.stdout = by_hand.stdout.replace("exit __main__\n", "")
    return problems + [f"against plain: {p}" for p in differences(plain, by_hand, by_hand=False)]


def check_targets(program: Program, _: str) -> list[str]:
    """The syntax tree and the code object must tell the same of every function."""
    source = program.source
    plain = compile(source, program.path, "exec", dont_inherit=True)
    seen: list[Target] = []

    def note(target: Target) -> list[object]:
        seen.append(target)
        return []

    rewriter = Rewrite(program.path, note, first_lines(plain), lambda_names(plain))  # type: ignore[arg-type]
    tree = ast.parse(source)
    rewriter.visit(tree)
    compiler_made = type_scopes(tree)
    targets = [target_of_code(code) for code in functions(plain)]
    expected = {repr(t) for t in targets if (t.name, t.lineno) not in compiler_made}
    got = set(map(repr, seen))
    return [f"only in the code: {t}" for t in expected - got] + [f"only in the tree: {t}" for t in got - expected]


def type_scopes(tree: ast.Module) -> set[tuple[str, int]]:
    """Names and lines of the scopes that the compiler makes for aliases, bounds and defaults."""
    scopes: set[tuple[str, int]] = set()
    for node in ast.walk(tree):
        if type(node).__name__ == "TypeAlias":
            scopes.add((node.name.id, node.lineno))  # type: ignore[attr-defined]
        for parameter in getattr(node, "type_params", ()):
            scopes.add((parameter.name, node.lineno))  # type: ignore[attr-defined]
    return scopes


# -- engines that are wrong in one way --------------------------------------------------------------------


def shifted(code: CodeType) -> CodeType:
    """All lines are one too high."""
    constants = tuple(shifted(c) if isinstance(c, CodeType) else c for c in code.co_consts)
    return code.replace(co_firstlineno=code.co_firstlineno + 1, co_consts=constants)


def with_puts(change: Callable[[tuple[Put, ...]], Sequence[Put]]) -> Engine:
    def engine(code: CodeType, case: Case, without: set[Refused]) -> CodeType:
        return instrument(code, replace(case, puts=tuple(change(case.puts))), without)

    return engine


def longer(put: Put) -> Put:
    return replace(put, code=f"{put.code}\nlen")


Engine = Callable[[CodeType, Case, set[Refused]], CodeType]
WRONG: dict[str, Engine] = {
    "nothing": lambda code, case, without: code,
    "one_missing": with_puts(lambda puts: puts[:-1]),
    "reversed": with_puts(lambda puts: puts[::-1]),
    "twice": with_puts(lambda puts: (*puts, puts[0])),
    "lines": lambda code, case, without: shifted(instrument(code, case, without)),
    "refuses_too_little": lambda code, case, without: instrument(code, replace(case, puts=()), without),
    "longer": with_puts(lambda puts: list(map(longer, puts))),
}


def check_notices(program: Program, name: str) -> list[str]:
    """The comparison must notice an engine that is wrong: ``name`` is CASE/WRONG."""
    case_name, _, kind = name.partition("/")
    module, compare = (cost, cost.compare_cost) if kind == "longer" else (comparison, comparison.compare)
    module.instrument = WRONG[kind]  # type: ignore[attr-defined]
    try:
        return [] if compare(program, case_name) else [f"nobody noticed an engine that is wrong: {kind}"]
    finally:
        module.instrument = instrument  # type: ignore[attr-defined]
