"""Cleanup of a database: what goes, what stays, and what refuses it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from loads import at, load
from server import PASSWORD, Server, name_of

from polargen import cleanup, state
from polargen.cleanup import CleanupResult, clean, preview
from polargen.cleanup_run import preview_run, remove_run
from polargen.cli import main
from polargen.database import Database
from polargen.database_set import verify_database
from polargen.errors import ConfigError, GuardError, TargetError
from polargen.schema import TABLES

HERE = Path(__file__).parent
ON = {"MOCK_DATA_ENABLED": "true"}


def schemas(server: Server, database: Database) -> list[str]:
    """Return the schemas that are not PostgreSQL's own."""
    return server.query(
        name_of(database),
        "SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema|public)' "
        "ORDER BY 1",
    )


def counts(server: Server, database: Database, schema: str = "mock_data") -> dict[str, int]:
    """Return the rows of each table."""
    text = " UNION ALL ".join(f"SELECT '{name}', count(*) FROM {schema}.{name}" for name in TABLES)
    lines = server.query(name_of(database), text)
    return {name: int(rows) for name, rows in (line.split("|") for line in lines)}


def content(server: Server, database: Database, schema: str = "mock_data") -> list[str]:
    """Return the tables' rows and a sum over all their content."""
    text = " UNION ALL ".join(
        f"SELECT '{name}', count(*), sum(hashtextextended(t::text, 0)::numeric) "
        f"FROM {schema}.{name} t"
        for name in TABLES
    )
    return server.query(name_of(database), text)


def kill_at(database: Database, stage: str, seed: int = 2) -> None:
    """Load in a process of its own that is killed at a stage."""
    done = subprocess.run(
        [sys.executable, str(HERE / "loads.py"), database.url, stage, str(seed), "replace"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])},
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == -9, done.stderr


# --- a schema -------------------------------------------------------------------------------


def test_clean__removes_all_that_polargen_made(server: Server, database: Database) -> None:
    server.query(name_of(database), "CREATE TABLE public.orders AS SELECT 1 AS mine")
    other = replace(database, schema="mock_data_b")
    load(other, end="2024-01-02")
    kept = server.dump(name_of(database))
    first, second = load(database, seed=1), load(database, seed=2)
    found = clean(database, ON)
    assert found == CleanupResult(
        tables=second.record_counts,
        schemas=("mock_data",),
        runs=(first.job_id, second.job_id),
    )
    assert server.dump(name_of(database)) == kept
    assert clean(database, ON).is_empty


def test_preview__tells_what_clean_removes_and_changes_nothing(
    server: Server, database: Database
) -> None:
    load(database)
    kill_at(database, "validating")
    server.query(name_of(database), "CREATE TABLE mock_data.mine AS SELECT 7 AS x")
    before = server.dump(name_of(database))
    told = preview(database)
    assert server.dump(name_of(database)) == before
    assert told == clean(database, ON)
    assert told.kept == ("table mock_data.mine",)
    assert told.schemas[0].startswith("mock_data__job-")


def test_clean__of_what_is_not_there_says_so(server: Server, database: Database) -> None:
    assert preview(database).is_empty
    assert clean(database, ON).is_empty
    server.query(name_of(database), "CREATE SCHEMA mock_data")
    assert clean(database, ON).is_empty
    assert schemas(server, database) == ["mock_data"]


def test_clean__leaves_what_others_put_into_the_schema(server: Server, database: Database) -> None:
    load(database)
    name = name_of(database)
    server.query(
        name,
        "CREATE TABLE mock_data.mine AS SELECT g AS x FROM generate_series(1, 5) g; "
        "CREATE VIEW mock_data.my_view AS SELECT x FROM mock_data.mine; "
        "CREATE FUNCTION mock_data.f() RETURNS int LANGUAGE sql AS 'SELECT 1'; "
        "CREATE TYPE mock_data.color AS ENUM ('red'); CREATE SEQUENCE mock_data.numbers; "
        # a clone of polargen's table has its columns' comments, but not the table's mark
        "CREATE TABLE mock_data.orders_2 (LIKE mock_data.orders INCLUDING ALL); "
        "INSERT INTO mock_data.orders_2 SELECT * FROM mock_data.orders",
    )
    orders = server.query(name, "SELECT count(*) FROM mock_data.orders_2")
    found = clean(database, ON)
    assert (found.schemas, len(found.tables)) == ((), len(TABLES))
    assert set(found.kept) == {
        "function mock_data.f()",
        "sequence mock_data.numbers",
        "table mock_data.mine",
        "table mock_data.orders_2",
        "type mock_data.color",
        "view mock_data.my_view",
    }
    assert server.query(name, "SELECT sum(x) FROM mock_data.my_view") == ["15"]
    assert server.query(name, "SELECT count(*) FROM mock_data.orders_2") == orders
    mark = "SELECT obj_description('mock_data'::regnamespace) IS NULL"
    assert server.query(name, mark) == ["t"]
    assert clean(database, ON).is_empty  # it is no schema of polargen's any more


