"""Keys as a database stores them: shifted past those of earlier runs, as numbers or as uuids.

Generated keys count from 1. A run that is appended to others starts above theirs, and its codes,
names and addresses carry its number, so that nothing collides. A uuid is a fixed bijection of
(table, number): the same number gives the same uuid everywhere, and it can be read back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from polargen import streams
from polargen.draw import I64, U8
from polargen.streams import U64

_LOW_BITS = 62  # of 128 bits, 4 are the version and 2 the variant
_LOW = np.uint64((1 << _LOW_BITS) - 1)
_HALF = np.uint64(_LOW_BITS // 2)
_FACTORS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)  # Source: splitmix64; odd, so invertible
_VERSION = np.uint64(0x4000)  # 4: what every reader of uuids takes
_VARIANT = np.uint64(1 << 63)
_UNIT_BYTES = 16
_DASHES = (8, 13, 18, 23)
_TEXT_BYTES = 36


@dataclass(frozen=True)
class Base:
    """What earlier runs in the same tables used up.

    Attributes:
        run: 1 for a run of its own, 2 for the first one appended to it, ...
        text_seed: of the first run: tax numbers are one permutation for all runs; None: own seed.
        offsets: (table, largest key used) pairs.
    """

    run: int = 1
    text_seed: int | None = None
    offsets: tuple[tuple[str, int], ...] = ()

    @property
    def mark(self) -> str:
        """What codes of this run carry: "" for the first one, then "2", "3", ..."""
        return "" if self.run == 1 else str(self.run)

    def offset(self, table: str) -> int:
        """Return the largest key of a table that is used up, 0 for none."""
        return dict(self.offsets).get(table, 0)


@dataclass(frozen=True)
class Keys:
    """How generated keys become stored ones.

    Attributes:
        base: what is used up.
        uuid_tables: whose keys are uuids.
        all_uuid: every table's are, also of those that are not loaded.
    """

    base: Base = field(default_factory=Base)
    uuid_tables: frozenset[str] = frozenset()
    all_uuid: bool = False

    def is_uuid(self, table: str) -> bool:
        """Return whether a table's keys are uuids."""
        return self.all_uuid or table in self.uuid_tables

    @property
    def mixed(self) -> bool:
        """Whether some tables have uuids and some have numbers."""
        return bool(self.uuid_tables) and not self.all_uuid

    @property
    def are_generated(self) -> bool:
        """Whether stored keys are the generated ones."""
        return not self.uuid_tables and not self.all_uuid and not self.base.offsets

    def numbers(self, table: str, generated: I64) -> I64:
        """Return generated keys of a table past those that are used up."""
        return generated + np.int64(self.base.offset(table))

    def stored(self, table: str, generated: I64) -> pa.Array:
        """Return generated keys of a table as its columns store them: int64, or ``pa.uuid()``."""
        numbers = self.numbers(table, generated)
        return uuid_array(uuid_bytes(table, numbers)) if self.is_uuid(table) else pa.array(numbers)

    def texts(self, table: str, generated: I64) -> pa.Array:
        """Return generated keys of a table as text, as JSON and labels show them."""
        numbers = self.numbers(table, generated)
        if self.is_uuid(table):
            return uuid_texts(uuid_bytes(table, numbers))
        return pa.array(numbers).cast(pa.string())

    def generated(self, table: str, stored: U8 | I64) -> I64:
        """Return the generated keys of stored ones: int64, or the (n, 16) bytes of uuids."""
        numbers = uuid_numbers(table, stored) if self.is_uuid(table) else stored
        return numbers.astype(np.int64) - np.int64(self.base.offset(table))

    def to_json(self) -> dict[str, object]:
        """Return what the run's record keeps."""
        return {
            "run": self.base.run,
            "textSeed": self.base.text_seed,
            "offsets": dict(self.base.offsets),
            "uuidTables": sorted(self.uuid_tables),
            "allUuid": self.all_uuid,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, object]) -> Keys:
        """Read what `to_json` gave; an empty document is of a run of its own."""
        if not document:
            return cls()
        offsets, tables = document["offsets"], document["uuidTables"]
        assert isinstance(offsets, Mapping)
        assert isinstance(tables, list)
        run, seed = document["run"], document["textSeed"]
        assert isinstance(run, int)
        assert seed is None or isinstance(seed, int)
        base = Base(run, seed, tuple(offsets.items()))
        return cls(base, frozenset(tables), bool(document["allUuid"]))


