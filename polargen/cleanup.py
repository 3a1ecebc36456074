"""Cleanup of a database: only what polargen made goes, all of it or none.

What is polargen's is known by its marks (`polargen.owned`) and, of dead runs, by the name and mark
of their staging schemas. What others put into the same schema stays, with the schema; what rests
on polargen's tables refuses the cleanup. One run among several: `polargen.cleanup_run`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from polargen import ddl
from polargen.database import Database, DatabaseError, Session
from polargen.errors import TargetError
from polargen.generators import all_tables
from polargen.guard import Failure, failures_in, refuse
from polargen.guard_database import checks_of
from polargen.owned import (
    RUNS,
    are_views_marked,
    is_marked,
    owned_tables,
    owned_views,
    views_schema,
)
from polargen.runs import has_runs, runs
from polargen.sinks.claim import lock
from polargen.sinks.staging import drop_stale, stale

APPLICATION = "polargen cleanup"
# Checks of what a load needs, and a cleanup does not.
_OF_LOADS = frozenset(
    {
        "privilege",
        "foreign objects",
        "load mode",
        "side effects",
        "views",
        "grants",
        "replication",
        "connections",
        "disk",
    }
)
LOCK_TIMEOUT = "60s"  # how long each statement waits for others' locks
_CHANGED = ("42P01", "3F000", "42704")  # no such table, schema, object
_SHOWN = 5


@dataclass(frozen=True)
class CleanupResult:
    """What a cleanup removed, or would remove.

    Attributes:
        tables: rows by table; dropped, or emptied of one run's rows.
        views: dropped, with their schema's name.
        schemas: dropped.
        runs: job ids, whose records went or are marked as removed.
        kept: what others made in the same schemas, in the server's words.
    """

    tables: Mapping[str, int] = field(default_factory=dict)
    views: tuple[str, ...] = ()
    schemas: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to remove."""
        return not (self.tables or self.views or self.schemas or self.runs)

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON document."""
        return {
            "tables": dict(self.tables),
            "views": list(self.views),
            "schemas": list(self.schemas),
            "runs": list(self.runs),
            "kept": list(self.kept),
        }


def preview(database: Database, stale_only: bool = False) -> CleanupResult:
    """Return what `clean` would remove; nothing is changed.

    Raises:
        TargetError: a run loads the schema, or the server failed.
    """
    session = database.connect(APPLICATION)
    try:
        lock(session)
        with session.transaction():
            session.execute("SET TRANSACTION READ ONLY")
            return _stale(session) if stale_only else _Schema(session).found()
    finally:
        session.close()


def clean(
    database: Database, environment: Mapping[str, str], stale_only: bool = False
) -> CleanupResult:
    """Remove what polargen made in a schema and beside it, in one transaction.

    Args:
        database: whose schema is cleaned.
        environment: variables that the safety guard looks at.
        stale_only: only the staging schemas of dead runs.

    Returns:
        what was removed.

    Raises:
        GuardError: production may be there, or something rests on polargen's tables.
        TargetError: a run loads the schema, or the server failed; nothing was removed.
    """
    check_cleanup(database, environment)
    session = database.connect(APPLICATION)
    try:
        lock(session, database.wait)
        with session.transaction():
            session.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
            return _removed(session, stale_only)
    except DatabaseError as error:
        if error.sqlstate not in _CHANGED:
            raise
        raise TargetError(
            f"{database.place}: others changed {database.schema} meanwhile, so nothing was "
            "removed; run the command again"
        ) from error
    finally:
        session.close()


def check_cleanup(database: Database, environment: Mapping[str, str]) -> None:
    """Refuse to clean where production may be.

    Raises:
        GuardError: with every failed check and its remedy.
        TargetError: the server cannot be reached, and nothing else is wrong.
    """
    made = [item for item in checks_of(database, environment) if item.name not in _OF_LOADS]
    refuse([failure for failure in failures_in(made) if failure.severity == "error"])


def _removed(session: Session, stale_only: bool) -> CleanupResult:
    if stale_only:
        return CleanupResult(schemas=tuple(drop_stale(session)))
    here = _Schema(session)
    here.lock_tables()
    here.refuse_dependents()
    found = here.found()
    schemas = drop_stale(session)
    for kind, names in (("VIEW", here.views), ("TABLE", here.tables)):
        if names:
            session.execute(f"DROP {kind} {', '.join(names)}")
    schemas += [schema for schema in here.marked if _drop_if_empty(session, schema)]
    return CleanupResult(found.tables, found.views, tuple(schemas), found.runs, found.kept)


def _stale(session: Session) -> CleanupResult:
    return CleanupResult(schemas=tuple(stale(session)))


class _Schema:
    """What of a schema is polargen's, as it is now.

    Attributes:
        tables, views: qualified and quoted.
        marked: schemas with polargen's mark, the views' before the tables'.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._name = session.database.schema
        self._tables = owned_tables(session) or self._records_only()
        views = views_schema(self._name)
        self._views = [(views, name) for name in owned_views(session)]
        self.tables = [ddl.where(self._name, name) for name in self._tables]
        self.views = [ddl.where(*pair) for pair in self._views]
        self.marked = [views] if are_views_marked(session) else []
        self.marked += [self._name] if is_marked(session) else []

    def found(self) -> CleanupResult:
        """Return what is to be removed."""
        kept = {schema: self._strangers(schema) for schema in self.marked}
        empty = [schema for schema in self.marked if not kept[schema]]
        return CleanupResult(
            tables=self._rows(),
            views=tuple(f"{schema}.{name}" for schema, name in self._views),
            schemas=(*stale(self._session), *empty),
            runs=self._runs(),
            kept=tuple(name for names in kept.values() for name in names),
        )

    def lock_tables(self) -> None:
        """Keep everybody else out, so that what is counted is what goes."""
        if self.tables:
            self._session.execute(f"LOCK TABLE {', '.join(self.tables)} IN ACCESS EXCLUSIVE MODE")

    def refuse_dependents(self) -> None:
        """Refuse where others' objects rest on polargen's tables or views.

        Raises:
            GuardError: with their names.
        """
        found = self._dependents()
        if not found:
            return
        shown = ", ".join(found[:_SHOWN]) + (", ..." if len(found) > _SHOWN else "")
        reason = f"{len(found)} that polargen did not make rest on its tables: {shown}"
        refuse([Failure("dependents", reason, "error", "drop them, or let them read other tables")])

    def _records_only(self) -> list[str]:
        """Return the table of runs, where others made the schema and no run's rows are left."""
        session = self._session
        if not has_runs(session):
            return []
        live = [run.job_id for run in runs(session) if run.live]
        if live:
            shown = ", ".join(live[:_SHOWN]) + (", ..." if len(live) > _SHOWN else "")
            reason = f"the tables of {self._name} are others', and hold rows of {shown}"
            refuse([Failure("runs", reason, "error", "remove each with polargen cleanup --job")])
        return [RUNS]

    def _rows(self) -> dict[str, int]:
        places = {name: place for place, name in enumerate(all_tables())}
        names = [name for name in self._tables if name != RUNS]
        if not names:
            return {}
        names.sort(key=lambda name: places.get(name, len(places)))
        counted = " UNION ALL ".join(
            f"SELECT {ddl.literal(name)}, count(*) FROM {ddl.where(self._name, name)}"
            for name in names
        )
        return {name: int(rows) for name, rows in self._session.rows(counted)}

    def _runs(self) -> tuple[str, ...]:
        if RUNS not in self._tables:
            return ()
        table = ddl.where(self._name, RUNS)
        query = f"SELECT job_id FROM {table} ORDER BY finished_at, job_id"
        return tuple(row[0] for row in self._session.rows(query))

    def _oids(self) -> str:
        """Return the tables and views as a list of oids, in SQL."""
        pairs = [*((self._name, name) for name in self._tables), *self._views]
        listed = ", ".join(f"({ddl.literal(a)}, {ddl.literal(b)})" for a, b in pairs)
        return (
            "(SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            f"WHERE (n.nspname, c.relname) IN ({listed or '(NULL, NULL)'}))"
        )

    def _strangers(self, schema: str) -> list[str]:
        """Return everything in a schema that is not polargen's, of any kind."""
        found = self._session.rows(
            "SELECT pg_describe_object(d.classid, d.objid, 0) FROM pg_depend d "
            f"WHERE {_in_schema(schema)} AND NOT (d.classid = 'pg_class'::regclass "
            f"AND d.objid IN {self._oids()}) ORDER BY 1"
        )
        return [row[0] for row in found]

    def _dependents(self) -> list[str]:
        """Return what would have to go with polargen's tables: views, references, functions, ..."""
        ours = self._oids()
        found = self._session.rows(
            "SELECT DISTINCT CASE WHEN r.oid IS NULL THEN "
            "pg_describe_object(d.classid, d.objid, 0) ELSE "
            "pg_describe_object('pg_class'::regclass, r.ev_class, 0) END FROM pg_depend d "
            "LEFT JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid "
            "WHERE d.deptype = 'n' AND ("
            f"(d.refclassid = 'pg_class'::regclass AND d.refobjid IN {ours}) "
            "OR (d.refclassid = 'pg_type'::regclass AND d.refobjid IN (SELECT unnest(ARRAY[t.oid, "
            f"t.typarray]) FROM pg_type t WHERE t.typrelid IN {ours}))) "
            f"AND NOT (d.classid = 'pg_class'::regclass AND d.objid IN {ours}) "
            # What is part of polargen's own tables: their keys, rules, policies.
            "AND NOT EXISTS (SELECT 1 FROM pg_depend o WHERE o.classid = d.classid "
            "AND o.objid = d.objid AND o.deptype IN ('a', 'i') "
            f"AND o.refclassid = 'pg_class'::regclass AND o.refobjid IN {ours}) ORDER BY 1"
        )
        return [row[0] for row in found]


def _drop_if_empty(session: Session, schema: str) -> bool:
    """Drop a schema, or, where others have something in it, only polargen's mark on it."""
    others = session.value(f"SELECT count(*) FROM pg_depend d WHERE {_in_schema(schema)}")
    if others:
        session.execute(f"COMMENT ON SCHEMA {ddl.name(schema)} IS NULL")
        return False
    session.execute(f"DROP SCHEMA {ddl.name(schema)}")
    return True


def _in_schema(schema: str) -> str:
    """Return the condition that an object stands in a schema."""
    return (
        "d.refclassid = 'pg_namespace'::regclass AND d.deptype = 'n' AND d.refobjid = "
        f"(SELECT oid FROM pg_namespace WHERE nspname = {ddl.literal(schema)})"
    )