def test_clean__never_takes_a_table_in_a_schema_without_the_mark(
    server: Server, database: Database
) -> None:
    server.query(
        name_of(database),
        "CREATE SCHEMA mock_data; CREATE TABLE mock_data.orders AS SELECT 1 AS x; "
        "COMMENT ON TABLE mock_data.orders IS 'Made by polargen.'",
    )
    assert clean(database, ON).is_empty
    assert server.query(name_of(database), "SELECT x FROM mock_data.orders") == ["1"]


DEPENDENTS = {
    "view public.v": "CREATE VIEW public.v AS SELECT order_id FROM mock_data.orders",
    "view mock_data.v": "CREATE VIEW mock_data.v AS SELECT order_id FROM mock_data.orders",
    "materialized view public.m": "CREATE MATERIALIZED VIEW public.m AS "
    "SELECT count(*) FROM mock_data.users",
    "constraint notes_order_id_fkey on table public.notes": "CREATE TABLE public.notes "
    "(order_id bigint REFERENCES mock_data.orders ON DELETE CASCADE)",
    "function public.f()": "CREATE FUNCTION public.f() RETURNS bigint LANGUAGE sql "
    "BEGIN ATOMIC SELECT count(*) FROM mock_data.orders; END",
    "table public.child": "CREATE TABLE public.child () INHERITS (mock_data.users)",
    "table public.rows": "CREATE TABLE public.rows (u mock_data.users)",
    "policy p on table public.safe": "CREATE TABLE public.safe (id bigint); CREATE POLICY p "
    "ON public.safe USING (id IN (SELECT user_id FROM mock_data.users))",
}


@pytest.mark.parametrize("name", DEPENDENTS)
def test_clean__is_refused_where_others_rest_on_the_tables(
    server: Server, database: Database, name: str
) -> None:
    load(database, end="2024-01-02")
    server.query(name_of(database), DEPENDENTS[name])
    before = server.dump(name_of(database))
    with pytest.raises(GuardError) as caught:
        clean(database, ON)
    assert f"1 that polargen did not make rest on its tables: {name}; drop them" in str(
        caught.value
    )
    assert server.dump(name_of(database)) == before


def test_clean__takes_what_others_added_to_the_tables_themselves(
    server: Server, database: Database
) -> None:
    load(database, end="2024-01-02")
    server.query(
        name_of(database),
        "CREATE INDEX mine ON mock_data.orders (order_date, status); "
        "ALTER TABLE mock_data.orders ADD COLUMN note text, ENABLE ROW LEVEL SECURITY; "
        "CREATE POLICY p ON mock_data.orders USING (company_id IN "
        "(SELECT company_id FROM mock_data.companies)); "
        "CREATE PUBLICATION pub FOR TABLE mock_data.orders; "
        "CREATE STATISTICS public.s ON order_date, status FROM mock_data.orders; "
        "CREATE RULE r AS ON INSERT TO mock_data.users DO ALSO SELECT 1 FROM mock_data.orders",
    )
    assert clean(database, ON).schemas == ("mock_data",)
    assert schemas(server, database) == []


def test_clean__removes_the_views_and_leaves_what_stands_beside_them(
    server: Server, database: Database
) -> None:
    views = replace(database, views="camel")
    load(views, end="2024-01-02")
    assert clean(database, ON).schemas == ("mock_data_camel", "mock_data")
    assert schemas(server, database) == []
    load(views, end="2024-01-02")
    server.query(name_of(database), "CREATE TABLE mock_data_camel.mine AS SELECT 1 AS x")
    found = clean(database, ON)
    assert "mock_data_camel.orders" in found.views
    assert found.kept == ("table mock_data_camel.mine",)
    assert schemas(server, database) == ["mock_data_camel"]
    assert server.query(name_of(database), "SELECT x FROM mock_data_camel.mine") == ["1"]


def test_clean__leaves_a_data_set_whose_name_is_that_of_the_views(
    server: Server, database: Database
) -> None:
    load(replace(database, schema="mock_data_camel"), end="2024-01-02")
    before = server.dump(name_of(database))
    load(database, end="2024-01-02")
    assert clean(database, ON).schemas == ("mock_data",)
    assert server.dump(name_of(database)) == before


