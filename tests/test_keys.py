"""Stored keys: shifted, as uuids, and read back."""

from __future__ import annotations

import uuid

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polargen.keys import Base, Keys, uuid_array, uuid_bytes, uuid_numbers, uuid_texts
from polargen.keys import uuids_of_texts as of_texts
from polargen.rekey import generated_key, generated_label_values, stored_rows
from polargen.schema import TABLES

LARGEST = 2**62 - 1
PINNED = [
    "256da40f-bcd3-4357-9165-dca000125b1b",
    "e2b526ed-1e51-4f1c-9a5e-9fe948acc036",
    "5497859b-af57-475c-97fe-7b2c13cde6ac",
]


@given(st.lists(st.integers(0, LARGEST), min_size=1, unique=True), st.sampled_from(list(TABLES)))
def test_uuids__are_a_bijection_of_a_table_s_numbers(numbers: list[int], table: str) -> None:
    made = uuid_bytes(table, np.array(numbers, dtype=np.int64))
    assert len({bytes(row) for row in made}) == len(numbers)
    assert uuid_numbers(table, made).tolist() == numbers


def test_uuids__have_version_4_and_the_rfc_s_variant() -> None:
    texts = uuid_texts(uuid_bytes("orders", np.arange(1, 2000, dtype=np.int64))).to_pylist()
    for text in texts:
        parsed = uuid.UUID(text)
        assert str(parsed) == text
        assert parsed.version == 4
        assert parsed.variant == uuid.RFC_4122


def test_uuids__of_two_tables_have_nothing_in_common() -> None:
    numbers = np.arange(1, 20_000, dtype=np.int64)
    one, two = (uuid_texts(uuid_bytes(name, numbers)) for name in ("orders", "users"))
    assert not set(one.to_pylist()) & set(two.to_pylist())


def test_uuids__of_a_number_never_change() -> None:
    """Databases are loaded at different times, and their uuids agree."""
    texts = uuid_texts(uuid_bytes("orders", np.array([1, 2, 10**12], dtype=np.int64)))
    assert texts.to_pylist() == PINNED


def test_uuids__spread_over_all_bits() -> None:
    made = uuid_bytes("orders", np.arange(1, 40_001, dtype=np.int64))
    share = np.unpackbits(made, axis=1).mean(axis=0)
    fixed = {48, 49, 50, 51, 64, 65}
    free = [share[bit] for bit in range(128) if bit not in fixed]
    assert max(abs(value - 0.5) for value in free) < 0.02  # 8 standard errors
    assert [share[bit] for bit in sorted(fixed)] == [0, 1, 0, 0, 1, 0]


def test_texts_of_uuids__are_read_back_from_slices() -> None:
    made = uuid_bytes("orders", np.arange(1, 50, dtype=np.int64))
    texts = uuid_texts(made)
    assert np.array_equal(of_texts(texts.slice(7, 20)), made[7:27])
    assert of_texts(texts.slice(0, 0)).shape == (0, 16)


@pytest.mark.parametrize(
    "keys",
    [
        Keys(),
        Keys(Base(2, 5, (("orders", 700), ("users", 3)))),
        Keys(Base(3, 5, (("orders", 10),)), all_uuid=True),
        Keys(uuid_tables=frozenset({"orders"})),
    ],
)
def test_stored_keys__are_read_back_with_their_nulls(keys: Keys) -> None:
    for table in ("orders", "users"):
        numbers = np.arange(1, 9, dtype=np.int64)
        stored = keys.stored(table, numbers)
        assert (stored.type == pa.uuid()) == keys.is_uuid(table)
        assert generated_key(table, stored, keys).to_pylist() == numbers.tolist()
        if keys.is_uuid(table):
            holes = uuid_array(uuid_bytes(table, keys.numbers(table, numbers)), numbers % 2 == 0)
        else:
            holes = pa.array(keys.numbers(table, numbers), mask=numbers % 2 == 0)
        back = generated_key(table, holes, keys).to_pylist()
        assert back == [n if n % 2 else None for n in numbers.tolist()]


def test_keys__survive_their_record() -> None:
    keys = Keys(Base(4, None, (("orders", 7),)), frozenset({"users"}))
    assert Keys.from_json(keys.to_json()) == keys


def labels(**columns: list[object]) -> pa.Table:
    table, n = TABLES["anomaly_labels"], len(next(iter(columns.values())))
    filler = {"key": 1, "text": "x", "label": "x", "enum": None, "instant": 0}
    arrays = []
    for column in table.columns:
        values = columns.get(column.name, [filler[column.kind]] * n)
        if column.kind == "enum":
            values = [value or column.values[0] for value in values]
            plain = pa.array(values, pa.string())
            codes = pa.array([column.values.index(v) for v in values], pa.uint8())
            arrays.append(pa.DictionaryArray.from_arrays(codes, pa.array(column.values)))
            assert arrays[-1].cast(pa.string()).equals(plain)
        else:
            arrays.append(pa.array(values, column.arrow_type))
    return pa.Table.from_arrays(arrays, schema=table.arrow_schema)


def test_keys_in_labels__are_stored_keys_too() -> None:
    made = labels(
        entity=["orders", "orders", "users"],
        entity_id=[5, 6, 7],
        field=["duplicate_of_order_id", "status", None],
        original_value=[None, "Pending", None],
        injected_value=["4", "Cancelled", None],
    )
    keys = Keys(Base(2, 1, (("orders", 100), ("users", 20), ("anomaly_labels", 50))))
    stored = stored_rows(TABLES["anomaly_labels"], made, keys)
    assert stored["label_id"].to_pylist() == [51, 51, 51]
    assert stored["entity_id"].to_pylist() == [105, 106, 27]
    assert stored["injected_value"].to_pylist() == ["104", "Cancelled", None]
    assert generated_label_values(stored, keys)["injected_value"].equals(made["injected_value"])
    uuids = Keys(all_uuid=True)
    stored = stored_rows(TABLES["anomaly_labels"], made, uuids)
    four = uuid_texts(uuid_bytes("orders", np.array([4], dtype=np.int64)))[0].as_py()
    assert stored["injected_value"].to_pylist() == [four, "Cancelled", None]
    seven = bytes(uuid_bytes("users", np.array([7], dtype=np.int64)).reshape(-1))
    assert stored["entity_id"].combine_chunks().storage[2].as_py() == seven


def test_a_mix_of_numbers_and_uuids__is_text_where_a_column_holds_both() -> None:
    made = labels(entity=["orders", "users"], entity_id=[5, 7])
    keys = Keys(uuid_tables=frozenset({"users"}))
    stored = stored_rows(TABLES["anomaly_labels"], made, keys)["entity_id"].to_pylist()
    assert stored[0] == "5"
    assert uuid.UUID(stored[1]).version == 4
