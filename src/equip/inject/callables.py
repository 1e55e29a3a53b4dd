"""Snippets given as callables: ``def log(qualname, arg0): ...`` is the snippet ``log({qualname}, {arg0})``.

In a file the callable is reached by importing its module; in memory, any callable will do.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, NamedTuple

from equip.errors import SnippetError
from equip.inject.fields import is_field_name

registered: list[Callable[..., Any]] = []
"""The callables that code in this process calls, by their number."""
_numbers: dict[int, int] = {}

lent: ContextVar[list[Callable[..., Any]] | None] = ContextVar("equip_lent", default=None)
"""Where callables go instead while somebody collects them, who then puts them in the place of ``_equip_lent[N]``."""


called: ContextVar[list[Callable[..., Any]] | None] = ContextVar("equip_called", default=None)
"""The callables that snippets call, while somebody wants to know."""


class Call(NamedTuple):
    """The import that reaches a callable, and the snippet that calls it."""

    import_code: str
    code: str


def call_of(function: Callable[..., Any], *, in_memory: bool) -> Call:
    """How code calls ``function``. Raises ``SnippetError`` if a parameter is no field, or no import reaches it."""
    arguments = ", ".join(_arguments(function))
    noted = called.get()
    if noted is not None:
        noted.append(function)
    if in_memory:
        collected = lent.get()
        if collected is not None:
            collected.append(function)
            return Call("", f"_equip_lent[{len(collected) - 1}]({arguments})")
        number = _numbers.setdefault(id(function), len(registered))
        if number == len(registered):
            registered.append(function)  # Kept for good: the code that calls it can live as long as the process.
        return Call(
            "from equip.inject.callables import registered as _equip_registered",
            f"_equip_registered[{number}]({arguments})",
        )
    module, name = _importable_name(function)
    outer, _, rest = name.partition(".")
    alias = f"_equip_{module.replace('.', '_')}_{outer}"
    return Call(f"from {module} import {outer} as {alias}", f"{'.'.join(filter(None, (alias, rest)))}({arguments})")


def is_call_import(source: str) -> bool:
    """Whether a snippet is the import that reaches a callable."""
    return source.startswith("from ") and " as _equip_" in source


def _arguments(function: Callable[..., Any]) -> list[str]:
    shown = getattr(function, "__qualname__", None) or repr(function)
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError) as error:
        raise SnippetError(f"callable {shown}: its parameters, which name the fields, are unknown ({error})") from error
    found = []
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if is_field_name(parameter.name):
            keyword = f"{parameter.name}=" if parameter.kind is parameter.KEYWORD_ONLY else ""
            found.append(f"{keyword}{{{parameter.name}}}")
        elif parameter.default is parameter.empty:
            raise SnippetError(
                f"callable {shown}: its parameter {parameter.name!r} is no field of a snippet "
                "(qualname, lineno, arguments, arg0, return_value, ...): rename it, or give it a default"
            )
    return found


def _importable_name(function: Callable[..., Any]) -> tuple[str, str]:
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    found: object = sys.modules.get(module) if isinstance(module, str) else None
    if isinstance(name, str):
        for part in name.split("."):
            found = getattr(found, part, None)
    if found is not function or module == "__main__" or not isinstance(module, str) or not isinstance(name, str):
        raise SnippetError(
            f"callable {name or function!r} of {module}: code in a file can only reach what it can import by name; "
            "define it at the top of a module other than the script that is running"
        )
    return module, name
