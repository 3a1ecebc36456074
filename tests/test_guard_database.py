"""The safety guard of database loads: dangerous situations, and what each is refused for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from loads import load
from server import PASSWORD, Server, name_of
from server import server as started

from polargen import state
from polargen.database import Database
from polargen.errors import ConfigError, GuardError, TargetError
from polargen.guard import says_production
from polargen.guard_database import check_database_write, failures_of

ON = {"MOCK_DATA_ENABLED": "true"}


@dataclass(frozen=True)
class Danger:
    """A dangerous situation.

    Attributes:
        check: that must refuse.
        says: part of its reason.
        environment: beside MOCK_DATA_ENABLED=true.
        schema: target.
        before: SQL that makes the situation; {db} is the database's name.
        user: who connects.
    """

    check: str
    says: str
    environment: Mapping[str, str] | None = None
    schema: str = "mock_data"
    before: str = ""
    user: str = "postgres"


DANGERS = {
    "NODE_ENV": Danger("environment", "NODE_ENV", {"NODE_ENV": "production"}),
    "POLARGEN_ENV": Danger("environment", "POLARGEN_ENV", {"POLARGEN_ENV": "production"}),
    "APP_ENV": Danger("environment", "APP_ENV", {"APP_ENV": "production"}),
    "ENVIRONMENT": Danger("environment", "ENVIRONMENT", {"ENVIRONMENT": "production"}),
    "prod": Danger("environment", "'prod'", {"NODE_ENV": "prod"}),
    "PROD": Danger("environment", "'PROD'", {"APP_ENV": "PROD"}),
    "Production with blanks": Danger("environment", "Production", {"ENVIRONMENT": " Production\n"}),
    "quoted": Danger("environment", "prod", {"NODE_ENV": '"prod"'}),
    "with a region": Danger("environment", "prod-eu", {"APP_ENV": "prod-eu-1"}),
    "with a prefix": Danger("environment", "eu_production2", {"APP_ENV": "eu_production2"}),
    "full width": Danger("environment", "ｐｒｏｄ", {"NODE_ENV": "ｐｒｏｄ"}),
    "no toggle": Danger("toggle", "is not set", {"MOCK_DATA_ENABLED": ""}),
    "toggle off": Danger("toggle", "'false'", {"MOCK_DATA_ENABLED": "false"}),
    "toggle 1": Danger("toggle", "'1'", {"MOCK_DATA_ENABLED": "1"}),
    "public": Danger("schema", "'public'", schema="public"),
    "pg_catalog": Danger("schema", "'pg_catalog'", schema="pg_catalog"),
    "like mock_data": Danger("schema", "'mock_database'", schema="mock_database"),
    "other case": Danger("schema", "'Mock_Data'", schema="Mock_Data"),
    "staging": Danger("schema", "mock_data__job-1", schema="mock_data__job-1"),
    "SQL in the schema": Danger("schema", "DROP", schema='mock_data"; DROP SCHEMA public; --'),
    "newline": Danger("schema", "mock_data", schema="mock_data\n"),
    "long": Danger("schema", "aaaa", schema="mock_data_" + "a" * 50),
    "empty": Danger("schema", "''", schema=""),
    "protected database": Danger("protected", "(test_*)", {"POLARGEN_PROTECTED": "x,test_*"}),
    "protected place": Danger("protected", "(*/TEST", {"POLARGEN_PROTECTED": "*/TEST_?*"}),
    "protected host": Danger("protected", "polargen-pg", {"POLARGEN_PROTECTED": "*polargen-pg*"}),
    "foreign table": Danger(
        "foreign objects",
        "orders",
        before="CREATE SCHEMA mock_data; CREATE TABLE mock_data.orders (x int)",
    ),
    "foreign view": Danger(
        "foreign objects",
        "v",
        before="CREATE SCHEMA mock_data; CREATE VIEW mock_data.v AS SELECT 1 AS x",
    ),
    "foreign function": Danger(
        "foreign objects",
        "f()",
        before="CREATE SCHEMA mock_data; CREATE FUNCTION mock_data.f() RETURNS int "
        "LANGUAGE sql AS 'SELECT 1'",
    ),
    "forged table comment": Danger(
        "foreign objects",
        "orders",
        before="CREATE SCHEMA mock_data; CREATE TABLE mock_data.orders (x int); "
        "COMMENT ON TABLE mock_data.orders IS 'Orders. Made by polargen.'",
    ),
    "no right to create": Danger("privilege", "cannot create schemas", user="nobody_special"),
    "schema of another": Danger(
        "privilege", "belongs to postgres", before="CREATE SCHEMA mock_data", user="nobody_special"
    ),
    "read only": Danger(
        "read-only", "takes no writes",
        before="ALTER DATABASE {db} SET default_transaction_read_only = on",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Server:
    """A real server, with a user without rights."""
    found = started()
    found.query("postgres", "CREATE ROLE nobody_special LOGIN")
    return found


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state folder in which nothing is stored."""
    monkeypatch.setenv(state.HOME_VARIABLE, str(tmp_path))


