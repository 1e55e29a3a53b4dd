"""What each instruction takes from the stack and puts there, by kinds of values, as data.

A row: name, minor versions, inputs (the last on top), ``--``, outputs. A kind can be repeated: ``object*A`` as often
as the argument says. Outputs that are digits are inputs that stay (``0`` is the first); ``object+0`` can be a reference
to the same object as input 0 without owning it. Kinds:

``object``   any object; ``maybe`` an object or NULL; ``null``; ``any`` whatever can stand on the stack; ``held``
             the same without NULL
``exc``      an exception; ``rest`` an exception or None; ``prev`` the exception that was handled before; ``lasti`` an
             offset
``iter``     what an iterator is expected for; ``index`` the position in a sequence, or NULL (3.15)
``more``     a tuple or None; ``kwargs`` a dict or NULL; others are types

Instructions without a row here have a meaning of their own (``OWN``). Guarantee, checked when the module is loaded:
each opcode of this interpreter has a row or is in ``OWN``, not both.
"""

from __future__ import annotations

from typing import Final

from equip import isa
from equip.errors import UnsupportedPythonError

EFFECTS: Final = """
ASYNC_GEN_WRAP           11    object -- object
BEFORE_ASYNC_WITH        11-13 object -- object object
BEFORE_WITH              11-13 object -- object object
BINARY_OP                11-15 object object -- object
BINARY_SLICE             12-15 object object object -- object
BINARY_SUBSCR            11-13 object object -- object
BUILD_CONST_KEY_MAP      11-13 object*A tuple -- dict
BUILD_INTERPOLATION      14-15 object str object*LOW -- object
BUILD_LIST               11-15 object*A -- list
BUILD_MAP                11-15 object*2A -- dict
BUILD_SET                11-15 object*A -- set
BUILD_SLICE              11-15 object*A -- object
BUILD_STRING             11-15 str*A -- str
BUILD_TEMPLATE           14-15 tuple tuple -- object
CALL                     11-12 maybe object object*A -- object
CALL                     13-15 object maybe object*A -- object
CALL_FUNCTION_EX         11-12 null object object dict*LOW -- object
CALL_FUNCTION_EX         13    object null object dict*LOW -- object
CALL_FUNCTION_EX         14-15 object null object kwargs -- object
CHECK_EG_MATCH           11-15 rest object -- rest rest
CHECK_EXC_MATCH          11-15 exc object -- 0 bool
CLEANUP_THROW            12-14 object object exc -- none object
CLEANUP_THROW            15    object index object exc -- none null object
COMPARE_OP               11-12 object object -- object
CONTAINS_OP              11-15 object object -- bool
CONVERT_VALUE            13-15 object -- str
DELETE_ATTR              11-15 object --
DELETE_GLOBAL            11-15 --
DELETE_NAME              11-15 --
DELETE_SUBSCR            11-15 object object --
END_ASYNC_FOR            11-15 object exc --
END_FOR                  12    object object --
END_FOR                  13-15 object --
END_SEND                 12-14 object object -- 1
END_SEND                 15    object index object -- 2
FORMAT_SIMPLE            13-15 object -- str+0
FORMAT_VALUE             11-12 object object*BIT2 -- str
FORMAT_WITH_SPEC         13-15 object object -- str
GET_AITER                11-15 object -- object
GET_ANEXT                11-15 object -- 0 iter
GET_AWAITABLE            11-15 object -- iter
GET_ITER                 11-14 object -- iter
GET_ITER                 15    object -- iter+0 index
GET_LEN                  11-15 object -- 0 object
GET_YIELD_FROM_ITER      11-14 object -- iter+0
IMPORT_FROM              11-15 object -- 0 object
IMPORT_NAME              11-15 object object -- object
IMPORT_STAR              11    object --
IS_OP                    11-15 object object -- bool
JUMP_BACKWARD            11-15 --
JUMP_BACKWARD_NO_INTERRUPT 11-15 --
JUMP_FORWARD             11-15 --
LIST_TO_TUPLE            11    list -- tuple
LOAD_ASSERTION_ERROR     11-13 -- object
LOAD_ATTR                11    object -- object
LOAD_ATTR                12    object -- maybe*LOW object
LOAD_ATTR                13-15 object -- object maybe+0*LOW
LOAD_BUILD_CLASS         11-15 -- object
LOAD_FROM_DICT_OR_GLOBALS 12-15 object -- object
LOAD_GLOBAL              11-12 -- null*LOW object
LOAD_GLOBAL              13-15 -- object null*LOW
LOAD_LOCALS              12-15 -- object
LOAD_METHOD              11    object -- maybe object
LOAD_SMALL_INT           14-15 -- object
LOAD_SPECIAL             14-15 object -- object maybe+0
LOAD_SUPER_ATTR          12    object object object -- maybe*LOW object
LOAD_SUPER_ATTR          13-15 object object object -- object maybe+2*LOW
MATCH_CLASS              11-15 object object tuple -- more
MATCH_KEYS               11-15 object tuple -- 0 1 more
MATCH_MAPPING            11-15 object -- 0 bool
MATCH_SEQUENCE           11-15 object -- 0 bool
NOP                      11-15 --
NOT_TAKEN                14-15 --
POP_EXCEPT               11-15 prev --
POP_ITER                 14    object --
POP_ITER                 15    object index --
POP_TOP                  11-13 held --
POP_TOP                  14-15 any --
PREP_RERAISE_STAR        11    exc list -- rest
PRINT_EXPR               11    object --
PUSH_EXC_INFO            11-15 exc -- prev exc
PUSH_NULL                11-15 -- null
RAISE_VARARGS            11-15 object*A --
RESUME                   11-15 --
RETURN_GENERATOR         11-15 -- object
SETUP_ANNOTATIONS        11-15 --
STORE_ATTR               11-15 object object --
STORE_GLOBAL             11-15 object --
STORE_NAME               11-15 object --
STORE_SLICE              12-15 object object object object --
STORE_SUBSCR             11-15 object object object --
TO_BOOL                  13-15 object -- bool
UNARY_INVERT             11-15 object -- object
UNARY_NEGATIVE           11-15 object -- object
UNARY_NOT                11-12 object -- bool
UNARY_NOT                13-15 bool -- bool
UNARY_POSITIVE           11    object -- object
UNPACK_EX                11-15 object -- object*SPREAD
UNPACK_SEQUENCE          11-15 object -- object*A
WITH_EXCEPT_START        11-13 object lasti prev exc -- 0 1 2 3 object
WITH_EXCEPT_START        14-15 object maybe lasti prev exc -- 0 1 2 3 4 object
YIELD_VALUE              11-15 object -- object
"""

