"""SQL for psql: tables of a schema, rows as COPY text, keys after the rows."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import polars as pl
import pyarrow as pa

from polargen.ddl import column_definition, name, where
from polargen.keys import Keys
from polargen.schema import Column, Table
from polargen.sinks.text import readable

SCHEMA = "mock_data"
COPY_END = "\\.\n\n"
_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
_ESCAPED_BYTES = np.zeros(256, dtype=bool)
_ESCAPED_BYTES[[ord(char) for char in _ESCAPES]] = True


def create(table: Table, schema: str = SCHEMA, keys: Keys | None = None) -> str:
    """Return what comes before a table's rows: schema, table and the head of the COPY.

    Args:
        table: the declaration.
        schema: that the table is made in.
        keys: how keys are stored; None: as numbers.
    """
    lines = [f"    {column_definition(table, column, keys)}" for column in table.columns]
    columns = ", ".join(name(column.name) for column in table.columns)
    full = where(schema, table.name)
    return (
        f"-- {table.meaning}\n"
        "SET client_encoding = 'UTF8';\n"
        f"CREATE SCHEMA IF NOT EXISTS {name(schema)};\n"
        f"CREATE TABLE {full} (\n" + ",\n".join(lines) + "\n);\n"
        f"COPY {full} ({columns}) FROM stdin;\n"
    )


def keys(table: Table, loaded: Sequence[Table], schema: str = SCHEMA) -> str:
    """Return what comes after a table's rows: its primary key, and its foreign keys.

    Args:
        table: the declaration.
        loaded: tables that may be referred to; references to others are left out.
        schema: that the tables are in.
    """
    full, primary = where(schema, table.name), {item.name: item.primary_key for item in loaded}
    lines = [f"ALTER TABLE {full} ADD PRIMARY KEY ({name(table.primary_key)});"]
    lines += [
        f"ALTER TABLE {full} ADD FOREIGN KEY ({name(column)}) "
        f"REFERENCES {where(schema, other)} ({name(primary[other])});"
        for column, other in table.foreign_keys
        if other in primary
    ]
    return "\n".join([*lines, f"ANALYZE {full};", ""])


def copy_lines(table: Table, rows: pa.Table) -> bytes:
    """Return rows as COPY text: tabs between the fields, \\N for null, backslash escapes."""
    frame = readable(table, rows, nested_as_json=True)
    escaped = [_escaped(column, frame[column.name]) for column in table.columns]
    text = io.BytesIO()
    pl.DataFrame(escaped).write_csv(
        text, include_header=False, separator="\t", null_value="\\N", quote_style="never"
    )
    return text.getvalue()


def _escaped(column: Column, series: pl.Series) -> pl.Series:
    if column.kind == "ints":
        return series.str.replace("[", "{", literal=True).str.replace("]", "}", literal=True)
    if series.dtype != pl.String or column.kind in ("instant", "date") or not _has_escapes(series):
        return series
    for char, shown in _ESCAPES.items():  # the backslash first
        series = series.str.replace_all(char, shown, literal=True)
    return series


def _has_escapes(series: pl.Series) -> bool:
    """Say whether any text holds a character that COPY reads as something else."""
    text = series.str.join("").to_list()[0] or ""
    return bool(_ESCAPED_BYTES[np.frombuffer(text.encode(), dtype=np.uint8)].any())