def test_clean__removes_what_is_left_of_a_table_that_others_dropped(
    server: Server, database: Database
) -> None:
    load(database, end="2024-01-02")
    server.query(
        name_of(database),
        "DROP TABLE mock_data.payments CASCADE; DELETE FROM mock_data.audit_logs; "
        "DROP TABLE mock_data.polargen_runs",
    )
    found = clean(database, ON)
    assert (found.tables["audit_logs"], "payments" in found.tables, found.runs) == (0, False, ())
    assert schemas(server, database) == []


# --- dead runs, live runs, faults -----------------------------------------------------------


def test_stale__removes_only_what_killed_loads_left(server: Server, database: Database) -> None:
    load(database, seed=1)
    before = server.dump(name_of(database))
    kill_at(database, "validating")
    server.query(name_of(database), 'CREATE SCHEMA "mock_data__job-00000000"')  # without the mark
    (dead,) = set(schemas(server, database)) - {"mock_data", "mock_data__job-00000000"}
    assert preview(database, stale_only=True) == CleanupResult(schemas=(dead,))
    assert clean(database, ON, stale_only=True) == CleanupResult(schemas=(dead,))
    server.query(name_of(database), 'DROP SCHEMA "mock_data__job-00000000"')
    assert server.dump(name_of(database)) == before


def test_clean__during_a_load_is_refused(server: Server, database: Database) -> None:
    said = []

    def meanwhile() -> None:
        for act in (
            lambda: clean(database, ON),
            lambda: clean(database, ON, stale_only=True),
            lambda: preview(database),
            lambda: remove_run(database, ON, "job-00000000"),
        ):
            with pytest.raises(TargetError, match="another run loads mock_data") as caught:
                act()
            said.append(caught.value)

    load(database, seed=1)
    load(database, seed=2, hear=at("validating", meanwhile))
    assert len(said) == 4
    assert verify_database(database).failed == []


@pytest.mark.parametrize(
    ("environment", "schema", "check"),
    [
        ({**ON, "NODE_ENV": "production"}, "mock_data", "environment"),
        ({}, "mock_data", "toggle"),
        ({**ON, "POLARGEN_PROTECTED": "test_*"}, "mock_data", "protected"),
        (ON, "public", "schema"),
        (ON, "mock_data'; DROP SCHEMA public; --", "schema"),
    ],
)
def test_clean__is_guarded_like_a_load(
    server: Server,
    database: Database,
    environment: dict[str, str],
    schema: str,
    check: str,
    tmp_path: Path,
) -> None:
    said = {state.HOME_VARIABLE: str(tmp_path), **environment}
    load(database, end="2024-01-02")
    before = server.dump(name_of(database))
    target = replace(database, schema=schema)
    for act in (lambda: clean(target, said), lambda: remove_run(target, said, "x")):
        with pytest.raises(GuardError) as caught:
            act()
        assert [failure.check for failure in caught.value.failures] == [check]
    assert server.dump(name_of(database)) == before


def test_clean__that_fails_leaves_everything(server: Server, database: Database) -> None:
    load(database, seed=1)
    kill_at(database, "validating")
    name = name_of(database)
    server.query(
        name,
        "CREATE FUNCTION public.no() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN IF EXISTS "
        "(SELECT 1 FROM pg_event_trigger_dropped_objects() WHERE object_identity = 'mock_data') "
        "THEN RAISE 'not this one'; END IF; END $$; "
        "CREATE EVENT TRIGGER no ON sql_drop EXECUTE FUNCTION public.no()",
    )
    before = server.dump(name)
    with pytest.raises(TargetError, match="not this one") as caught:
        clean(database, ON)
    assert PASSWORD not in str(caught.value)
    assert server.dump(name) == before


def test_clean__gives_up_where_others_hold_a_table(
    server: Server, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleanup, "LOCK_TIMEOUT", "100ms")
    load(database, end="2024-01-02")
    session = database.connect("a reader")
    session.execute("BEGIN")
    session.rows("SELECT count(*) FROM mock_data.orders")
    with pytest.raises(TargetError, match="others hold the tables; end their transactions"):
        clean(database, ON)
    session.close()
    assert verify_database(database).failed == []


def test_clean__while_others_drop_a_table_says_so(server: Server, database: Database) -> None:
    load(database, end="2024-01-02")
    name = name_of(database)
    session = database.connect("a user")
    session.execute("BEGIN")
    session.execute("DROP TABLE mock_data.refunds CASCADE")
    said: list[str] = []

    def cleaning() -> None:
        with pytest.raises(TargetError) as caught:
            clean(database, ON)
        said.append(str(caught.value))

    thread = threading.Thread(target=cleaning)
    thread.start()
    waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = '{}'"
    while server.query("postgres", waits.format(name)) != ["1"]:
        assert thread.is_alive()
    session.execute("COMMIT")
    session.close()
    thread.join()
    assert "others changed mock_data meanwhile, so nothing was removed; run the command" in said[0]
    assert "orders" in clean(database, ON).tables
    assert schemas(server, database) == []


