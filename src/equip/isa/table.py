"""The instruction set of CPython 3.11 to 3.15, one row an opcode.

A row: name, operand, the minor versions of Python 3 that have it. Operands:

``-``       none
``int``     a number with a meaning of its own (a count, a flag, an operator)
``const``   index into ``co_consts``
``nameN``   index into ``co_names`` above N low flag bits
``local``   a slot of the frame: parameter, local, and where the row says ``slot``, cell or free variable
``pair``    two slots in nibbles
``fwd``     code units forward from the end of the instruction (caches included)
``back``    code units backward from there
"""

from __future__ import annotations

ROWS = """
ASYNC_GEN_WRAP              -       11
BEFORE_ASYNC_WITH           -       11-13
BEFORE_WITH                 -       11-13
BINARY_OP                   int     11-15
BINARY_SLICE                -       12-15
BINARY_SUBSCR               -       11-13
BUILD_CONST_KEY_MAP         int     11-13
BUILD_INTERPOLATION         int     14-15
BUILD_LIST                  int     11-15
BUILD_MAP                   int     11-15
BUILD_SET                   int     11-15
BUILD_SLICE                 int     11-15
BUILD_STRING                int     11-15
BUILD_TEMPLATE              -       14-15
BUILD_TUPLE                 int     11-15
CACHE                       -       11-15
CALL                        int     11-15
CALL_FUNCTION_EX            int     11-13
CALL_FUNCTION_EX            -       14-15
CALL_INTRINSIC_1            int     12-15
CALL_INTRINSIC_2            int     12-15
CALL_KW                     int     13-15
CHECK_EG_MATCH              -       11-15
CHECK_EXC_MATCH             -       11-15
CLEANUP_THROW               -       12-15
COMPARE_OP                  int     11-15
CONTAINS_OP                 int     11-15
CONVERT_VALUE               int     13-15
COPY                        int     11-15
COPY_FREE_VARS              int     11-15
DELETE_ATTR                 name0   11-15
DELETE_DEREF                slot    11-15
DELETE_FAST                 slot    11-15
DELETE_GLOBAL               name0   11-15
DELETE_NAME                 name0   11-15
DELETE_SUBSCR               -       11-15
DICT_MERGE                  int     11-15
DICT_UPDATE                 int     11-15
END_ASYNC_FOR               -       11-13
END_ASYNC_FOR               back    14-15
END_FOR                     -       12-15
END_SEND                    -       12-15
ENTER_EXECUTOR              int     13-15
EXIT_INIT_CHECK             -       13-15
EXTENDED_ARG                int     11-15
FORMAT_SIMPLE               -       13-15
FORMAT_VALUE                int     11-12
FORMAT_WITH_SPEC            -       13-15
FOR_ITER                    fwd     11-15
GET_AITER                   -       11-15
GET_ANEXT                   -       11-15
GET_AWAITABLE               int     11-15
GET_ITER                    -       11-14
GET_ITER                    int     15
GET_LEN                     -       11-15
GET_YIELD_FROM_ITER         -       11-14
IMPORT_FROM                 name0   11-15
IMPORT_NAME                 name0   11-14
IMPORT_NAME                 name2   15
IMPORT_STAR                 -       11
INTERPRETER_EXIT            -       12-15
IS_OP                       int     11-15
JUMP_BACKWARD               back    11-15
JUMP_BACKWARD_NO_INTERRUPT  back    11-15
JUMP_FORWARD                fwd     11-15
JUMP_IF_FALSE_OR_POP        fwd     11
JUMP_IF_TRUE_OR_POP         fwd     11
KW_NAMES                    const   11-12
LIST_APPEND                 int     11-15
LIST_EXTEND                 int     11-15
LIST_TO_TUPLE               -       11
LOAD_ASSERTION_ERROR        -       11-13
LOAD_ATTR                   name0   11
LOAD_ATTR                   name1   12-15
LOAD_BUILD_CLASS            -       11-15
LOAD_CLASSDEREF             slot    11
LOAD_CLOSURE                slot    11-12
LOAD_COMMON_CONSTANT        int     14-15
LOAD_CONST                  const   11-15
LOAD_DEREF                  slot    11-15
LOAD_FAST                   slot    11-15
LOAD_FAST_AND_CLEAR         slot    12-15
LOAD_FAST_BORROW            slot    14-15
LOAD_FAST_BORROW_LOAD_FAST_BORROW pair 14-15
LOAD_FAST_CHECK             slot    12-15
LOAD_FAST_LOAD_FAST         pair    13-15
LOAD_FROM_DICT_OR_DEREF     slot    12-15
LOAD_FROM_DICT_OR_GLOBALS   name0   12-15
LOAD_GLOBAL                 name1   11-15
LOAD_LOCALS                 -       12-15
LOAD_METHOD                 name0   11
LOAD_NAME                   name0   11-15
LOAD_SMALL_INT              int     14-15
LOAD_SPECIAL                int     14-15
LOAD_SUPER_ATTR             name2   12-15
MAKE_CELL                   slot    11-15
MAKE_FUNCTION               int     11-12
MAKE_FUNCTION               -       13-15
MAP_ADD                     int     11-15
MATCH_CLASS                 int     11-15
MATCH_KEYS                  -       11-15
MATCH_MAPPING               -       11-15
MATCH_SEQUENCE              -       11-15
NOP                         -       11-15
NOT_TAKEN                   -       14-15
POP_EXCEPT                  -       11-15
POP_ITER                    -       14-15
POP_JUMP_BACKWARD_IF_FALSE  back    11
POP_JUMP_BACKWARD_IF_NONE   back    11
POP_JUMP_BACKWARD_IF_NOT_NONE back  11
POP_JUMP_BACKWARD_IF_TRUE   back    11
POP_JUMP_FORWARD_IF_FALSE   fwd     11
POP_JUMP_FORWARD_IF_NONE    fwd     11
POP_JUMP_FORWARD_IF_NOT_NONE fwd    11
POP_JUMP_FORWARD_IF_TRUE    fwd     11
POP_JUMP_IF_FALSE           fwd     12-15
POP_JUMP_IF_NONE            fwd     12-15
POP_JUMP_IF_NOT_NONE        fwd     12-15
POP_JUMP_IF_TRUE            fwd     12-15
POP_TOP                     -       11-15
PRECALL                     int     11
PREP_RERAISE_STAR           -       11
PRINT_EXPR                  -       11
PUSH_EXC_INFO               -       11-15
PUSH_NULL                   -       11-15
RAISE_VARARGS               int     11-15
RERAISE                     int     11-15
RESERVED                    -       12-15
RESUME                      int     11-15
RETURN_CONST                const   12-13
RETURN_GENERATOR            -       11-15
RETURN_VALUE                -       11-15
SEND                        fwd     11-15
SETUP_ANNOTATIONS           -       11-15
SET_ADD                     int     11-15
SET_FUNCTION_ATTRIBUTE      int     13-15
SET_UPDATE                  int     11-15
STORE_ATTR                  name0   11-15
STORE_DEREF                 slot    11-15
STORE_FAST                  slot    11-15
STORE_FAST_LOAD_FAST        pair    13-15
STORE_FAST_STORE_FAST       pair    13-15
STORE_GLOBAL                name0   11-15
STORE_NAME                  name0   11-15
STORE_SLICE                 -       12-15
STORE_SUBSCR                -       11-15
SWAP                        int     11-15
TO_BOOL                     -       13-15
TRACE_RECORD                int     15
UNARY_INVERT                -       11-15
UNARY_NEGATIVE              -       11-15
UNARY_NOT                   -       11-15
UNARY_POSITIVE              -       11
UNPACK_EX                   int     11-15
UNPACK_SEQUENCE             int     11-15
WITH_EXCEPT_START           -       11-15
YIELD_VALUE                 -       11
YIELD_VALUE                 int     12-15
"""

