"""What in a database is polargen's: marked by comments, and nothing else is ever touched."""

from __future__ import annotations

from polargen import ddl
from polargen.database import DatabaseError, Session
from polargen.errors import TargetError

RUNS = "polargen_runs"
SCHEMA_COMMENT = "Mock data made by polargen; the next run replaces its tables."
_VIEWS = "_camel"
_TRIES = 5
_CHANGED = ("42P01", "3F000", "40P01")  # no such table, no such schema, deadlock


def is_marked(session: Session) -> bool:
    """Return whether the target schema is there and marked as polargen's."""
    return _has_comment(session, session.database.schema, SCHEMA_COMMENT)


def owned_tables(session: Session) -> list[str]:
    """Return the target's tables that polargen made: by their comment, in a marked schema."""
    if not is_marked(session):
        return []
    found = session.rows(f"{_RELATIONS.format(_target(session))} AND {_MINE} ORDER BY 1")
    return [row[0] for row in found]


def freeze(session: Session) -> list[str]:
    """Begin a transaction that sees one instant; return polargen's tables, which then stay.

    A load that swaps its tables in would leave new ones that are empty at this instant; a lock
    that lets everybody read and write keeps them from being swapped.

    Raises:
        TargetError: tables come and go all the time, or the server failed.
    """
    for _ in range(_TRIES):
        names = owned_tables(session)
        if not names:
            return []
        session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            listed = ", ".join(ddl.where(session.database.schema, name) for name in names)
            session.execute(f"LOCK TABLE {listed} IN ACCESS SHARE MODE")
            if owned_tables(session) == names:
                return names
        except DatabaseError as error:
            if error.sqlstate not in _CHANGED:
                raise
        session.execute("ROLLBACK")
    database = session.database
    raise TargetError(
        f"{database.place}: the tables of {database.schema} come and go; wait until what changes "
        "them is done"
    )


def views_schema(schema: str) -> str:
    """Return the schema that holds the views on a schema's tables."""
    return schema + _VIEWS


def views_comment(schema: str) -> str:
    """Return the comment that marks the schema of the views on a schema's tables."""
    return f"Tables of {schema} with camelCase columns. {ddl.MADE_BY}"


def are_views_marked(session: Session) -> bool:
    """Return whether the schema of the target's views is there and marked as polargen's."""
    schema = session.database.schema
    return _has_comment(session, views_schema(schema), views_comment(schema))


def owned_views(session: Session) -> list[str]:
    """Return polargen's views on the target: by their comment, in a marked schema."""
    if not are_views_marked(session):
        return []
    views = ddl.literal(views_schema(session.database.schema))
    found = session.rows(f"{_RELATIONS.format(views)} AND {_MY_VIEW} ORDER BY 1")
    return [row[0] for row in found]


def foreign(session: Session) -> list[str]:
    """Return what polargen did not make and a replacement would touch or stand beside.

    Tables, views, sequences and functions in the target schema, and views and foreign keys
    elsewhere that rest on polargen's tables, or on its views on them.
    """
    mine = _MINE if is_marked(session) else "false"
    my_view = _MY_VIEW if are_views_marked(session) else "false"
    target = _target(session)
    views = ddl.literal(views_schema(session.database.schema))
    queries = (
        f"{_RELATIONS.format(target)} AND NOT {mine}",
        f"SELECT proname::text || '()' FROM pg_proc WHERE pronamespace = {_oid(target)}",
        # Views outside the schema: their rewrite rules depend on tables inside it.
        f"{_RESTING} WHERE o.relnamespace = {_oid(target)} AND c.relnamespace <> o.relnamespace "
        f"AND NOT (c.relnamespace IS NOT DISTINCT FROM {_oid(views)} AND {my_view})",
        f"{_RESTING} WHERE o.relnamespace = {_oid(views)} AND c.oid <> o.oid "
        f"AND NOT (c.relnamespace = o.relnamespace AND {my_view})",
        "SELECT conrelid::regclass::text || '.' || conname::text FROM pg_constraint k "
        "JOIN pg_class c ON c.oid = k.conrelid JOIN pg_class p ON p.oid = k.confrelid "
        f"WHERE contype = 'f' AND p.relnamespace = {_oid(target)} "
        "AND c.relnamespace <> p.relnamespace",
    )
    return sorted({row[0] for query in queries for row in session.rows(query)})


def foreign_views(session: Session) -> list[str]:
    """Return what polargen did not make in the schema of the target's views."""
    my_view = _MY_VIEW if are_views_marked(session) else "false"
    views = ddl.literal(views_schema(session.database.schema))
    queries = (
        f"{_RELATIONS.format(views)} AND NOT {my_view}",
        f"SELECT proname::text || '()' FROM pg_proc WHERE pronamespace = {_oid(views)}",
    )
    return sorted({row[0] for query in queries for row in session.rows(query)})


_RELATIONS = (
    "SELECT c.relname::text FROM pg_class c "
    "JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE n.nspname = {} AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')"
)
# Views c whose definition reads the relation o.
_RESTING = (
    "SELECT DISTINCT c.oid::regclass::text FROM pg_depend d "
    "JOIN pg_rewrite r ON r.oid = d.objid AND d.classid = 'pg_rewrite'::regclass "
    "JOIN pg_class c ON c.oid = r.ev_class "
    "JOIN pg_class o ON o.oid = d.refobjid AND d.refclassid = 'pg_class'::regclass"
)
_COMMENT = "coalesce(obj_description(c.oid, 'pg_class'), '')"
_MADE = f"{_COMMENT} LIKE {ddl.literal('%' + ddl.MADE_BY)}"
_MINE = f"(c.relkind = 'r' AND (c.relname = {ddl.literal(RUNS)} OR {_MADE}))"
_MY_VIEW = f"(c.relkind = 'v' AND {_MADE})"


def _has_comment(session: Session, schema: str, comment: str) -> bool:
    return bool(
        session.value(
            f"SELECT obj_description(oid, 'pg_namespace') = {ddl.literal(comment)} "
            f"FROM pg_namespace WHERE nspname = {ddl.literal(schema)}"
        )
    )


def _target(session: Session) -> str:
    return ddl.literal(session.database.schema)


def _oid(schema: str) -> str:
    return f"(SELECT oid FROM pg_namespace WHERE nspname = {schema})"
