"""Exports: a finished data set in another format, group by group, with the same content."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from polargen import sql
from polargen.dataset import Dataset
from polargen.digest import digest
from polargen.errors import ConfigError, VerificationError
from polargen.manifest import Manifest, Part
from polargen.schema import Table
from polargen.sinks import SinkSettings
from polargen.sinks.files import HashedFile
from polargen.sinks.folder import PartialFolder, target_errors

Progress = Callable[[str, int], None]
FORMATS = ("parquet", "csv", "json", "sql")


def export(
    dataset: Dataset,
    format: str,
    out: str | Path,
    tables: Iterable[str] | None = None,
    compression: str | None = None,
    batch_size: int = 65_536,
    progress: Progress | None = None,
) -> Manifest:
    """Write a data set in another format; the earlier content of OUT is replaced at once.

    Args:
        dataset: finished.
        format: one of `FORMATS`.
        out: folder of the new data set.
        tables: names; None: all.
        compression: a codec of the format; None: its default.
        batch_size: rows that are turned into text at once.
        progress: called with a table's name and the rows written since the last call.

    Returns:
        the manifest of the new data set, with the digests of the old one.

    Raises:
        ConfigError: unknown format, table or codec, or OUT holds other files.
        TargetError: a file is damaged, or OUT cannot be written.
        VerificationError: rows are not those that the manifest describes.
    """
    chosen = _chosen(dataset, tables)
    if format not in FORMATS:
        raise ConfigError(f"format: {format!r} is unknown, must be one of {', '.join(FORMATS)}")
    if Path(out).expanduser().resolve() == dataset.folder.resolve():
        raise ConfigError(f"{out} is the data set itself: choose another folder")
    settings = SinkSettings(format, str(out), chosen, compression, batch_size=batch_size)
    if format == "sql":
        return _export_sql(dataset, settings, progress)
    return _export_files(dataset, settings, progress)


def _export_files(dataset: Dataset, settings: SinkSettings, progress: Progress | None) -> Manifest:
    sink = settings.open_sink()
    sink.open(dataset.manifest.plan_hash, {"export": str(dataset.folder)})
    try:
        for group in dataset.groups:
            with settings.open_group(group) as writer:
                for table in settings.tables:
                    for rows in checked_blocks(dataset, table, group):
                        writer.write(table, rows)
                        _tell(progress, table, rows)
                parts = writer.close()
            sink.record_group(group, parts)
        return sink.commit(_manifest(dataset, settings))
    except BaseException:
        sink.abort()
        raise


def _export_sql(dataset: Dataset, settings: SinkSettings, progress: Progress | None) -> Manifest:
    """Write one file a table, in an order in which references point to what is loaded."""
    if settings.compression not in (None, "none"):
        raise ConfigError("compression: sql files are not compressed; leave it out")
    folder = PartialFolder(settings.folder)
    manifest = replace(_manifest(dataset, settings), format="sql", compression=None)
    info = {"export": str(dataset.folder)}
    folder.open(dataset.manifest.plan_hash, {"format": "sql"}, info, resume=False)
    try:
        entries = {}
        for number, table in enumerate(settings.tables, 1):
            name = f"{number:02d}_{table.name}.sql"
            with target_errors(folder.out), HashedFile(folder.path / name) as file:
                for text in sql_texts(
                    dataset, table, settings.tables, settings.batch_size, progress
                ):
                    file.write(text)
            entry = manifest.tables[table.name]
            part = Part(name, 0, entry.rows, file.bytes, file.digest())
            entries[table.name] = replace(entry, parts=(part,))
        done = replace(manifest, tables=entries)
        folder.commit(done)
        return done
    except BaseException:
        folder.abort()
        raise


def sql_texts(
    dataset: Dataset,
    table: Table,
    loaded: Sequence[Table],
    batch_size: int = 65_536,
    progress: Progress | None = None,
) -> Iterator[bytes]:
    """Yield the SQL of one table, for psql: its DDL, its rows as COPY, its keys.

    Args:
        dataset: finished.
        table: one of its tables.
        loaded: tables that may be referred to.
        batch_size: rows a step.
        progress: see `export`.
    """
    yield sql.create(table).encode()
    for group in sorted({part.group for part in dataset.parts(table.name)}):
        for rows in checked_blocks(dataset, table, group):
            for start in range(0, rows.num_rows, batch_size):
                yield sql.copy_lines(table, rows.slice(start, batch_size))
            _tell(progress, table, rows)
    yield sql.COPY_END.encode()
    yield sql.keys(table, loaded).encode()


def checked_blocks(dataset: Dataset, table: Table, group: int) -> Iterator[pa.Table]:
    """Yield one group's blocks of a table.

    Raises:
        VerificationError: a block's rows are not those that the manifest describes.
    """
    for block, rows in dataset.read_blocks(table.name, group):
        if digest(table, rows) != block.digest:
            raise VerificationError(
                f"{dataset.folder}: {table.name}: block {block.block} holds other rows than "
                "the manifest says; make the data set again"
            )
        yield rows


def _chosen(dataset: Dataset, names: Iterable[str] | None) -> tuple[Table, ...]:
    if names is None:
        return tuple(dataset.tables.values())
    wanted = list(names)
    unknown = [name for name in wanted if name not in dataset.tables]
    if unknown or not wanted:
        known = ", ".join(dataset.tables)
        raise ConfigError(
            f"{dataset.folder} has no table {unknown[0] if unknown else 'named'!r}, only {known}"
        )
    return tuple(table for name, table in dataset.tables.items() if name in wanted)


def _manifest(dataset: Dataset, settings: SinkSettings) -> Manifest:
    names = [table.name for table in settings.tables]
    return replace(dataset.manifest, tables={name: dataset.manifest.tables[name] for name in names})


def _tell(progress: Progress | None, table: Table, rows: pa.Table) -> None:
    if progress is not None and rows.num_rows:
        progress(table.name, rows.num_rows)
