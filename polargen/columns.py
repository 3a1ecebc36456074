"""Columns before Arrow, and the frame that turns them into exactly what the schema declares.

Generators compute with NumPy and hand over plain arrays; nothing is converted value by value.
Money stays int64 piastres, instants int64 microseconds, enumerations uint8 codes, until `Frame`
wraps the buffers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from polargen.schema import Column, Table

if TYPE_CHECKING:
    import polars as pl

Array: TypeAlias = NDArray[Any]


@dataclass(frozen=True)
class Gather:
    """Text taken from a pool: row i shows ``pool[index[i]]``; index is int32."""

    index: Array
    pool: pa.Array


@dataclass(frozen=True)
class Nested:
    """Lists: row i holds the elements ``offsets[i]:offsets[i + 1]`` of each field.

    Lists of plain values have the one field "item".
    """

    offsets: Array
    fields: Mapping[str, Values]


@dataclass(frozen=True)
class Nullable:
    """Values with a mask of what is there; what lies under a null is never shown."""

    values: Array | Gather | pa.Array
    valid: Array


Values: TypeAlias = "Array | Gather | Nested | Nullable | pa.Array"

_NUMPY = {
    "key": np.int64,
    "instant": np.int64,
    "money": np.int64,
    "money_total": np.int64,
    "int": np.int32,
    "date": np.int32,
    "float": np.float64,
    "bool": np.bool_,
    "enum": np.uint8,
    "ints": np.int8,
    "enums": np.uint8,
}


class Frame:
    """Rows of one table as columns.

    Args:
        table: the declaration.
        columns: one entry for each declared column, all of one length.
    """

    def __init__(self, table: Table, columns: Mapping[str, Values]) -> None:
        declared = [column.name for column in table.columns]
        if set(declared) != set(columns):
            odd = sorted(set(declared) ^ set(columns))
            raise TypeError(f"{table.name}: columns missing or not declared: {', '.join(odd)}")
        self.table = table
        self.columns = dict(columns)
        self._rows = length(columns[declared[0]])

    def __len__(self) -> int:
        return self._rows

    def __getitem__(self, name: str) -> Values:
        return self.columns[name]

    def array(self, name: str) -> Array:
        """Return a column's NumPy values; what lies under a null is arbitrary."""
        column = self.columns[name]
        column = column.values if isinstance(column, Nullable) else column
        if not isinstance(column, np.ndarray):
            raise TypeError(f"{self.table.name}.{name} is no plain array")
        return column

    def nested(self, name: str) -> tuple[Array, dict[str, Array]]:
        """Return a nested column's offsets and its fields without nulls, as arrays."""
        column = self.columns[name]
        if not isinstance(column, Nested):
            raise TypeError(f"{self.table.name}.{name} is not nested")
        fields = {key: item for key, item in column.fields.items() if isinstance(item, np.ndarray)}
        return column.offsets, fields

    def valid(self, name: str) -> Array:
        """Return which rows of a column are not null."""
        column = self.columns[name]
        return column.valid if isinstance(column, Nullable) else np.ones(len(self), dtype=bool)

    def to_arrow(self) -> pa.Table:
        """Return the frame as an Arrow table with exactly the declared schema."""
        arrays = []
        for column in self.table.columns:
            array = to_arrow(column, self.columns[column.name], self.table.name)
            if len(array) != self._rows:
                raise TypeError(
                    f"{self.table.name}.{column.name} has {len(array)} rows, not {self._rows}"
                )
            arrays.append(array)
        return pa.Table.from_arrays(arrays, schema=self.table.arrow_schema)

    def to_polars(self) -> pl.DataFrame:
        """Return the frame as a Polars frame with exactly the declared schema."""
        return arrow_to_polars(self.table, self.to_arrow())

    @classmethod
    def from_polars(cls, table: Table, frame: pl.DataFrame) -> Frame:
        """Wrap a Polars frame; its columns must match the declaration by name and dtype."""
        if dict(frame.schema) != table.polars_schema:
            raise TypeError(f"{table.name}: the frame's schema is not the declared one")
        arrow = polars_to_arrow(table, frame)
        return cls.from_arrow(table, arrow)

    @classmethod
    def from_arrow(cls, table: Table, arrow: pa.Table) -> Frame:
        """Wrap an Arrow table of the declared schema."""
        columns: dict[str, Values] = {}
        for column in table.columns:
            chunked = arrow.column(column.name).combine_chunks()
            columns[column.name] = _from_arrow(column, chunked)
        return cls(table, columns)


