"""Damaged code, code without tables, what is no code: said by equip's own errors, and the rest goes on."""

from __future__ import annotations

import dis
import importlib.util
import inspect
import marshal
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

import equip
from equip.inject import ModuleInjector

GOOD = compile(
    "def f(a):\n    for i in range(a):\n        print(i)\n    return a\ndef g(): return 1\n",
    "x.py",
    "exec",
    dont_inherit=True,
)


@pytest.fixture(autouse=True)
def _as_users_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done here with damaged code no test can verify."""
    monkeypatch.setattr(ModuleInjector, "inject", inspect.unwrap(ModuleInjector.inject))


def with_function(code: CodeType, name: str, changed: Callable[[CodeType], CodeType]) -> CodeType:
    """A module with one of its functions changed."""
    consts = [changed(one) if isinstance(one, CodeType) and one.co_name == name else one for one in code.co_consts]
    return code.replace(co_consts=tuple(consts))


def with_argument(code: CodeType, opname: str, arg: int) -> CodeType:
    """Code with another argument of its first instruction of that name."""
    offset = next(one.offset for one in dis.get_instructions(code) if one.opname.startswith(opname))
    raw = bytearray(code.co_code)
    raw[offset + 1] = arg
    return code.replace(co_code=bytes(raw))


def jumping_out() -> CodeType:
    return with_function(GOOD, "f", lambda code: with_argument(code, "FOR_ITER", 251))


def loading_nothing() -> CodeType:
    # Arguments out of range are read as they are, but for pairs of variables.
    return with_function(GOOD, "f", lambda code: with_argument(code, "LOAD_FAST", 99))


def beginning_nowhere() -> CodeType:
    def changed(code: CodeType) -> CodeType:
        offset = next(one.offset for one in dis.get_instructions(code) if one.opname == "RESUME")
        raw = bytearray(code.co_code)
        raw[offset] = dis.opmap["NOP"]
        return code.replace(co_code=bytes(raw))

    return with_function(GOOD, "f", changed)


def write(path: Path, code: CodeType) -> bytes:
    data = importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(code)
    path.write_bytes(data)
    return data


PROBES: dict[str, Callable[[], equip.Probe]] = {
    "line": lambda: equip.on_line("*:3", "print('line')"),
    "line with a variable": lambda: equip.on_line("*:3", "x = lambda: x"),
    "before": lambda: equip.before("*:*", "print('before')"),
    "before with a variable": lambda: equip.before("*:*", "x = lambda: {arguments}"),
    "after": lambda: equip.after("*:*", "x = {return_value}"),
    "raise": lambda: equip.on_raise("*:*", "print({exception})"),
}


@pytest.mark.parametrize("damage", [jumping_out, loading_nothing])
@pytest.mark.parametrize("kind", PROBES)
def test_a_damaged_file_is_left_and_the_others_go_on(
    tmp_path: Path, damage: Callable[[], CodeType], kind: str
) -> None:
    before = write(tmp_path / "damaged.pyc", damage())
    write(tmp_path / "ok.pyc", GOOD)
    report = equip.Instrumentation(tmp_path).apply(PROBES[kind](), rewrite=True)
    one, other = sorted(report.files, key=lambda file: file.path)
    assert (one.status, other.status) == ("refused", "instrumented")
    assert one.reason.startswith("damaged code (x.py:")
    assert ": f, offset " in one.reason
    assert one.reason.endswith("delete it, or compile it anew")
    assert "bug" not in one.reason
    assert (tmp_path / "damaged.pyc").read_bytes() == before


@pytest.mark.parametrize("damage", [jumping_out, loading_nothing])
@pytest.mark.parametrize("kind", PROBES)
def test_damaged_code_in_memory(damage: Callable[[], CodeType], kind: str) -> None:
    with pytest.raises(equip.InvalidCodeError, match=r"^x\.py:[0-9]+: f, offset [0-9]+: expected"):
        equip.instrument_code(damage(), PROBES[kind](), verify=True)


@pytest.mark.parametrize("first", [lambda to: to.insert_before("pass"), lambda to: to.insert_after("pass")])
def test_where_it_is_asked_for_a_line_behind_something_else(first: Callable[[equip.SimpleRewriter], object]) -> None:
    errors: list[str] = []

    class AtLine(equip.MethodVisitor):
        def visit(self, decl: equip.MethodDeclaration) -> None:
            if decl.method_name == "f":
                rewriter = equip.SimpleRewriter(decl)
                first(rewriter)
                try:
                    rewriter.insert_at_line(3, "pass")
                except Exception as error:
                    errors.append(f"{type(error).__name__}: {error}")
                    raise

    with pytest.raises(equip.InvalidCodeError):
        equip.instrument_code(beginning_nowhere(), AtLine())
    assert len(errors) == 1
    assert re.match(r"InvalidCodeError: x\.py:[0-9]+: f, offset [0-9]+: ", errors[0])


def test_asking_about_damaged_code() -> None:
    module = equip.BytecodeObject.from_code(jumping_out(), "x.py")
    declaration = module.get_decl(method_name="f")
    with pytest.raises(equip.InvalidCodeError, match="f, offset"):
        declaration.executable_lines  # noqa: B018
    with pytest.raises(equip.InvalidCodeError, match="f, offset"):
        equip.SimpleRewriter(declaration).insert_at_line(3, "pass")


def test_mistakes_stay_mistakes_in_damaged_code() -> None:
    with pytest.raises(equip.SnippetError):
        equip.instrument_code(jumping_out(), equip.before("*:g", "x = {arg7}"))
    assert equip.instrument_code(jumping_out(), equip.before("*:g", "print(1)")) is not None


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["instrument", "--on-line", "*:3", "x = 1", "."], 1),
        (["dis", "damaged.pyc:f", "--on-line", "damaged:3", "x = 1"], 2),
    ],
)
def test_commands_on_damaged_code(tmp_path: Path, arguments: list[str], status: int) -> None:
    pytest.importorskip("click")
    write(tmp_path / "damaged.pyc", jumping_out())
    done = subprocess.run(
        [sys.executable, "-m", "equip", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == status
    assert "Traceback" not in done.stderr
    assert "f, offset" in done.stdout + done.stderr


# -- without a location table ------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [equip.before, equip.after, equip.on_raise])
def test_code_without_a_location_table(make: Callable[..., equip.Probe]) -> None:
    def program(a: Any, values: Any = (1, 2)) -> Any:
        for one in values:
            try:
                a = a + one
            finally:
                values = ()
        return [a for _ in values], a, (lambda: a)()

    plain = program.__code__ = program.__code__.replace(co_linetable=b"")
    expected = program(1)
    seen: list[int] = []
    program.__globals__["seen"] = seen
    try:
        with equip.patch(program, make("*:*program", "x = 3; seen.append(x)")):
            assert program(1) == expected
            with pytest.raises(TypeError):
                program("")
            assert not {line for _, _, line in program.__code__.co_lines()} - {None, plain.co_firstlineno}
    finally:
        del program.__globals__["seen"]
    assert seen == {"before": [3, 3], "after": [3], "on_raise": [3]}[make.__name__]
    assert program.__code__ is plain


# -- what is no code ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", [equip.check, equip.verify, equip.provenance])
def test_what_has_no_code(function: Callable[[Any], object]) -> None:
    for thing in ("text", None, 3, int):
        with pytest.raises(TypeError, match=rf"^{function.__name__} is of a code object, a function .*not of '"):
            function(thing)
    assert not function(test_what_has_no_code)
    assert not function(test_what_has_no_code.__code__)


def test_instrumenting_what_is_no_code() -> None:
    for thing in ("text", None, test_what_has_no_code):
        with pytest.raises(TypeError, match=r"^instrument_code makes a code object of a code object, not of '.*patch"):
            equip.instrument_code(thing, equip.before("*:*", "pass"))  # type: ignore[arg-type]


@pytest.mark.parametrize("opname", ["COMPARE_OP", "BINARY_OP"])
def test_an_operator_that_there_is_not(opname: str) -> None:
    good = next(
        one
        for one in compile("def f(x):\n  if x < 3: return 1\n  return x + x\n", "x.py", "exec").co_consts
        if isinstance(one, CodeType)
    )
    code = with_argument(good, opname, 255)
    flow = equip.ControlFlow(code)
    with pytest.raises(equip.InvalidCodeError, match="argument"):
        flow.to_svg()
    with pytest.raises(equip.InvalidCodeError, match=f"{opname} at offset"):
        equip.Expressions(flow).find(next(one.offset for one in flow.instructions if one.opname == opname))


def test_a_first_line_that_the_interpreter_refuses() -> None:
    code = compile("def f(x): return x", "x.py", "exec")
    plain = marshal.dumps(code, 2)
    number = (1).to_bytes(4, "little", signed=True)
    for at in (at for at in range(len(plain)) if plain[at : at + 4] == number):
        changed = plain[:at] + (-5).to_bytes(4, "little", signed=True) + plain[at + 4 :]
        try:
            made = marshal.loads(changed)
            functions = [one for one in made.co_consts if isinstance(one, CodeType)]
        except Exception:  # damaged data raises nearly anything
            continue
        if functions and functions[0].co_firstlineno == -5 and made.co_firstlineno == 1:
            break
    else:
        pytest.fail("no number is that of the first line")
    with pytest.raises(equip.InvalidCodeError, match=r"f: .*co_firstlineno"):
        equip.instrument_code(made, equip.before("x:f", "print(x)"))
