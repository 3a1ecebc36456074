"""Breaking a data set on purpose: change cells, drop or repeat rows, and verify what is left."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import polars as pl

from polargen.checks import Context, Report, Verifier
from polargen.schema import TABLES

MASTERS = ("users", "companies", "branches", "products")
Frames = dict[str, pl.DataFrame]
Mutation = Callable[[str, pl.DataFrame], pl.DataFrame]


def verify(groups: Sequence[Mapping[str, pl.DataFrame]], context: Context) -> Report:
    """Return the report on groups of frames, masters among them."""
    masters = {
        name: pl.concat(
            [frames[name] for frames in groups if name in frames]
            or [pl.DataFrame(schema=TABLES[name].polars_schema)]
        )
        for name in MASTERS
    }
    labels = [frames["anomaly_labels"] for frames in groups if "anomaly_labels" in frames]
    of_masters = pl.concat(labels).filter(pl.col("entity").cast(pl.String).is_in(MASTERS))
    verifier = Verifier(masters, context, of_masters)
    for frames in groups:
        verifier.check_group(frames)
    return verifier.finish()


def broken(groups: Sequence[Frames], table: str, mutation: Mutation) -> list[Frames]:
    """Return the groups with one table changed in each group that has it."""
    return [
        {name: mutation(name, rows) if name == table else rows for name, rows in frames.items()}
        for frames in groups
    ]


def having(key: int, **values: Any) -> Mutation:
    """Return a mutation that gives the row with a key other values; a callable gets the old one."""

    def mutate(table: str, frame: pl.DataFrame) -> pl.DataFrame:
        mine = frame[TABLES[table].primary_key] == key
        if not mine.any():
            return frame
        columns = []
        for name, new in values.items():
            dtype = frame.schema[name]
            changed = [
                _fit(new(value) if callable(new) else new, dtype) if here else value
                for value, here in zip(frame[name].to_list(), mine, strict=True)
            ]
            columns.append(pl.Series(name, changed, dtype=dtype))
        return frame.with_columns(columns)

    return mutate


def _fit(value: Any, dtype: pl.DataType) -> Any:
    """Return money as Decimal, in lists of structs too; the rest as it is."""
    if isinstance(value, list) and isinstance(dtype, pl.List):
        return [_fit(item, dtype.inner) for item in value]  # type: ignore[arg-type]
    if isinstance(value, dict) and isinstance(dtype, pl.Struct):
        types = {field.name: field.dtype for field in dtype.fields}
        return {name: _fit(item, types[name]) for name, item in value.items()}  # type: ignore
    is_money = isinstance(dtype, pl.Decimal) and isinstance(value, (int, float))
    return Decimal(str(value)) if is_money else value


def without(*keys: int) -> Mutation:
    """Return a mutation that drops the rows with these keys."""

    def mutate(table: str, frame: pl.DataFrame) -> pl.DataFrame:
        return frame.filter(~pl.col(TABLES[table].primary_key).is_in(keys))

    return mutate


def repeated(key: int, **values: Any) -> Mutation:
    """Return a mutation that adds a copy of a row, with some other values."""

    def mutate(table: str, frame: pl.DataFrame) -> pl.DataFrame:
        column = TABLES[table].primary_key
        copy = frame.filter(pl.col(column) == key)
        if values:
            copy = having(key, **values)(table, copy)
        return pl.concat([frame, copy])

    return mutate


def first(frame: pl.DataFrame, table: str, where: pl.Expr) -> int:
    """Return the key of the first row of a table for which an expression holds."""
    key: int = frame.filter(where)[TABLES[table].primary_key][0]
    return key
