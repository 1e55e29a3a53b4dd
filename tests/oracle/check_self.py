"""The oracle against itself: snippets that only look must not change what a program does."""

from __future__ import annotations

import ast

from oracle.cases import ALL, for_program
from oracle.compare import run_by_hand, run_plain
from oracle.observe import differences
from oracle.programs import Program
from oracle.rewrite import Rewrite, first_lines, lambda_names
from oracle.targets import Target, functions, target_of_code

OBSERVING = (
    "before_constant", "before_arguments", "after_value", "raise_exception", "all_three", "call_arguments",
    "arguments_dict", "order", "shared_names", "shadow_globals", "global_statement", "lambda_of_all_arguments",
    "nested_function", "comprehensions", "try_except", "with", "loops", "import_module_level", "deep_stack",
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
