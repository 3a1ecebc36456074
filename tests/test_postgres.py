"""Loads of PostgreSQL: what is there afterwards, and what is not after a fault."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest
from loads import STAGES, at, load
from runs import SCENARIOS, run
from server import PASSWORD, Server, name_of
from server import server as started

from polargen.blocks import blocks_of
from polargen.database import Database
from polargen.database_set import DatabaseSet, verify_database
from polargen.errors import (
    ConfigError,
    GuardError,
    Interrupted,
    LimitError,
    PolargenError,
    TargetError,
    VerificationError,
)
from polargen.runs import runs
from polargen.schema import TABLES

HERE = Path(__file__).parent


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    """A real server; loads are enabled."""
    monkeypatch.setenv("MOCK_DATA_ENABLED", "true")
    return started()


@pytest.fixture
def database(server: Server) -> Iterator[Database]:
    """An empty database."""
    made = server.new()
    yield made
    server.drop(made)


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


def _end_all(server: Server, database: Database) -> Callable[[], None]:
    text = (
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = "
        f"'{name_of(database)}' AND application_name LIKE 'polargen%'"
    )
    return lambda: _ignored(server.query(name_of(database), text))


def _ignored(value: object) -> None:
    """Drop a value."""


def _interrupt() -> None:
    raise KeyboardInterrupt


def _kill(database: Database, stage: str) -> None:
    """Load in a process of its own that is killed at a stage."""
    done = subprocess.run(
        [sys.executable, str(HERE / "loads.py"), database.url, stage, "2"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])},
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == -9, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("fault", ["sessions end", "Ctrl-C", "killed", "server restarts"])
def test_fault__leaves_the_old_data_and_nothing_else(
    server: Server, database: Database, stage: str, fault: str
) -> None:
    load(database, seed=1)
    before = server.dump(name_of(database), "mock_data")
    if fault == "killed":
        _kill(database, stage)
    else:
        act = {
            "sessions end": _end_all(server, database),
            "Ctrl-C": _interrupt,
            "server restarts": server.restart,
        }[fault]
        with pytest.raises((TargetError, Interrupted)) as caught:
            load(database, seed=2, hear=at(stage, act), how={"verify": True})
        assert PASSWORD not in str(caught.value)
        assert schemas(server, database) == ["mock_data"]
    assert server.dump(name_of(database), "mock_data") == before
    load(database, seed=3)  # a killed run cannot clean up; the next one does
    assert schemas(server, database) == ["mock_data"]


def test_fault__of_a_worker_is_told_and_rolled_back(server: Server, database: Database) -> None:
    load(database, seed=1)
    before = server.dump(name_of(database))

    def end_workers() -> None:
        children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
        for child in children:
            if b"polargen.executors" in Path(f"/proc/{child}/cmdline").read_bytes():
                os.kill(int(child), 9)

    with pytest.raises(PolargenError, match="a worker process died"):
        load(
            database,
            seed=2,
            multiplier=60.0,
            end="2024-03-30",
            how={"workers": 2},
            hear=at("generating audit_logs", end_workers),
        )
    assert server.dump(name_of(database)) == before


def test_broken_rows__fail_the_load_and_leave_the_old_data(
    server: Server, database: Database
) -> None:
    load(database, seed=1)
    before = server.dump(name_of(database))

    def twice() -> None:
        staging = schemas(server, database)[1]
        users = f'"{staging}".users'
        server.query(name_of(database), f"INSERT INTO {users} SELECT * FROM {users} LIMIT 1")

    with pytest.raises(TargetError, match="could not create unique index"):
        load(database, seed=2, hear=at("validating", twice))
    assert server.dump(name_of(database)) == before


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
