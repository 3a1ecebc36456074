"""Exports from a database: the rows that are there, in every format, at one instant."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest
from loads import at, load
from runs import Made, cairo, run
from server import Server, name_of
from server import server as started

from polargen.checks import verify_dataset
from polargen.cleanup_run import remove_run
from polargen.cli import main
from polargen.database import Database
from polargen.database_export import Snapshot, export_database, stream_table
from polargen.dataset import Dataset
from polargen.errors import ConfigError, TargetError
from polargen.export import DatasetSource, export
from polargen.export import stream_table as stream_from
from polargen.manifest import Manifest
from polargen.schema import TABLES
from polargen.selection import Days

# Everything happens: duplicates on either side of midnight, visits in chains, discounts, refunds.
CHANGES = {
    "anomalyRate": 0.2,
    "anomalyConfig.rate": 0.2,
    "anomalyConfig.types": ["duplicate_orders", "payment_delay", "maintenance_failure"],
}
ASKED = {"end": "2024-02-10", "multiplier": 2.0}
MASTERS = ("users", "companies", "branches", "products")
# jsonb keeps a document's value, not the order of its keys; rows come in the order of their keys.
OTHER_DIGEST = ("audit_logs", "discounts")


@pytest.fixture(scope="module")
def loaded() -> Iterator[Database]:
    """A database with one run, which tests leave as it is."""
    server = started()
    made = server.new()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOCK_DATA_ENABLED", "true")
        load(made, "normal-ops", CHANGES, **ASKED)
    yield made
    server.drop(made)


@pytest.fixture(scope="module")
def uuids() -> Iterator[Database]:
    """A database whose keys are uuids."""
    server = started()
    made = server.new()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOCK_DATA_ENABLED", "true")
        load(replace(made, id_type="uuid"), "normal-ops", CHANGES)
    yield made
    server.drop(made)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The same run, written to files at once."""
    return run("normal-ops", CHANGES, out=tmp_path_factory.mktemp("files") / "data", **ASKED)


def sessions(server: Server, database: Database) -> list[str]:
    """Return what exports do at the server."""
    return server.query(
        "postgres",
        "SELECT state FROM pg_stat_activity WHERE application_name = 'polargen export' "
        f"AND datname = '{name_of(database)}'",
    )


def frames(folder: Path) -> dict[str, pl.DataFrame]:
    """Return every table of a data set."""
    dataset = Dataset.open(folder)
    return {
        name: pl.concat([pl.DataFrame(schema=table.polars_schema), *dataset.iter(name)])
        for name, table in dataset.tables.items()
    }


def same(table: str, one: pl.DataFrame, other: pl.DataFrame) -> None:
    """Assert that frames hold the same rows, JSON by its value."""
    key = TABLES[table].primary_key
    one, other = one.sort(key), other.sort(key)
    assert one.schema == other.schema
    for column in TABLES[table].columns:
        name = column.name
        if column.kind == "json":
            texts = zip(one[name], other[name], strict=True)
            assert all(json.loads(a) == json.loads(b) for a, b in texts)
        else:
            assert one[name].equals(other[name]), (table, name)


def sums(server: Server, database: Database, schema: str = "mock_data") -> dict[str, str]:
    """Return rows and a sum over all their content, table by table."""
    text = " UNION ALL ".join(
        f"SELECT '{name}', count(*), sum(hashtextextended(t::text, 0)::numeric) "
        f"FROM {schema}.{name} t"
        for name in TABLES
    )
    lines = (line.split("|", 1) for line in server.query(name_of(database), text))
    return dict(lines)


def psql(server: Server, database: Database, folder: Path) -> None:
    """Load an SQL export as its user does."""
    place = ["-h", str(server.folder), "-U", "postgres", "-d", name_of(database)]
    names = [word for path in sorted(folder.glob("*.sql")) for word in ("-f", str(path))]
    program = str(server.programs / "psql")
    subprocess.run(
        [program, "-Xq", "-v", "ON_ERROR_STOP=1", *place, *names], check=True, capture_output=True
    )


