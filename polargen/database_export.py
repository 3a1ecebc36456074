"""Exports from a database: what a schema holds at one instant, streamed table by table.

A schema that holds one whole run is read in the blocks of its plan, so that the export is a data
set like one written to files at once: the same groups, and the same digests where nobody changed a
row. All else (some days, several runs, keys that are uuids) comes in pieces of one size.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa

from polargen import ddl, export, runs
from polargen.block_order import PLACE, queries
from polargen.blocks import BLOCK_ROWS, blocks_of
from polargen.config import MockGeneratorConfig
from polargen.database import Database
from polargen.digest import digest
from polargen.errors import ConfigError
from polargen.export import Blocks, Progress
from polargen.generators import all_tables
from polargen.keys import Base
from polargen.manifest import BlockEntry, Manifest
from polargen.owned import RUNS, freeze
from polargen.plan import Plan, make_plan
from polargen.scenario import ScenarioProfile
from polargen.schema import Table
from polargen.selection import Days, rules
from polargen.stored import select_list, text_keys, typed_rows

_Raw = Generator[tuple[int, int, pa.Table], None, None]  # block, group, rows as asked for
_PIECES_PER_GROUP = 16  # a file for each million rows
_MOST_BLOCK_ROWS = 1 << 20  # far above any plan's: what is not of the plan must not fill memory


class Snapshot:
    """A schema as a `polargen.export.Source`; a ``with`` ends its session.

    Args:
        database: whose schema is read.
        days: only what these days hold; see `polargen.selection`.

    Attributes:
        where, schema, tables, keys, manifest: see `polargen.export.Source`.

    Raises:
        ConfigError: no load is there, or its rows lie in tables of others.
        TargetError: the server failed.
    """

    def __init__(self, database: Database, days: Days | None = None) -> None:
        self.where = f"{database.place}: {database.schema}"
        self.schema = database.schema
        self._days = None if days == Days() else days
        self._session = database.connect("polargen export")
        try:
            names = freeze(self._session)
            self._read(names)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the session, and whatever it still reads."""
        self._session.close()

    def _read(self, names: list[str]) -> None:
        live = [run for run in runs.runs(self._session) if run.live]
        if any(run.targets for run in live):
            raise ConfigError(
                f"{self.where} has tables of others, with their own columns; export them with "
                "pg_dump or COPY"
            )
        if not live or RUNS not in names:
            raise ConfigError(f"{self.where} holds no data set of polargen; load one first")
        last = live[-1]
        self.keys = replace(last.keys, base=Base())  # how they look; where they begin is no matter
        self.tables: Mapping[str, Table] = {
            name: text_keys(table, self.keys)
            for name, table in all_tables().items()
            if name in names
        }
        manifest, partial = runs.manifest_of(self._session, last.job_id), _partial(live, self._days)
        self._plan = None if partial else _plan(manifest)
        self.manifest = replace(
            manifest,
            keys={} if self.keys.are_generated else self.keys.to_json(),
            labels={} if partial else manifest.labels,
            partial=partial,
        )

    def blocks(self, table: Table) -> Blocks:
        """See `polargen.export.Source`.

        Raises:
            ConfigError: rows of the table go by documents in a table that is not there.
            TargetError: the server failed, or a value is none that the column may have.
        """
        found = self._pieces(table) if self._plan is None else self._in_blocks(table, self._plan)
        for number, group, raw in found:
            rows = typed_rows(table, raw)
            yield BlockEntry(number, group, rows.num_rows, digest(table, rows)), rows

    def expected_rows(self, names: Iterable[str] | None = None) -> int:
        """Return about how many rows some tables hold, or all, by the server's statistics."""
        listed = ", ".join(map(ddl.literal, self.tables if names is None else names))
        found = self._session.value(
            "SELECT sum(greatest(c.reltuples, 0))::bigint FROM pg_class c "
            "JOIN pg_namespace n ON n.oid = c.relnamespace "
            f"WHERE n.nspname = {ddl.literal(self.schema)} AND c.relname IN ({listed})"
        )
        return int(found or 0)

    def _in_blocks(self, table: Table, plan: Plan) -> _Raw:
        entries = self.manifest.tables.values()
        known = {item.block: item.group for entry in entries for item in entry.blocks}
        group, groups = 0, {}
        for block in blocks_of(plan):
            group = groups[block.number] = known.get(block.number, group)
        source = ddl.where(self.schema, table.name)
        for query, blocks in queries(plan, table, source, select_list(table)):
            for place, rows in _by_place(self._session.stream(query)):
                number = blocks[place - 1].number
                yield number, groups[number], rows

    def _pieces(self, table: Table) -> _Raw:
        """Yield rows in the order of their keys; of uuids, in the order of the main date."""
        source = ddl.where(self.schema, table.name)
        chosen = rules(self.schema, self.tables, table.name, self._days)
        if len(chosen) == 1:
            rows = f"{source} AS t WHERE {chosen[0]}"
        else:
            each = (f"SELECT t.* FROM {source} AS t WHERE {rule}" for rule in chosen)
            rows = f"({' UNION ALL '.join(each)}) AS t"
        order = [f"t.{ddl.name(table.primary_key)}"]
        if table[table.primary_key].kind != "key" and table.main_date is not None:
            order.insert(0, f"t.{ddl.name(table.main_date)}")
        query = f"SELECT {select_list(table)} FROM {rows} ORDER BY {', '.join(order)}"
        for number, piece in enumerate(_equal_pieces(self._session.stream(query))):
            yield number, number // _PIECES_PER_GROUP, piece