def test_clean__by_another_user_is_refused_by_the_server(
    server: Server, database: Database
) -> None:
    load(database, end="2024-01-02")
    server.query("postgres", "DROP ROLE IF EXISTS guest; CREATE ROLE guest LOGIN")
    server.query(name_of(database), "GRANT USAGE ON SCHEMA mock_data TO guest; "
                 "GRANT SELECT ON ALL TABLES IN SCHEMA mock_data TO guest")  # fmt: skip
    guest = Database(server.url(name_of(database), "guest"))
    assert preview(guest).schemas == ("mock_data",)
    with pytest.raises(TargetError, match=r"permission denied|must be owner"):
        clean(guest, ON)
    assert verify_database(database).failed == []


# --- one run --------------------------------------------------------------------------------


@pytest.mark.parametrize("id_type", ["bigint", "uuid"])
def test_run__that_was_appended_goes_and_leaves_the_others(
    server: Server, database: Database, id_type: str
) -> None:
    load(replace(database, id_type=id_type), "anomaly-heavy", seed=1, end="2024-01-04")  # type: ignore[arg-type]
    before = content(server, database)
    more = replace(database, load_mode="append")
    second = load(more, "anomaly-heavy", seed=2, end="2024-01-04")
    with_two = content(server, database)
    third = load(more, "anomaly-heavy", seed=3, end="2024-01-04")
    for run, left in ((third, with_two), (second, before)):
        rows = {name: run.record_counts[name] for name in reversed(list(TABLES))}
        assert preview_run(database, run.job_id) == CleanupResult(rows, runs=(run.job_id,))
        assert remove_run(database, ON, run.job_id) == CleanupResult(rows, runs=(run.job_id,))
        assert content(server, database) == left
        with pytest.raises(ConfigError, match=f"--job: {run.job_id} was removed from .* before"):
            remove_run(database, ON, run.job_id)
    assert verify_database(database).failed == []
    runs = "SELECT number, removed_at IS NULL FROM mock_data.polargen_runs ORDER BY 1"
    assert server.query(name_of(database), runs) == ["1|t", "2|f", "3|f"]


@pytest.mark.parametrize("id_type", ["bigint", "uuid"])
def test_run__that_came_first_goes_and_leaves_the_appended_one(
    server: Server, database: Database, id_type: str
) -> None:
    first = load(replace(database, id_type=id_type), seed=1, end="2024-01-04")  # type: ignore[arg-type]
    second = load(replace(database, load_mode="append"), seed=2, end="2024-01-04")
    remove_run(database, ON, first.job_id)
    assert counts(server, database) == second.record_counts
    assert verify_database(database).failed == []


def test_run__that_is_the_only_one_leaves_empty_tables(server: Server, database: Database) -> None:
    run = load(database, end="2024-01-04")
    assert remove_run(database, ON, run.job_id).tables == run.record_counts
    assert set(counts(server, database).values()) == {0}
    with pytest.raises(ConfigError, match="holds no data set of polargen"):
        verify_database(database)
    assert clean(database, ON).runs == (run.job_id,)
    assert schemas(server, database) == []


def test_run__that_is_not_there_is_refused(server: Server, database: Database) -> None:
    with pytest.raises(ConfigError, match="has no run job-1; its runs: none"):
        remove_run(database, ON, "job-1")
    first, second = (
        load(database, seed=1, end="2024-01-04"),
        load(database, seed=2, end="2024-01-04"),
    )
    with pytest.raises(ConfigError, match=f"{first.job_id} was replaced by a later load"):
        remove_run(database, ON, first.job_id)
    with pytest.raises(ConfigError, match=f"has no run '; --; its runs: {second.job_id}"):
        remove_run(database, ON, "'; --")
    assert counts(server, database) == second.record_counts


