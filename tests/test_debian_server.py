"""Debian's PostgreSQL: a load, a verification, a replacement and an append, with views.

`.ci/run` installs the server and says where its programs are. To run this elsewhere:
``DEBIAN_POSTGRESQL=/usr/lib/postgresql/15/bin python -m pytest -m debian``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from loads import load
from server import Server, another, name_of

from polargen.database import Database
from polargen.database_set import verify_database
from polargen.guard_database import checks_of
from polargen.schema import TABLES

VARIABLE = "DEBIAN_POSTGRESQL"
WHEEL_SERVER = 18

pytestmark = pytest.mark.debian


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A cluster of its own, from Debian's programs."""
    programs = Path(os.environ.get(VARIABLE, ""))
    if not (programs / "initdb").is_file():
        pytest.fail(f"{VARIABLE} must name the folder of Debian's initdb, postgres and psql")
    owner = "postgres" if os.geteuid() == 0 else None  # the package makes this user
    with another(programs, owner) as found:
        yield found


@pytest.fixture
def database(server: Server, monkeypatch: pytest.MonkeyPatch) -> Database:
    """An empty database."""
    monkeypatch.setenv("MOCK_DATA_ENABLED", "true")
    return server.new()


def test_debians_server__is_another_one_than_the_wheels(server: Server) -> None:
    version = "SELECT current_setting('server_version_num')::int / 10000, version() ~ 'Debian'"
    number, is_debian = server.query("postgres", version)[0].split("|")
    assert int(number) < WHEEL_SERVER
    assert is_debian == "t"


def test_load__is_verified_replaced_and_added_to(server: Server, database: Database) -> None:
    name = name_of(database)
    server.query("postgres", "CREATE ROLE reader LOGIN")
    shared = replace(database, views="camel", grants=("reader",))
    assert {check.result for check in checks_of(shared, os.environ)} == {"ok"}
    load(shared, "anomaly-heavy", seed=1, end="2024-01-31", how={"verify": True})
    assert verify_database(database).failed == []
    first = server.dump(name, "mock_data")
    load(shared, "anomaly-heavy", seed=1, end="2024-01-31", how={"workers": 2})
    assert len(server.dump(name, "mock_data")) == len(first) + 1  # the second run's record
    view = 'SELECT count("orderId") > 0 FROM mock_data_camel.orders'
    assert server.query(name, view, "reader") == ["t"]
    rows = "SELECT count(*) FROM mock_data.orders"
    before = server.query(name, rows)
    result = load(replace(database, load_mode="append"), seed=2, how={"verify": True})
    after = server.query(name, rows)
    assert int(after[0]) == int(before[0]) + result.record_counts["orders"]
    assert verify_database(database).failed == []
    proven = server.query(
        name,
        "SELECT count(*), bool_and(convalidated) FROM pg_constraint WHERE contype = 'f' "
        "AND connamespace = 'mock_data'::regnamespace",
    )
    references = sum(len(table.foreign_keys) for table in TABLES.values())
    assert proven == [f"{references}|t"]


def test_load__of_uuid_keys(server: Server, database: Database) -> None:
    load(replace(database, id_type="uuid", unlogged=True), how={"verify": True})
    kind = "SELECT format_type(atttypid, NULL) FROM pg_attribute WHERE attname = 'order_id' "
    of_orders = "AND attrelid = 'mock_data.orders'::regclass"
    assert server.query(name_of(database), kind + of_orders) == ["uuid"]