# --- whole runs -----------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["parquet", "csv", "json"])
def test_export__of_a_run_is_the_data_set_that_files_hold(
    loaded: Database, files: Made, tmp_path: Path, format: str
) -> None:
    manifest = export_database(loaded, format, tmp_path / "out")
    written = files.result.manifest
    assert list(manifest.tables) == list(TABLES)
    for name, entry in written.tables.items():
        found = manifest.tables[name]
        assert [(b.block, b.group, b.rows) for b in found.blocks] == [
            (b.block, b.group, b.rows) for b in entry.blocks
        ]
        assert (found.digest == entry.digest) == (name not in OTHER_DIGEST), name
    dataset = Dataset.open(tmp_path / "out")
    assert dataset.check_files() == dataset.check_content() == []
    found_frames = frames(tmp_path / "out")
    for name in TABLES:
        same(name, found_frames[name], files[name])
    assert verify_dataset(tmp_path / "out").failed == []


def test_export__to_parquet_has_the_types_of_files(
    loaded: Database, files: Made, tmp_path: Path
) -> None:
    export_database(loaded, "parquet", tmp_path / "out")
    assert files.folder is not None
    for name, entry in files.result.manifest.tables.items():
        wanted = pq.read_schema(files.folder / entry.parts[0].file)
        got = pq.read_schema(tmp_path / "out" / entry.parts[0].file)
        assert got.equals(wanted, check_metadata=True), name


