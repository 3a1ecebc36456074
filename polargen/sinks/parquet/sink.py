"""Parquet files: one row group a block."""

from __future__ import annotations

import io
from typing import ClassVar

import pyarrow as pa

from polargen.columns import single
from polargen.schema import Table
from polargen.sinks.base import SinkSettings
from polargen.sinks.files import Encoder, FileSink, codec
from polargen.sinks.parquet.chunks import Chunk, Codec, chunk_of
from polargen.sinks.parquet.footer import MAGIC, Footer
from polargen.sinks.parquet.leaves import leaves_of

_NAMES = {"lz4": "lz4_raw"}  # the format's LZ4 without frames
_DEFAULT_LEVEL = {"zstd": 1}


class ParquetEncoder:
    """Writes blocks as row groups."""

    def __init__(self, table: Table, file: io.RawIOBase, settings: SinkSettings) -> None:
        name = codec(ParquetSink, settings)
        level = settings.compression_level
        level = _DEFAULT_LEVEL.get(name or "") if level is None else level
        self._codec = Codec(_NAMES.get(name or "", name), level)
        self._columns = table.columns
        self._footer = Footer(table)
        self._file = file
        self._place = 0
        self._write(MAGIC)

    def write(self, rows: pa.Table) -> None:
        """See `Encoder`."""
        if not rows.num_rows:
            return
        chunks: list[Chunk] = []
        for column, schemas in zip(self._columns, self._footer.leaves, strict=True):
            for leaf in leaves_of(column, schemas, single(rows.column(column.name))):
                chunks.append(chunk_of(leaf, self._codec))
        self._footer.add(rows.num_rows, chunks, self._place)
        self._write(b"".join(piece for chunk in chunks for piece in chunk.pieces))

    def close(self) -> None:
        """See `Encoder`."""
        self._write(self._footer.write())

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._place += len(data)


class ParquetSink(FileSink):
    """Parquet files, zstd by default."""

    name: ClassVar[str] = "parquet"
    codecs: ClassVar[tuple[str | None, ...]] = ("zstd", "snappy", "gzip", "lz4", None)

    @classmethod
    def suffix(cls, settings: SinkSettings) -> str:
        """See `FileSink`."""
        return ".parquet"

    @classmethod
    def encoder(cls, table: Table, file: io.RawIOBase, settings: SinkSettings) -> Encoder:
        """See `FileSink`."""
        return ParquetEncoder(table, file, settings)
