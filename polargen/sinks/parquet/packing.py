"""Numbers in as few bits as they need: whole columns at once, by NumPy.

The widths are those whose neighbours fill whole bytes within 64 bits, so that packing is a few
shifts of a column: at most 7 bits a value more than the narrowest, mostly none.

Measured on one core, ns a value of a block's column: packing 0.4-1.1, delta packing 1.5-2.5, where
pyarrow takes 4-9. Source: https://parquet.apache.org/docs/file-format/data-pages/encodings/
"""

from __future__ import annotations

from typing import Any

import numpy as np

from polargen.sinks.parquet.thrift import uleb, zigzag

Array = np.ndarray[Any, np.dtype[Any]]

_BLOCK = 256  # values that share a smallest step
_MINI = 64  # values that could have a width of their own; those of a block have the same here
_MINIS = _BLOCK // _MINI
_SLACK = 0.05  # of the bits, that may be given away for one width in all blocks
_SLACK_BITS = 1 << 14  # or so many, where there are few
_SEVENS = np.arange(10, dtype=np.uint64) * np.uint64(7)


def _packed_width(bits: int) -> int:
    step = 1 if bits <= 8 else 2 if bits <= 16 else 4 if bits <= 32 else 8
    return -(-bits // step) * step


_WIDTHS = np.array([_packed_width(min(bits, 64)) for bits in range(66)], dtype=np.int64)
_HEAD = uleb(_BLOCK) + uleb(_MINIS)
# By the logarithm of the bits; little-endian, so that the first of two neighbours is the lower.
_WORDS = [np.dtype(f"<u{max(8, 1 << power) // 8}") for power in range(7)]


def width_of(largest: int) -> int:
    """Return the bits that hold numbers up to ``largest``, as `pack` takes them."""
    return int(_WIDTHS[largest.bit_length()])


def pack(values: Array, width: int) -> Array:
    """Pack numbers one after the other, from the lowest bit on.

    Args:
        values: (n,) unsigned, each below 2**width; n a multiple of 8.
        width: bits of each, of `width_of`.

    Returns:
        (n * width / 8,) uint8.
    """
    if width == 0:
        return np.empty(0, dtype=np.uint8)
    if width == 1:
        return np.packbits(values.astype(np.uint8, copy=False), bitorder="little")
    words = values.astype(_unsigned(width), copy=False)
    while width % 8:  # two neighbours are one word of twice the size: move the second to the first
        half = 8 * words.itemsize
        pairs = words.view(_unsigned(2 * half))
        words = pairs >> half
        words <<= width
        words |= pairs & ((1 << half) - 1)
        width *= 2
    size = width // 8
    if size == words.itemsize:
        return words.view(np.uint8)
    out = np.empty(len(words) * size + words.itemsize, dtype=np.uint8)
    # Each word is stored whole; the next one lies over the zero bytes that are too many.
    np.ndarray((len(words),), dtype=words.dtype, buffer=out.data, strides=(size,))[:] = words
    return out[: len(words) * size]


def _unsigned(bits: int) -> np.dtype[Any]:
    return _WORDS[(bits - 1).bit_length()]


def hybrid(values: Array, width: int) -> bytes:
    """Write dictionary codes or levels: one run if all are the same, else bit-packed.

    Args:
        values: (n,) unsigned, n >= 0, each below 2**width.
        width: bits of each, of `width_of`, at least 1.
    """
    count = len(values)
    if count == 0:
        return b""
    if values.min() == values.max():
        return run(int(values[0]), count, width)
    if count % 8:
        values = np.concatenate([values, np.zeros(-count % 8, dtype=values.dtype)])
    return uleb(len(values) // 8 << 1 | 1) + pack(values, width).tobytes()


def run(value: int, count: int, width: int) -> bytes:
    """Write ``count`` times the same value of `hybrid`."""
    return uleb(count << 1) + value.to_bytes(-(-width // 8), "little")


def delta_packed(values: Array, limits: tuple[Any, Any] | None = None) -> bytes:
    """Write numbers by the steps between them (DELTA_BINARY_PACKED).

    Args:
        values: (n,) int32 or int64, n >= 0; steps wrap around as the format wants it.
        limits: the least and the largest of int64; those near each other go as 32 bits.
    """
    count = len(values)
    first = int(values[0]) if count else 0
    head = _HEAD + uleb(count) + zigzag(first)
    if count < 2:
        return head
    if limits is not None and int(limits[1]) - int(limits[0]) < 1 << 31:
        values = values.astype(np.int32, copy=False)  # the steps are the same
    steps = np.empty(-(-(count - 1) // _BLOCK) * _BLOCK, dtype=values.dtype)
    np.subtract(values[1:], values[:-1], out=steps[: count - 1])
    steps[count - 1 :] = steps[count - 2]
    blocks = steps.reshape(-1, _BLOCK)
    low, high = blocks.min(axis=1), blocks.max(axis=1)
    unsigned = f"u{values.itemsize}"
    above = blocks.view(unsigned)
    above -= low.view(unsigned)[:, None]
    reach = high.view(unsigned) - low.view(unsigned)
    widths = _WIDTHS[np.frexp(reach.astype(np.float64))[1]]  # the exponent is the bits
    widest, exact = int(widths.max()), int(widths.sum()) * _BLOCK
    alike = widest * len(steps) - exact <= max(_SLACK_BITS, _SLACK * exact)
    if alike:
        widths[:] = widest
    used = -(-(count - 1 - (len(blocks) - 1) * _BLOCK) // _MINI)  # of the last block's minis
    heads = _block_heads(low, widths, used)
    unused = (_MINIS - used) * int(widths[-1]) * _MINI // 8
    body = _rows(heads, above, widest) if alike else _scattered(heads, above, widths)
    return b"".join((head, body[: len(body) - unused].data))


def _block_heads(low: Array, widths: Array, used: int) -> Array:
    """Return what comes before each block's bits, (blocks, bytes): smallest step and widths."""
    wide = low.astype(np.int64)
    folded = ((wide << 1) ^ (wide >> 63)).view(np.uint64)
    bytes_ = max(1, -(-int(folded.max()).bit_length() // 7))  # alike in all, so that rows are
    heads = np.empty((len(low), bytes_ + _MINIS), dtype=np.uint8)
    heads[:, :bytes_] = folded[:, None] >> _SEVENS[:bytes_] & np.uint64(0x7F)
    heads[:, : bytes_ - 1] |= 0x80
    heads[:, bytes_:] = widths[:, None]
    heads[-1, bytes_ + used :] = 0
    return heads


def _rows(heads: Array, above: Array, width: int) -> Array:
    """Return all blocks' bytes, packed with one width."""
    start = heads.shape[1]
    rows = np.empty((len(heads), start + width * (_BLOCK // 8)), dtype=np.uint8)
    rows[:, :start] = heads
    rows[:, start:] = pack(above.reshape(-1), width).reshape(len(heads), -1)
    return rows.reshape(-1)


def _scattered(heads: Array, above: Array, widths: Array) -> Array:
    """Return all blocks' bytes; those of a width are packed together."""
    start = heads.shape[1]
    sizes = start + widths * (_BLOCK // 8)
    places = np.cumsum(sizes) - sizes
    out = np.empty(int(places[-1] + sizes[-1]), dtype=np.uint8)
    _windows(out, start)[places] = heads
    for width in np.flatnonzero(np.bincount(widths)).tolist():
        chosen = np.flatnonzero(widths == width)
        packed = pack(above[chosen].reshape(-1), width).reshape(len(chosen), -1)
        _windows(out, packed.shape[1])[places[chosen] + start] = packed
    return out


def _windows(out: Array, size: int) -> Array:
    """Return all runs of ``size`` bytes of an array, by where they begin."""
    return np.ndarray((len(out) - size + 1, size), np.uint8, out.data, strides=(1, 1))
