"""The compact form of Thrift in which Parquet writes its headers and footer.

A value is a pair: its type in that form, its bytes.
Source: https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

Value = tuple[int, bytes]

_TRUE, _FALSE, _I8, _I32, _I64, _BINARY, _LIST, _STRUCT = 1, 2, 3, 5, 6, 8, 9, 12
_LONG_LIST = 15
_BYTES = [bytes([number]) for number in range(0x100)]


def uleb(number: int) -> bytes:
    """Write a number >= 0 in groups of 7 bits, the lowest first."""
    if number < 0x80:
        return _BYTES[number]
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def zigzag(number: int) -> bytes:
    """Write a number of either sign: 0, -1, 1, -2, ... as 0, 1, 2, 3, ..."""
    return uleb(2 * number if number >= 0 else -2 * number - 1)


def boolean(value: bool) -> Value:
    """A truth value as the field of a struct."""
    return (_TRUE if value else _FALSE, b"")


def i8(number: int) -> Value:
    """One byte."""
    return (_I8, number.to_bytes(1, "little", signed=True))


@lru_cache(maxsize=1 << 12)
def i32(number: int) -> Value:
    """A number of 32 bits, an enumeration's among them."""
    return (_I32, zigzag(number))


@lru_cache(maxsize=1 << 12)
def i64(number: int) -> Value:
    """A number of 64 bits."""
    return (_I64, zigzag(number))


def binary(value: bytes | str) -> Value:
    """Bytes or text."""
    data = value.encode() if isinstance(value, str) else value
    return (_BINARY, uleb(len(data)) + data)


def array_of(values: Sequence[Value]) -> Value:
    """A list of values of one type, never of truth values."""
    kind = values[0][0] if values else _STRUCT
    count = len(values)
    head = bytes([count << 4 | kind]) if count < _LONG_LIST else bytes([0xF0 | kind]) + uleb(count)
    return (_LIST, head + b"".join(data for _, data in values))


def struct(fields: Mapping[int, Value | None]) -> Value:
    """A struct of fields by their numbers, which rise; None: left out."""
    out, before = [], 0
    for number, value in fields.items():
        if value is not None:
            kind, data = value
            out.append(_BYTES[(number - before) << 4 | kind])  # Parquet has no gap above 15
            out.append(data)
            before = number
    out.append(b"\0")
    return (_STRUCT, b"".join(out))
