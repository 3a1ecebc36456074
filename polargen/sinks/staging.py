"""The staging schema of a PostgreSQL load: made, finished, swapped, dropped."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from threading import Lock

from polargen import ddl, runs
from polargen.database import Database, DatabaseError, Session, drop_schema
from polargen.errors import TargetError
from polargen.owned import RUNS, SCHEMA_COMMENT, foreign, owned_tables
from polargen.schema import Table
from polargen.sinks.base import SinkSettings
from polargen.sinks.sharing import drop_views, share

_MOST_SESSIONS = 4
_DISK_FULL = "53100"
_MEMORY = "128MB"  # of each session that builds indexes or proves references
_LOCK_TIMEOUT = "60s"  # how long the swap waits for readers of the old tables


def sessions() -> int:
    """Return how many sessions build indexes side by side."""
    return max(2, min(_MOST_SESSIONS, os.cpu_count() or 1))


def schema_of(settings: SinkSettings) -> str:
    """Return the name of a run's staging schema."""
    return f"{_database(settings).schema}__{settings.job}"


def application(settings: SinkSettings) -> str:
    """Return the name under which a run's sessions show in ``pg_stat_activity``."""
    return f"polargen {settings.job}"


def stale(session: Session) -> list[str]:
    """Return the staging schemas of a target; who holds its lock knows that they are dead."""
    start = f"{session.database.schema}__job-"
    found = session.rows(
        "SELECT nspname::text FROM pg_namespace "
        f"WHERE starts_with(nspname::text, {ddl.literal(start)}) "
        f"AND obj_description(oid, 'pg_namespace') = {ddl.literal(SCHEMA_COMMENT)} ORDER BY 1"
    )
    return [row[0] for row in found]


def drop_stale(session: Session) -> list[str]:
    """Drop what dead runs left, and return the names of the schemas."""
    found = stale(session)
    for schema in found:
        _end_sessions(session, f"polargen {schema.rpartition('__')[2]}")
        _drop(session, schema)
    return found


def create(session: Session, settings: SinkSettings, groups: str) -> None:
    """Make the staging schema with its tables, without constraints."""
    schema = schema_of(settings)
    with session.transaction():
        session.execute(f"CREATE SCHEMA {ddl.name(schema)}")
        session.execute(f"COMMENT ON SCHEMA {ddl.name(schema)} IS {ddl.literal(SCHEMA_COMMENT)}")
        session.execute(f"CREATE TABLE {ddl.where(schema, groups)} (number integer PRIMARY KEY)")
        for table in settings.tables:
            unlogged = _database(settings).unlogged
            session.execute(ddl.create_table(schema, table, unlogged, settings.keys))


def drop(session: Session, settings: SinkSettings) -> None:
    """End the run's other sessions and drop the staging schema."""
    _end_sessions(session, application(settings))
    _drop(session, schema_of(settings))


