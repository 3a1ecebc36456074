"""The Python API: a data set as Polars frames, in one call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from polargen.config import resolve_config
from polargen.orchestrator import MockDataOrchestrator, RunOptions
from polargen.scenario import ScenarioProfile, resolve_scenario

if TYPE_CHECKING:
    import polars as pl


def generate(
    scenario: str | ScenarioProfile = "normal-ops",
    start: date | str | None = None,
    end: date | str | None = None,
    seed: int | None = None,
    tables: Iterable[str] | None = None,
    *,
    multiplier: float = 1.0,
    set_values: Mapping[str, Any] | Iterable[str] = (),
) -> dict[str, pl.DataFrame]:
    """Return a data set as frames.

    Args:
        scenario: name, file or profile.
        start, end: first and last day, inclusive; without them the last 90 days.
        seed: 0..2**63-1; without one the system draws it, and the frames cannot be made again.
        tables: names of the tables to return; all without it.
        multiplier: scales users, companies, products, orders and visits.
        set_values: scenario values to change, ``{"entityRates.ordersPerDay": 100}`` or
            ``["entityRates.ordersPerDay=100"]``.

    Returns:
        A frame for each table, with the dtypes of ``polargen describe``.

    Raises:
        ConfigError: something given cannot be used; the message says what and why.
    """
    resolved = resolve_config(
        {
            "start_date": start,
            "end_date": end,
            "seed": seed,
            "scenario": scenario if isinstance(scenario, str) else scenario.name,
            "volume_multiplier": multiplier,
        },
        today=datetime.now(ZoneInfo("Africa/Cairo")).date(),
        names={"start_date": "start", "end_date": "end", "volume_multiplier": "multiplier"},
    )
    sets = (
        tuple(f"{key}={value}" for key, value in set_values.items())
        if isinstance(set_values, Mapping)
        else tuple(set_values)
    )
    profile = resolve_scenario(scenario, sets) if isinstance(scenario, str) else scenario
    options = RunOptions(format="memory", tables=None if tables is None else tuple(tables))
    result = MockDataOrchestrator(resolved.config, options, scenario=profile).execute()
    return dict(result.frames)