def test_export__puts_rows_into_their_segments_and_blocks(
    server: Server, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # months of few orders, and few orders a block, so that a small run has many of both
    monkeypatch.setattr("polargen.plan.counts.SEGMENT_ORDERS", 1500)
    monkeypatch.setattr("polargen.blocks.BLOCK_ORDERS", 300)
    asked: dict[str, Any] = {"start": "2024-01-22", "end": "2024-02-10", "multiplier": 4.0}
    made = load(database, "normal-ops", CHANGES, seed=77, **asked)
    plan = made.plan
    assert (len(plan.segments) > 1, plan.warehouses > 1, plan.duplicates > 0) == (True, True, True)
    manifest = export_database(database, "parquet", tmp_path / "out")
    for name, entry in made.manifest.tables.items():
        wanted = [(b.block, b.group, b.rows) for b in entry.blocks]
        assert [(b.block, b.group, b.rows) for b in manifest.tables[name].blocks] == wanted, name
        assert (manifest.tables[name].digest == entry.digest) == (name not in OTHER_DIGEST)
    assert len(manifest.tables["orders"].blocks) == 4
    assert verify_dataset(tmp_path / "out").failed == []


def test_export__shows_rows_as_they_are_now(
    server: Server, database: Database, tmp_path: Path
) -> None:
    load(database, end="2024-01-05")
    server.query(
        name_of(database),
        "DELETE FROM mock_data.audit_logs WHERE audit_log_id % 3 = 0; "
        "INSERT INTO mock_data.users SELECT 10^12, 'new@x.example', display_name, photo_url, role, "
        "is_active, created_at, updated_at FROM mock_data.users LIMIT 1; "
        "UPDATE mock_data.orders SET grand_total = 9999999999.99 WHERE order_id = 3; "
        "INSERT INTO mock_data.payments SELECT 10^12, order_id, company_id, amount, method, "
        "'X', 1, NULL, payment_date, 0, NULL, created_at FROM mock_data.payments LIMIT 1",
    )
    manifest = export_database(database, "csv", tmp_path / "out")
    found = frames(tmp_path / "out")
    for name in TABLES:
        count = server.query(name_of(database), f"SELECT count(*) FROM mock_data.{name}")
        assert count == [str(manifest.tables[name].rows)] == [str(found[name].height)]
    assert 10**12 in found["users"]["user_id"]
    assert 10**12 in found["payments"]["payment_id"]
    total = found["orders"].filter(pl.col("order_id") == 3)["grand_total"].item()
    assert str(total) == "9999999999.99"
    assert verify_dataset(tmp_path / "out").failed != []


def test_export__keeps_every_character(server: Server, database: Database, tmp_path: Path) -> None:
    load(database, end="2024-01-03")
    odd = [
        "a\tb\nc\r\nd",
        'say "hi", it\'s',
        "\\N \\. \\",
        "القهوة ☕ naïve",
        "",
        " , ;",
        "NULL",
        "1e5",
    ]
    session = database.connect()
    for number, text in enumerate(odd, 1):
        quoted = "U&'" + "".join(f"\\+{ord(char):06X}" for char in text) + "'"
        session.execute(
            f"UPDATE mock_data.companies SET address = {quoted}, manager_name = {quoted}, "
            f"warehouse_address = {quoted} WHERE company_id = {number}"
        )
        session.execute(
            "UPDATE mock_data.audit_logs SET details = jsonb_build_object('t', "
            f"{quoted}::text) WHERE audit_log_id = {number}"
        )
    session.close()
    for format in ("parquet", "csv", "json"):
        export_database(database, format, tmp_path / format)
        found = frames(tmp_path / format)
        rows = found["companies"].filter(pl.col("company_id") <= len(odd)).sort("company_id")
        for column in ("address", "manager_name", "warehouse_address"):
            assert rows[column].to_list() == odd, (format, column)
        logs = found["audit_logs"].filter(pl.col("audit_log_id") <= len(odd)).sort("audit_log_id")
        assert [json.loads(text)["t"] for text in logs["details"]] == odd
    export_database(database, "sql", tmp_path / "sql")
    other = server.new()
    psql(server, other, tmp_path / "sql")
    assert sums(server, other) == sums(server, database)


# --- SQL and uuids --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["bigint", "uuid"])
def test_sql__loads_into_an_empty_database_with_the_same_rows(
    server: Server, loaded: Database, uuids: Database, database: Database, tmp_path: Path, kind: str
) -> None:
    source = loaded if kind == "bigint" else uuids
    export_database(source, "sql", tmp_path / "out")
    psql(server, database, tmp_path / "out")
    assert sums(server, database) == sums(server, source)
    types = (
        "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns "
        "WHERE table_schema = 'mock_data' AND table_name <> 'polargen_runs' ORDER BY 1, 2"
    )
    found = server.query(name_of(database), types)
    assert found == server.query(name_of(source), types)
    keys = sum(1 + len(table.foreign_keys) for table in TABLES.values()) + 2  # of audit and labels
    assert sum("|uuid|" in line for line in found) == (0 if kind == "bigint" else keys)
    references = "SELECT count(*) FROM pg_constraint WHERE contype = 'f'"
    assert server.query(name_of(database), references) == server.query(name_of(source), references)


def test_uuids__are_text_in_files_and_can_be_read_back(
    server: Server, uuids: Database, database: Database, tmp_path: Path
) -> None:
    export_database(uuids, "parquet", tmp_path / "out")
    dataset = Dataset.open(tmp_path / "out")
    assert dataset.check_files() == dataset.check_content() == []
    found = frames(tmp_path / "out")
    chosen = {
        "orders": ("order_id", "company_id", "branch_id"),
        "refunds": ("order_id",),
        "audit_logs": ("entity_id", "user_id"),
    }
    for name, keys in chosen.items():
        for key in keys:
            values = f"SELECT {key} FROM mock_data.{name} WHERE {key} IS NOT NULL ORDER BY 1"
            wanted = server.query(name_of(uuids), values)
            assert found[name][key].drop_nulls().sort().to_list() == wanted
    lines = (
        "SELECT i->>'order_item_id' FROM mock_data.refunds, jsonb_array_elements(returned_items) i"
    )
    items = found["refunds"]["returned_items"].explode().struct.field("order_item_id")
    assert sorted(items) == sorted(server.query(name_of(uuids), lines))
    back = export(dataset, "json", tmp_path / "back")
    assert [e.digest for e in back.tables.values()] == [
        e.digest for e in dataset.manifest.tables.values()
    ]
    export(dataset, "sql", tmp_path / "sql")
    psql(server, database, tmp_path / "sql")
    assert sums(server, database) == sums(server, uuids)
    with pytest.raises(ConfigError, match="out: it has uuids as keys; rules join all rows of one"):
        verify_dataset(tmp_path / "out")


def test_export__of_several_runs_holds_them_all(
    server: Server, database: Database, tmp_path: Path
) -> None:
    first = load(database, seed=1, end="2024-01-03")
    second = load(replace(database, load_mode="append"), seed=1, end="2024-01-04")
    export_database(database, "parquet", tmp_path / "two")
    dataset = Dataset.open(tmp_path / "two")
    assert dataset.check_files() == dataset.check_content() == []
    found = frames(tmp_path / "two")
    for name, table in TABLES.items():
        rows = first.record_counts[name] + second.record_counts[name]
        assert (found[name].height, found[name][table.primary_key].n_unique()) == (rows, rows)
    with pytest.raises(ConfigError, match="it holds 2 runs; rules join all rows of one run"):
        verify_dataset(tmp_path / "two")
    export_database(database, "sql", tmp_path / "sql")
    other = server.new()
    psql(server, other, tmp_path / "sql")
    assert sums(server, other) == sums(server, database)
    remove_run(database, {"MOCK_DATA_ENABLED": "true"}, second.job_id)
    export_database(database, "parquet", tmp_path / "one")
    assert verify_dataset(tmp_path / "one").failed == []


def test_export__of_tables_of_others_is_refused(
    server: Server, database: Database, tmp_path: Path
) -> None:
    load(database, end="2024-01-02")
    server.query(
        name_of(database),
        "CREATE SCHEMA mock_data_app; "
        "CREATE TABLE mock_data_app.users (LIKE mock_data.users INCLUDING ALL)",
    )
    place = replace(database, schema="mock_data_app", load_mode="existing")
    load(place, end="2024-01-02", how={"tables": ("users",)})
    with pytest.raises(ConfigError, match="mock_data_app has tables of others, with their own"):
        export_database(place, "csv", tmp_path / "out")


# --- days -----------------------------------------------------------------------------------


def test_days__take_documents_with_all_that_belongs_to_them(
    loaded: Database, files: Made, tmp_path: Path
) -> None:
    first, last = date(2024, 1, 10), date(2024, 1, 20)
    export_database(loaded, "parquet", tmp_path / "out", days=Days(first, last))
    found = frames(tmp_path / "out")
    for name in MASTERS:
        same(name, found[name], files[name])
    orders = files["orders"].with_columns(day=cairo("order_date").dt.date())
    own = dict(orders.select("order_id", "day").iter_rows())
    days = {
        key: own[key if original is None else original]
        for key, original in orders.select("order_id", "duplicate_of_order_id").iter_rows()
    }
    chosen = {key for key, day in days.items() if first <= day <= last}
    for name in ("orders", "order_items", "payments", "refunds", "shipments", "discounts"):
        wanted = files[name].filter(pl.col("order_id").is_in(list(chosen)))
        assert 0 < wanted.height < files[name].height
        same(name, found[name], wanted)
    inside = cairo("created_at").dt.date().is_between(first, last)
    of_order = pl.col("order_id").is_in(list(chosen))
    moved = files["inventory_movements"].filter(
        pl.when(pl.col("order_id").is_null()).then(inside).otherwise(of_order)
    )
    same("inventory_movements", found["inventory_movements"], moved)
    same("audit_logs", found["audit_logs"], files["audit_logs"].filter(inside))
    labels = files["anomaly_labels"].filter(cairo("event_at").dt.date().is_between(first, last))
    same("anomaly_labels", found["anomaly_labels"], labels)
    visits = files["maintenance_visits"]
    roots = visits.filter(
        pl.col("root_visit_id").is_null(), pl.col("scheduled_date").is_between(first, last)
    )["visit_id"].to_list()
    chain = pl.coalesce("root_visit_id", "visit_id").is_in(roots)
    same("maintenance_visits", found["maintenance_visits"], visits.filter(chain))
    with pytest.raises(
        ConfigError, match=r"it holds only the days 2024-01-10\.\.2024-01-20; rules"
    ):
        verify_dataset(tmp_path / "out")


def test_days__of_a_duplicate_are_those_of_the_order_that_it_repeats(
    server: Server, database: Database
) -> None:
    load(database, "normal-ops", CHANGES, end="2024-01-05")
    (line,) = server.query(
        name_of(database),
        "UPDATE mock_data.orders SET order_date = order_date + interval '20 days' WHERE order_id = "
        "(SELECT max(order_id) FROM mock_data.orders) RETURNING order_id, duplicate_of_order_id",
    )[:1]
    repeat, original = map(int, line.split("|"))

    def keys(days: str) -> set[int]:
        text = b"".join(stream_table(database, "orders", "csv", Days.parse(days)))
        return set(pl.read_csv(text)["order_id"])

    assert {repeat, original} <= keys("..2024-01-05")
    assert keys("2024-01-06..") == set()


def test_days__that_follow_each_other_share_no_row_and_miss_none(
    loaded: Database, files: Made, tmp_path: Path
) -> None:
    ranges = ("..2024-01-15", "2024-01-16..2024-01-16", "2024-01-17..")
    parts = []
    for number, text in enumerate(ranges):
        export_database(loaded, "parquet", tmp_path / str(number), days=Days.parse(text))
        parts.append(frames(tmp_path / str(number)))
    for name in TABLES:
        if name not in MASTERS:
            same(name, pl.concat(part[name] for part in parts), files[name])


def test_days__as_sql_load_with_every_reference(
    server: Server, loaded: Database, database: Database, tmp_path: Path
) -> None:
    export_database(loaded, "sql", tmp_path / "out", days=Days.parse("2024-01-12..2024-01-14"))
    psql(server, database, tmp_path / "out")  # psql proves the foreign keys
    counts = "SELECT count(*) FROM mock_data.orders"
    assert 0 < int(server.query(name_of(database), counts)[0]) < 600


def test_days__that_hold_nothing_give_empty_tables(loaded: Database, tmp_path: Path) -> None:
    manifest = export_database(loaded, "json", tmp_path / "out", days=Days(date(2030, 1, 1)))
    assert manifest.tables["users"].rows == 40
    assert {e.rows for name, e in manifest.tables.items() if name not in MASTERS} == {0}


def test_days__need_the_documents_that_rows_go_by(
    server: Server, database: Database, tmp_path: Path
) -> None:
    load(database, end="2024-01-02", how={"tables": ("users", "order_items")})
    with pytest.raises(ConfigError, match="rows of order_items go with those of orders, which is"):
        export_database(database, "csv", tmp_path / "out", days=Days(date(2024, 1, 1)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "'' is none, write it like 2024-01-01..2024-01-31"),
        ("..", "is none"),
        ("2024-01-01", "is none"),
        ("2024-02-30..", "is none"),
        ("2024-1-1..2024-02-01", "is none"),
        ("2024-02-02..2024-02-01", "ends before it begins"),
        ("1970-01-01..", r"1970-01-01 is not in 1990-01-01\.\.2050-12-31"),
    ],
)
def test_days__that_are_none_are_refused(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=f"date range: .*{says}"):
        Days.parse(text)


