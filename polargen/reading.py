"""Reading the file formats back: exactly the declared types, a piece of a file at a time."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from polargen.schema import NESTED, Column, Table

Reader = Callable[[Table, Path, str | None], Iterator[pl.DataFrame]]

_CHUNK_BYTES = 16 << 20
_INSTANT = "%Y-%m-%dT%H:%M:%S%.6fZ"
_QUOTE, _NEWLINE = b'"'[0], b"\n"[0]


def read_parquet(table: Table, path: Path, compression: str | None) -> Iterator[pl.DataFrame]:
    """Yield a Parquet file's row groups; the codec is named in the file itself."""
    footer = pq.read_metadata(path)
    rows = [footer.row_group(number).num_rows for number in range(footer.num_row_groups)]
    file = pl.scan_parquet(path, glob=False)
    for start, count in zip(accumulate([0, *rows]), rows, strict=False):
        frame = file.slice(start, count).collect()
        if dict(frame.schema) != table.polars_schema:
            raise ValueError(f"its columns are not those declared of {table.name}")
        yield frame


def read_csv(table: Table, path: Path, compression: str | None) -> Iterator[pl.DataFrame]:
    """Yield a CSV file's rows, some 16 MB of text at a time."""
    schema = {column.name: _csv_type(column) for column in table.columns}
    header = True
    for text in _pieces(path, compression, _last_record):
        frame = pl.read_csv(text, schema=schema, has_header=header, glob=False)
        header = False
        yield _typed(table, frame, nested_as_json=True)


def read_ndjson(table: Table, path: Path, compression: str | None) -> Iterator[pl.DataFrame]:
    """Yield an NDJSON file's rows, some 16 MB of text at a time."""
    schema = {column.name: _json_type(column) for column in table.columns}
    for text in _pieces(path, compression, lambda chunk: chunk.rfind(b"\n") + 1):
        frame = pl.read_ndjson(io.BytesIO(text), schema=schema)
        yield _typed(table, frame, nested_as_json=False)


READERS: dict[str, Reader] = {
    "parquet": read_parquet,
    "csv": read_csv,
    "json": read_ndjson,
}


def _pieces(path: Path, compression: str | None, whole: Callable[[bytes], int]) -> Iterator[bytes]:
    """Yield a text file in pieces of whole records; `whole` says where the last one ends."""
    rest = b""
    with pa.input_stream(str(path), compression=compression) as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            text = rest + chunk
            end = whole(text)
            if end:
                yield text[:end]
            rest = text[end:]
    if rest:
        raise ValueError("ends in the middle of a line")


def _last_record(chunk: bytes) -> int:
    """Return where the last whole CSV record ends: at a newline outside quotes; 0 if nowhere."""
    data = np.frombuffer(chunk, dtype=np.uint8)
    quotes = np.flatnonzero(data == _QUOTE)
    newlines = np.flatnonzero(data == _NEWLINE)
    outside = newlines[np.searchsorted(quotes, newlines) % 2 == 0]
    return int(outside[-1]) + 1 if len(outside) else 0


def _csv_type(column: Column) -> pl.DataType:
    if column.kind in ("instant", "date") or column.kind in NESTED:
        return pl.String()
    return column.polars_type


def _json_type(column: Column) -> pl.DataType:
    """Return the type as which a value is read; what JSON has no type for is text first."""
    if column.kind == "structs":
        return pl.List(pl.Struct({item.name: _json_type(item) for item in column.fields}))
    if column.kind == "enums":
        return pl.List(pl.String())
    if column.kind in ("money", "money_total", "instant", "date", "enum"):
        return pl.String()
    return column.polars_type


def _typed(table: Table, frame: pl.DataFrame, nested_as_json: bool) -> pl.DataFrame:
    """Return a frame that was read as text with exactly the declared schema."""
    columns = []
    for column in table.columns:
        value = pl.col(column.name)
        if nested_as_json and column.kind in NESTED:
            columns.append(nested_from_json(column, value).alias(column.name))
        else:
            columns.append(_typed_column(column, value).alias(column.name))
    return frame.select(columns)


def nested_from_json(column: Column, text: pl.Expr) -> pl.Expr:
    """Return a list column of JSON text with its declared type."""
    return _typed_column(column, text.str.json_decode(_json_type(column)))


def _typed_column(column: Column, value: pl.Expr) -> pl.Expr:
    if column.kind == "structs":
        item: Any = pl.element().struct
        fields = [_typed_column(f, item.field(f.name)).alias(f.name) for f in column.fields]
        return value.list.eval(pl.struct(fields))
    if column.kind == "instant":
        return value.str.to_datetime(_INSTANT, time_unit="us", time_zone="UTC")
    if column.kind == "date":
        return value.str.to_date("%Y-%m-%d")
    return value.cast(column.polars_type)
