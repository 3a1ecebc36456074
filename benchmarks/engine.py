"""The parts of a run by themselves, in one process as in a worker: generators, steps, sinks.

``python -m benchmarks.engine ROWS BLOCKS FOLDER`` prints JSON; `measure_parts` runs it in a fresh
interpreter with a worker's settings.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks.measure import ROOT, Spread
from benchmarks.plans import multiplier_for, plan_of
from polargen import checks
from polargen.blocks import Block, blocks_of
from polargen.columns import Frame
from polargen.config import MockGeneratorConfig
from polargen.digest import digest
from polargen.errors import RunError
from polargen.executors.memory import keep_freed_memory
from polargen.executors.work import make_block
from polargen.generators import all_tables, generators
from polargen.generators.totals import Totals
from polargen.plan import Plan
from polargen.sinks import SinkSettings

FORMATS = ("parquet", "csv", "json")
WORKER_ENV = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}  # Source: polargen.workers

Cost = tuple[float, int]  # seconds, and of how many rows or cells


class Costs:
    """Seconds by name, and the rows or cells that they were spent on."""

    def __init__(self) -> None:
        self._found: dict[str, list[Cost]] = defaultdict(list)

    def add(self, name: str, seconds: float, units: int) -> None:
        """Note the cost of one block; one without units tells nothing and is left out."""
        if units:
            self._found[name].append((seconds, units))

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Return ns a unit by name: the spread over blocks, and units and seconds in all."""
        return {
            name: {
                "ns": Spread.of([1e9 * seconds / units for seconds, units in costs]).to_dict(),
                "units": sum(units for _, units in costs),
                "seconds": sum(seconds for seconds, _ in costs),
                "blocks": len(costs),
            }
            for name, costs in self._found.items()
        }


class Bench:
    """Measures blocks of one plan.

    Args:
        plan: a big one.
        folder: where sinks write; it stays empty.
    """

    def __init__(self, plan: Plan, folder: Path) -> None:
        self._plan = plan
        self._folder = folder
        self._totals = Totals.zero(plan.companies, plan.products)
        self._batch_size = MockGeneratorConfig.model_fields["batch_size"].default
        self.generators, self.steps, self.tables = Costs(), Costs(), Costs()
        self.sinks: dict[str, Costs] = {name: Costs() for name in FORMATS}
        self.bytes: dict[str, int] = dict.fromkeys(FORMATS, 0)

    def warm_up(self, block: Block) -> None:
        """Make a block and write it, without a note: pools, tables of draws and caches come up."""
        other = Bench(self._plan, self._folder)
        other.block(block)

    def block(self, block: Block) -> None:
        """Make one block, take it through every step, and write it by every sink."""
        seconds: dict[str, float] = {}
        started = time.perf_counter()
        frames, _ = make_block(self._plan, block, self._totals, seconds)
        whole = time.perf_counter() - started
        rows = sum(len(frame) for frame in frames.values())
        self._note_generators(block, frames, seconds)
        arrow = {name: frame.to_arrow() for name, frame in frames.items()}
        if block.kind == "orders":
            self.steps.add("labels and planted faults", whole - sum(seconds.values()), rows)
            self._note_steps(frames)
        for name in FORMATS:
            self._note_sink(name, frames, arrow, block)

    def _note_generators(
        self, block: Block, frames: Mapping[str, Frame], seconds: Mapping[str, float]
    ) -> None:
        for generator in generators():
            own = [table.name for table in generator.tables]
            rows = sum(len(frames[name]) for name in own if name in frames)
            several = len(generator.kinds) > 1
            name = f"{generator.name} ({block.kind})" if several else generator.name
            self.generators.add(name, seconds.get(generator.name, 0.0), rows)

    def _note_steps(self, frames: Mapping[str, Frame]) -> None:
        started = time.perf_counter()
        arrow = {name: frame.to_arrow() for name, frame in frames.items()}
        cells = sum(rows.num_rows * rows.num_columns for rows in arrow.values())
        self.steps.add("to Arrow", time.perf_counter() - started, cells)
        started = time.perf_counter()
        for name, table in arrow.items():
            digest(frames[name].table, table)
        self.steps.add("digests", time.perf_counter() - started, cells)
        context = checks.Context(self._plan.first_day, self._plan.last_day, self._plan.as_of_us)
        started = time.perf_counter()
        checks.check_block(frames, context)
        self.steps.add("quick checks", time.perf_counter() - started, cells)

    def _note_sink(
        self, name: str, frames: Mapping[str, Frame], arrow: Mapping[str, pa.Table], block: Block
    ) -> None:
        settings = SinkSettings(
            format=name,
            folder=str(self._folder / name),
            tables=tuple(all_tables().values()),
            compression="zstd" if name == "parquet" else None,
            compression_level=1 if name == "parquet" else None,
            batch_size=self._batch_size,
        )
        sink = settings.open_sink()
        sink.open(self._plan.hash, {})
        spent, cells = 0.0, 0
        try:
            for table, rows in arrow.items():
                started = time.perf_counter()
                with settings.open_group(block.number) as writer:
                    writer.write(frames[table].table, rows)
                    parts = writer.close()
                seconds = time.perf_counter() - started
                size = rows.num_rows * rows.num_columns
                self.sinks[name].add(table, seconds, size)
                self.bytes[name] += sum(part.bytes for part in parts)
                spent, cells = spent + seconds, cells + size
        finally:
            sink.abort()
        if block.kind == "orders":
            self.sinks[name].add("all of a block of orders", spent, cells)

    def to_dict(self) -> dict[str, Any]:
        """Return what was found, ns a row of generators and ns a cell of the rest."""
        return {
            "generators": self.generators.to_dict(),
            "steps": self.steps.to_dict(),
            "sinks": {name: costs.to_dict() for name, costs in self.sinks.items()},
            "sink_bytes": self.bytes,
            "batch_size": self._batch_size,
        }


def chosen(plan: Plan, count: int) -> Iterator[Block]:
    """Yield up to ``count`` blocks of each kind and master, spread evenly over the run."""
    kinds: dict[tuple[str, str], list[Block]] = defaultdict(list)
    for block in blocks_of(plan):
        kinds[block.kind, block.table].append(block)
    for found in kinds.values():
        taken = min(count, len(found))
        yield from (found[(2 * turn + 1) * len(found) // (2 * taken)] for turn in range(taken))


def measure_parts(rows: int, blocks: int, folder: Path) -> dict[str, Any]:
    """Measure generators, steps and sinks in a fresh process.

    Raises:
        RunError: it failed; with the end of what it said.
    """
    command = [sys.executable, "-m", "benchmarks.engine", str(rows), str(blocks), str(folder)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **WORKER_ENV}, capture_output=True, check=False
    )
    if done.returncode:
        raise RunError(f"{' '.join(command)}: failed: {done.stderr.decode()[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> None:
    """Measure and print JSON."""
    rows, count, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    keep_freed_memory()
    pa.set_cpu_count(1)
    started = time.perf_counter()
    plan = plan_of(multiplier_for(rows))
    plan_s = time.perf_counter() - started
    bench = Bench(plan, folder)
    blocks = list(chosen(plan, count))
    for first in {(block.kind, block.table): block for block in reversed(blocks)}.values():
        bench.warm_up(first)
    for block in blocks:
        bench.block(block)
    print(json.dumps({"plan_s": plan_s, **bench.to_dict()}))


if __name__ == "__main__":
    main()
