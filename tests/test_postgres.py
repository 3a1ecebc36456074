"""Loads of PostgreSQL: what is there afterwards."""

from __future__ import annotations

import json

import polars as pl
import pytest
from loads import at, load
from runs import SCENARIOS, run
from server import Server, name_of

from polargen.blocks import blocks_of
from polargen.database import Database
from polargen.database_set import DatabaseSet, verify_database
from polargen.errors import (
    ConfigError,
    GuardError,
    LimitError,
    TargetError,
    VerificationError,
)
from polargen.runs import runs
from polargen.schema import TABLES


def schemas(server: Server, database: Database) -> list[str]:
    """Return the schemas that are not PostgreSQL's own."""
    return server.query(
        name_of(database),
        "SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema|public)' "
        "ORDER BY 1",
    )


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_load__keeps_every_constraint_and_rule(
    server: Server, database: Database, scenario: str
) -> None:
    result = load(database, scenario, end="2024-01-31")
    name = name_of(database)
    assert schemas(server, database) == ["mock_data"]
    for table, rows in result.record_counts.items():
        assert server.query(name, f"SELECT count(*) FROM mock_data.{table}") == [str(rows)]
    kinds = server.query(
        name,
        "SELECT contype, count(*), bool_and(convalidated) FROM pg_constraint WHERE contype <> 'n' "
        "AND connamespace = 'mock_data'::regnamespace AND conrelid::regclass::text NOT LIKE "
        "'%polargen_runs' GROUP BY 1 ORDER BY 1",
    )
    counts = {kind: int(count) for kind, count, _ in (line.split("|") for line in kinds)}
    assert all(line.endswith("|t") for line in kinds)
    references = sum(len(table.foreign_keys) for table in TABLES.values())
    uniques = sum(
        sum(c.unique for c in t.columns) + len(t.unique_together) for t in TABLES.values()
    )
    assert (counts["p"], counts["f"]) == (len(TABLES), references)
    assert counts["u"] == uniques
    assert counts["c"] > 100
    report = verify_database(database)
    assert report.failed == []


def test_load__holds_exactly_the_generated_rows(database: Database) -> None:
    load(database, "anomaly-heavy", end="2024-01-31")
    made = run("anomaly-heavy", end="2024-01-31")
    session = database.connect()
    data = DatabaseSet(session, runs(session)[0])
    for name, table in TABLES.items():
        got = pl.concat(data.read(table, block) for block in blocks_of(data.plan))
        assert got.schema == table.polars_schema
        got, want = got.sort(table.primary_key), made[name].sort(table.primary_key)
        for column in table.columns:
            if column.kind == "json":  # jsonb keeps the value, not its blanks and order
                texts = zip(got[column.name], want[column.name], strict=True)
                assert all(json.loads(a) == json.loads(b) for a, b in texts)
            else:
                assert got[column.name].equals(want[column.name]), (name, column.name)
    session.close()


def test_load__with_two_workers_holds_the_same(server: Server) -> None:
    one, two = server.new(), server.new()
    asked = {"end": "2024-03-30", "multiplier": 12.0}
    load(one, **asked)
    load(two, how={"workers": 2}, **asked)
    count = "SELECT {}, sum(hashtext(t::text)) FROM mock_data.{} t"
    for name in TABLES:
        text = count.format("count(*)", name)
        assert server.query(name_of(one), text) == server.query(name_of(two), text), name


def test_load__of_invalid_data_leaves_out_what_is_broken_on_purpose(database: Database) -> None:
    changes = {"anomalyConfig.rate": 0.3, "anomalyConfig.types": ["invalid_data"]}
    load(database, changes={"anomalyRate": 0.3, **changes}, end="2024-02-28")
    assert verify_database(database).failed == []


def test_load__replaces_the_data_and_keeps_a_record_of_each_run(
    server: Server, database: Database
) -> None:
    first, second = load(database, seed=1), load(database, seed=2)
    runs = "SELECT job_id, seed, replaced_at IS NULL FROM mock_data.polargen_runs ORDER BY 2"
    assert server.query(name_of(database), runs) == [
        f"{first.job_id}|1|f",
        f"{second.job_id}|2|t",
    ]


def test_load__of_some_tables_leaves_out_the_others(server: Server, database: Database) -> None:
    load(database)
    load(database, how={"tables": ("orders", "companies")})
    tables = "SELECT relname FROM pg_stat_user_tables WHERE schemaname = 'mock_data' ORDER BY 1"
    assert server.query(name_of(database), tables) == ["companies", "orders", "polargen_runs"]
    with pytest.raises(ConfigError, match="no table users; rules join all tables"):
        verify_database(database)


def test_load__unlogged(server: Server) -> None:
    database = Database(server.new().url, unlogged=True)
    load(database)
    kinds = "SELECT DISTINCT relpersistence FROM pg_class WHERE relname = 'orders'"
    assert server.query(name_of(database), kinds) == ["u"]


def test_load__of_more_than_the_limit_is_refused(database: Database) -> None:
    with pytest.raises(LimitError, match="the limit is 10,000,000"):
        load(database, end="2024-12-31", multiplier=1000.0)


def test_verify__finds_a_changed_row(server: Server, database: Database) -> None:
    load(database)
    name = name_of(database)
    server.query(name, "UPDATE mock_data.orders SET subtotal = subtotal + 1 WHERE order_id = 7")
    assert verify_database(database).failed == ["R12", "R14", "D04"]
    server.query(
        name,
        "INSERT INTO mock_data.users SELECT 10^9, 'a@b.c', display_name, photo_url, role, "
        "is_active, created_at, updated_at FROM mock_data.users LIMIT 1",
    )
    with pytest.raises(VerificationError, match="users: 21 rows are there, 20 of them with keys"):
        verify_database(database)


def test_verify__of_an_empty_database_says_so(database: Database) -> None:
    with pytest.raises(ConfigError, match="mock_data holds no data set of polargen"):
        verify_database(database)


def _ignored(value: object) -> None:
    """Drop a value."""


def test_foreign_table__that_comes_during_a_load_is_never_touched(
    server: Server, database: Database
) -> None:
    load(database, seed=1)
    name = name_of(database)

    def appear() -> None:
        server.query(name, "CREATE TABLE mock_data.mine AS SELECT 1 AS x")

    with pytest.raises(TargetError, match=r"holds what polargen did not make \(mine\)"):
        load(database, seed=2, hear=at("validating", appear))
    assert server.query(name, "SELECT x FROM mock_data.mine") == ["1"]
    assert server.query(name, "SELECT seed FROM mock_data.polargen_runs") == ["1"]
    with pytest.raises(GuardError, match="foreign objects: 1 that polargen did not make"):
        load(database)


def test_two_loads__at_once_never_interleave(server: Server, database: Database) -> None:
    said = []

    def second() -> None:
        with pytest.raises(TargetError, match="another run loads mock_data") as caught:
            load(database, seed=2)
        said.append(str(caught.value))

    load(database, seed=1, hear=at("validating", second))
    assert len(said) == 1
    runs = "SELECT seed FROM mock_data.polargen_runs"
    assert server.query(name_of(database), runs) == ["1"]


def test_two_schemas__can_be_loaded_at_once(server: Server, database: Database) -> None:
    other = Database(database.url, "mock_data_b")
    load(database, seed=1, hear=at("validating", lambda: _ignored(load(other, seed=2))))
    assert schemas(server, database) == ["mock_data", "mock_data_b"]
    assert verify_database(other).failed == []
