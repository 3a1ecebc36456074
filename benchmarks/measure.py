"""Measuring whole processes and counting what they wrote."""

from __future__ import annotations

import os
import shutil
import signal
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any

import psutil  # type: ignore[import-untyped]
import pyarrow.parquet as pq

from polargen.errors import RunError

ROOT = Path(__file__).resolve().parents[1]
_SAMPLE_S = 0.02
_CHILDREN_S = 0.5  # looking for new children reads all of /proc; more often would cost CPU
_MESSAGE_CHARS = 2000


@dataclass(frozen=True)
class Usage:
    """What one process and its children used.

    Attributes:
        wall_s: from start to end.
        cpu_s: user and system time, of the process and of all children it waited for.
        tree_bytes: largest sum of the resident memory of all its processes; pages that they
            share count for each. 0 where it was not sampled.
        process_bytes: largest resident memory of one of the children, of the process itself where
            it has none. 0 where it was not sampled.
    """

    wall_s: float
    cpu_s: float
    tree_bytes: int = 0
    process_bytes: int = 0


@dataclass(frozen=True)
class Written:
    """What lies in a folder of Parquet files.

    Attributes:
        rows, bytes: of all files.
        cells: rows times columns of each file; a nested column counts once.
    """

    rows: int
    cells: int
    bytes: int


@dataclass(frozen=True)
class Run:
    """One run of a generator: what it used and what it wrote."""

    usage: Usage
    written: Written

    def figures(self) -> dict[str, float]:
        """Return the figures that are compared, by name."""
        usage, written = self.usage, self.written
        return {
            "wall_s": usage.wall_s,
            "cpu_s": usage.cpu_s,
            "rows": written.rows,
            "cells": written.cells,
            "bytes": written.bytes,
            "rows_per_s": written.rows / usage.wall_s,
            "cells_per_s": written.cells / usage.wall_s,
            "cells_per_cpu_s": written.cells / usage.cpu_s,
            "bytes_per_s": written.bytes / usage.wall_s,
            "bytes_per_cell": written.bytes / written.cells,
            "tree_bytes": usage.tree_bytes,
            "process_bytes": usage.process_bytes,
        }


@dataclass(frozen=True)
class Spread:
    """Median, least and most of several values."""

    median: float
    least: float
    most: float
    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Return the spread of one value or more."""
        return cls(statistics.median(values), min(values), max(values), tuple(values))

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)


class _Sampler(threading.Thread):
    """Watches the resident memory of a process and its children until it is stopped."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._root = psutil.Process(pid)
        self._over = threading.Event()
        self._peaks: dict[int, int] = {}
        self.tree_bytes = 0

    def run(self) -> None:
        processes, looked = [self._root], 0.0
        while not self._over.wait(_SAMPLE_S):
            if time.monotonic() - looked > _CHILDREN_S:
                with suppress(psutil.Error):
                    processes = [self._root, *self._root.children(recursive=True)]
                looked = time.monotonic()
            total = 0
            for process in processes:
                with suppress(psutil.Error):
                    size = process.memory_info().rss
                    total += size
                    self._peaks[process.pid] = max(self._peaks.get(process.pid, 0), size)
            self.tree_bytes = max(self.tree_bytes, total)

    def stop(self) -> None:
        self._over.set()
        self.join()

    @property
    def process_bytes(self) -> int:
        children = [size for pid, size in self._peaks.items() if pid != self._root.pid]
        return max(children or self._peaks.values(), default=0)


def measure(command: Sequence[str], *, sample: bool = True) -> Usage:
    """Run a command from the repository's root to its end.

    Args:
        command: program and arguments; its standard output is thrown away.
        sample: watch its memory.

    Raises:
        RunError: it ended with another exit code than 0; with the end of what it said.
    """
    with tempfile.TemporaryFile() as said:
        started = time.perf_counter()
        process = _start(command, said)
        sampler = _Sampler(process.pid) if sample else None
        try:
            if sampler is not None:
                sampler.start()
            _, status, used = os.wait4(process.pid, 0)
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
        finally:
            wall = time.perf_counter() - started
            if sampler is not None:
                sampler.stop()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RunError(_failure(command, process.returncode, said))
    cpu = used.ru_utime + used.ru_stime
    if sampler is None:
        return Usage(wall, cpu)
    return Usage(wall, cpu, sampler.tree_bytes, sampler.process_bytes)


def _start(command: Sequence[str], said: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        list(command),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=said,
        start_new_session=True,  # so that it can be ended with all its children
    )


def _failure(command: Sequence[str], code: int, said: IO[bytes]) -> str:
    said.seek(0)
    text = said.read().decode(errors="replace").strip()[-_MESSAGE_CHARS:]
    return f"{' '.join(command)}: ended with exit code {code}: {text or 'it said nothing'}"


def written(folder: Path) -> Written:
    """Count the Parquet files of a folder and its sub-folders, from their metadata."""
    rows = cells = size = 0
    for path in folder.rglob("*.parquet"):
        with pq.ParquetFile(path) as file:
            rows += file.metadata.num_rows
            cells += file.metadata.num_rows * len(file.schema_arrow.names)
        size += path.stat().st_size
    return Written(rows, cells, size)


def measure_files(
    command: Sequence[str],
    folder: Path,
    *,
    like: Written | None = None,
    keep: Path | None = None,
) -> Run:
    """Run a command that writes into a folder, count what it wrote and remove it.

    Earlier writes are flushed first, so that the disk is as idle as for the run before.

    Args:
        command: program and arguments.
        folder: that it writes into.
        like: rows and cells, where the files are not Parquet.
        keep: where to put the folder instead of removing it.
    """
    os.sync()
    try:
        usage = measure(command)
        found = written(folder) if like is None else replace(like, bytes=_size(folder))
        if keep is not None:
            folder.rename(keep)
        return Run(usage, found)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def alternate(names: Sequence[str], times: int) -> Iterator[str]:
    """Yield A B A B ...: each name in turn, ``times`` over."""
    for _ in range(times):
        yield from names
