"""Parquet files hold exactly the rows, for every reader, whatever the numbers and nulls are."""

from __future__ import annotations

import datetime as dt
import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from polargen.schema import Column, Table
from polargen.sinks import SinkSettings
from polargen.sinks.parquet import ParquetEncoder
from polargen.sinks.parquet.packing import delta_packed, hybrid, pack, width_of

UTC = dt.UTC
EVERY_KIND = Table(
    "things",
    "things",
    "Of every kind.",
    "thing_id",
    (
        Column("thing_id", "key", ""),
        Column("count", "int", "", nullable=True),
        Column("price", "money", "", nullable=True),
        Column("total", "money_total", ""),
        Column("share", "float", "", nullable=True),
        Column("done", "bool", "", nullable=True),
        Column("seen_at", "instant", "", nullable=True),
        Column("day", "date", "", nullable=True),
        Column("state", "enum", "", nullable=True, values=("open", "shut", "lost")),
        Column("area", "label", "", nullable=True),
        Column("name", "text", "", nullable=True),
        Column("extra", "json", "", nullable=True),
        Column("days", "ints", "", nullable=True),
        Column("states", "enums", "", values=("open", "shut")),
        Column(
            "steps",
            "structs",
            "",
            nullable=True,
            fields=(
                Column("at", "instant", ""),
                Column("state", "enum", "", values=("open", "shut")),
                Column("note", "label", ""),
                Column("amount", "money", ""),
            ),
        ),
    ),
)
NUMBERS = {
    "rising": np.arange(1000) * 3 + 10**15,
    "falling": -np.arange(777) * 1_000_003,
    "one": np.array([-5]),
    "two": np.array([7, 7]),
    "whole block": np.arange(257),
    "one mini more": np.arange(322) ** 2,
    "just 32 bits": np.array([-(2**30), 2**30 - 1, 5] * 300) - 10**12,
    "just more": np.array([-(2**30), 2**30, 5] * 300) - 10**12,
    "all bits": np.array([2**63 - 1, -(2**63), 0, -1, 1, 2**63 - 1] * 40),
    "quiet, then wild": np.concatenate([np.zeros(500, int), np.arange(300) ** 5 % 10**12]),
    "random": np.random.default_rng(1).integers(0, 2**37, 5_000),
}


def encoded(table: Table, *blocks: pa.Table, codec: str = "zstd") -> bytes:
    """Write blocks by the sink's encoder."""
    file = io.BytesIO()
    encoder = ParquetEncoder(table, file, SinkSettings("parquet", "", (table,), codec))  # type: ignore[arg-type]
    for rows in blocks:
        encoder.write(rows)
    encoder.close()
    return file.getvalue()


def row(number: int, **given: Any) -> dict[str, Any]:
    """A row of `EVERY_KIND` with nulls wherever they may be."""
    empty: dict[str, Any] = dict.fromkeys(column.name for column in EVERY_KIND.columns)
    return {**empty, "thing_id": number, "total": Decimal("0.00"), "states": [], **given}


FULL = row(
    0,
    count=-3,
    price=Decimal("-12.34"),
    total=Decimal("9999999999999999.99"),
    share=0.1,
    done=True,
    seen_at=dt.datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC),
    day=dt.date(1969, 12, 31),
    state="lost",
    area="Zamalek",
    name="قهوة",
    extra='{"a": 1}',
    days=[1, 0, -128],
    states=["shut", "open"],
    steps=[
        {"at": None, "state": "open", "note": "a", "amount": Decimal("1.00")},
        {
            "at": dt.datetime(2024, 1, 1, tzinfo=UTC),
            "state": None,
            "note": None,
            "amount": None,
        },
        None,
    ],
)


def made(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=EVERY_KIND.arrow_schema)


