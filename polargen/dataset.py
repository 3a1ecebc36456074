"""Finished data sets: their rows with the declared types, and whether they are whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from polargen.columns import polars_to_arrow
from polargen.digest import combine, digest
from polargen.errors import ConfigError, TargetError
from polargen.keys import Keys
from polargen.manifest import FILE_NAME, BlockEntry, Manifest, Part, TableEntry
from polargen.reading import READERS
from polargen.schema import TABLES, Table
from polargen.sinks.files import file_digest
from polargen.sinks.folder import foreign_files
from polargen.stored import text_keys


class Dataset:
    """A finished data set in a folder.

    Attributes:
        folder: where it lies.
        manifest: what it says of itself.
        tables: declarations of the tables it holds, by name, in the order of the schema; keys
            that are uuids are text.
        groups: numbers of the groups, in order.
    """

    def __init__(self, folder: Path, manifest: Manifest, tables: Mapping[str, Table]) -> None:
        self.folder = folder
        self.manifest = manifest
        keys = Keys.from_json(manifest.keys)
        self.tables = {
            name: text_keys(table, keys)
            for name, table in tables.items()
            if name in manifest.tables
        }
        parts = (part for entry in manifest.tables.values() for part in entry.parts)
        self.groups = sorted({part.group for part in parts})

    @classmethod
    def open(cls, folder: str | Path, tables: Mapping[str, Table] = TABLES) -> Dataset:
        """Open a data set.

        Args:
            folder: of the data set.
            tables: all declarations, those of plug-ins too.

        Raises:
            ConfigError: no data set, a damaged manifest, a table without declaration.
        """
        where = Path(folder).expanduser()
        manifest = Manifest.read(where)
        unknown = [name for name in manifest.tables if name not in tables]
        if unknown:
            raise ConfigError(
                f"{where}: table {unknown[0]} is not declared: install the plug-in that makes it"
            )
        return cls(where, manifest, tables)

    def parts(self, table: str, group: int | None = None) -> list[Part]:
        """Return the files of a table, of one group or of all, in order.

        Raises:
            ConfigError: the data set has no such table.
        """
        entry = self._entry(table)
        return [part for part in entry.parts if group is None or part.group == group]

    def blocks(self, table: str, group: int | None = None) -> list[BlockEntry]:
        """Return the blocks of a table, of one group or of all, in order."""
        entry = self._entry(table)
        return [block for block in entry.blocks if group is None or block.group == group]

    def read(self, table: str, group: int) -> pl.DataFrame:
        """Return one group's rows of a table, with exactly the declared schema.

        Raises:
            ConfigError: the data set has no such table, or its format cannot be read back.
            TargetError: a file is missing or damaged.
        """
        frames = [frame for part in self.parts(table, group) for frame in self._frames(table, part)]
        return (
            pl.concat(frames) if frames else pl.DataFrame(schema=self.tables[table].polars_schema)
        )

    def iter(self, table: str, batch_rows: int = 65_536) -> Iterator[pl.DataFrame]:
        """Yield a table's rows in order, in frames of at most ``batch_rows`` rows.

        No more than a piece of one file is in memory at a time.
        """
        for part in self.parts(table):
            for frame in self._frames(table, part):
                for start in range(0, frame.height, batch_rows):
                    yield frame.slice(start, batch_rows)

    def check_files(self) -> list[str]:
        """Return what is wrong with the files, in sentences; [] if every file is as written."""
        problems = [f"{name}: not part of the data set" for name in foreign_files(self.folder)]
        for name, entry in self.manifest.tables.items():
            problems += _sums(name, entry)
            for part in entry.parts:
                problems += self._file_problems(part)
        return problems

    def check_content(self) -> list[str]:
        """Return which blocks hold other rows than their digests say, in sentences."""
        problems = []
        for name, entry in self.manifest.tables.items():
            if combine(block.digest for block in entry.blocks) != entry.digest:
                problems.append(f"{name}: the table's digest is not that of its blocks")
            for group in sorted({block.group for block in entry.blocks}):
                for block, rows in self.read_blocks(name, group):
                    if digest(self.tables[name], rows) != block.digest:
                        problems.append(f"{name}: block {block.block} holds other rows")
        return problems

    def read_blocks(self, table: str, group: int) -> Iterator[tuple[BlockEntry, pa.Table]]:
        """Yield one group's blocks of a table with their rows, of the declared Arrow schema."""
        rows = polars_to_arrow(self.tables[table], self.read(table, group))
        start = 0
        for block in self.blocks(table, group):
            yield block, rows.slice(start, block.rows)
            start += block.rows

    def _entry(self, table: str) -> TableEntry:
        if table not in self.manifest.tables:
            known = ", ".join(self.manifest.tables)
            raise ConfigError(f"{self.folder} has no table {table!r}, only {known}")
        return self.manifest.tables[table]

    def _frames(self, table: str, part: Part) -> Iterator[pl.DataFrame]:
        reader = READERS.get(self.manifest.format)
        if reader is None:
            raise ConfigError(
                f"{self.folder}: format {self.manifest.format!r} cannot be read back; "
                f"use one of {', '.join(READERS)}"
            )
        path = self.folder / part.file
        with _reading(path):
            yield from reader(self.tables[table], path, self.manifest.compression)

    def _file_problems(self, part: Part) -> list[str]:
        path = self.folder / part.file
        try:
            size = path.stat().st_size
            if size != part.bytes:
                return [f"{part.file}: {size} bytes, {part.bytes} were written"]
            if file_digest(path) != part.digest:
                return [f"{part.file}: altered, its digest is not the one written"]
            if self.manifest.format == "parquet" and _parquet_rows(path) != part.rows:
                return [f"{part.file}: {_parquet_rows(path)} rows, {FILE_NAME} says {part.rows}"]
        except FileNotFoundError:
            return [f"{part.file}: missing"]
        except (OSError, pa.ArrowException) as error:
            return [f"{part.file}: cannot be read ({error})"]
        return []


def _sums(name: str, entry: TableEntry) -> list[str]:
    problems = []
    for what, items in (("files", entry.parts), ("blocks", entry.blocks)):
        rows = sum(item.rows for item in items)
        if rows != entry.rows:
            problems.append(f"{name}: {entry.rows} rows, its {what} hold {rows}")
    return problems


def _parquet_rows(path: Path) -> int:
    rows: int = pq.read_metadata(path).num_rows
    return rows


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn errors of a missing or damaged file into a `TargetError`."""
    try:
        yield
    except FileNotFoundError as error:
        raise TargetError(f"{path} is missing: the data set is damaged, make it again") from error
    except (OSError, ValueError, pa.ArrowException, pl.exceptions.PolarsError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise TargetError(
            f"{path} cannot be read ({first}): the data set is damaged, make it again"
        ) from error
