"""Frames that follow the schema and nothing else: for tests of what carries rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from polargen.columns import Frame, Gather, Nested, Nullable, Values
from polargen.digest import combine, digest
from polargen.manifest import BlockEntry, Manifest, TableEntry
from polargen.schema import Column, Table
from polargen.sinks import PartRecord, Sink
from polargen.streams import Stream, stream

Groups = tuple[tuple[int, ...], ...]  # rows of each group's blocks

TEXTS = (
    "plain",
    "",
    "a,b;c\td",
    'say "hello"',
    "back\\slash \\N \\.",
    "two\nlines",
    "carriage\rreturn\r\n",
    "القهوة العربية",
    "naïve ☕",
    " padded ",
    "NULL",
    "\\",
    "\\.",
    "0012",
    "1e5",
)
JSONS = ("{}", '{"a":1}', '{"text":"x \\"y\\" \\\\ z","list":[1,2.5,null,true]}', '{"ar":"قهوة"}')


def frame(table: Table, rows: int, seed: int = 0) -> Frame:
    """Return rows with every kind, nulls and awkward text; the key counts from seed * 1,000,000."""
    columns: dict[str, Values] = {}
    for column in table.columns:
        bits = stream(seed, f"{table.name}.{column.name}")
        if column.name == table.primary_key:
            columns[column.name] = np.arange(rows, dtype=np.int64) + seed * 1_000_000 + 1
        else:
            columns[column.name] = _values(column, bits, rows)
    return Frame(table, columns)


def arrow(table: Table, rows: int, seed: int = 0) -> pa.Table:
    """Return `frame` as Arrow."""
    return frame(table, rows, seed).to_arrow()


def _values(column: Column, bits: Stream, rows: int) -> Values:
    values = _plain(column, bits, rows)
    if not column.nullable or isinstance(values, Nested):
        return values
    return Nullable(values, bits.u32(rows) % 3 > 0)


def _plain(column: Column, bits: Stream, rows: int) -> Any:
    kind = column.kind
    word = bits.u64(rows)
    if kind in ("structs", "ints", "enums"):
        offsets = np.zeros(rows + 1, dtype=np.int32)
        np.cumsum(word % 4, out=offsets[1:])
        items = int(offsets[-1])
        if kind == "structs":
            return Nested(offsets, {f.name: _values(f, bits, items) for f in column.fields})
        spans = {"ints": (7, np.int8), "enums": (len(column.values) or 1, np.uint8)}
        span, dtype = spans[kind]
        return Nested(offsets, {"item": (bits.u32(items) % span).astype(dtype)})
    if kind == "enum":
        return (word % len(column.values)).astype(np.uint8)
    if kind in ("label", "json"):
        pool = TEXTS if kind == "label" else JSONS
        return Gather((word % len(pool)).astype(np.int32), pa.array(pool))
    if kind == "text":
        return pa.array(TEXTS).take(pa.array(word % len(TEXTS)))
    return _number(kind, word)


def _number(kind: str, word: Any) -> Any:
    signed = word.view(np.int64)
    if kind == "bool":
        return word % 2 == 0
    if kind == "float":
        return signed / 2**40
    spans = {"int": 2**31, "date": 60_000, "money": 10**12, "money_total": 10**18, "key": 2**62}
    if kind == "instant":
        return signed % (3_000_000_000 * 10**6)
    value = signed % spans[kind] * np.where(word % 2 == 0, 1, -1)
    return value.astype(np.int32) if kind in ("int", "date") else value


class Run:
    """A run of hand-made rows through a sink.

    Args:
        sink: not yet opened.
        groups: for each group the rows of each block, the same for all tables.
    """

    def __init__(
        self, sink: Sink, groups: tuple[tuple[int, ...], ...] = ((5, 0, 7), (40,))
    ) -> None:
        self.sink = sink
        self.groups = groups
        self.written: dict[str, list[pa.Table]] = {t.name: [] for t in sink.settings.tables}
        self._blocks: dict[str, list[BlockEntry]] = {t.name: [] for t in sink.settings.tables}

    def open(self, plan_hash: str = "plan-1", resume: bool = False) -> None:
        """Claim the target."""
        self.sink.open(plan_hash, {"by": "a test"}, resume)

    def rows(self, table: Table, group: int) -> list[pa.Table]:
        """Return the rows of a group's blocks."""
        return [
            arrow(table, rows, 1 + group * 100 + number)
            for number, rows in enumerate(self.groups[group])
        ]

    def make(self, group: int) -> list[PartRecord]:
        """Write one group, as a worker does."""
        with self.sink.settings.open_group(group) as writer:
            for table in self.sink.settings.tables:
                for block in self.rows(table, group):
                    writer.write(table, block)
            return writer.close()

    def record(self, group: int) -> None:
        """Write and record one group."""
        self.sink.record_group(group, self.make(group), {"group": group})

    def manifest(self) -> Manifest:
        """Return the manifest of all groups."""
        tables = {}
        for table in self.sink.settings.tables:
            blocks: list[BlockEntry] = []
            for group in range(len(self.groups)):
                for rows in self.rows(table, group):
                    self.written[table.name].append(rows)
                    content = digest(table, rows)
                    blocks.append(BlockEntry(len(blocks), group, rows.num_rows, content))
            total = sum(block.rows for block in blocks)
            content = combine(block.digest for block in blocks)
            tables[table.name] = TableEntry(total, content, (), tuple(blocks))
        return Manifest(
            polargen="0.0",
            plan_hash="plan-1",
            scenario={"name": "hand-made"},
            config={},
            seed=1,
            libraries={},
            format="",
            tables=tables,
        )

    def finish(self) -> Manifest:
        """Make everything and commit."""
        self.open()
        for group in reversed(range(len(self.groups))):
            self.record(group)
        return self.sink.commit(self.manifest())
