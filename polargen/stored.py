"""Rows as a database stores them, read back with the Arrow types that the schema declares."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from polargen import ddl
from polargen.columns import Nullable, enum_labels, polars_to_arrow, single, to_arrow
from polargen.errors import TargetError
from polargen.keys import Keys
from polargen.reading import nested_from_json
from polargen.schema import Column, Table

_MONEY = ("money", "money_total")
_JSON = ("enums", "structs")


def text_keys(table: Table, keys: Keys) -> Table:
    """Return a table's declaration for files: keys that are no numbers in the database are text.

    Uuids are text because every reader of Parquet, CSV and JSON takes that.
    """
    if not keys.uuid_tables and not keys.all_uuid:
        return table
    return replace(table, columns=tuple(_text_key(table, column, keys) for column in table.columns))


def _text_key(table: Table, column: Column, keys: Keys) -> Column:
    if column.kind == "structs":
        fields = tuple(
            replace(item, kind="text")
            if item.references and keys.is_uuid(item.references)
            else item
            for item in column.fields
        )
        return replace(column, fields=fields)
    if table.is_key(column) and ddl.column_type(table, column, keys) != "bigint":
        return replace(column, kind="text", low=None, high=None)
    return column


def _text_field(field: Column, keys: Keys) -> Column:
    uuid = field.references is not None and keys.is_uuid(field.references)
    return replace(field, kind="text") if uuid else field


def select_list(table: Table) -> str:
    """Return a table's columns as SQL that asks for types which Arrow has; the table is ``t``."""
    return ", ".join(_shown(column) for column in table.columns)


def _shown(column: Column) -> str:
    shown = ddl.name(column.name)
    if column.kind in _MONEY:
        return f"(t.{shown} * 100)::bigint AS {shown}"
    if column.kind in ("text", "json", *_JSON):  # text: maybe a uuid
        return f"t.{shown}::text AS {shown}"
    return f"t.{shown}"


def typed_rows(table: Table, rows: pa.Table) -> pa.Table:
    """Return rows that `select_list` asked for with exactly ``table.arrow_schema``.

    Raises:
        TargetError: an enumeration holds what is not declared.
    """
    nested = _nested(table, rows)
    arrays = [
        nested[column.name] if column.name in nested else _typed(table, column, rows)
        for column in table.columns
    ]
    return pa.Table.from_arrays(arrays, schema=table.arrow_schema)


def _typed(table: Table, column: Column, rows: pa.Table) -> pa.Array:
    array = single(rows.column(column.name))
    if column.kind in _MONEY:
        cents = array.fill_null(0).to_numpy()
        valid = array.is_valid().to_numpy(zero_copy_only=False)
        return to_arrow(column, Nullable(cents, valid) if column.nullable else cents, table.name)
    if column.kind in ("label", "json"):
        return array.dictionary_encode()
    if column.kind != "enum":
        return array.cast(column.arrow_type)
    codes = pc.index_in(array, value_set=enum_labels(column.values)).cast(pa.uint8())
    if codes.null_count != array.null_count:
        odd = array.filter(pc.and_(codes.is_null(), array.is_valid()))[0].as_py()
        raise TargetError(
            f"{table.name}.{column.name} holds {odd!r}, which is none of its values; correct it"
        )
    return pa.DictionaryArray.from_arrays(codes, enum_labels(column.values))


def _nested(table: Table, rows: pa.Table) -> dict[str, pa.Array]:
    """Return the columns that come as JSON text."""
    columns = tuple(column for column in table.columns if column.kind in _JSON)
    if not columns:
        return {}
    texts = pl.DataFrame({column.name: pl.Series(rows.column(column.name)) for column in columns})
    frame = texts.select(
        nested_from_json(column, pl.col(column.name)).alias(column.name) for column in columns
    )
    typed = polars_to_arrow(replace(table, columns=columns), frame)
    return {column.name: single(typed.column(column.name)) for column in columns}
