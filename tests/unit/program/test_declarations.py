"""Declarations are what the source declares: compared with its syntax tree."""

from __future__ import annotations

import ast
import collections
import importlib.util
import sys
from types import CodeType

import pytest

from equip import JoinPointError, SimpleRewriter
from equip.program import (
    MethodDeclaration,
    ModuleDeclaration,
    TypeDeclaration,
)
from equip.program.declarations import Declaration


def module_of(source: str) -> ModuleDeclaration:
    return ModuleDeclaration(compile(source, "<test>", "exec", dont_inherit=True), "<test>", "test", 0)


def named(module: ModuleDeclaration, qualname: str) -> Declaration:
    return next(d for d in module.walk() if d.qualname == qualname)


# -- against the syntax tree ----------------------------------------------------------------------


def _dotted(node: ast.expr) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = _dotted(node.value)
        return before and f"{before}.{node.attr}"
    return None


def _written(tree: ast.Module) -> collections.Counter[tuple[object, ...]]:
    found: collections.Counter[tuple[object, ...]] = collections.Counter()
    for node in ast.walk(tree):
        decorators = getattr(node, "decorator_list", [])
        line = decorators[0].lineno if decorators else getattr(node, "lineno", 0)
        if isinstance(node, ast.ClassDef):
            found[node.name, line, tuple(filter(None, map(_dotted, node.bases)))] += 1
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            args = node.args
            names = [arg.arg for arg in args.posonlyargs + args.args]
            names += [args.vararg.arg] if args.vararg else []
            names += [arg.arg for arg in args.kwonlyargs]
            names += [args.kwarg.arg] if args.kwarg else []
            found[getattr(node, "name", "<lambda>"), line, tuple(names)] += 1
    return found


def _declared(module: ModuleDeclaration) -> collections.Counter[tuple[object, ...]]:
    found: collections.Counter[tuple[object, ...]] = collections.Counter()
    for one in module.walk():
        if isinstance(one, TypeDeclaration):
            found[one.type_name, one.start_lineno, one.superclasses] += 1
        elif isinstance(one, MethodDeclaration):
            found[one.method_name, one.start_lineno, one.formal_parameters] += 1
    return found


@pytest.mark.parametrize(
    "name", ["argparse", "ast", "dataclasses", "enum", "typing", "asyncio.base_events", "collections", "inspect"]
)
def test_every_function_and_class_of_the_source_is_declared(name: str) -> None:
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    with open(spec.origin, "rb") as stream:
        source = stream.read()
    module = ModuleDeclaration(compile(source, spec.origin, "exec", dont_inherit=True), spec.origin, name, 0)
    written, declared = _written(ast.parse(source)), _declared(module)
    assert declared - written == collections.Counter()
    # What stands behind `if False:` or a constant condition has no code.
    assert sum((written - declared).values()) <= 2


def test_order_is_that_of_the_source() -> None:
    module = module_of(
        "def a(): pass\nclass B:\n    def c(self): pass\n    class D: pass\nx = lambda: 0\ndef e(): pass"
    )
    assert [d.qualname for d in module.walk()] == ["<module>", "a", "B", "B.c", "B.D", "<lambda>", "e"]


def test_properties_of_functions() -> None:
    module = module_of(
        "def f(a, /, b, *c, d, **e): pass\n"
        "def g(): yield\n"
        "async def h(): pass\n"
        "async def i(): yield\n"
        "j = lambda x, *, y=1: x\n"
    )
    f, g, h, i, j = module.functions
    assert f.formal_parameters == ("a", "b", "c", "d", "e")
    assert [(m.is_generator, m.is_coroutine, m.is_async_generator) for m in (f, g, h, i)] == [
        (False, False, False),
        (True, False, False),
        (False, True, False),
        (False, False, True),
    ]
    assert j.is_lambda
    assert j.method_name == "<lambda>"
    assert j.formal_parameters == ("x", "y")
    assert not f.is_lambda
    assert f.qualname == "f"


def test_what_is_around_a_declaration() -> None:
    module = module_of("class A:\n    def f(self):\n        class B:\n            def g(self): pass\n")
    g = named(module, "A.f.<locals>.B.g")
    assert g.parent_class is named(module, "A.f.<locals>.B")
    assert g.parent_method is named(module, "A.f")
    assert g.parent_module is module
    assert g.module is module
    assert module.parent is None
    assert module.parent_module is None
    assert module.module is module
    assert named(module, "A").parent_class is None
    a = module.classes[0]
    assert [m.method_name for m in a.methods] == ["f"]
    assert a.nested_types == ()
    assert a.methods[0].nested_types[0].type_name == "B"


