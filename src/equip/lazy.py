"""Values that an object finds when they are first asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

_Value = TypeVar("_Value")


class lazy(Generic[_Value]):
    """``functools.cached_property`` for classes of which there are many short-lived objects.

    That one costs twice to four times as much for each value: it takes a lock until 3.11, and gives an object a
    dictionary that it would not have otherwise.
    """

    def __init__(self, find: Callable[[Any], _Value]) -> None:
        self._find = find
        self._name = find.__name__
        self.__doc__ = find.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> lazy[_Value]: ...

    @overload
    def __get__(self, instance: object, owner: type) -> _Value: ...

    def __get__(self, instance: object, owner: type) -> lazy[_Value] | _Value:
        if instance is None:
            return self
        value = self._find(instance)
        setattr(instance, self._name, value)  # where it is found from now on
        return value
