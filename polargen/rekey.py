"""A table's rows with generated keys, and the same rows with stored keys, and back.

Keys stand in key columns, in lists of structs, and as text in the values of anomaly labels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from polargen.draw import I64
from polargen.keys import Keys, uuid_array, uuid_bytes, uuids_of_texts
from polargen.schema import TABLES, Column, Table

_VALUES = ("original_value", "injected_value")  # of anomaly_labels
_Change = Callable[[str, pa.Array], pa.Array]


def stored_rows(table: Table, rows: pa.Table, keys: Keys) -> pa.Table:
    """Return rows as a database stores them.

    Args:
        table: the declaration.
        rows: exactly ``table.arrow_schema``.
        keys: of the run.

    Returns:
        the same columns; keys shifted, uuids as ``pa.uuid()``, in lists of structs as text.
    """
    if keys.are_generated:
        return rows
    for place, column in enumerate(table.columns):
        array = rows.column(place).combine_chunks()
        if column.references_by is not None:
            made = _stored_by(table[column.references_by], array, rows, keys)
        elif table.is_key(column):
            made = _stored(column.references or table.name, array, keys)
        elif column.kind == "int" and column.unique:
            made = pc.add(array, pa.scalar(keys.base.offset(table.name), pa.int32()))
        elif column.kind == "structs":
            made = _structs(column, array, lambda name, part: _in_struct(name, part, keys))
        else:
            continue
        rows = rows.set_column(place, column.name, made)
    return _label_values(table, rows, lambda name, texts: _texts(name, _integers(texts), keys))


def generated_key(table: str, array: pa.Array, keys: Keys) -> pa.Array:
    """Return a column of stored keys of one table as generated ones; nulls stay."""
    if keys.is_uuid(table):
        plain = _uuid_bytes(array)
        return pa.array(keys.generated(table, plain), mask=_mask(array))
    offset = keys.base.offset(table)
    return array if offset == 0 else pc.subtract(array, pa.scalar(offset, pa.int64()))


def generated_key_by(column: Column, codes: pa.Array, array: pa.Array, keys: Keys) -> pa.Array:
    """Return stored keys of several tables as generated ones.

    Args:
        column: the enumeration that names the tables.
        codes: its values, text.
        array: stored keys; text where some tables have uuids and some have numbers.
        keys: of the run.
    """
    result = np.zeros(len(array), dtype=np.int64)
    for name, places in _by_table(column, codes, array):
        part = array.take(pa.array(places))
        if keys.mixed and not keys.is_uuid(name):
            part = part.cast(pa.int64())
        result[places] = generated_key(name, part, keys).to_numpy(zero_copy_only=False)
    return pa.array(result, mask=_mask(array))


def generated_label_values(rows: pa.Table, keys: Keys) -> pa.Table:
    """Return rows of anomaly_labels with generated keys in their values."""

    def text(name: str, texts: pa.Array) -> pa.Array:
        numbers = texts if keys.is_uuid(name) else _integers(texts)
        return generated_key(name, numbers, keys).cast(pa.string())

    return _label_values(TABLES["anomaly_labels"], rows, text)


def _stored(table: str, array: pa.Array, keys: Keys) -> pa.Array:
    if keys.is_uuid(table):
        plain = array.fill_null(0).to_numpy(zero_copy_only=False)
        return uuid_array(uuid_bytes(table, keys.numbers(table, plain)), _mask(array))
    return pc.add(array, pa.scalar(keys.base.offset(table), pa.int64()))


def _stored_by(column: Column, array: pa.Array, rows: pa.Table, keys: Keys) -> pa.Array:
    """Return keys of the tables that ``column`` names: numbers, uuids, or text for both."""
    codes = rows.column(column.name).combine_chunks().cast(pa.string())
    if keys.mixed:
        return _scattered(column, codes, array, lambda name, part: _texts(name, part, keys))
    if keys.all_uuid:
        plain = array.fill_null(0).to_numpy(zero_copy_only=False)
        made = np.zeros((len(array), 16), dtype=np.uint8)
        for name, places in _by_table(column, codes, array):
            made[places] = uuid_bytes(name, keys.numbers(name, plain[places]))
        return uuid_array(made, _mask(array))
    offsets = pa.array([keys.base.offset(name) for name in column.values], pa.int64())
    which = pc.index_in(codes, value_set=pa.array(column.values))
    return pc.add(array, offsets.take(which))


def _texts(table: str, array: pa.Array, keys: Keys) -> pa.Array:
    plain = array.fill_null(0).to_numpy(zero_copy_only=False)
    return pc.if_else(array.is_valid(), keys.texts(table, plain), pa.scalar(None, pa.string()))


def generated_structs(column: Column, array: pa.Array, keys: Keys) -> pa.Array:
    """Return lists of structs with generated keys in place of stored ones; uuids are text."""
    return _structs(column, array, lambda name, part: generated_key(name, part, keys))


def _in_struct(table: str, array: pa.Array, keys: Keys) -> pa.Array:
    return (_texts if keys.is_uuid(table) else _stored)(table, array, keys)


def _structs(column: Column, array: pa.Array, change: _Change) -> pa.Array:
    """Return a column of lists of structs with the keys in them changed."""
    if not any(item.references for item in column.fields):
        return array
    inner = array.flatten()
    fields = []
    for item in column.fields:
        part = inner.field(item.name)
        fields.append(part if item.references is None else change(item.references, part))
    made = pa.StructArray.from_arrays(fields, names=[item.name for item in column.fields])
    first = array.offsets[0].as_py() if len(array) else 0
    offsets = pc.subtract(array.offsets, pa.scalar(first)).cast(pa.int32())
    return pa.ListArray.from_arrays(offsets, made)


def _label_values(table: Table, rows: pa.Table, text: _Change) -> pa.Table:
    """Return label rows with the keys in their values written anew; other rows as they are."""
    if table.name != "anomaly_labels" or rows.num_rows == 0:
        return rows
    entity = rows.column("entity").combine_chunks().cast(pa.string())
    field = rows.column("field").combine_chunks().cast(pa.string())
    for value in _VALUES:
        place = rows.schema.get_field_index(value)
        array = rows.column(place).combine_chunks()
        for name, column, target in _key_fields():
            here = pc.and_(pc.equal(entity, name), pc.fill_null(pc.equal(field, column), False))
            here = pc.and_(here, array.is_valid())
            if here.true_count:
                array = pc.replace_with_mask(array, here, text(target, array.filter(here)))
        rows = rows.set_column(place, value, array)
    return rows


def _key_fields() -> Iterator[tuple[str, str, str]]:
    """Yield (table, column, table it refers to) of every reference that a label can speak of."""
    for table in TABLES.values():
        for column, other in table.foreign_keys:
            yield table.name, column, other


def _by_table(column: Column, codes: pa.Array, array: pa.Array) -> Iterator[tuple[str, I64]]:
    """Yield each table that the codes name, and where, nulls of the array aside."""
    which = pc.index_in(codes, value_set=pa.array(column.values))
    index = which.fill_null(-1).to_numpy(zero_copy_only=False)
    valid = array.is_valid().to_numpy(zero_copy_only=False)
    for code in np.unique(index[valid]).tolist():
        yield column.values[code], np.flatnonzero(valid & (index == code))


def _scattered(column: Column, codes: pa.Array, array: pa.Array, text: _Change) -> pa.Array:
    parts, places = [pa.nulls(1, pa.string())], np.zeros(len(array), dtype=np.int64)
    start = 1
    for name, here in _by_table(column, codes, array):
        parts.append(text(name, array.take(pa.array(here))))
        places[here] = start + np.arange(len(here))
        start += len(here)
    return pa.concat_arrays(parts).take(pa.array(places))


def _uuid_bytes(array: pa.Array) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Return the (n, 16) bytes of uuids, zeros for nulls."""
    if not isinstance(array, pa.ExtensionArray) and not pa.types.is_fixed_size_binary(array.type):
        return uuids_of_texts(array.cast(pa.string()).fill_null("0" * 36))
    storage = array.storage if isinstance(array, pa.ExtensionArray) else array
    filled = storage.fill_null(b"\0" * 16)
    data = np.frombuffer(filled.buffers()[1], dtype=np.uint8)
    return data[filled.offset * 16 : (filled.offset + len(filled)) * 16].reshape(-1, 16)


def _integers(texts: pa.Array) -> pa.Array:
    return texts.cast(pa.int64())


def _mask(array: pa.Array) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]] | None:
    if array.null_count == 0:
        return None
    mask: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
    mask = array.is_null().to_numpy(zero_copy_only=False)
    return mask
