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
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from polargen.columns import single
from polargen.digest import fixed_width
from polargen.schema import NESTED, Column, Table
from polargen.sinks.base import SinkSettings
from polargen.sinks.files import Encoder, FileSink, codec

Array = NDArray[Any]
Pools = Mapping[str, pl.Series]

_POOLED = frozenset({"enum", "label", "json"})
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
        rows = rows.unify_dictionaries()
        pools = pools_of(self._table, rows)
        for start in range(0, rows.num_rows, self._step):
            text = io.BytesIO()
            self.lines(rows.slice(start, self._step), pools, text)
            self._out.write(text.getbuffer())

    def close(self) -> None:
        """See `Encoder`."""
        self._out.close()

    @abstractmethod
    def lines(self, rows: pa.Table, pools: Pools, text: io.BytesIO) -> None:
        """Write rows as lines; their dictionaries are those of ``pools``."""


class CsvEncoder(TextEncoder):
    """Comma-separated values with one line of names."""

    def __init__(self, table: Table, file: io.RawIOBase, settings: SinkSettings) -> None:
        super().__init__(table, file, settings)
        self._out.write(",".join(column.name for column in table.columns).encode() + b"\n")

    def lines(self, rows: pa.Table, pools: Pools, text: io.BytesIO) -> None:
        """See `TextEncoder`."""
        frame = readable(self._table, rows, nested_as_json=True, pools=pools)
        frame.write_csv(text, include_header=False, batch_size=self._step)


class NdjsonEncoder(TextEncoder):
    """One JSON object a line."""

    def lines(self, rows: pa.Table, pools: Pools, text: io.BytesIO) -> None:
        """See `TextEncoder`."""
        readable(self._table, rows, nested_as_json=False, pools=pools).write_ndjson(text)


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


def pools_of(table: Table, rows: pa.Table) -> Pools:
    """Return the pool of each column of pooled text; all slices of the rows share them."""
    return {
        column.name: _pool(single(rows.column(column.name)))
        for column in table.columns
        if column.kind in _POOLED
    }


def readable(
    table: Table, rows: pa.Table, nested_as_json: bool, pools: Pools | None = None
) -> pl.DataFrame:
    """Return rows as a frame whose columns print as they are to be read.

    Args:
        table: the declaration.
        rows: exactly ``table.arrow_schema``.
        nested_as_json: lists as JSON text.
        pools: `pools_of` the rows, or of rows that these are a slice of.

    Returns:
        pl.DataFrame: instants, days and pooled text as text, the rest as declared.
    """
    pools = pools_of(table, rows) if pools is None else pools
    columns = []
    for column in table.columns:
        array = single(rows.column(column.name))
        if column.kind in _POOLED:
            series = pools[column.name].gather(pl.Series(array.indices))
        elif nested_as_json and column.kind in NESTED:
            series = json_lists(column, array)
        else:
            series = _readable(column, array)
        columns.append(series.alias(column.name))
    return pl.DataFrame(columns)


def _readable(column: Column, array: pa.Array) -> pl.Series:
    if column.kind in NESTED:
        return readable_list(column, array)
    if column.kind in _POOLED:
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
    offsets = np.zeros(len(array) + 1, dtype=np.int64)
    np.cumsum(_lengths(array), out=offsets[1:])
    mask = array.is_null() if array.null_count else None
    lists = pa.LargeListArray.from_arrays(pa.array(offsets), shown.to_arrow(), mask=mask)
    return pl.Series(lists)


def json_lists(column: Column, array: pa.Array) -> pl.Series:
    """Return each list of a nested column as JSON text.

    The items of all lists are written at once, each with the bracket or comma that stands before
    it and behind the last one the other bracket. A list's text is then a stretch of theirs.
    """
    items, lengths = array.flatten(), _lengths(array)
    ends = np.cumsum(lengths)
    filled = lengths > 0
    before, after = np.zeros((2, len(items)), dtype=np.uint8)
    before[(ends - lengths)[filled]] = 1
    after[ends[filled] - 1] = 1
    if column.kind == "structs":
        parts = zip(column.fields, items.flatten(), strict=True)
        forms, values = zip(*(_json_values(field, part) for field, part in parts), strict=True)
        named = (f'"{field.name}":{form}' for field, form in zip(column.fields, forms, strict=True))
        form = "{}{{" + ",".join(named) + "}}{}"
    else:
        form, only = _json_values(column, items)
        form, values = "{}" + form + "{}", (only,)
    texts = [pl.Series([",", "["]).gather(before), *values, pl.Series(["", "]"]).gather(after)]
    frame = pl.DataFrame([text.alias(f"p{number}") for number, text in enumerate(texts)])
    joined = frame.select(pl.format(form, *frame.columns)).to_series().to_arrow()
    return _stretches(joined, ends, filled, array)


def _stretches(joined: pa.Array, ends: Array, filled: Array, array: pa.Array) -> pl.Series:
    """Return the text of the lists that end at ``ends`` of the items' texts."""
    places = np.frombuffer(joined.buffers()[1] or bytes(8), dtype=np.int64)[joined.offset :]
    offsets = np.concatenate([places[:1], places[ends]])
    texts = pa.LargeStringArray.from_buffers(
        len(ends), pa.py_buffer(offsets), joined.buffers()[2] or pa.py_buffer(b"")
    )
    series = pl.Series(texts)
    if not filled.all():
        series = series.set(pl.Series(~filled), "[]")
    if array.null_count:
        series = series.set(pl.Series(array.is_null()), None)
    return series


def _json_values(column: Column, array: pa.Array) -> tuple[str, pl.Series]:
    """Return the values of a list's items as JSON, null among them, and how to show them."""
    form = "{}"
    if column.kind in _POOLED or column.kind == "enums":
        pool = _escaped(_pool(array))
        texts = pool.gather(pl.Series(array.indices))
    elif column.kind in ("instant", "date", "money", "money_total"):  # nothing to escape
        texts, form = _readable(column, array), '"{}"'
        if texts.null_count():
            texts, form = texts.alias("x").to_frame().select(pl.format(form, "x")).to_series(), "{}"
    elif pa.types.is_integer(array.type):  # a database may keep keys as text
        texts = pl.Series(array).cast(pl.String)
    else:
        texts = _escaped(pl.Series(array))
    return form, texts.fill_null("null") if texts.null_count() else texts


def _escaped(values: pl.Series) -> pl.Series:
    """Write values as JSON; the encoder takes structs, so wrap and unwrap."""
    wrapped = values.alias("x").to_frame().to_struct("x").struct.json_encode()
    return wrapped.str.strip_prefix('{"x":').str.strip_suffix("}")


def _lengths(array: pa.Array) -> Array:
    """Return the number of items of each list, 0 for null."""
    lengths: Array = array.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    return lengths


def _pooled(array: pa.Array) -> pl.Series:
    """Gather pooled text: Polars' strings are views, so nothing is copied."""
    return _pool(array).gather(pl.Series(array.indices))


def _pool(array: pa.Array) -> pl.Series:
    return pl.Series(array.dictionary.cast(pa.string()))


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