OWN: Final = """
BUILD_TUPLE CALL_INTRINSIC_1 CALL_INTRINSIC_2 CALL_KW COPY COPY_FREE_VARS DELETE_DEREF DELETE_FAST DICT_MERGE
DICT_UPDATE FOR_ITER JUMP_IF_FALSE_OR_POP JUMP_IF_TRUE_OR_POP KW_NAMES LIST_APPEND LIST_EXTEND LOAD_CLASSDEREF
LOAD_CLOSURE LOAD_COMMON_CONSTANT LOAD_CONST LOAD_DEREF LOAD_FAST LOAD_FAST_AND_CLEAR LOAD_FAST_BORROW
LOAD_FAST_BORROW_LOAD_FAST_BORROW LOAD_FAST_CHECK LOAD_FAST_LOAD_FAST LOAD_FROM_DICT_OR_DEREF LOAD_NAME MAKE_CELL
MAKE_FUNCTION MAP_ADD POP_JUMP_BACKWARD_IF_FALSE POP_JUMP_BACKWARD_IF_NONE POP_JUMP_BACKWARD_IF_NOT_NONE
POP_JUMP_BACKWARD_IF_TRUE POP_JUMP_FORWARD_IF_FALSE POP_JUMP_FORWARD_IF_NONE POP_JUMP_FORWARD_IF_NOT_NONE
POP_JUMP_FORWARD_IF_TRUE POP_JUMP_IF_FALSE POP_JUMP_IF_NONE POP_JUMP_IF_NOT_NONE POP_JUMP_IF_TRUE PRECALL RERAISE
RETURN_CONST RETURN_VALUE SEND SET_ADD SET_FUNCTION_ATTRIBUTE SET_UPDATE STORE_DEREF STORE_FAST STORE_FAST_LOAD_FAST
STORE_FAST_STORE_FAST SWAP
""" + ("COMPARE_OP" if isa.MINOR >= 13 else "")

REFUSED: Final = "CACHE RESERVED ENTER_EXECUTOR TRACE_RECORD INTERPRETER_EXIT EXIT_INIT_CHECK"
"""What only the interpreter itself makes, outside code objects."""

LIMITS: Final = """
BINARY_OP 11-13 0 25
BINARY_OP 14-15 0 26
BUILD_INTERPOLATION 14-15 0 15
BUILD_SLICE 11-15 2 3
CALL_FUNCTION_EX 11-13 0 1
CALL_INTRINSIC_1 12-15 1 11
CALL_INTRINSIC_2 12 1 4
CALL_INTRINSIC_2 13-15 1 5
COMPARE_OP 11 0 5
COMPARE_OP 12 0 95
COMPARE_OP 13-15 0 191
CONTAINS_OP 11-15 0 1
CONVERT_VALUE 13-15 1 3
COPY 11-15 1 0
DICT_MERGE 11-15 1 0
DICT_UPDATE 11-15 1 0
FORMAT_VALUE 11-12 0 7
GET_AWAITABLE 11-15 0 2
GET_ITER 15 0 3
IS_OP 11-15 0 1
LIST_APPEND 11-15 1 0
LIST_EXTEND 11-15 1 0
LOAD_COMMON_CONSTANT 14 0 4
LOAD_COMMON_CONSTANT 15 0 11
LOAD_SMALL_INT 14-15 0 255
LOAD_SPECIAL 14-15 0 3
MAKE_FUNCTION 11-12 0 15
MAP_ADD 11-15 1 0
RAISE_VARARGS 11-15 0 2
RERAISE 11-15 0 2
RESUME 11-12 0 3
RESUME 13-14 0 7
RESUME 15 0 15
SET_ADD 11-15 1 0
SET_UPDATE 11-15 1 0
SWAP 11-15 2 0
YIELD_VALUE 13-15 0 1
"""
"""The least and the greatest argument that means something; 0 for the greatest: there is none but the stack."""


