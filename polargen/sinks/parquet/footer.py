"""What stands around the column chunks: the schema and the places of all chunks."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib.metadata import version

import pyarrow as pa

from polargen.schema import NESTED, Column, Table
from polargen.sinks.parquet.chunks import PHYSICAL, Chunk
from polargen.sinks.parquet.leaves import LeafSchema, leaf_schemas
from polargen.sinks.parquet.thrift import Value, array_of, binary, boolean, i8, i32, i64, struct

MAGIC = b"PAR1"
_REQUIRED, _OPTIONAL, _REPEATED = 0, 1, 2
_FORMAT_VERSION = 2
_EMPTY = struct({})
_UTF8, _LIST, _DECIMAL, _DATE, _MICROS, _INT_8 = 0, 3, 5, 6, 10, 15  # converted types
_TEXT = {6: i32(_UTF8), 10: struct({1: _EMPTY})}
_PRECISION = {"money": 12, "money_total": 18}


class Footer:
    """Collects a file's row groups.

    Attributes:
        leaves: of each column of the table.
    """

    def __init__(self, table: Table) -> None:
        self.leaves, self._schema, self._shown = _layout(table)
        self._groups: list[Value] = []
        self._rows = 0

    def add(self, rows: int, chunks: Sequence[Chunk], start: int) -> None:
        """Add a row group.

        Args:
            rows: of the group.
            chunks: of all leaves, in order.
            start: place of the first one in the file.
        """
        columns, place = [], start
        for chunk in chunks:
            data = place + chunk.dictionary_size
            fields = {
                **chunk.metadata,
                6: i64(chunk.plain_size),
                7: i64(chunk.size),
                9: i64(data),
                11: i64(place) if chunk.dictionary_size else None,
            }
            metadata = struct({number: fields[number] for number in sorted(fields)})
            columns.append(struct({2: i64(0), 3: metadata}))
            place += chunk.size
        plain = sum(chunk.plain_size for chunk in chunks)
        self._groups.append(
            struct({1: array_of(columns), 2: i64(plain), 3: i64(rows), 6: i64(place - start)})
        )
        self._rows += rows

    def write(self) -> bytes:
        """Return what ends the file."""
        leaves = sum(map(len, self.leaves))
        document = struct(
            {
                1: i32(_FORMAT_VERSION),
                2: self._schema,
                3: i64(self._rows),
                4: array_of(self._groups),
                5: array_of([struct({1: binary("ARROW:schema"), 2: binary(self._shown)})]),
                6: _made_by(),
                7: array_of([struct({1: _EMPTY})] * leaves),  # values compare as their types do
            }
        )[1]
        return document + len(document).to_bytes(4, "little") + MAGIC


@lru_cache(maxsize=1)
def _made_by() -> Value:
    return binary(f"polargen version {version('polargen')}")


@lru_cache(maxsize=64)
def _layout(table: Table) -> tuple[tuple[tuple[LeafSchema, ...], ...], Value, bytes]:
    """Return a table's leaves by column, its Parquet schema and its Arrow schema."""
    root = struct({3: i32(_REQUIRED), 4: binary("schema"), 5: i32(len(table.columns))})
    elements = [root]
    for column in table.columns:
        elements += _elements(column, column.name, column.nullable)
    shown = pa.schema([_shown_field(c, c.nullable) for c in table.columns])
    leaves = tuple(leaf_schemas(column) for column in table.columns)
    return leaves, array_of(elements), base64.b64encode(shown.serialize().to_pybytes())


def _elements(column: Column, name: str, nullable: bool) -> Iterator[Value]:
    """Yield the nodes of a column, each before those below it."""
    repetition = i32(_OPTIONAL if nullable else _REQUIRED)
    if column.kind not in NESTED:
        yield _leaf(column.kind, name, repetition)
        return
    marks = {6: i32(_LIST), 10: struct({3: _EMPTY})}
    yield struct({3: repetition, 4: binary(name), 5: i32(1), **marks})
    yield struct({3: i32(_REPEATED), 4: binary("list"), 5: i32(1)})
    if column.kind != "structs":
        yield _leaf(column.kind, "element", i32(_OPTIONAL))
        return
    yield struct({3: i32(_OPTIONAL), 4: binary("element"), 5: i32(len(column.fields))})
    for item in column.fields:
        yield from _elements(item, item.name, True)


def _leaf(kind: str, name: str, repetition: Value) -> Value:
    fields = {1: i32(PHYSICAL[kind]), 3: repetition, 4: binary(name), **_meaning(kind)}
    return struct({number: fields[number] for number in sorted(fields)})


def _meaning(kind: str) -> dict[int, Value]:
    """Return the fields that say what a leaf's bits mean."""
    if kind in _PRECISION:
        scale, precision = i32(2), i32(_PRECISION[kind])
        decimal = struct({5: struct({1: scale, 2: precision})})
        return {6: i32(_DECIMAL), 7: scale, 8: precision, 10: decimal}
    if kind == "instant":
        micros = struct({1: boolean(True), 2: struct({2: _EMPTY})})
        return {6: i32(_MICROS), 10: struct({8: micros})}
    if kind == "date":
        return {6: i32(_DATE), 10: struct({6: _EMPTY})}
    if kind == "ints":
        return {6: i32(_INT_8), 10: struct({10: struct({1: i8(8), 2: boolean(True)})})}
    if kind in ("enum", "enums", "label", "text", "json"):
        return _TEXT
    return {}


def _shown_field(column: Column, nullable: bool) -> pa.Field:
    """Return the Arrow field that readers see.

    It is the declared one, with pooled text as plain text and Polars' mark of an enumeration's
    values.
    """
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
