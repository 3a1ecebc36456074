"""Grants and views of a load: who may read the tables, and under which names."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace

import pytest
from loads import at, load
from server import Server, name_of
from server import server as started

from polargen.database import Database
from polargen.errors import GuardError, TargetError
from polargen.schema import TABLES

ODD = 'odd "one"; --'
ORDERS = (
    "orderId", "orderNumber", "companyId", "branchId", "warehouse", "createdByUserId", "orderDate",
    "deliverySchedule", "deliveryDate", "paymentDueDate", "status", "paymentStatus", "itemCount",
    "subtotal", "itemDiscountTotal", "discountType", "discountValue", "discountAmount", "taxTotal",
    "grandTotal", "paidAt", "daysOverdue", "cancellationReason", "cancelledAt", "deliveryNotes",
    "duplicateOfOrderId", "statusHistory", "createdAt", "updatedAt",
)  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Server:
    """A real server with two roles."""
    found = started()
    found.query("postgres", "CREATE ROLE reader LOGIN; CREATE ROLE stranger LOGIN")
    found.query("postgres", "CREATE ROLE " + '"odd ""one""; --" LOGIN')
    return found


@pytest.fixture
def database(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """An empty database, loaded with views that two roles may read."""
    monkeypatch.setenv("MOCK_DATA_ENABLED", "true")
    made = server.new()
    yield replace(made, views="camel", grants=("reader", ODD))
    server.drop(made)


def schemas(server: Server, database: Database) -> list[str]:
    """Return the schemas that polargen made."""
    text = "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'mock%' ORDER BY 1"
    return server.query(name_of(database), text)


def columns(server: Server, database: Database, relation: str) -> list[str]:
    """Return a relation's columns in their order."""
    return server.query(
        name_of(database),
        f"SELECT attname FROM pg_attribute WHERE attrelid = '{relation}'::regclass "
        "AND attnum > 0 ORDER BY attnum",
    )


def test_views__have_every_table_with_camel_case_columns(
    server: Server, database: Database
) -> None:
    load(database)
    name = name_of(database)
    assert schemas(server, database) == ["mock_data", "mock_data_camel"]
    assert tuple(columns(server, database, "mock_data_camel.orders")) == ORDERS
    for table in TABLES.values():
        view = f"mock_data_camel.{table.name}"
        wanted = [
            re.sub("_([a-z0-9])", lambda found: found[1].upper(), column)
            for column in columns(server, database, f"mock_data.{table.name}")
        ]
        assert columns(server, database, view) == wanted
        difference = f"SELECT count(*) FROM (TABLE mock_data.{table.name} EXCEPT TABLE {view}) d"
        assert server.query(name, difference) == ["0"]
        assert server.query(name, f"SELECT count(*) > 0 FROM {view}") == ["t"]
    reads_as_caller = "SELECT DISTINCT reloptions FROM pg_class WHERE relkind = 'v' AND "
    of_views = "relnamespace = 'mock_data_camel'::regnamespace"
    assert server.query(name, reads_as_caller + of_views) == ["{security_invoker=true}"]


@pytest.mark.parametrize("role", ["reader", ODD])
@pytest.mark.parametrize(
    ("schema", "key"), [("mock_data", "order_id"), ("mock_data_camel", '"orderId"')]
)
def test_granted_role__reads_by_switching_its_schema(
    server: Server, database: Database, role: str, schema: str, key: str
) -> None:
    load(database)
    rows = f"SET search_path = {schema}; SELECT count(*) > 0 FROM orders WHERE {key} > 0"
    assert server.query(name_of(database), rows, role)[-1] == "t"


def test_granted_role__may_only_read_what_was_loaded(server: Server, database: Database) -> None:
    load(database)
    for text, user in (
        ("SELECT * FROM mock_data.orders", "stranger"),
        ("SELECT * FROM mock_data_camel.orders", "stranger"),
        ("SELECT * FROM mock_data.polargen_runs", "reader"),
        ("DELETE FROM mock_data.orders", "reader"),
        ("DELETE FROM mock_data_camel.orders", "reader"),
        ("CREATE TABLE mock_data.x (y int)", "reader"),
        ("CREATE TABLE mock_data_camel.x (y int)", "reader"),
    ):
        with pytest.raises(subprocess.CalledProcessError) as caught:
            server.query(name_of(database), text, user)
        assert "permission denied" in caught.value.stderr, text


