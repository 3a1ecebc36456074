"""A table's rows as plain arrays: what every rule computes with.

Money is int64 piastres, instants int64 microseconds UTC, days int32, enumerations uint8 codes in
the schema's order; what lies under a null is 0. Columns are converted when a rule first asks for
them, so a rule that reads three columns pays for three.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import Any, TypeAlias

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from polargen.columns import Frame, Gather, Nested, Nullable, to_arrow
from polargen.errors import VerificationError
from polargen.schema import TABLES, Column, Kind, Table

Array = NDArray[Any]
I64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

# A dense table of positions is used where the keys' span is at most this many times their number.
_DENSE_SPAN = 64
_DENSE_LIMIT = 1 << 24
Source: TypeAlias = pl.DataFrame | pa.Table | Frame
_TEXTS = ("text", "label", "json")


class KeyIndex:
    """Finds the row of a key.

    Args:
        keys: int64, shape (n,). Of keys that occur twice, one row is found.
    """

    def __init__(self, keys: I64) -> None:
        self._size = len(keys)
        self._low = int(keys.min()) if self._size else 0
        span = (int(keys.max()) - self._low + 1) if self._size else 0
        self._dense = span <= min(_DENSE_SPAN * self._size + 1024, _DENSE_LIMIT)
        if self._dense:
            self._rows = np.full(span + 1, -1, dtype=np.int32)
            self._rows[keys - self._low] = np.arange(self._size, dtype=np.int32)
        else:
            self._order = np.argsort(keys, kind="stable")
            self._sorted = keys[self._order]

    def find(self, keys: I64) -> I64:
        """Return the row of each key, -1 where there is none."""
        if not self._size:
            return np.full(len(keys), -1, dtype=np.int64)
        if self._dense:
            offset = keys - self._low
            last = len(self._rows) - 1  # always -1: stands for every key outside the span
            offset[(offset < 0) | (offset > last)] = last
            return self._rows[offset].astype(np.int64)
        place = np.minimum(np.searchsorted(self._sorted, keys), self._size - 1)
        return np.where(self._sorted[place] == keys, self._order[place], -1)


class Plain:
    """One column's values.

    Attributes:
        raw: values; what lies under a null is arbitrary.
        mask: which are not null; None if all are.
    """

    def __init__(self, raw: Array, mask: Bool | None) -> None:
        self.raw = raw
        self.mask = mask

    @cached_property
    def values(self) -> Array:
        """Values, 0 where null."""
        if self.mask is None:
            return self.raw
        return np.where(self.mask, self.raw, np.zeros(1, dtype=self.raw.dtype))

    @cached_property
    def valid(self) -> Bool:
        """Which values are not null."""
        return np.ones(len(self.raw), dtype=bool) if self.mask is None else self.mask


class Lists:
    """A list column: row i holds the elements ``offsets[i]:offsets[i + 1]`` of each field.

    Attributes:
        offsets: int64, shape (rows + 1,), from 0.
    """

    def __init__(self, offsets: I64, fields: Mapping[str, Plain]) -> None:
        self.offsets = offsets
        self._fields = dict(fields)

    def __getitem__(self, name: str) -> Array:
        return self._fields[name].values

    def plain(self, name: str) -> Plain:
        """Return the elements of one field."""
        return self._fields[name]

    def valid(self, name: str) -> Bool:
        """Return which elements are not null."""
        return self._fields[name].valid

    def __len__(self) -> int:
        return int(self.offsets[-1])

    @cached_property
    def counts(self) -> I64:
        """Elements of each row."""
        return np.diff(self.offsets)

    @cached_property
    def parent(self) -> I64:
        """The row of each element."""
        return np.repeat(np.arange(len(self.offsets) - 1, dtype=np.int64), self.counts)

    @cached_property
    def position(self) -> I64:
        """The place of each element in its row, from 0."""
        return np.arange(len(self), dtype=np.int64) - self.offsets[:-1][self.parent]

    @cached_property
    def is_last(self) -> Bool:
        """Which elements end their row."""
        result = np.zeros(len(self), dtype=bool)
        result[self.offsets[1:][self.counts > 0] - 1] = True
        return result

    def of_rows(self, elements: Bool) -> Bool:
        """Return which rows have a marked element."""
        result = np.zeros(len(self.offsets) - 1, dtype=bool)
        result[self.parent[elements]] = True
        return result

    def total(self, values: I64) -> I64:
        """Return each row's sum over its elements."""
        sums = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(values, dtype=np.int64)])
        return np.diff(sums[self.offsets])

    def first(self, name: str, otherwise: int = -1) -> Array:
        """Return each row's first element, ``otherwise`` where it has none."""
        return self._edge(name, self.offsets[:-1], otherwise)

    def last(self, name: str, otherwise: int = -1) -> Array:
        """Return each row's last element, ``otherwise`` where it has none."""
        return self._edge(name, self.offsets[1:] - 1, otherwise)

    def _edge(self, name: str, place: I64, otherwise: int) -> Array:
        result = np.full(len(place), otherwise, dtype=np.int64)
        some = self.counts > 0
        result[some] = self[name][place[some]]
        return result


