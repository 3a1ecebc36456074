"""DDL for PostgreSQL, from the declarations in `polargen.schema`: tables, keys, checks, comments.

What a load runs, in this order: `create_table` for every table, the rows, `own_constraints` and
`indexes` of every table, `foreign_keys` (not valid at first, so that they can be proven side by
side), `validate`, `comments`. Every name is quoted and qualified.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence

from polargen.keys import Keys
from polargen.schema import Column, Table

TYPES: Mapping[str, str] = {
    "key": "bigint",
    "int": "integer",
    "money": "numeric(12,2)",
    "money_total": "numeric(18,2)",
    "float": "double precision",
    "bool": "boolean",
    "instant": "timestamptz",
    "date": "date",
    "enum": "text",
    "label": "text",
    "text": "text",
    "json": "jsonb",
    "ints": "smallint[]",
    "enums": "jsonb",
    "structs": "jsonb",
}
MADE_BY = "Made by polargen."
# Fields that invalid_data breaks: no rule can hold on them where a scenario names it.
BREAKABLE: frozenset[tuple[str, str]] = frozenset(
    {("order_items", "quantity"), ("companies", "name"), ("companies", "email")}
)
_NAME_BYTES = 63  # Source: PostgreSQL, NAMEDATALEN - 1


def name(identifier: str) -> str:
    """Quote an identifier."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a text."""
    quoted = "'" + text.replace("'", "''") + "'"
    return "E" + quoted.replace("\\", "\\\\") if "\\" in text else quoted


def where(schema: str, table: str) -> str:
    """Return a table's qualified name."""
    return f"{name(schema)}.{name(table)}"


def column_type(table: Table, column: Column, keys: Keys | None = None) -> str:
    """Return a column's type; ``uuid`` for keys of tables whose keys are uuids."""
    if keys is None or not table.is_key(column):
        return TYPES[column.kind]
    if column.references_by is not None:
        return "text" if keys.mixed else "uuid" if keys.all_uuid else "bigint"
    return "uuid" if keys.is_uuid(column.references or table.name) else "bigint"


def column_definition(table: Table, column: Column, keys: Keys | None = None) -> str:
    """Return a column's name, type and null rule."""
    rule = "" if column.nullable else " NOT NULL"
    return f"{name(column.name)} {column_type(table, column, keys)}{rule}"


def create_table(
    schema: str, table: Table, unlogged: bool = False, keys: Keys | None = None
) -> str:
    """Return the statement that creates a table, without constraints but NOT NULL."""
    lines = [f"    {column_definition(table, column, keys)}" for column in table.columns]
    kind = "UNLOGGED TABLE" if unlogged else "TABLE"
    return f"CREATE {kind} {where(schema, table.name)} (\n" + ",\n".join(lines) + "\n)"


def own_constraints(
    schema: str, table: Table, lenient: bool = False, keys: Keys | None = None
) -> str:
    """Return one statement for a table's primary key, unique rules and checks: one scan for all.

    Args:
        schema: that the table is in.
        table: the declaration.
        lenient: leave out the rules that invalid_data breaks on purpose.
        keys: of the run; None: numbers.
    """
    parts = [f"ADD PRIMARY KEY ({name(table.primary_key)})"]
    sets = [
        (column.name,)
        for column in table.columns
        if column.unique and not (lenient and (table.name, column.name) in BREAKABLE)
    ]
    for columns in (*sets, *table.unique_together):
        listed = ", ".join(map(name, columns))
        label = constraint_name(table.name, "_".join(columns), "key")
        parts.append(f"ADD CONSTRAINT {name(label)} UNIQUE ({listed})")
    parts += [
        f"ADD CONSTRAINT {name(label)} CHECK ({rule})"
        for label, rule in checks(table, lenient, keys).items()
    ]
    return f"ALTER TABLE {where(schema, table.name)}\n    " + ",\n    ".join(parts)