def _drop(session: Session, schema: str) -> None:
    """Drop a staging schema, also where the disk is full.

    To drop a table with checks PostgreSQL writes to its catalog; so there the tables go one by
    one, each giving room, those with the fewest checks first.
    """
    try:
        session.execute(drop_schema(schema))
    except DatabaseError as error:
        if error.sqlstate != _DISK_FULL:
            raise
        tables = session.rows(
            "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            f"WHERE n.nspname = {ddl.literal(schema)} AND c.relkind = 'r' ORDER BY (SELECT "
            "count(*) FROM pg_constraint k WHERE k.conrelid = c.oid), pg_relation_size(c.oid) DESC"
        )
        for (table,) in tables:
            session.execute(f"DROP TABLE {ddl.where(schema, table)} CASCADE")
        session.execute(drop_schema(schema))


def finish(settings: SinkSettings, tell: Callable[[str], None]) -> None:
    """Add keys, unique rules, checks, indexes and foreign keys; analyse.

    Args:
        settings: of the run.
        tell: hears each step.

    Raises:
        TargetError: the rows break a rule, or the server failed.
    """
    schema, tables = schema_of(settings), settings.tables

    def own(table: Table) -> list[str]:
        return [
            ddl.own_constraints(schema, table, settings.lenient, settings.keys),
            *ddl.indexes(schema, table),
            f"ANALYZE {ddl.where(schema, table.name)}",
        ]

    with _Sessions(settings) as several:
        largest = several.by_size(schema, tables)
        several.run([(f"keys, checks and indexes: {t.name}", own(t)) for t in largest], tell)
        proofs = []
        for table in largest:
            keys = ddl.foreign_keys(schema, table, tables)
            for _, statement in keys:
                several.first.execute(statement)
            if keys:
                proof = ddl.validate(schema, table, [label for label, _ in keys])
                proofs.append((f"foreign keys: {table.name}", [proof]))
        several.run(proofs, tell)


def describe(session: Session, settings: SinkSettings, record: str) -> None:
    """Comment on tables and columns, which marks them as polargen's, and keep the run's record."""
    schema = schema_of(settings)
    with session.transaction():
        for table in settings.tables:
            for statement in ddl.comments(schema, table):
                session.execute(statement)
        session.execute(runs.create_table(schema))
        session.execute(record)


def swap(session: Session, settings: SinkSettings, record: str, groups: str) -> None:
    """Put the staging tables in the place of the target's, in one transaction.

    Args:
        session: that holds the lock.
        settings: of the run.
        record: statement that keeps the run in the target.
        groups: name of the table of loaded groups.

    Raises:
        TargetError: someone put tables of his own there meanwhile, or holds the old ones.
    """
    target, schema = _database(settings).schema, schema_of(settings)
    with session.transaction():
        session.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
        session.execute("SET LOCAL synchronous_commit = on")
        session.execute(f"CREATE SCHEMA IF NOT EXISTS {ddl.name(target)}")
        strangers = foreign(session)
        if strangers:
            raise TargetError(
                f"{session.database.place}: {target} holds what polargen did not make "
                f"({', '.join(strangers[:3])}); move it, then run the command again"
            )
        drop_views(session, _database(settings))
        old = [name for name in owned_tables(session) if name != RUNS]
        if old:
            listed = ", ".join(ddl.where(target, name) for name in old)
            session.execute(f"DROP TABLE {listed}")
        session.execute(runs.create_table(target))
        session.execute(
            f"UPDATE {ddl.where(target, RUNS)} SET replaced_at = clock_timestamp() "
            "WHERE replaced_at IS NULL"
        )
        session.execute(record)
        for table in settings.tables:
            session.execute(
                f"ALTER TABLE {ddl.where(schema, table.name)} SET SCHEMA {ddl.name(target)}"
            )
        session.execute(f"COMMENT ON SCHEMA {ddl.name(target)} IS {ddl.literal(SCHEMA_COMMENT)}")
        share(session, _database(settings), target, settings.tables)
        session.execute(f"DROP TABLE {ddl.where(schema, groups)}, {ddl.where(schema, RUNS)}")
        session.execute(f"DROP SCHEMA {ddl.name(schema)}")


def is_committed(session: Session, settings: SinkSettings) -> bool:
    """Return whether the run's record stands in the target."""
    target = _database(settings).schema
    table = ddl.where(target, RUNS)
    if session.value(f"SELECT to_regclass({ddl.literal(table)})") is None:
        return False
    job = ddl.literal(settings.job)
    return bool(session.value(f"SELECT count(*) FROM {table} WHERE job_id = {job}"))


def _end_sessions(session: Session, name: str) -> None:
    """End other sessions of a run: a COPY that goes on would hold up the drop."""
    session.rows(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        f"WHERE application_name = {ddl.literal(name)} AND pid <> pg_backend_pid() "
        "AND usename = current_user AND datname = current_database()"
    )


def _database(settings: SinkSettings) -> Database:
    assert settings.database is not None
    return settings.database


class _Sessions:
    """Some sessions that run statements side by side; a failure stops them all."""

    def __init__(self, settings: SinkSettings) -> None:
        self._settings = settings
        self._free: list[Session] = []
        self._all: list[Session] = []
        self._lock = Lock()

    @property
    def first(self) -> Session:
        """One of them, for what goes one by one."""
        return self._all[0]

    def __enter__(self) -> _Sessions:
        try:
            for _ in range(sessions()):
                session = _database(self._settings).connect(application(self._settings))
                self._all.append(session)
                session.execute(f"SET maintenance_work_mem = '{_MEMORY}'")
                session.execute("SET synchronous_commit = off")
        except BaseException:
            self.__exit__()
            raise
        self._free = list(self._all)
        return self

    def __exit__(self, *error: object) -> None:
        for session in self._all:
            session.close()

    def by_size(self, schema: str, tables: Sequence[Table]) -> list[Table]:
        """Return tables, the largest first."""
        found = self.first.rows(
            "SELECT c.relname::text, pg_relation_size(c.oid) FROM pg_class c "
            f"JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = {ddl.literal(schema)}"
        )
        sizes = dict(found)
        return sorted(tables, key=lambda table: -sizes.get(table.name, 0))

    def run(self, tasks: Sequence[tuple[str, list[str]]], tell: Callable[[str], None]) -> None:
        """Run each task's statements in their order, the tasks side by side."""
        with ThreadPoolExecutor(len(self._all)) as pool:
            waiting = {pool.submit(self._run, statements): what for what, statements in tasks}
            try:
                while waiting:
                    done, _ = wait(waiting, return_when=FIRST_COMPLETED)
                    for future in done:
                        what = waiting.pop(future)
                        future.result()
                        tell(what)
            except BaseException:
                for future in waiting:
                    future.cancel()
                for session in self._all:
                    session.cancel()
                raise

    def _run(self, statements: list[str]) -> None:
        with self._lock:
            session = self._free.pop()
        try:
            for statement in statements:
                session.execute(statement)
        finally:
            with self._lock:
                self._free.append(session)
