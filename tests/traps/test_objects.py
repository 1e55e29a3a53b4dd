"""Code objects as objects: identity, equality, constants, who holds whom."""

from __future__ import annotations

import marshal
from types import CodeType

import equip
from equip import JoinPoint
from traps.programs import at, compiled, function, instrumented, nested, run


def test_15_no_edit_is_the_same_object() -> None:
    code = compiled("def f(): return 1\n")
    assert equip.instrument_code(code, at(JoinPoint.BEFORE, "hits", "no such function")) is code


def test_15_the_clean_code_is_not_changed() -> None:
    code = compiled("def f(): return 1\n")
    before = marshal.loads(marshal.dumps(code))
    assert equip.instrument_code(code, at(JoinPoint.BEFORE, "hits.append(1)")) != code
    assert code == before
    assert function(code, "f").co_linetable == function(before, "f").co_linetable


def test_15_constants_that_are_equal_and_not_the_same() -> None:
    source = "def f(): return [1, 1.0, True, 0.0, -0.0, (1, 2), (1.0, 2), 'a', b'a', 0j, -0j]\n"
    snippet = "hits.extend([True, 1.0, 1, -0.0, 0.0, (1.0, 2), (1, 2), b'a', 'a', (True, 2), -0j, 0j, 300, 300.0])"
    namespace = run(instrumented(source, at(JoinPoint.BEFORE, snippet)))
    wanted = [True, 1.0, 1, -0.0, 0.0, (1.0, 2), (1, 2), b"a", "a", (True, 2), -0j, 0j, 300, 300.0]
    assert repr(namespace["f"]()) == repr(run(compiled(source))["f"]())
    assert [repr(one) for one in namespace["hits"]] == [repr(one) for one in wanted]


def test_15_what_is_made_can_be_marshalled() -> None:
    for code in nested(instrumented("def f(x):\n    return [x for x in x]\n")):
        copy = marshal.loads(marshal.dumps(code))
        assert copy == code
        assert copy.co_linetable == code.co_linetable


def test_17_equal_code_objects_are_different_functions() -> None:
    source = "f = [lambda: 1, lambda: 1]\n"
    code = compiled(source)
    lambdas = [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    twin = lambdas[0].replace()
    code = code.replace(co_consts=tuple(twin if constant is lambdas[-1] else constant for constant in code.co_consts))

    class First(equip.MethodVisitor):
        done = False

        def visit(self, decl: equip.MethodDeclaration) -> None:
            if not self.done:
                self.done = True
                equip.SimpleRewriter(decl).insert_after("{return_value} += 1")

    values = [one() for one in run(equip.instrument_code(code, First()))["f"]]
    assert sorted(values) in ([1, 2], [2, 2]), "the first, and the second only if it is the very same object"
    assert values[0] == 2


def test_17_a_changed_child_changes_every_parent() -> None:
    source = "class A:\n    class B:\n        def f(self): return 1\n"
    before = compiled(source)
    after = instrumented(source, at(JoinPoint.AFTER, "{return_value} = 2"))
    for name in ("A", "B", "f"):
        assert function(after, name) is not function(before, name)
    assert run(after)["A"].B().f() == 2


def test_17_one_code_object_in_two_places() -> None:
    # The compiler makes one for both branches of some statements; by hand it is sure.
    code = compiled("def f(): return 1\ndef g(): return 2\n")
    f, g = function(code, "f"), function(code, "g")
    code = code.replace(co_consts=tuple(f if constant is g else constant for constant in code.co_consts))
    namespace = run(equip.instrument_code(code, at(JoinPoint.AFTER, "{return_value} += 10")))
    assert namespace["f"]() == 11
    assert namespace["g"]() == 11


def test_11_sizes_and_flags_are_those_of_the_program() -> None:
    source = "async def f(a, /, b, *, c, **d):\n    'doc'\n    yield a\n"
    before, after = (function(one, "f") for one in (compiled(source), instrumented(source)))
    kept = "argcount posonlyargcount kwonlyargcount flags name qualname filename firstlineno freevars"
    for name in kept.split():
        assert getattr(after, f"co_{name}") == getattr(before, f"co_{name}"), name
