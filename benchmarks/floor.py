"""The floor of files: the time to write the very same frames, made beforehand.

``python -m benchmarks.floor FORMAT DATASET OUT NUMBER OF`` writes every OF-th group of a finished
Parquet data set again, from the NUMBER-th on, and prints JSON. Only the writing is counted: no
generating, no digests, no start. Each table is written by the writer that was the fastest on a
block of it.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import by_kind
from benchmarks.engine import WORKER_ENV
from benchmarks.measure import ROOT, Run, Usage, Written
from polargen.columns import arrow_to_polars
from polargen.dataset import Dataset
from polargen.errors import RunError
from polargen.executors.memory import keep_freed_memory
from polargen.schema import NESTED, Table
from polargen.sinks import SinkSettings
from polargen.sinks.parquet import ParquetEncoder
from polargen.sinks.text import json_lists, readable

OWN = "own"  # Parquet by polargen's encoder alone
_LEVEL = 1
_INSTANT = "%Y-%m-%dT%H:%M:%S%.6fZ"
_STEP_ROWS = 16_384
_TRIAL_ROWS = 20_000  # the first block with so many rows, or the largest, decides the writer

Write = Callable[[Table, pa.Table, pl.DataFrame, Path], None]


def measure_floor(name: str, dataset: Path, out: Path, workers: int) -> Run:
    """Write a data set's frames by ``workers`` processes side by side.

    Args:
        name: of the format, or `OWN`.
        dataset: Parquet, made by polargen.
        out: for the files, each of which is removed at once; must not exist.
        workers: processes.

    Returns:
        the writing time of the process that wrote the longest, CPU time of all, and what was
        written.

    Raises:
        RunError: one failed; with the end of what it said.
    """
    out.mkdir()
    program = [sys.executable, "-m", "benchmarks.floor", name, str(dataset), str(out)]
    processes = [
        subprocess.Popen(
            [*program, str(number), str(workers)],
            cwd=ROOT,
            env={**os.environ, **WORKER_ENV},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for number in range(workers)
    ]
    found = []
    for process in processes:
        said, complaint = process.communicate()
        if process.returncode:
            raise RunError(f"{' '.join(program)}: failed: {complaint.decode()[-2000:]}")
        found.append(json.loads(said))
    out.rmdir()
    usage = Usage(max(one["wall_s"] for one in found), sum(one["cpu_s"] for one in found))
    keys = ("rows", "cells", "bytes")
    return Run(usage, Written(*(sum(one[key] for one in found) for key in keys)))


def main() -> None:
    """Write and print JSON."""
    name, dataset, out = sys.argv[1], Dataset.open(sys.argv[2]), Path(sys.argv[3])
    number, of = int(sys.argv[4]), int(sys.argv[5])
    keep_freed_memory()
    pa.set_cpu_count(1)
    path = out / f"{number}.part"
    writers = {
        table.name: _fastest(name, dataset, table, path) for table in dataset.tables.values()
    }
    total = {"wall_s": 0.0, "cpu_s": 0.0, "rows": 0.0, "cells": 0.0, "bytes": 0.0}
    for group in dataset.groups[number::of]:
        for table in dataset.tables.values():
            for _, rows in dataset.read_blocks(table.name, group):
                write = WRITERS[name][writers[table.name]]
                _add(total, _timed(write, table, rows, _frame(name, table, rows), path), rows)
    print(json.dumps({**total, "writers": writers}))


def _fastest(name: str, dataset: Dataset, table: Table, path: Path) -> str:
    """Return the writer that takes the least time for a block of a table."""
    writers = WRITERS[name]
    entries = dataset.blocks(table.name)
    if not entries:
        return next(iter(writers))
    large = [entry for entry in entries if entry.rows >= _TRIAL_ROWS]
    chosen = large[0] if large else max(entries, key=lambda entry: entry.rows)
    blocks = dataset.read_blocks(table.name, chosen.group)
    rows = next(rows for entry, rows in blocks if entry.block == chosen.block)
    frame = _frame(name, table, rows)
    costs = {
        label: min(_timed(write, table, rows, frame, path)["wall_s"] for _ in range(2))
        for label, write in writers.items()
    }
    return min(costs, key=lambda label: costs[label])


def _timed(
    write: Write, table: Table, rows: pa.Table, frame: pl.DataFrame, path: Path
) -> dict[str, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    write(table, rows, frame, path)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    size = path.stat().st_size
    path.unlink()
    return {"wall_s": wall, "cpu_s": cpu, "bytes": size}


def _add(total: dict[str, float], cost: Mapping[str, float], rows: pa.Table) -> None:
    for key, value in cost.items():
        total[key] += value
    total["rows"] += rows.num_rows
    total["cells"] += rows.num_rows * rows.num_columns


def _frame(name: str, table: Table, rows: pa.Table) -> pl.DataFrame:
    """Return rows for Polars; no CSV writer takes lists, so there they are JSON text before."""
    frame = arrow_to_polars(table, rows)
    if name != "csv":
        return frame
    nested = [column for column in table.columns if column.kind in NESTED]
    return frame.with_columns(
        json_lists(column, rows.column(column.name).combine_chunks()).alias(column.name)
        for column in nested
    )


def _by_kind(table: Table, rows: pa.Table, frame: pl.DataFrame, path: Path) -> None:
    with path.open("wb", buffering=1 << 20) as file:
        by_kind.write(table, rows, file, _LEVEL)


def _own(table: Table, rows: pa.Table, frame: pl.DataFrame, path: Path) -> None:
    settings = SinkSettings("parquet", "", (table,), "zstd", _LEVEL)
    with path.open("wb", buffering=1 << 20) as file:
        encoder = ParquetEncoder(table, cast(io.RawIOBase, file), settings)
        encoder.write(rows)
        encoder.close()


def _pyarrow(**options: Any) -> Write:
    def write(table: Table, rows: pa.Table, frame: pl.DataFrame, path: Path) -> None:
        pq.write_table(rows, path, compression="zstd", compression_level=_LEVEL, **options)

    return write


def _polars(table: Table, rows: pa.Table, frame: pl.DataFrame, path: Path) -> None:
    frame.write_parquet(path, compression="zstd", compression_level=_LEVEL, statistics=False)


def _polars_csv(table: Table, rows: pa.Table, frame: pl.DataFrame, path: Path) -> None:
    frame.write_csv(path, datetime_format=_INSTANT, batch_size=_STEP_ROWS)


def _table_csv(table: Table, rows: pa.Table, frame: pl.DataFrame, path: Path) -> None:
    """Write instants and days as text from tables of their parts, as polargen does."""
    shown = readable(table, rows, nested_as_json=False)
    ready = [column.name for column in table.columns if column.kind in NESTED]
    shown.with_columns(frame[name] for name in ready).write_csv(path, batch_size=_STEP_ROWS)


def _polars_json(table: Table, rows: pa.Table, frame: pl.DataFrame, path: Path) -> None:
    frame.write_ndjson(path)


def _table_json(table: Table, rows: pa.Table, frame: pl.DataFrame, path: Path) -> None:
    """Write instants and days as text from tables of their parts, as polargen does."""
    readable(table, rows, nested_as_json=False).write_ndjson(path)


WRITERS: dict[str, dict[str, Write]] = {
    "parquet": {
        "pyarrow, encodings by kind": _by_kind,
        "pyarrow": _pyarrow(),
        "pyarrow, without dictionaries and statistics": _pyarrow(
            use_dictionary=False, write_statistics=False
        ),
        "polars": _polars,
    },
    OWN: {"polargen": _own},
    "csv": {"polars": _polars_csv, "polars, days and instants as text": _table_csv},
    "json": {"polars": _polars_json, "polars, days and instants as text": _table_json},
}


if __name__ == "__main__":
    main()