def test_lines() -> None:
    module = module_of("\n@print\ndef f(\n    a,\n):\n    return (\n        a\n    )\n\nclass A:\n    x = 1\n")
    f, a = module.functions[0], module.classes[0]
    assert f.lines == (f.start_lineno, f.end_lineno) == (2, 8)
    assert a.lines == (10, 11)
    assert module.lines == (1, 11)


def test_executable_lines_are_those_at_which_a_snippet_can_be_put() -> None:
    body = "    # nothing\n    b = 1\n\n    return (\n        a +\n        b)\n"
    module = module_of("import sys, \\\n  os\n\ndef f(a):\n" + body)
    f = module.functions[0]
    assert f.executable_lines == (6, 8, 9, 10)
    assert module.executable_lines == (1, 4)
    assert module.imports[0].executable_lines == (1,)
    rewriter = SimpleRewriter(f)
    for line in range(12):
        if line in f.executable_lines:
            rewriter.insert_at_line(line, "pass")
        else:
            with pytest.raises(JoinPointError, match=f"line {line} has no code"):
                rewriter.insert_at_line(line, "pass")


def test_superclasses_are_the_dotted_ones() -> None:
    module = module_of(
        "import abc\nclass A: pass\n"
        "class B(A, abc.ABC, dict[int, str], type('X', (), {}), metaclass=abc.ABCMeta): pass\n"
        "class C(*[A]): pass\n"
        "class D(metaclass=abc.ABCMeta): pass\n"
        "def f(x, y):\n    class E(x, y, x.z): pass\n"
    )
    found = {d.type_name: d.superclasses for d in module.walk() if isinstance(d, TypeDeclaration)}
    assert found == {"A": (), "B": ("A", "abc.ABC"), "C": (), "D": (), "E": ("x", "y", "x.z")}


# -- identity -------------------------------------------------------------------------------------


def test_equal_code_objects_are_different_declarations() -> None:
    module = module_of("def f():\n    return lambda: 1\n")
    inner = named(module, "f.<locals>.<lambda>").code_object
    twin = inner.replace()
    assert twin == inner
    assert twin is not inner
    f = module.functions[0].code_object
    f = f.replace(co_consts=(*f.co_consts, twin, inner))
    found = ModuleDeclaration(f, "x", "x", 0).functions[0].children
    assert [d.code_object is inner for d in found] == [True, False, True]
    paths = [d.code_path for d in found]
    assert len(set(paths)) == 3
    assert [f.co_consts[path[-1]] is inner for path in paths] == [True, False, True]


def test_code_paths_lead_to_the_code() -> None:
    module = module_of("class A:\n    def f(self): return [lambda: i for i in ()]\n")
    for one in module.walk():
        code: CodeType = module.code_object
        for index in one.code_path:
            code = code.co_consts[index]
        assert code is one.code_object


def test_a_function_by_itself_stands_for_its_module() -> None:
    code = module_of("def f(a):\n    def g(): pass\n").functions[0].code_object
    module = ModuleDeclaration(code, "x", "x", 0, in_memory=True)
    assert [d.qualname for d in module.walk()] == ["f", "f", "f.<locals>.g"]
    assert module.functions[0].code_path == ()
    assert module.functions[0].code_object is code


# -- implicit scopes ------------------------------------------------------------------------------


def test_comprehensions_are_no_children_but_functions_in_them_are() -> None:
    module = module_of("a = [x for x in ()]\nb = list((lambda: y) for y in ())\n")
    assert [d.qualname for d in module.children] == ["<genexpr>.<lambda>"]
    assert module.children[0].parent is module
    scopes = [scope.name for scope in module.implicit_scopes]
    assert scopes[-1] == "<genexpr>"
    assert set(scopes) <= {"<listcomp>", "<genexpr>"}
    assert all(scope.parent is module and scope.children == () for scope in module.implicit_scopes)
    assert module.children[0].code_path[:-1] == module.implicit_scopes[-1].code_path


ANNOTATED = """
x: int = 1
def f(a: int, b: (lambda: 0) = 1): pass
class A:
    y: int
    def m(self, q: int): pass
"""


