"""Who may read loaded tables, and under which names: grants, and views with camelCase columns.

An application that reads camelCase columns switches its schema: the views stand in
``<schema>_camel`` under the tables' own names, so that ``search_path = mock_data_camel``, or
PostgREST's exposed schemas and the header ``Accept-Profile: mock_data_camel``, is all that
changes. A prefix in the same schema would change every name in the application's queries.

The views rest on the tables. They are dropped with them, and made anew only by a load that asks
for them: a load without ``--views`` leaves none.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic.alias_generators import to_camel

from polargen import ddl
from polargen.database import Database, Session
from polargen.owned import are_views_marked, owned_views, views_comment, views_schema
from polargen.schema import Table

_INVOKER_SERVER = 15  # the first in which a view can read with the rights of who asks


def share(
    session: Session, database: Database, target_schema: str, tables: Sequence[Table]
) -> None:
    """Grant the reading of loaded tables and make their views, as the load was asked to.

    Args:
        session: in the transaction that put the tables into the target.
        database: its ``grants`` and ``views``.
        target_schema: that the tables are in.
        tables: that were loaded.

    Raises:
        TargetError: a role is not there, or this user lacks a right.
    """
    names = [table.name for table in tables]
    grant(session, database, target_schema, names)
    if database.views is None or not tables:
        return
    schema = views_schema(target_schema)
    session.execute(f"CREATE SCHEMA IF NOT EXISTS {ddl.name(schema)}")
    comment = ddl.literal(views_comment(target_schema))
    session.execute(f"COMMENT ON SCHEMA {ddl.name(schema)} IS {comment}")
    server = int(session.value("SELECT current_setting('server_version_num')::int / 10000"))
    for table in tables:
        for statement in _view(target_schema, table, server):
            session.execute(statement)
    grant(session, database, schema, names)


def drop_views(session: Session, database: Database) -> None:
    """Drop polargen's own views on the target, before its tables are dropped.

    Their schema stays where views are to be made again, and where something else stands in it.

    Args:
        session: in the transaction that drops the tables.
        database: of the load; its ``views`` says whether they are made again.
    """
    schema = views_schema(database.schema)
    views = owned_views(session)
    if views:
        listed = ", ".join(ddl.where(schema, view) for view in views)
        session.execute(f"DROP VIEW {listed}")
    if database.views is None and are_views_marked(session) and _is_empty(session, schema):
        session.execute(f"DROP SCHEMA {ddl.name(schema)}")


def _view(target_schema: str, table: Table, server: int) -> list[str]:
    """Return the statements that make a table's view and mark it as polargen's."""
    view = ddl.where(views_schema(target_schema), table.name)
    columns = ",\n    ".join(
        f"{ddl.name(column.name)} AS {ddl.name(to_camel(column.name))}" for column in table.columns
    )
    # Before it could, a view reads with its owner's rights, and who reads it needs no others.
    invoker = " WITH (security_invoker = true)" if server >= _INVOKER_SERVER else ""
    return [
        f"CREATE VIEW {view}{invoker} AS SELECT\n    {columns}\n"
        f"FROM {ddl.where(target_schema, table.name)}",
        f"COMMENT ON VIEW {view} IS {ddl.literal(f'{table.meaning} {ddl.MADE_BY}')}",
    ]


def grant(session: Session, database: Database, schema: str, names: Sequence[str]) -> None:
    if not database.grants or not names:
        return
    roles = ", ".join(map(ddl.name, database.grants))
    listed = ", ".join(ddl.where(schema, name) for name in names)
    session.execute(f"GRANT USAGE ON SCHEMA {ddl.name(schema)} TO {roles}")
    session.execute(f"GRANT SELECT ON TABLE {listed} TO {roles}")


def _is_empty(session: Session, schema: str) -> bool:
    """Return whether nothing of any kind stands in a schema."""
    found = session.value(
        "SELECT count(*) FROM pg_depend JOIN pg_namespace n ON n.oid = refobjid "
        f"WHERE refclassid = 'pg_namespace'::regclass AND nspname = {ddl.literal(schema)} "
        "AND deptype = 'n'"
    )
    return not found
