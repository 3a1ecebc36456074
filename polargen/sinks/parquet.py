"""Parquet: one row group a block, encodings chosen by the columns' kinds.

Measured on one core, ns a value: whole numbers, instants and money (as int64) 5-13 by
DELTA_BINARY_PACKED, against 12-38 by the writer's defaults, in smaller files; pooled text 6 as a
dictionary, if no statistics are asked for (they cost 32: the writer looks for the values in use).
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from functools import lru_cache
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from polargen.columns import single
from polargen.schema import NESTED, Column, Table
from polargen.sinks.base import SinkSettings
from polargen.sinks.files import Encoder, FileSink, codec

ROW_GROUP_ROWS = 1 << 20
_DICTIONARY_BYTES = 64 << 20  # above it the writer would fall back to plain text
_DEFAULT_LEVEL = {"zstd": 1}
_ENCODINGS = {
    "key": "DELTA_BINARY_PACKED",
    "int": "DELTA_BINARY_PACKED",
    "money": "DELTA_BINARY_PACKED",
    "money_total": "DELTA_BINARY_PACKED",
    "instant": "DELTA_BINARY_PACKED",
    "date": "DELTA_BINARY_PACKED",
    "ints": "DELTA_BINARY_PACKED",
    "float": "BYTE_STREAM_SPLIT",
}
_PACKED = frozenset({"key", "int", "instant", "date"})  # a codec shrinks them by 1 %
_DICTIONARY = frozenset({"enum", "enums", "label", "json"})
_STATISTICS = frozenset({"key", "int", "money", "money_total", "instant", "date", "float"})
_CHANGED = frozenset({"label", "json", "money", "money_total"})  # kinds that `_physical` changes
_MONEY = {"money": pa.decimal64(12, 2), "money_total": pa.decimal64(18, 2)}


class ParquetEncoder:
    """Writes blocks as row groups."""

    def __init__(self, table: Table, file: io.RawIOBase, settings: SinkSettings) -> None:
        name = codec(ParquetSink, settings)
        level = settings.compression_level
        level = _DEFAULT_LEVEL.get(name or "") if level is None else level
        self._layout = _layout(table)
        codecs = dict.fromkeys(self._layout.squeezed, name) if name else {}
        self._writer = pq.ParquetWriter(
            file,
            self._layout.schema,
            compression={path: codecs.get(path, "none") for path in self._layout.paths},
            compression_level={} if level is None else dict.fromkeys(codecs, level),
            use_dictionary=self._layout.dictionaries,
            column_encoding=self._layout.encodings,
            write_statistics=self._layout.statistics,
            dictionary_pagesize_limit=_DICTIONARY_BYTES,
            store_decimal_as_integer=True,
            store_schema=False,
            write_page_index=False,
        )
        self._writer.add_key_value_metadata({"ARROW:schema": self._layout.shown})

    def write(self, rows: pa.Table) -> None:
        """See `Encoder`."""
        columns = self._layout.columns
        arrays = [_physical(item, single(rows.column(item.name))) for item in columns]
        stored = pa.Table.from_arrays(arrays, schema=self._layout.schema)
        self._writer.write_table(stored, row_group_size=ROW_GROUP_ROWS)

    def close(self) -> None:
        """See `Encoder`."""
        self._writer.close()


class ParquetSink(FileSink):
    """Parquet files, zstd by default."""

    name: ClassVar[str] = "parquet"
    codecs: ClassVar[tuple[str | None, ...]] = ("zstd", "snappy", "gzip", "lz4", None)

    @classmethod
    def suffix(cls, settings: SinkSettings) -> str:
        """See `FileSink`."""
        return ".parquet"

    @classmethod
    def encoder(cls, table: Table, file: io.RawIOBase, settings: SinkSettings) -> Encoder:
        """See `FileSink`."""
        return ParquetEncoder(table, file, settings)


class _Layout:
    """How a table lies in a file.

    Attributes:
        schema: of what is handed to the writer: money as decimal64, so that it need not be cut
            from 128 bits value by value.
        shown: the Arrow schema that readers see, as Parquet keeps it: exactly the declared one,
            with pooled text as plain text and Polars' mark of an enumeration's values.
        paths: of all leaves.
        squeezed: of the leaves that go through the codec; the others are as small without it.
        dictionaries, encodings, statistics: of the leaves with these, by path.
    """

    def __init__(self, table: Table) -> None:
        self.columns = table.columns
        leaves = [leaf for column in table.columns for leaf in _leaves(column)]
        self.schema = pa.schema(
            [pa.field(c.name, _stored_type(c), c.nullable) for c in table.columns]
        )
        shown = pa.schema([_shown_field(c, c.nullable) for c in table.columns])
        self.shown = base64.b64encode(shown.serialize().to_pybytes())
        self.paths = [path for path, _ in leaves]
        self.squeezed = [path for path, kind in leaves if kind not in _PACKED]
        self.dictionaries: list[str] | bool
        self.dictionaries = [path for path, kind in leaves if kind in _DICTIONARY] or False
        self.encodings = {path: _ENCODINGS[kind] for path, kind in leaves if kind in _ENCODINGS}
        flat = {column.name for column in table.columns if column.kind in _STATISTICS}
        self.statistics: list[str] | bool = sorted(flat) or False


@lru_cache(maxsize=64)
def _layout(table: Table) -> _Layout:
    return _Layout(table)


def _leaves(column: Column) -> Iterator[tuple[str, str]]:
    """Yield a column's leaves: path in the file, kind."""
    if column.kind == "structs":
        for item in column.fields:
            yield f"{column.name}.list.element.{item.name}", item.kind
    elif column.kind in NESTED:
        yield f"{column.name}.list.element", column.kind
    else:
        yield column.name, column.kind


