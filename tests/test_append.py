"""Runs that are appended to others, and keys that are uuids: no collision, every rule kept."""

from __future__ import annotations

import uuid

import polars as pl
import pytest
from loads import load
from runs import run
from server import Server, name_of

from polargen.blocks import blocks_of, last_key
from polargen.database import Database
from polargen.database_set import DatabaseSet, make_wanted, verify_database
from polargen.errors import ConfigError, GuardError, VerificationError
from polargen.runs import runs
from polargen.schema import TABLES

ASKED = {"start": "2024-01-01", "end": "2024-01-31"}


def changed(database: Database, **values: object) -> Database:
    from dataclasses import replace

    return replace(database, **values)  # type: ignore[arg-type]


def counts(server: Server, database: Database) -> dict[str, int]:
    """Return the rows of each table."""
    text = " UNION ALL ".join(f"SELECT '{name}', count(*) FROM mock_data.{name}" for name in TABLES)
    lines = server.query(name_of(database), text)
    return {name: int(rows) for name, rows in (line.split("|") for line in lines)}


def test_uuid_keys__hold_the_same_rows_and_every_rule(server: Server, database: Database) -> None:
    uuids = changed(database, id_type="uuid")
    load(uuids, "anomaly-heavy", **ASKED)
    made = run("anomaly-heavy", **ASKED)
    session = database.connect()
    data = DatabaseSet(session, runs(session)[0])
    make_wanted(session)
    for name, table in TABLES.items():
        got = pl.concat(data.read(table, block) for block in blocks_of(data.plan))
        got, want = got.sort(table.primary_key), made[name].sort(table.primary_key)
        for column in table.columns:
            if column.kind != "json":  # jsonb keeps the value, not its blanks and order
                assert got[column.name].equals(want[column.name]), (name, column.name)
    session.close()
    assert verify_database(uuids).failed == []


def test_uuid_keys__are_the_type_of_every_key_and_reference(
    server: Server, database: Database
) -> None:
    load(changed(database, id_type="uuid"))
    lines = server.query(
        name_of(database),
        "SELECT table_name || '.' || column_name FROM information_schema.columns "
        "WHERE table_schema = 'mock_data' AND data_type = 'uuid'",
    )
    keys = {f"{t.name}.{c.name}" for t in TABLES.values() for c in t.columns if t.is_key(c)}
    assert set(lines) == keys
    item = server.query(
        name_of(database),
        "SELECT bool_and(i.order_item_id IS NOT NULL), count(*) > 0 FROM mock_data.refunds r, "
        "jsonb_array_elements(returned_items) e LEFT JOIN mock_data.order_items i "
        "ON i.order_item_id = (e->>'order_item_id')::uuid",
    )
    assert item == ["t|t"] or item == ["|f"]


@pytest.mark.parametrize("id_type", ["bigint", "uuid"])
def test_append__adds_whole_runs_that_never_collide(
    server: Server, database: Database, id_type: str
) -> None:
    """Also of the same seed: every unique rule of the schema stands, PostgreSQL has proven it."""
    load(changed(database, id_type=id_type), **ASKED, seed=5)
    first = counts(server, database)
    more = changed(database, load_mode="append")
    load(more, **ASKED, seed=5)
    load(more, "anomaly-heavy", **ASKED, seed=6)
    session = database.connect()
    loads = runs(session)
    assert [(item.number, item.load_mode, item.live) for item in loads] == [
        (1, "replace", True),
        (2, "append", True),
        (3, "append", True),
    ]
    session.close()
    now = counts(server, database)
    assert now["orders"] == 3 * first["orders"]
    assert now["products"] == 3 * first["products"]
    assert verify_database(database).failed == []
    numbers = server.query(
        name_of(database), "SELECT DISTINCT split_part(order_number, '-', 1) FROM mock_data.orders"
    )
    assert sorted(numbers) == ["SO", "SO2", "SO3"]