UNCONDITIONAL = "JUMP_FORWARD JUMP_BACKWARD JUMP_BACKWARD_NO_INTERRUPT"
"""Jumps that are always taken."""

LEAVING = "RETURN_VALUE RETURN_CONST RAISE_VARARGS RERAISE INTERPRETER_EXIT"
"""Instructions after which control does not go on: the function is left or an exception raised."""

RETURNS = "RETURN_VALUE RETURN_CONST"

BACKWARD_TWINS = {
    "JUMP_FORWARD": "JUMP_BACKWARD",
    "POP_JUMP_FORWARD_IF_FALSE": "POP_JUMP_BACKWARD_IF_FALSE",
    "POP_JUMP_FORWARD_IF_NONE": "POP_JUMP_BACKWARD_IF_NONE",
    "POP_JUMP_FORWARD_IF_NOT_NONE": "POP_JUMP_BACKWARD_IF_NOT_NONE",
    "POP_JUMP_FORWARD_IF_TRUE": "POP_JUMP_BACKWARD_IF_TRUE",
}
"""Forward jumps and the instruction that does the same backwards, where there is one."""

PAIRS = {
    "LOAD_FAST_LOAD_FAST": ("LOAD_FAST", "LOAD_FAST"),
    "LOAD_FAST_BORROW_LOAD_FAST_BORROW": ("LOAD_FAST_BORROW", "LOAD_FAST_BORROW"),
    "STORE_FAST_LOAD_FAST": ("STORE_FAST", "LOAD_FAST"),
    "STORE_FAST_STORE_FAST": ("STORE_FAST", "STORE_FAST"),
}
"""Super-instructions that name two locals, and what they stand for; the first is in the high nibble."""

