"""From a leaf's values to a column chunk: a page of values, before it their dictionary if any.

Encodings go by the columns' kinds: whole numbers, instants and money by the steps between them,
pooled text and enumerations as codes of a dictionary, other text with its lengths ahead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from polargen.columns import unpacked
from polargen.digest import fixed_width
from polargen.sinks.parquet.leaves import Leaf, LeafSchema
from polargen.sinks.parquet.packing import delta_packed, hybrid, width_of
from polargen.sinks.parquet.thrift import Value, array_of, binary, i32, i64, struct

Array = np.ndarray[Any, np.dtype[Any]]

# Source: https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
BOOLEAN, INT32, INT64, DOUBLE, BYTE_ARRAY = 0, 1, 2, 5, 6
_PLAIN, _RLE, _DELTA, _DELTA_TEXT, _DICTIONARY, _SPLIT = 0, 3, 5, 6, 8, 9
_DATA_PAGE, _DICTIONARY_PAGE = 0, 2
CODECS = {None: 0, "snappy": 1, "gzip": 2, "zstd": 6, "lz4_raw": 7}

PHYSICAL = {
    "key": INT64,
    "int": INT32,
    "money": INT64,
    "money_total": INT64,
    "float": DOUBLE,
    "bool": BOOLEAN,
    "instant": INT64,
    "date": INT32,
    "enum": BYTE_ARRAY,
    "label": BYTE_ARRAY,
    "text": BYTE_ARRAY,
    "json": BYTE_ARRAY,
    "ints": INT32,
    "enums": BYTE_ARRAY,
}
_CODED = frozenset({"enum", "enums", "label", "json"})
_POOLED = frozenset({"label", "json"})
_PACKED = frozenset({"key", "int", "instant", "date"})  # a codec shrinks them by 1 %
_SAMPLE = 1 << 13  # bytes of a page that tell whether a codec shrinks it
_WORTH = 0.9
_FEW_RUNS = 16


@dataclass(frozen=True)
class Codec:
    """How pages are compressed.

    Attributes:
        name: a key of `CODECS`.
        level: None: the codec's default.
    """

    name: str | None
    level: int | None

    def squeeze(self, bodies: Sequence[bytes]) -> list[pa.Buffer] | None:
        """Return the compressed bodies of a chunk's pages, None: it does not pay.

        Of a long body a sample is tried first: random numbers are packed already.
        """
        if self.name is None:
            return None
        codec = pa.Codec(self.name, self.level) if self.level is not None else pa.Codec(self.name)
        last = bodies[-1]
        if len(bodies) == 1 and len(last) > 4 * _SAMPLE:
            middle = len(last) // 2
            sample = codec.compress(last[middle : middle + _SAMPLE])
            if len(sample) > _WORTH * _SAMPLE:
                return None
        squeezed = [codec.compress(body) for body in bodies]
        return squeezed if sum(map(len, squeezed)) < sum(map(len, bodies)) else None


@dataclass(frozen=True)
class Chunk:
    """A leaf's column chunk.

    Attributes:
        pieces: what is written, in order.
        size: bytes of the pieces.
        metadata: fields of its ColumnMetaData that do not depend on the place in the file.
        plain_size: bytes if nothing were compressed.
        dictionary_size: bytes of the page before the values, 0: there is none.
    """

    pieces: tuple[Any, ...]
    size: int
    metadata: Mapping[int, Value]
    plain_size: int
    dictionary_size: int


@dataclass(frozen=True)
class _Encoded:
    """Values of a leaf.

    Attributes:
        encoding: of the values.
        body: their bytes.
        dictionary: (entries, bytes) or None.
        limits: the least and the largest value, as bytes, or None.
    """

    encoding: int
    body: bytes
    dictionary: tuple[int, bytes] | None = None
    limits: tuple[bytes, bytes] | None = None


def chunk_of(leaf: Leaf, codec: Codec) -> Chunk:
    """Encode a leaf."""
    encoded = _encoded(leaf)
    page = leaf.levels + encoded.body
    bodies = [page] if encoded.dictionary is None else [encoded.dictionary[1], page]
    squeezed = None if leaf.schema.kind in _PACKED else codec.squeeze(bodies)
    stored: Sequence[Any] = bodies if squeezed is None else squeezed
    heads = [_data_page(leaf.entries, encoded.encoding, len(page), len(stored[-1]))]
    if encoded.dictionary is not None:
        heads.insert(0, _dictionary_page(encoded.dictionary[0], len(bodies[0]), len(stored[0])))
    pieces = tuple(part for pair in zip(heads, stored, strict=True) for part in pair)
    size = sum(map(len, pieces))
    metadata = {
        1: i32(PHYSICAL[leaf.schema.kind]),
        2: _encodings(encoded.encoding),
        3: leaf.schema.path,
        4: i32(CODECS[codec.name if squeezed else None]),
        5: i64(leaf.entries),
        12: _statistics(leaf.nulls, encoded.limits),
    }
    plain_size = sum(map(len, heads)) + sum(map(len, bodies))
    dictionary_size = len(heads[0]) + len(stored[0]) if encoded.dictionary else 0
    return Chunk(pieces, size, metadata, plain_size, dictionary_size)


@lru_cache(maxsize=16)
def _encodings(encoding: int) -> Value:
    """Return the encodings of a chunk: of levels, of values, of a dictionary if there is one."""
    used = (_RLE, encoding, _PLAIN) if encoding == _DICTIONARY else (_RLE, encoding)
    return array_of([i32(number) for number in used])


def _data_page(entries: int, encoding: int, size: int, stored: int) -> bytes:
    head = _values_head(entries, encoding)
    return struct({1: i32(_DATA_PAGE), 2: i32(size), 3: i32(stored), 5: head})[1]


@lru_cache(maxsize=256)
def _values_head(entries: int, encoding: int) -> Value:
    return struct({1: i32(entries), 2: i32(encoding), 3: i32(_RLE), 4: i32(_RLE)})


def _dictionary_page(entries: int, size: int, stored: int) -> bytes:
    head = struct({1: i32(entries), 2: i32(_PLAIN)})
    return struct({1: i32(_DICTIONARY_PAGE), 2: i32(size), 3: i32(stored), 7: head})[1]


@lru_cache(maxsize=1 << 10)
def _statistics(nulls: int, limits: tuple[bytes, bytes] | None) -> Value:
    low, high = limits or (None, None)
    return struct(
        {
            3: i64(nulls),
            5: None if high is None else binary(high),
            6: None if low is None else binary(low),
        }
    )


def _encoded(leaf: Leaf) -> _Encoded:
    kind, physical = leaf.schema.kind, PHYSICAL[leaf.schema.kind]
    if kind in _CODED:
        return _coded(leaf, kind in _POOLED)
    if physical == BYTE_ARRAY:
        return _text(leaf)
    if physical == BOOLEAN:
        truths = unpacked(leaf.values, 1)
        return _Encoded(_PLAIN, np.packbits(_picked(truths, leaf), bitorder="little").tobytes())
    numbers = _picked(_numbers(leaf), leaf)
    limits = (numbers.min(), numbers.max()) if len(numbers) else None
    shown = None
    if limits and not leaf.schema.repeated and not np.isnan(limits[0]):
        shown = (limits[0].tobytes(), limits[1].tobytes())
    if physical == DOUBLE:
        return _Encoded(_SPLIT, numbers.view(np.uint8).reshape(-1, 8).T.tobytes(), None, shown)
    return _Encoded(_DELTA, delta_packed(numbers, limits), None, shown)


def _picked(values: Array, leaf: Leaf) -> Array:
    return values if leaf.present is None else values[leaf.present]


def _numbers(leaf: Leaf) -> Array:
    """Return a column's numbers, (n,) in its physical type; what stands for nulls is any."""
    values, column = leaf.values, leaf.schema.column
    if column.kind == "ints":
        small = np.frombuffer(values.buffers()[1] or b"", dtype=np.int8)
        return small[values.offset : values.offset + len(values)].astype(np.int32)
    return np.ascontiguousarray(fixed_width(column, values))


