"""The run that is measured: normal-ops over one quarter, scaled to a number of rows."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path

from polargen.config import MockGeneratorConfig
from polargen.database import SCHEMA
from polargen.estimate import estimate
from polargen.plan import Plan, make_plan
from polargen.scenario import resolve_scenario

SCENARIO, FIRST, LAST, SEED = "normal-ops", date(2024, 1, 1), date(2024, 3, 31), 1
_RUN = f"--scenario {SCENARIO} --from {FIRST} --to {LAST} --seed {SEED} --quiet"
_PROBE = 100.0  # multiplier at which rows are estimated; they grow in proportion


def config_of(multiplier: float) -> MockGeneratorConfig:
    """Return the run's configuration at a volume multiplier."""
    return MockGeneratorConfig(
        start_date=FIRST, end_date=LAST, seed=SEED, scenario=SCENARIO, volume_multiplier=multiplier
    )


def plan_of(multiplier: float) -> Plan:
    """Return the plan at a volume multiplier."""
    return make_plan(config_of(multiplier), resolve_scenario(SCENARIO))


def multiplier_for(rows: int) -> float:
    """Return the volume multiplier that makes about this many rows in all tables."""
    return max(1.0, round(_PROBE * rows / estimate(plan_of(_PROBE)).total_rows, 1))


def generate_command(
    multiplier: float,
    folder: Path,
    *,
    workers: int | None = None,
    check: bool = False,
    format_name: str = "parquet",
    codec: str | None = None,
) -> list[str]:
    """Return the command that writes the run.

    Args:
        multiplier: of volume.
        folder: new.
        workers: None for polargen's own choice.
        check: run the quick checks of each block, as it does when not told otherwise.
        format_name: parquet, csv or json.
        codec: None: zstd of level 1 for Parquet, none for text; otherwise of its default level.
    """
    options = f"{_RUN} --multiplier {multiplier:g} --format {format_name}"
    if codec is not None:
        options += f" --compression {codec}"
    elif format_name == "parquet":
        options += " --compression zstd --compression-level 1"
    options += "" if workers is None else f" --workers {workers}"
    options += "" if check else " --no-check"
    return [sys.executable, "-m", "polargen", "generate", *options.split(), "-o", str(folder)]


def load_command(
    multiplier: float,
    url: str,
    workers: int,
    unlogged: bool = False,
    schema: str = SCHEMA,
) -> list[str]:
    """Return the command that loads the run into a database, as a user types it."""
    options = f"{_RUN} --multiplier {multiplier:g} --workers {workers} --no-dry-run"
    options += f" --schema {schema} --database"
    tail = ["--unlogged"] if unlogged else []
    return [sys.executable, "-m", "polargen", "generate", *options.split(), url, *tail]


def help_command() -> list[str]:
    """Return the command that shows the help."""
    return [sys.executable, "-m", "polargen", "--help"]