@pytest.mark.parametrize("id_type", ["bigint", "uuid"])
def test_run__whose_rows_others_refer_to_is_refused(
    server: Server, database: Database, id_type: str
) -> None:
    first = load(replace(database, id_type=id_type), seed=1, end="2024-01-04")  # type: ignore[arg-type]
    second = load(replace(database, load_mode="append"), seed=2, end="2024-01-04")
    name, before = name_of(database), content(server, database)
    server.query(
        name,
        f"CREATE TABLE public.notes (order_id {id_type} REFERENCES mock_data.orders "
        "ON DELETE CASCADE); INSERT INTO public.notes SELECT order_id FROM mock_data.orders "
        "WHERE order_number LIKE 'SO2-%' LIMIT 3",
    )
    with pytest.raises(GuardError, match=f"3 rows of public.notes that {second.job_id} did not"):
        remove_run(database, ON, second.job_id)
    assert content(server, database) == before
    assert server.query(name, "SELECT count(*) FROM public.notes") == ["3"]
    remove_run(database, ON, first.job_id)
    assert counts(server, database) == second.record_counts


@pytest.mark.parametrize("id_type", ["bigint", "uuid"])
def test_run__in_tables_of_others_goes_and_leaves_their_rows(
    server: Server, database: Database, id_type: str
) -> None:
    load(replace(database, id_type=id_type), end="2024-01-03")  # type: ignore[arg-type]
    clones = "; ".join(
        f"CREATE TABLE mock_data_app.{name} (LIKE mock_data.{name} INCLUDING ALL)"
        for name in TABLES
    )
    key = "999" if id_type == "bigint" else "gen_random_uuid()"
    name = name_of(database)
    server.query(
        name,
        f"CREATE SCHEMA mock_data_app; {clones}; INSERT INTO mock_data_app.users "
        f"SELECT {key}, 'me@mine.example', display_name, photo_url, role, is_active, created_at, "
        "updated_at FROM mock_data.users LIMIT 1",
    )
    before = content(server, database, "mock_data_app")
    place = replace(database, schema="mock_data_app", load_mode="existing")
    run = load(place, seed=9, end="2024-01-04")
    assert content(server, database, "mock_data_app") != before
    with pytest.raises(GuardError, match=f"are others', and hold rows of {run.job_id}; remove"):
        clean(place, ON)
    assert remove_run(place, ON, run.job_id).tables == run.record_counts
    assert content(server, database, "mock_data_app") == before
    found = clean(place, ON)
    assert (found.tables, found.runs, found.schemas) == ({}, (run.job_id,), ())
    assert content(server, database, "mock_data_app") == before


# --- the command ----------------------------------------------------------------------------

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(database: Database, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run the command on the database."""

    def run_it(*args: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(["cleanup", "--database", database.url, *args])
        return (code, *capsys.readouterr())

    return run_it


def test_command__shows_before_it_removes(
    server: Server, database: Database, command: Command
) -> None:
    run = load(database, end="2024-01-05")
    server.query(name_of(database), "CREATE TABLE mock_data.mine AS SELECT 7 AS x")
    before = server.dump(name_of(database))
    code, out, err = command()
    assert (code, PASSWORD in out + err) == (3, False)
    assert out.splitlines()[-1] == "nothing was removed: repeat it with --confirm"
    assert f"runs: {run.job_id}" in out
    assert "stays: table mock_data.mine" in out
    assert server.dump(name_of(database)) == before
    code, out, _ = command("--confirm", "--json")
    said = json.loads(out)
    assert (code, said["removed"], said["tables"]) == (0, True, run.record_counts)
    code, out, _ = command("--confirm")
    assert (code, out.splitlines()) == (0, [f"{database.place}: mock_data holds nothing to remove"])


def test_command__removes_what_a_killed_load_left(
    server: Server, database: Database, command: Command
) -> None:
    kill_at(database, "validating")
    code, out, _ = command("--stale")
    assert (code, "schemas: mock_data__job-" in out) == (3, True)
    assert command("--stale", "--confirm")[0] == 0
    assert schemas(server, database) == []


def test_command__removes_one_run(server: Server, database: Database, command: Command) -> None:
    first = load(database, seed=1)
    second = load(replace(database, load_mode="append"), seed=2)
    code, out, _ = command("--job", second.job_id)
    assert (code, f"the rows of {second.job_id} would be deleted; tables stay" in out) == (3, True)
    code, out, _ = command("--job", second.job_id, "--confirm")
    assert (code, f"the rows of {second.job_id} were deleted; tables stay" in out) == (0, True)
    assert counts(server, database) == first.record_counts
    assert command("--job", second.job_id, "--confirm")[0] == 2
    assert command("--job", second.job_id, "--stale")[0] == 2


def test_command__is_refused_in_production(
    database: Database, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(database, end="2024-01-02")
    monkeypatch.setenv("ENVIRONMENT", "prod")
    code, _, err = command("--confirm")
    assert (code, "environment: ENVIRONMENT is 'prod'" in err) == (3, True)
    assert verify_database(database).failed == []
