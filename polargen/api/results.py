"""What a finished job made, wherever it lies: its tables, pages of rows, and sums for charts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Any, Protocol

import polars as pl
import pyarrow as pa

from polargen.columns import polars_to_arrow
from polargen.dataset import Dataset
from polargen.generators import all_tables
from polargen.manifest import Manifest
from polargen.schema import Table
from polargen.sinks.text import readable

DayCounts = Iterable[tuple[date, str, int]]
CAIRO = "Africa/Cairo"


class Results(Protocol):
    """The rows of one finished job.

    Attributes:
        manifest: of the run.
        tables: declarations by name, in the order of the schema.
    """

    manifest: Manifest
    tables: dict[str, Table]

    def rows(self, table: Table) -> int:
        """Return a table's rows."""

    def page(self, table: Table, offset: int, limit: int) -> list[list[Any]]:
        """Return rows in the order of their keys, with values that JSON has."""

    def orders_by_day(self) -> DayCounts:
        """Yield day in Cairo, status, orders."""

    def lines_by_product(self) -> list[int]:
        """Return the order lines of each product that has some, the most first."""

    def payments_by_delay(self) -> Iterable[tuple[int, int]]:
        """Yield days from the due date, payments."""

    def labels_by_day(self) -> DayCounts:
        """Yield day in Cairo, anomaly type, labels."""


class FileResults:
    """A data set in a folder; see `Results`.

    Raises:
        ConfigError: the folder holds none.
    """

    def __init__(self, folder: Path) -> None:
        self.dataset = Dataset.open(folder, all_tables())
        self.manifest = self.dataset.manifest
        self.tables = self.dataset.tables

    def rows(self, table: Table) -> int:
        """See `Results`."""
        return self.manifest.tables[table.name].rows

    def page(self, table: Table, offset: int, limit: int) -> list[list[Any]]:
        """See `Results`."""
        wanted: list[pl.DataFrame] = []
        for start, frame in self._from(table, offset):
            wanted.append(frame.slice(max(0, offset - start), limit - sum(map(len, wanted))))
            if sum(map(len, wanted)) >= limit:
                break
        if not wanted:
            return []
        return shown(table, polars_to_arrow(table, pl.concat(wanted)))

    def orders_by_day(self) -> DayCounts:
        """See `Results`."""
        return self._by_day("orders", "order_date", "status")

    def lines_by_product(self) -> list[int]:
        """See `Results`."""
        counts = self._counts("order_items", [pl.col("product_id")])
        return counts.get_column("n").sort(descending=True).to_list()

    def payments_by_delay(self) -> Iterable[tuple[int, int]]:
        """See `Results`."""
        return self._counts("payments", [pl.col("days_from_due")]).sort("days_from_due").iter_rows()

    def labels_by_day(self) -> DayCounts:
        """See `Results`."""
        return self._by_day("anomaly_labels", "event_at", "anomaly_type")

    def _by_day(self, table: str, instant: str, kind: str) -> DayCounts:
        day = pl.col(instant).dt.convert_time_zone(CAIRO).dt.date().alias("day")
        return self._counts(table, [day, pl.col(kind).cast(pl.String)]).iter_rows()

    def _counts(self, table: str, keys: list[pl.Expr]) -> pl.DataFrame:
        """Count a table's rows by keys, a file at a time; the count is ``n``."""
        names = [key.meta.output_name() for key in keys]
        inputs = sorted({root for key in keys for root in key.meta.root_names()})
        parts = [
            frame.select(inputs).select(keys).group_by(names).agg(pl.len().cast(pl.Int64).alias("n"))
            .collect(engine="streaming")
            for frame in self._lazy(table)
        ]  # fmt: skip
        return pl.concat(parts).group_by(names).agg(pl.col("n").sum())

    def _lazy(self, table: str) -> Iterator[pl.LazyFrame]:
        if table not in self.tables:
            yield pl.LazyFrame(schema=all_tables()[table].polars_schema)
            return
        if self.manifest.format == "parquet":
            for part in self.dataset.parts(table):
                yield pl.scan_parquet(self.dataset.folder / part.file, glob=False)
            return
        for frame in self.dataset.iter(table):
            yield frame.lazy()

    def _from(self, table: Table, offset: int) -> Iterator[tuple[int, pl.DataFrame]]:
        """Yield frames and the place of their first row, from the one that holds ``offset``."""
        start = 0
        if self.manifest.format == "parquet":
            for part in self.dataset.parts(table.name):
                if start + part.rows > offset:
                    skipped = max(0, offset - start)
                    file = pl.scan_parquet(self.dataset.folder / part.file, glob=False)
                    yield start + skipped, file.slice(skipped, 1000).collect()
                start += part.rows
            return
        for frame in self.dataset.iter(table.name):
            if start + frame.height > offset:
                yield start, frame
            start += frame.height


def shown(table: Table, rows: pa.Table) -> list[list[Any]]:
    """Return rows as lists of JSON values: money and instants as text, nested columns whole."""
    lines = readable(table, rows, nested_as_json=False).write_ndjson().splitlines()
    return [list(json.loads(line).values()) for line in lines]
