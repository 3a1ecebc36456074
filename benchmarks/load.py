"""Loads of PostgreSQL: polargen, the floor, pgbench and psycopg in turn, on one fresh cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import plans, ready, rowwise
from benchmarks.measure import ROOT, Spread, alternate
from benchmarks.server import SETTINGS, Cost, Server, running
from polargen import driver, embedded
from polargen.database import SCHEMA
from polargen.errors import RunError
from polargen.schema import TABLES

US, FLOOR, PGBENCH = "polargen", "psql, ready files", "pgbench -i"
CHOSEN = f"polargen, {driver.VARIABLE}"
WORKERS = ready.COPIERS
ROWWISE_SCHEMA = f"{SCHEMA}_rowwise"
_ROWWISE_MULTIPLIER = 1.0
_PGBENCH_ROWS_PER_SCALE = 100_011  # Source: pgbench -i: accounts, tellers, branches

Say = Callable[[str], None]
Figures = dict[str, float]


def measure_load(rows: int, runs: int, folder: Path, say: Say) -> dict[str, Any]:
    """Measure loads of about ``rows`` rows with all constraints, against the floor and peers.

    Args:
        rows: of polargen's load and its floor.
        runs: of each.
        folder: for cluster and ready files; must exist.
        say: told of each run.

    Returns:
        the spread of every figure by loader, of stages, and of ratios of neighbours.
    """
    with running(folder / "home") as server:
        bench = _Bench(server, plans.multiplier_for(rows), folder, say)
        return bench.measure(runs)


class _Bench:
    """Measures on one server."""

    def __init__(self, server: Server, multiplier: float, folder: Path, say: Say) -> None:
        self._server, self._folder, self._say = server, folder, say
        self._multiplier = multiplier
        self._size: Figures = {}
        chosen = os.environ.get(driver.VARIABLE, "")
        self._drivers = {US: "", CHOSEN: chosen} if chosen else {US: ""}
        self._stages: dict[str, list[Figures]] = {name: [] for name in (*self._drivers, FLOOR)}

    def measure(self, runs: int) -> dict[str, Any]:
        self._polargen()  # warm-up; and the rows of the floor
        files = self._folder / "ready"
        files.mkdir()
        self._ready = ready.ReadyFiles(self._server, SCHEMA, files)
        loaders = {name: partial(self._polargen, name) for name in self._drivers}
        found = self._in_turn({**loaders, FLOOR: self._floor}, runs)
        unlogged = {US: lambda: self._polargen(unlogged=True), FLOOR: lambda: self._floor(True)}
        aside = self._in_turn(unlogged, max(1, runs // 2))
        for name in alternate(tuple(self._drivers), max(1, runs // 2)):
            self._staged(name)
        self._server.calm(SCHEMA, ready.SCHEMA)
        peers = self._in_turn({PGBENCH: self._pgbench}, runs)
        peers |= self._rowwise(max(1, runs // 2))
        return {
            "version": self._server.version,
            "settings": SETTINGS,
            "multiplier": self._multiplier,
            "workers": WORKERS,
            "size": self._size,
            "runs": {name: _spreads(figures) for name, figures in (found | peers).items()},
            "unlogged": {name: _spreads(figures) for name, figures in aside.items()},
            "stages": {name: _spreads(stages) for name, stages in self._stages.items()},
            "ratios": self._ratios(found, aside, peers),
        }

    def _in_turn(
        self, loaders: Mapping[str, Callable[[], Figures]], runs: int
    ) -> dict[str, list[Figures]]:
        found: dict[str, list[Figures]] = {name: [] for name in loaders}
        for name in alternate(tuple(loaders), runs):
            figures = loaders[name]()
            found[name].append(figures)
            self._say(f"{name}: {figures['wall_s']:.1f} s, CPU {figures['cpu_s']:.1f} s")
        return found

    def _polargen(self, name: str = US, unlogged: bool = False) -> Figures:
        """Load by the command that a user types, checks on."""
        self._server.calm(SCHEMA, ready.SCHEMA)
        command = plans.load_command(self._multiplier, self._server.url, WORKERS, unlogged)
        cost = self._run(command, {driver.VARIABLE: self._drivers[name]})
        self._size = self._size or self._measured_size()
        return self._rates(cost)

    def _floor(self, unlogged: bool = False) -> Figures:
        cost, stages = self._ready.load(unlogged)
        if not unlogged:
            self._stages[FLOOR].append(stages)
        return self._rates(cost)

    def _staged(self, name: str) -> None:
        """Load once more with a clock at each stage; the program says no times by itself."""
        self._server.calm(SCHEMA, ready.SCHEMA)
        options = (self._server.url, str(self._multiplier), str(WORKERS), str(time.time()))
        command = [sys.executable, "-m", "benchmarks.stages", *options]
        said = self._output(command, {driver.VARIABLE: self._drivers[name]})
        self._stages[name].append(json.loads(said)["stages"])

    def _pgbench(self) -> Figures:
        scale = max(1, round(self._size["rows"] / _PGBENCH_ROWS_PER_SCALE))
        program = str(embedded.programs() / "pgbench")
        self._run([program, "-q", "-i", "-I", "d", self._server.url])
        self._server.calm()
        cost = self._run([program, "-q", "-i", "-s", str(scale), self._server.url])
        size = "sum(pg_total_relation_size(oid)) FROM pg_class WHERE relname ~ '^pgbench_[abt]'"
        total = float(self._server.value(f"SELECT {size} AND relkind = 'r'"))
        return _figures(cost, scale * _PGBENCH_ROWS_PER_SCALE, total)

    def _rowwise(self, runs: int) -> dict[str, list[Figures]]:
        """Return what psycopg needs for the rows of the default quarter."""
        found: dict[str, list[Figures]] = {f"psycopg {how}": [] for how in rowwise.HOWS}
        for how in alternate(rowwise.HOWS, runs):
            self._server.calm(ROWWISE_SCHEMA)
            url = self._server.url
            self._run(plans.load_command(_ROWWISE_MULTIPLIER, url, 1, schema=ROWWISE_SCHEMA))
            command = [sys.executable, "-m", "benchmarks.rowwise", how, url, ROWWISE_SCHEMA]
            made: Figures = json.loads(self._output(command))
            made |= {key: made[key.removesuffix("_per_s")] / made["wall_s"] for key in _RATES}
            found[f"psycopg {how}"].append(made)
            self._say(f"psycopg {how}: {made['rows_per_s']:,.0f} rows/s")
        self._server.calm(ROWWISE_SCHEMA)
        return found

    def _ratios(
        self,
        found: Mapping[str, Sequence[Figures]],
        aside: Mapping[str, Sequence[Figures]],
        peers: Mapping[str, Sequence[Figures]],
    ) -> dict[str, Any]:
        def times(runs: Mapping[str, Sequence[Figures]], name: str = US) -> dict[str, Any]:
            pairs = list(zip(runs[name], runs[FLOOR], strict=True))
            return {
                key: Spread.of([ours[key] / floor[key] for ours, floor in pairs]).to_dict()
                for key in ("wall_s", "cpu_s")
            }

        ours = _spreads(found[US])
        return {
            "floor": times(found),
            "unlogged": times(aside),
            **({"chosen driver": times(found, CHOSEN)} if CHOSEN in found else {}),
            **{
                name: {
                    key: ours[key]["median"] / spread[key]["median"]
                    for key in (*_RATES, "bytes_per_s")
                    if key in spread
                }
                for name, spread in ((name, _spreads(runs)) for name, runs in peers.items())
            },
        }

    def _run(self, command: Sequence[str], env: Mapping[str, str] | None = None) -> Cost:
        with self._server.measured() as found:
            self._output(command, env)
        return found[0]

    def _output(self, command: Sequence[str], env: Mapping[str, str] | None = None) -> str:
        done = subprocess.run(
            list(command),
            cwd=ROOT,
            env={**os.environ, **self._server.env, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RunError(f"{' '.join(command)}: failed: {done.stderr.strip()[-2000:]}")
        return done.stdout

    def _measured_size(self) -> Figures:
        """Return rows, cells and bytes with indexes of the loaded schema."""
        counts = {
            name: int(self._server.value(f"SELECT count(*) FROM {SCHEMA}.{name}"))
            for name in TABLES
        }
        cells = sum(rows * len(TABLES[name].columns) for name, rows in counts.items())
        total = self._server.value(
            "SELECT sum(pg_total_relation_size(oid)) FROM pg_class "
            f"WHERE relnamespace = '{SCHEMA}'::regnamespace AND relkind = 'r'"
        )
        return {"rows": sum(counts.values()), "cells": cells, "bytes": float(total)}

    def _rates(self, cost: Cost) -> Figures:
        return _figures(cost, self._size["rows"], self._size["bytes"], self._size["cells"])


_RATES = ("rows_per_s", "cells_per_s")


def _figures(cost: Cost, rows: float, size: float, cells: float | None = None) -> Figures:
    found = {
        **cost.figures(),
        "rows_per_s": rows / cost.wall_s,
        "bytes_per_s": size / cost.wall_s,
    }
    return found if cells is None else {**found, "cells_per_s": cells / cost.wall_s}


def _spreads(runs: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    return {key: Spread.of([run[key] for run in runs]).to_dict() for key in runs[0]}
