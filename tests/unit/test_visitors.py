"""Visitors see what their base classes say, in the order of the source."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import equip
from equip.delivery.planning import run_visitors
from equip.program import ModuleDeclaration
from equip.program.declarations import Declaration

SOURCE = """
import os
class A:
    def f(self):
        return [x for x in self]
    class B: pass
g = lambda: os
"""


def module_of() -> ModuleDeclaration:
    return ModuleDeclaration(compile(SOURCE, "m.py", "exec"), "m.py", "m", 0)


def visited(*bases: type) -> list[str]:
    found: list[str] = []

    def visit(self: object, decl: Declaration) -> None:
        found.append(decl.qualname)

    type("V", bases, {"visit": visit})().traverse(module_of())
    return found


@pytest.mark.parametrize(
    ("bases", "expected"),
    [
        ((equip.ModuleVisitor,), ["<module>"]),
        ((equip.ClassVisitor,), ["A", "A.B"]),
        ((equip.MethodVisitor,), ["A.f", "<lambda>"]),
        ((equip.ClassVisitor, equip.MethodVisitor), ["A", "A.f", "A.B", "<lambda>"]),
    ],
)
def test_kinds(bases: tuple[type, ...], expected: list[str]) -> None:
    assert visited(*bases) == expected


def test_a_subclass_of_a_visitor_visits_the_same() -> None:
    class Base(equip.ClassVisitor):
        pass

    assert visited(Base) == ["A", "A.B"]


def test_a_visitor_without_visit() -> None:
    with pytest.raises(NotImplementedError, match="visit"):
        type("Empty", (equip.MethodVisitor,), {})().traverse(module_of())


def test_bytecode_visitors_dispatch_by_name() -> None:
    class Names(equip.BytecodeVisitor):
        def __init__(self) -> None:
            self.found: list[tuple[str, object]] = []

        def visit_import_name(self, instruction: equip.Instruction) -> None:
            self.found.append((self.declaration.qualname, instruction.argval))

        def visit_load_global(self, instruction: equip.Instruction) -> None:
            self.found.append((self.declaration.qualname, instruction.argval))

    visitor = Names()
    visitor.traverse(module_of())
    assert visitor.found == [("<module>", "os"), ("<lambda>", "os")]


def test_bytecode_visitors_may_take_all() -> None:
    class Count(equip.BytecodeVisitor):
        total = 0

        def visit(self, instruction: equip.Instruction) -> None:
            self.total += 1

    visitor = Count()
    visitor.traverse(module := module_of())
    assert visitor.total == sum(len(d.bytecode) for d in module.walk())


def test_the_probe_is_named_after_the_visitor_that_runs() -> None:
    class Mine(equip.MethodVisitor):
        def visit(self, decl: equip.MethodDeclaration) -> None:  # type: ignore[override]
            equip.SimpleRewriter(decl).insert_before("pass")

    class Named(Mine):
        probe_name = "by another name"

    plan = run_visitors(module_of(), [Mine(), Named()])
    assert {tuple(one.probe for one in insertions) for insertions in plan.values()} == {("Mine", "by another name")}


def test_what_a_visitor_raises_is_not_swallowed() -> None:
    class Failing(equip.MethodVisitor):
        def visit(self, decl: equip.MethodDeclaration) -> None:  # type: ignore[override]
            raise ZeroDivisionError

    module = module_of()
    with pytest.raises(ZeroDivisionError):
        run_visitors(module, [Failing()])
    assert module.probe == ""


def test_all_kinds_are_accepted() -> None:
    kinds: list[Callable[[], object]] = [
        equip.ModuleVisitor,
        equip.ClassVisitor,
        equip.MethodVisitor,
        equip.BytecodeVisitor,
    ]
    for kind in kinds:
        assert hasattr(kind(), "traverse")
