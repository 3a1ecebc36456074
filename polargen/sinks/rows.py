"""Rows as PostgreSQL's binary COPY takes them: Arrow types that are exactly the columns' types."""

from __future__ import annotations

import pyarrow as pa

from polargen.keys import Keys
from polargen.rekey import stored_rows
from polargen.schema import NESTED, Column, Table
from polargen.sinks.text import json_lists


def copy_rows(table: Table, rows: pa.Table, keys: Keys | None = None) -> pa.Table:
    """Return rows with the Arrow types that the driver writes as the declared column types.

    Dictionaries become text, lists of structs and JSON text become ``jsonb``, int8 int16; all
    else stays as it is, without a copy.

    Args:
        table: the declaration.
        rows: exactly ``table.arrow_schema``.
        keys: of the run; None: stored as generated.
    """
    rows = rows if keys is None else stored_rows(table, rows, keys)
    columns = [
        _column(column, rows.column(column.name).combine_chunks()) for column in table.columns
    ]
    return pa.table(columns, names=[column.name for column in table.columns])


def _column(column: Column, array: pa.Array) -> pa.Array:
    if column.kind == "ints":
        return array.cast(pa.list_(pa.int16()))
    if column.kind in NESTED:
        text = json_lists(column, array).to_arrow()
        return _json(text.cast(pa.string()))
    if column.kind == "json":
        return _json(array.cast(pa.string()))
    if column.kind in ("enum", "label"):
        return array.cast(pa.string())
    return array


def _json(text: pa.Array) -> pa.Array:
    return pa.ExtensionArray.from_storage(pa.json_(pa.string()), text)
