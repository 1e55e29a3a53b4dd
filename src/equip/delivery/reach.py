"""From what a user names to the function objects that are meant, and to all that share their code."""

from __future__ import annotations

import functools
import gc
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from itertools import chain, compress, starmap, tee
from operator import is_
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from equip.errors import PatchError

_OWN_FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_FEW = 300
"""For so many code objects at most, all that refers to one of them is looked for."""
_HOLDERS = (staticmethod, classmethod, MethodType)
_CALLERS = (functools.partial, functools.partialmethod, functools.cached_property, functools.singledispatchmethod)


def functions_of(target: object) -> list[FunctionType]:
    """The functions that ``target`` stands for, those below decorators. Raises ``PatchError`` if there are none.

    Of a module: all functions that live in its namespace, wherever they are referenced. Of a class: its own, and
    those of classes inside it.
    """
    found = list(dict.fromkeys(_functions(target, {id(target)})))
    if not found:
        raise PatchError(f"{_shown(target)} cannot be patched: {_reason(target)}")
    for function in found:
        if function.__code__.co_filename.startswith(_OWN_FOLDER):
            raise PatchError(f"{_shown(target)} cannot be patched: equip never instruments itself")
    return found


def _functions(target: object, seen: set[int]) -> Iterator[FunctionType]:
    if isinstance(target, ModuleType):
        yield from functions_in([target])[0]
        return
    if isinstance(target, type):
        yield from _methods_of(target, seen)
        return
    for below in _below(target):
        if id(below) not in seen:
            seen.add(id(below))
            yield from _functions(below, seen)
    if isinstance(target, FunctionType) and not _below(target):
        yield target


def _below(target: object) -> tuple[object, ...]:
    """What a decorated function, a method or the like calls."""
    if isinstance(target, property):
        return tuple(one for one in (target.fget, target.fset, target.fdel) if one is not None)
    if isinstance(target, _HOLDERS):
        return (target.__func__,)
    if isinstance(target, _CALLERS):
        return (target.func,)
    wrapped = getattr(target, "__wrapped__", None) if hasattr(type(target), "__call__") else None  # noqa: B004
    return () if wrapped is None else (wrapped,)


def functions_in(modules: Sequence[ModuleType]) -> list[list[FunctionType]]:
    """All functions that live in the namespace of each module; one look at all there is serves them together."""
    found: dict[int, dict[FunctionType, None]] = {id(vars(module)): {} for module in modules}
    for one in _functions_among(gc.get_referrers, *map(vars, modules)):
        if id(one.__globals__) in found:
            found[id(one.__globals__)][one] = None
    for module in modules:  # Objects that were frozen (``gc.freeze``) are not among the others.
        namespace = vars(module)
        for value in list(namespace.values()):
            if type(value) is FunctionType and value.__globals__ is namespace:
                found[id(namespace)][value] = None
    return [list(found[id(vars(module))]) for module in modules]


def _methods_of(kind: type, seen: set[int]) -> Iterator[FunctionType]:
    for value in list(vars(kind).values()):
        if id(value) in seen:
            continue
        if isinstance(value, type):
            if value.__module__ == kind.__module__ and value.__qualname__.startswith(f"{kind.__qualname__}."):
                seen.add(id(value))
                yield from _methods_of(value, seen)
        elif isinstance(value, (FunctionType, property, *_HOLDERS, *_CALLERS)) or hasattr(value, "__wrapped__"):
            seen.add(id(value))
            yield from (one for one in _functions(value, seen) if one.__module__ == kind.__module__)


def _shown(target: object) -> str:
    if isinstance(target, ModuleType):
        return f"module {target.__name__!r}"
    name = getattr(target, "__qualname__", None) or getattr(target, "__name__", None)
    return f"{type(target).__name__} {name!r}" if isinstance(name, str) else repr(target)


def _reason(target: object) -> str:
    if isinstance(target, (ModuleType, type)):
        return "it has no functions of its own that are written in Python"
    if isinstance(target, CodeType):
        return "code that is not in a function is for equip.instrument_code"
    if isinstance(target, str):
        return "name the object itself, not its name"
    if callable(target) and hasattr(target, "__name__"):
        return "it is not written in Python, so it has no bytecode"
    if callable(target):
        return f"it is no function: patch its class, {type(target).__qualname__}"
    return "it is no function, method, class or module"


def functions_with(codes: Collection[CodeType]) -> list[FunctionType]:
    """All functions in the process that run one of the code objects, which are told apart by identity."""
    wanted = {id(code) for code in codes}
    # Each reference that there is would be compared with each of many code objects, which takes long.
    is_few = len(codes) <= _FEW
    found = _functions_among(gc.get_referrers, *codes) if is_few else _functions_among(gc.get_objects)
    return [one for one in found if id(one.__code__) in wanted]


def _functions_among(look: Callable[..., list[Any]], *arguments: object) -> list[FunctionType]:
    """The functions among what ``gc`` finds, in one call that lets no other thread run.

    A tuple that another thread is still making is among it, too: while someone else refers to it, that thread cannot
    go on (``SystemError``). So nothing that holds what was found has a name here.
    """
    return list(compress(*_with_tests(*tee(chain.from_iterable(starmap(look, (arguments,)))))))


def _with_tests(found: Iterator[Any], again: Iterator[Any]) -> tuple[Iterator[Any], Iterator[bool]]:
    return found, map(partial(is_, FunctionType), map(type, again))
