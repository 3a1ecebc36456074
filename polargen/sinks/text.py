"""CSV and NDJSON: rows as text, written by Polars in steps of ``batch_size`` rows.

Both show instants as ISO 8601 with microseconds and Z, days as YYYY-MM-DD and money as exact
decimal text (in quotes in NDJSON, so that no reader makes a float of it). In CSV nulls are empty
fields, the empty text is "", and nested columns are JSON text; in NDJSON nested columns are arrays
and objects, and columns of JSON text stay text.
"""

from __future__ import annotations

import gzip
import io
from abc import ABC, abstractmethod
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from polargen.digest import fixed_width
from polargen.schema import NESTED, Column, Table
from polargen.sinks.base import SinkSettings
from polargen.sinks.files import Encoder, FileSink, codec

Array = NDArray[Any]

_LEAST_STEP_ROWS = 16_384  # measured: smaller steps take twice the time and write the same
_GZIP_LEVEL = 1
_ZSTD_LEVEL = 1
_DAY_US = 86_400_000_000
_ENDINGS = {None: "", "gzip": ".gz", "zstd": ".zst"}


class CompressedFile:
    """Bytes on their way to a file, through gzip, zstd or neither."""

    def __init__(self, file: io.RawIOBase, name: str | None, level: int | None) -> None:
        self._file = file
        self._zip: gzip.GzipFile | None = None
        self._codec: pa.Codec | None = None
        if name == "gzip":
            level = _GZIP_LEVEL if level is None else level
            self._zip = gzip.GzipFile(
                "", "wb", level, file, mtime=0
            )  # no name, no time: same bytes
        elif name == "zstd":
            self._codec = pa.Codec(name, _ZSTD_LEVEL if level is None else level)

    def write(self, data: Any) -> None:
        """Append bytes; with zstd each call is a frame of its own."""
        if self._zip is not None:
            self._zip.write(data)
        elif self._codec is not None:
            self._file.write(self._codec.compress(data, asbytes=True))
        else:
            self._file.write(data)

    def close(self) -> None:
        """Write what ends the stream; the file stays open."""
        if self._zip is not None:
            self._zip.close()


class TextEncoder(ABC):
    """Writes a table's rows as lines."""

    def __init__(self, table: Table, file: io.RawIOBase, settings: SinkSettings) -> None:
        self._table = table
        self._step = max(_LEAST_STEP_ROWS, settings.batch_size)
        name = codec(_SINKS[settings.format], settings)
        self._out = CompressedFile(file, name, settings.compression_level)

    def write(self, rows: pa.Table) -> None:
        """See `Encoder`."""
        for start in range(0, rows.num_rows, self._step):
            text = io.BytesIO()
            self.lines(rows.slice(start, self._step), text)
            self._out.write(text.getbuffer())

    def close(self) -> None:
        """See `Encoder`."""
        self._out.close()

    @abstractmethod
    def lines(self, rows: pa.Table, text: io.BytesIO) -> None:
        """Write rows as lines."""


class CsvEncoder(TextEncoder):
    """Comma-separated values with one line of names."""

    def __init__(self, table: Table, file: io.RawIOBase, settings: SinkSettings) -> None:
        super().__init__(table, file, settings)
        self._out.write(",".join(column.name for column in table.columns).encode() + b"\n")

    def lines(self, rows: pa.Table, text: io.BytesIO) -> None:
        """See `TextEncoder`."""
        frame = readable(self._table, rows, nested_as_json=True)
        frame.write_csv(text, include_header=False, batch_size=self._step)


class NdjsonEncoder(TextEncoder):
    """One JSON object a line."""

    def lines(self, rows: pa.Table, text: io.BytesIO) -> None:
        """See `TextEncoder`."""
        readable(self._table, rows, nested_as_json=False).write_ndjson(text)


class CsvSink(FileSink):
    """CSV files."""

    name: ClassVar[str] = "csv"
    codecs: ClassVar[tuple[str | None, ...]] = (None, "gzip", "zstd")

    @classmethod
    def suffix(cls, settings: SinkSettings) -> str:
        """See `FileSink`."""
        return ".csv" + _ENDINGS[codec(cls, settings)]

    @classmethod
    def encoder(cls, table: Table, file: io.RawIOBase, settings: SinkSettings) -> Encoder:
        """See `FileSink`."""
        return CsvEncoder(table, file, settings)


class NdjsonSink(FileSink):
    """NDJSON files."""

    name: ClassVar[str] = "json"
    codecs: ClassVar[tuple[str | None, ...]] = (None, "gzip", "zstd")

    @classmethod
    def suffix(cls, settings: SinkSettings) -> str:
        """See `FileSink`."""
        return ".ndjson" + _ENDINGS[codec(cls, settings)]

    @classmethod
    def encoder(cls, table: Table, file: io.RawIOBase, settings: SinkSettings) -> Encoder:
        """See `FileSink`."""
        return NdjsonEncoder(table, file, settings)


_SINKS: dict[str, type[FileSink]] = {"csv": CsvSink, "json": NdjsonSink}


