"""From Arrow columns to leaves: the plain columns of which a Parquet file consists.

A leaf has its values without nulls, and levels that say where a value, a null or an empty list is.
Source: https://parquet.apache.org/docs/file-format/nestedencoding/
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from polargen.columns import unpacked
from polargen.schema import NESTED, Column
from polargen.sinks.parquet.packing import hybrid, run, width_of
from polargen.sinks.parquet.thrift import Value, array_of, binary

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class LeafSchema:
    """A leaf of a table, whatever its rows.

    Attributes:
        path: names from the root on, as the footer has them.
        column: what it holds: a column of the table, or a field of its structs.
        depth: definition level of a value: how many of the nodes above it may be missing.
        repeated: part of a list.
    """

    path: Value
    column: Column
    depth: int
    repeated: bool

    @property
    def kind(self) -> str:
        """Kind of a value; "ints" and "enums" for the elements of such lists."""
        return self.column.kind


@dataclass(frozen=True)
class Leaf:
    """A leaf's part of a block.

    Attributes:
        schema: of the leaf.
        levels: as they stand before the values in a page.
        entries: values, nulls and empty lists.
        nulls: entries without a value.
        values: Arrow array; `present` picks those that count.
        present: index of the values that are not null, or None: all are there.
    """

    schema: LeafSchema
    levels: bytes
    entries: int
    nulls: int
    values: pa.Array
    present: Array | None


def leaf_schemas(column: Column) -> tuple[LeafSchema, ...]:
    """Return the leaves of a column, in order."""
    above = int(column.nullable)
    if column.kind not in NESTED:
        return (LeafSchema(_path(column.name), column, above, False),)
    names = (column.name, "list", "element")
    if column.kind != "structs":
        return (LeafSchema(_path(*names), column, above + 2, True),)
    return tuple(
        LeafSchema(_path(*names, field.name), field, above + 3, True) for field in column.fields
    )


def _path(*names: str) -> Value:
    return array_of([binary(name) for name in names])


def leaves_of(column: Column, schemas: tuple[LeafSchema, ...], array: pa.Array) -> Iterator[Leaf]:
    """Yield the leaves of a column's rows.

    Args:
        column: as declared.
        schemas: of `leaf_schemas`.
        array: (n,) of the declared type, n > 0.
    """
    if column.kind not in NESTED:
        yield _flat(schemas[0], array)
        return
    lists = _Lists(column, array)
    items = array.flatten()
    if column.kind != "structs":
        yield lists.leaf(schemas[0], items, None)
        return
    whole = None if items.null_count == 0 else _valid(items)
    for schema, values in zip(schemas, items.flatten(), strict=True):
        yield lists.leaf(schema, values, whole)


def _flat(schema: LeafSchema, array: pa.Array) -> Leaf:
    count = len(array)
    if not schema.depth:
        return Leaf(schema, b"", count, 0, array, None)
    if array.null_count == 0:
        return Leaf(schema, _level(run(1, count, 1)), count, 0, array, None)
    valid = _valid(array)
    levels = _level(hybrid(valid, 1))
    return Leaf(schema, levels, count, array.null_count, array, np.flatnonzero(valid))


class _Lists:
    """The lists of a column, alike for all of its leaves."""

    def __init__(self, column: Column, array: pa.Array) -> None:
        lengths = array.value_lengths()
        if lengths.null_count:
            lengths = lengths.fill_null(0)
        counts = lengths.to_numpy(zero_copy_only=False)
        room = np.maximum(counts, 1)
        ends = np.cumsum(room)
        starts = ends - room
        self._entries = int(ends[-1])
        again = np.ones(self._entries, dtype=np.uint8)
        again[starts] = 0
        self._repetition = _level(hybrid(again, 1))
        self._filled: Array | None = None  # the entries with an element
        empty = counts == 0
        if empty.any():
            self._empty = starts[empty]
            self._filled = np.ones(self._entries, dtype=bool)
            self._filled[self._empty] = False
            self._depth_of_empty = _valid(array)[empty] if column.nullable else 0

    def leaf(self, schema: LeafSchema, values: pa.Array, whole: Array | None) -> Leaf:
        """Return a leaf of the elements; ``whole`` is false where a struct itself is null."""
        present, depths = None, None
        if values.null_count:
            valid = _valid(values)
            present = np.flatnonzero(valid)
            depths = valid + np.uint8(schema.depth - 1)
            if whole is not None:
                depths += whole
                depths -= np.uint8(1)
        width = width_of(schema.depth)
        if self._filled is None and depths is None:
            definition = run(schema.depth, self._entries, width)
        else:
            full = np.full(self._entries, schema.depth, dtype=np.uint8)
            if self._filled is not None:
                full[self._empty] = self._depth_of_empty
            if depths is not None:
                full[slice(None) if self._filled is None else self._filled] = depths
            definition = hybrid(full, width)
        count = len(values) if present is None else len(present)
        levels = self._repetition + _level(definition)
        return Leaf(schema, levels, self._entries, self._entries - count, values, present)


def _level(data: bytes) -> bytes:
    return len(data).to_bytes(4, "little") + data


def _valid(array: pa.Array) -> Array:
    """Return which rows are not null, (n,) bool."""
    return np.ones(len(array), dtype=bool) if array.buffers()[0] is None else unpacked(array, 0)
