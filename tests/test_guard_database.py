"""The safety guard of database loads: dangerous situations, and what each is refused for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from loads import load
from server import PASSWORD, Server, another, name_of, small_disk, standby
from server import server as started

from polargen import ddl, guard_server, state
from polargen.cli.app import main
from polargen.database import Database
from polargen.errors import ConfigError, GuardError, TargetError
from polargen.guard import says_production
from polargen.guard_database import Needs, check_database_write, checks_of, failures_of
from polargen.owned import SCHEMA_COMMENT, views_comment

ON = {"MOCK_DATA_ENABLED": "true"}
VARIABLES = ("NODE_ENV", "POLARGEN_ENV", "APP_ENV", "ENVIRONMENT")
PRODUCTION = (
    "production", "prod", "prd", "PROD", "Production", " Production\n", '"prod"', "'PRODUCTION'",
    "prod-eu-1", "eu_production2", "eu.prod", "live/prod", "prodEU", "EuProduction", "prod2",
    "ｐｒｏｄ", "pro\u200bd", "non-prod or prod",
)  # fmt: skip


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
        how: fields of `Database`: load_mode, grants, views.
        needs: of the load.
    """

    check: str
    says: str
    environment: Mapping[str, str] | None = None
    schema: str = "mock_data"
    before: str = ""
    user: str = "postgres"
    how: Mapping[str, Any] = field(default_factory=dict)
    needs: Needs | None = None


APPEND, EXISTING, CAMEL = {"load_mode": "append"}, {"load_mode": "existing"}, {"views": "camel"}
MOCK = "CREATE SCHEMA mock_data; "
CLONE = f"{MOCK}CREATE TABLE public.orders (order_id bigint PRIMARY KEY); "
CLONE += "CREATE TABLE mock_data.orders (LIKE public.orders INCLUDING ALL); "
MINE = (
    f"{MOCK}COMMENT ON SCHEMA mock_data IS {ddl.literal(SCHEMA_COMMENT)}; "
    "CREATE TABLE mock_data.orders (order_id bigint PRIMARY KEY); "
    "COMMENT ON TABLE mock_data.orders IS 'Orders. Made by polargen.'; "
)
VIEW = (
    "CREATE SCHEMA mock_data_camel; COMMENT ON SCHEMA mock_data_camel IS "
    f"{ddl.literal(views_comment('mock_data'))}; "
    'CREATE VIEW mock_data_camel.orders AS SELECT order_id AS "orderId" FROM mock_data.orders; '
    "COMMENT ON VIEW mock_data_camel.orders IS 'Orders. Made by polargen.'; "
)
MAY_CREATE = 'GRANT CREATE ON DATABASE "{db}" TO nobody_special; '