def _stored_type(column: Column) -> pa.DataType:
    if column.kind == "structs":
        return pa.list_(pa.struct([(f.name, _stored_type(f)) for f in column.fields]))
    return _MONEY.get(column.kind, column.arrow_type)


def _shown_field(column: Column, nullable: bool) -> pa.Field:
    metadata = None
    dtype = column.arrow_type
    if column.kind in ("label", "json"):
        dtype = pa.string()
    elif column.kind == "enum":
        metadata = {"_PL_ENUM_VALUES2": _polars_values(column)}
    elif column.kind == "enums":
        mark = {"_PL_ENUM_VALUES2": _polars_values(column)}
        dtype = pa.list_(pa.field("element", dtype.value_type, metadata=mark))
    elif column.kind == "structs":
        dtype = pa.list_(pa.struct([_shown_field(item, True) for item in column.fields]))
    return pa.field(column.name, dtype, nullable, metadata=metadata)


def _polars_values(column: Column) -> str:
    """Write an enumeration's values as Polars does: each with its length in bytes before it."""
    return "".join(f"{len(value.encode())};{value}" for value in column.values)


def _physical(column: Column, array: pa.Array) -> pa.Array:
    """Return a column's rows as they are handed to the writer."""
    if column.kind in _MONEY:
        return _decimal64(array, _MONEY[column.kind])
    if column.kind in ("label", "json"):
        return _compact(array)
    if column.kind == "structs" and any(
        f.kind in ("label", "json", *_MONEY) for f in column.fields
    ):
        return _physical_structs(column, array)
    return array


def _physical_structs(column: Column, array: pa.Array) -> pa.Array:
    items = array.flatten()
    parts = [
        _physical(field, part) for field, part in zip(column.fields, items.flatten(), strict=True)
    ]
    fields = [pa.field(field.name, _stored_type(field)) for field in column.fields]
    lengths = array.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    offsets = np.zeros(len(array) + 1, dtype=np.int32)
    np.cumsum(lengths, out=offsets[1:])
    mask = array.is_null() if array.null_count else None
    stored = pa.StructArray.from_arrays(parts, fields=fields)
    return pa.ListArray.from_arrays(pa.array(offsets), stored, mask=mask)


def _decimal64(array: pa.Array, dtype: pa.DataType) -> pa.Array:
    """Cut money to its low 64 bits, which hold all of it."""
    buffer = array.buffers()[1] if len(array) else b""
    words = np.frombuffer(buffer, dtype=np.int64)
    cents = words[array.offset * 2 : (array.offset + len(array)) * 2 : 2].copy()
    validity = None
    if array.null_count:
        valid = array.is_valid().to_numpy(zero_copy_only=False)
        validity = pa.py_buffer(np.packbits(valid, bitorder="little"))
    return pa.Array.from_buffers(dtype, len(array), [validity, pa.py_buffer(cents)])


def _compact(array: pa.Array) -> pa.Array:
    """Leave out pooled text that no row uses, where the pool is large for the rows.

    A block may show a handful of a pool's values; the file would hold them all.
    """
    pool = array.dictionary
    if len(pool) <= max(64, len(array) // 8):
        return array
    index = array.indices.fill_null(0).to_numpy(zero_copy_only=False)
    used = np.zeros(len(pool), dtype=bool)
    used[index] = True
    if used.all():
        return array
    place = np.cumsum(used, dtype=np.int32) - np.int32(1)
    mask = array.is_null().to_numpy(zero_copy_only=False) if array.null_count else None
    codes = pa.array(place[index], mask=mask)
    return pa.DictionaryArray.from_arrays(codes, pool.filter(pa.array(used)))
