"""What the file formats share: one file for each table of a group, hashed while it is written."""

from __future__ import annotations

import io
import os
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol

import pyarrow as pa
import xxhash

from polargen.errors import ConfigError
from polargen.manifest import Manifest, Part
from polargen.schema import Table
from polargen.sinks.base import GroupRecord, PartRecord, SinkSettings, WriterExit, part_name
from polargen.sinks.folder import PartialFolder, target_errors

_BUFFER_BYTES = 1 << 20
_FIRST_ROW_BYTES = 512  # ASSUMED size of a row in a file, until some are written; generous


class HashedFile(io.RawIOBase):
    """A file that knows the size and the xxh3-128 of what was written to it."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=_BUFFER_BYTES)
        self._hash = xxhash.xxh3_128()
        self._gone = False
        self.bytes = 0

    def writable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the bytes written so far."""
        return self.bytes

    def write(self, data: Any) -> int:
        """Append bytes."""
        size = memoryview(data).nbytes
        if not self._gone:
            self._hash.update(data)
            self._file.write(data)
            self.bytes += size
        return size

    def discard(self) -> None:
        """Give the file up: close it, and pass over what encoders write when they are freed."""
        self._gone = True
        with suppress(OSError):
            self._file.close()

    def digest(self) -> str:
        """Return the hex digest of what was written so far."""
        return self._hash.hexdigest()

    def close(self) -> None:
        """Close the file; an error of a last write is raised once."""
        if not self.closed:
            super().close()
            self._file.close()


class Encoder(Protocol):
    """Writes the rows of one table to one open file."""

    def write(self, rows: pa.Table) -> None:
        """Append rows of exactly the declared schema."""

    def close(self) -> None:
        """Write what ends the file; the file itself stays open."""


@dataclass
class _OpenPart:
    """A file that is being written under a draft's name."""

    table: Table
    split: int
    draft: Path
    file: HashedFile
    encoder: Encoder
    rows: int = 0


class FileWriter(WriterExit):
    """Writes one group: a file for each table with rows, more where a target size asks for it."""

    def __init__(self, sink: type[FileSink], settings: SinkSettings, group: int) -> None:
        self._sink = sink
        self._settings = settings
        self._group = group
        self._names = {table.name for table in settings.tables}
        self._folder = PartialFolder(settings.folder)
        self._open: dict[str, _OpenPart] = {}
        self._done: list[tuple[Path, PartRecord]] = []
        self._mark = f"{os.getpid()}-{secrets.token_hex(4)}"  # two tries may run at once

    def write(self, table: Table, arrow: pa.Table) -> None:
        """See `GroupWriter`."""
        if table.name not in self._names or arrow.num_rows == 0:
            return
        with target_errors(self._folder.out):
            if self._settings.target_file_size_bytes is None:
                self._append(table, arrow)
            else:
                self._append_split(table, arrow, self._settings.target_file_size_bytes)

    def write_empty(self, table: Table) -> None:
        """Start a table's file without rows, so that the table has a part."""
        with target_errors(self._folder.out):
            self._append(table, table.arrow_schema.empty_table())

    def close(self) -> list[PartRecord]:
        """See `GroupWriter`."""
        with target_errors(self._folder.out):
            for name in list(self._open):
                self._finish(name)
            for draft, record in self._done:
                draft.replace(self._folder.path / record.file)
        records = [record for _, record in self._done]
        self._done = []
        return records

    def discard(self) -> None:
        """See `GroupWriter`."""
        for part in self._open.values():
            part.file.discard()
        drafts = [part.draft for part in self._open.values()] + [draft for draft, _ in self._done]
        for draft in drafts:
            draft.unlink(missing_ok=True)
        self._open, self._done = {}, []

    def _append(self, table: Table, rows: pa.Table) -> None:
        part = self._open.get(table.name) or self._start(table, 0)
        part.encoder.write(rows)
        part.rows += rows.num_rows

    def _append_split(self, table: Table, rows: pa.Table, target_bytes: int) -> None:
        """Append in slices that are likely to fill the files to their target size."""
        start = 0
        while start < rows.num_rows:
            part = self._open.get(table.name) or self._start(table, 0)
            if part.file.bytes >= target_bytes:
                self._finish(table.name)
                part = self._start(table, part.split + 1)
            row_bytes = part.file.bytes / part.rows if part.rows else _FIRST_ROW_BYTES
            step = max(1, int((target_bytes - part.file.bytes) / max(row_bytes, 0.1)))
            self._append(table, rows.slice(start, step))
            start += step

    def _start(self, table: Table, split: int) -> _OpenPart:
        suffix = self._sink.suffix(self._settings)
        name = part_name(self._group, split, suffix)
        draft = self._folder.path / table.name / f".{name}.{self._mark}"
        file = HashedFile(draft)
        try:
            encoder = self._sink.encoder(table, file, self._settings)
        except BaseException:
            file.discard()
            draft.unlink()
            raise
        self._open[table.name] = _OpenPart(table, split, draft, file, encoder)
        return self._open[table.name]

    def _finish(self, name: str) -> None:
        part = self._open[name]
        part.encoder.close()
        part.file.close()
        del self._open[name]
        file = f"{name}/{part_name(self._group, part.split, self._sink.suffix(self._settings))}"
        size, digest = part.file.bytes, part.file.digest()
        self._done.append((part.draft, PartRecord(name, file, part.rows, size, digest)))