def readable(table: Table, rows: pa.Table, nested_as_json: bool) -> pl.DataFrame:
    """Return rows as a frame whose columns print as they are to be read.

    Args:
        table: the declaration.
        rows: exactly ``table.arrow_schema``.
        nested_as_json: lists as JSON text.

    Returns:
        pl.DataFrame: instants, days and pooled text as text, the rest as declared.
    """
    columns = []
    for column in table.columns:
        series = _readable(column, rows.column(column.name).combine_chunks())
        if nested_as_json and column.kind in NESTED:
            series = as_json(series)
        columns.append(series.alias(column.name))
    return pl.DataFrame(columns)


def _readable(column: Column, array: pa.Array) -> pl.Series:
    if column.kind in NESTED:
        return readable_list(column, array)
    if column.kind in ("enum", "label", "json"):
        return _pooled(array)
    if column.kind == "instant":
        us, valid = _shown(column, array)
        return _masked(instant_text(us), valid)
    if column.kind == "date":
        days, valid = _shown(column, array)
        return _masked(date_text(days), valid)
    return pl.Series(array)


def readable_list(column: Column, array: pa.Array) -> pl.Series:
    """Return a list column with its items made readable."""
    if column.kind == "ints":
        return pl.Series(array)
    items = array.flatten()
    if column.kind == "enums":
        shown = _pooled(items)
    else:
        parts = zip(column.fields, items.flatten(), strict=True)
        fields = [_readable(field, part).alias(field.name) for field, part in parts]
        shown = pl.DataFrame(fields).to_struct("")
    lengths = array.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    offsets = np.zeros(len(array) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    mask = array.is_null() if array.null_count else None
    lists = pa.LargeListArray.from_arrays(pa.array(offsets), shown.to_arrow(), mask=mask)
    return pl.Series(lists)


def as_json(lists: pl.Series) -> pl.Series:
    """Write each list as JSON text; the encoder takes structs, so wrap and unwrap."""
    wrapped = lists.alias("x").to_frame().to_struct("x").struct.json_encode()
    text = wrapped.str.strip_prefix('{"x":').str.strip_suffix("}")
    return text if lists.null_count() == 0 else text.set(lists.is_null(), None)


def _pooled(array: pa.Array) -> pl.Series:
    """Gather pooled text: Polars' strings are views, so nothing is copied."""
    return pl.Series(array.dictionary.cast(pa.string())).gather(pl.Series(array.indices))


def _shown(column: Column, array: pa.Array) -> tuple[Array, Array | None]:
    """Return a column's values, and which are not null; under a null lies one of the others."""
    values = fixed_width(column, array)
    if array.null_count == 0:
        return values, None
    valid = array.is_valid().to_numpy(zero_copy_only=False)
    shown = values[valid]
    return np.where(valid, values, shown[0] if len(shown) else 0), valid


def _masked(text: pa.Array, valid: Array | None) -> pl.Series:
    if valid is None:
        return pl.Series(text)
    bits = pa.py_buffer(np.packbits(valid, bitorder="little"))
    return pl.Series(pa.StringArray.from_buffers(len(text), *text.buffers()[1:], bits))


def instant_text(us: Array) -> pa.Array:
    """Write instants as ISO 8601 in UTC, 2025-01-31T08:44:38.379085Z, from tables of their parts.

    Args:
        us: int64, shape (n,), microseconds since 1970, of the years 1..9999.

    Returns:
        pa.StringArray of n texts of 27 bytes.
    """
    days = us // _DAY_US
    rest = us - days * _DAY_US
    seconds = rest // 1_000_000
    micros = (rest - seconds * 1_000_000).astype(np.int32)
    millis = micros // 1000
    text = np.empty(len(us), dtype="S10,S9,S4,S4")
    text["f0"] = _day_texts(days)
    text["f1"] = _clock_texts().take(seconds)
    text["f2"] = _thousandths(".{:03d}").take(millis)
    text["f3"] = _thousandths("{:03d}Z").take(micros - millis * 1000)
    return _fixed_strings(text, 27)


def date_text(days: Array) -> pa.Array:
    """Write days since 1970 as YYYY-MM-DD; int32, shape (n,), of the years 1..9999."""
    return _fixed_strings(_day_texts(days), 10)


def _fixed_strings(text: Array, width: int) -> pa.Array:
    offsets = np.arange(len(text) + 1, dtype=np.int32) * np.int32(width)
    data = pa.py_buffer(np.ascontiguousarray(text).view(np.uint8))
    return pa.StringArray.from_buffers(len(text), pa.py_buffer(offsets), data)


def _day_texts(days: Array) -> Array:
    if len(days) == 0:
        return np.empty(0, dtype="S10")
    first, last = int(days.min()), int(days.max())
    if last - first > len(days) + 4096:  # far apart: write each by itself
        return np.datetime_as_string(days.astype("datetime64[D]")).astype("S10")
    return _day_table(first, last).take(days - first)


@lru_cache(maxsize=64)
def _day_table(first: int, last: int) -> Array:
    days = np.arange(first, last + 1).astype("datetime64[D]")
    return np.datetime_as_string(days).astype("S10")


@lru_cache(maxsize=1)
def _clock_texts() -> Array:
    seconds = np.arange(86_400).astype("datetime64[s]")
    return np.array([text[10:] for text in np.datetime_as_string(seconds).tolist()], dtype="S9")


@lru_cache(maxsize=2)
def _thousandths(form: str) -> Array:
    return np.array([form.format(number) for number in range(1000)], dtype="S4")