def test_append__leaves_earlier_rows_as_they_were(server: Server, database: Database) -> None:
    load(database, seed=1)
    total = "SELECT count(*), sum(hashtext(t::text)) FROM mock_data.{0} t WHERE {1} <= {2}"
    largest = {
        name: server.query(
            name_of(database), f"SELECT max({table.primary_key}) FROM mock_data.{name}"
        )[0]
        for name, table in TABLES.items()
    }
    texts = {
        name: total.format(name, table.primary_key, largest[name] or 0)
        for name, table in TABLES.items()
    }
    before = {name: server.query(name_of(database), text) for name, text in texts.items()}
    load(changed(database, load_mode="append"), seed=2)
    assert {n: server.query(name_of(database), t) for n, t in texts.items()} == before


def test_append__proves_its_rows_before_they_are_inserted(database: Database) -> None:
    load(database, seed=1)
    result = load(changed(database, load_mode="append"), seed=2, how={"verify": True})
    assert result.report is not None
    assert result.report.failed == []


def test_append__with_nothing_there_is_refused(server: Server, database: Database) -> None:
    with pytest.raises((GuardError, ConfigError), match="replace"):
        load(changed(database, load_mode="append"))
    assert server.query(name_of(database), "SELECT nspname FROM pg_namespace "
                        "WHERE nspname LIKE 'mock%'") == []  # fmt: skip


def test_append__of_invalid_data_to_strict_tables_is_refused(database: Database) -> None:
    load(database, seed=1)
    changes = {"anomalyConfig.rate": 0.3, "anomalyConfig.types": ["invalid_data"]}
    with pytest.raises(ConfigError, match=r"companies\.name.*--load-mode replace"):
        load(changed(database, load_mode="append"), changes={"anomalyRate": 0.3, **changes})


def test_replace__after_appends_begins_anew(server: Server, database: Database) -> None:
    load(database, seed=1)
    load(changed(database, load_mode="append"), seed=2)
    load(database, seed=3)
    assert counts(server, database)["companies"] == 100
    assert verify_database(database).failed == []


def test_verify__sees_a_row_that_belongs_to_no_run(server: Server, database: Database) -> None:
    load(database, seed=1)
    load(changed(database, load_mode="append"), seed=2)
    server.query(
        name_of(database),
        "INSERT INTO mock_data.audit_logs SELECT 900000000, user_id, action, entity_type, "
        "entity_id, details, ip_address, created_at FROM mock_data.audit_logs LIMIT 1",
    )
    with pytest.raises(VerificationError, match="audit_logs"):
        verify_database(database)


@pytest.mark.parametrize("scenario", ["anomaly-heavy", "peak-season"])
def test_keys__stay_below_what_a_run_is_promised(scenario: str) -> None:
    """Later runs begin above: a larger key would collide with theirs."""
    changes = {"anomalyConfig.types": ["duplicate_orders", "delivery_delay"]}
    made = run(scenario, changes, **ASKED)
    for name, table in TABLES.items():
        largest = made[name][table.primary_key].max() or 0
        assert largest <= last_key(made.plan, name), name


def test_uuid_texts__are_what_python_reads(server: Server, database: Database) -> None:
    load(changed(database, id_type="uuid"))
    text = server.query(name_of(database), "SELECT order_id FROM mock_data.orders LIMIT 1")[0]
    assert uuid.UUID(text).version == 4


def test_texts__are_no_longer_than_declared(server: Server, database: Database) -> None:
    """Narrow columns of an application are taken on this word."""
    load(database, seed=1)
    for _ in range(10):
        load(changed(database, load_mode="append"), seed=2)
    for name, table in TABLES.items():
        for column in table.columns:
            if column.longest is not None:
                text = f"SELECT max(length({column.name})) FROM mock_data.{name}"
                assert int(server.query(name_of(database), text)[0] or 0) <= column.longest
