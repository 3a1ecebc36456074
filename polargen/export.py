"""Exports: rows that are there already in another format, table by table, in flat memory.

Rows come from a `Source`: a finished data set, or a database (`polargen.database_export`). They go
to a folder that is replaced as a whole (`write`), or to whoever reads the bytes (`stream_table`).
"""

from __future__ import annotations

import io
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from polargen import sql
from polargen.dataset import Dataset
from polargen.digest import combine, digest
from polargen.errors import ConfigError, VerificationError
from polargen.keys import Keys
from polargen.manifest import BlockEntry, Manifest, Part, TableEntry
from polargen.schema import Table
from polargen.sinks import SINKS, PartRecord, SinkSettings
from polargen.sinks.files import Encoder, FileSink, HashedFile
from polargen.sinks.folder import PartialFolder, target_errors

Progress = Callable[[str, int], None]
Blocks = Generator[tuple[BlockEntry, pa.Table], None, None]
FORMATS = ("parquet", "csv", "json", "sql")


class Source(Protocol):
    """Rows to export.

    Attributes:
        where: they are, for people.
        schema: that SQL makes.
        tables: as they are to be written.
        keys: how keys are stored.
        manifest: of the run, or of the last one of several; its tables are filled in here.
    """

    where: str
    schema: str
    tables: Mapping[str, Table]
    keys: Keys
    manifest: Manifest

    def blocks(self, table: Table) -> Blocks:
        """Yield a table's rows, some at a time, in rising groups; each with what is known of it."""


