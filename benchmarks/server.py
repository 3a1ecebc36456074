"""A private PostgreSQL for benchmarks: a fresh cluster of the wheel, the same settings for all."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from benchmarks.measure import ROOT
from polargen import embedded, state
from polargen.errors import RunError

# Differences from the server's defaults. Everything is logged and flushed as in production; what
# is left out comes at random times and would fall on one run and not on the next.
SETTINGS = {
    "shared_buffers": "1GB",
    "max_wal_size": "16GB",  # no checkpoint within a run
    "min_wal_size": "4GB",  # log files are used again, not made anew
    "checkpoint_timeout": "1h",
    "autovacuum": "off",
}
_QUIET_S = 30.0


@dataclass(frozen=True)
class Cost:
    """What a load used.

    Attributes:
        wall_s: from start to end.
        client_cpu_s: user and system time of the loading processes.
        server_cpu_s: of the server's.
    """

    wall_s: float
    client_cpu_s: float
    server_cpu_s: float

    def figures(self) -> dict[str, float]:
        """Return the figures by name."""
        cpu_s = self.client_cpu_s + self.server_cpu_s
        return {**vars(self), "cpu_s": cpu_s}


class Server:
    """The running cluster.

    Attributes:
        url: of its database.
        env: of polargen's processes that load it.
        version: of the server.
    """

    def __init__(self, url: str, folder: Path, env: Mapping[str, str]) -> None:
        self.url = url
        self.env = {**env, state.TOGGLE_VARIABLE: "true"}
        pid = (folder / "postmaster.pid").read_text(encoding="ascii").split()[0]
        self._postmaster = psutil.Process(int(pid))
        self.version = self.value("SHOW server_version")

    def psql(self, *commands: str, settings: Sequence[str] = ()) -> str:
        """Run commands, each in its own transaction, in one psql; return what it prints.

        Args:
            commands: SQL, or psql's own.
            settings: of the session, like ``work_mem=64MB``.

        Raises:
            RunError: one failed; with what psql said.
        """
        program = [str(embedded.programs() / "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1"]
        asked = [part for command in commands for part in ("-c", command)]
        options = " ".join(f"-c {setting}" for setting in settings)
        done = subprocess.run(
            [*program, *asked, self.url],
            env={**os.environ, "PGOPTIONS": options},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RunError(f"psql: {done.stderr.strip()[-1000:]}")
        return done.stdout

    def value(self, query: str) -> str:
        """Return the one value of a query, as text."""
        return self.psql(query).strip()

    def calm(self, *schemas: str) -> None:
        """Drop schemas and bring everything to disk, so that each run finds the same server."""
        self.psql(*(f"DROP SCHEMA IF EXISTS {name} CASCADE" for name in schemas), "CHECKPOINT")
        os.sync()
        self._wait_for_sessions()

    def cpu_s(self) -> float:
        """Return the user and system time of all the server's processes so far."""
        self._wait_for_sessions()
        while True:
            used = self._postmaster.cpu_times()
            total = used.user + used.system + used.children_user + used.children_system
            try:
                living = [process.cpu_times() for process in self._postmaster.children()]
            except psutil.NoSuchProcess:  # it ended meanwhile, so its time moved to the children's
                continue
            return float(total + sum(times.user + times.system for times in living))

    @contextmanager
    def measured(self) -> Iterator[list[Cost]]:
        """Measure the block; its cost is in the list afterwards."""
        found: list[Cost] = []
        server, client, started = self.cpu_s(), _children_cpu_s(), time.perf_counter()
        yield found
        wall = time.perf_counter() - started
        client = _children_cpu_s() - client
        found.append(Cost(wall, client, self.cpu_s() - server))

    def _wait_for_sessions(self) -> None:
        """Wait until no client's session is left: its time counts once its process has ended."""
        until = time.monotonic() + _QUIET_S
        while any("[local]" in _title(process) for process in self._postmaster.children()):
            if time.monotonic() > until:
                raise RunError("a session of the benchmark's server does not end")
            time.sleep(0.005)


@contextmanager
def running(home: Path) -> Iterator[Server]:
    """Make a cluster in a new state folder, run it, and stop it in the end.

    Raises:
        RunError: it does not start; with what was said.
    """
    home.parent.chmod(0o755)  # a server does not run as root: its user must get through
    env = {state.HOME_VARIABLE: str(home)}
    try:
        first = _start(env)
        first.psql(*(f"ALTER SYSTEM SET {name} = '{value}'" for name, value in SETTINGS.items()))
        _polargen("server --stop", env)
        yield _start(env)
    finally:
        _polargen("server --stop", env)


def _start(env: Mapping[str, str]) -> Server:
    found = json.loads(_polargen("server", env))
    return Server(found["url"], Path(found["folder"]), env)


def _polargen(command: str, env: Mapping[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "polargen", *command.split(), "--json"],
        cwd=ROOT,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RunError(f"polargen {command}: {done.stderr.strip()[-1000:]}")
    return done.stdout


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
