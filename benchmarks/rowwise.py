"""The same tables loaded row by row with psycopg, as users would write it.

``python -m benchmarks.rowwise HOW URL SCHEMA`` prints JSON: rows, cells, seconds and CPU seconds.
HOW is executemany, or copy. The rows of a schema that polargen loaded are read into Python objects,
the tables are emptied, and the rows go back into them, parents first, in one transaction; only
that is counted.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from polargen.ddl import name, where
from polargen.schema import TABLES

HOWS = ("executemany", "copy")
Rows = Sequence[tuple[Any, ...]]


def main() -> None:
    """Load and print JSON."""
    import psycopg

    how, url, schema = sys.argv[1:]
    with psycopg.connect(url) as session:
        session.execute("SET synchronous_commit = off")
        rows = {table: _read(session, where(schema, table)) for table in TABLES}
        session.execute(f"TRUNCATE {', '.join(where(schema, table) for table in TABLES)}")
        session.commit()
        started, cpu = time.perf_counter(), time.process_time()
        {"executemany": executemany, "copy": copy}[how](session, schema, rows)
        session.commit()
        wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    cells = sum(len(found) * len(TABLES[table].columns) for table, found in rows.items())
    count = sum(map(len, rows.values()))
    print(json.dumps({"rows": count, "cells": cells, "wall_s": wall, "client_cpu_s": cpu}))


def executemany(session: Any, schema: str, tables: Mapping[str, Rows]) -> None:
    """Insert rows by parametrised statements; psycopg sends many before it waits."""
    for table, rows in tables.items():
        places = ", ".join(["%s"] * len(TABLES[table].columns))
        statement = f"INSERT INTO {where(schema, table)} ({_names(table)}) VALUES ({places})"
        with session.cursor() as cursor:
            cursor.executemany(statement, rows)


def copy(session: Any, schema: str, tables: Mapping[str, Rows]) -> None:
    """Write rows one by one into a COPY a table."""
    for table, rows in tables.items():
        statement = f"COPY {where(schema, table)} ({_names(table)}) FROM STDIN"
        with session.cursor() as cursor, cursor.copy(statement) as copying:
            for row in rows:
                copying.write_row(row)


def _names(table: str) -> str:
    return ", ".join(name(column.name) for column in TABLES[table].columns)


def _read(session: Any, table: str) -> Rows:
    """Return a table's rows as psycopg takes them back."""
    from psycopg.types.json import Jsonb

    cursor = session.execute(f"SELECT * FROM {table}")
    jsonb = {place for place, column in enumerate(cursor.description) if column.type_code == 3802}
    return [
        tuple(
            Jsonb(value) if place in jsonb and value is not None else value
            for place, value in enumerate(row)
        )
        for row in cursor
    ]


if __name__ == "__main__":
    main()