BLOCKS = {
    "one row of nulls": [row(1)],
    "one full row": [FULL],
    "nulls only": [row(number) for number in range(300)],
    "full rows": [{**FULL, "thing_id": number} for number in range(300)],
    "both": [
        {**FULL, "thing_id": n, "count": n % 7} if n % 3 else row(n, states=["open"] * (n % 4))
        for n in range(1_000)
    ],
    "empty lists": [row(n, days=[], steps=[], name="") for n in range(9)],
}


@pytest.mark.parametrize("codec", ["zstd", "snappy", "gzip", "lz4", "none"])
@pytest.mark.parametrize("name", BLOCKS)
def test_file__has_the_rows_for_each_reader(tmp_path: Path, name: str, codec: str) -> None:
    path = tmp_path / "things.parquet"
    path.write_bytes(encoded(EVERY_KIND, made(BLOCKS[name]), codec=codec))
    assert pq.read_table(path).to_pylist() == BLOCKS[name]
    assert pl.read_parquet(path).to_dicts() == BLOCKS[name]
    assert duckdb.read_parquet(str(path)).to_arrow_table().to_pylist() == BLOCKS[name]


def test_file__has_a_row_group_for_each_block_and_none_for_an_empty_one(tmp_path: Path) -> None:
    first, second = made(BLOCKS["both"]), made([row(5000, area="Maadi")])
    path = tmp_path / "things.parquet"
    path.write_bytes(encoded(EVERY_KIND, first, EVERY_KIND.arrow_schema.empty_table(), second))
    footer = pq.read_metadata(path)
    assert [footer.row_group(n).num_rows for n in range(footer.num_row_groups)] == [1000, 1]
    assert footer.created_by.startswith("polargen version ")
    assert pl.read_parquet(path)["thing_id"].to_list() == [*range(1000), 5000]
    path.write_bytes(encoded(EVERY_KIND))
    assert pl.read_parquet(path).shape == (0, len(EVERY_KIND.columns))


def test_file__of_a_slice_has_the_slice(tmp_path: Path) -> None:
    path = tmp_path / "things.parquet"
    rows = made(BLOCKS["both"])
    path.write_bytes(encoded(EVERY_KIND, rows.slice(3, 13), rows.slice(997)))
    assert pq.read_table(path).to_pylist() == BLOCKS["both"][3:16] + BLOCKS["both"][997:]


def test_file__shows_the_declared_types(tmp_path: Path) -> None:
    path = tmp_path / "things.parquet"
    path.write_bytes(encoded(EVERY_KIND, made([FULL])))
    shown = pq.read_schema(path)
    for column in EVERY_KIND.columns:
        field = shown.field(column.name)
        assert field.nullable == column.nullable
        if column.kind in ("label", "json"):
            assert field.type == pa.string()
        elif column.kind != "structs":
            assert field.type == column.arrow_type
    assert dict(pl.read_parquet_schema(path)) == EVERY_KIND.polars_schema


def test_footer__has_counts_limits_and_sizes(tmp_path: Path) -> None:
    path = tmp_path / "things.parquet"
    path.write_bytes(encoded(EVERY_KIND, made(BLOCKS["both"])))
    group = pq.read_metadata(path).row_group(0)
    chunks = {group.column(n).path_in_schema: group.column(n) for n in range(group.num_columns)}
    ids, count = chunks["thing_id"].statistics, chunks["count"].statistics
    assert (ids.min, ids.max, ids.null_count) == (0, 999, 0)
    assert (count.min, count.max, count.null_count) == (0, 6, 334)
    assert chunks["price"].statistics.min == Decimal("-12.34")
    assert chunks["day"].statistics.max == dt.date(1969, 12, 31)
    stored = sum(chunk.total_compressed_size for chunk in chunks.values())
    assert stored < path.stat().st_size
    assert chunks["thing_id"].compression == "UNCOMPRESSED"
    assert chunks["name"].compression == "ZSTD"
    assert group.total_byte_size >= stored


