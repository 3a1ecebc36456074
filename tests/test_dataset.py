"""Finished data sets are read with their types, and damage is found."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hand_made import Run

from polargen.columns import arrow_to_polars
from polargen.dataset import Dataset
from polargen.errors import ConfigError, TargetError
from polargen.manifest import Manifest
from polargen.schema import TABLES
from polargen.sinks import SinkSettings

ALL = tuple(TABLES.values())
FORMATS = ("parquet", "csv", "json")


@pytest.fixture(params=FORMATS)
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    """A finished run in each format."""
    run = Run(SinkSettings(request.param, str(tmp_path / "out"), ALL).open_sink())
    run.finish()
    return run


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    """A finished data set."""
    Run(SinkSettings("parquet", str(tmp_path / "out"), ALL).open_sink()).finish()
    return tmp_path / "out"


def test_iter__yields_all_rows_in_order_in_batches(made: Run, tmp_path: Path) -> None:
    data = Dataset.open(tmp_path / "out")
    for table in ALL:
        frames = list(data.iter(table.name, batch_rows=10))
        assert all(0 < frame.height <= 10 for frame in frames)
        want = arrow_to_polars(table, pa.concat_tables(made.written[table.name]))
        assert pl.concat(frames).equals(want)


def test_read_blocks__gives_each_block_its_rows(made: Run, tmp_path: Path) -> None:
    data = Dataset.open(tmp_path / "out")
    blocks = [item for group in data.groups for item in data.read_blocks("payments", group)]
    assert [entry.rows for entry, _ in blocks] == [5, 0, 7, 40]
    for (_, rows), written in zip(blocks, made.written["payments"], strict=True):
        assert rows.to_pylist() == written.to_pylist()


def test_text__in_pieces_reads_the_same(
    made: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = Dataset.open(tmp_path / "out")
    whole = data.read("companies", 1)
    monkeypatch.setattr("polargen.reading._CHUNK_BYTES", 700)
    assert data.read("companies", 1).equals(whole)


def test_parquet__reads_the_same_with_other_readers(parquet: Path) -> None:
    data = Dataset.open(parquet)
    for table in ALL:
        files = [parquet / part.file for part in data.parts(table.name)]
        want = pl.concat(data.iter(table.name))
        assert pl.read_parquet(files).equals(want), "types and values as declared, in Polars"
        declared = table.arrow_schema
        shown = pa.concat_tables(pq.read_table(file) for file in files)
        assert shown.to_pylist() == want.to_arrow().to_pylist()
        for field in shown.schema:
            kind = table[field.name].kind
            if kind in ("label", "json"):
                assert field.type == pa.string()
            elif kind != "structs":
                assert field.type == declared.field(field.name).type, field.name
            assert field.nullable == table[field.name].nullable
        found = duckdb.read_parquet([str(file) for file in files]).to_arrow_table()
        assert found.to_pylist() == shown.to_pylist()


def test_csv_and_ndjson__read_the_same_in_duckdb(tmp_path: Path) -> None:
    table = TABLES["payments"]
    for format, suffix, codec in (
        ("csv", "csv", None),
        ("csv", "csv.gz", "gzip"),
        ("csv", "csv.zst", "zstd"),
        ("json", "ndjson", None),
        ("json", "ndjson.gz", "gzip"),
    ):
        run = Run(SinkSettings(format, str(tmp_path / suffix), (table,), codec).open_sink())
        run.finish()
        files = f"{tmp_path / suffix}/payments/*.{suffix}"
        read = "read_csv" if format == "csv" else "read_json"
        found = duckdb.sql(f"select sum(amount::decimal(18, 2)), count(*) from {read}('{files}')")
        rows = pa.concat_tables(run.written["payments"])
        total = sum(rows.column("amount").to_pylist())
        assert found.fetchall() == [(total, rows.num_rows)]


def test_csv__shows_instants_money_nulls_and_lists_as_documented(tmp_path: Path) -> None:
    run = Run(SinkSettings("csv", str(tmp_path / "out"), ALL).open_sink())
    run.finish()
    first = (tmp_path / "out" / "refunds" / "part-00001.csv").read_text().splitlines()
    assert first[0] == ",".join(column.name for column in TABLES["refunds"].columns)
    row = run.written["refunds"][-1].slice(0, 1).to_pylist()[0]
    created = row["created_at"].strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert created in first[1]
    assert f",{row['amount']}," in first[1]
    users = pl.read_csv(tmp_path / "out" / "users" / "part-00001.csv", infer_schema=False)
    want = run.written["users"][-1].column("photo_url").to_pylist()
    assert users["photo_url"].to_list() == want
    assert None in want
    assert "" in want


def test_ndjson__shows_lists_as_arrays_and_money_as_text(tmp_path: Path) -> None:
    run = Run(SinkSettings("json", str(tmp_path / "out"), ALL).open_sink())
    run.finish()
    lines = (tmp_path / "out" / "refunds" / "part-00001.ndjson").read_text().splitlines()
    row = run.written["refunds"][-1].slice(3, 1).to_pylist()[0]
    shown = json.loads(lines[3])
    assert shown["amount"] == str(row["amount"])
    assert shown["requested_at"] == row["requested_at"].strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    items = [{**item, "amount": str(item["amount"])} for item in row["returned_items"]]
    assert shown["returned_items"] == items
    assert shown["reviewed_by_user_id"] == row["reviewed_by_user_id"]


@pytest.mark.parametrize("damage", ["cut", "changed", "missing", "foreign"])
def test_check_files__finds_damage(made: Run, tmp_path: Path, damage: str) -> None:
    data = Dataset.open(tmp_path / "out")
    part = data.parts("orders", 1)[0]
    path = tmp_path / "out" / part.file
    text = path.read_bytes()
    if damage == "cut":
        path.write_bytes(text[:-1])
        problem = f"{part.file}: {part.bytes - 1} bytes, {part.bytes} were written"
    elif damage == "changed":
        path.write_bytes(text[:50] + bytes([text[50] ^ 1]) + text[51:])
        problem = f"{part.file}: altered, its digest is not the one written"
    elif damage == "missing":
        path.unlink()
        problem = f"{part.file}: missing"
    else:
        (path.parent / "mine.txt").write_text("x")
        problem = "orders/mine.txt: not part of the data set"
    assert data.check_files() == [problem]


def test_check_files__finds_sums_that_do_not_add_up(parquet: Path) -> None:
    data = Dataset.open(parquet)
    entry = data.manifest.tables["users"]
    tables = {**data.manifest.tables, "users": replace(entry, rows=entry.rows + 1)}
    wrong = Dataset(parquet, replace(data.manifest, tables=tables), TABLES)
    assert wrong.check_files() == [
        "users: 53 rows, its files hold 52",
        "users: 53 rows, its blocks hold 52",
    ]


def test_check_content__finds_other_rows_in_whole_files(parquet: Path) -> None:
    data = Dataset.open(parquet)
    entry = data.manifest.tables["users"]
    blocks = (entry.blocks[0], replace(entry.blocks[1], digest="0" * 32), *entry.blocks[2:])
    tables = {**data.manifest.tables, "users": replace(entry, blocks=blocks)}
    wrong = Dataset(parquet, replace(data.manifest, tables=tables), TABLES)
    assert wrong.check_content() == [
        "users: the table's digest is not that of its blocks",
        "users: block 1 holds other rows",
    ]


def test_read__of_a_damaged_file_says_so(made: Run, tmp_path: Path) -> None:
    data = Dataset.open(tmp_path / "out")
    path = tmp_path / "out" / data.parts("orders", 1)[0].file
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(TargetError, match=r"cannot be read .*the data set is damaged, make it"):
        data.read("orders", 1)
    path.unlink()
    with pytest.raises(TargetError, match="is missing: the data set is damaged"):
        data.read("orders", 1)


def test_open__refuses_what_is_no_data_set(tmp_path: Path, parquet: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist or is no folder"):
        Dataset.open(tmp_path / "nowhere")
    with pytest.raises(
        ConfigError, match=r"has no manifest\.json: not a finished polargen data set"
    ):
        Dataset.open(tmp_path)
    with pytest.raises(ConfigError, match="table companies is not declared: install the plug-in"):
        Dataset.open(parquet, {"users": TABLES["users"]})
    with pytest.raises(ConfigError, match="has no table 'nobody', only users, companies"):
        Dataset.open(parquet).read("nobody", 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[:100], "no valid JSON"),
        (lambda text: "[]", "format_version is None, this polargen reads 1"),
        (lambda text: text.replace('"format_version": 1', '"format_version": 9'), "is 9, this"),
        (lambda text: text.replace('"seed": 1', '"seed": "x"'), "seed: Input should be"),
        (lambda text: text.replace('"rows": 52', '"rows": null', 1), "tables.users.rows: Input"),
    ],
)
def test_manifest__is_read_strictly(parquet: Path, change: object, message: str) -> None:
    path = parquet / "manifest.json"
    path.write_text(change(path.read_text()))  # type: ignore[operator]
    with pytest.raises(ConfigError, match=message) as refused:
        Dataset.open(parquet)
    assert "\n" not in str(refused.value)


def test_manifest__survives_json(parquet: Path) -> None:
    manifest = Manifest.read(parquet)
    full = replace(manifest, notes=("ä note",), timings={"plan": 0.5}, seed=2**63 - 1)
    assert Manifest.from_json(full.to_json()) == full
