"""What the checks remember and how they find rows: keys, texts, columns."""

from __future__ import annotations

import hand_made
import numpy as np
import polars as pl
import pytest

from polargen.checks import seen
from polargen.checks.days import MarkedDays
from polargen.checks.rows import KeyIndex, Lists, Plain, Rows, counts, sums
from polargen.checks.seen import KeySet, TextSet
from polargen.checks.stock import missing
from polargen.columns import polars_to_arrow
from polargen.schema import NESTED, TABLES
from polargen.streams import stream


def drawn(name: str, size: int, span: int) -> np.ndarray:
    return (stream(0, f"test.{name}").u64(size) % np.uint64(span)).astype(np.int64)


@pytest.mark.parametrize("span", [300, 100_000, 10**15])
@pytest.mark.parametrize("ordered", [True, False])
def test_key_set__finds_every_repeated_key(span: int, ordered: bool) -> None:
    known: set[int] = set()
    keys = KeySet()
    for part in np.array_split(drawn("keys", 2_000, span) - span // 3, 7):
        part = np.sort(part) if ordered else part
        wanted = []
        for key in part.tolist():
            wanted.append(key in known)
            known.add(key)
        assert keys.add(part).tolist() == wanted


def test_key_set__stays_small_and_right_when_pages_are_packed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(seen, "_LIVE_PAGES", 2)
    keys = KeySet()
    # interleaved, as order keys of several warehouses: every fourth key of ten pages
    for turn in range(4):
        assert not keys.add(np.arange(turn, 10 * 65_536, 4)).any()
        assert len(keys._live) <= 2
    assert len(keys._full) == 10
    assert keys.add(np.array([5, 10 * 65_536, 9 * 65_536])).tolist() == [True, False, True]


def test_key_set__takes_dense_keys_in_any_order() -> None:
    keys = KeySet()
    order = np.argsort(drawn("order", 5_000, 1 << 60))
    assert not keys.add(order + 1).any()
    assert keys.add(order[:10] + 1).all()


@pytest.mark.parametrize("buffer_rows", [10, 10**6])
def test_text_set__finds_texts_of_two_rows(
    monkeypatch: pytest.MonkeyPatch, buffer_rows: int
) -> None:
    monkeypatch.setattr(seen, "_BUFFER_ROWS", buffer_rows)
    texts = TextSet()
    for part in np.array_split(np.arange(200), 9):
        texts.add(pl.Series([f"text {number}" for number in part]), part)
    assert texts.repeated() == (0, [])
    texts.add(pl.Series(["text 7", "text 190", "new"]), np.array([1000, 190, 1001]))
    count, who = texts.repeated()
    texts.close()
    assert (count, who) == (1, [1000])


@pytest.mark.parametrize("span", [2_000, 10**12])
def test_key_index__finds_rows_of_keys(span: int) -> None:
    keys = np.unique(drawn("index", 500, span))
    keys = keys[np.argsort(drawn("shuffle", len(keys), 1 << 60))]
    asked = np.concatenate([keys[::3], drawn("asked", 300, span), [-1, span + 5]])
    rows = {key: row for row, key in enumerate(keys.tolist())}
    wanted = [rows.get(key, -1) for key in asked.tolist()]
    assert KeyIndex(keys).find(asked).tolist() == wanted


def test_key_index__of_no_keys_finds_nothing() -> None:
    empty = np.zeros(0, dtype=np.int64)
    assert KeyIndex(empty).find(np.array([0, 1])).tolist() == [-1, -1]
    assert KeyIndex(np.array([3])).find(empty).tolist() == []


@pytest.mark.parametrize("name", TABLES)
def test_rows__are_the_same_from_every_kind_of_frame(name: str) -> None:
    table = TABLES[name]
    frame = hand_made.frame(table, 60)
    plain = frame.to_polars()
    sources = [
        Rows(table, frame),
        Rows(table, plain),
        Rows(table, frame.to_arrow()),
        Rows(table, polars_to_arrow(table, plain).slice(0)),
    ]
    first = sources[0]
    for other in sources[1:]:
        assert len(other) == 60
        for column in table.columns:
            assert first.null_count(column.name) == other.null_count(column.name)
            assert first.series(column.name).equals(other.series(column.name))
            if column.kind in NESTED:
                _same_lists(first.lists(column.name), other.lists(column.name))
            else:
                _same(first.plain(column.name), other.plain(column.name))


def _same_lists(one: Lists, other: Lists) -> None:
    assert one.offsets.tolist() == other.offsets.tolist()
    for name in one._fields:
        _same(one.plain(name), other.plain(name))


def _same(one: Plain, other: Plain) -> None:
    assert one.valid.tolist() == other.valid.tolist()
    assert one.values.tolist() == other.values.tolist()


def test_rows__of_a_slice_show_the_slice() -> None:
    table = TABLES["shipments"]
    whole = hand_made.frame(table, 50)
    part = Rows(table, whole.to_arrow().slice(20, 10))
    lists, all_lists = part.lists("attempts"), Rows(table, whole).lists("attempts")
    assert part.key.tolist() == Rows(table, whole).key[20:30].tolist()
    start, stop = all_lists.offsets[20], all_lists.offsets[30]
    assert lists["attempted_at"].tolist() == all_lists["attempted_at"][start:stop].tolist()


def test_lists__sum_mark_and_show_edges() -> None:
    values = np.array([5, 7, 11], dtype=np.int64)
    lists = Lists(np.array([0, 2, 2, 3]), {"v": Plain(values, None)})
    assert lists.total(values).tolist() == [12, 0, 11]
    assert lists.first("v").tolist() == [5, -1, 11]
    assert lists.last("v").tolist() == [7, -1, 11]
    assert lists.position.tolist() == [0, 1, 0]
    assert lists.is_last.tolist() == [False, True, True]
    assert lists.of_rows(values > 6).tolist() == [True, False, True]


def test_sums__leave_out_what_has_no_row() -> None:
    rows = np.array([0, 2, -1, 2])
    assert sums(rows, np.array([1, 2, 4, 8], dtype=np.int32), 3).tolist() == [1, 0, 10]
    assert counts(rows, 3).tolist() == [1, 0, 2]


def test_missing__compares_as_multisets() -> None:
    wanted = np.array([[1, 1], [1, 1], [2, 1], [3, 1]])
    given = np.array([[3, 1], [1, 1], [9, 9]])
    lacking = missing(wanted, given)
    assert sorted(wanted[lacking].tolist()) == [[1, 1], [2, 1]]
    assert missing(given, wanted).tolist() == [False, False, True]
    assert missing(given[:0], wanted).tolist() == []


def test_marked_days__are_found_after_and_counted_between() -> None:
    marks = np.array([True, False, False, True, True, False])
    days = MarkedDays(100, 105, marks)
    assert days.after(np.array([100, 102, 103])).tolist() == [103, 103, 104]
    assert days.between(np.array([100, 101, 104]), np.array([104, 102, 101])).tolist() == [3, 0, 0]
    assert days.has(np.array([100, 101])).tolist() == [True, False]
