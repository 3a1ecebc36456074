"""The data dictionary as text, JSON and Mermaid, from the declarations in `polargen.schema`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from polargen.cli.output import table as aligned

if TYPE_CHECKING:
    from polargen.schema import Column, Table

TYPES = {
    "key": "int64",
    "int": "int32",
    "money": "decimal(12,2)",
    "money_total": "decimal(18,2)",
    "float": "float64",
    "bool": "bool",
    "instant": "timestamp[us, UTC]",
    "date": "date",
    "enum": "enum",
    "label": "text",
    "text": "text",
    "json": "text, JSON",
    "ints": "list of int8",
    "enums": "list of enum",
    "structs": "list of structs",
}
_UNITS = {"money": "EGP", "money_total": "EGP"}


def lines(table: Table) -> list[str]:
    """Return a table's entry as text: a line or more a column."""
    rows = []
    for column in table.columns:
        rows.append(_row(table, column, ""))
        rows += [_row(table, item, f"{column.name}[].") for item in column.fields]
    head = [f"{table.name} ({table.json_name}): {table.meaning}"]
    head += [f"unique together: {', '.join(names)}" for names in table.unique_together]
    return [*head, *aligned(["column", "type", "null", "key", "meaning"], rows)]


def document(table: Table) -> dict[str, Any]:
    """Return a table's entry as JSON values."""
    return {
        "name": table.name,
        "jsonName": table.json_name,
        "meaning": table.meaning,
        "primaryKey": table.primary_key,
        "mainDate": table.main_date,
        "uniqueTogether": [list(names) for names in table.unique_together],
        "columns": [_column(table, column) for column in table.columns],
    }


def mermaid(tables: Sequence[Table]) -> list[str]:
    """Return the tables and their references as an ER diagram."""
    names = {table.name for table in tables}
    text = ["erDiagram"]
    for table in tables:
        for column in table.columns:
            if column.references in names:
                parent = "|o" if column.nullable else "||"
                child = "o|" if column.unique else "o{"
                text.append(
                    f"    {column.references} {parent}--{child} {table.name} : {column.name}"
                )
    for table in tables:
        text.append(f"    {table.name} {{")
        for column in table.columns:
            keys = [key for key in ("PK", "FK", "UK") if key in _keys(table, column)]
            marks = f" {', '.join(keys)}" if keys else ""
            text.append(f"        {_word(TYPES[column.kind])} {column.name}{marks}")
        text.append("    }")
    return text


def _row(table: Table, column: Column, before: str) -> list[str]:
    keys = _keys(table, column)
    key = ", ".join(
        f"-> {column.references}" if name == "FK" else {"PK": "primary", "UK": "unique"}[name]
        for name in keys
    )
    return [
        before + column.name,
        TYPES[column.kind],
        "yes" if column.nullable else "",
        key,
        " ".join([column.meaning, *_rules(column)]),
    ]


def _keys(table: Table, column: Column) -> list[str]:
    keys = ["PK"] if column.name == table.primary_key else []
    keys += ["FK"] if column.references else []
    return keys + (["UK"] if column.unique else [])


def _rules(column: Column) -> Iterable[str]:
    """Yield range, unit, enumeration and null rule as sentences."""
    unit = f" {_UNITS.get(column.kind, '')}".rstrip()
    unit = "" if unit.strip() in column.meaning else unit
    if column.kind == "key":
        pass
    elif column.low is not None and column.low == column.high:
        yield f"Always {column.low:,g}{unit}."
    elif column.low is not None and column.high is not None:
        yield f"{column.low:,g}..{column.high:,g}{unit}."
    elif column.low is not None:
        yield f"At least {column.low:,g}{unit}."
    elif column.high is not None:
        yield f"At most {column.high:,g}{unit}."
    elif unit:
        yield f"In{unit}."
    if column.values:
        yield f"One of: {', '.join(column.values)}."
    if column.present_when is not None:
        other, values = column.present_when
        yield f"Null unless {other} is {' or '.join(values)}."


def _column(table: Table, column: Column) -> dict[str, Any]:
    other, values = column.present_when or ("", ())
    return {
        "name": column.name,
        "type": TYPES[column.kind],
        "kind": column.kind,
        "nullable": column.nullable,
        "presentWhen": {"column": other, "values": list(values)} if other else None,
        "unit": _UNITS.get(column.kind),
        "low": column.low,
        "high": column.high,
        "values": list(column.values),
        "primaryKey": column.name == table.primary_key,
        "references": column.references,
        "unique": column.unique,
        "meaning": column.meaning,
        "fields": [_column(table, item) for item in column.fields],
    }


def _word(text: str) -> str:
    """Return a type as Mermaid takes it: no spaces or commas."""
    return text.replace(", ", "_").replace(" ", "_").replace(",", "_").replace("[", "_").rstrip("]")
