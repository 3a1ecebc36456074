"""What the safety guard asks the server: its state, rights, room, and the target schema.

Only the system's catalogues are read, and nothing is written.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from polargen import ddl, guard_target
from polargen.database import Session
from polargen.guard import Check, Problem, Severity, check, says_production

OLDEST_SERVER = 13
_SAME_START_S = 60  # between the two instants that a server calls its start


@dataclass(frozen=True)
class Needs:
    """What a load needs of the server.

    Attributes:
        connections: at once.
        bytes: on disk, beside what is there.
    """

    connections: int
    bytes: int


LEAST_NEEDS = Needs(connections=5, bytes=0)  # the lock's, and four that build indexes


def checks(session: Session, needs: Needs, wrong_schema: bool) -> Iterator[Check]:
    """Make the server's checks.

    Args:
        session: on the database; its `Database` says how it is to be loaded.
        needs: of the load.
        wrong_schema: what stands in the target is none of polargen's business.
    """
    database = session.database
    yield from _server(session)
    problems = [*_database_rights(session), *([] if wrong_schema else guard_target.rights(session))]
    yield check("privilege", "this user may do what a load does", problems)
    if not wrong_schema:
        yield from guard_target.contents(session)
    if database.grants:
        yield check("grants", "the roles are there", _grants(session))
    yield _replication(session)
    yield _connections(session, needs)
    yield _disk(session, needs)


def _server(session: Session) -> Iterator[Check]:
    database, place = session.database, session.database.place
    name, replica, read_only, encoding, version = session.rows(
        "SELECT current_database()::text, pg_is_in_recovery(), "
        "current_setting('transaction_read_only') = 'on', "
        "pg_encoding_to_char(encoding)::text, current_setting('server_version_num')::int / 10000 "
        "FROM pg_database WHERE datname = current_database()"
    )[0]
    yield _judged(
        "name", f"{place} is not named like production",
        says_production(name) or says_production(database.host.split(".")[0]),
        f"{place} is named like production", "put it on POLARGEN_PROTECTED if it is", "warning",
    )  # fmt: skip
    yield _judged(
        "replica", "the server is no replica", replica,
        f"{place} is a replica", "load into its primary",
    )  # fmt: skip
    yield _judged(
        "read-only", "the server takes writes", read_only and not replica,
        f"{place} takes no writes", "unset default_transaction_read_only for this user",
    )  # fmt: skip
    yield _judged(
        "encoding", "the database is encoded in UTF8", encoding != "UTF8",
        f"{name} is encoded in {encoding}", "load into a UTF8 database",
    )  # fmt: skip
    yield _judged(
        "version", f"the server is PostgreSQL {OLDEST_SERVER} or newer", version < OLDEST_SERVER,
        f"the server is PostgreSQL {version}", f"load into PostgreSQL {OLDEST_SERVER} or newer",
    )  # fmt: skip


def _judged(
    name: str, holds: str, wrong: bool, reason: str, remedy: str, severity: Severity = "error"
) -> Check:
    return check(name, holds, [(reason, remedy)] if wrong else [], severity)


def _database_rights(session: Session) -> Iterator[Problem]:
    """Any load makes a staging schema."""
    name, user, may = session.rows(
        "SELECT current_database()::text, current_user::text, "
        "has_database_privilege(current_database(), 'CREATE')"
    )[0]
    if not may:
        grant = f"GRANT CREATE ON DATABASE {ddl.name(name)} TO {ddl.name(user)}"
        yield f"{user} cannot create schemas in {name}", grant


def _grants(session: Session) -> Iterator[Problem]:
    known = {row[0] for row in session.rows("SELECT rolname::text FROM pg_roles")}
    for role in session.database.grants:
        if role not in known:
            yield f"there is no role {role!r}", "create it, or leave it out of --grant"


def _replication(session: Session) -> Check:
    found = session.rows("SELECT pubname::text FROM pg_publication WHERE puballtables ORDER BY 1")
    problems = [
        (
            f"the publication {name} sends every table to its subscribers",
            "load into a database that none subscribes to",
        )
        for (name,) in found
    ]
    return check("replication", "no publication takes all tables", problems, "warning")


def _connections(session: Session, needs: Needs) -> Check:
    """Judge how many sessions are left; limits do not hold for superusers."""
    room = session.rows(
        "WITH used AS (SELECT * FROM pg_stat_activity WHERE usesysid IS NOT NULL "
        "AND datid IS NOT NULL AND pid <> pg_backend_pid()), "
        "me AS (SELECT * FROM pg_roles WHERE rolname = session_user) "
        "SELECT 'max_connections', current_setting('max_connections')::int - CASE WHEN rolsuper "
        "THEN 0 ELSE current_setting('superuser_reserved_connections')::int + "
        "coalesce(current_setting('reserved_connections', true), '0')::int END "
        "- (SELECT count(*) FROM used) FROM me "
        "UNION ALL SELECT 'the database''s connection limit', datconnlimit - (SELECT count(*) "
        "FROM used WHERE datid = d.oid) FROM pg_database d, me "
        "WHERE datname = current_database() AND datconnlimit >= 0 AND NOT rolsuper "
        "UNION ALL SELECT 'the user''s connection limit', rolconnlimit - (SELECT count(*) "
        "FROM used WHERE usesysid = me.oid) FROM me WHERE rolconnlimit >= 0 AND NOT rolsuper "
        "ORDER BY 2, 1"
    )
    limit, free = room[0]
    problems = []
    if free < needs.connections:
        reason = f"{needs.connections} are needed, {max(free, 0)} are free"
        problems.append((reason, f"lower --workers, or raise {limit}"))
    return check("connections", f"{free:,} are free, {needs.connections} are needed", problems)


def _disk(session: Session, needs: Needs) -> Check:
    """Judge the free space where new tables go; known only on the server's own machine."""
    folder = _folder(session)
    if folder is None:
        return Check("disk", "", unknown="only the server's own machine and user can tell")
    disk = shutil.disk_usage(folder)
    if not disk.total:
        return Check("disk", "", unknown=f"the file system of {folder} has no size")
    free, needed = f"{disk.free / 1e6:,.0f} MB", f"{needs.bytes / 1e6:,.0f} MB"
    problems = []
    if disk.free < needs.bytes:
        reason = f"about {needed} are needed, {free} are free in {folder}"
        problems.append((reason, "free space there, or lower --multiplier"))
    wanted = f", about {needed} are needed" if needs.bytes else ""
    return check("disk", f"{free} are free in {folder}{wanted}", problems)


def _folder(session: Session) -> Path | None:
    """Return the folder that new tables go to, if it is on this machine and can be looked into."""
    data, address, started, place = session.rows(
        "SELECT (SELECT setting FROM pg_settings WHERE name = 'data_directory'), "
        "coalesce(host(inet_server_addr()), ''), "
        "extract(epoch FROM pg_postmaster_start_time())::bigint, "
        "pg_tablespace_location(t.oid) FROM pg_tablespace t, pg_database d "
        "WHERE d.datname = current_database() AND (t.oid = d.dattablespace OR t.spcname = "
        "current_setting('default_tablespace')) ORDER BY t.oid = d.dattablespace"
    )[0]
    if not data or (address and not ip_address(address).is_loopback):
        return None
    folder = Path(data) / place
    try:  # another server's folder may have the same name on this machine
        lines = (Path(data) / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        same = abs(int(lines[2]) - started) <= _SAME_START_S
        return folder if same and folder.exists() else None
    except (OSError, ValueError, IndexError):
        return None
