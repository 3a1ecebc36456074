"""Rows as binary COPY takes them: what PostgreSQL reads from every kind of column."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
from server import name_of, server

from polargen import ddl
from polargen.schema import Column, Table
from polargen.sinks.rows import copy_rows

_STATUSES = ("Open", "Closed")
_TABLE = Table(
    "things",
    "things",
    "One column of every kind.",
    "id",
    (
        Column("id", "key", "Key."),
        Column("number", "int", "Whole.", True),
        Column("price", "money", "EGP.", True),
        Column("total", "money_total", "EGP.", True),
        Column("ratio", "float", "Real.", True),
        Column("flag", "bool", "Truth.", True),
        Column("at", "instant", "When.", True),
        Column("day", "date", "Day.", True),
        Column("status", "enum", "State.", True, values=_STATUSES),
        Column("note", "label", "Remark.", True),
        Column("name", "text", "Name.", True),
        Column("details", "json", "Facts.", True),
        Column("days", "ints", "Weekdays."),
        Column("states", "enums", "States.", values=_STATUSES),
        Column(
            "history",
            "structs",
            "Steps.",
            fields=(Column("status", "enum", "State.", values=_STATUSES),),
        ),
    ),
)
# Values after the key, and what PostgreSQL shows of them; \N is null.
_ROWS: dict[str, tuple[Any, ...]] = {
    r"\N|\N|\N|\N|\N|\N|\N|\N|\N|\N|\N|{}|[]|[]": (*(None,) * 11, [], [], []),
    "0|0.00|0.00|0|f|1970-01-01 00:00:00+00|1970-01-01|Open|||{}|{1}|"
    '["Open"]|[{"status": "Open"}]': (
        *(0, Decimal("0.00"), Decimal("0.00"), 0.0, False),
        *(datetime(1970, 1, 1), date(1970, 1, 1), "Open", "", "", "{}"),
        *([1], ["Open"], [{"status": "Open"}]),
    ),
    "-2147483648|-9999999999.99|-9999999999999999.99|-1.5|t|1999-12-31 23:59:59.999999+00|"
    '1999-12-31|Closed|é|ل|{"a": "ل"}|{1,127,-128}|["Closed", "Open"]|'
    '[{"status": "Closed"}, {"status": "Open"}]': (
        *(-(1 << 31), Decimal("-9999999999.99"), Decimal("-9999999999999999.99"), -1.5, True),
        *(datetime(1999, 12, 31, 23, 59, 59, 999999), date(1999, 12, 31), "Closed", "é", "ل"),
        *('{"a": "ل"}', [1, 127, -128], ["Closed", "Open"]),
        [{"status": "Closed"}, {"status": "Open"}],
    ),
    "2147483647|9999999999.99|9999999999999999.99|0.1|t|2262-04-11 23:47:16.854775+00|"
    '2262-04-11|Open|a|b|{"a": 1}|{}|[]|[]': (
        *((1 << 31) - 1, Decimal("9999999999.99"), Decimal("9999999999999999.99"), 0.1, True),
        *(datetime(2262, 4, 11, 23, 47, 16, 854775), date(2262, 4, 11), "Open", "a", "b"),
        *('{"a":1}', [], [], []),
    ),
}
_AMOUNTS = [
    "0.01",
    "0.10",
    "0.99",
    "1.00",
    "-0.01",
    "-1.00",
    "12.30",
    "99.99",
    "9999.00",
    "9999.99",
    "10000.00",
    "10000.01",
    "100000000.00",
    "-10000.00",
    "-123456789.05",
    "100000000.01",
    "1000000.00",
]
_REPEATS = 1250  # several steps of the driver, that end within the pattern


def _loaded(rows: list[tuple[Any, ...]], shown: str) -> list[str]:
    """Return what psql shows of rows that were copied."""
    columns = zip(*rows, strict=True)
    arrays = [
        pa.array(values, _plain(column)).cast(column.arrow_type)
        for column, values in zip(_TABLE.columns, columns, strict=True)
    ]
    arrow = pa.Table.from_arrays(arrays, names=[column.name for column in _TABLE.columns])
    database = server().new()
    session = database.connect()
    session.execute("CREATE SCHEMA s")
    session.execute(ddl.create_table("s", _TABLE))
    assert session.copy("s", "things", copy_rows(_TABLE, arrow)) == len(rows)
    session.close()
    return server().query(name_of(database), f"COPY ({shown}) TO STDOUT (DELIMITER '|')")


def _plain(column: Column) -> pa.DataType:
    """Return the type from which Arrow casts to a column's."""
    plain = {"enum": pa.string(), "label": pa.string(), "json": pa.string()}
    return plain.get(column.kind, column.arrow_type)


def test_copy__keeps_every_value_of_every_kind() -> None:
    values = [row for _ in range(_REPEATS) for row in _ROWS.values()]
    listed = ", ".join(column.name for column in _TABLE.columns[1:])
    got = _loaded(
        [(number, *row) for number, row in enumerate(values)],
        f"SELECT id, {listed} FROM s.things ORDER BY id",
    )
    want = [row for _ in range(_REPEATS) for row in _ROWS]
    assert got == [f"{number}|{row}" for number, row in enumerate(want)]


def test_copy__keeps_every_amount() -> None:
    empty = next(iter(_ROWS.values()))
    rows = [
        (number, None, Decimal(amount), Decimal(amount), *empty[3:])
        for number, amount in enumerate(_AMOUNTS)
    ]
    got = _loaded(rows, "SELECT price, total FROM s.things ORDER BY id")
    assert got == [f"{amount}|{amount}" for amount in _AMOUNTS]
