"""Digests tell content apart, and nothing else."""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hand_made import arrow, frame

from polargen.columns import arrow_to_polars, polars_to_arrow
from polargen.digest import combine, digest, text_hashes
from polargen.schema import TABLES, Column, Table

ALL = tuple(TABLES.values())
ORDERS = TABLES["orders"]
LABELS = Table(
    "t",
    "t",
    "T.",
    "id",
    (
        Column("id", "key", "Key."),
        Column("enum", "enum", "Enum.", True, values=("a", "b", "c")),
        Column("label", "label", "Label.", True),
        Column("text", "text", "Text.", True),
    ),
)


def rows(
    enums: pa.Array | None = None, labels: pa.Array | None = None, texts: pa.Array | None = None
) -> pa.Table:
    """Return three rows: b, null, a in each column."""
    values = ["b", None, "a"]
    index = pa.array([1, None, 0], pa.uint8())
    enums = enums or pa.DictionaryArray.from_arrays(index, pa.array(["a", "b", "c"]))
    labels = labels or pa.array(values).dictionary_encode()
    texts = texts or pa.array(values)
    columns = [pa.array([1, 2, 3]), enums, labels, texts]
    return pa.Table.from_arrays(columns, schema=LABELS.arrow_schema)


@pytest.mark.parametrize("table", ALL, ids=lambda table: table.name)
def test_digest__is_independent_of_slices_and_chunks(table: Table) -> None:
    whole = arrow(table, 100)
    assert digest(table, whole) == digest(table, arrow(table, 100))
    parts = pa.concat_tables([whole.slice(0, 33), whole.slice(33, 1), whole.slice(34)])
    assert digest(table, parts) == digest(table, whole)
    copied = whole.slice(17, 50).take(pa.array(np.arange(50)))
    assert digest(table, whole.slice(17, 50)) == digest(table, copied)
    assert digest(table, whole.slice(0, 0)) == digest(table, table.arrow_schema.empty_table())


@pytest.mark.parametrize("table", ALL, ids=lambda table: table.name)
def test_digest__is_the_same_after_polars(table: Table) -> None:
    whole = arrow(table, 100)
    back = polars_to_arrow(table, arrow_to_polars(table, whole))
    assert digest(table, back) == digest(table, whole)


@pytest.mark.parametrize("table", ALL, ids=lambda table: table.name)
def test_digest__sees_a_change_in_each_column(table: Table) -> None:
    one, other = frame(table, 40, 1), frame(table, 40, 2)
    seen = {digest(table, one.to_arrow())}
    for column in table.columns:
        changed = type(one)(table, {**one.columns, column.name: other.columns[column.name]})
        seen.add(digest(table, changed.to_arrow()))
    assert len(seen) == 1 + len(table.columns)


def test_digest__sees_the_order_of_rows_and_their_number() -> None:
    whole = arrow(ORDERS, 10)
    swapped = whole.take(pa.array([1, 0, *range(2, 10)]))
    assert len({digest(ORDERS, part) for part in (whole, swapped, whole.slice(0, 9))}) == 3


def test_digest__is_independent_of_the_dictionary() -> None:
    plain = digest(LABELS, rows())
    shuffled = pa.DictionaryArray.from_arrays(
        pa.array([2, None, 1], pa.int32()), pa.array(["unused", "a", "b", "also unused"])
    )
    doubled = pa.DictionaryArray.from_arrays(
        pa.array([0, None, 2], pa.int32()), pa.array(["b", "b", "a"])
    )
    garbage = pa.DictionaryArray.from_arrays(
        pa.array(np.array([0, 99, 1], np.int32), mask=np.array([False, True, False])),
        pa.array(["b", "a"]),
        safe=False,
    )
    other_order = pa.DictionaryArray.from_arrays(
        pa.array([0, None, 1], pa.uint8()), pa.array(["b", "a"])
    )
    assert digest(LABELS, rows(labels=shuffled)) == plain
    assert digest(LABELS, rows(labels=doubled)) == plain
    assert digest(LABELS, rows(labels=garbage)) == plain
    assert digest(LABELS, rows(enums=other_order)) == plain


def test_digest__does_not_see_what_lies_under_nulls() -> None:
    data = pa.array(["b", "hidden", "a"])
    valid = pa.py_buffer(np.packbits([True, False, True], bitorder="little"))
    hidden = pa.StringArray.from_buffers(3, *data.buffers()[1:], valid)
    assert digest(LABELS, rows(texts=hidden)) == digest(LABELS, rows())


def test_digest__tells_null_from_empty_text_and_zero() -> None:
    empty = pa.array(["b", "", "a"])
    assert digest(LABELS, rows(texts=empty)) != digest(LABELS, rows())
    assert digest(LABELS, rows(labels=empty.dictionary_encode())) != digest(LABELS, rows())
    first = pa.DictionaryArray.from_arrays(
        pa.array([1, 0, 0], pa.uint8()), pa.array(["a", "b", "c"])
    )
    assert digest(LABELS, rows(enums=first)) != digest(LABELS, rows())


def test_digest__tells_where_texts_part() -> None:
    one, other = pa.array(["ab", "c", ""]), pa.array(["a", "bc", ""])
    assert digest(LABELS, rows(texts=one)) != digest(LABELS, rows(texts=other))


def test_digest__refuses_another_schema_and_undeclared_values() -> None:
    with pytest.raises(TypeError, match="orders: the rows' schema is not the declared one"):
        digest(ORDERS, rows())
    wrong = pa.DictionaryArray.from_arrays(pa.array([0, 0, 0], pa.uint8()), pa.array(["x"]))
    with pytest.raises(ValueError, match="enum holds a value that is not declared"):
        digest(LABELS, rows(enums=wrong))


def test_digest__is_pinned() -> None:
    # a change here changes every manifest: it is a new format version
    assert digest(LABELS, rows()) == "6ba0dffa7c687dbad22adddf91f8f63d"
    assert digest(TABLES["maintenance_visits"], arrow(TABLES["maintenance_visits"], 50)) == (
        "0c2c86a317474637648d173ae6100bcf"
    )
    assert combine(["00" * 16, "ff" * 16]) == "2b6b1487bce5783de86a8dbfac64f79c"


def test_combine__sees_the_order_of_blocks() -> None:
    one, other = "00" * 16, "ff" * 16
    assert len({combine([]), combine([one]), combine([one, other]), combine([other, one])}) == 4


def test_text_hashes__go_by_bytes_alone() -> None:
    texts = ["", "a", "ab", "a\0", "12345678", "123456789", "1234567812345678", "قهوة", "x" * 1000]
    whole = text_hashes(pa.array(texts))
    alone = [int(text_hashes(pa.array([text]))[0]) for text in texts]
    assert whole.tolist() == alone
    assert len(set(alone)) == len(texts)
    assert text_hashes(pa.array(texts).slice(3, 4)).tolist() == alone[3:7]
    assert len(text_hashes(pa.array([], pa.string()))) == 0


def test_text_hashes__do_not_collide_on_numbered_texts() -> None:
    texts = pl.select(pl.format("SO-{}", pl.int_range(200_000)).alias("x"))["x"]
    hashes = text_hashes(texts.to_arrow().cast(pa.string()))
    assert len(np.unique(hashes)) == 200_000
    ones = np.unpackbits(hashes.view(np.uint8).reshape(-1, 8), axis=1).mean(axis=0)
    assert float(np.abs(ones - 0.5).max()) < 0.01  # nine standard errors
