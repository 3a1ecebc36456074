"""Some days of a data set in files, by the rules of `polargen.selection`.

A row that belongs to a document goes with it, whatever its own date. Which documents lie in the
days is kept as one byte for each.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from polargen import calendar
from polargen.blocks import MASTERS
from polargen.columns import single
from polargen.dataset import Dataset
from polargen.digest import fixed_width
from polargen.errors import ConfigError
from polargen.export import Blocks, DatasetSource
from polargen.schema import Table
from polargen.selection import Days

Mask = NDArray[np.bool_]


class FileDays(DatasetSource):
    """Rows of some days; see `polargen.export.Source`."""

    def __init__(self, dataset: Dataset, days: Days) -> None:
        super().__init__(dataset)
        self._set = dataset
        self._days = days
        self._documents: dict[tuple[str, str], Mask] = {}

    def blocks(self, table: Table) -> Blocks:
        """See `Source`.

        Raises:
            ConfigError: rows of the table go by documents in a table that is not there.
        """
        for block, rows in super().blocks(table):
            yield block, rows.filter(pa.array(self._chosen(table, rows)))

    def _chosen(self, table: Table, rows: pa.Table) -> Mask:
        """Return which rows are wanted, bool, shape (rows,)."""
        if table.name in MASTERS:
            return np.ones(rows.num_rows, dtype=bool)
        own = self._dated(table, rows)
        document = _document(table)
        if document is None:
            return own
        column, other = document
        theirs = self._own(other) if other == table.name else self._wanted(other)
        return _looked_up(theirs, rows.column(column), own)

    def _dated(self, table: Table, rows: pa.Table) -> Mask:
        """Return which rows' main date lies in the days; all of a table without one."""
        if table.main_date is None:
            return np.ones(rows.num_rows, dtype=bool)
        column = table[table.main_date]
        values = fixed_width(column, single(rows.column(column.name)))
        day = calendar.local_day(values) if column.kind == "instant" else values
        inside = np.ones(len(day), dtype=bool)
        if self._days.first is not None:
            inside &= day >= calendar.day_of(self._days.first)
        if self._days.last is not None:
            inside &= day <= calendar.day_of(self._days.last)
        return inside

    def _own(self, name: str) -> Mask:
        """Return which keys of a table have their main date in the days, by key."""
        return self._by_key(name, self._dated)

    def _wanted(self, name: str) -> Mask:
        """Return which keys of a table are wanted, by key."""
        return self._by_key(name, self._chosen)

    def _by_key(self, name: str, rule: Callable[[Table, pa.Table], Mask]) -> Mask:
        if name not in self.tables:
            raise ConfigError(
                f"{self.where}: rows of some days go with those of {name}, which is not there; "
                "leave out the range"
            )
        table = self.tables[name]
        if (name, rule.__name__) not in self._documents:
            most = self.manifest.tables[name].rows
            found = np.zeros(most + 1, dtype=bool)
            for _, rows in super().blocks(table):
                keys = single(rows.column(table.primary_key)).to_numpy()
                if len(keys) and keys.max() >= len(found):
                    found = np.pad(found, (0, int(keys.max()) + 1 - len(found)))
                found[keys] = rule(table, rows)
            self._documents[name, rule.__name__] = found
        return self._documents[name, rule.__name__]


def _document(table: Table) -> tuple[str, str] | None:
    """Return the column and the table of the document that rows of a table belong to."""
    return next(((c, t) for c, t in table.foreign_keys if t not in MASTERS), None)


def _looked_up(theirs: Mask, keys: pa.ChunkedArray, own: Mask) -> Mask:
    array = single(keys)
    there = array.is_valid().to_numpy(zero_copy_only=False)
    return np.where(there, theirs[array.fill_null(0).to_numpy(zero_copy_only=False)], own)