def test_next_load__makes_the_views_anew_and_keeps_the_rights_on_their_schema(
    server: Server, database: Database
) -> None:
    load(database, seed=1)
    name = name_of(database)
    server.query(name, "GRANT USAGE ON SCHEMA mock_data_camel TO stranger")
    load(database, seed=2, how={"tables": ("companies", "orders")})
    views = "SELECT relname FROM pg_class WHERE relnamespace = 'mock_data_camel'::regnamespace"
    assert server.query(name, f"{views} AND relkind = 'v' ORDER BY 1") == ["companies", "orders"]
    same = "SELECT count(*) FROM (TABLE mock_data.orders EXCEPT TABLE mock_data_camel.orders) d"
    assert server.query(name, same) == ["0"]
    usage = "SELECT has_schema_privilege('stranger', 'mock_data_camel', 'USAGE')"
    assert server.query(name, usage) == ["t"]


def test_next_load__without_views_leaves_none(server: Server, database: Database) -> None:
    load(database)
    load(replace(database, views=None))
    assert schemas(server, database) == ["mock_data"]


def test_next_load__leaves_what_others_put_beside_the_views(
    server: Server, database: Database
) -> None:
    load(database)
    name = name_of(database)
    server.query(name, "CREATE TABLE mock_data_camel.mine AS SELECT 7 AS x")
    with pytest.raises(GuardError, match="views: 1 that polargen did not make as views stand in"):
        load(database, seed=2)
    load(replace(database, views=None), seed=3)
    assert server.query(name, "SELECT x FROM mock_data_camel.mine") == ["7"]
    left = "SELECT relname FROM pg_class WHERE relnamespace = 'mock_data_camel'::regnamespace"
    assert server.query(name, left) == ["mine"]


def test_view_on_a_view__is_never_dropped(server: Server, database: Database) -> None:
    load(database)
    name = name_of(database)
    server.query(name, "CREATE VIEW public.v AS SELECT * FROM mock_data_camel.orders")
    before = server.dump(name)
    for again in (database, replace(database, views=None)):
        with pytest.raises(GuardError, match=r"foreign objects: 1 .*: public\.v"):
            load(again, seed=2)
    assert server.dump(name) == before


def test_role__that_goes_during_a_load_leaves_the_old_views_and_data(
    server: Server, database: Database
) -> None:
    load(database, seed=1)
    name = name_of(database)
    before = server.dump(name)
    server.query("postgres", "CREATE ROLE passing")

    def leave() -> None:
        server.query("postgres", "DROP ROLE passing")

    with pytest.raises(TargetError, match='role "passing" does not exist') as caught:
        load(replace(database, grants=("passing",)), seed=2, hear=at("writing swap", leave))
    assert caught.value.exit_code == 4
    assert server.dump(name) == before


def test_appended_rows__are_in_the_views(server: Server, database: Database) -> None:
    load(database, seed=1)
    name = name_of(database)
    before = server.query(name, "SELECT count(*) FROM mock_data_camel.orders")
    load(replace(database, views=None, load_mode="append", grants=("stranger",)), seed=2)
    after = server.query(name, "SELECT count(*) FROM mock_data_camel.orders", "reader")
    assert int(after[0]) > int(before[0])
    assert server.query(name, "SELECT count(*) FROM mock_data.orders", "stranger") == after


def test_other_schema__has_views_of_its_own(server: Server, database: Database) -> None:
    other = replace(database, schema="mock_data_team_2")
    load(database)
    load(other)
    load(replace(database, views=None))
    wanted = ["mock_data", "mock_data_team_2", "mock_data_team_2_camel"]
    assert schemas(server, database) == wanted