# --- streams, faults, others at the same time -----------------------------------------------


@pytest.mark.parametrize("format", ["parquet", "csv", "json"])
def test_stream__gives_the_bytes_of_the_file(
    loaded: Database, files: Made, tmp_path: Path, format: str
) -> None:
    manifest = export_database(loaded, format, tmp_path / "out")
    assert files.folder is not None
    source = DatasetSource(Dataset.open(files.folder))
    for name in ("orders", "companies"):
        (part,) = manifest.tables[name].parts
        wanted = (tmp_path / "out" / part.file).read_bytes()
        assert b"".join(stream_table(loaded, name, format)) == wanted
        found = b"".join(stream_from(source, name, format))
        if format == "parquet":  # pooled text has another order of its pool
            assert pl.read_parquet(found).equals(pl.read_parquet(wanted))
        else:
            assert found == wanted


def test_stream__of_some_days(loaded: Database) -> None:
    text = b"".join(stream_table(loaded, "orders", "csv", Days.parse("2024-01-03..2024-01-03")))
    frame = pl.read_csv(text, try_parse_dates=True)
    assert 0 < frame.height < 200
    days = frame.filter(pl.col("duplicate_of_order_id").is_null())
    assert days.select(cairo("order_date").dt.date().unique()).to_series().to_list() == [
        date(2024, 1, 3)
    ]


