"""What the compiler emits passes the verifier, and what equip makes of it."""

from __future__ import annotations

import os
import sysconfig
import warnings
from pathlib import Path
from types import CodeType

import pytest

import equip
from property import library


class Everywhere(equip.MethodVisitor):
    """Every join point of every function."""

    def visit(self, decl: equip.MethodDeclaration) -> None:
        rewriter = equip.SimpleRewriter(decl)
        rewriter.insert_before("_equip_seen = 1").insert_after("_equip_seen = {return_value}")
        rewriter.insert_on_raise("_equip_seen = {exception}")
        for line in sorted({line for *_, line in decl.code_object.co_lines() if line}):
            try:
                rewriter.insert_at_line(line, "_equip_seen = {lineno}")
            except equip.JoinPointError:
                continue  # a line with code on which no line event fires


def test_some_of_the_standard_library_passes() -> None:
    modules = [code for code in library.code_objects() if code.co_name == "<module>"]
    assert len(modules) == len(library.MODULES)
    for code in modules:
        assert not equip.check(code)


PARTS = ["ast", "asyncio/taskgroups", "contextlib", "dataclasses", "email/_header_value_parser"]


@pytest.mark.parametrize("name", PARTS)
def test_what_is_instrumented_everywhere_passes(name: str) -> None:
    source = Path(sysconfig.get_path("stdlib"), f"{name}.py").read_bytes()
    equip.instrument_code(compile(source, f"{name}.py", "exec"), Everywhere(), verify=True)


class AtLine(equip.MethodVisitor):
    """A snippet at one line of one code object."""

    def __init__(self, code: CodeType, line: int, snippet: str) -> None:
        self.code, self.line, self.snippet = code, line, snippet

    def visit(self, decl: equip.MethodDeclaration) -> None:
        if decl.code_object is self.code:
            equip.SimpleRewriter(decl).insert_at_line(self.line, self.snippet)


@pytest.mark.parametrize("name", PARTS)
def test_what_returns_or_handles_exceptions_at_each_line_passes(name: str) -> None:
    # Both need to know what is on the stack, which in the middle of an expression is much.
    source = Path(sysconfig.get_path("stdlib"), f"{name}.py").read_bytes()
    passed = refused = 0
    for code in library.walk(compile(source, f"{name}.py", "exec")):
        function = equip.BytecodeObject.from_code(code, "").get_decl(method_name=code.co_name)
        if function is None or function.code_object is not code:
            continue  # a module or class body
        for line in function.executable_lines:
            for snippet in ("if _equip_seen: return", "try: _equip_seen\nexcept KeyError: raise ValueError"):
                try:
                    equip.instrument_code(code, AtLine(code, line, snippet), verify=True)
                except equip.SnippetError:  # a return in a try
                    refused += 1
                else:
                    passed += 1
    assert passed > 2 * refused


@pytest.mark.slow
@pytest.mark.parametrize("instrumented", [False, True])
def test_the_whole_library_passes(instrumented: bool) -> None:
    """With its own tests where there are some; ``EQUIP_LIBRARY`` names another folder, such as site-packages."""
    root = Path(os.environ.get("EQUIP_LIBRARY", sysconfig.get_path("stdlib")))
    count = 0
    for path in sorted(root.rglob("*.py")):
        if not path.is_file() or "site-packages" in path.relative_to(root).parts:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                code = compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
            except (SyntaxError, ValueError, RecursionError):  # examples of bad code
                continue
        if instrumented:
            code = equip.instrument_code(code, Everywhere())
        assert not equip.check(code), path
        count += 1
    assert count > 100