class DatasetSource:
    """A finished data set as a `Source`; rows are those that its manifest describes."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self.where = str(dataset.folder)
        self.schema = sql.SCHEMA
        self.tables: Mapping[str, Table] = dataset.tables
        self.manifest = dataset.manifest
        self.keys = Keys.from_json(dataset.manifest.keys)

    def blocks(self, table: Table) -> Blocks:
        """See `Source`; what `checked_blocks` raises is raised here too."""
        for group in sorted({block.group for block in self._dataset.blocks(table.name)}):
            yield from _checked(self._dataset, table, group)


def checked_blocks(dataset: Dataset, table: Table, group: int) -> Iterator[pa.Table]:
    """Yield one group's blocks of a table.

    Raises:
        VerificationError: a block's rows are not those that the manifest describes.
    """
    for _, rows in _checked(dataset, table, group):
        yield rows


def _checked(dataset: Dataset, table: Table, group: int) -> Blocks:
    for block, rows in dataset.read_blocks(table.name, group):
        if digest(table, rows) != block.digest:
            raise VerificationError(
                f"{dataset.folder}: {table.name}: block {block.block} holds other rows than "
                "the manifest says; make the data set again"
            )
        yield block, rows


def export(
    dataset: Dataset,
    format: str,
    out: str | Path,
    tables: Iterable[str] | None = None,
    compression: str | None = None,
    batch_size: int = 65_536,
    progress: Progress | None = None,
) -> Manifest:
    """Write a data set in another format, with the digests of the old one; see `write`."""
    if Path(out).expanduser().resolve() == dataset.folder.resolve():
        raise ConfigError(f"{out} is the data set itself: choose another folder")
    source = DatasetSource(dataset)
    return write(source, format, out, tables, compression, batch_size, progress)


def write(
    source: Source,
    format: str,
    out: str | Path,
    tables: Iterable[str] | None = None,
    compression: str | None = None,
    batch_size: int = 65_536,
    progress: Progress | None = None,
) -> Manifest:
    """Write rows to a folder; its earlier content is replaced at once.

    Args:
        source: of the rows.
        format: one of `FORMATS`.
        out: folder of the new data set.
        tables: names; None: all.
        compression: a codec of the format; None: its default.
        batch_size: rows that are turned into text at once.
        progress: called with a table's name and the rows written since the last call.

    Returns:
        the manifest of the new data set.

    Raises:
        ConfigError: unknown format, table or codec, or OUT holds other files.
        TargetError: rows cannot be read, or OUT cannot be written.
        VerificationError: rows are not those that a manifest describes.
    """
    _check_format(format)
    chosen = _chosen(source, tables)
    settings = SinkSettings(format, str(out), chosen, compression, batch_size=batch_size)
    how = _write_sql if format == "sql" else _write_files
    return how(source, settings, progress or _unheard)


def _write_files(source: Source, settings: SinkSettings, progress: Progress) -> Manifest:
    sink = settings.open_sink()
    sink.open(source.manifest.plan_hash, {"export": source.where})
    try:
        parts: dict[int, list[PartRecord]] = {}
        entries = {}
        for table in settings.tables:
            kept: list[BlockEntry] = []
            with closing(source.blocks(table)) as blocks:
                for group, members in groupby(blocks, key=lambda item: item[0].group):
                    with settings.open_group(group) as writer:
                        for block, rows in members:
                            writer.write(table, rows)
                            kept.append(block)
                            if rows.num_rows:
                                progress(table.name, rows.num_rows)
                        parts.setdefault(group, []).extend(writer.close())
            entries[table.name] = _entry(kept)
        for group in sorted(parts):
            sink.record_group(group, parts[group])
        return sink.commit(replace(source.manifest, tables=entries))
    except BaseException:
        sink.abort()
        raise


def _write_sql(source: Source, settings: SinkSettings, progress: Progress) -> Manifest:
    """Write one file a table, in an order in which references point to what is loaded."""
    if settings.compression not in (None, "none"):
        raise ConfigError("compression: sql files are not compressed; leave it out")
    folder = PartialFolder(settings.folder)
    info = {"export": source.where}
    folder.open(source.manifest.plan_hash, {"format": "sql"}, info, resume=False)
    try:
        entries = {}
        for number, table in enumerate(settings.tables, 1):
            name = f"{number:02d}_{table.name}.sql"
            kept: list[BlockEntry] = []
            with target_errors(folder.out), HashedFile(folder.path / name) as file:
                for text in _sql_texts(source, table, settings, progress, kept):
                    file.write(text)
            entry = _entry(kept)
            part = Part(name, 0, entry.rows, file.bytes, file.digest())
            entries[table.name] = replace(entry, parts=(part,))
        done = replace(source.manifest, format="sql", compression=None, tables=entries)
        folder.commit(done)
        return done
    except BaseException:
        folder.abort()
        raise


def _sql_texts(
    source: Source,
    table: Table,
    settings: SinkSettings,
    progress: Progress,
    kept: list[BlockEntry],
) -> Iterator[bytes]:
    """Yield the SQL of one table, for psql: its DDL, its rows as COPY, its keys."""
    yield sql.create(table, source.schema, source.keys).encode()
    with closing(source.blocks(table)) as blocks:
        for block, rows in blocks:
            for start in range(0, rows.num_rows, settings.batch_size):
                yield sql.copy_lines(table, rows.slice(start, settings.batch_size))
            kept.append(block)
            if rows.num_rows:
                progress(table.name, rows.num_rows)
    yield sql.COPY_END.encode()
    yield sql.keys(table, settings.tables, source.schema).encode()


def stream_table(
    source: Source,
    name: str,
    format: str,
    loaded: Iterable[str] | None = None,
    compression: str | None = None,
    batch_size: int = 65_536,
) -> Iterator[bytes]:
    """Return the bytes of one table's file, chunk by chunk, without a file.

    Memory stays flat; closing the iterator ends what is read.

    Args:
        source: of the rows.
        name: of the table.
        format: one of `FORMATS`.
        loaded: of SQL: tables that references may point to; None: only to itself.
        compression: a codec of the format; None: its default.
        batch_size: rows that are turned into text at once.

    Raises:
        ConfigError: unknown format, table or codec.
        TargetError: rows cannot be read.
    """
    _check_format(format)
    (table,) = _chosen(source, (name,))
    others = _chosen(source, {name, *(loaded or ())})
    settings = SinkSettings(format, "", others, compression, batch_size=batch_size)
    if format == "sql":
        return _sql_texts(source, table, settings, _unheard, [])
    sink = SINKS[format]
    assert issubclass(sink, FileSink)
    pipe = _Pipe()
    return _file_bytes(source, table, sink.encoder(table, pipe, settings), pipe)


def _file_bytes(source: Source, table: Table, encoder: Encoder, pipe: _Pipe) -> Iterator[bytes]:
    with closing(source.blocks(table)) as blocks:
        for _, rows in blocks:
            encoder.write(rows)
            yield from pipe.taken()
    encoder.close()
    yield from pipe.taken()


class _Pipe(io.RawIOBase):
    """A file that is read as soon as it is written."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._bytes = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._bytes

    def write(self, data: Any) -> int:
        chunk = bytes(data)
        self._chunks.append(chunk)
        self._bytes += len(chunk)
        return len(chunk)

    def taken(self) -> Iterator[bytes]:
        """Yield what was written since the last call, as one chunk."""
        chunks, self._chunks = self._chunks, []
        if chunks:
            yield b"".join(chunks)


def _entry(blocks: list[BlockEntry]) -> TableEntry:
    rows = sum(block.rows for block in blocks)
    return TableEntry(rows, combine(block.digest for block in blocks), (), tuple(blocks))


def _check_format(format: str) -> None:
    if format not in FORMATS:
        raise ConfigError(f"format: {format!r} is unknown, must be one of {', '.join(FORMATS)}")


def _chosen(source: Source, names: Iterable[str] | None) -> tuple[Table, ...]:
    if names is None:
        return tuple(source.tables.values())
    wanted = list(names)
    unknown = [name for name in wanted if name not in source.tables]
    if unknown or not wanted:
        known = ", ".join(source.tables)
        raise ConfigError(
            f"{source.where} has no table {unknown[0] if unknown else 'named'!r}, only {known}"
        )
    return tuple(table for name, table in source.tables.items() if name in wanted)


def _unheard(table: str, rows: int) -> None:
    """Hear nothing."""
