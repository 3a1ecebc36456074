"""What the safety guard asks of the target schema: rights in it, and whose its contents are.

A load replaces what polargen made, adds to it, or fills tables of others: each asks for something
else. Only the system's catalogues are read.
"""

from __future__ import annotations

from collections.abc import Iterator

from polargen import ddl
from polargen.database import Session
from polargen.guard import Check, Problem, check
from polargen.owned import (
    RUNS,
    are_views_marked,
    foreign,
    foreign_views,
    is_marked,
    owned_tables,
    views_schema,
)
from polargen.schema import TABLES

_SHOWN = 3
_CLONE = "CREATE TABLE {}.orders (LIKE public.orders INCLUDING ALL)"


def rights(session: Session) -> Iterator[Problem]:
    """Yield what this user may not do with what stands in the target."""
    if session.database.load_mode == "replace":
        yield from _ownership(session)
        return
    user = str(session.value("SELECT current_user::text"))
    schema = session.database.schema
    lacking = session.rows(
        "SELECT right_name FROM pg_namespace, unnest(ARRAY['USAGE', 'CREATE']) right_name "
        f"WHERE nspname = {ddl.literal(schema)} AND NOT has_schema_privilege(oid, right_name)"
    )
    if lacking:
        listed = ", ".join(row[0] for row in lacking)
        grant = f"GRANT {listed} ON SCHEMA {ddl.name(schema)} TO {ddl.name(user)}"
        yield f"{user} lacks {listed} on {schema}", grant
    for table, listed in session.rows(
        "SELECT c.relname::text, string_agg(right_name, ', ' ORDER BY right_name) FROM pg_class c, "
        "unnest(ARRAY['INSERT', 'SELECT']) right_name "
        f"WHERE {_in_target(session)} AND c.relkind IN ('r', 'p') AND {_taken()} "
        "AND NOT has_table_privilege(c.oid, right_name) GROUP BY 1 ORDER BY 1"
    ):
        grant = f"GRANT {listed} ON {ddl.where(schema, table)} TO {ddl.name(user)}"
        yield f"{user} lacks {listed} on {schema}.{table}", grant
    if session.database.grants:
        yield from _granting(session, user)


def _granting(session: Session, user: str) -> Iterator[Problem]:
    """Who passes rights on must own what they are on, or have them to pass on."""
    schema = session.database.schema
    found = session.rows(
        "SELECT c.relname::text FROM pg_class c "
        f"WHERE {_in_target(session)} AND c.relkind IN ('r', 'p') AND {_taken()} "
        f"AND c.relname <> {ddl.literal(RUNS)} "
        "AND NOT has_table_privilege(c.oid, 'SELECT WITH GRANT OPTION') ORDER BY 1"
    )
    if found:
        listed = _first([f"{schema}.{name}" for (name,) in found])
        yield (
            f"{user} cannot let others read {listed}",
            "connect as their owner, or leave out --grant",
        )


def _ownership(session: Session) -> Iterator[Problem]:
    """Only owners drop tables, and move others into their schema."""
    schema = session.database.schema
    user = str(session.value("SELECT current_user::text"))
    named = [ddl.literal(schema)]
    if session.database.views is not None or are_views_marked(session):
        named.append(ddl.literal(views_schema(schema)))
    owners = session.rows(
        "SELECT nspname::text, nspowner::regrole::text FROM pg_namespace "
        f"WHERE nspname IN ({', '.join(named)}) AND NOT pg_has_role(nspowner, 'USAGE') ORDER BY 1"
    )
    mine = ", ".join(map(ddl.literal, owned_tables(session))) or "NULL"
    owners += session.rows(
        "SELECT nspname || '.' || c.relname, c.relowner::regrole::text FROM pg_class c "
        f"JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {_in_target(session)} "
        f"AND c.relname IN ({mine}) AND NOT pg_has_role(c.relowner, 'USAGE') ORDER BY 1"
    )
    for what, owner in owners:
        yield (
            f"{what} belongs to {owner}, not to {user}",
            f"connect as {owner}, or load into another schema",
        )


def contents(session: Session) -> Iterator[Check]:
    """Yield the checks of what stands in the target, and where its views go."""
    schema, mode = session.database.schema, session.database.load_mode
    if mode == "replace":
        holds = f"{schema} is absent, empty, or made by polargen"
        yield check("foreign objects", holds, _strangers(session))
    else:
        holds = f"{schema} holds tables for --load-mode {mode}"
        yield check("load mode", holds, _nothing_to_fill(session))
        yield check("side effects", "rows go into its tables only", _side_effects(session))
    if session.database.views is not None:
        holds = f"{views_schema(schema)} is absent, empty, or made by polargen"
        yield check("views", holds, _views(session))


