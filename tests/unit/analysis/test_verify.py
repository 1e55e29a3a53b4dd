"""Each rule of the verifier: code that breaks only this rule, made from what the compiler makes."""

from __future__ import annotations

import re
from types import CodeType

import pytest

import equip
from equip import isa
from equip.analysis import verify as package
from equip.code import exceptions
from equip.isa import demands

OP = isa.OP
RULES = re.findall(r"^``([a-z-]+)`` +", package.__doc__ or "", re.MULTILINE)


def function(source: str) -> CodeType:
    code = compile(source, "made.py", "exec", dont_inherit=True)
    return next(constant for constant in code.co_consts if isinstance(constant, CodeType))


def body(*words: tuple[str, int] | str, source: str = "def f(a, b): return a", **changes: object) -> CodeType:
    """A function of these instructions behind its RESUME, with their caches."""
    raw = bytearray()
    for word in ("RESUME", *words):
        name, arg = word if isinstance(word, tuple) else (word, 0)
        raw += bytes([OP[name], arg]) + bytes(2 * isa.CACHES[OP[name]])
    table = bytes([0xE8, 0]) * (len(raw) // 2)  # the line of the definition, unit by unit
    changes = {"co_stacksize": 8, "co_consts": (None, 1, "text", (1,)), "co_names": ("name",), **changes}
    return function(source).replace(co_code=bytes(raw), co_linetable=table, co_exceptiontable=b"", **changes)  # type: ignore[arg-type]


def replaced(code: CodeType, opcode: str, other: str, arg: int | None = None) -> CodeType:
    raw = bytearray(code.co_code)
    at = raw[::2].index(OP[opcode])
    raw[2 * at] = OP[other]
    if arg is not None:
        raw[2 * at + 1] = arg
    return code.replace(co_code=bytes(raw))


def broken(code: CodeType) -> set[str]:
    return {problem.rule for problem in equip.check(code)}


LOOP = "def f(a, b):\n for x in a: b(x)\n return b"
TRY = "def f(a, b):\n try: a()\n except E: b()\n return b"
GENERATOR = "def f(a, b):\n yield a\n return b"
NONE = ("LOAD_CONST", 0)
RETURN = (NONE, "RETURN_VALUE")


def with_table(source: str, **changes: int) -> CodeType:
    code = function(source)
    first, *rest = exceptions.decode(code.co_exceptiontable)
    return code.replace(co_exceptiontable=exceptions.encode([first._replace(**changes), *rest]))


def _prefixed_end() -> CodeType:
    code = body(*RETURN)
    return code.replace(
        co_code=code.co_code + bytes([isa.EXTENDED_ARG, 1]), co_linetable=code.co_linetable + bytes([0xE8, 0])
    )


def _with_opcode(number: int) -> CodeType:
    code = body(("NOP", 0), *RETURN)
    at = code.co_code[::2].index(OP["NOP"])
    return code.replace(co_code=code.co_code[: 2 * at] + bytes([number, 0]) + code.co_code[2 * at + 2 :])


def _half_closure() -> CodeType:
    outer = function("def f(a):\n def g(): return a\n return g")
    two = function("def h(a, b):\n def g(): return a, b\n return g")
    inner = next(constant for constant in two.co_consts if isinstance(constant, CodeType))
    return outer.replace(co_consts=tuple(inner if isinstance(one, CodeType) else one for one in outer.co_consts))


BROKEN: dict[str, list[CodeType]] = {
    "truncated": [_prefixed_end()],
    "cache": [_with_opcode(0)],
    "jump": [body(("JUMP_FORWARD", 9), *RETURN)],
    "falls-off": [body(NONE, "POP_TOP")],
    "argument": [
        body(("LOAD_CONST", 9), "RETURN_VALUE"),
        body(("LOAD_NAME", 9), "RETURN_VALUE"),
        body(("LOAD_FAST", 9), "RETURN_VALUE"),
        body(NONE, NONE, ("BINARY_OP", 99), "RETURN_VALUE"),
        body(NONE, NONE, ("COMPARE_OP", 255), "RETURN_VALUE"),
        body(NONE, ("COPY", 0), "RETURN_VALUE"),
    ],
    "flags": [function("def f(a): yield a").replace(co_flags=function("async def f(a): yield a").co_flags | 0x20)],
    "locations": [
        function("def f(a): return a").replace(co_linetable=b"\xe8"),
        body(*RETURN).replace(co_linetable=b"\xe8\0"),
    ],
    "exception-table": [with_table(TRY, target=200), function(TRY).replace(co_exceptiontable=b"\x81")],
    "prologue": [
        replaced(function("def f(a): return a"), "RESUME", "NOP")
        if not isa.CACHES[isa.RESUME]
        else body(*RETURN, co_freevars=("x",)),
        body(*RETURN, co_freevars=("x",)),
    ],
    "generator": [function(GENERATOR).replace(co_flags=3), function("def f(a): return a").replace(co_flags=0x23)],
    "companion": [replaced(function(GENERATOR), "YIELD_VALUE", "NOP", 0)],
    "call-names": [
        body(
            "PUSH_NULL",
            ("LOAD_FAST", 0),
            *([("KW_NAMES", 3)] if "KW_NAMES" in OP else []),
            *([("PRECALL", 0)] if "PRECALL" in OP else []),
            ("CALL", 0),
            "RETURN_VALUE",
        )
        if "KW_NAMES" in OP
        else body(("LOAD_FAST", 0), "PUSH_NULL", ("LOAD_CONST", 3), ("CALL_KW", 0), "RETURN_VALUE")
    ],
    "underflow": [body("POP_TOP", *RETURN), body(NONE, ("SWAP", 2), "RETURN_VALUE")],
    "overflow": [
        body(NONE, NONE, ("BINARY_OP", 0), "RETURN_VALUE", co_stacksize=1),
        function(TRY).replace(co_stacksize=1),
    ],
    "merge": [
        body(
            ("LOAD_FAST", 0),
            ("POP_JUMP_FORWARD_IF_NONE" if "POP_JUMP_FORWARD_IF_NONE" in OP else "POP_JUMP_IF_NONE", 1),
            NONE,
            *RETURN,
        )
    ],
    "kind": [
        body(("LOAD_FAST", 0), NONE, ("LIST_APPEND", 1), "RETURN_VALUE"),
        body("PUSH_NULL", "RETURN_VALUE"),
        body(("LOAD_FAST", 0), "POP_EXCEPT", *RETURN),
        body(("LOAD_FAST", 0), ("RERAISE", 0)),
        body(NONE, ("MAKE_FUNCTION", 0), "RETURN_VALUE"),
        replaced(function(LOOP), "GET_ITER", "NOP")
        if not isa.CACHES[OP["GET_ITER"]] and "GET_ITER" in OP and isa.OPERAND[OP["GET_ITER"]] == "-"
        else body(("LOAD_FAST", 0), "PUSH_EXC_INFO", *RETURN),
    ],
    "handler": [with_table(TRY, depth=3)],
    "left-over": [body(NONE, *RETURN)],
    "cell": [body(("LOAD_DEREF", 0), "RETURN_VALUE"), body(*RETURN, co_cellvars=("a",))],
    "closure": [_half_closure()],
}
if ".0" in demands.PROMISED:
    BROKEN["kind"].append(replaced(function("def f(a, b): return b(x for x in a)"), "GET_ITER", "NOP"))
if "RESERVED" in OP:
    BROKEN["opcode"] = [_with_opcode(OP["RESERVED"])]
if isa.UNCHECKED_LOCALS:
    BROKEN["unbound"] = [
        body(("LOAD_FAST", 2), "RETURN_VALUE", co_varnames=("a", "b", "c"), co_nlocals=3),
        body(("DELETE_FAST", 0), ("LOAD_FAST", 0), "RETURN_VALUE"),
        body(("LOAD_FAST_AND_CLEAR", 0), "POP_TOP", ("LOAD_FAST", 0), "RETURN_VALUE")
        if isa.BORROWS
        else body(("LOAD_FAST_AND_CLEAR", 0), ("STORE_FAST", 1), ("LOAD_FAST", 0), "RETURN_VALUE"),
    ]
if isa.BORROWS:
    BROKEN["borrow"] = [
        body(("LOAD_FAST_BORROW", 0), NONE, ("STORE_FAST", 0), "RETURN_VALUE"),
        body(("LOAD_FAST_BORROW", 0), ("STORE_FAST", 1), *RETURN),
        body(("LOAD_FAST_BORROW", 0), ("DELETE_FAST", 0), "RETURN_VALUE"),
        body(("LOAD_FAST_BORROW", 0), "FORMAT_SIMPLE", NONE, ("STORE_FAST", 0), "RETURN_VALUE"),
        body(
            ("LOAD_FAST_BORROW", 0),
            ("LOAD_ATTR", 1),
            *(NONE, ("STORE_FAST", 0), ("CALL", 0), "RETURN_VALUE"),
            co_names=("a",),
        ),
    ]

NOT_MADE = {"sizes", "damaged", "opcode", "unbound", "borrow"} - BROKEN.keys()
"""What the constructor of code objects refuses itself, ``co_code`` does not show, or this version does not have."""


@pytest.mark.parametrize(("rule", "code"), [(rule, code) for rule, codes in BROKEN.items() for code in codes])
def test_only_this_rule(rule: str, code: CodeType) -> None:
    assert broken(code) == {rule}, [problem.render() for problem in equip.check(code)]


def test_each_rule_has_its_example() -> None:
    assert set(RULES) == BROKEN.keys() | NOT_MADE


@pytest.mark.parametrize("source", [LOOP, TRY, GENERATOR, "def f(a): return lambda: a"])
def test_what_the_examples_are_made_from_is_clean(source: str) -> None:
    assert not equip.check(function(source))


def test_nested_code_is_checked() -> None:
    module = compile("def f(a): return a", "made.py", "exec")
    inner = body(NONE, *RETURN)
    outer = module.replace(co_consts=tuple(inner if isinstance(one, CodeType) else one for one in module.co_consts))
    (problem,) = equip.check(outer)
    assert (problem.rule, problem.qualname, problem.code) == ("left-over", "f", inner)


def test_a_problem_shows_the_instructions_and_the_stack() -> None:
    (problem,) = equip.check(body(("LOAD_FAST", 0), NONE, ("LIST_APPEND", 1), "RETURN_VALUE"))
    assert "expected list at 1 from the top, found object" in str(problem)
    assert problem.lineno == 1
    assert problem.offset == 6 + 2 * isa.CACHES[isa.RESUME]
    assert re.search(r"LIST_APPEND +1 +\[object, None\]", problem.render())


def test_verify_raises_with_the_problems() -> None:
    equip.verify(function(LOOP))
    with pytest.raises(equip.VerificationError, match="one problem") as caught:
        equip.verify(body(NONE, *RETURN))
    assert [problem.rule for problem in caught.value.problems] == ["left-over"]


def test_a_handler_does_not_cover_itself() -> None:
    code = function(TRY)
    first = exceptions.decode(code.co_exceptiontable)[0]
    assert broken(with_table(TRY, end=first.target + 1)) == {"exception-table"} or broken(
        with_table(TRY, target=first.start)
    ) & {"handler"}


def test_every_opcode_has_an_effect() -> None:
    assert demands.ROWS.keys().isdisjoint(demands.NEVER)
    assert demands.ROWS.keys() | isa.ops(demands.OWN) | demands.NEVER | {isa.EXTENDED_ARG} == set(OP.values())
