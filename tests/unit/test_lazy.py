"""Values that an object finds when they are first asked for."""

from __future__ import annotations

import pytest

from equip.lazy import lazy


class Counting:
    def __init__(self) -> None:
        self.asked = 0

    @lazy
    def value(self) -> list[int]:
        """How often it was found."""
        self.asked += 1
        return [self.asked]

    @lazy
    def failing(self) -> int:
        self.asked += 1
        raise ValueError("not yet")


def test_found_once_for_each_object() -> None:
    one, other = Counting(), Counting()
    assert one.value is one.value
    assert one.value == [1]
    assert other.value is not one.value
    assert (one.asked, other.asked) == (1, 1)


def test_what_raises_is_asked_for_again() -> None:
    one = Counting()
    for asked in (1, 2):
        with pytest.raises(ValueError, match="not yet"):
            _ = one.failing
        assert one.asked == asked


def test_documented() -> None:
    assert vars(Counting)["value"].__doc__ == "How often it was found."


def test_found_in_the_class_as_itself() -> None:
    assert isinstance(Counting.value, lazy)


def test_kept_by_the_name_that_it_has_in_the_class() -> None:
    class Renamed:
        other = lazy(lambda self: [id(self)])

    one = Renamed()
    assert one.other is one.other
