"""What is refused as an exception table."""

from __future__ import annotations

import pytest

from equip import InvalidCodeError
from equip.code.exceptions import Handler, decode, encode

TABLE = encode([Handler(0, 3, 5, 0, False), Handler(3, 4, 700, 1, True)])


def test_a_table() -> None:
    assert encode(decode(TABLE)) == TABLE
    assert decode(b"") == []


@pytest.mark.parametrize("length", [length for length in range(1, len(TABLE)) if length != 4])
def test_truncated(length: int) -> None:
    with pytest.raises(InvalidCodeError, match="is incomplete"):
        decode(TABLE[:length])


@pytest.mark.parametrize("at", range(len(TABLE)))
def test_the_mark_of_an_entry(at: int) -> None:
    """The interpreter looks for it, in long tables."""
    table = bytearray(TABLE)
    table[at] ^= 0x80
    with pytest.raises(InvalidCodeError, match=r"marked|is incomplete"):
        decode(bytes(table))


def test_a_number_without_an_end() -> None:
    with pytest.raises(InvalidCodeError, match="too large"):
        decode(b"\xc1" + b"\x41" * 100_000)