def test_stream__of_sql_loads_alone_and_with_others(
    server: Server, loaded: Database, database: Database, tmp_path: Path
) -> None:
    (tmp_path / "1.sql").write_bytes(b"".join(stream_table(loaded, "payments", "sql")))
    psql(server, database, tmp_path)
    assert server.query(name_of(database), "SELECT count(*) FROM pg_constraint WHERE contype='f'") \
        == ["0"]  # fmt: skip
    server.query(name_of(database), "DROP SCHEMA mock_data CASCADE")
    with Snapshot(loaded) as snapshot:
        for number, name in enumerate(("users", "companies"), 1):
            text = b"".join(stream_from(snapshot, name, "sql", ("users", "companies")))
            (tmp_path / f"{number}.sql").write_bytes(text)
    psql(server, database, tmp_path)
    keys = "SELECT count(*) FROM pg_constraint WHERE contype = 'f'"
    assert server.query(name_of(database), keys) == ["1"]


def many_users(server: Server, database: Database, times: int) -> None:
    """Copy each user so many times."""
    server.query(
        name_of(database),
        "ALTER TABLE mock_data.users DROP CONSTRAINT IF EXISTS users_pkey CASCADE, "
        "DROP CONSTRAINT IF EXISTS users_email_key; INSERT INTO mock_data.users "
        f"SELECT u.* FROM mock_data.users u, generate_series(1, {times})",
    )


