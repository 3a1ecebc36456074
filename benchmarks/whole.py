"""Whole runs as processes: polargen, tpchgen-cli and the floor in turn, and small commands."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import peers, plans
from benchmarks.floor import OWN, measure_floor
from benchmarks.measure import Run, Spread, Written, alternate, measure, measure_files
from polargen.sinks import SINKS
from polargen.sinks.files import FileSink

US, PEER, FLOOR, ENCODER = "polargen", peers.TPCHGEN, "floor", "its encoder alone"
WORKERS = 2
RATIOS = ("rows_per_s", "cells_per_s", "cells_per_cpu_s", "bytes_per_s")  # higher is better
TEXT_PEERS = {"csv": (US, PEER, FLOOR), "json": (US, FLOOR)}  # tpchgen-cli writes no JSON
_TEXT_PARTS = {"csv": 2, "json": 8}  # of a run's rows, for the room that text takes

Say = Callable[[str], None]


def measure_whole(rows: int, runs: int, folder: Path, say: Say) -> dict[str, Any]:
    """Write Parquet by polargen, its peer and the floor in turn, then with one worker.

    Args:
        rows: about how many each makes.
        runs: of each.
        folder: for what they write; removed after each run.
        say: told of each run.

    Returns:
        by number of workers: the spread of every figure of each, and of ratios of neighbours.
    """
    bench = _Bench(rows, folder, say)
    found: dict[str, Any] = {"multiplier": bench.multiplier, "scale": bench.scale}
    found["workers_2"] = bench.compare("parquet", WORKERS, (US, PEER, FLOOR, ENCODER), runs)
    found["workers_1"] = bench.compare("parquet", 1, (US, PEER), runs)
    bench.clean()
    return found


def measure_text(rows: int, runs: int, folder: Path, say: Say) -> dict[str, Any]:
    """Write CSV of half as many rows and NDJSON of an eighth, two workers; see `measure_whole`."""
    found: dict[str, Any] = {}
    for name, makers in TEXT_PEERS.items():
        bench = _Bench(rows // _TEXT_PARTS[name], folder, say)
        found[name] = bench.compare(name, WORKERS, makers, runs)
        found[name]["multiplier"], found[name]["scale"] = bench.multiplier, bench.scale
        bench.clean()
    return found


class _Bench:
    """Runs of one size; a data set of that size stays for the floor."""

    def __init__(self, rows: int, folder: Path, say: Say) -> None:
        self.multiplier, self.scale = plans.multiplier_for(rows), peers.scale_of(rows)
        self._out, self._dataset, self._say = folder / "whole", folder / "dataset", say
        measure_files(plans.generate_command(1.0, self._out), self._out)
        self._counted = {US: self._kept_dataset(), PEER: self._peer("parquet", WORKERS).written}

    def compare(self, name: str, workers: int, makers: Sequence[str], runs: int) -> dict[str, Any]:
        """Return the figures of a format's makers, which run in turn."""
        made: dict[str, list[Run]] = {maker: [] for maker in makers}
        run = {US: self._ours, PEER: self._peer, FLOOR: self._floor, ENCODER: self._encoder}
        for maker in alternate(makers, runs):
            made[maker].append(run[maker](name, workers))
            wall = made[maker][-1].usage.wall_s
            self._say(f"{name} by {maker}, {workers} at work: {wall:.1f} s")
        return _compared(made)

    def clean(self) -> None:
        """Remove the data set."""
        shutil.rmtree(self._dataset)

    def _kept_dataset(self) -> Written:
        command = plans.generate_command(self.multiplier, self._out, workers=WORKERS)
        return measure_files(command, self._out, keep=self._dataset).written

    def _ours(self, name: str, workers: int) -> Run:
        command = plans.generate_command(
            self.multiplier, self._out, workers=workers, format_name=name
        )
        return measure_files(command, self._out, like=self._like(US, name))

    def _peer(self, name: str, workers: int) -> Run:
        self._out.mkdir()
        command = peers.tpchgen_command(self.scale, workers, self._out, name)
        return measure_files(command, self._out, like=self._like(PEER, name))

    def _floor(self, name: str, workers: int) -> Run:
        return measure_floor(name, self._dataset, self._out, workers)

    def _encoder(self, name: str, workers: int) -> Run:
        return measure_floor(OWN, self._dataset, self._out, workers)

    def _like(self, maker: str, name: str) -> Written | None:
        """Return what the same run writes as Parquet; text is not counted by reading it."""
        return None if name == "parquet" else self._counted[maker]


