"""Exports as attachments: a table as one file, several as a zip, in flat memory.

Nothing is written to disk; a stream that is closed before its end stops the work.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass

from zipstream import ZIP_DEFLATED, ZIP_STORED, ZipStream

from polargen.api.requests import ExportFormat
from polargen.database_export import Snapshot
from polargen.export import Source, stream_table
from polargen.manifest import FILE_NAME

_ENDINGS = {"parquet": "parquet", "csv": "csv", "json": "ndjson", "sql": "sql"}
_MEDIA_TYPES = {
    "parquet": "application/vnd.apache.parquet",
    "csv": "text/csv; charset=utf-8",
    "json": "application/x-ndjson",
    "sql": "application/sql",
    "zip": "application/zip",
}
MEDIA_TYPES = tuple(text.partition(";")[0] for text in _MEDIA_TYPES.values())


@dataclass(frozen=True)
class Export:
    """One export.

    Attributes:
        format: of the files.
        tables: names, in the order of the schema.
        metadata: add the manifest.
        name: of a zip, without ending.
    """

    format: ExportFormat
    tables: tuple[str, ...]
    metadata: bool
    name: str

    @property
    def is_zip(self) -> bool:
        """Whether this is more than one file."""
        return len(self.tables) > 1 or self.metadata

    @property
    def media_type(self) -> str:
        """Of the attachment."""
        return _MEDIA_TYPES["zip" if self.is_zip else self.format]

    @property
    def file_name(self) -> str:
        """Of the attachment."""
        if self.is_zip:
            return f"{self.name}.zip"
        return f"{self.tables[0]}.{_ENDINGS[self.format]}"

    def stream(self, source: Source) -> Generator[bytes, None, None]:
        """Yield the attachment; closing this closes the source.

        Args:
            source: of the rows; closed at the end if it can be.
        """
        files = {name: stream_table(source, name, self.format, self.tables) for name in self.tables}
        try:
            yield from self._archive(source, files) if self.is_zip else files[self.tables[0]]
        finally:
            for file in files.values():
                if isinstance(file, Generator):
                    file.close()
            close_source(source)

    def _archive(self, source: Source, files: dict[str, Iterator[bytes]]) -> Iterator[bytes]:
        stored = self.format == "parquet"  # it is packed already
        archive = ZipStream(
            compress_type=ZIP_STORED if stored else ZIP_DEFLATED,
            compress_level=None if stored else 1,
        )
        for number, (name, file) in enumerate(files.items(), 1):
            order = f"{number:02d}_" if self.format == "sql" else ""  # in which psql loads them
            archive.add(file, f"{order}{name}.{_ENDINGS[self.format]}")
        if self.metadata:
            archive.add(source.manifest.to_json().encode(), FILE_NAME)
        yield from archive


def close_source(source: Source) -> None:
    """End the session of a source that has one."""
    if isinstance(source, Snapshot):
        source.close()