def test_stream__that_is_broken_off_leaves_nothing_running(
    server: Server, database: Database
) -> None:
    load(database, end="2024-01-02")
    many_users(server, database, 30_000)
    chunks = stream_table(database, "users", "csv", Days(date(2024, 1, 1)))
    with closing(chunks):  # type: ignore[type-var]
        assert len(next(chunks)) > 1000
        assert sessions(server, database) == ["active"]
    assert gone(server, database)


def gone(server: Server, database: Database) -> bool:
    """Wait until no export is at the server any more."""
    for _ in range(100):
        if not sessions(server, database):
            return True
        threading.Event().wait(0.05)
    return False


@pytest.mark.parametrize("format", ["parquet", "sql"])
@pytest.mark.parametrize("fault", ["Ctrl-C", "session ends"])
def test_fault__leaves_no_file_and_no_session(
    server: Server, loaded: Database, tmp_path: Path, format: str, fault: str
) -> None:
    def hear(table: str, rows: int) -> None:
        if table == "payments" and fault == "Ctrl-C":
            raise KeyboardInterrupt
        if table == "payments":
            server.query(
                "postgres",
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE "
                f"application_name = 'polargen export' AND datname = '{name_of(loaded)}'",
            )

    with pytest.raises((KeyboardInterrupt, TargetError)):
        export_database(loaded, format, tmp_path / "out", progress=hear)
    assert list(tmp_path.iterdir()) == []
    assert gone(server, loaded)


def test_export__sees_one_instant(server: Server, database: Database, tmp_path: Path) -> None:
    made = load(database, end="2024-01-05")

    def hear(table: str, rows: int) -> None:
        if table == "users":
            server.query(name_of(database), "DELETE FROM mock_data.anomaly_labels; "
                         "DELETE FROM mock_data.audit_logs")  # fmt: skip

    manifest = export_database(database, "parquet", tmp_path / "out", progress=hear)
    counts = {name: entry.rows for name, entry in manifest.tables.items()}
    assert counts == made.record_counts
    assert server.query(name_of(database), "SELECT count(*) FROM mock_data.audit_logs") == ["0"]


def test_load__during_an_export_waits_with_its_swap(
    server: Server, database: Database, tmp_path: Path
) -> None:
    first = load(database, seed=1, end="2024-01-05")
    swapping = threading.Event()
    second: list[Any] = []

    def again() -> None:
        second.append(
            load(database, seed=2, end="2024-01-04", hear=at("writing swap", swapping.set))
        )

    with Snapshot(database) as snapshot:
        thread = threading.Thread(target=again)
        thread.start()
        assert swapping.wait(60)
        rows = {
            name: sum(rows.num_rows for _, rows in snapshot.blocks(table))
            for name, table in snapshot.tables.items()
        }
        assert thread.is_alive()
    thread.join(60)
    assert rows == first.record_counts
    manifest = export_database(database, "parquet", tmp_path / "out")
    assert manifest.seed == 2
    assert {n: e.rows for n, e in manifest.tables.items()} == second[0].record_counts


