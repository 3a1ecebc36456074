"""The memory sink: frames instead of files, for tests and the Python API."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa

from polargen.columns import arrow_to_polars
from polargen.manifest import Manifest
from polargen.schema import Table
from polargen.sinks.base import GroupRecord, PartRecord, SinkSettings, WriterExit

if TYPE_CHECKING:
    import polars as pl


class MemoryWriter(WriterExit):
    """Keeps a group's rows; `close` hands them over in the records."""

    def __init__(self, settings: SinkSettings) -> None:
        self._names = {table.name for table in settings.tables}
        self._rows: dict[str, list[pa.Table]] = {}

    def write(self, table: Table, arrow: pa.Table) -> None:
        """See `GroupWriter`."""
        if table.name in self._names and arrow.num_rows:
            self._rows.setdefault(table.name, []).append(arrow)

    def close(self) -> list[PartRecord]:
        """See `GroupWriter`."""
        records = []
        for name, tables in self._rows.items():
            data = pa.concat_tables(tables)
            records.append(PartRecord(name, "", data.num_rows, data.nbytes, "", data))
        return records

    def discard(self) -> None:
        """See `GroupWriter`."""
        self._rows = {}


class MemorySink:
    """Collects the groups' rows; after `commit` they are in `frames`."""

    resumable: ClassVar[bool] = False

    def __init__(self, settings: SinkSettings) -> None:
        self.settings = settings
        self.frames: dict[str, pl.DataFrame] = {}
        self._groups: dict[int, tuple[PartRecord, ...]] = {}

    @classmethod
    def open_group(cls, settings: SinkSettings, group: int) -> MemoryWriter:
        """See `Sink`."""
        return MemoryWriter(settings)

    def open(self, plan_hash: str, run_info: Mapping[str, Any], resume: bool = False) -> None:
        """See `Sink`."""
        self._groups = {}

    def existing_groups(self) -> dict[int, GroupRecord]:
        """See `Sink`; memory outlives no process, so always empty."""
        return {}

    def record_group(
        self, group: int, parts: Sequence[PartRecord], extra: Mapping[str, Any] | None = None
    ) -> None:
        """See `Sink`."""
        self._groups[group] = tuple(parts)

    def commit(self, manifest: Manifest, prove: Callable[[Path], None] | None = None) -> Manifest:
        """See `Sink`."""
        for table in self.settings.tables:
            parts = [
                part.data
                for group in sorted(self._groups)
                for part in self._groups[group]
                if part.table == table.name and part.data is not None
            ]
            arrow = pa.concat_tables(parts) if parts else table.arrow_schema.empty_table()
            self.frames[table.name] = arrow_to_polars(table, arrow)
        self._groups = {}
        return replace(manifest, format="memory")

    def abort(self) -> None:
        """See `Sink`."""
        self._groups = {}
        self.frames = {}
