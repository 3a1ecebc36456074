"""The local executor: processes of this machine, each with one task at a time.

Processes are spawned, never forked: Polars and Arrow start threads, and a fork of those hangs.
A worker that dies is noticed at once; a worker whose orchestrator dies finds its pipe closed.
"""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Iterator, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from polargen.errors import PolargenError, RunError
from polargen.executors.memory import keep_freed_memory
from polargen.executors.work import GroupResult, WorkSettings, run_group

_SINGLE_THREADED = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}


class LocalExecutor:
    """Runs groups in ``workers`` processes, or in this one where one is enough.

    Args:
        settings: of the run; travels to each worker once.
        workers: processes, 1 or more.
    """

    def __init__(self, settings: WorkSettings, workers: int) -> None:
        self._settings = settings
        self._workers = workers

    def run(self, groups: Sequence[int]) -> Iterator[GroupResult]:
        """Yield results as they come; leaving the loop stops the workers.

        Raises:
            RunError: a worker died or failed.
        """
        if self._workers == 1 or len(groups) <= 1:
            keep_freed_memory()
            for group in groups:
                yield run_group(self._settings, group)
            return
        yield from self._spread(groups)

    def _spread(self, groups: Sequence[int]) -> Iterator[GroupResult]:
        waiting = list(reversed(groups))
        busy: dict[Connection, BaseProcess] = {}
        try:
            for _ in range(min(self._workers, len(groups))):
                connection, process = _start(self._settings)
                busy[connection] = process
                connection.send(waiting.pop())
            while busy:
                for ready in wait(list(busy)):
                    assert isinstance(ready, Connection)
                    result = _receive(ready, busy[ready])
                    if waiting:
                        ready.send(waiting.pop())
                    else:
                        ready.send(None)
                        busy.pop(ready).join()
                        ready.close()
                    yield result
        finally:
            for connection, process in busy.items():
                process.kill()
                process.join()
                connection.close()


def _start(settings: WorkSettings) -> tuple[Connection, BaseProcess]:
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True, name="polargen-worker")
    before = {name: os.environ.get(name) for name in _SINGLE_THREADED}
    os.environ.update(_SINGLE_THREADED)
    try:
        process.start()
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
    theirs.close()
    ours.send(settings)
    return ours, process


def _receive(connection: Connection, process: BaseProcess) -> GroupResult:
    try:
        kind, value = connection.recv()
    except (EOFError, OSError):
        process.join(timeout=5)
        raise RunError(
            f"a worker process died (exit code {process.exitcode}), killed or out of memory; "
            "the run was rolled back, try fewer workers"
        ) from None
    if kind == "result":
        return value  # type: ignore[no-any-return]
    if isinstance(value, PolargenError):
        raise value
    raise RunError(f"a worker failed and the run was rolled back:\n{value}")


def _serve(connection: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the orchestrator decides what Ctrl-C means
    keep_freed_memory()
    import pyarrow as pa

    pa.set_cpu_count(1)
    settings: Any = None
    try:
        settings = connection.recv()
        while (group := connection.recv()) is not None:
            connection.send(_attempt(settings, group))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        os._exit(1)  # the orchestrator is gone; it or its successor cleans up


def _attempt(settings: WorkSettings, group: int) -> tuple[str, Any]:
    try:
        return "result", run_group(settings, group)
    except PolargenError as error:
        return "error", error
    except BaseException:  # noqa: BLE001 - whatever it is, the orchestrator must hear of it
        return "error", traceback.format_exc()
