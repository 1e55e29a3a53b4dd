"""The fields of a snippet (``{method_name}``, ``{arg0}``, ...) and their values for one target.

Fields are found in the text before it is parsed and replaced by identifiers that nothing else uses; all
substitution is on the syntax tree, so no value can become code. ``{{name}}`` is a literal ``{name}``.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass, field
from types import CodeType

from equip.lazy import lazy

TEXT_FIELDS = (
    "file_name",
    "file_path",
    "module_name",
    "class_name",
    "method_name",
    "qualname",
    "lineno",
)
"""Fields with a value known before the program runs: a constant, or their text inside a string."""

LIST_FIELDS = ("arguments", "call_arguments", "arguments_dict")
"""Fields that stand for all parameters."""

STRING_FIELDS = frozenset({*TEXT_FIELDS, *LIST_FIELDS} - {"lineno"})
"""Fields that are always a string inside of one: they have no value, or that is a string, too."""

_OF_FILES = frozenset({"file_name", "file_path", "module_name"})
"""Fields with a value that does not come from the code object."""

VALUE_FIELDS = ("return_value", "exception")
"""Fields with a value that only the running program has."""

_NAMES = "|".join((*TEXT_FIELDS, *LIST_FIELDS, *VALUE_FIELDS, r"arg[0-9]+"))
_FIELD = re.compile(
    rf"(?<!\{{)\{{\{{(?P<literal>{_NAMES})\}}\}}(?!\}})|\{{(?P<name>{_NAMES})(?:!(?P<conversion>[rs]))?\}}"
)
_STAND_IN = re.compile(rf"__equip_(?P<kind>field|literal)_(?P<name>{_NAMES})_(?P<conversion>[rs]?)__")
_ARGUMENT = re.compile(r"arg([0-9]+)")
_NAME = re.compile(_NAMES)


def is_field_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class Field:
    """An occurrence of a field; ``literal`` ones stand for their own spelling in braces."""

    name: str
    conversion: str = ""
    literal: bool = False

    @property
    def argument_index(self) -> int | None:
        """N of an ``argN``."""
        found = _ARGUMENT.fullmatch(self.name)
        return int(found.group(1)) if found else None

    @property
    def is_value(self) -> bool:
        """Whether only the running program has its value."""
        return self.name in VALUE_FIELDS or self.argument_index is not None


def with_stand_ins(source: str) -> str:
    """``source`` with each field replaced by an identifier that ``field_of`` and ``pieces_of`` know again."""

    def found(match: re.Match[str]) -> str:
        if match["literal"]:
            return f"__equip_literal_{match['literal']}___"
        return stand_in(match["name"], match["conversion"] or "")

    return _FIELD.sub(found, source)


def stand_in(name: str, conversion: str = "") -> str:
    """The identifier for the field ``name``."""
    return f"__equip_field_{name}_{conversion}__"


def field_of(identifier: str) -> Field | None:
    """The field that an identifier stands for, or None."""
    match = _STAND_IN.fullmatch(identifier)
    return _field(match) if match else None


def pieces_of(text: str) -> list[str | Field]:
    """A string constant as texts and fields in turn; only the text when it has no field."""
    pieces: list[str | Field] = []
    done = 0
    for match in _STAND_IN.finditer(text):
        if match.start() > done:
            pieces.append(text[done : match.start()])
        found = _field(match)
        pieces.append("{" + found.name + "}" if found.literal else found)
        done = match.end()
    if done < len(text) or not pieces:
        pieces.append(text[done:])
    return pieces


def _field(match: re.Match[str]) -> Field:
    return Field(match["name"], match["conversion"], match["kind"] == "literal")


def spelled(text: str) -> str:
    """``text`` with stand-ins shown as the user wrote them, for messages."""
    return _STAND_IN.sub(
        lambda m: "{{" + m["name"] + "}}" if m["kind"] == "literal" else "{" + m["name"] + "}", text
    )


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of a function in signature order."""

    positional: tuple[str, ...] = ()
    positional_only: int = 0
    varargs: str | None = None
    keyword_only: tuple[str, ...] = ()
    varkeywords: str | None = None
    names: tuple[str, ...] = field(init=False)
    """All names in signature order."""

    def __post_init__(self) -> None:
        star = (self.varargs,) if self.varargs is not None else ()
        double = (self.varkeywords,) if self.varkeywords is not None else ()
        object.__setattr__(self, "names", (*self.positional, *star, *self.keyword_only, *double))

    @staticmethod
    def of(code: CodeType) -> Parameters:
        if not code.co_flags & 2:  # CO_NEWLOCALS: modules and class bodies have no parameters
            return Parameters()
        names = code.co_varnames
        count, keywords = code.co_argcount, code.co_kwonlyargcount
        at = count + keywords
        varargs = names[at] if code.co_flags & 4 else None
        at += varargs is not None
        varkeywords = names[at] if code.co_flags & 8 else None
        return Parameters(
            names[:count], code.co_posonlyargcount, varargs, names[count : count + keywords], varkeywords
        )

    @property
    def shape(self) -> tuple[int, bool, int, bool]:
        """What calls of the function look like, names aside."""
        return (len(self.positional), self.varargs is not None, len(self.keyword_only), self.varkeywords is not None)

    @property
    def text(self) -> str:
        return ", ".join(self.names)

    @property
    def call_text(self) -> str:
        parts = list(self.positional)
        if self.varargs is not None:
            parts.append(f"*{self.varargs}")
        parts += [f"{name}={name}" for name in self.keyword_only]
        if self.varkeywords is not None:
            parts.append(f"**{self.varkeywords}")
        return ", ".join(parts)

    @property
    def dict_text(self) -> str:
        return "{" + ", ".join(f"{name!r}: {name}" for name in self.names) + "}"


class FieldValues:
    """The values of the fields for one target, ``code``."""

    def __init__(self, code: CodeType, file_path: str, module_name: str, class_name: str | None) -> None:
        self._code = code
        self.file_path = file_path
        self.module_name = module_name
        self.class_name = class_name

    @property
    def file_name(self) -> str:
        return os.path.basename(self.file_path)

    @property
    def method_name(self) -> str:
        return self._code.co_name

    @property
    def qualname(self) -> str:
        return self._code.co_qualname

    @property
    def lineno(self) -> int:
        return self._code.co_firstlineno

    @lazy
    def parameters(self) -> Parameters:
        return Parameters.of(self._code)

    def constant(self, name: str) -> str | int | None:
        """The value of a text field."""
        value: str | int | None = getattr(self, name)
        # What comes from the code shares with it what it did; what does not is shared as in ``pools.shared``.
        return sys.intern(str(value)) if name in _OF_FILES and value is not None else value

    def text(self, one: Field) -> str | None:
        """What a field is inside a string; None when it has no text."""
        name = one.name
        if name in TEXT_FIELDS:
            value: object = getattr(self, name)
        elif name == "arguments":
            value = self.parameters.text
        elif name == "call_arguments":
            value = self.parameters.call_text
        elif name == "arguments_dict":
            value = self.parameters.dict_text
        else:
            index = one.argument_index
            if index is None or index >= len(self.parameters.names):
                return None
            value = self.parameters.names[index]
        return repr(value) if one.conversion == "r" else str(value)