class Rows:
    """Rows of one table.

    Args:
        table: the declaration.
        source: the rows, as a `Frame` of a generator, or as an Arrow table or Polars frame of the
            declared schema; masters may come with some of their columns only.

    Raises:
        VerificationError: a column has another type than declared.
    """

    def __init__(self, table: Table, source: Source) -> None:
        self.table = table
        self.source = source
        self._size = len(source)
        self._columns: dict[str, Plain] = {}
        self._lists: dict[str, Lists] = {}
        if isinstance(source, pl.DataFrame):
            _require_schema(table, source)

    @classmethod
    def empty(cls, name: str) -> Rows:
        """Return no rows of a table."""
        return _no_rows(name)

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, name: str) -> Array:
        return self.plain(name).values

    def valid(self, name: str) -> Bool:
        """Return which rows of a column are not null."""
        return self.plain(name).valid

    @property
    def key(self) -> I64:
        """Primary keys."""
        return self[self.table.primary_key]

    @cached_property
    def index(self) -> KeyIndex:
        """Finds rows by primary key."""
        return KeyIndex(self.key)

    def has(self, name: str, *values: str) -> Bool:
        """Return which rows show one of the values in an enumeration column."""
        plain, code = self.plain(name), self.table[name].code
        result = np.asarray(plain.raw == code(values[0]))
        for value in values[1:]:
            result |= plain.raw == code(value)
        return result if plain.mask is None else result & plain.mask

    def text(self, name: str) -> pl.Series:
        """Return a text column."""
        return self.series(name)

    def series(self, name: str) -> pl.Series:
        """Return a column as Polars shows it."""
        column = self.table[name]
        if isinstance(self.source, pl.DataFrame):
            return self.source[name]
        if isinstance(self.source, Frame):
            array = to_arrow(column, self.source[name], self.table.name)
        else:
            array = self.source.column(name)
        return pl.Series(name, array).cast(column.polars_type)

    def lists(self, name: str) -> Lists:
        """Return a list column; the elements of "ints" and "enums" are the field "item"."""
        if name not in self._lists:
            column = self.table[name]
            if isinstance(self.source, Frame):
                self._lists[name] = _lists_of_frame(column, self.source[name])
            elif isinstance(self.source, pl.DataFrame):
                array = self.source[name].rechunk().to_arrow()
                self._lists[name] = _lists_of_arrow(column, array)
            else:
                array = _whole(self.source.column(name))
                self._lists[name] = _lists_of_arrow(column, array)
        return self._lists[name]

    def null_count(self, name: str) -> int:
        """Return how many rows of any kind of column are null."""
        if isinstance(self.source, pl.DataFrame):
            return self.source[name].null_count()
        if not isinstance(self.source, Frame):
            return int(self.source.column(name).null_count)
        values: Any = self.source[name]
        if isinstance(values, pa.Array):
            return int(values.null_count)
        return int(np.count_nonzero(~values.valid)) if isinstance(values, Nullable) else 0

    def plain(self, name: str) -> Plain:
        """Return a column that is no list; of texts only the mask says something."""
        if name not in self._columns:
            column = self.table[name]
            if isinstance(self.source, pl.DataFrame):
                self._columns[name] = _plain_of_series(column, self.source[name])
            elif isinstance(self.source, Frame):
                self._columns[name] = _plain_of_values(self.source[name])
            else:
                array = _whole(self.source.column(name))
                self._columns[name] = _plain_of_arrow(column, array)
        return self._columns[name]


def pick(values: Array, rows: I64) -> Array:
    """Gather ``values[rows]``; where a row is -1 the result is arbitrary."""
    if not len(values):
        return np.zeros(len(rows), dtype=values.dtype)
    return values[np.maximum(rows, 0)]


def sums(rows: I64, values: Array, size: int) -> I64:
    """Return the int64 sums of ``values`` by row; values whose row is -1 are left out."""
    totals = np.zeros(size + 1, dtype=np.int64)
    np.add.at(totals, rows, values.astype(np.int64, copy=False))
    return totals[:size]


