"""The sink of dry runs: counts and forgets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from polargen.manifest import Manifest
from polargen.schema import Table
from polargen.sinks.base import GroupRecord, PartRecord, SinkSettings, WriterExit


class NullWriter(WriterExit):
    """Takes rows and drops them."""

    def write(self, table: Table, arrow: pa.Table) -> None:
        """See `GroupWriter`."""

    def close(self) -> list[PartRecord]:
        """See `GroupWriter`."""
        return []


class NullSink:
    """Keeps nothing."""

    resumable: ClassVar[bool] = False

    def __init__(self, settings: SinkSettings) -> None:
        self.settings = settings

    @classmethod
    def open_group(cls, settings: SinkSettings, group: int) -> NullWriter:
        """See `Sink`."""
        return NullWriter()

    def open(self, plan_hash: str, run_info: Mapping[str, Any], resume: bool = False) -> None:
        """See `Sink`."""

    def existing_groups(self) -> dict[int, GroupRecord]:
        """See `Sink`."""
        return {}

    def record_group(
        self, group: int, parts: Sequence[PartRecord], extra: Mapping[str, Any] | None = None
    ) -> None:
        """See `Sink`."""

    def commit(self, manifest: Manifest, prove: Callable[[Path], None] | None = None) -> Manifest:
        """See `Sink`."""
        return manifest

    def abort(self) -> None:
        """See `Sink`."""