def _strangers(session: Session) -> Iterator[Problem]:
    schema, strangers = session.database.schema, foreign(session)
    if strangers:
        whose = "beside" if is_marked(session) and owned_tables(session) else "in"
        yield (
            f"{len(strangers)} that polargen did not make stand {whose} {schema}: "
            f"{_first(strangers)}",
            "move them to another schema, or load into another one with --schema",
        )


def _nothing_to_fill(session: Session) -> Iterator[Problem]:
    schema = session.database.schema
    if session.database.load_mode == "append":
        if not set(owned_tables(session)) - {RUNS}:
            yield (
                f"{schema} holds no tables that polargen made",
                "load it once with --load-mode replace",
            )
        return
    if is_marked(session):
        yield (
            f"{schema} holds tables that polargen made",
            "add to them with --load-mode append, or fill another schema",
        )
    elif not session.value(
        f"SELECT count(*) FROM pg_class c WHERE {_in_target(session)} "
        f"AND c.relkind IN ('r', 'p') AND c.relname <> {ddl.literal(RUNS)}"
    ):
        yield f"{schema} holds no tables to fill", f"make them first: {_CLONE.format(schema)}"


def _side_effects(session: Session) -> Iterator[Problem]:
    """What would carry rows, or locks, from the target's tables to others."""
    schema, inside = session.database.schema, _in_target(session)
    for table, trigger in session.rows(
        "SELECT c.relname::text, tgname::text FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid "
        f"WHERE {inside} AND NOT tgisinternal AND tgenabled <> 'D' AND tgtype & 4 > 0 ORDER BY 1, 2"
    ):
        yield (
            f"the trigger {trigger} on {table} would run for its rows",
            f"ALTER TABLE {ddl.where(schema, table)} DISABLE TRIGGER {ddl.name(trigger)}",
        )
    for table, rule in session.rows(
        "SELECT c.relname::text, rulename::text FROM pg_rewrite r JOIN pg_class c "
        f"ON c.oid = ev_class WHERE {inside} AND c.relkind <> 'v' AND ev_enabled <> 'D' "
        "AND ev_type = '3' ORDER BY 1, 2"
    ):
        yield (
            f"the rule {rule} on {table} would run for its rows",
            f"ALTER TABLE {ddl.where(schema, table)} DISABLE RULE {ddl.name(rule)}",
        )
    for table, part in session.rows(
        "SELECT c.relname::text, inhrelid::regclass::text FROM pg_inherits i "
        "JOIN pg_class c ON c.oid = inhparent JOIN pg_class p ON p.oid = inhrelid "
        f"WHERE {inside} AND c.relkind = 'p' AND p.relnamespace <> c.relnamespace ORDER BY 1, 2"
    ):
        yield f"{table} keeps rows in {part}", f"keep its partitions in {schema}"
    for table, kind in session.rows(
        "SELECT c.relname::text, CASE c.relkind WHEN 'f' THEN 'foreign table' ELSE 'view' END "
        f"FROM pg_class c WHERE {inside} AND c.relkind IN ('v', 'f') AND {_taken()} ORDER BY 1"
    ):
        yield f"{table} is a {kind}, its rows are elsewhere", f"make a table {schema}.{table}"
    for table, other in session.rows(
        "SELECT DISTINCT c.relname::text, confrelid::regclass::text FROM pg_constraint k "
        "JOIN pg_class c ON c.oid = conrelid JOIN pg_class p ON p.oid = confrelid "
        f"WHERE {inside} AND contype = 'f' AND p.relnamespace <> c.relnamespace ORDER BY 1, 2"
    ):
        yield (
            f"{table} refers to {other}, whose rows would be locked",
            f"let it refer to a table in {schema}",
        )


def _views(session: Session) -> Iterator[Problem]:
    strangers = foreign_views(session)
    if strangers:
        schema = views_schema(session.database.schema)
        yield (
            f"{len(strangers)} that polargen did not make as views stand in {schema}: "
            f"{_first(strangers)}",
            "move them to another schema, or load without --views",
        )


def _first(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")


def _in_target(session: Session) -> str:
    """Return the condition that a relation c stands in the target schema."""
    schema = ddl.literal(session.database.schema)
    return f"c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = {schema})"


def _taken() -> str:
    """Return the condition that a relation c is named like a table, in any spelling."""
    names = ", ".join(ddl.literal(name.replace("_", "")) for name in (*TABLES, RUNS))
    return f"replace(lower(c.relname), '_', '') IN ({names})"