def test_export__of_what_is_no_data_set_is_refused(
    server: Server, database: Database, tmp_path: Path
) -> None:
    with pytest.raises(
        ConfigError, match="mock_data holds no data set of polargen; load one first"
    ):
        export_database(database, "csv", tmp_path / "out")
    server.query(
        name_of(database), "CREATE SCHEMA mock_data; CREATE TABLE mock_data.orders (x int)"
    )
    with pytest.raises(
        ConfigError, match="mock_data holds no data set of polargen; load one first"
    ):
        export_database(database, "csv", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
    assert gone(server, database)


def test_export__names_a_value_that_is_not_declared(
    server: Server, database: Database, tmp_path: Path
) -> None:
    load(database, end="2024-01-02")
    server.query(
        name_of(database),
        "ALTER TABLE mock_data.orders DROP CONSTRAINT orders_status_values; "
        "UPDATE mock_data.orders SET status = 'Lost' WHERE order_id = 5",
    )
    with pytest.raises(TargetError, match=r"orders\.status holds 'Lost', which is none of its"):
        export_database(database, "csv", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


# --- the command ----------------------------------------------------------------------------

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Run the command in an empty folder, without a database in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in ("POLARGEN_DATABASE_URL", "DATABASE_URL", "NODE_ENV", "POLARGEN_ENV", "APP_ENV"):
        monkeypatch.delenv(name, raising=False)

    def run_it(*args: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(["export", *args])
        return (code, *capsys.readouterr())

    return run_it


def test_command__takes_names_in_json_and_days(loaded: Database, command: Command) -> None:
    code, out, err = command(
        "--database", loaded.url, "--format", "json", "-o", "out", "--entities",
        "orderItems,orders", "--date-range", "2024-01-05..2024-01-05", "--json",
    )  # fmt: skip
    assert (code, "s3cret" in out + err) == (0, False)
    said = json.loads(out)
    assert list(said["recordCounts"]) == ["orders", "order_items"]
    assert said["dateRange"] == "2024-01-05..2024-01-05"
    manifest = Manifest.read(Path("out"))
    assert {n: e.rows for n, e in manifest.tables.items()} == said["recordCounts"]
    assert main(["verify", "out"]) == 2


def test_command__shows_rows_and_how_to_load_them(loaded: Database, command: Command) -> None:
    code, out, _ = command("--database", loaded.url, "--format", "sql", "-o", "out", "--quiet")
    assert code == 0
    assert "orders" in out
    assert out.splitlines()[-1] == "  cat out/*.sql | psql -v ON_ERROR_STOP=1"


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (("--format", "csv"), 2, "export: name a data set's folder with --from, or a database"),
        (("--format", "csv", "--from", "x", "--database", "postgresql://h/d"), 2,
         "--database: does not go with --from"),
        (("--format", "csv", "--from", "x", "--date-range", "2024-01-01.."), 2,
         "--date-range: does not go with --from"),
        (("--format", "csv", "--database", "URL", "--date-range", "soon"), 2,
         "--date-range: 'soon' is none, write it like 2024-01-01..2024-01-31"),
        (("--format", "csv", "--database", "URL", "--tables", "orders", "--entities", "orders"), 2,
         "--entities: --tables is given too"),
        (("--format", "csv", "--database", "URL", "--entities", "orderItem"), 2,
         "--entities: 'orderItem' is an unknown table, did you mean order_items?"),
        (("--format", "sql", "--database", "URL", "--compression", "zstd"), 2,
         "compression: sql files are not compressed"),
        (("--format", "csv", "--database", "URL", "--schema", "mock_data_x"), 2,
         "mock_data_x holds no data set of polargen"),
    ],
)  # fmt: skip
def test_command__refuses_what_it_cannot_do(
    loaded: Database, command: Command, args: tuple[str, ...], code: int, says: str
) -> None:
    given = [loaded.url if word == "URL" else word for word in args]
    found, _, err = command(*given, "-o", "out")
    assert (found, says in err) == (code, True), err
    assert not Path("out").exists()


def test_command__leaves_other_files_alone(loaded: Database, command: Command) -> None:
    Path("out").mkdir()
    Path("out", "mine.txt").write_text("x")
    code, _, err = command("--database", loaded.url, "--format", "csv", "-o", "out", "--quiet")
    assert (code, "holds other files (mine.txt)" in err) == (2, True)
    assert [path.name for path in Path("out").iterdir()] == ["mine.txt"]


def test_command__is_refused_in_production(
    loaded: Database, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APP_ENV", "production")
    code, _, _ = command("--database", loaded.url, "--format", "csv", "-o", "out", "--quiet")
    assert (code, Path("out").exists()) == (3, False)


PEAK = """
import resource, sys
from datetime import date
from polargen.database import Database
from polargen.database_export import stream_table
from polargen.selection import Days
for _ in stream_table(Database(sys.argv[1]), "users", sys.argv[2], Days(date(2024, 1, 1))):
    pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
@pytest.mark.parametrize("format", ["parquet", "json"])
def test_memory__does_not_grow_with_the_rows(
    server: Server, database: Database, format: str
) -> None:
    load(database, end="2024-01-02")
    peaks = []
    for times in (15_000, 3):  # 300,000 rows, then four times as many
        many_users(server, database, times)
        command = [sys.executable, "-c", PEAK, database.url, format]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        peaks.append(int(done.stdout))
    assert peaks[1] <= 1.10 * peaks[0], peaks
