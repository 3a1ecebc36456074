"""The safety guard of database writes: environment, toggle, schema, and the server's own state.

Every check is made, also after one has failed, so that a refusal shows all of them at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

from polargen import ddl, state
from polargen.database import SCHEMA, Database, Session
from polargen.errors import PolargenError
from polargen.guard import Failure, environment_failures, refuse, says_production
from polargen.owned import foreign, is_marked, owned_tables

PROTECTED_VARIABLE = "POLARGEN_PROTECTED"
OLDEST_SERVER = 13
_SCHEMA = re.compile(r"mock_data(_[a-z0-9]+)*")
_MOST_SCHEMA_BYTES = 49  # a staging schema's name is 14 longer, and PostgreSQL keeps 63
_SHOWN = 3


def check_database_write(database: Database, environment: Mapping[str, str]) -> list[Failure]:
    """Refuse to load a database where production may be.

    Returns:
        What is only a warning.

    Raises:
        GuardError: with every failed check and its remedy.
        TargetError: the server cannot be reached, and nothing else is wrong.
    """
    failures = failures_of(database, environment)
    refuse([failure for failure in failures if failure.severity == "error"])
    return failures


def failures_of(database: Database, environment: Mapping[str, str]) -> list[Failure]:
    """Return every failed check; nothing is written.

    Raises:
        TargetError: the server cannot be reached, and nothing else is wrong.
    """
    failures = [*environment_failures(environment), *_toggle(environment), *_schema(database)]
    protected = [
        pattern.strip()
        for pattern in environment.get(PROTECTED_VARIABLE, "").split(",")
        if pattern.strip()
    ]
    try:
        session = database.connect("polargen guard")
    except PolargenError as error:
        failures += _protected(protected, _names(database))
        if not failures:
            raise
        return [*failures, Failure("connection", str(error), "error", "then run it again")]
    try:
        place = _names(database) | _server_names(session)
        failures += _protected(protected, place)
        failures += _server(session)
    finally:
        session.close()
    return failures


def _toggle(environment: Mapping[str, str]) -> Iterator[Failure]:
    on, why = state.enabled(environment)
    if not on:
        yield Failure(
            "toggle",
            why,
            "error",
            f"set {state.TOGGLE_VARIABLE}=true or run polargen toggle --enable",
        )


def _schema(database: Database) -> Iterator[Failure]:
    schema = database.schema
    if not _SCHEMA.fullmatch(schema) or len(schema.encode()) > _MOST_SCHEMA_BYTES:
        yield Failure(
            "schema",
            f"the target schema is {schema!r}",
            "error",
            f"load into {SCHEMA} or {SCHEMA}_<suffix> of a-z, 0-9 and single underscores, at "
            f"most {_MOST_SCHEMA_BYTES} characters",
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


def _protected(patterns: list[str], names: set[str]) -> Iterator[Failure]:
    for pattern in patterns:
        for name in sorted(names):
            if fnmatchcase(name, pattern.lower()):
                yield Failure(
                    "protected",
                    f"{name} is on {PROTECTED_VARIABLE} ({pattern})",
                    "error",
                    "load into another database",
                )
                break


def _server(session: Session) -> Iterator[Failure]:
    database = session.database
    name, replica, read_only, encoding, version = session.rows(
        "SELECT current_database()::text, pg_is_in_recovery(), "
        "current_setting('transaction_read_only') = 'on', "
        "pg_encoding_to_char(encoding)::text, current_setting('server_version_num')::int / 10000 "
        "FROM pg_database WHERE datname = current_database()"
    )[0]
    if says_production(name) or says_production(database.host.split(".")[0]):
        yield Failure(
            "name", f"{database.place} is named like production", "warning",
            f"put it on {PROTECTED_VARIABLE} if it is",
        )  # fmt: skip
    if replica:
        yield Failure("replica", f"{database.place} is a replica", "error", "load into its primary")
    elif read_only:
        yield Failure(
            "read-only", f"{database.place} takes no writes", "error",
            "unset default_transaction_read_only for this user",
        )  # fmt: skip
    if encoding != "UTF8":
        yield Failure(
            "encoding", f"{name} is encoded in {encoding}", "error", "load into a UTF8 database"
        )
    if version < OLDEST_SERVER:
        yield Failure(
            "version", f"the server is PostgreSQL {version}", "error",
            f"load into PostgreSQL {OLDEST_SERVER} or newer",
        )  # fmt: skip
    yield from _privileges(session, name)
    if not any(_schema(database)):  # what stands in another schema is none of polargen's business
        yield from _contents(session)


def _privileges(session: Session, name: str) -> Iterator[Failure]:
    user = str(session.value("SELECT current_user::text"))
    if not session.value("SELECT has_database_privilege(current_database(), 'CREATE')"):
        grant = f"GRANT CREATE ON DATABASE {ddl.name(name)} TO {ddl.name(user)}"
        yield Failure("privilege", f"{user} cannot create schemas in {name}", "error", grant)
    schema = session.database.schema
    owner = session.rows(
        "SELECT nspowner::regrole::text, pg_has_role(nspowner, 'USAGE') FROM pg_namespace "
        f"WHERE nspname = {ddl.literal(schema)}"
    )
    if owner and not owner[0][1]:
        yield Failure(
            "privilege", f"{schema} belongs to {owner[0][0]}, not to {user}", "error",
            f"connect as {owner[0][0]}, or load into another schema",
        )  # fmt: skip


def _contents(session: Session) -> Iterator[Failure]:
    schema = session.database.schema
    strangers = foreign(session)
    if not strangers:
        return
    shown = ", ".join(strangers[:_SHOWN]) + (", ..." if len(strangers) > _SHOWN else "")
    whose = "beside" if is_marked(session) and owned_tables(session) else "in"
    yield Failure(
        "foreign objects",
        f"{len(strangers)} that polargen did not make stand {whose} {schema}: {shown}",
        "error",
        "move them to another schema, or load into another one with --schema",
    )
