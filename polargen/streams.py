"""Named streams of random bits: the only place where a generator is built.

A stream is named after what it draws and the block it draws for, never after its position, so a
new column, table or generator leaves every other column as it was. Streams give raw bits, which
NumPy promises to keep stable; `draw` turns bits into values.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import ArrayLike, NDArray

U16 = NDArray[np.uint16]
U32 = NDArray[np.uint32]
U64 = NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)  # Source: splitmix64 (Steele, Lea, Flood 2014)
_MIX_2 = np.uint64(0x94D049BB133111EB)


class Stream:
    """Raw bits of one named stream; each call continues where the last one stopped."""

    __slots__ = ("_bits",)

    def __init__(self, key: bytes) -> None:
        words = np.frombuffer(key, dtype="<u4").astype(np.uint32)
        if not words[1::2].all():  # entropy drops zeros at the top of each 64-bit number
            words = words[(words > 0) | (np.arange(len(words)) % 2 == 0)]
        self._bits = np.random.SFC64(np.random.SeedSequence(words))

    def u64(self, n: int) -> U64:
        """Return ``n`` words of 64 random bits."""
        return self._bits.random_raw(n)

    def u32(self, n: int) -> U32:
        """Return ``n`` words of 32 random bits."""
        return self._bits.random_raw((n + 1) // 2).view(np.uint32)[:n]

    def u16(self, n: int) -> U16:
        """Return ``n`` words of 16 random bits."""
        return self._bits.random_raw((n + 3) // 4).view(np.uint16)[:n]


def stream(seed: int, name: str, *key: int) -> Stream:
    """Return the stream ``name`` of one block.

    Args:
        seed: of the run, 0..2**63-1.
        name: "table.column" or "table.purpose".
        key: what further tells this stream from others of the name, usually the block.
    """
    return Stream(_key(seed, name, key))


def keyed(seed: int, name: str, *indices: ArrayLike) -> U64:
    """Return one random word for each tuple of indices, the same from everywhere.

    Args:
        seed: of the run.
        name: what the words decide.
        indices: integer arrays or scalars that broadcast against each other.

    Returns:
        uint64, of the broadcast shape.

    Model: splitmix64's finalizer over a 64-bit key, once for each index (counter-based).
    """
    state: U64 = np.frombuffer(_key(seed, name, ())[:8], dtype="<u8")[0]
    with np.errstate(over="ignore"):
        for index in indices:
            word = np.asarray(index).astype(np.int64).view(np.uint64)
            state = _mix((state ^ word) * _GOLDEN + _GOLDEN)
        return np.asarray(_mix(state + _GOLDEN))


def name_key(seed: int, name: str, *key: int) -> int:
    """Return a 63-bit key for what is permuted rather than drawn."""
    return int.from_bytes(_key(seed, name, key)[:8], "little") >> 1


def _mix(word: U64) -> U64:
    word = (word ^ (word >> np.uint64(30))) * _MIX_1
    word = (word ^ (word >> np.uint64(27))) * _MIX_2
    return word ^ (word >> np.uint64(31))


def _key(seed: int, name: str, key: tuple[int, ...]) -> bytes:
    text = "\x1f".join((str(seed), name, *(str(part) for part in key)))
    return hashlib.blake2b(text.encode(), digest_size=16).digest()