CONDITIONS = {
    "POP_JUMP_IF_TRUE": True,
    "POP_JUMP_IF_FALSE": False,
    "POP_JUMP_IF_NONE": True,
    "POP_JUMP_IF_NOT_NONE": False,
    "POP_JUMP_FORWARD_IF_TRUE": True,
    "POP_JUMP_FORWARD_IF_FALSE": False,
    "POP_JUMP_FORWARD_IF_NONE": True,
    "POP_JUMP_FORWARD_IF_NOT_NONE": False,
    "POP_JUMP_BACKWARD_IF_TRUE": True,
    "POP_JUMP_BACKWARD_IF_FALSE": False,
    "POP_JUMP_BACKWARD_IF_NONE": True,
    "POP_JUMP_BACKWARD_IF_NOT_NONE": False,
    "JUMP_IF_TRUE_OR_POP": True,
    "JUMP_IF_FALSE_OR_POP": False,
}
"""Branches: whether they jump when the value tested is true (for tests of None: when it is None)."""

EXHAUSTIBLE = "FOR_ITER SEND"
"""Instructions that jump when an iterator has nothing more to give, and else go on."""

QUIET = """
COPY COPY_FREE_VARS END_FOR END_SEND EXTENDED_ARG IS_OP JUMP_BACKWARD_NO_INTERRUPT JUMP_FORWARD KW_NAMES
LOAD_ASSERTION_ERROR LOAD_CLOSURE LOAD_COMMON_CONSTANT LOAD_CONST LOAD_FAST_AND_CLEAR LOAD_FAST_BORROW
LOAD_FAST_BORROW_LOAD_FAST_BORROW LOAD_SMALL_INT MATCH_MAPPING MATCH_SEQUENCE NOP NOT_TAKEN POP_EXCEPT POP_ITER
POP_JUMP_FORWARD_IF_NONE POP_JUMP_FORWARD_IF_NOT_NONE POP_JUMP_IF_NONE POP_JUMP_IF_NOT_NONE POP_TOP PUSH_EXC_INFO
PUSH_NULL RETURN_CONST RETURN_VALUE SET_FUNCTION_ATTRIBUTE STORE_DEREF STORE_FAST STORE_FAST_STORE_FAST SWAP
"""
"""Instructions that never raise, on any version that has them. What a finaliser raises goes nowhere."""

QUIET_UNCHECKED = "LOAD_FAST LOAD_FAST_LOAD_FAST STORE_FAST_LOAD_FAST"
"""Loads that never raise where LOAD_FAST does not look whether the local is bound."""

QUIET_ON_BOOL = "POP_JUMP_IF_TRUE POP_JUMP_IF_FALSE UNARY_NOT"
"""Instructions that never raise where TO_BOOL has asked the object before."""