def checks(table: Table, lenient: bool = False, keys: Keys | None = None) -> dict[str, str]:
    """Return a table's checks by name: enumerations, ranges, and null rules."""
    result: dict[str, str] = {}
    for column in table.columns:
        if lenient and (table.name, column.name) in BREAKABLE:
            continue
        if column_type(table, column, keys) in ("uuid", "text") and table.is_key(column):
            continue
        for kind, rule in (
            ("values", _among(column)),
            ("range", _range(column)),
            ("present", _present(column)),
        ):
            if rule:
                result[constraint_name(table.name, column.name, kind)] = rule
    return result


def _among(column: Column) -> str:
    if column.kind == "enums":
        allowed = json.dumps(list(column.values))
        return f"{name(column.name)} <@ {literal(allowed)}::jsonb"
    if column.kind != "enum":
        return ""
    return f"{name(column.name)} IN ({', '.join(map(literal, column.values))})"


def _range(column: Column) -> str:
    shown = name(column.name)
    low, high = column.low, column.high
    if column.kind == "ints":
        if low is None or high is None:
            return ""
        allowed = ", ".join(str(value) for value in range(int(low), int(high) + 1))
        return f"{shown} <@ ARRAY[{allowed}]::smallint[]"
    rules = []
    if low is not None:
        rules.append(f"{shown} >= {low:g}")
    if high is not None:
        rules.append(f"{shown} <= {high:g}")
    return " AND ".join(rules)


def _present(column: Column) -> str:
    if column.present_when is None:
        return ""
    other, values = column.present_when
    listed = ", ".join(map(literal, values))
    return f"({name(column.name)} IS NOT NULL) = ({name(other)} IN ({listed}))"


def indexes(schema: str, table: Table) -> list[str]:
    """Return an index for each foreign key and the main date that no unique rule serves."""
    served = {table.primary_key} | {column.name for column in table.columns if column.unique}
    served |= {columns[0] for columns in table.unique_together}
    wanted = [column for column, _ in table.foreign_keys]
    wanted += [table.main_date] if table.main_date else []
    statements = []
    for column in dict.fromkeys(wanted):
        if column in served:
            continue
        label = name(constraint_name(table.name, column, "idx"))
        # Nulls are never looked up by a foreign key: a mostly empty column has a small index.
        sparse = f" WHERE {name(column)} IS NOT NULL" if table[column].nullable else ""
        statements.append(
            f"CREATE INDEX {label} ON {where(schema, table.name)} ({name(column)}){sparse}"
        )
    return statements


def foreign_keys(schema: str, table: Table, loaded: Sequence[Table]) -> list[tuple[str, str]]:
    """Return (name, statement) for each reference to a loaded table; not valid until `validate`."""
    primary = {item.name: item.primary_key for item in loaded}
    result = []
    for column, other in table.foreign_keys:
        if other in primary:
            label = constraint_name(table.name, column, "fkey")
            result.append(
                (
                    label,
                    f"ALTER TABLE {where(schema, table.name)} ADD CONSTRAINT {name(label)} "
                    f"FOREIGN KEY ({name(column)}) REFERENCES {where(schema, other)} "
                    f"({name(primary[other])}) NOT VALID",
                )
            )
    return result


def validate(schema: str, table: Table, labels: Collection[str]) -> str:
    """Return the statement that proves a table's foreign keys."""
    parts = ", ".join(f"VALIDATE CONSTRAINT {name(label)}" for label in labels)
    return f"ALTER TABLE {where(schema, table.name)} {parts}"


def comments(schema: str, table: Table) -> list[str]:
    """Return the comments of a table, which mark it as polargen's, and of its columns."""
    full = where(schema, table.name)
    lines = [f"COMMENT ON TABLE {full} IS {literal(f'{table.meaning} {MADE_BY}')}"]
    lines += [
        f"COMMENT ON COLUMN {full}.{name(column.name)} IS {literal(column.meaning)}"
        for column in table.columns
    ]
    return lines


def constraint_name(table: str, what: str, kind: str) -> str:
    """Return a name such as orders_status_values, cut to what PostgreSQL keeps."""
    full = f"{table}_{what}_{kind}"
    if len(full.encode()) <= _NAME_BYTES:
        return full
    mark = hashlib.blake2b(full.encode(), digest_size=4).hexdigest()
    kept = full.encode()[: _NAME_BYTES - len(mark) - len(kind) - 2].decode(errors="ignore")
    return f"{kept}_{mark}_{kind}"
