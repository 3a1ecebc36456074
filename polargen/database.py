"""A PostgreSQL database: where it is, sessions on it, and errors that never show a password.

Sessions are ADBC connections in autocommit; transactions are explicit. The driver is imported
when the first session opens.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from polargen import driver
from polargen.ddl import literal, name
from polargen.errors import ConfigError, TargetError

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA = "mock_data"
IdType = Literal["bigint", "uuid"]
LoadMode = Literal["replace", "append", "existing"]
_SCHEMES = ("postgresql", "postgres")
_KEYWORD = re.compile(r"(\w+)\s*=\s*('(?:[^'\\]|\\.)*'|\S*)")
_SECRETS = ("password", "sslpassword", "passfile", "sslkey")
_SHORT = 4
_COPY_ROWS = 2048  # measured: what is encoded at once stays in the cache, and no buffer grows
# What to do about an error, by SQLSTATE or its class.
_REMEDIES = {
    "28": "check user and password in the URL",
    "3D": "create the database, or name another one in the URL",
    "08": "check that the server runs and can be reached, then run the command again",
    "57P": "the server ended the session; run the command again",
    "53100": "free space on the server's disk",
    "53300": "lower --workers, or raise the server's max_connections",
    "42501": "grant the privilege to this user, or connect as another one",
    "55P03": "others hold the tables; end their transactions, then run the command again",
    "57014": "raise statement_timeout for this user, then run the command again",
    "25006": "connect to a server that takes writes",
    "23": "the rows break the schema's rules; please report this",
}
_LOST = "the session was lost; run the command again"
_UNREACHABLE = "check the URL and that the server runs"


class DatabaseError(TargetError):
    """A statement failed.

    Attributes:
        sqlstate: five characters; "" where the session itself failed.
    """

    def __init__(self, message: str, sqlstate: str = "") -> None:
        super().__init__(message)
        self.sqlstate = sqlstate

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.sqlstate)


@dataclass(frozen=True)
class Database:
    """Where to load: a server, a database, a schema. Picklable; shows no credentials.

    Attributes:
        url: postgresql://user:password@host:port/database, or libpq's keywords.
        schema: that tables go to.
        unlogged: tables without write-ahead log: faster, and empty after a crash of the server.
        id_type: of keys: bigint, or uuid. Tables that exist decide themselves.
        load_mode: replace what is there, append to it, or fill existing tables of others.
        grants: roles that may read the tables.
        views: "camel" for views with camelCase columns in the schema ``<schema>_camel``.
        wait: for another run on the same schema, instead of being refused.
    """

    url: str = field(repr=False)
    schema: str = SCHEMA
    unlogged: bool = False
    id_type: IdType = "bigint"
    load_mode: LoadMode = "replace"
    grants: tuple[str, ...] = ()
    views: Literal["camel"] | None = None
    wait: bool = False

    def __post_init__(self) -> None:
        """Refuse what is no connection string, without showing it.

        Raises:
            ConfigError: it cannot be read.
        """
        try:
            self._parts()
        except ValueError:
            raise ConfigError(
                "--database: is no connection string, write it like "
                "postgresql://user:password@host:5432/database"
            ) from None

    @property
    def place(self) -> str:
        """Host and database, without credentials."""
        parts = self._parts()
        host = parts.get("host") or parts.get("hostaddr") or "local socket"
        port = f":{parts['port']}" if parts.get("port") else ""
        return f"{host}{port}/{parts.get('dbname') or '(default)'}"

    @property
    def host(self) -> str:
        """Host as given; several are separated by commas; "" for the default socket."""
        return self._parts().get("host", "")

    def redact(self, text: str) -> str:
        """Return a text without the URL and without its secrets."""
        text = text.replace(self.url, self.place)
        parts = self._parts()
        for secret in {parts[key] for key in _SECRETS if parts.get(key)}:
            for form in {secret, *(_raw_forms(self.url, secret))}:
                if len(form) >= _SHORT:
                    text = text.replace(form, "***")
                else:
                    text = re.sub(rf"(?<!\w){re.escape(form)}(?!\w)", "***", text)
        return text

    def connect(self, application: str = "polargen") -> Session:
        """Open a session.

        Raises:
            ConfigError: the driver cannot be used; see `polargen.driver`.
            TargetError: the server cannot be reached or refuses.
        """
        from adbc_driver_manager import Error

        try:
            connection = driver.connect(self.url)
        except Error as error:
            raise self.error(error, connecting=True) from None
        session = Session(self, connection)
        session.execute(f"SET application_name = {literal(application)}")
        session.execute("SET idle_in_transaction_session_timeout = 0")
        session.execute("SET statement_timeout = 0")
        session.execute("SET client_min_messages = warning")
        session.execute("SET search_path = pg_catalog")
        session.execute("SET timezone = 'UTC'")
        return session

    def error(self, error: Exception, connecting: bool = False) -> DatabaseError:
        """Return a driver's error as one sentence without credentials."""
        state = getattr(error, "sqlstate", None) or ""
        said = _said(str(error))
        lost = not state or state.startswith(("08", "57P"))
        remedy = next((text for key, text in _REMEDIES.items() if state.startswith(key)), "")
        if not remedy and (connecting or (lost and "onnection" in said)):
            remedy = _UNREACHABLE if connecting else _LOST
        tail = f"; {remedy}" if remedy else ""
        return DatabaseError(self.redact(f"database {self.place}: {said}{tail}"), state)

    def _parts(self) -> dict[str, str]:
        """Return the connection's keywords.

        Raises:
            ValueError: the text is no connection string.
        """
        text = self.url.strip()
        if "://" not in text:
            found = {key: value.strip("'") for key, value in _KEYWORD.findall(text)}
            if not found or _KEYWORD.sub("", text).strip():
                raise ValueError("no keywords")
            return found
        split = urlsplit(text)
        if split.scheme not in _SCHEMES:
            raise ValueError("scheme")
        parts: dict[str, str] = {}
        login, _, hosts = split.netloc.rpartition("@")
        user, _, password = login.partition(":")
        host, _, port = hosts.rpartition(":") if _has_port(hosts) else (hosts, "", "")
        for key, value in (
            ("user", user),
            ("password", password),
            ("host", host),
            ("port", port),
            ("dbname", split.path.removeprefix("/")),
        ):
            if value:
                parts[key] = unquote(value)
        parts.update(parse_qsl(split.query))
        return parts


