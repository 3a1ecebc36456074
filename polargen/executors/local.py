"""The local executor: processes of this machine, each with one task at a time.

A worker that dies is noticed at once; a worker whose orchestrator dies finds its pipe closed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import traceback
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any, NoReturn

from polargen.errors import PolargenError, RunError
from polargen.executors.memory import keep_freed_memory
from polargen.executors.work import GroupResult, WorkSettings, groups_of, run_group, totals_for
from polargen.generators.base import register_generator, registered
from polargen.generators.totals import PackedTotals, Totals
from polargen.workers import Workers


class LocalExecutor:
    """Runs groups in several processes, or in this one where one is enough.

    Args:
        settings: of the run; travels to each worker once.
        workers: those that were started already; more are started as groups need them.
        count: of processes that work, 1 or more.
    """

    def __init__(self, settings: WorkSettings, workers: Workers, count: int) -> None:
        self._settings = settings
        self._workers = workers
        self._count = count
        self._told: list[Connection] = []  # those that have the settings

    def run(self, groups: Sequence[int], totals: Totals | None = None) -> Iterator[GroupResult]:
        """Yield results as they come.

        Args:
            groups: numbers, in the order in which they are begun.
            totals: of all facts, for groups of masters.

        Raises:
            RunError: a worker died or failed.
        """
        if self._count == 1 or not _importable() or (len(groups) <= 1 and not self._told):
            keep_freed_memory()
            for group in groups:
                yield run_group(self._settings, group, totals)
            return
        waiting = list(reversed(groups))
        blocks = groups_of(self._settings.plan, self._settings.blocks_per_group)

        def send(connection: Connection) -> None:
            group = waiting.pop()
            needed = None if totals is None else totals_for(blocks[group], totals)
            _send(connection, (group, needed))

        self._tell(min(self._count, len(groups)))
        busy = []
        for connection in self._told[: len(groups)]:
            send(connection)
            busy.append(connection)
        while busy:
            for ready in wait(busy):
                assert isinstance(ready, Connection)
                result = _receive(ready, self._workers.processes[ready])
                if waiting:
                    send(ready)
                else:
                    busy.remove(ready)
                yield result

    def _tell(self, count: int) -> None:
        """Send the settings to workers until ``count`` have them."""
        self._workers.start(count)
        for connection in list(self._workers.processes)[len(self._told) : count]:
            _send(connection, (registered(), self._settings))
            self._told.append(connection)


def _importable() -> bool:
    """Return whether fresh interpreters can import every plug-in."""
    return all(generator.__module__ != "__main__" for generator in registered())


def _send(connection: Connection, value: Any) -> None:
    with suppress(OSError):  # a worker that died is noticed when its result is received
        connection.send(value)


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


def serve(descriptor: int) -> NoReturn:
    """Work for the orchestrator at the other end of a pipe, until it ends this worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the orchestrator decides what Ctrl-C means
    keep_freed_memory()
    import pyarrow as pa

    pa.set_cpu_count(1)
    connection = Connection(descriptor)
    try:
        plugged, settings = connection.recv()
        for generator in plugged:
            register_generator(generator)
        while True:
            connection.send(_attempt(settings, *connection.recv()))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        os._exit(1)  # the orchestrator is gone; it or its successor cleans up


def _attempt(settings: WorkSettings, group: int, packed: PackedTotals | None) -> tuple[str, Any]:
    plan = settings.plan
    try:
        totals = None if packed is None else packed.unpacked(plan.companies, plan.products)
        return "result", run_group(settings, group, totals)
    except PolargenError as error:
        return "error", error
    except BaseException:  # noqa: BLE001 - whatever it is, the orchestrator must hear of it
        return "error", traceback.format_exc()
