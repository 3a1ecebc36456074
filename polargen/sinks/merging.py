"""Rows of a staging schema into tables that are there already, in one transaction."""

from __future__ import annotations

from collections.abc import Callable

from polargen import ddl, existing, runs
from polargen.database import Database, Session, drop_schema
from polargen.sinks.sharing import grant

_LOCK_TIMEOUT = "60s"  # how long each statement waits for others' locks


def merge(
    session: Session,
    database: Database,
    mapping: existing.Mapping,
    staging_schema: str,
    record: str,
    tell: Callable[[str], None],
) -> None:
    """Insert every staged row, parents first, keep the run's record, and drop the staging schema.

    Args:
        session: that holds the target's lock.
        database: whose schema is the target.
        mapping: into which tables and columns.
        staging_schema: with the rows.
        record: statement that keeps the run in the target.
        tell: hears each table.

    Raises:
        TargetError: a row breaks a rule of the target, or the server failed; nothing is kept.
    """
    target = database.schema
    with session.transaction():
        session.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
        session.execute("SET LOCAL synchronous_commit = on")
        for item in mapping.tables:
            tell(f"rows: {item.target_name}")
            for statement in existing.insert_statements(item, staging_schema, target):
                session.execute(statement)
        for item in mapping.tables:
            session.execute(f"ANALYZE {ddl.where(target, item.target_name)}")
        grant(session, database, target, [item.target_name for item in mapping.tables])
        session.execute(runs.create_table(target))
        session.execute(record)
        session.execute(drop_schema(staging_schema))
