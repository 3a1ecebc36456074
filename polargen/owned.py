"""What in a database is polargen's: marked by comments, and nothing else is ever touched."""

from __future__ import annotations

from polargen import ddl
from polargen.database import Session

RUNS = "polargen_runs"
SCHEMA_COMMENT = "Mock data made by polargen; the next run replaces its tables."


def is_marked(session: Session) -> bool:
    """Return whether the target schema is there and marked as polargen's."""
    return bool(
        session.value(
            "SELECT obj_description(oid, 'pg_namespace') = "
            f"{ddl.literal(SCHEMA_COMMENT)} FROM pg_namespace WHERE nspname = {_target(session)}"
        )
    )


def owned_tables(session: Session) -> list[str]:
    """Return the target's tables that polargen made: by their comment, in a marked schema."""
    if not is_marked(session):
        return []
    found = session.rows(f"{_TABLES.format(_target(session))} AND {_MINE} ORDER BY 1")
    return [row[0] for row in found]


def foreign(session: Session) -> list[str]:
    """Return what polargen did not make and a replacement would touch or stand beside.

    Tables, views, sequences and functions in the target schema, and views and foreign keys
    elsewhere that rest on polargen's tables.
    """
    mine = _MINE if is_marked(session) else "false"
    target = _target(session)
    queries = (
        f"{_TABLES.format(target)} AND NOT {mine}",
        f"SELECT proname::text || '()' FROM pg_proc WHERE pronamespace = {_oid(target)}",
        # Views outside the schema: their rewrite rules depend on tables inside it.
        "SELECT DISTINCT v.oid::regclass::text FROM pg_depend d "
        "JOIN pg_rewrite r ON r.oid = d.objid AND d.classid = 'pg_rewrite'::regclass "
        "JOIN pg_class v ON v.oid = r.ev_class "
        "JOIN pg_class c ON c.oid = d.refobjid AND d.refclassid = 'pg_class'::regclass "
        f"WHERE c.relnamespace = {_oid(target)} AND v.relnamespace <> c.relnamespace",
        "SELECT conrelid::regclass::text || '.' || conname::text FROM pg_constraint k "
        "JOIN pg_class c ON c.oid = k.conrelid JOIN pg_class p ON p.oid = k.confrelid "
        f"WHERE contype = 'f' AND p.relnamespace = {_oid(target)} "
        "AND c.relnamespace <> p.relnamespace",
    )
    return sorted({row[0] for query in queries for row in session.rows(query)})


_TABLES = (
    "SELECT c.relname::text FROM pg_class c "
    "JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE n.nspname = {} AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')"
)
_MINE = (
    f"(c.relkind = 'r' AND (c.relname = {ddl.literal(RUNS)} OR "
    f"coalesce(obj_description(c.oid, 'pg_class'), '') LIKE {ddl.literal('%' + ddl.MADE_BY)}))"
)


def _target(session: Session) -> str:
    return ddl.literal(session.database.schema)


def _oid(target: str) -> str:
    return f"(SELECT oid FROM pg_namespace WHERE nspname = {target})"
