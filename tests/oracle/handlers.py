"""Which handlers a snippet at a line stands in, against those of the same statement written in the source.

Nothing runs: what is compared is, for each line, the handlers that an exception of the snippet would come to one after
the other, in each copy that the compiler has made of the line. So one program tells as much as if every line of it
raised once. A handler is told by what it does, the line it begins on and the depth that it unwinds to.

A line may have more chains than the statement by hand: it is encountered where the interpreter has line events for it,
and there can be several in one statement.
"""

from __future__ import annotations

import ast
import dis
import sysconfig
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType
from typing import NamedTuple

import equip
from equip.analysis.stackvalues import StackValues
from equip.code import exceptions
from equip.code.exceptions import Handler
from equip.code.lines import LineSpans
from oracle.programs import Program
from oracle.targets import all_code

MARK = "hit at line "
CLEANUP, GENERATOR = "cleanup", "generator"
"""What restores the state of a handler that is left, and the compiler's own last handler of a generator."""
_PLACES = (
    *(ast.Pass, ast.Break, ast.Continue, ast.Return, ast.Expr, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Raise),
    *(ast.Delete, ast.Assert, ast.If, ast.Try, ast.TryStar),
)
"""Statements whose first line is encountered once where they begin. Loops, for example, come back to it."""


class Step(NamedTuple):
    """A handler on the way of an exception."""

    kind: str
    line: int
    depth: int


Chains = dict[int, set[tuple[Step, ...]]]
"""By line."""


def snippet(line: int) -> str:
    return f"hit('{MARK}{line}')"


class ByHand(ast.NodeTransformer):
    """Puts the snippet before each statement that begins a line of a function."""

    def __init__(self, source: str) -> None:
        self._source = source.splitlines()
        self.lines: set[int] = set()
        self._function: int | None = None
        """The line of the function that statements belong to."""

    def visit(self, node: ast.AST) -> ast.AST:
        around = self._function
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            self._function = node.lineno
        elif isinstance(node, (ast.ClassDef, ast.Lambda)):
            self._function = None
        for name, value in ast.iter_fields(node):
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                setattr(node, name, [*self._with_snippets(value)])
            else:
                for child in value if isinstance(value, list) else [value]:
                    if isinstance(child, ast.AST):
                        self.visit(child)
        self._function = around
        return node

    def _with_snippets(self, statements: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
        for statement in statements:
            if self._begins_line(statement):
                self.lines.add(statement.lineno)
                added = ast.parse(snippet(statement.lineno)).body[0]
                for child in ast.walk(added):
                    ast.copy_location(child, statement)
                yield added
            self.visit(statement)
            yield statement

    def _begins_line(self, statement: ast.stmt) -> bool:
        if not isinstance(statement, _PLACES) or self._function is None:
            return False
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):  # has no code
            return False
        before = self._source[statement.lineno - 1].encode()[: statement.col_offset]
        return statement.lineno > self._function and not before.strip()


class AtLines(equip.MethodVisitor):
    """Puts the snippet at these lines of functions."""

    def __init__(self, lines: set[int]) -> None:
        self.lines = lines

    def visit(self, decl: equip.MethodDeclaration) -> None:
        rewriter = equip.SimpleRewriter(decl)
        for line in decl.executable_lines:
            if line in self.lines and not decl.is_lambda:
                rewriter.insert_at_line(line, snippet(line))


def chains_of(code: CodeType) -> tuple[Chains, Counter[int]]:
    """The chains of every snippet that can be reached, and how many snippets these are, by line."""
    found: Chains = {}
    counts: Counter[int] = Counter()
    for one in all_code(code):
        marks = [
            (instruction.offset, int(instruction.argval.removeprefix(MARK)))
            for instruction in dis.get_instructions(one)
            if isinstance(instruction.argval, str) and instruction.argval.startswith(MARK)
        ]
        if marks:
            stacks, handlers = StackValues(one), Handlers(one)
            for offset, line in marks:
                while offset and one.co_code[offset - 2] == dis.EXTENDED_ARG:
                    offset -= 2
                if stacks.find_before(offset) is not None:
                    found.setdefault(line, set()).add(tuple(handlers.around(offset // 2)))
                    counts[line] += 1
    return found, counts


class Handlers:
    """The handlers of a code object."""

    def __init__(self, code: CodeType) -> None:
        self._opnames = [dis.opname[opcode] for opcode in code.co_code[::2]]
        self._ranges = exceptions.decode(code.co_exceptiontable)
        self._lines = LineSpans(code)

    def around(self, unit: int) -> Iterator[Step]:
        """What an exception at a code unit comes to."""
        seen: set[int] = set()
        handler = self._at(unit)
        while handler is not None and handler.target not in seen:
            seen.add(handler.target)
            kind = self._kind(handler.target)
            line = next(filter(None, self._lines.from_on(handler.target)), 0)
            if kind != GENERATOR:
                yield Step(kind, 0 if kind == CLEANUP else line, handler.depth)
            handler = self._at(handler.target)

    def _at(self, unit: int) -> Handler | None:
        return next((one for one in self._ranges if one.start <= unit < one.end), None)

    def _kind(self, target: int) -> str:
        name = self._opnames[target]
        if name == "PUSH_EXC_INFO":
            return "with" if self._opnames[target + 1] == "WITH_EXCEPT_START" else "try"
        if name == "CALL_INTRINSIC_1":
            return GENERATOR
        return "name" if name in ("LOAD_CONST", "LOAD_COMMON_CONSTANT") else CLEANUP


def compare_source(source: str) -> list[str]:
    """At which lines the handlers differ."""
    by_hand = ByHand(source)
    tree = by_hand.visit(ast.parse(source))
    written = compile(tree, "by_hand.py", "exec", dont_inherit=True)
    plain = compile(source, "plain.py", "exec", dont_inherit=True)
    instrumented = equip.instrument_code(plain, AtLines(by_hand.lines), verify=True)
    (expected, in_source), (got, in_code) = chains_of(written), chains_of(instrumented)
    both = expected.keys() & got.keys()  # what can be reached only when a snippet raises need not be in both
    problems = ["nearly nothing was compared"] if 10 * len(both) < 9 * len(expected) else []
    for line in sorted(both):
        missing, more = expected[line] - got[line], got[line] - expected[line]
        if missing or (more and in_code[line] <= in_source[line]):
            problems.append(f"line {line}: expected {sorted(missing)}, got {sorted(more)}")
    return problems


def compare_program(program: Program, _: str) -> list[str]:
    """The same for a program of the corpus."""
    return compare_source(program.source)


def compare_library(_: Program | None, __: str) -> list[str]:
    """The same for every module of the standard library."""
    found: list[str] = []
    modules = 0
    for path in sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py")):
        if "site-packages" in path.parts or not path.is_file():
            continue
        try:
            source = ast.unparse(ast.parse(path.read_bytes()))
            compile(source, str(path), "exec", dont_inherit=True)
        except (SyntaxError, ValueError):  # examples of bad code
            continue
        modules += 1
        found += [f"{path.name}: {problem}" for problem in compare_source(source)]
    return found if modules > 100 else ["the standard library was not found"]


def compare_seed(_: Program | None, seed: str) -> list[str]:
    """The same for a random program; its lines are those that it has when each statement has its own."""
    from soak.grammar import program

    return compare_source(ast.unparse(ast.parse(program(int(seed)))))