def _compared(made: Mapping[str, Sequence[Run]]) -> dict[str, Any]:
    figures = {maker: [run.figures() for run in runs] for maker, runs in made.items()}
    return {
        **{maker: _spreads(runs) for maker, runs in figures.items()},
        "ratios": {
            maker: {key: _ratio(figures[US], runs, key) for key in (*RATIOS, "wall_s")}
            for maker, runs in figures.items()
            if maker != US
        },
    }


def _ratio(
    ours: Sequence[Mapping[str, float]], theirs: Sequence[Mapping[str, float]], key: str
) -> dict[str, Any]:
    pairs = zip(ours, theirs, strict=True)
    return Spread.of([mine[key] / other[key] for mine, other in pairs]).to_dict()


def _spreads(runs: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    return {key: Spread.of([run[key] for run in runs]).to_dict() for key in runs[0]}


def measure_sizes(sizes: Sequence[int], folder: Path, say: Say) -> list[dict[str, Any]]:
    """Return rows, time and peak memory of runs of several sizes, two workers each."""
    found = []
    for rows in sizes:
        out = folder / "sizes"
        command = plans.generate_command(plans.multiplier_for(rows), out, workers=WORKERS)
        run = measure_files(command, out)
        figures = run.figures()
        say(
            f"{run.written.rows:,} rows: {run.usage.wall_s:.1f} s, "
            f"{run.usage.process_bytes / 1e6:.0f} MB a worker"
        )
        keys = ("rows", "wall_s", "cpu_s", "process_bytes", "tree_bytes")
        found.append({key: figures[key] for key in keys})
    return found


def measure_codecs(rows: int, runs: int, folder: Path, say: Say) -> dict[str, Any]:
    """Return speed and size of each codec of each format, two workers, in turn.

    Returns:
        format -> codec -> rows_per_s and bytes_per_cell, the default codec first.
    """
    multiplier, out = plans.multiplier_for(rows), folder / "codecs"
    command = plans.generate_command(multiplier, out, workers=WORKERS)
    counted = measure_files(command, out).written
    found: dict[str, Any] = {}
    for name, sink in ((name, SINKS[name]) for name in ("parquet", *TEXT_PEERS)):
        assert issubclass(sink, FileSink)
        codecs = [codec or "none" for codec in sink.codecs]
        made: dict[str, list[Run]] = {codec: [] for codec in codecs}
        for codec in alternate(codecs, runs):
            command = plans.generate_command(
                multiplier, out, workers=WORKERS, format_name=name, codec=codec
            )
            made[codec].append(measure_files(command, out, like=counted))
            say(f"{name} with {codec}: {made[codec][-1].usage.wall_s:.1f} s")
        keys = ("rows_per_s", "bytes_per_cell")
        found[name] = {
            codec: {key: Spread.of([one.figures()[key] for one in done]).to_dict() for key in keys}
            for codec, done in made.items()
        }
    return found


def measure_small(runs: int, folder: Path) -> dict[str, Any]:
    """Return wall and CPU time of the default quarter, checks on, and of the help."""
    out = folder / "quarter"
    command = plans.generate_command(1.0, out, check=True)
    quarter = [measure_files(command, out) for _ in range(runs + 1)][1:]
    shown = [measure(plans.help_command(), sample=False) for _ in range(2 * runs + 1)][1:]
    return {
        "quarter_rows": quarter[0].written.rows,
        "quarter_wall_s": Spread.of([run.usage.wall_s for run in quarter]).to_dict(),
        "quarter_cpu_s": Spread.of([run.usage.cpu_s for run in quarter]).to_dict(),
        "help_wall_s": Spread.of([usage.wall_s for usage in shown]).to_dict(),
        "help_cpu_s": Spread.of([usage.cpu_s for usage in shown]).to_dict(),
    }
