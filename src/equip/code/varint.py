"""The two variable-length integers of CPython's tables.

Location tables store six bits a byte, least significant first; exception tables most significant first.
Source: CPython ``InternalDocs/code_objects.md`` and ``InternalDocs/exception_handling.md``.
"""

from __future__ import annotations

from collections.abc import Iterator


def read_varint(data: Iterator[int]) -> int:
    """The next unsigned integer of a location table."""
    byte = next(data)
    value = byte & 63
    shift = 0
    while byte & 64:
        byte = next(data)
        shift += 6
        value |= (byte & 63) << shift
    return value


def read_signed_varint(data: Iterator[int]) -> int:
    """The next signed integer of a location table (the sign is the lowest bit)."""
    value = read_varint(data)
    return -(value >> 1) if value & 1 else value >> 1


def varint(value: int) -> bytes:
    """An unsigned integer for a location table."""
    out = bytearray()
    while value >= 64:
        out.append(64 | (value & 63))
        value >>= 6
    out.append(value)
    return bytes(out)


def signed_varint(value: int) -> bytes:
    """A signed integer for a location table."""
    return varint((-value << 1) | 1 if value < 0 else value << 1)