def _coded(leaf: Leaf, pooled: bool) -> _Encoded:
    codes = _picked(_codes(leaf.values), leaf)
    pool = leaf.values.dictionary
    if pooled and len(pool) > max(64, len(codes) // 8):
        codes, pool = _compact(codes, pool)
    width = max(1, width_of(max(0, len(pool) - 1)))
    body = bytes([width]) + hybrid(codes, width)
    return _Encoded(_DICTIONARY, body, (len(pool), _pool_bytes(leaf.schema, pool)))


def _codes(values: pa.DictionaryArray) -> Array:
    indices = values.indices
    dtype: np.dtype[Any] = np.dtype(indices.type.to_pandas_dtype())
    start, end = indices.offset, indices.offset + len(indices)
    codes = np.frombuffer(indices.buffers()[1] or b"", dtype=dtype)[start:end]
    return codes.view(f"u{codes.itemsize}")


def _compact(codes: Array, pool: pa.Array) -> tuple[Array, pa.Array]:
    """Leave out pooled text that no row uses; a block may show a handful of a large pool."""
    used = np.zeros(len(pool), dtype=bool)
    used[codes] = True
    if used.all():
        return codes, pool
    place = np.cumsum(used, dtype=np.uint32) - np.uint32(1)
    return place[codes], pool.filter(pa.array(used))


def _pool_bytes(schema: LeafSchema, pool: pa.Array) -> bytes:
    values = schema.column.values
    return _plain_values(values) if pool.equals(_known(values)) else _plain(pool)


@lru_cache(maxsize=1024)
def _known(values: tuple[str, ...]) -> pa.Array:
    return pa.array(values, pa.string())


@lru_cache(maxsize=1024)
def _plain_values(values: tuple[str, ...]) -> bytes:
    """Return the texts of an enumeration as `_plain` does."""
    return _plain(_known(values))


def _plain(pool: pa.Array) -> bytes:
    """Return texts with the length of each before it."""
    if not len(pool):
        return b""
    lengths = np.diff(_starts(pool)).astype("<i4")
    edges = np.flatnonzero(np.diff(lengths)) + 1
    if len(edges) < _FEW_RUNS:  # numbered documents: texts of one length, then of another
        runs = pairwise([0, *edges.tolist(), len(pool)])
        return b"".join(_of_one_length(pool[start:stop], lengths[start]) for start, stop in runs)
    heads = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(4), len(pool), [None, pa.py_buffer(lengths)]
    ).cast(pa.binary())
    return _bytes_of(pc.binary_join_element_wise(heads, pool.cast(pa.binary()), b""))


def _of_one_length(pool: pa.Array, length: np.int32) -> bytes:
    text = np.frombuffer(_bytes_of(pool), dtype=np.uint8).reshape(len(pool), int(length))
    rows = np.empty((len(pool), 4 + int(length)), dtype=np.uint8)
    rows[:, :4] = np.frombuffer(length.tobytes(), dtype=np.uint8)
    rows[:, 4:] = text
    return rows.tobytes()


def _text(leaf: Leaf) -> _Encoded:
    values = leaf.values if leaf.present is None else leaf.values.drop_null()
    lengths = np.diff(_starts(values)) if len(values) else np.empty(0, dtype=np.int32)
    return _Encoded(_DELTA_TEXT, delta_packed(lengths) + _bytes_of(values))


def _starts(values: pa.Array) -> Array:
    buffer = np.frombuffer(values.buffers()[1], dtype=np.int32)
    return buffer[values.offset : values.offset + len(values) + 1]


def _bytes_of(values: pa.Array) -> bytes:
    """Return all text of an array without its bounds."""
    if not len(values):
        return b""
    starts = _starts(values)
    data = values.buffers()[2]
    return b"" if data is None else bytes(memoryview(data)[int(starts[0]) : int(starts[-1])])
