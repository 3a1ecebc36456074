"""The local executor: processes of this machine, each with one task at a time.

Workers are fresh interpreters, never forks: Polars and Arrow start threads, and a fork of those
hangs. They do not import the caller's main module, so notebooks and plain scripts work as well. A
worker that dies is noticed at once; a worker whose orchestrator dies finds its pipe closed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any, Self

from polargen.errors import PolargenError, RunError
from polargen.executors.memory import keep_freed_memory
from polargen.executors.work import GroupResult, WorkSettings, run_group
from polargen.generators.base import register_generator, registered
from polargen.generators.totals import Totals

_SINGLE_THREADED = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}
_START = (
    "import sys; sys.path[:] = {path!r}; from polargen.executors.local import serve; serve({fd})"
)


class LocalExecutor:
    """Runs groups in ``workers`` processes, or in this one where one is enough.

    A context: the workers start with the first groups and live until it is left.

    Args:
        settings: of the run; travels to each worker once.
        workers: processes, 1 or more.
    """

    def __init__(self, settings: WorkSettings, workers: int) -> None:
        self._settings = settings
        self._workers = workers
        self._processes: dict[Connection, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for connection, process in self._processes.items():
            if error[0] is None:
                with suppress(OSError):  # it died after its last group
                    connection.send(None)
            else:
                process.kill()
        for connection, process in self._processes.items():
            process.wait()
            connection.close()

    def run(self, groups: Sequence[int], totals: Totals | None = None) -> Iterator[GroupResult]:
        """Yield results as they come.

        Args:
            groups: numbers, in the order in which they are begun.
            totals: of all facts, for groups of masters.

        Raises:
            RunError: a worker died or failed.
        """
        if self._workers == 1 or not _importable() or (len(groups) <= 1 and not self._processes):
            keep_freed_memory()
            for group in groups:
                yield run_group(self._settings, group, totals)
            return
        waiting = list(reversed(groups))
        while len(self._processes) < min(self._workers, len(groups)):
            self._processes.update([_start(self._settings)])
        busy = []
        for connection in list(self._processes)[: len(groups)]:
            connection.send((waiting.pop(), totals))
            busy.append(connection)
        while busy:
            for ready in wait(busy):
                assert isinstance(ready, Connection)
                result = _receive(ready, self._processes[ready])
                if waiting:
                    ready.send((waiting.pop(), totals))
                else:
                    busy.remove(ready)
                yield result


def _importable() -> bool:
    """Return whether fresh interpreters can import every plug-in."""
    return all(generator.__module__ != "__main__" for generator in registered())


def _start(settings: WorkSettings) -> tuple[Connection, subprocess.Popen[bytes]]:
    ours, theirs = Pipe()
    code = _START.format(path=sys.path, fd=theirs.fileno())
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=[theirs.fileno()],
        process_group=0,  # Ctrl-C is the orchestrator's alone
        env={**os.environ, **_SINGLE_THREADED},
    )
    theirs.close()
    ours.send((registered(), settings))
    return ours, process


def _receive(connection: Connection, process: subprocess.Popen[bytes]) -> GroupResult:
    try:
        kind, value = connection.recv()
    except (EOFError, OSError):
        code = process.wait()
        raise RunError(
            f"a worker process died (exit code {code}), killed or out of memory; the run was "
            "rolled back, try fewer workers"
        ) from None
    if kind == "result":
        return value  # type: ignore[no-any-return]
    if isinstance(value, PolargenError):
        raise value
    raise RunError(f"a worker failed and the run was rolled back:\n{value}")


def serve(descriptor: int) -> None:
    """Work for the orchestrator at the other end of a pipe; the main function of a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the orchestrator decides what Ctrl-C means
    keep_freed_memory()
    import pyarrow as pa

    pa.set_cpu_count(1)
    connection = Connection(descriptor)
    try:
        plugged, settings = connection.recv()
        for generator in plugged:
            register_generator(generator)
        while (task := connection.recv()) is not None:
            connection.send(_attempt(settings, *task))
        os._exit(0)  # nothing is left to write, and to take the modules down takes 0.2 s
    except (EOFError, BrokenPipeError, ConnectionResetError):
        os._exit(1)  # the orchestrator is gone; it or its successor cleans up


def _attempt(settings: WorkSettings, group: int, totals: Totals | None) -> tuple[str, Any]:
    try:
        return "result", run_group(settings, group, totals)
    except PolargenError as error:
        return "error", error
    except BaseException:  # noqa: BLE001 - whatever it is, the orchestrator must hear of it
        return "error", traceback.format_exc()