def test_annotations_are_no_children() -> None:
    module = module_of(ANNOTATED)
    names = [d.method_name for d in module.walk() if isinstance(d, MethodDeclaration)]
    assert sorted(names) == ["<lambda>", "f", "m"]


def test_an_own_annotate_function_is_a_method() -> None:
    module = module_of(
        ANNOTATED
        + "    def __annotate__(format, /): return {}\n"
        + "def __annotate__(format, /):\n    raise NotImplementedError\n"
        + "def g(format, /):\n    if format > 2:\n        raise NotImplementedError\n    return {'a': int}\n"
    )
    assert [d.qualname for d in module.walk() if d.code_object.co_name == "__annotate__"] == [
        "A.__annotate__",
        "__annotate__",
    ]
    assert named(module, "g")


@pytest.mark.skipif(sys.version_info < (3, 12), reason="type parameters are new in 3.12")
def test_type_parameters_are_no_children() -> None:
    module = module_of(
        "type X = int\n"
        "type Y[T: (int, str)] = list[T]\n"
        "def T[T: (lambda: int)](a: T): return lambda: T\n"
        "class C[T](object, dict[T], a.b):\n    def g(self): pass\n"
        "def X(): return int\n"
        "def outer():\n"
        "    k = 1\n"
        "    type Z = (k, lambda: k)\n"
        "    def gen[U: k](a: U): pass\n"
        "    return Z, gen\n"
    )
    assert [(type(d).__name__[0], d.code_object.co_name) for d in module.walk()][1:] == [
        ("M", "<lambda>"),
        ("M", "T"),
        ("M", "<lambda>"),
        ("T", "C"),
        ("M", "g"),
        ("M", "X"),
        ("M", "outer"),
        ("M", "<lambda>"),
        ("M", "gen"),
    ]
    assert module.classes[0].superclasses == ("object", "a.b")
    assert {"<generic parameters of C>", "X"} <= {scope.name for scope in module.implicit_scopes}


@pytest.mark.skipif(sys.version_info < (3, 13), reason="defaults of type parameters are new in 3.13")
def test_defaults_of_type_parameters_are_no_children() -> None:
    module = module_of("def f[A = int, *B = *(int,), **C = [int]](): pass\n")
    assert [d.qualname for d in module.children] == ["f"]


# -- imports --------------------------------------------------------------------------------------


def test_imports() -> None:
    module = module_of(
        "import os, sys as system\n"
        "import a.b\n"
        "import a.b as c\n"
        "import a.b.c as a\n"
        "from x.y import (p,\n    q as r)\n"
        "from . import s\n"
        "from ..t import u as v\n"
        "from w import *\n"
        "if os:\n    import late\n"
        "def f():\n    import inner\n"
    )
    found = [(i.root, i.aliases, i.dots, i.star, i.live_names) for i in module.imports]
    assert found == [
        (None, (("os", None),), 0, False, {"os"}),
        (None, (("sys", "system"),), 0, False, {"system"}),
        (None, (("a.b", None),), 0, False, {"a"}),
        (None, (("a.b", "c"),), 0, False, {"c"}),
        (None, (("a.b.c", "a"),), 0, False, {"a"}),
        ("x.y", (("p", None), ("q", "r")), 0, False, {"p", "r"}),
        ("", (("s", None),), 1, False, {"s"}),
        ("t", (("u", "v"),), 2, False, {"v"}),
        ("w", (), 0, True, frozenset()),
        (None, (("late", None),), 0, False, {"late"}),
    ]
    assert [str(i) for i in module.imports][4:9] == [
        "import a.b.c as a",
        "from x.y import p, q as r",
        "from . import s",
        "from ..t import u as v",
        "from w import *",
    ]
    assert module.imports[5].lines == (5, 6)
    assert module.imports[0].parent is module
    assert module.imports[0].children == ()
    assert [i.opname for i in module.imports[7].bytecode if i.opname.startswith("IMPORT")] == [
        "IMPORT_NAME",
        "IMPORT_FROM",
    ]


def test_bytecode() -> None:
    f = module_of("def f(a):\n    return a + 1\n").functions[0]
    names = [instruction.opname for instruction in f.bytecode]
    assert "BINARY_OP" in names
    assert names[-1] == "RETURN_VALUE"
    assert {instruction.lineno for instruction in f.bytecode} <= {1, 2}