def counts(rows: I64, size: int) -> I64:
    """Return how often each row occurs; -1 is left out."""
    return np.bincount(rows + 1, minlength=size + 1)[1 : size + 1].astype(np.int64)


@lru_cache(maxsize=64)
def _no_rows(name: str) -> Rows:
    table = TABLES[name]
    return Rows(table, pl.DataFrame(schema=table.polars_schema))


@lru_cache(maxsize=64)
def _schema_of(table: Table) -> dict[str, pl.DataType]:
    return table.polars_schema


def _require_schema(table: Table, frame: pl.DataFrame) -> None:
    declared = _schema_of(table)
    for name, dtype in frame.schema.items():
        if name not in declared:
            raise VerificationError(f"{table.name}.{name}: column is not declared; remove it")
        if dtype != declared[name]:
            raise VerificationError(
                f"{table.name}.{name}: type is {dtype}, must be {declared[name]}; cast it"
            )


def _plain_of_values(values: Any) -> Plain:
    mask = None
    if isinstance(values, Nullable):
        values, mask = values.values, values.valid
    if isinstance(values, np.ndarray):
        return Plain(values, mask)
    if isinstance(values, Gather):
        return _no_values(len(values.index), mask)
    if values.null_count:
        shown = values.is_valid().to_numpy(zero_copy_only=False)
        mask = shown if mask is None else mask & shown
    return _no_values(len(values), mask)


def _plain_of_series(column: Column, series: pl.Series) -> Plain:
    if column.kind in _TEXTS:
        mask = series.is_not_null().to_numpy() if series.null_count() else None
        return _no_values(len(series), mask)
    return _plain_of_arrow(column, series.rechunk().to_arrow())


def _plain_of_arrow(column: Column, array: pa.Array) -> Plain:
    mask = array.is_valid().to_numpy(zero_copy_only=False) if array.null_count else None
    if column.kind in _TEXTS:
        return _no_values(len(array), mask)
    if column.kind in ("money", "money_total"):
        if not len(array):
            return Plain(np.zeros(0, dtype=np.int64), None)
        words = np.frombuffer(array.buffers()[1], dtype=np.int64)
        cents = words[2 * array.offset : 2 * (array.offset + len(array)) : 2]
        return Plain(cents.copy(), mask)
    if pa.types.is_dictionary(array.type):
        return _codes(column, array, mask)
    if column.kind == "instant":
        array = array.view(pa.int64())
    elif column.kind == "date":
        array = array.view(pa.int32())
    if mask is not None:
        array = array.fill_null(False if column.kind == "bool" else 0)
    return Plain(array.to_numpy(zero_copy_only=False), mask)


def _codes(column: Column, array: pa.DictionaryArray, mask: Bool | None) -> Plain:
    """Return codes in the schema's order; a dictionary may list its values in another one."""
    index = array.indices if mask is None else array.indices.fill_null(0)
    codes = index.to_numpy(zero_copy_only=False)
    shown = tuple(array.dictionary.to_pylist())
    if shown == column.values:
        return Plain(codes, mask)
    lookup = np.array([column.code(value) for value in shown] or [0], dtype=np.uint8)
    return Plain(lookup[codes], mask)


def _no_values(size: int, mask: Bool | None) -> Plain:
    return Plain(np.zeros(size, dtype=np.uint8), mask)


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _lists_of_arrow(column: Column, array: pa.Array) -> Lists:
    offsets = array.offsets.to_numpy().astype(np.int64)
    if not len(offsets):
        offsets = np.zeros(1, dtype=np.int64)
    values = array.values.slice(offsets[0], offsets[-1] - offsets[0])
    fields = {}
    if column.kind == "structs":
        for place, item in enumerate(column.fields):
            fields[item.name] = _plain_of_arrow(item, values.field(place))
    else:
        fields["item"] = _plain_of_arrow(_item(column), values)
    return Lists(offsets - offsets[0], fields)


def _lists_of_frame(column: Column, values: Any) -> Lists:
    if isinstance(values, pa.Array):
        return _lists_of_arrow(column, values)
    assert isinstance(values, Nested)
    fields = {name: _plain_of_values(inner) for name, inner in values.fields.items()}
    return Lists(values.offsets.astype(np.int64), fields)


def _item(column: Column) -> Column:
    kind: Kind = "enum" if column.kind == "enums" else "int"
    return Column("item", kind, column.meaning, values=column.values)
