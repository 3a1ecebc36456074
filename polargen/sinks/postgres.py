"""The PostgreSQL sink: binary COPY by the workers, constraints, then one swap.

A run loads a staging schema beside the target, so that the earlier data stays as it is until one
short transaction puts the new tables in its place. A session of the orchestrator holds an advisory
lock for the whole run; who has it knows that every other staging schema of the target is left by
a dead run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, ClassVar

import pyarrow as pa

from polargen import ddl, runs
from polargen.database import Database, DatabaseError, Session
from polargen.errors import ConfigError, TargetError
from polargen.manifest import Manifest, Part
from polargen.schema import Table
from polargen.sinks import staging
from polargen.sinks.base import GroupRecord, PartRecord, SinkSettings, WriterExit
from polargen.sinks.claim import Claim, lock
from polargen.sinks.claim import claim as claim_target
from polargen.sinks.merging import merge
from polargen.sinks.rows import copy_rows

GROUPS = "polargen_groups"

_sessions: dict[tuple[Database, str], Session] = {}


class PostgresWriter(WriterExit):
    """Loads one group in one transaction; a group that is there already is not loaded again."""

    def __init__(self, settings: SinkSettings, group: int) -> None:
        assert settings.database is not None
        self._settings = settings
        self._database = settings.database
        self._staging = staging.schema_of(settings)
        self._group = group
        self._names = {table.name for table in settings.tables}
        self._session: Session | None = None
        self._rows: dict[str, int] = {}

    def write(self, table: Table, arrow: pa.Table) -> None:
        """See `GroupWriter`."""
        if table.name not in self._names or arrow.num_rows == 0:
            return
        session = self._begun()
        stored = copy_rows(table, arrow, self._settings.keys)
        rows = session.copy(self._staging, table.name, stored)
        if rows not in (-1, arrow.num_rows):
            raise TargetError(
                f"{self._database.place}: {table.name}: the server took {rows:,} of "
                f"{arrow.num_rows:,} rows; run it again"
            )
        self._rows[table.name] = self._rows.get(table.name, 0) + arrow.num_rows

    def close(self) -> list[PartRecord]:
        """See `GroupWriter`."""
        session = self._begun()
        groups = ddl.where(self._staging, GROUPS)
        first = session.rows(
            f"INSERT INTO {groups} VALUES ({self._group}) ON CONFLICT DO NOTHING RETURNING 1"
        )
        session.execute("COMMIT" if first else "ROLLBACK")
        self._session = None
        return [PartRecord(name, "", rows, 0, "") for name, rows in self._rows.items()]

    def discard(self) -> None:
        """See `GroupWriter`."""
        if self._session is not None:
            _forget(self._settings)
            self._session = None

    def _begun(self) -> Session:
        if self._session is None:
            self._session = _session(self._settings)
            self._session.execute("BEGIN")
        return self._session


class PostgresSink:
    """Loads a schema as a whole: all or nothing.

    Attributes:
        on_stage: hears what is done to which table, after the rows are there.
        claim: of the target, made by `open` where there is none.
    """

    resumable: ClassVar[bool] = False

    def __init__(self, settings: SinkSettings) -> None:
        if settings.database is None:
            raise ConfigError("--database: is missing, name where to load")
        self.settings = settings
        self.on_stage: Callable[[str], None] = _unheard
        self._database = settings.database
        self.claim: Claim | None = None
        self._groups: set[int] = set()

    @classmethod
    def open_group(cls, settings: SinkSettings, group: int) -> PostgresWriter:
        """See `Sink`."""
        return PostgresWriter(settings, group)

    def open(self, plan_hash: str, run_info: Mapping[str, Any], resume: bool = False) -> None:
        """Lock the target, drop what dead runs left, make the staging tables.

        Raises:
            TargetError: another run loads this schema, or the server refuses.
        """
        if resume:
            raise ConfigError("--resume: a database load starts anew, leave it out")
        try:
            if self.claim is None:
                self.claim = make_claim(self.settings, self.on_stage)
            staging.drop_stale(self.claim.session)
            staging.create(self.claim.session, self.settings, GROUPS)
        except BaseException:
            self.abort()
            raise

    def existing_groups(self) -> dict[int, GroupRecord]:
        """See `Sink`; a load is not resumed, so always empty."""
        return {}

    def record_group(
        self, group: int, parts: Sequence[PartRecord], extra: Mapping[str, Any] | None = None
    ) -> None:
        """See `Sink`."""
        self._groups.add(group)

    def commit(self, manifest: Manifest, prove: Callable[[Any], None] | None = None) -> Manifest:
        """Add keys, checks and indexes, prove, and put the rows into the target.

        Tables of the target that stay get the rows by ``INSERT``; else the staged tables take
        their place.

        Raises:
            TargetError: the server failed, or someone changed the target; nothing was replaced.
        """
        claim, schema = self._opened(), staging.schema_of(self.settings)
        control, mapping = claim.session, claim.mapping
        _forget(self.settings)
        self._check_groups(control)
        if mapping is None or prove is not None:
            staging.finish(self.settings, self.on_stage)
        done = replace(
            manifest, format="postgresql", compression=None, tables=self._sized(control, manifest)
        )
        if mapping is None or prove is not None:
            staging.describe(control, self.settings, self._record(schema, done))
        if prove is not None:
            self.on_stage("verifying")
            prove(replace(self._database, schema=schema))
        record = self._record(self._database.schema, done)
        try:
            if mapping is None:
                self.on_stage("swap")
                staging.swap(control, self.settings, record, GROUPS)
            else:
                merge(control, self._database, mapping, schema, record, self.on_stage)
        except DatabaseError:
            if not self._is_there():
                raise
        self._close()
        return done

    def _record(self, schema: str, manifest: Manifest) -> str:
        """Return the statement that keeps the run in a schema."""
        settings, mapping = self.settings, self._opened().mapping
        base = settings.keys.base
        ranges = {
            name: (base.offset(name) + 1, base.offset(name) + last)
            for name, last in settings.last_keys.items()
        }
        targets = {} if mapping is None or not mapping.foreign else {
            item.table.name: (item.target_name, item.key_name) for item in mapping.tables
        }  # fmt: skip
        mode = self._database.load_mode
        return runs.insert(schema, settings.job, mode, manifest, settings.keys, ranges, targets)

    def abort(self) -> None:
        """See `Sink`; ends the run's sessions, so that nothing of it goes on at the server."""
        _forget(self.settings)
        if self.claim is None:
            return
        try:
            self._drop_staging()
        finally:
            self._close()

    def _drop_staging(self) -> None:
        try:
            staging.drop(self._opened().session, self.settings)
        except DatabaseError:
            # The session is gone; a new one can still clean up. If not, the next run does.
            session = self._database.connect(staging.application(self.settings))
            try:
                lock(session)
                staging.drop(session, self.settings)
            finally:
                session.close()

    def _check_groups(self, control: Session) -> None:
        groups = ddl.where(staging.schema_of(self.settings), GROUPS)
        found = {int(row[0]) for row in control.rows(f"SELECT number FROM {groups}")}
        if found != self._groups:
            raise TargetError(
                f"{self._database.place}: {len(found):,} of {len(self._groups):,} groups are "
                "loaded; run it again"
            )

    def _sized(self, control: Session, manifest: Manifest) -> dict[str, Any]:
        """Return the tables of the manifest with their place and size in the database."""
        schema, entries = staging.schema_of(self.settings), {}
        for table, entry in manifest.tables.items():
            full = ddl.literal(ddl.where(schema, table))
            size = int(control.value(f"SELECT pg_total_relation_size({full}::regclass)"))
            part = Part(f"{self._database.schema}.{table}", 0, entry.rows, size, "")
            entries[table] = replace(entry, parts=(part,))
        return entries

    def _is_there(self) -> bool:
        """Return whether the swap took place although its session broke."""
        with suppress(TargetError):
            session = self._database.connect()
            try:
                return staging.is_committed(session, self.settings)
            finally:
                session.close()
        return False

    def _opened(self) -> Claim:
        assert self.claim is not None, "the sink is not open"
        return self.claim

    def _close(self) -> None:
        if self.claim is not None:
            self.claim.session.close()
            self.claim = None


def make_claim(settings: SinkSettings, tell: Callable[[str], None]) -> Claim:
    """Take the target of a run; see `polargen.sinks.claim`.

    Raises:
        ConfigError: rows do not fit into the tables that are there.
        TargetError: another run loads the schema, or the server cannot be reached.
    """
    database, name = settings.database, staging.application(settings)
    assert database is not None
    return claim_target(database, name, settings.tables, settings.lenient, tell)


def _session(settings: SinkSettings) -> Session:
    """Return this process' session for a run, kept open between groups."""
    assert settings.database is not None
    key = (settings.database, settings.job)
    if key not in _sessions:
        session = settings.database.connect(staging.application(settings))
        session.execute("SET synchronous_commit = off")  # the swap's commit is durable for all
        _sessions[key] = session
    return _sessions[key]


def _forget(settings: SinkSettings) -> None:
    """Close this process' session for a run; what it had not committed is gone."""
    assert settings.database is not None
    session = _sessions.pop((settings.database, settings.job), None)
    if session is not None:
        session.close()


def _unheard(stage: str) -> None:
    """Hear nothing."""
