"""Draws from raw bits: integers, chances, shares, popularity tables, permutations.

Every function takes bits of `streams` and works on whole arrays. What decides a value uses
integers, or + - * / and square roots on float64, so that every processor gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polargen.streams import U16, U32, U64

I64 = NDArray[np.int64]
I32 = NDArray[np.int32]
U8 = NDArray[np.uint8]
F64 = NDArray[np.float64]
Bool = NDArray[np.bool_]
Words: TypeAlias = "np.uint64 | U64"

_MAX_SPAN = 1 << 31
_STEPS = 8  # from index to index, before a search
EXPONENT_STEPS = 1024  # a Zipf exponent is a whole number of 1/1024


def integers(bits: U16 | U32 | U64, low: ArrayLike, high: ArrayLike) -> I64:
    """Draw whole numbers, uniform over ``low..high`` inclusive.

    Args:
        bits: uint16 (spans up to 256), uint32 or uint64, one word a value.
        low, high: scalars or arrays of the shape of ``bits``; low <= high.

    Returns:
        int64, of the shape of ``bits``.

    Raises:
        ValueError: a span of more than 2**31 - 1 values.

    Model: multiply-shift; a value's chance is off by at most span / 2**bits.
    """
    if bits.dtype == np.uint16:
        wide, shift = bits.astype(np.int64), 16
    elif bits.dtype == np.uint32:
        wide, shift = bits.astype(np.int64), 32
    else:
        wide, shift = (bits >> np.uint64(33)).view(np.int64), 31
    span = np.asarray(high, dtype=np.int64) - np.asarray(low, dtype=np.int64) + 1
    if span.size and int(span.max()) >= _MAX_SPAN:
        raise ValueError(f"a span of {int(span.max()):,} values is too wide for one word")
    wide *= span
    wide >>= shift
    wide += np.asarray(low, dtype=np.int64)
    return wide


def chance(bits: U32 | U64, probability: ArrayLike) -> Bool:
    """Draw yes or no; ``probability`` (0..1, scalar or array) is kept to 2**-32."""
    threshold = np.rint(np.asarray(probability, dtype=np.float64) * 4294967296.0).astype(np.int64)
    words = bits if bits.dtype == np.uint32 else bits >> np.uint64(32)
    if threshold.ndim == 0:
        return np.asarray(words < int(threshold))  # a plain number leaves the words as they are
    return np.asarray(words.astype(np.int64, copy=False) < threshold)


def choose(bits: U16, shares: Sequence[float]) -> U8:
    """Draw codes 0..len(shares)-1 by shares that sum to 1 (kept to 2**-16).

    Returns:
        uint8, of the shape of ``bits``.
    """
    return _codes(tuple(shares)).take(bits)


@lru_cache(maxsize=64)
def _codes(shares: tuple[float, ...]) -> U8:
    counts = largest_remainder(np.asarray(shares, dtype=np.float64), 65536)
    return np.repeat(np.arange(len(counts), dtype=np.uint8), counts)


class Table:
    """A discrete distribution over 0..n-1, drawn by inverse CDF with a guide of 65,536 cells.

    Args:
        weights: float64 or int, shape (n,), >= 0, at least one positive.
    """

    TOTAL = 1 << 31

    def __init__(self, weights: ArrayLike) -> None:
        counts = largest_remainder(np.asarray(weights, dtype=np.float64), self.TOTAL)
        self.counts: I64 = counts
        self.ends: I64 = np.cumsum(counts)
        cells = np.arange(65537, dtype=np.int64) << 15
        guide = np.searchsorted(self.ends, cells, side="right").astype(np.int32)
        self._guide: I32 = guide[:-1]
        self._split: Bool = guide[1:] != guide[:-1]

    def pick(self, bits: U32) -> I32:
        """Return one index for each word of ``bits``: int32, 0..n-1."""
        return self.locate(bits >> np.uint32(1))

    def locate(self, position: U32 | I64) -> I32:
        """Return the index whose weight covers ``position`` (0..TOTAL-1)."""
        cell = position >> position.dtype.type(15)
        index = self._guide.take(cell)
        at = np.flatnonzero(self._split.take(cell))
        if at.size:
            index[at] = self._walk(index.take(at), position.take(at).astype(np.int64))
        return index

    def _walk(self, index: I32, position: I64) -> I32:
        """Return the indices that cover positions, at or after ``index``.

        A cell holds few indices, and steps to the next one cost a tenth of a search.
        """
        at = np.arange(len(index))
        here = index
        for _ in range(_STEPS):
            onward = np.flatnonzero(self.ends.take(here) <= position)
            if not onward.size:
                return index
            at, here, position = at.take(onward), here.take(onward) + 1, position.take(onward)
            index[at] = here
        index[at] = np.searchsorted(self.ends, position, side="right")
        return index


def zipf_weights(n: int, exponent_steps: int) -> F64:
    """Return rank**-a for ranks 1..n with a = ``exponent_steps`` / 1024.

    Powers come from repeated square roots, which every processor rounds alike.
    """
    inverse = 1.0 / np.arange(1, n + 1, dtype=np.float64)
    weights = np.ones(n, dtype=np.float64)
    for _ in range(exponent_steps // EXPONENT_STEPS):
        weights = weights * inverse
    root, part = inverse, exponent_steps % EXPONENT_STEPS
    step = EXPONENT_STEPS // 2
    while step:
        root = np.sqrt(root)
        if part & step:
            weights = weights * root
        step //= 2
    return weights


def permute(index: ArrayLike, n: int, key: int) -> I64:
    """Map 0..n-1 onto itself by a keyed bijection.

    Args:
        index: integers in 0..n-1.
        n: size of the domain, 1..2**62.
        key: from `streams.name_key`.

    Returns:
        int64, of the shape of ``index``.

    Model: four Feistel rounds over the next even number of bits, walking the cycle until the
    value is inside the domain (fewer than four rounds on average).
    """
    value = np.array(index, dtype=np.uint64, ndmin=1)
    _walk(value.reshape(-1), np.uint64(n), _half(n), np.uint64(key))
    return value.reshape(np.shape(index)).view(np.int64)


def permute_each(index: I64, which: NDArray[Any], n: Sequence[int], key: Sequence[int]) -> I64:
    """Map numbers by one of several bijections each, as `permute` does, at once.

    Args:
        index: int64 (k,), each in 0..n-1 of its domain.
        which: (k,), the domain of each.
        n, key: of the domains.
    """
    value = index.astype(np.uint64)
    halves = np.array([_half(size) for size in n])
    keys = np.array(key, dtype=np.uint64)
    _walk(value, np.array(n, dtype=np.uint64)[which], halves[which], keys[which])
    return value.view(np.int64)


def _half(n: int) -> np.uint64:
    return np.uint64(max(1, (max(n - 1, 1).bit_length() + 1) // 2))


def _walk(value: U64, n: Words, half: Words, key: Words) -> None:
    """Follow the rounds until all values are inside their domains."""
    outside = np.arange(value.size)

    def own(words: Words) -> Words:
        return words if isinstance(words, np.uint64) else words[outside]

    while outside.size:
        moved = _feistel(value[outside], own(half), own(key))
        value[outside] = moved
        outside = outside[moved >= own(n)]


def _feistel(value: U64, half: Words, key: Words) -> U64:
    mask = (np.uint64(1) << half) - np.uint64(1)
    left, right = value >> half, value & mask
    with np.errstate(over="ignore"):
        for turn in range(4):
            word = right + (key * np.uint64(2 * turn + 1) + np.uint64(turn))
            word = (word ^ (word >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
            word = (word ^ (word >> np.uint64(32))) * np.uint64(0x94D049BB133111EB)
            left, right = right, left ^ ((word >> np.uint64(40)) & mask)
    return (left << half) | right


def largest_remainder(weights: ArrayLike, total: int) -> I64:
    """Split ``total`` by ``weights`` into whole numbers that sum to it.

    Ties of the remainder go to the smaller index.

    Returns:
        int64, of the shape of ``weights``.
    """
    shares = np.asarray(weights, dtype=np.float64)
    exact = shares * (float(total) / float(np.cumsum(shares)[-1]))
    counts = np.floor(exact).astype(np.int64)
    missing = int(total - counts.sum())
    if missing > 0:
        order = np.argsort(-(exact - counts), kind="stable")
        counts[order[:missing]] += 1
    elif missing < 0:
        order = np.argsort(exact - counts, kind="stable")
        counts[order[counts[order] > 0][:-missing]] -= 1
    return counts


def half_up(numerator: ArrayLike, denominator: ArrayLike) -> I64:
    """Divide whole numbers and round half up; numerator >= 0, denominator > 0."""
    top = np.asarray(numerator, dtype=np.int64)
    bottom = np.asarray(denominator, dtype=np.int64)
    return np.asarray((2 * top + bottom) // (2 * bottom))
