"""The tables of the instruction set are complete, and what is not known is refused."""

from __future__ import annotations

import dis
import opcode
import subprocess
import sys

import pytest

from equip import isa
from equip.errors import UnsupportedPythonError

EMITTED = dict(isa.OP)


def test_operands_agree_with_dis() -> None:
    has_name, has_const, has_jump = set(dis.hasname), set(dis.hasconst), set(dis.hasjrel)
    for name, number in isa.OP.items():
        operand = isa.OPERAND[number]
        assert operand.startswith("name") == (number in has_name), name
        assert (operand == "const") == (number in has_const), name
        assert (operand in ("fwd", "back")) == (number in has_jump), name


def test_opcode_without_a_row_is_refused() -> None:
    with pytest.raises(UnsupportedPythonError, match="NEW_THING"):
        isa.check_complete(isa._OPERANDS, {**opcode.opmap, "NEW_THING": 17}, isa._SPECIALIZED, isa.MINOR)


def test_row_without_an_opcode_is_refused() -> None:
    with pytest.raises(UnsupportedPythonError, match="OLD_THING"):
        isa.check_complete({**isa._OPERANDS, "OLD_THING": "-"}, opcode.opmap, isa._SPECIALIZED, isa.MINOR)


@pytest.mark.parametrize("change", ["sys.implementation.name = 'pypy'", "sys.version_info = (3, 16, 0, 'final', 0)"])
def test_unknown_interpreter_is_refused(change: str) -> None:
    program = f"import sys; {change}\nimport equip.isa"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "UnsupportedPythonError: equip does not know the bytecode of" in done.stderr