def rows_of(text: str) -> dict[int, list[str]]:
    """The rows of a table for this interpreter, by opcode. A row that names no opcode is an error."""
    found: dict[int, list[str]] = {}
    for line in filter(None, text.split("\n")):
        name, minors, *rest = line.split()
        first, _, last = minors.partition("-")
        if int(first) <= isa.MINOR <= int(last or first):
            if name not in isa.OP or isa.OP[name] in found:
                raise UnsupportedPythonError(f"isa demands: no opcode, or two rows, for {name}: a bug of equip")
            found[isa.OP[name]] = rest
    return found


ROWS: Final = rows_of(EFFECTS)
ARGUMENT_LIMITS: Final = {number: (int(low), int(high)) for number, (low, high) in rows_of(LIMITS).items()}
NEVER: Final = isa.ops(REFUSED)

_own = isa.ops(OWN) | NEVER | {isa.EXTENDED_ARG}
if _own & ROWS.keys() or _own | ROWS.keys() != set(isa.OP.values()):
    _odd = sorted(isa.OPNAMES[n] for n in (_own & ROWS.keys()) | (set(isa.OP.values()) - _own - ROWS.keys()))
    raise UnsupportedPythonError(f"isa demands: without a row, or with two meanings: {_odd}: a bug of equip")

INTRINSIC_1: Final = "- object object exc object object list str str str tuple tuple".split()
"""What each intrinsic takes, by its number."""
INTRINSIC_2: Final = ("- -", "exc list", "str object", "str object", "function object", "object object")
INTRINSIC_1_RESULTS: Final = {6: "tuple", 3: "exc"}
INTRINSIC_2_RESULTS: Final = {1: "rest", 4: "function"}

NULL_BELOW_CALLABLE: Final = isa.MINOR <= 12
"""Calls have NULL or a method below what is called or its object; newer ones above."""
COMPARE_BOOL: Final = 16 if isa.MINOR >= 13 else 0
"""The bit of COMPARE_OP's argument that makes its result a bool."""
INDEXED: Final = isa.MINOR >= 15
"""Iterators have an index, or NULL, above them."""
LOOP_PHANTOM: Final = isa.MINOR >= 12
"""An exhausted FOR_ITER leaves what END_FOR would take, as far as depths are concerned."""
FUNCTION_ATTRIBUTES: Final = {1: "tuple", 2: "dict", 4: "annotations", 8: "closure"} | (
    {16: "function"} if isa.MINOR >= 14 else {}
)
"""What each bit of MAKE_FUNCTION, or argument of SET_FUNCTION_ATTRIBUTE, gives to the function."""
LOOP_COMPANIONS: Final[tuple[str, ...]] = {11: (), 12: ("END_FOR",), 13: ("END_FOR", "POP_TOP")}.get(
    isa.MINOR, ("END_FOR", "POP_ITER")
)
"""What stands at the target of FOR_ITER."""
SEND_COMPANION: Final = "END_SEND" if "END_SEND" in isa.OP else ""
RESUME_LOCATION: Final = 3
"""The bits of RESUME's argument that say what is resumed: 0 a start, 1 a yield, 2 a yield from, 3 an await."""
YIELD_DELEGATES: Final = isa.MINOR >= 13
"""YIELD_VALUE's argument is 1 where a frame is suspended in SEND: what it waits for is on the stack."""
RESUME_DELEGATES: Final = isa.MINOR == 12
"""The location of the RESUME behind YIELD_VALUE says so. (3.11 looks at the SEND before it, too: see
``isa.THROW_ENDS_SEND``.)"""
PROMISED: Final = {
    ".type_params": "tuple",
    ".defaults": "tuple",
    ".kwdefaults": "dict",
    "__conditional_annotations__": "set",
} | ({".0": "iter"} if isa.MINOR <= 14 else {})
"""Variables that only the compiler makes, and what the interpreter takes for granted of their values. ``.0`` is the
parameter of a generator expression; whoever calls that by hand with no iterator breaks the promise."""
EARLY_ITERATION: Final = isa.MINOR >= 15
"""A generator expression makes its iterator before it becomes a generator."""