def single(column: pa.ChunkedArray) -> pa.Array:
    """Return a column as one array; `combine_chunks` would copy even a single chunk."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def unpacked(array: pa.Array, buffer: int) -> Array:
    """Return the bits of one of an array's buffers: (rows,) bool; buffer 0 says what is no null."""
    skipped = array.offset % 8
    packed = np.frombuffer(array.buffers()[buffer] or b"", dtype=np.uint8)[array.offset // 8 :]
    bits = np.unpackbits(packed, count=skipped + len(array), bitorder="little")
    return bits[skipped:].view(np.bool_)


def length(values: Values) -> int:
    """Return the number of rows of a column."""
    if isinstance(values, Gather):
        return len(values.index)
    if isinstance(values, Nested):
        return len(values.offsets) - 1
    if isinstance(values, Nullable):
        return len(values.valid)
    return len(values)


def to_arrow(column: Column, values: Values, where: str) -> pa.Array:
    """Wrap a column's buffers as an Arrow array of the declared type.

    Raises:
        TypeError: the values have another dtype than declared; nothing is cast.
    """
    valid = None
    if isinstance(values, Nullable):
        if not column.nullable:
            raise TypeError(f"{where}.{column.name} is not declared nullable")
        valid, values = values.valid, values.values
    if isinstance(values, Nested):
        if valid is not None:
            raise TypeError(f"{where}.{column.name}: a list is empty, never null")
        return _nested(column, values, where)
    if isinstance(values, Gather):
        return _gathered(column, values, valid)
    if isinstance(values, pa.Array):
        return _text(column, values, valid)
    expected = _NUMPY.get(column.kind)
    if expected is None or values.dtype != expected:
        raise TypeError(f"{where}.{column.name} is {values.dtype}, declared {column.kind}")
    if column.kind in ("money", "money_total"):
        return _fixed(column.arrow_type, _decimal_words(values), valid)
    if column.kind == "enum":
        return _coded(_fixed(pa.uint8(), values, valid), enum_labels(column.values))
    if column.kind == "bool":
        return _fixed(column.arrow_type, np.packbits(values, bitorder="little"), valid, len(values))
    return _fixed(column.arrow_type, values, valid)


def arrow_to_polars(table: Table, arrow: pa.Table) -> pl.DataFrame:
    """Return an Arrow table of the declared schema as a Polars frame of the declared schema."""
    import polars as pl  # only here: a run that shows no frames does without

    frame = pl.from_arrow(arrow, schema_overrides=None)
    assert isinstance(frame, pl.DataFrame)
    casts = [
        pl.col(name).cast(dtype)
        for name, dtype in table.polars_schema.items()
        if frame.schema[name] != dtype
    ]
    return frame.with_columns(casts)


def polars_to_arrow(table: Table, frame: pl.DataFrame) -> pa.Table:
    """Return a Polars frame of the declared schema as an Arrow table of the declared schema."""
    arrow = frame.select(list(table.polars_schema)).to_arrow()
    arrays = []
    for column in table.columns:
        array = arrow.column(column.name).combine_chunks()
        arrays.append(_cast(array, column.arrow_type))
    return pa.Table.from_arrays(arrays, schema=table.arrow_schema)


def fixed_text(prefix: str, number: Array, digits: int) -> pa.Array:
    """Write whole numbers as text of one width: prefix, then ``digits`` digits.

    Args:
        prefix: ASCII.
        number: int64, shape (n,), 0 <= number < 10**digits.
        digits: 1..18.

    Returns:
        pa.StringArray of n values, all len(prefix) + digits bytes long.
    """
    head = prefix.encode("ascii")
    groups = -(-digits // 4)
    quads = np.empty((len(number), groups), dtype=np.uint32)
    rest = np.asarray(number, dtype=np.int64)
    for group in range(groups - 1, 0, -1):
        high = rest // 10_000
        quads[:, group] = _quads()[rest - high * 10_000]
        rest = high
    quads[:, 0] = _quads()[rest]
    width = len(head) + digits
    text = np.empty((len(number), width), dtype=np.uint8)
    text[:, : len(head)] = np.frombuffer(head, dtype=np.uint8)
    figures = quads.view(np.uint8).reshape(len(number), groups * 4)
    text[:, len(head) :] = figures[:, groups * 4 - digits :]
    return string_array(text)


def string_array(text: Array) -> pa.Array:
    """Wrap a uint8 matrix (n, width) of UTF-8 bytes as text of one width."""
    n, width = text.shape
    offsets = np.arange(n + 1, dtype=np.int32) * np.int32(width)
    data = pa.py_buffer(np.ascontiguousarray(text))
    return pa.StringArray.from_buffers(n, pa.py_buffer(offsets), data)


@lru_cache(maxsize=1)
def _quads() -> Array:
    text = "".join(f"{number:04d}" for number in range(10_000)).encode()
    return np.frombuffer(text, dtype=np.uint32)


@lru_cache(maxsize=256)
def enum_labels(values: tuple[str, ...]) -> pa.Array:
    """Return an enumeration's values as an Arrow array."""
    return pa.array(values, type=pa.string())


def _fixed(
    dtype: pa.DataType, values: Array, valid: Array | None, rows: int | None = None
) -> pa.Array:
    """Wrap values as they lie in memory; `pa.array` would go through them one by one for a mask."""
    validity = None if valid is None else pa.py_buffer(np.packbits(valid, bitorder="little"))
    data = pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(dtype, len(values) if rows is None else rows, [validity, data])


def _coded(codes: pa.Array, labels: pa.Array) -> pa.Array:
    """Return codes with what they stand for; Arrow refuses a code beyond the labels."""
    return pa.DictionaryArray.from_arrays(codes, labels)


def _decimal_words(cents: Array) -> Array:
    words = np.empty((len(cents), 2), dtype=np.int64)
    words[:, 0] = cents
    np.right_shift(cents, 63, out=words[:, 1])
    return words


def _gathered(column: Column, values: Gather, valid: Array | None) -> pa.Array:
    if values.index.dtype != np.int32:
        raise TypeError(f"{column.name}: a gather's index must be int32")
    index = _fixed(pa.int32(), values.index, valid)
    return values.pool.take(index) if column.kind == "text" else _coded(index, values.pool)


def _text(column: Column, values: pa.Array, valid: Array | None) -> pa.Array:
    if column.kind in ("label", "json"):
        coded = values.dictionary_encode()
        index = coded.indices.cast(pa.int32())
        if valid is not None:
            index = pc.if_else(pa.array(valid), index, pa.scalar(None, pa.int32()))
        return pa.DictionaryArray.from_arrays(index, coded.dictionary)
    if valid is None:
        return values
    return pc.if_else(pa.array(valid), values, pa.scalar(None, pa.string()))


def _nested(column: Column, values: Nested, where: str) -> pa.Array:
    offsets = pa.array(values.offsets, type=pa.int32())
    if column.kind == "structs":
        parts = [
            to_arrow(item, values.fields[item.name], f"{where}.{column.name}")
            for item in column.fields
        ]
        fields = [pa.field(item.name, item.arrow_type) for item in column.fields]
        return pa.ListArray.from_arrays(offsets, pa.StructArray.from_arrays(parts, fields=fields))
    item = values.fields["item"]
    if not isinstance(item, np.ndarray) or item.dtype != _NUMPY[column.kind]:
        raise TypeError(f"{where}.{column.name}: wrong dtype of the items")
    if column.kind == "enums":
        coded = _coded(pa.array(item), enum_labels(column.values))
        return pa.ListArray.from_arrays(offsets, coded)
    return pa.ListArray.from_arrays(offsets, pa.array(item))


def _cast(array: pa.Array, dtype: pa.DataType) -> pa.Array:
    if array.type == dtype:
        return array
    if pa.types.is_dictionary(dtype):
        plain = array.cast(pa.string())
        return plain.dictionary_encode().cast(dtype)
    return array.cast(dtype)


def _from_arrow(column: Column, array: pa.Array) -> Values:
    if column.kind in NESTED_KINDS or column.kind in ("text", "label", "json"):
        return array
    mask = array.is_valid().to_numpy(zero_copy_only=False)
    values = _numpy(column, array)
    return values if mask.all() and not column.nullable else Nullable(values, mask)


NESTED_KINDS = ("ints", "enums", "structs")


def _numpy(column: Column, array: pa.Array) -> Array:
    if column.kind == "enum":
        codes = array.dictionary.to_pylist()
        lookup = np.array([column.code(value) for value in codes] or [0], dtype=np.uint8)
        index = array.indices.fill_null(0).to_numpy(zero_copy_only=False)
        return np.asarray(lookup[index])
    if column.kind in ("money", "money_total"):
        words = np.frombuffer(array.buffers()[1], dtype=np.int64).reshape(-1, 2)
        return np.array(words[array.offset : array.offset + len(array), 0])
    if column.kind in ("instant", "date"):
        array = array.view(pa.int64() if column.kind == "instant" else pa.int32())
    zero: Any = False if column.kind == "bool" else 0
    return np.asarray(array.fill_null(zero).to_numpy(zero_copy_only=False))
