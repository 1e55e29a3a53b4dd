"""The code object of what has one."""

from __future__ import annotations

from types import CodeType


def code_of(thing: object, what: str) -> CodeType:
    """The code object of a code object, a function, a method or a declaration.

    Raises ``TypeError`` for what has none: ``what`` is what was asked for, with its verb.
    """
    if isinstance(thing, CodeType):
        return thing
    for found in (getattr(thing, "__code__", None), getattr(thing, "code_object", None)):
        if isinstance(found, CodeType):
            return found
    raise TypeError(
        f"{what} of a code object, a function or a declaration, not of {type(thing).__name__!r}: {thing!r}"
    )
