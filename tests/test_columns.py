"""Columns become exactly the declared Arrow and Polars types, and come back."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hand_made import frame

from polargen.columns import (
    Frame,
    Gather,
    Nested,
    Nullable,
    arrow_to_polars,
    fixed_text,
    polars_to_arrow,
    string_array,
    to_arrow,
)
from polargen.schema import TABLES, Column, Table

ITEMS = (
    Column("label", "label", "A pooled text."),
    Column("cents", "money", "An amount."),
    Column("seen", "bool", "A truth.", nullable=True),
)
EVERY = Table(
    "every",
    "every",
    "A table with each kind.",
    "key",
    (
        Column("key", "key", "Key."),
        Column("whole", "int", "A number."),
        Column("cents", "money", "An amount."),
        Column("sum", "money_total", "A sum."),
        Column("part", "float", "A number."),
        Column("is_so", "bool", "A truth."),
        Column("at", "instant", "An instant."),
        Column("day", "date", "A day."),
        Column("colour", "enum", "A choice.", values=("red", "green", "blue")),
        Column("label", "label", "A pooled text."),
        Column("text", "text", "A text."),
        Column("json", "json", "An object."),
        Column("days", "ints", "Numbers."),
        Column("colours", "enums", "Choices.", values=("red", "green", "blue")),
        Column("items", "structs", "Things.", fields=ITEMS),
        Column("perhaps", "instant", "An instant or nothing.", nullable=True),
    ),
)


def columns() -> dict[str, object]:
    """Return three rows of every kind, as generators hold them."""
    offsets = np.array([0, 2, 2, 3], dtype=np.int32)
    return {
        "key": np.array([1, 2, 2**62], dtype=np.int64),
        "whole": np.array([-(2**31), 0, 2**31 - 1], dtype=np.int32),
        "cents": np.array([12345, -5, 999_999_999_999], dtype=np.int64),
        "sum": np.array([10**17, 0, -1], dtype=np.int64),
        "part": np.array([0.5, -1e300, 0.0]),
        "is_so": np.array([True, False, True]),
        "at": np.array([1_704_276_923_482_913, -1, 0], dtype=np.int64),
        "day": np.array([19_725, 0, -1], dtype=np.int32),
        "colour": np.array([2, 0, 1], dtype=np.uint8),
        "label": Gather(np.array([1, 1, 0], dtype=np.int32), pa.array(["a", "ب"])),
        "text": pa.array(["x", "", 'say "ü"\n']),
        "json": Gather(np.array([0, 1, 0], dtype=np.int32), pa.array(["{}", '{"a":1}'])),
        "days": Nested(offsets, {"item": np.array([0, 2, 4], dtype=np.int8)}),
        "colours": Nested(offsets, {"item": np.array([1, 1, 2], dtype=np.uint8)}),
        "items": Nested(
            offsets,
            {
                "label": Gather(np.array([0, 0, 1], dtype=np.int32), pa.array(["p", "q"])),
                "cents": np.array([1, 100, 250], dtype=np.int64),
                "seen": Nullable(np.array([True, True, True]), np.array([True, False, True])),
            },
        ),
        "perhaps": Nullable(np.array([5, 6, 7]), np.array([False, True, False])),
    }


SHOWN = [
    {
        "key": 1,
        "whole": -(2**31),
        "cents": Decimal("123.45"),
        "sum": Decimal("1000000000000000.00"),
        "part": 0.5,
        "is_so": True,
        "at": datetime(2024, 1, 3, 10, 15, 23, 482913, tzinfo=UTC),
        "day": date(2024, 1, 3),
        "colour": "blue",
        "label": "ب",
        "text": "x",
        "json": "{}",
        "days": [0, 2],
        "colours": ["green", "green"],
        "items": [
            {"label": "p", "cents": Decimal("0.01"), "seen": True},
            {"label": "p", "cents": Decimal("1.00"), "seen": None},
        ],
        "perhaps": None,
    },
    {
        "key": 2,
        "whole": 0,
        "cents": Decimal("-0.05"),
        "sum": Decimal("0.00"),
        "part": -1e300,
        "is_so": False,
        "at": datetime(1970, 1, 1, tzinfo=UTC) - timedelta(microseconds=1),
        "day": date(1970, 1, 1),
        "colour": "red",
        "label": "ب",
        "text": "",
        "json": '{"a":1}',
        "days": [],
        "colours": [],
        "items": [],
        "perhaps": datetime(1970, 1, 1, 0, 0, 0, 6, tzinfo=UTC),
    },
    {
        "key": 2**62,
        "whole": 2**31 - 1,
        "cents": Decimal("9999999999.99"),
        "sum": Decimal("-0.01"),
        "part": 0.0,
        "is_so": True,
        "at": datetime(1970, 1, 1, tzinfo=UTC),
        "day": date(1969, 12, 31),
        "colour": "green",
        "label": "a",
        "text": 'say "ü"\n',
        "json": "{}",
        "days": [4],
        "colours": ["blue"],
        "items": [{"label": "q", "cents": Decimal("2.50"), "seen": True}],
        "perhaps": None,
    },
]


def test_frame__shows_each_kind_in_arrow_and_polars() -> None:
    made = Frame(EVERY, columns())
    arrow = made.to_arrow()
    assert arrow.schema == EVERY.arrow_schema
    assert arrow.to_pylist() == SHOWN
    shown = made.to_polars()
    assert dict(shown.schema) == EVERY.polars_schema
    assert shown.to_dicts() == SHOWN


def test_frame__is_valid_arrow() -> None:
    Frame(EVERY, columns()).to_arrow().validate(full=True)


@pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))
@pytest.mark.parametrize("rows", [0, 1, 257])
def test_frame__comes_back_from_polars_and_arrow(table: Table, rows: int) -> None:
    made = frame(table, rows, seed=3)
    shown, arrow = made.to_polars(), made.to_arrow()
    assert arrow.schema == table.arrow_schema
    assert dict(shown.schema) == table.polars_schema
    assert shown.height == len(made) == rows
    assert Frame.from_polars(table, shown).to_polars().equals(shown)
    assert Frame.from_arrow(table, arrow).to_arrow().equals(arrow)
    assert arrow_to_polars(table, polars_to_arrow(table, shown)).equals(shown)


def test_frame__comes_back_from_a_slice() -> None:
    table = TABLES["orders"]
    shown = frame(table, 100, seed=4).to_polars()
    arrow = frame(table, 100, seed=4).to_arrow()
    part = shown.slice(30, 41)
    assert Frame.from_polars(table, part).to_polars().equals(part)
    assert Frame.from_arrow(table, arrow.slice(30, 41)).to_polars().equals(part)


WRONG = {
    "key": np.array([1, 2, 3], dtype=np.int32),
    "whole": np.array([1, 2, 3], dtype=np.int64),
    "cents": np.array([1.0, 2.0, 3.0]),
    "sum": np.array([1, 2, 3], dtype=np.int32),
    "part": np.array([1, 2, 3], dtype=np.float32),
    "is_so": np.array([0, 1, 1], dtype=np.uint8),
    "at": np.array(["2024-01-01"] * 3, dtype="datetime64[us]"),
    "day": np.array([1, 2, 3], dtype=np.int64),
    "colour": np.array([0, 1, 2], dtype=np.int64),
    "label": Gather(np.array([0, 0, 0], dtype=np.int64), pa.array(["a"])),
    "text": np.array(["a", "b", "c"]),
    "days": Nested(np.array([0, 1, 2, 3], dtype=np.int32), {"item": np.array([1, 2, 3])}),
    "colours": Nested(
        np.array([0, 1, 2, 3], dtype=np.int32), {"item": np.array([0, 1, 2], dtype=np.int8)}
    ),
    "items": Nested(
        np.array([0, 1, 2, 3], dtype=np.int32),
        {
            "label": Gather(np.array([0, 0, 0], dtype=np.int32), pa.array(["a"])),
            "cents": np.array([1, 2, 3], dtype=np.int32),
            "seen": np.array([True, True, True]),
        },
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_frame__refuses_another_dtype_instead_of_casting(name: str) -> None:
    made = Frame(EVERY, {**columns(), name: WRONG[name]})
    with pytest.raises(TypeError):
        made.to_arrow()


def test_frame__refuses_nulls_where_none_are_declared() -> None:
    empty = Nullable(np.array([1, 2, 3], dtype=np.int32), np.array([True, False, True]))
    with pytest.raises(TypeError, match=r"every\.whole is not declared nullable"):
        Frame(EVERY, {**columns(), "whole": empty}).to_arrow()


def test_frame__refuses_columns_that_are_missing_or_too_many() -> None:
    with pytest.raises(TypeError, match="colour"):
        Frame(EVERY, {name: c for name, c in columns().items() if name != "colour"})
    with pytest.raises(TypeError, match="more"):
        Frame(EVERY, {**columns(), "more": np.zeros(3)})


def test_frame__refuses_columns_of_another_length() -> None:
    short = np.array([1, 2], dtype=np.int32)
    with pytest.raises(TypeError, match=r"every\.whole has 2 rows, not 3"):
        Frame(EVERY, {**columns(), "whole": short}).to_arrow()


def test_frame__refuses_a_polars_frame_of_another_schema() -> None:
    shown = frame(TABLES["users"], 5).to_polars()
    with pytest.raises(TypeError, match="users"):
        Frame.from_polars(TABLES["users"], shown.with_columns(pl.col("user_id").cast(pl.Int32)))
    with pytest.raises(TypeError, match="users"):
        Frame.from_polars(TABLES["users"], shown.drop("email"))


def test_frame__hands_out_arrays_and_what_is_there() -> None:
    made = Frame(EVERY, columns())
    assert made.array("perhaps").tolist() == [5, 6, 7]
    assert made.valid("perhaps").tolist() == [False, True, False]
    assert made.valid("whole").tolist() == [True] * 3
    with pytest.raises(TypeError):
        made.array("items")


def test_to_arrow__takes_plain_numbers_without_copying() -> None:
    column = Column("key", "key", "Key.")
    values = np.arange(1000, dtype=np.int64)
    assert to_arrow(column, values, "t").buffers()[1].address == values.ctypes.data


def test_to_arrow__a_pooled_text_can_hold_nulls() -> None:
    column = Column("note", "label", "Note.", nullable=True)
    pooled = Gather(np.array([0, 1, 0], dtype=np.int32), pa.array(["a", "b"]))
    values = Nullable(pooled, np.array([True, False, True]))
    assert to_arrow(column, values, "t").to_pylist() == ["a", None, "a"]


@pytest.mark.parametrize("digits", range(1, 19))
def test_fixed_text__writes_numbers_with_leading_zeros(digits: int) -> None:
    largest = 10**digits - 1
    number = np.array([0, 1, largest, *(largest // 49 * part for part in range(50))])
    text = fixed_text("SO-", number, digits)
    assert text.to_pylist() == [f"SO-{value:0{digits}d}" for value in number.tolist()]
    assert text.type == pa.string()


def test_fixed_text__may_be_empty_and_without_prefix() -> None:
    assert fixed_text("SO-", np.zeros(0, dtype=np.int64), 10).to_pylist() == []
    assert fixed_text("", np.array([7, 65_535]), 5).to_pylist() == ["00007", "65535"]


def test_string_array__cuts_bytes_into_texts_of_one_width() -> None:
    text = np.frombuffer(b"abc-def-", dtype=np.uint8).reshape(2, 4)
    assert string_array(text[:, :3]).to_pylist() == ["abc", "def"]
    arabic = np.frombuffer("قهوةشاي!!".encode(), dtype=np.uint8).reshape(2, 8)
    assert string_array(arabic).to_pylist() == ["قهوة", "شاي!!"]
