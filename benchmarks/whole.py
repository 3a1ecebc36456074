"""Whole runs as processes: polargen and tpchgen-cli in turn, memory, and small commands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import peers, plans
from benchmarks.measure import Run, Spread, alternate, measure, measure_files

US, PEER = "polargen", peers.TPCHGEN
WORKERS = 2
RATIOS = ("rows_per_s", "cells_per_s", "cells_per_cpu_s", "bytes_per_s")  # higher is better
_WARM_UP_SCALE = 0.01

Say = Callable[[str], None]


def measure_whole(rows: int, runs: int, folder: Path, say: Say) -> dict[str, Any]:
    """Run polargen and its peer in turn, with two workers, then with one.

    Args:
        rows: about how many each makes.
        runs: of each.
        folder: for what they write; removed after each run.
        say: told of each run.

    Returns:
        by number of workers: the spread of every figure of both, and of the ratio of neighbours.
    """
    multiplier, scale = plans.multiplier_for(rows), peers.scale_of(rows)
    out = folder / "whole"
    measure_files(plans.generate_command(1.0, out), out)
    out.mkdir()
    measure_files(peers.tpchgen_command(_WARM_UP_SCALE, WORKERS, out), out)
    found: dict[str, Any] = {"multiplier": multiplier, "scale": scale}
    for workers in (WORKERS, 1):
        made: dict[str, list[Run]] = {US: [], PEER: []}
        for name in alternate((US, PEER), runs):
            if name == US:
                command = plans.generate_command(multiplier, out, workers=workers)
            else:
                out.mkdir()
                command = peers.tpchgen_command(scale, workers, out)
            made[name].append(measure_files(command, out))
            say(f"{name}, {workers} at work: {made[name][-1].usage.wall_s:.1f} s")
        found[f"workers_{workers}"] = _compared(made)
    return found


def _compared(made: Mapping[str, Sequence[Run]]) -> dict[str, Any]:
    figures = {name: [run.figures() for run in runs] for name, runs in made.items()}
    pairs = list(zip(figures[US], figures[PEER], strict=True))
    return {
        **{name: _spreads(runs) for name, runs in figures.items()},
        "ratios": {
            key: Spread.of([ours[key] / theirs[key] for ours, theirs in pairs]).to_dict()
            for key in RATIOS
        },
    }


def _spreads(runs: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    return {key: Spread.of([run[key] for run in runs]).to_dict() for key in runs[0]}


def measure_memory(sizes: Sequence[int], folder: Path, say: Say) -> list[dict[str, Any]]:
    """Return rows and peak memory of runs of several sizes, two workers each."""
    found = []
    for rows in sizes:
        out = folder / "memory"
        command = plans.generate_command(plans.multiplier_for(rows), out, workers=WORKERS)
        run = measure_files(command, out)
        figures = run.figures()
        say(f"memory at {run.written.rows:,} rows: {run.usage.process_bytes / 1e6:.0f} MB a worker")
        keys = ("rows", "wall_s", "process_bytes", "tree_bytes")
        found.append({key: figures[key] for key in keys})
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
