"""The floor of a database load: the same rows as ready binary COPY files, loaded by psql.

Tables, constraints and indexes are made by the very statements of a load, in the same order, by as
many sessions with the same settings; but each is a psql, and no row has to be made or encoded.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks.server import Cost, Server
from polargen import ddl
from polargen.schema import TABLES, Table
from polargen.sinks.staging import sessions

SCHEMA = "mock_data_ready"
COPIERS = 2  # as many as polargen has workers
_SETTINGS = ("maintenance_work_mem=128MB", "synchronous_commit=off")  # Source: sinks.staging
_BINARY = "WITH (FORMAT binary)"


@dataclass(frozen=True)
class Part:
    """A file with some rows of a table, as psql's binary COPY writes them."""

    table: Table
    path: Path
    bytes: int


class ReadyFiles:
    """The rows of a loaded schema as files, each table in as many as there are copiers.

    Args:
        server: that the schema is in.
        schema: loaded by polargen.
        folder: for the files; must exist.
    """

    def __init__(self, server: Server, schema: str, folder: Path) -> None:
        self._server, self._schema = server, schema
        self._tables = list(TABLES.values())
        self._parts = [
            part for table in self._tables for part in _parts(server, schema, table, folder)
        ]

    @property
    def bytes(self) -> int:
        """Of all files."""
        return sum(part.bytes for part in self._parts)

    def load(self, unlogged: bool = False) -> tuple[Cost, dict[str, float]]:
        """Load the files into a new schema.

        Returns:
            what it cost, and seconds by stage.
        """
        self._server.calm(SCHEMA, self._schema)
        with self._server.measured() as found:
            stages = self._load(unlogged)
        return found[0], stages

    def _load(self, unlogged: bool) -> dict[str, float]:
        psql, tables = self._server.psql, self._tables
        clock = _Stages()
        psql(
            f"CREATE SCHEMA {SCHEMA}",
            *(ddl.create_table(SCHEMA, table, unlogged) for table in tables),
        )
        clock.end("start")
        _side_by_side(self._server, [_copies(parts) for parts in _even(self._parts)], COPIERS)
        clock.end("rows")
        largest = sorted(tables, key=self._size, reverse=True)
        _side_by_side(self._server, [_own(table) for table in largest], sessions())
        clock.end("keys, checks and indexes")
        keys = {table.name: ddl.foreign_keys(SCHEMA, table, tables) for table in largest}
        psql(*(statement for found in keys.values() for _, statement in found), settings=_SETTINGS)
        proofs = [
            [ddl.validate(SCHEMA, table, [label for label, _ in keys[table.name]])]
            for table in largest
            if keys[table.name]
        ]
        _side_by_side(self._server, proofs, sessions())
        clock.end("foreign keys")
        return clock.seconds

    def _size(self, table: Table) -> int:
        return sum(part.bytes for part in self._parts if part.table is table)


class _Stages:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._since = time.perf_counter()

    def end(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage], self._since = now - self._since, now


def _parts(server: Server, schema: str, table: Table, folder: Path) -> Iterable[Part]:
    """Write a table's rows, an even share of its pages to each file."""
    full = ddl.where(schema, table.name)
    pages = int(server.value(f"SELECT pg_relation_size({ddl.literal(full)}::regclass) / 8192"))
    for number in range(COPIERS):
        first, stop = (pages * end // COPIERS for end in (number, number + 1))
        path = folder / f"{table.name}-{number}.copy"
        rows = f"SELECT * FROM {full} WHERE ctid >= '({first},0)' AND ctid < '({stop},0)'"
        server.psql(f"\\copy ({rows}) TO '{path}' {_BINARY}")
        yield Part(table, path, path.stat().st_size)


def _even(parts: Sequence[Part]) -> list[list[Part]]:
    """Share files out so that all copiers end at about the same time."""
    shares: list[list[Part]] = [[] for _ in range(COPIERS)]
    for part in sorted(parts, key=lambda part: -part.bytes):
        min(shares, key=lambda share: sum(item.bytes for item in share)).append(part)
    return shares


def _copies(parts: Iterable[Part]) -> list[str]:
    return [
        f"\\copy {ddl.where(SCHEMA, part.table.name)} FROM '{part.path}' {_BINARY}"
        for part in parts
    ]


def _own(table: Table) -> list[str]:
    return [
        ddl.own_constraints(SCHEMA, table),
        *ddl.indexes(SCHEMA, table),
        f"ANALYZE {ddl.where(SCHEMA, table.name)}",
    ]


def _side_by_side(server: Server, tasks: Sequence[Sequence[str]], at_once: int) -> None:
    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(lambda task: server.psql(*task, settings=_SETTINGS), tasks))
