"""Loads that the compiler has left unchecked, where a snippet brings an unbound local to them."""

from __future__ import annotations

import ast
import textwrap
from types import CodeType

import pytest

import equip
from equip import isa


class AtLine(equip.MethodVisitor):
    def __init__(self, lineno: int) -> None:
        super().__init__()
        self.lineno = lineno

    def visit(self, meth_decl: equip.MethodDeclaration) -> None:
        if meth_decl.method_name == "f":
            equip.SimpleRewriter(meth_decl).insert_at_line(self.lineno, "raise KeyError")


def function(code: CodeType) -> CodeType:
    return next(one for one in code.co_consts if isinstance(one, CodeType) and one.co_name == "f")


LAST_IN_ITS_TRY = {
    "return": """
        def f(x):
            try:
                int(x)
                del x
                return None  # here
            except KeyError:
                return x
    """,
    "break": """
        def f(x):
            for _ in (1, 2):
                try:
                    int(x)
                    del x
                    break  # here
                except KeyError:
                    return x
    """,
    "pass": """
        def f(x):
            try:
                int(x)
                del x
                pass  # here
            except KeyError:
                return x
    """,
    "loop": """
        def f(x):
            try:
                int(x)
                del x
                while 1: break  # here
            except KeyError:
                return x
    """,
    "comprehension": """
        def f(x):
            if not x:
                v = 1
            try:
                [v for v in (1, 2)]
                return None  # here
            except KeyError:
                return v
    """,
    "behind the handler": """
        def f(x):
            for _ in (1, 2):
                if _ == 2:
                    return (x, 1)
                try:
                    int(x)
                    del x
                    return None  # here
                except KeyError:
                    pass
    """,
    "finally in between": """
        def f(x):
            try:
                try:
                    int(x)
                finally:
                    del x
                    return None  # here
            except KeyError:
                return x
    """,
}


@pytest.mark.parametrize("source", LAST_IN_ITS_TRY.values(), ids=LAST_IN_ITS_TRY.keys())
@pytest.mark.filterwarnings("ignore:'return' in a 'finally' block")
def test_exception_from_behind_what_unbinds_a_local(source: str) -> None:
    source = textwrap.dedent(source)
    lineno = next(number for number, text in enumerate(source.split("\n"), 1) if "# here" in text)
    code = equip.instrument_code(compile(source, "program.py", "exec"), AtLine(lineno))
    equip.verify(function(code))
    names: dict[str, object] = {}
    exec(code, names)
    with pytest.raises(UnboundLocalError):
        names["f"](1)  # type: ignore[operator]


def test_statement_on_the_line_of_the_body_behind_it() -> None:
    tree = ast.parse(
        "def f(n):\n  out = int(n)\n  try:\n    return int(n), out\n  except KeyError:\n    return out\n"
    )
    for node in ast.walk(tree):
        if hasattr(node, "lineno"):
            node.lineno = node.end_lineno = {1: 1, 5: 3, 6: 3}.get(node.lineno, 2)
            node.col_offset, node.end_col_offset = 0, 1
    code = equip.instrument_code(compile(tree, "program.py", "exec"), AtLine(2))
    equip.verify(function(code))
    names: dict[str, object] = {}
    exec(code, names)
    with pytest.raises((UnboundLocalError, KeyError)):
        names["f"](1)  # type: ignore[operator]


@pytest.mark.skipif(not isa.UNCHECKED_LOCALS, reason="every load looks whether there is something")
def test_no_load_looks_that_need_not() -> None:
    source = "def f(x):\n y = 1\n try:\n  int(x)\n  return None\n except KeyError:\n  return y\n"
    code = function(equip.instrument_code(compile(source, "program.py", "exec"), AtLine(5)))
    assert isa.OP["LOAD_FAST_CHECK"] not in code.co_code[::2]