class Session:
    """One connection, in autocommit."""

    def __init__(self, database: Database, connection: Any) -> None:
        self.database = database
        self._connection = connection
        self._cursor: Any = None

    def execute(self, statement: str) -> None:
        """Run a statement that returns nothing.

        Raises:
            TargetError: it failed; see `DatabaseError`.
        """
        with self._cursor_of() as cursor:
            cursor.execute(statement)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return a query's rows."""
        with self._cursor_of() as cursor:
            cursor.execute(query)
            return [tuple(row) for row in cursor.fetchall()]

    def value(self, query: str) -> Any:
        """Return the first value of a query's first row, None without rows."""
        found = self.rows(query)
        return found[0][0] if found else None

    def fetch(self, query: str) -> pa.Table:
        """Return a query's rows as Arrow."""
        with self._cursor_of() as cursor:
            cursor.execute(query)
            return cursor.fetch_arrow_table()

    def stream(self, query: str) -> Iterator[pa.RecordBatch]:
        """Yield a query's rows as they come, some 16 MB at a time; leaving early ends the query."""
        with self._cursor_of() as cursor:
            cursor.execute(query)
            reader, whole = cursor.fetch_record_batch(), False
            try:
                while not whole:
                    try:
                        batch = reader.read_next_batch()
                    except StopIteration:
                        whole = True
                    except (OSError, ValueError) as error:  # the driver's, as Arrow passes them on
                        raise self.database.error(error) from None
                    else:
                        yield batch
            finally:
                if not whole:
                    self.cancel()

    def copy(self, schema: str, table: str, rows: pa.Table) -> int:
        """Append rows by binary COPY; the Arrow types must be those of the columns."""
        with self._cursor_of() as cursor:
            steps = rows.to_reader(max_chunksize=_COPY_ROWS)
            return int(cursor.adbc_ingest(table, steps, mode="append", db_schema_name=schema))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what the block does, or none of it."""
        self.execute("BEGIN")
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            with suppress(TargetError):
                self.execute("ROLLBACK")
            raise

    def cancel(self) -> None:
        """Stop the running statement; from another thread."""
        with suppress(Exception):
            self._connection.adbc_cancel()

    def close(self) -> None:
        """Close the session; a transaction that is open is rolled back."""
        with suppress(Exception):
            self._connection.close()

    @contextmanager
    def _cursor_of(self) -> Iterator[Any]:
        from adbc_driver_manager import Error

        try:
            with self._connection.cursor() as cursor:
                yield cursor
        except Error as error:
            raise self.database.error(error) from None


def drop_schema(schema: str) -> str:
    """Return the statement that drops a schema with all that it holds."""
    return f"DROP SCHEMA IF EXISTS {name(schema)} CASCADE"


def _has_port(hosts: str) -> bool:
    return bool(re.search(r":\d*$", hosts)) and hosts.count(",") == 0


def _raw_forms(url: str, secret: str) -> list[str]:
    """Return the ways in which a secret is written in the URL."""
    found = re.findall(r"://[^/@]*?:([^@]*)@|(?:ssl)?password=([^&\s]*)", url)
    return [form for pair in found for form in pair if form and unquote(form) == secret]


def _said(text: str) -> str:
    """Return the server's words in a driver's error, in one line."""
    found = re.search(r"(?:ERROR|FATAL|PANIC):\s+(.*)", text)
    without = re.sub(r"Failed to execute query '.*':\s*", "", text, flags=re.DOTALL)
    words = found.group(1) if found else without.splitlines()[0].rpartition("[libpq] ")[2]
    words = words or "no connection to the server"  # it died without a word
    words = re.sub(r"^(?:[A-Z][A-Za-z_]+: )?(?:Failed to [a-z ]+: )*", "", words)
    detail = re.search(r"DETAIL:\s+(.*)", text)
    words = words.strip().rstrip(".")
    return f"{words} ({detail.group(1).strip().rstrip('.')})" if detail else words
