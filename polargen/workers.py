"""Worker interpreters: started as early as possible, they import while the run is still planned.

Workers are fresh interpreters, never forks: Polars and Arrow start threads, and a fork of those
hangs. They do not import the caller's main module, so notebooks and plain scripts work as well.
This module imports nothing that takes time, so that a command can start them before all else.
"""

from __future__ import annotations

import os
import subprocess
import sys
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Self

SMALL_RUN_ROWS = 400_000  # for fewer, starting workers costs more than it brings
_SINGLE_THREADED = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}
_START = (
    "import gc, sys; sys.path[:] = {path!r}; gc.disable(); "  # there is no garbage in imports
    "from polargen.executors.local import serve; gc.freeze(); gc.enable(); serve({fd})"
)


class Workers:
    """The worker processes of one run, each at the end of a pipe.

    A context: when it is left they are killed, whatever they do; between tasks they hold nothing
    that could be lost.
    """

    def __init__(self) -> None:
        self.processes: dict[Connection, subprocess.Popen[bytes]] = {}

    def start(self, count: int) -> None:
        """Start workers until there are ``count``; they come up in the background."""
        while len(self.processes) < count:
            ours, theirs = Pipe()
            self.processes[ours] = subprocess.Popen(
                [sys.executable, "-c", _START.format(path=sys.path, fd=theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                process_group=0,  # Ctrl-C is the orchestrator's alone
                env={**os.environ, **_SINGLE_THREADED},
            )
            theirs.close()

    def prepare(self, rows: int, wanted: int | None) -> None:
        """Start those that a run of about so many rows will need; none for a small run."""
        count = min(workers_for(rows, wanted), 1 + rows // SMALL_RUN_ROWS)
        if count > 1:
            self.start(count)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for process in self.processes.values():
            process.kill()
        while self.processes:
            connection, process = self.processes.popitem()
            process.wait()
            connection.close()


def workers_for(rows: int, wanted: int | None) -> int:
    """Return how many workers a run of so many rows gets: as wanted, else one a core."""
    if wanted is not None:
        return wanted
    if rows < SMALL_RUN_ROWS:
        return 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