DANGERS = {
    **{
        f"{name}={said!r}": Danger("environment", f"{name} is", {name: said})
        for name in VARIABLES
        for said in PRODUCTION
    },
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
    "table of another": Danger(
        "privilege", "mock_data.orders belongs to postgres",
        before=f"{MINE}{MAY_CREATE}ALTER SCHEMA mock_data OWNER TO nobody_special",
        user="nobody_special",
    ),
    "views of another": Danger(
        "privilege", "mock_data_camel belongs to postgres",
        before=f"{MAY_CREATE}CREATE SCHEMA mock_data_camel", user="nobody_special", how=CAMEL,
    ),
    "no right to insert": Danger(
        "privilege", "lacks INSERT on mock_data.orders",
        before=f"{CLONE}{MAY_CREATE}GRANT USAGE, CREATE ON SCHEMA mock_data TO nobody_special; "
        "GRANT SELECT ON mock_data.orders TO nobody_special",
        user="nobody_special", how=EXISTING,
    ),
    "no right to grant": Danger(
        "privilege", "cannot let others read mock_data.orders",
        before=f"{CLONE}{MAY_CREATE}GRANT USAGE, CREATE ON SCHEMA mock_data TO nobody_special; "
        "GRANT SELECT, INSERT ON mock_data.orders TO nobody_special",
        user="nobody_special", how={**EXISTING, "grants": ("few",)},
    ),
    "no right in the schema": Danger(
        "privilege", "lacks USAGE, CREATE on mock_data",
        before=f"{CLONE}{MAY_CREATE}GRANT INSERT, SELECT ON mock_data.orders TO nobody_special",
        user="nobody_special", how=EXISTING,
    ),
    "view elsewhere": Danger(
        "foreign objects", "public.v",
        before=f"{MINE}CREATE VIEW public.v AS SELECT * FROM mock_data.orders",
    ),
    "reference from elsewhere": Danger(
        "foreign objects", "t.t_x_fkey",
        before=f"{MINE}CREATE TABLE public.t (x bigint REFERENCES mock_data.orders)",
    ),
    "view on a view of polargen": Danger(
        "foreign objects", "public.v",
        before=f"{MINE}{VIEW}CREATE VIEW public.v AS SELECT * FROM mock_data_camel.orders",
    ),
    "foreign view beside views": Danger(
        "foreign objects", "mock_data_camel.mine",
        before=f"{MINE}{VIEW}CREATE VIEW mock_data_camel.mine AS SELECT * FROM mock_data.orders",
    ),
    "foreign schema for views": Danger(
        "views", "stand in mock_data_camel: orders",
        before="CREATE SCHEMA mock_data_camel; CREATE TABLE mock_data_camel.orders (x int)",
        how=CAMEL,
    ),
    "loaded schema for views": Danger(
        "views", "stand in mock_data_camel: orders",
        before=MINE.replace("mock_data", "mock_data_camel"), how=CAMEL,
    ),
    "append to nothing": Danger("load mode", "no tables that polargen made", how=APPEND),
    "append to an empty schema": Danger("load mode", "no tables", before=MOCK, how=APPEND),
    "append to tables of others": Danger(
        "load mode", "no tables that polargen made", before=CLONE, how=APPEND
    ),
    "fill nothing": Danger("load mode", "no tables to fill", how=EXISTING),
    "fill an empty schema": Danger("load mode", "no tables to fill", before=MOCK, how=EXISTING),
    "fill tables of polargen": Danger(
        "load mode", "tables that polargen made", before=MINE, how=EXISTING
    ),
    "fill production itself": Danger(
        "schema", "'public'", schema="public", before=CLONE, how=EXISTING
    ),
    "trigger": Danger(
        "side effects", "the trigger copy on orders",
        before=f"{CLONE}CREATE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN INSERT INTO public.orders VALUES (NEW.order_id); RETURN NEW; END'; "
        "CREATE TRIGGER copy AFTER INSERT ON mock_data.orders FOR EACH ROW "
        "EXECUTE FUNCTION public.f()",
        how=EXISTING,
    ),
    "rule": Danger(
        "side effects", "the rule copy on orders",
        before=f"{MINE}CREATE TABLE public.o (x bigint); CREATE RULE copy AS ON INSERT TO "
        "mock_data.orders DO ALSO INSERT INTO public.o VALUES (NEW.order_id)",
        how=APPEND,
    ),
    "view in place of a table": Danger(
        "side effects", "orders is a view",
        before=f"{CLONE}DROP TABLE mock_data.orders; CREATE TABLE mock_data.users (x int); "
        "CREATE VIEW mock_data.orders AS SELECT * FROM public.orders",
        how=EXISTING,
    ),
    "table on another server": Danger(
        "side effects", "orderItems is a foreign table",
        before=f"{CLONE}CREATE FOREIGN DATA WRAPPER far; CREATE SERVER far FOREIGN DATA WRAPPER "
        'far; CREATE FOREIGN TABLE mock_data."orderItems" (x int) SERVER far',
        how=EXISTING,
    ),
    "partition in production": Danger(
        "side effects", "orders keeps rows in",
        before=f"{MOCK}CREATE TABLE mock_data.orders (x int) PARTITION BY RANGE (x); "
        "CREATE TABLE public.orders PARTITION OF mock_data.orders DEFAULT",
        how=EXISTING,
    ),
    "reference to production": Danger(
        "side effects", "payments refers to",
        before=f"{CLONE}CREATE TABLE mock_data.payments (x bigint REFERENCES public.orders)",
        how=EXISTING,
    ),
    "no such role": Danger("grants", "no role 'anon'", how={"grants": ("postgres", "anon")}),
    "SQL in a role": Danger(
        "grants", "DROP", how={"grants": ('anon"; DROP SCHEMA public; --',)}
    ),
    "few connections for the user": Danger(
        "connections", "5 are needed, 3 are free",
        before='GRANT CREATE ON DATABASE "{db}" TO few', user="few",
    ),
    "few connections for the database": Danger(
        "connections", "5 are needed, 2 are free",
        before=f'{MAY_CREATE}ALTER DATABASE "{{db}}" CONNECTION LIMIT 2', user="nobody_special",
    ),
    "few connections for many workers": Danger(
        "connections", "1000 are needed", needs=Needs(connections=1000, bytes=0)
    ),
    "full disk": Danger(
        "disk", "1,000,000,000,000 MB are needed", needs=Needs(connections=6, bytes=10**18)
    ),
    "read only": Danger(
        "read-only", "takes no writes",
        before="ALTER DATABASE {db} SET default_transaction_read_only = on",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Server:
    """A real server, with a user without rights, and one who may connect three times."""
    found = started()
    found.query("postgres", "CREATE ROLE nobody_special LOGIN")
    found.query("postgres", "CREATE ROLE few LOGIN CONNECTION LIMIT 3")
    return found


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state folder in which nothing is stored."""
    monkeypatch.setenv(state.HOME_VARIABLE, str(tmp_path))


@pytest.fixture(scope="module")
def empty(server: Server) -> Iterator[Database]:
    """An empty database, which no check changes."""
    made = server.new()
    before = server.dump(name_of(made))
    yield made
    assert server.dump(name_of(made)) == before


@pytest.mark.parametrize("danger", DANGERS.values(), ids=list(DANGERS))
def test_danger__is_refused_for_the_right_reason(
    server: Server, empty: Database, danger: Danger, tmp_path: Path
) -> None:
    database = server.new() if danger.before else empty
    name = name_of(database)
    if danger.before:
        server.query(name, danger.before.format(db=name))
    target = Database(server.url(name, danger.user), danger.schema, **danger.how)
    environment = {state.HOME_VARIABLE: str(tmp_path), **ON, **(danger.environment or {})}
    found = failures_of(target, environment, danger.needs)
    assert {failure.check for failure in found if failure.severity == "error"} == {danger.check}
    assert any(danger.says in failure.reason for failure in found)
    assert all(failure.remedy for failure in found)
    dumps = danger.before and "read_only" not in danger.before
    before = server.dump(name) if dumps else []
    with pytest.raises(GuardError) as caught:
        check_database_write(target, environment, danger.needs)
    assert caught.value.exit_code == 3
    assert PASSWORD not in str(caught.value)
    assert before == (server.dump(name) if dumps else [])
    if danger.before:
        server.drop(database)


SAFE = {
    "absent": Danger("", ""),
    "suffix": Danger("", "", schema="mock_data_team_2"),
    "empty": Danger("", "", before=MOCK),
    "made by polargen": Danger("", "", before=f"{MINE}{VIEW}"),
    "made by polargen, views again": Danger("", "", before=f"{MINE}{VIEW}", how=CAMEL),
    "empty schema for views": Danger("", "", before="CREATE SCHEMA mock_data_camel", how=CAMEL),
    "append": Danger("", "", before=f"{MINE}{VIEW}", how=APPEND),
    "clones": Danger("", "", before=CLONE, how=EXISTING),
    "clones, filled before": Danger(
        "", "", before=f"{CLONE}CREATE TABLE mock_data.polargen_runs (x int)", how=EXISTING
    ),
    "clones of another, with rights": Danger(
        "", "",
        before=f"{CLONE}{MAY_CREATE}GRANT USAGE, CREATE ON SCHEMA mock_data TO nobody_special; "
        "GRANT SELECT, INSERT ON mock_data.orders TO nobody_special",
        user="nobody_special", how=EXISTING,
    ),
    "trigger that is off": Danger(
        "", "",
        before=f"{CLONE}CREATE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN RETURN NEW; END'; CREATE TRIGGER t AFTER INSERT ON mock_data.orders "
        "EXECUTE FUNCTION public.f(); ALTER TABLE mock_data.orders DISABLE TRIGGER t",
        how=EXISTING,
    ),
    "role that is there": Danger("", "", how={"grants": ("nobody_special",)}),
    "enough connections": Danger(
        "", "", before='GRANT CREATE ON DATABASE "{db}" TO few', user="few", needs=Needs(3, 0)
    ),
}  # fmt: skip


@pytest.mark.parametrize("safe", SAFE.values(), ids=list(SAFE))
def test_safe_situation__has_no_failures(server: Server, safe: Danger) -> None:
    database = server.new()
    name = name_of(database)
    if safe.before:
        server.query(name, safe.before.format(db=name))
    target = Database(server.url(name, safe.user), safe.schema, **safe.how)
    assert failures_of(target, ON, safe.needs) == []
    server.drop(database)


def test_replica__is_refused(server: Server) -> None:
    with standby(server) as replica:
        target = Database(replica.url("postgres"))
        with pytest.raises(GuardError, match="is a replica; load into its primary") as caught:
            check_database_write(target, ON)
        assert [failure.check for failure in caught.value.failures] == ["replica"]


def test_small_server__is_refused_while_others_use_it(server: Server) -> None:
    settings = ("max_connections=8", "superuser_reserved_connections=2")
    with another(server.programs, server.owner, *settings, "reserved_connections=1") as small:
        small.query("postgres", "CREATE ROLE me LOGIN; GRANT CREATE ON DATABASE postgres TO me")
        target = Database(small.url("postgres", "me"))
        assert failures_of(target, ON, Needs(5, 0)) == []
        other = target.connect()
        (failure,) = failures_of(target, ON, Needs(5, 0))
        other.close()
    assert str(failure) == (
        "connections: 5 are needed, 4 are free; lower --workers, or raise max_connections"
    )


def test_small_disk__is_refused_beforehand(server: Server) -> None:
    with small_disk(server.owner, 32) as folder:
        server.query("postgres", f"CREATE TABLESPACE small LOCATION '{folder}'")
        database = server.new("TABLESPACE small")
        name = name_of(database)
        assert failures_of(database, ON, Needs(6, 10**6)) == []
        (failure,) = failures_of(database, ON, Needs(6, 10**9))
        server.query("postgres", f'ALTER DATABASE "{name}" SET TABLESPACE pg_default')
        assert failures_of(database, ON, Needs(6, 10**8)) == []
        server.query(name, f"ALTER DATABASE {name} SET default_tablespace = small")
        (again,) = failures_of(database, ON, Needs(6, 10**9))
        server.drop(database)
        server.query("postgres", "DROP TABLESPACE small")
    for found in (failure, again):
        assert found.check == "disk"
        assert found.reason.startswith("about 1,000 MB are needed, ")
        assert found.reason.endswith(f"MB are free in {folder}")


def test_disk__of_another_machine_is_not_judged(server: Server) -> None:
    """Who may not see where the server's data is gets no check, and no refusal."""
    server.query("postgres", 'GRANT CREATE ON DATABASE "postgres" TO nobody_special')
    target = Database(server.url("postgres", "nobody_special"))
    made = {check.name: check for check in checks_of(target, ON, Needs(6, 10**18))}
    assert made["disk"].result == "not known"
    assert made["disk"].failures == ()
    assert made["disk"].unknown == "only the server's own machine and user can tell"


def test_old_server__is_refused(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard_server, "OLDEST_SERVER", 99)
    database = server.new()
    (failure,) = failures_of(database, ON)
    assert str(failure) == "version: the server is PostgreSQL 18; load into PostgreSQL 99 or newer"


def test_other_encoding__is_refused(server: Server) -> None:
    database = server.new("ENCODING LATIN1 LOCALE 'C' TEMPLATE template0")
    (failure,) = failures_of(database, ON)
    assert failure.reason == f"{name_of(database)} is encoded in LATIN1"


@pytest.mark.parametrize("host", ["aws-0-eu.pooler.supabase.com", "db.abc.supabase.co"])
def test_transaction_pooler__is_refused_before_it_is_asked(host: str) -> None:
    target = Database(f"postgresql://me:{PASSWORD}@{host}:6543/postgres?connect_timeout=1")
    failures = failures_of(target, ON)
    assert [failure.check for failure in failures] == ["pooler", "connection"]
    assert "take the connection string of the session pooler" in failures[0].remedy


def test_what_may_be_meant__is_only_a_warning(server: Server) -> None:
    name = "shop_prod"
    server.query("postgres", f"CREATE DATABASE {name}")
    server.query(name, "CREATE PUBLICATION everything FOR ALL TABLES")
    failures = check_database_write(Database(server.url(name)), ON)
    assert [(failure.check, failure.severity) for failure in failures] == [
        ("name", "warning"),
        ("replication", "warning"),
    ]
    assert "everything sends every table to its subscribers" in failures[1].reason
    server.query("postgres", f"DROP DATABASE {name}")


CHECKS = (
    "environment", "toggle", "schema", "pooler", "protected", "connection", "name", "replica",
    "read-only", "encoding", "version", "privilege", "foreign objects", "views", "grants",
    "replication", "connections", "disk",
)  # fmt: skip


def test_guard__shows_every_check_with_its_result(
    server: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOCK_DATA_ENABLED", "true")
    database = server.new()
    arguments = ["guard", "--database", database.url, "--views", "camel", "--grant", "few"]
    assert main(arguments) == 0
    shown = capsys.readouterr()
    lines = shown.out.splitlines()
    assert lines[-1] == f"{database.place}: may be loaded"
    assert lines[0].split()[:2] == ["result", "check"]
    column = lines[0].index("check")
    rows = [line for line in lines[1:-1] if line[0] != " "]  # long sentences wrap
    assert tuple(line[column : column + 17].strip() for line in rows) == CHECKS
    assert {line.split()[0] for line in rows} == {"ok"}
    server.query(name_of(database), "CREATE SCHEMA mock_data; CREATE TABLE mock_data.t (x int)")
    monkeypatch.setenv("APP_ENV", "Production")
    assert main([*arguments, "--json"]) == 3
    shown = capsys.readouterr()
    document = json.loads(shown.out)
    assert document["ok"] is False
    assert tuple(check["check"] for check in document["checks"]) == CHECKS
    results = {check["check"]: check for check in document["checks"]}
    assert results["toggle"]["result"] == "ok"
    assert results["foreign objects"] == {
        "check": "foreign objects",
        "result": "error",
        "severity": "error",
        "holds": "mock_data is absent, empty, or made by polargen",
        "unknown": "",
        "failures": [
            {
                "reason": "1 that polargen did not make stand in mock_data: t",
                "remedy": "move them to another schema, or load into another one with --schema",
            }
        ],
    }
    assert results["environment"]["failures"][0]["reason"] == "APP_ENV is 'Production'"
    assert PASSWORD not in shown.out + shown.err


def test_refusal__shows_every_failed_check_at_once(server: Server, tmp_path: Path) -> None:
    database = server.new()
    name = name_of(database)
    server.query(name, "CREATE SCHEMA mock_data; CREATE TABLE mock_data.t (x int)")
    environment = {
        state.HOME_VARIABLE: str(tmp_path),
        "NODE_ENV": "prod",
        "APP_ENV": "Production",
        "POLARGEN_PROTECTED": name,
    }
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
