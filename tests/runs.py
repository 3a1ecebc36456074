"""Data sets made by real runs, for tests: how they are asked for, kept and read."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from polargen.checks import Report, verify_dataset
from polargen.config import MockGeneratorConfig
from polargen.dataset import Dataset
from polargen.orchestrator import GenerationResult, MockDataOrchestrator, RunOptions
from polargen.plan import Plan
from polargen.scenario import ScenarioProfile, resolve_scenario

SCENARIOS = (
    "normal-ops",
    "peak-season",
    "anomaly-heavy",
    "warehouse-outage",
    "growth-phase",
    "payment-crisis",
)
# Enough orders in a quarter that shares can be judged.
ENOUGH = {
    "normal-ops": 3.0,
    "peak-season": 1.0,
    "anomaly-heavy": 3.0,
    "warehouse-outage": 5.0,
    "growth-phase": 2.0,
    "payment-crisis": 3.0,
}
QUARTER = {"start": "2024-02-01", "end": "2024-04-30"}
TABLES = (
    "users",
    "companies",
    "branches",
    "products",
    "orders",
    "order_items",
    "payments",
    "refunds",
    "inventory_movements",
    "shipments",
    "discounts",
    "maintenance_visits",
    "audit_logs",
    "anomaly_labels",
)
Changes = Mapping[str, Any]


def profile(scenario: str = "normal-ops", changes: Changes | None = None) -> ScenarioProfile:
    """Return a built-in scenario with some values, by dotted key, replaced as a whole."""
    document: dict[str, Any] = copy.deepcopy(resolve_scenario(scenario).to_dict())
    for key, value in (changes or {}).items():
        *path, last = key.split(".")
        place = document
        for step in path:
            place = place[step]
        place[last] = value
    return ScenarioProfile.model_validate(document)


def config(
    start: str = "2024-01-01",
    end: str = "2024-03-30",
    seed: int = 12345,
    multiplier: float = 1.0,
    batch_size: int = 1000,
) -> MockGeneratorConfig:
    """Return a configuration; without arguments the first 90 days of 2024."""
    return MockGeneratorConfig(
        start_date=date.fromisoformat(start),
        end_date=date.fromisoformat(end),
        seed=seed,
        volume_multiplier=multiplier,
        batch_size=batch_size,
    )


@dataclass
class Made:
    """A run and what it made; tables are read when they are first asked for.

    Attributes:
        result: of the run.
        folder: of the data set; None for a run in memory.
    """

    result: GenerationResult
    folder: Path | None = None
    _frames: dict[str, pl.DataFrame] = field(default_factory=dict)

    def __getitem__(self, table: str) -> pl.DataFrame:
        if self.folder is None:
            return self.result.frames[table]
        if table not in self._frames:
            dataset = Dataset.open(self.folder)
            groups = [dataset.read(table, group) for group in dataset.groups]
            self._frames[table] = pl.concat(groups)
        return self._frames[table]

    @property
    def plan(self) -> Plan:
        """Plan of the run."""
        return self.result.plan

    @property
    def digests(self) -> dict[str, str]:
        """Content digest of each table."""
        return {name: entry.digest for name, entry in self.result.manifest.tables.items()}

    @cached_property
    def report(self) -> Report:
        """What the verifier says of the data set."""
        assert self.folder is not None
        return verify_dataset(self.folder)


def run(
    scenario: str | ScenarioProfile = "normal-ops",
    changes: Changes | None = None,
    *,
    out: Path | None = None,
    options: Mapping[str, Any] | None = None,
    **asked: Any,
) -> Made:
    """Make a data set in memory, or in a folder as Parquet.

    Args:
        scenario: name of a built-in one, or a profile.
        changes: its values to replace, by dotted key.
        out: folder.
        options: of the run, such as workers.
        asked: see `config`.
    """
    chosen = profile(scenario, changes) if isinstance(scenario, str) else scenario
    how = {"workers": 1, "format": "memory" if out is None else "parquet", **(options or {})}
    how_to_run = RunOptions(out="" if out is None else str(out), **how)
    return Made(MockDataOrchestrator(config(**asked), how_to_run, scenario=chosen).execute(), out)


def cairo(column: str) -> pl.Expr:
    """Return an instant in Cairo's wall time, by Polars' own time zone data."""
    return pl.col(column).dt.convert_time_zone("Africa/Cairo")


def day(column: str) -> pl.Expr:
    """Return the Cairo date of an instant."""
    return cairo(column).dt.date()


def cents(column: str) -> pl.Expr:
    """Return money as whole piastres."""
    return (pl.col(column) * 100).cast(pl.Int64)
