"""Rows as PostgreSQL's binary COPY takes them: Arrow types that are exactly the columns' types."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from polargen.columns import single
from polargen.keys import Keys
from polargen.rekey import stored_rows
from polargen.schema import NESTED, Column, Table
from polargen.sinks.text import json_lists

_JSONB_VERSION = pa.scalar(b"\1")  # Source: PostgreSQL, jsonb_recv


def copy_rows(table: Table, rows: pa.Table, keys: Keys | None = None) -> pa.Table:
    """Return rows with the Arrow types that the driver writes as the declared column types.

    Lists of structs become JSON text, int8 int16; all else stays as it is, without a copy: the
    driver writes a dictionary's values where its codes stand.

    Args:
        table: the declaration.
        rows: exactly ``table.arrow_schema``.
        keys: of the run; None: stored as generated.
    """
    rows = rows if keys is None else stored_rows(table, rows, keys)
    columns = [_column(column, single(rows.column(column.name))) for column in table.columns]
    return pa.table(columns, names=[column.name for column in table.columns])


def _column(column: Column, array: pa.Array) -> pa.Array:
    if column.kind == "ints":
        return array.cast(pa.list_(pa.int16()))
    if column.kind in NESTED:
        text = json_lists(column, array).to_arrow()
        return pa.ExtensionArray.from_storage(pa.json_(text.type), text)
    if column.kind == "json":
        return _jsonb(array)
    return array


def _jsonb(array: pa.DictionaryArray) -> pa.Array:
    """Return pooled JSON text as the bytes of ``jsonb``: the driver adds none to dictionaries."""
    pool = pc.binary_join_element_wise(
        _JSONB_VERSION, array.dictionary.cast(pa.binary()), pa.scalar(b"")
    )
    return pa.DictionaryArray.from_arrays(array.indices, pool)
