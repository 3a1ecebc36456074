"""What every sink is: the settings that travel, the writer of a group, the target of a run.

The unit of work is a *group*: a run of neighbouring blocks whose frames go to one file per table.
A worker opens a group from the settings, writes its tables block by block and closes it; the
records it gets go back to the orchestrator, which keeps them and commits or aborts the run.

Sink (orchestrator's side)        GroupWriter (worker's side)
  open -> record_group... ->        open_group -> write... -> close
          commit | abort                                   -> discard
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Protocol, Self

import pyarrow as pa

from polargen.database import Database
from polargen.errors import ConfigError
from polargen.keys import Keys
from polargen.manifest import Manifest
from polargen.schema import Table


@dataclass(frozen=True)
class SinkSettings:
    """Where and how a run writes; small and picklable.

    Attributes:
        format: a name in `polargen.sinks.SINKS`.
        folder: of the finished data set; "" for sinks without files.
        tables: what is written; frames of other tables are passed over.
        compression: codec; None: the format's default.
        compression_level: None: the codec's default.
        target_file_size_bytes: a larger file is split; None: one file for a group and table.
        batch_size: rows that are turned into text at once.
        database: of sinks that load one.
        lenient: rows break some rules of the schema on purpose (invalid_data).
        job: id of the run.
        keys: how a database stores them.
        last_keys: largest generated key that the run can use, by table.
    """

    format: str
    folder: str
    tables: tuple[Table, ...]
    compression: str | None = None
    compression_level: int | None = None
    target_file_size_bytes: int | None = None
    batch_size: int = 65_536
    database: Database | None = None
    lenient: bool = False
    job: str = ""
    keys: Keys = field(default_factory=Keys)
    last_keys: Mapping[str, int] = field(default_factory=dict)

    def open_group(self, group: int) -> GroupWriter:
        """Return the writer of a group; it overwrites what an earlier try left."""
        from polargen.sinks import SINKS

        return SINKS[self.format].open_group(self, group)

    def open_sink(self) -> Sink:
        """Return the sink of these settings, not yet opened."""
        from polargen.sinks import SINKS

        if self.format not in SINKS:
            raise ConfigError(f"format: {self.format!r} is unknown, must be one of {list(SINKS)}")
        return SINKS[self.format](self)


@dataclass(frozen=True)
class PartRecord:
    """One part of a table as it was written.

    Attributes:
        table: name.
        file: path inside the data set's folder, with forward slashes.
        rows: of the part.
        bytes: of the file.
        digest: xxh3-128 of the file's bytes, hex.
        data: the rows themselves, of sinks without files.
    """

    table: str
    file: str
    rows: int
    bytes: int
    digest: str
    data: pa.Table | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class GroupRecord:
    """What is known of a finished group.

    Attributes:
        group: number.
        parts: what its writer wrote.
        extra: what the orchestrator wants back on resume (summaries, digests of blocks); JSON.
    """

    group: int
    parts: tuple[PartRecord, ...]
    extra: Mapping[str, Any] = field(default_factory=dict)


class GroupWriter(Protocol):
    """Takes the frames of one group. Leaving a ``with`` by an error discards what was written."""

    def write(self, table: Table, arrow: pa.Table) -> None:
        """Add one block's rows of a table; blocks come in their order.

        Raises:
            TargetError: the target is full or cannot be written.
        """

    def close(self) -> list[PartRecord]:
        """Finish the group's parts and return their records."""

    def discard(self) -> None:
        """Remove what was written; harmless after `close`."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Sink(Protocol):
    """Target of one run: all or nothing."""

    #: whether parts outlive the process, so that a killed run can be resumed
    resumable: ClassVar[bool]
    settings: SinkSettings

    def __init__(self, settings: SinkSettings) -> None: ...

    @classmethod
    def open_group(cls, settings: SinkSettings, group: int) -> GroupWriter:
        """Return the writer of a group; needs nothing of the orchestrator's process."""

    def open(self, plan_hash: str, run_info: Mapping[str, Any], resume: bool = False) -> None:
        """Claim the target; the earlier data stays as it is until `commit`.

        Args:
            plan_hash: of the run; only parts of the same plan are resumed.
            run_info: JSON, kept beside the parts for whoever finds them.
            resume: keep the parts of a killed run.

        Raises:
            ConfigError: the target holds something else, or parts of another plan.
            TargetError: the target is in use by another run or cannot be written.
        """

    def existing_groups(self) -> dict[int, GroupRecord]:
        """Return the groups of a killed run that are whole; the rest is to be made again."""

    def record_group(
        self, group: int, parts: Sequence[PartRecord], extra: Mapping[str, Any] | None = None
    ) -> None:
        """Keep a finished group's records."""

    def commit(self, manifest: Manifest, prove: Callable[[Path], None] | None = None) -> Manifest:
        """Put the run in the place of the earlier data, at once.

        Args:
            manifest: its tables' parts are filled in here; a table that has none gets an empty
                one.
            prove: called with the finished data set's folder while it still stands beside the
                target; what it raises stops the commit. Sinks without files do not call it.

        Returns:
            the manifest as written.
        """

    def abort(self) -> None:
        """Remove every trace of the run; harmless after `commit` and when not opened."""


class WriterExit:
    """The ``with`` of a group's writer."""

    def discard(self) -> None:
        """See `GroupWriter`."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.discard()


def part_name(group: int, split: int, suffix: str) -> str:
    """Return a part's file name: part-00012.parquet, part-00012-1.parquet, ..."""
    tail = f"-{split}" if split else ""
    return f"part-{group:05d}{tail}{suffix}"
