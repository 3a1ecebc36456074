"""The safety guard of database writes: environment, toggle, schema, and the server's own state.

Every check is made, also after one has failed, so that a refusal shows all of them at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

from polargen import guard_server, state
from polargen.database import SCHEMA, Database, Session
from polargen.errors import PolargenError
from polargen.guard import Check, Failure, Problem, check, environment_check, failures_in, refuse
from polargen.guard_server import LEAST_NEEDS, Needs

PROTECTED_VARIABLE = "POLARGEN_PROTECTED"
_SCHEMA = re.compile(r"mock_data(_[a-z0-9]+)*")
_MOST_SCHEMA_BYTES = 49  # a staging schema's name is 14 longer, and PostgreSQL keeps 63
# Source: Supabase, "Connect to your database": this port of its hosts is the transaction pooler.
_TRANSACTION_POOLER = re.compile(r"supabase\.(?:co|com):6543/")

__all__ = ["Needs", "check_database_write", "checks_of", "failures_of"]


def check_database_write(
    database: Database, environment: Mapping[str, str], needs: Needs | None = None
) -> list[Failure]:
    """Refuse to load a database where production may be, or where the load has no room.

    Args:
        database: where and how to load.
        environment: variables.
        needs: of the load; None for those of the smallest one.

    Returns:
        What is only a warning.

    Raises:
        GuardError: with every failed check and its remedy.
        TargetError: the server cannot be reached, and nothing else is wrong.
    """
    failures = failures_of(database, environment, needs)
    refuse([failure for failure in failures if failure.severity == "error"])
    return failures


def failures_of(
    database: Database, environment: Mapping[str, str], needs: Needs | None = None
) -> list[Failure]:
    """Return every reason why a check failed; see `checks_of`."""
    return failures_in(checks_of(database, environment, needs))


def checks_of(
    database: Database, environment: Mapping[str, str], needs: Needs | None = None
) -> list[Check]:
    """Make every check and return them, also those that passed; nothing is written.

    Raises:
        TargetError: the server cannot be reached, and nothing else is wrong.
    """
    schema = check("schema", f"the target is {SCHEMA} or {SCHEMA}_<suffix>", _schema(database))
    made = [
        environment_check(environment),
        check("toggle", "database loads are enabled", _toggle(environment)),
        schema,
        check("pooler", "the URL names no transaction pooler", _pooler(database)),
    ]
    protected = [
        pattern.strip()
        for pattern in environment.get(PROTECTED_VARIABLE, "").split(",")
        if pattern.strip()
    ]
    try:
        session = database.connect("polargen guard")
    except PolargenError as error:
        made.append(_protected(protected, _names(database)))
        if not failures_in(made):
            raise
        return [*made, check("connection", "", [(str(error), "then run it again")])]
    try:
        made.append(_protected(protected, _names(database) | _server_names(session)))
        made.append(check("connection", f"{database.place} answers", []))
        made += guard_server.checks(session, needs or LEAST_NEEDS, bool(schema.failures))
    finally:
        session.close()
    return made


def _toggle(environment: Mapping[str, str]) -> Iterator[Problem]:
    on, why = state.enabled(environment)
    if not on:
        yield why, f"set {state.TOGGLE_VARIABLE}=true or run polargen toggle --enable"


def _schema(database: Database) -> Iterator[Problem]:
    schema = database.schema
    if not _SCHEMA.fullmatch(schema) or len(schema.encode()) > _MOST_SCHEMA_BYTES:
        yield (
            f"the target schema is {schema!r}",
            f"load into {SCHEMA} or {SCHEMA}_<suffix> of a-z, 0-9 and single underscores, at "
            f"most {_MOST_SCHEMA_BYTES} characters",
        )


def _pooler(database: Database) -> Iterator[Problem]:
    if _TRANSACTION_POOLER.search(database.place.lower()):
        yield (
            f"{database.place} is Supabase's transaction pooler, where a session's lock and "
            "settings are lost between statements",
            "take the connection string of the session pooler, or the direct one (port 5432)",
        )


def _names(database: Database) -> set[str]:
    """Return what a pattern may mean, as the URL says it."""
    parts = {host.strip().lower() for host in database.host.split(",") if host.strip()}
    place = database.place.lower()
    return parts | {place, place.rpartition("/")[2], place.rpartition("/")[0]}


def _server_names(session: Session) -> set[str]:
    """Return what a pattern may mean, as the server says it."""
    rows = session.rows("SELECT current_database()::text, coalesce(host(inet_server_addr()), '') ")
    name, address = rows[0]
    return {text.lower() for text in (name, address, f"{address}/{name}") if text}


def _protected(patterns: list[str], names: set[str]) -> Check:
    problems = []
    for pattern in patterns:
        matching = [name for name in sorted(names) if fnmatchcase(name, pattern.lower())]
        if matching:
            reason = f"{matching[0]} is on {PROTECTED_VARIABLE} ({pattern})"
            problems.append((reason, "load into another database"))
    return check("protected", f"host and database are not on {PROTECTED_VARIABLE}", problems)