def test_readers__skip_row_groups_by_the_limits(tmp_path: Path) -> None:
    path = tmp_path / "things.parquet"
    blocks = [made([row(n) for n in range(start, start + 100)]) for start in (0, 100, 200)]
    path.write_bytes(encoded(EVERY_KIND, *blocks))
    found = duckdb.sql(f"select thing_id from '{path}' where thing_id between 150 and 152")
    assert found.fetchall() == [(150,), (151,), (152,)]
    assert pl.scan_parquet(path).filter(pl.col("thing_id") == 201).collect().height == 1


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("kind", ["key", "int"])
def test_numbers__come_back(tmp_path: Path, name: str, kind: Any) -> None:
    table = Table("numbers", "numbers", "", "number", (Column("number", kind, ""),))
    dtype = np.int64 if kind == "key" else np.int32
    values = NUMBERS[name].astype(dtype)  # the low bits, where they are too wide
    path = tmp_path / "numbers.parquet"
    path.write_bytes(encoded(table, pa.table({"number": values}, schema=table.arrow_schema)))
    want = values.tolist()
    assert pq.read_table(path)["number"].to_pylist() == want
    assert pl.read_parquet(path)["number"].to_list() == want
    assert duckdb.read_parquet(str(path)).fetchnumpy()["number"].tolist() == want


@pytest.mark.parametrize(
    "pool",
    [
        [],
        [""],
        ["one", "two", "six"],
        [f"SO-{n:05d}" for n in range(300)] + ["", ""] + [f"ST-{n:09d}" for n in range(40)],
        ["é" * (n % 7) for n in range(300)],
    ],
    ids=["empty", "nothing", "one length", "three lengths", "mixed"],
)
def test_labels__of_any_lengths_come_back(tmp_path: Path, pool: list[str]) -> None:
    table = Table("words", "words", "", "word", (Column("word", "label", "", nullable=True),))
    index = pa.array([*range(len(pool)), None], pa.int32())
    words = pa.DictionaryArray.from_arrays(index, pa.array(pool, pa.string()))
    path = tmp_path / "words.parquet"
    path.write_bytes(encoded(table, pa.table({"word": words}, schema=table.arrow_schema)))
    assert pq.read_table(path)["word"].to_pylist() == [*pool, None]
    assert pl.read_parquet(path)["word"].to_list() == [*pool, None]


@pytest.mark.parametrize("bits", range(1, 65))
def test_pack__puts_the_bits_one_after_the_other(bits: int) -> None:
    width = width_of(2**bits - 1)
    assert bits <= width <= 64
    numbers = [(2**bits - 1) >> shift for shift in range(bits)] * 64
    whole = sum(number << (place * width) for place, number in enumerate(numbers))
    packed = pack(np.array(numbers, dtype=np.uint64), width)
    assert packed.tobytes() == whole.to_bytes(len(numbers) * width // 8, "little")


def test_delta_packed__is_as_the_format_shows_it() -> None:
    # Source: the examples of DELTA_BINARY_PACKED in parquet-format's Encodings.md; blocks of 256
    # values in 4 parts, and the last step is repeated to the end of its part.
    head = bytes([0x80, 0x02, 4, 5, 2])
    assert delta_packed(np.arange(1, 6)) == head + bytes([2, 0, 0, 0, 0])
    head = bytes([0x80, 0x02, 4, 8, 14])  # 7, 5, 3, 1, 2, 3, 4, 5: steps -2, -2, -2, 1, 1, 1, 1
    bits = bytes([0b11_00_00_00, 0b11_11_11_11])
    packed = delta_packed(np.array([7, 5, 3, 1, 2, 3, 4, 5]))
    assert packed[:10] == head + bytes([3, 2, 0, 0, 0])
    assert packed[10:12] == bits
    assert len(packed) == 10 + 64 * 2 // 8


def test_hybrid__is_a_run_or_packed_bits() -> None:
    assert hybrid(np.full(1000, 5, dtype=np.uint8), 3) == bytes([0xD0, 0x0F, 5])
    packed = hybrid(np.arange(8, dtype=np.uint8), 3)  # the example of the format's document
    assert packed == bytes([3, 0b10001000, 0b11000110, 0b11111010])
