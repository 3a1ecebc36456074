"""Cleanup of one run among several in the same tables, by the keys that it was given.

Children go before parents, in one transaction. Rows of others that refer to the run's rows refuse
it, whatever their foreign key would do with them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from polargen import ddl
from polargen.cleanup import APPLICATION, LOCK_TIMEOUT, CleanupResult, check_cleanup
from polargen.database import Database, Session
from polargen.errors import ConfigError
from polargen.generators import all_tables
from polargen.guard import Failure, refuse
from polargen.owned import RUNS
from polargen.rekey import generated_key
from polargen.runs import Run, has_runs, manifest_of, runs
from polargen.sinks.claim import lock

_GONE = "polargen_gone"


@dataclass(frozen=True)
class _Rows:
    """A run's rows in one table.

    Attributes:
        table: as declared.
        name: of the table that holds them, qualified and quoted.
        key_name: of its key column.
        ends: first and last key, before it becomes a uuid.
        is_uuid: the column holds uuids.
    """

    table: str
    name: str
    key_name: str
    ends: tuple[int, int]
    is_uuid: bool

    @property
    def key(self) -> str:
        """The key column, quoted."""
        return ddl.name(self.key_name)

    def rule(self, column: str) -> str:
        """Return the condition that a column holds one of their keys."""
        if self.is_uuid:
            return f"{column} IN (SELECT key FROM pg_temp.{_GONE})"
        return f"{column} BETWEEN {self.ends[0]} AND {self.ends[1]}"


def preview_run(database: Database, job_id: str) -> CleanupResult:
    """Return what `remove_run` would remove, as the run's record tells.

    Raises:
        ConfigError: no such run is there any more.
        TargetError: a run loads the schema, or the server failed.
    """
    session = database.connect(APPLICATION)
    try:
        lock(session)
        run = _live(session, job_id)
        entries = manifest_of(session, job_id).tables
        return CleanupResult(
            tables={rows.table: entries[rows.table].rows for rows in _rows(session, run)},
            runs=(job_id,),
        )
    finally:
        session.close()


def remove_run(database: Database, environment: Mapping[str, str], job_id: str) -> CleanupResult:
    """Delete one run's rows, and mark it as removed, in one transaction; tables stay.

    Args:
        database: whose schema holds the run.
        environment: variables that the safety guard looks at.
        job_id: of the run.

    Returns:
        the rows deleted, by table.

    Raises:
        ConfigError: no such run is there any more.
        GuardError: production may be there, or rows of others refer to the run's.
        TargetError: a run loads the schema, or the server failed; nothing was removed.
    """
    check_cleanup(database, environment)
    session = database.connect(APPLICATION)
    try:
        lock(session, database.wait)
        with session.transaction():
            session.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
            run = _live(session, job_id)
            deleted = {rows.table: _delete(session, run, rows) for rows in _rows(session, run)}
            session.execute(
                f"UPDATE {ddl.where(database.schema, RUNS)} SET removed_at = clock_timestamp() "
                f"WHERE job_id = {ddl.literal(job_id)}"
            )
        return CleanupResult(tables=deleted, runs=(job_id,))
    finally:
        session.close()


def _live(session: Session, job_id: str) -> Run:
    """Return a run whose rows are there.

    Raises:
        ConfigError: it was replaced, removed, or never was.
    """
    place = f"{session.database.place}: {session.database.schema}"
    loads = runs(session)
    found = next((run for run in loads if run.job_id == job_id), None)
    if found is not None and found.live:
        return found
    if found is not None:
        raise ConfigError(f"--job: {job_id} was removed from {place} before; its rows are gone")
    table = ddl.where(session.database.schema, RUNS)
    query = f"SELECT true FROM {table} WHERE job_id = {ddl.literal(job_id)}"
    if has_runs(session) and session.value(query):
        raise ConfigError(f"--job: {job_id} was replaced by a later load; its rows are gone")
    there = ", ".join(run.job_id for run in loads if run.live) or "none"
    raise ConfigError(f"--job: {place} has no run {job_id}; its runs: {there}")


def _rows(session: Session, run: Run) -> Iterator[_Rows]:
    """Yield the tables that hold rows of a run, children before parents; lost ones are left out."""
    declared = all_tables()
    unknown = [name for name in run.ranges if name not in declared]
    if unknown:
        raise ConfigError(
            f"--job: table {unknown[0]} is not declared; install the plug-in that makes it"
        )
    for name in reversed(list(declared)):
        if name not in run.ranges:
            continue
        target, key = run.targets.get(name, (name, declared[name].primary_key))
        full = ddl.where(session.database.schema, target)
        if session.value(f"SELECT to_regclass({ddl.literal(full)})::text") is not None:
            yield _Rows(name, full, key, run.ranges[name], run.keys.is_uuid(name))


def _delete(session: Session, run: Run, rows: _Rows) -> int:
    if rows.is_uuid:
        _collect(session, run, rows)
    _refuse_references(session, run, rows)
    deleted = session.rows(
        f"WITH gone AS (DELETE FROM {rows.name} WHERE {rows.rule(rows.key)} RETURNING 1) "
        "SELECT count(*) FROM gone"
    )
    return int(deleted[0][0])


def _collect(session: Session, run: Run, rows: _Rows) -> None:
    """Put the uuids of a run's rows into a temporary table.

    They are found among those of the table: a uuid tells its number, and only those that the
    number gives again are of a run.
    """
    session.execute(f"DROP TABLE IF EXISTS pg_temp.{_GONE}")
    session.execute(f"CREATE TEMPORARY TABLE {_GONE} (key uuid PRIMARY KEY) ON COMMIT DROP")
    size = rows.ends[1] - rows.ends[0] + 1
    reader = session.database.connect(APPLICATION)
    try:
        for batch in reader.stream(f"SELECT {rows.key} FROM {rows.name}"):
            stored = batch.column(0)
            numbers = generated_key(rows.table, stored, run.keys)
            inside = pc.and_(pc.greater_equal(numbers, 1), pc.less_equal(numbers, size))
            stored, numbers = stored.filter(inside), numbers.filter(inside)
            again = run.keys.stored(rows.table, numbers.to_numpy(zero_copy_only=False))
            stored = stored.filter(pc.equal(stored.storage, again.storage))
            session.copy("pg_temp", _GONE, pa.table({"key": stored}))
    finally:
        reader.close()
    session.execute(f"ANALYZE pg_temp.{_GONE}")


def _refuse_references(session: Session, run: Run, rows: _Rows) -> None:
    """Refuse where rows of others refer to the run's; children of the run itself are gone by now.

    Raises:
        GuardError: with the tables and counts.
    """
    found = session.rows(
        "SELECT k.conrelid::regclass::text, quote_ident(a.attname), k.conrelid = k.confrelid "
        "FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = k.conrelid "
        "AND a.attnum = k.conkey[1] JOIN pg_attribute b ON b.attrelid = k.confrelid "
        "AND b.attnum = k.confkey[1] WHERE k.contype = 'f' AND k.conparentid = 0 "
        f"AND k.confrelid = {ddl.literal(rows.name)}::regclass AND cardinality(k.conkey) = 1 "
        f"AND b.attname = {ddl.literal(rows.key_name)} ORDER BY 1, 2"
    )
    problems = []
    for table, column, own in found:
        others = f" AND NOT {rows.rule(f't.{rows.key}')}" if own else ""
        count = session.value(
            f"SELECT count(*) FROM {table} AS t WHERE {rows.rule(f't.{column}')}{others}"
        )
        if count:
            problems.append(
                Failure(
                    "references",
                    f"{count:,} rows of {table} that {run.job_id} did not make refer by {column} "
                    f"to its rows of {rows.name}",
                    "error",
                    "delete them, or let them refer to other rows",
                )
            )
    refuse(problems)
