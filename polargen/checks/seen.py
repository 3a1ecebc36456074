"""Memory of values seen in earlier groups, flat in the number of rows.

Whole numbers live in bitmaps of 65,536 keys a page: full pages shrink to their number, pages out
of use are packed. Texts live as 128-bit hashes, in memory while they are few, else in files that
are sorted one by one at the end.
"""

from __future__ import annotations

import tempfile
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl

from polargen.checks.rows import I64, Bool

_PAGE_BITS = 16
_PAGE = 1 << _PAGE_BITS
_LIVE_PAGES = 1024  # 8 KB each
_DENSE_SPAN = 16
_BUFFER_ROWS = 1 << 21
_PARTITIONS = 128
_RECORD = np.dtype([("high", np.uint64), ("low", np.uint64), ("who", np.int64)])


class KeySet:
    """Whole numbers seen so far.

    Memory: at most 8 MB of live pages, and a few bytes for each page behind.
    """

    def __init__(self) -> None:
        self._live: OrderedDict[int, np.ndarray] = OrderedDict()
        self._packed: dict[int, bytes] = {}
        self._full: set[int] = set()

    def add(self, keys: I64) -> Bool:
        """Add keys and return which of them were there already, or occur earlier in ``keys``.

        Args:
            keys: int64, shape (n,).
        """
        repeated = np.zeros(len(keys), dtype=bool)
        if not len(keys):
            return repeated
        rising = bool(np.all(keys[1:] > keys[:-1]))
        if not rising and self._add_unsorted(keys):
            return repeated
        order = None
        if not rising:
            order = np.argsort(keys, kind="stable")
            keys = keys[order]
            repeated[1:] = keys[1:] == keys[:-1]
        pages = keys >> _PAGE_BITS
        edges = np.concatenate([[0], np.flatnonzero(pages[1:] != pages[:-1]) + 1, [len(keys)]])
        for start, stop in pairwise(edges.tolist()):
            number = int(pages[start])
            repeated[start:stop] |= self._add_page(number, keys[start:stop] & (_PAGE - 1))
        if order is None:
            return repeated
        result = np.empty_like(repeated)
        result[order] = repeated
        return result

    def _add_unsorted(self, keys: I64) -> bool:
        """Add keys in any order without sorting them, if they are dense and none is repeated."""
        first = int(keys.min()) >> _PAGE_BITS
        pages = (int(keys.max()) >> _PAGE_BITS) - first + 1
        if pages * _PAGE > _DENSE_SPAN * len(keys) + 2 * _PAGE:
            return False
        marks = np.zeros(pages * _PAGE, dtype=bool)
        marks[keys - (first << _PAGE_BITS)] = True
        if np.count_nonzero(marks) != len(keys):
            return False
        bits = np.packbits(marks, bitorder="little").reshape(pages, -1)
        numbers = [place for place in range(pages) if bits[place].any()]
        if any(
            first + place in self._full or np.any(self._page(first + place) & bits[place])
            for place in numbers
        ):
            return False
        for place in numbers:
            self._mark(first + place, bits[place])
        return True

    def _add_page(self, number: int, offsets: I64) -> Bool:
        if number in self._full:
            return np.ones(len(offsets), dtype=bool)
        page = self._page(number)
        new = np.zeros(_PAGE, dtype=bool)
        new[offsets] = True
        bits = np.packbits(new, bitorder="little")
        known = np.zeros(len(offsets), dtype=bool)
        if np.any(bits & page):
            known = (page[offsets >> 3] >> (offsets & 7).astype(np.uint8)) & 1 == 1
        self._mark(number, bits)
        return known

    def _mark(self, number: int, bits: np.ndarray) -> None:
        page = self._page(number)
        page |= bits
        if page.min() == 255:
            self._full.add(number)
            del self._live[number]

    def _page(self, number: int) -> np.ndarray:
        if number in self._live:
            self._live.move_to_end(number)
            return self._live[number]
        if number in self._packed:
            packed = zlib.decompress(self._packed.pop(number))
            page = np.frombuffer(packed, dtype=np.uint8).copy()
        else:
            page = np.zeros(_PAGE // 8, dtype=np.uint8)
        self._live[number] = page
        if len(self._live) > _LIVE_PAGES:
            oldest, bits = self._live.popitem(last=False)
            self._packed[oldest] = zlib.compress(bits.tobytes(), 1)
        return page


class TextSet:
    """Texts seen so far, each with who shows it.

    A text may be shown again by the same who (a row, or a cycle of payments), not by another.
    """

    def __init__(self) -> None:
        self._buffer: list[np.ndarray] = []
        self._buffered = 0
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def add(self, texts: pl.Series, who: I64) -> None:
        """Add texts; ``who`` is int64 of the same length."""
        records = np.empty(len(texts), dtype=_RECORD)
        records["high"] = hashes(texts, 1)
        records["low"] = hashes(texts, 2)
        records["who"] = who
        self._buffer.append(records)
        self._buffered += len(records)
        if self._buffered > _BUFFER_ROWS:
            self._spill()

    def repeated(self) -> tuple[int, list[int]]:
        """Return how many records repeat another's text, and the who of some of them."""
        total, some = 0, []
        for records in self._partitions():
            order = np.lexsort((records["who"], records["low"], records["high"]))
            high, low = records["high"][order], records["low"][order]
            who = records["who"][order]
            same = (high[1:] == high[:-1]) & (low[1:] == low[:-1]) & (who[1:] != who[:-1])
            total += int(np.count_nonzero(same))
            some += [int(value) for value in who[1:][same][:8]]
        return total, some[:8]

    def close(self) -> None:
        """Remove the files."""
        if self._folder is not None:
            self._folder.cleanup()

    def _spill(self) -> None:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="polargen-verify-")
        records = self._in_memory()
        part = (records["high"] >> np.uint64(57)).astype(np.int64)
        order = np.argsort(part, kind="stable")
        edges = np.searchsorted(part[order], np.arange(_PARTITIONS + 1))
        for number in range(_PARTITIONS):
            with (Path(self._folder.name) / f"{number}").open("ab") as file:
                file.write(records[order[edges[number] : edges[number + 1]]].tobytes())
        self._buffer, self._buffered = [], 0

    def _in_memory(self) -> np.ndarray:
        return np.concatenate([np.empty(0, dtype=_RECORD), *self._buffer])

    def _partitions(self) -> Iterator[np.ndarray]:
        if self._folder is None:
            yield self._in_memory()
            return
        self._spill()
        for number in range(_PARTITIONS):
            yield np.fromfile(Path(self._folder.name) / f"{number}", dtype=_RECORD)


def hashes(texts: pl.Series, seed: int) -> np.ndarray:
    """Return a 64-bit hash of each text; equal within one process only."""
    return texts.hash(seed).to_numpy()