def uuid_bytes(table: str, numbers: I64) -> U8:
    """Return the uuid of each number of a table.

    Args:
        table: name; other tables give other uuids.
        numbers: int64, shape (n,), 0 <= number < 2**62.

    Returns:
        uint8, shape (n, 16), in the order in which a uuid is written.

    Model: the low 62 bits are a permutation of the number (two rounds of multiply and xorshift),
    the high ones a hash of it; both depend on the table's name.
    """
    low = (numbers.astype(np.uint64) ^ _tag(table)) & _LOW
    with np.errstate(over="ignore"):
        for factor in _FACTORS:
            low = (low * np.uint64(factor)) & _LOW
            low = low ^ (low >> _HALF)
    high = streams.keyed(0, f"uuid.{table}.high", numbers)
    words = np.empty((len(numbers), 2), dtype=">u8")
    words[:, 0] = (high & ~np.uint64(0xF000)) | _VERSION
    words[:, 1] = low | _VARIANT
    return words.view(np.uint8)


def uuid_numbers(table: str, uuids: U8 | I64) -> I64:
    """Return the numbers whose uuids these are; what is no uuid of the table gives no key of it.

    Args:
        table: name.
        uuids: uint8, shape (n, 16).

    Returns:
        int64, shape (n,).
    """
    words = np.ascontiguousarray(uuids).view(">u8").reshape(-1, 2)
    low: U64 = words[:, 1].astype(np.uint64) & _LOW
    with np.errstate(over="ignore"):
        for factor in reversed(_FACTORS):
            low = low ^ (low >> _HALF)  # half the bits: its own inverse
            low = (low * np.uint64(pow(factor, -1, 1 << _LOW_BITS))) & _LOW
    return (low ^ (_tag(table) & _LOW)).view(np.int64)


def _tag(table: str) -> np.uint64:
    """Return what tells a table's numbers from another's before they are permuted."""
    return np.uint64(streams.name_key(0, f"uuid.{table}"))


def uuid_array(uuids: U8, mask: pa.Array | None = None) -> pa.Array:
    """Wrap bytes of uuids, shape (n, 16), as ``pa.uuid()``; rows of ``mask`` become null."""
    data = pa.py_buffer(np.ascontiguousarray(uuids))
    valid = None if mask is None else pa.array(~np.asarray(mask)).buffers()[1]
    storage = pa.Array.from_buffers(pa.binary(_UNIT_BYTES), len(uuids), [valid, data])
    return pa.ExtensionArray.from_storage(pa.uuid(), storage)


def uuid_texts(uuids: U8) -> pa.Array:
    """Return uuids as text of 36 characters."""
    pairs = _HEX[uuids].view(np.uint8).reshape(-1, 2 * _UNIT_BYTES)
    text = np.full((len(uuids), _TEXT_BYTES), ord("-"), dtype=np.uint8)
    text[:, _FIGURES] = pairs
    offsets = np.arange(len(uuids) + 1, dtype=np.int32) * np.int32(_TEXT_BYTES)
    return pa.StringArray.from_buffers(len(uuids), pa.py_buffer(offsets), pa.py_buffer(text))


def uuids_of_texts(texts: pa.Array) -> U8:
    """Return the bytes of uuids that are written as text, none of them null; shape (n, 16)."""
    if len(texts) == 0:
        return np.empty((0, _UNIT_BYTES), dtype=np.uint8)
    start = int(np.frombuffer(texts.buffers()[1], dtype=np.int32)[texts.offset])
    size = len(texts) * _TEXT_BYTES
    text = np.frombuffer(texts.buffers()[2], dtype=np.uint8)[start : start + size]
    figures = _VALUE[text.reshape(-1, _TEXT_BYTES)[:, _FIGURES]]
    return np.ascontiguousarray(figures[:, 0::2] << np.uint8(4) | figures[:, 1::2])


_HEX = np.frombuffer("".join(f"{byte:02x}" for byte in range(256)).encode(), dtype=np.uint16)
_FIGURES = np.array([place for place in range(_TEXT_BYTES) if place not in _DASHES])
_VALUE = np.zeros(256, dtype=np.uint8)
_VALUE[np.frombuffer(b"0123456789abcdef", dtype=np.uint8)] = np.arange(16, dtype=np.uint8)