@pytest.mark.parametrize("danger", DANGERS.values(), ids=list(DANGERS))
def test_danger__is_refused_for_the_right_reason(server: Server, danger: Danger) -> None:
    database = server.new()
    name = name_of(database)
    if danger.before:
        server.query(name, danger.before.format(db=name))
    target = Database(server.url(name, danger.user), danger.schema)
    environment = {**ON, **(danger.environment or {})}
    found = [failure for failure in failures_of(target, environment) if failure.severity == "error"]
    assert {failure.check for failure in found} == (
        {danger.check} if danger.user == "postgres" else {"privilege"}
    )
    assert any(danger.says in failure.reason for failure in found)
    assert all(failure.remedy for failure in found)
    before = "" if "read_only" in danger.before else server.dump(name)
    with pytest.raises(GuardError) as caught:
        check_database_write(target, environment)
    assert PASSWORD not in str(caught.value)
    assert before == ("" if "read_only" in danger.before else server.dump(name))


def test_safe_situation__has_no_failures(server: Server) -> None:
    assert failures_of(server.new(), ON) == []
    assert failures_of(replace(server.new(), schema="mock_data_team_2"), ON) == []


def test_refusal__shows_every_failed_check_at_once(server: Server) -> None:
    database = server.new()
    name = name_of(database)
    server.query(name, "CREATE SCHEMA mock_data; CREATE TABLE mock_data.t (x int)")
    environment = {"NODE_ENV": "prod", "APP_ENV": "Production", "POLARGEN_PROTECTED": name}
    target = Database(server.url(name, "nobody_special"))
    with pytest.raises(GuardError) as caught:
        check_database_write(target, environment)
    assert [failure.check for failure in caught.value.failures] == [
        "environment",
        "environment",
        "toggle",
        "protected",
        "privilege",
        "privilege",
        "foreign objects",
    ]


def test_refusal__of_the_environment_needs_no_server() -> None:
    target = Database(f"postgresql://me:{PASSWORD}@localhost:1/x")
    with pytest.raises(GuardError, match="NODE_ENV") as caught:
        check_database_write(target, {**ON, "NODE_ENV": "prod"})
    assert PASSWORD not in str(caught.value)
    with pytest.raises(TargetError, match="localhost:1/x") as unreachable:
        check_database_write(target, ON)
    assert PASSWORD not in str(unreachable.value)


def test_view_on_loaded_tables__is_never_dropped(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOCK_DATA_ENABLED", "true")
    database = server.new()
    load(database)
    assert failures_of(database, ON) == []
    server.query(name_of(database), "CREATE VIEW public.v AS SELECT * FROM mock_data.orders")
    assert [f.check for f in failures_of(database, ON)] == ["foreign objects"]
    with pytest.raises(GuardError, match=r"public\.v"):
        load(database, seed=2)
    assert server.query(name_of(database), "SELECT count(*) > 0 FROM public.v") == ["t"]


def test_stored_toggle__counts_only_where_the_variable_is_unset(
    server: Server, tmp_path: Path
) -> None:
    database, unset = server.new(), {state.HOME_VARIABLE: str(tmp_path)}
    state.store_toggle(True)
    assert failures_of(database, unset) == []
    said_no = {**unset, "MOCK_DATA_ENABLED": "no"}
    assert [failure.check for failure in failures_of(database, said_no)] == ["toggle"]
    state.store_toggle(False)
    assert [failure.check for failure in failures_of(database, unset)] == ["toggle"]


@pytest.mark.parametrize("text", ["dev", "non-prod", "pre-production", "products", "", "reprod"])
def test_names_that_do_not_mean_production(text: str) -> None:
    assert not says_production(text)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mysql://me:{}@h/x",
        "http://me:{}@h/x",
        "me:{}@h/x",
        "postgresql:me",
    ],
)
def test_url__that_is_none_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ConfigError, match="is no connection string") as caught:
        Database(url.format(PASSWORD))
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql://me:{}@db.example:6543/erp", "db.example:6543/erp"),
        ("postgres://me:{}@[::1]:5432/erp", "[::1]:5432/erp"),
        ("postgresql://me@db/erp?password={}&sslmode=require", "db/erp"),
        ("host=db port=5433 dbname=erp user=me password={}", "db:5433/erp"),
        ("host=db dbname=erp password='{}'", "db/erp"),
        ("postgresql:///erp", "local socket/erp"),
    ],
)
def test_url__shows_its_place_and_never_its_password(url: str, place: str) -> None:
    database = Database(url.format(PASSWORD))
    assert database.place == place
    assert PASSWORD not in repr(database)
    secret = f", password {PASSWORD}" if "{}" in url else ""
    assert PASSWORD not in database.redact(f"could not connect with {database.url}{secret}")


def test_url__with_an_encoded_password_is_redacted_in_both_forms() -> None:
    database = Database("postgresql://me:p%40ss%2Fword@h/x")
    for form in ("p%40ss%2Fword", "p@ss/word"):
        assert form not in database.redact(f"bad password {form} there")