class FileSink(ABC):
    """A folder of files; a format says how a table's rows become bytes."""

    resumable: ClassVar[bool] = True
    name: ClassVar[str]
    #: codecs by name; the first is the default; None: as it is
    codecs: ClassVar[tuple[str | None, ...]]

    def __init__(self, settings: SinkSettings) -> None:
        codec(type(self), settings)
        self.settings = settings
        self._folder = PartialFolder(settings.folder)
        self._groups: dict[int, GroupRecord] = {}
        self._plan_hash = ""

    @classmethod
    @abstractmethod
    def suffix(cls, settings: SinkSettings) -> str:
        """Return what the names of the files end with."""

    @classmethod
    @abstractmethod
    def encoder(cls, table: Table, file: io.RawIOBase, settings: SinkSettings) -> Encoder:
        """Return the encoder of one table's file."""

    @classmethod
    def open_group(cls, settings: SinkSettings, group: int) -> FileWriter:
        """See `Sink`."""
        return FileWriter(cls, settings, group)

    def open(self, plan_hash: str, run_info: Mapping[str, Any], resume: bool = False) -> None:
        """See `Sink`."""
        form: dict[str, Any] = {
            "format": self.name,
            "compression": codec(type(self), self.settings),
            "tables": [table.name for table in self.settings.tables],
            "target_file_size_bytes": self.settings.target_file_size_bytes,
        }
        self._folder.open(plan_hash, form, run_info, resume)
        self._plan_hash = plan_hash
        with target_errors(self._folder.out):
            for table in self.settings.tables:
                (self._folder.path / table.name).mkdir(exist_ok=True)

    def existing_groups(self) -> dict[int, GroupRecord]:
        """See `Sink`."""
        for document in self._folder.load_groups():
            record = self._whole(document)
            if record is not None:
                self._groups[record.group] = record
        return dict(self._groups)

    def record_group(
        self, group: int, parts: Sequence[PartRecord], extra: Mapping[str, Any] | None = None
    ) -> None:
        """See `Sink`."""
        record = GroupRecord(group, tuple(parts), extra or {})
        fields = ("table", "file", "rows", "bytes", "digest")
        document = {
            "plan_hash": self._plan_hash,
            "group": group,
            "parts": [{name: getattr(part, name) for name in fields} for part in parts],
            "extra": dict(record.extra),
        }
        self._folder.save_group(group, document)
        self._groups[group] = GroupRecord(group, record.parts)  # what else there is lies on disk

    def commit(self, manifest: Manifest, prove: Callable[[Path], None] | None = None) -> Manifest:
        """See `Sink`."""
        parts: dict[str, list[Part]] = {table.name: [] for table in self.settings.tables}
        for group in sorted(self._groups):
            for record in self._groups[group].parts:
                parts[record.table].append(_part(record, group))
        self._add_empty(parts)
        tables = {
            name: replace(manifest.tables[name], parts=tuple(found))
            for name, found in parts.items()
        }
        done = replace(
            manifest,
            format=self.name,
            compression=codec(type(self), self.settings),
            tables=tables,
        )
        self._folder.commit(done, prove)
        return done

    def abort(self) -> None:
        """See `Sink`."""
        self._folder.abort()

    def _add_empty(self, parts: dict[str, list[Part]]) -> None:
        empty = [table for table in self.settings.tables if not parts[table.name]]
        with self.open_group(self.settings, 0) as writer:
            for table in empty:
                writer.write_empty(table)
            for record in writer.close():
                parts[record.table].append(_part(record, 0))

    def _whole(self, document: dict[str, Any]) -> GroupRecord | None:
        """Return a group's record if it is of this plan and its files are as written."""
        try:
            if document["plan_hash"] != self._plan_hash:
                return None
            parts = tuple(PartRecord(**part) for part in document["parts"])
            record = GroupRecord(int(document["group"]), parts, document["extra"])
            whole = all(file_digest(self._folder.path / p.file) == p.digest for p in parts)
        except (KeyError, TypeError, ValueError, OSError):
            return None
        return record if whole else None


def _part(record: PartRecord, group: int) -> Part:
    return Part(record.file, group, record.rows, record.bytes, record.digest)


def codec(sink: type[FileSink], settings: SinkSettings) -> str | None:
    """Return the codec in use.

    Raises:
        ConfigError: the format has no such codec, or the codec no such level.
    """
    if settings.compression is None:
        wanted = sink.codecs[0]
    else:
        wanted = None if settings.compression == "none" else settings.compression
    if wanted not in sink.codecs:
        known = ", ".join(str(name or "none") for name in sink.codecs)
        raise ConfigError(
            f"compression: {settings.compression!r} is none of {sink.name}'s codecs ({known})"
        )
    if settings.compression_level is not None:
        _check_level(wanted, settings.compression_level)
    return wanted


def _check_level(name: str | None, level: int) -> None:
    if name is None or not pa.Codec.supports_compression_level(name):
        raise ConfigError(f"compression level: {name or 'no compression'} has none; leave it out")
    low = pa.Codec.minimum_compression_level(name)
    high = pa.Codec.maximum_compression_level(name)
    if not low <= level <= high:
        raise ConfigError(f"compression level: {level} is not in {name}'s {low}..{high}")


def file_digest(path: Path) -> str:
    """Return the xxh3-128 of a file's bytes, hex."""
    state = xxhash.xxh3_128()
    with path.open("rb") as file:
        while chunk := file.read(_BUFFER_BYTES):
            state.update(chunk)
    return state.hexdigest()