def export_database(
    database: Database,
    format: str,
    out: str | Path,
    tables: Iterable[str] | None = None,
    days: Days | None = None,
    compression: str | None = None,
    batch_size: int = 65_536,
    progress: Progress | None = None,
) -> Manifest:
    """Write what a schema holds to a folder; see `polargen.export.write`.

    Args:
        database: whose schema is read, at one instant.
        days: only what these hold.
        format, out, tables, compression, batch_size, progress: see `polargen.export.write`.
    """
    with Snapshot(database, days) as source:
        return export.write(source, format, out, tables, compression, batch_size, progress)


def stream_table(
    database: Database,
    name: str,
    format: str,
    days: Days | None = None,
    compression: str | None = None,
) -> Iterator[bytes]:
    """Yield one table as the bytes of a file; see `polargen.export.stream_table`.

    Nothing is opened before the first chunk is asked for; closing the iterator ends the session.
    For several tables of one instant keep a `Snapshot`.
    """
    with Snapshot(database, days) as source:
        yield from export.stream_table(source, name, format, (), compression)


def _plan(manifest: Manifest) -> Plan:
    config = MockGeneratorConfig.model_validate(dict(manifest.config))
    return make_plan(config, ScenarioProfile.model_validate(dict(manifest.scenario)))


def _partial(live: Sequence[runs.Run], days: Days | None) -> str:
    """Return why live runs, or some days of them, are no whole run as it was generated."""
    said = [] if days is None else [f"holds only the days {days}"]
    if len(live) > 1:
        said.append(f"holds {len(live)} runs")
    elif live[0].keys.base.offsets:
        said.append("holds the keys of an appended run")
    if not replace(live[-1].keys, base=Base()).are_generated:
        said.append("has uuids as keys")
    return " and ".join(said)


def _by_place(batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[int, pa.Table]]:
    """Yield runs of rows in one place."""
    held: list[pa.RecordBatch] = []
    current, count = 0, 0
    for batch in batches:
        if batch.num_rows == 0:
            continue
        places = batch.column(PLACE).to_numpy()
        edges = [0, *(np.flatnonzero(np.diff(places)) + 1).tolist(), len(places)]
        for start, stop in pairwise(edges):
            place = int(places[start])
            if held and (place != current or count > _MOST_BLOCK_ROWS):
                yield current, pa.Table.from_batches(held)
                held, count = [], 0
            current = place
            held.append(batch.slice(start, stop - start))
            count += stop - start
    if held:
        yield current, pa.Table.from_batches(held)


def _equal_pieces(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Yield all rows in pieces of `BLOCK_ROWS`; the last one may be smaller."""
    held: list[pa.RecordBatch] = []
    missing = BLOCK_ROWS
    for batch in batches:
        start = 0
        while start < batch.num_rows:
            held.append(batch.slice(start, missing))
            missing -= held[-1].num_rows
            start += held[-1].num_rows
            if missing == 0:
                yield pa.Table.from_batches(held)
                held, missing = [], BLOCK_ROWS
    if held:
        yield pa.Table.from_batches(held)
