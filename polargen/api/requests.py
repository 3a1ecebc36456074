"""What is asked for: the bodies of requests."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    StrictBool,
    StringConstraints,
    WithJsonSchema,
)

from polargen.config import DEFAULT_SCENARIO, MAX_SEED, Limits, Section, shown
from polargen.config.run import Day
from polargen.generators import all_tables
from polargen.scenario import PACKAGED_LOCALE

Target = Literal["files", "database"]
ExportFormat = Literal["json", "csv", "parquet", "sql"]


def _no_text(value: object) -> object:
    if isinstance(value, str):
        raise ValueError(f"{shown(value)} is text, give a number")
    return value


_Number = BeforeValidator(_no_text)
ScenarioName = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Keys = dict[str, Any]
_NAMES = [name for table in all_tables().values() for name in (table.json_name, table.name)]
TableName = Annotated[
    str, WithJsonSchema({"type": "string", "enum": list(dict.fromkeys(_NAMES)), "title": "Table"})
]
JobId = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class RunConfig(Section):
    """What a run is asked for; what is left out has a default."""

    start_date: Day | None = Field(default=None, description="First day; 89 days before endDate.")
    end_date: Day | None = Field(default=None, description="Last day, inclusive; today.")
    seed: Annotated[int, Limits(0, MAX_SEED), _Number] | None = Field(
        default=None,
        description="The same seed gives the same bytes; drawn and answered if left out.",
    )
    volume_multiplier: Annotated[float, Limits(0, 10_000, above=True), _Number] = 1.0
    batch_size: Annotated[int, Limits(100, 1_000_000), _Number] = 1000
    dry_run: StrictBool = Field(default=True, description="Generate and check, write nothing.")
    target: Target | None = Field(
        default=None, description="Where to write; the database if the server has one, else files."
    )
    verify: StrictBool = Field(
        default=False, description="Check every rule before the data is final."
    )
    workers: Annotated[int, Limits(1, 1024), _Number] | None = Field(
        default=None, description="Processes; never changes the data."
    )


class GenerateRequest(Section):
    """A run to start."""

    scenario: ScenarioName = DEFAULT_SCENARIO
    config: RunConfig = Field(default_factory=RunConfig)


class ConfigRequest(Section):
    """A run to judge."""

    scenario: ScenarioName = DEFAULT_SCENARIO
    config: dict[str, Any] = Field(default_factory=dict, description="As of POST /generate.")
    target: Target | None = None


class NewScenario(Section):
    """A scenario as a file would have it; what is left out comes from what it extends."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,50}$")]
    description: Annotated[str, StringConstraints(max_length=1000)] = ""
    extends: ScenarioName = DEFAULT_SCENARIO
    locale: Annotated[str, StringConstraints(max_length=20)] = PACKAGED_LOCALE
    entity_rates: Keys = Field(default_factory=dict)
    distributions: Keys = Field(default_factory=dict)
    time_series: Keys = Field(default_factory=dict)
    anomaly_rate: Annotated[float, Limits(0, 1), _Number] = 0.05
    anomaly_config: Keys = Field(default_factory=dict)
    overrides: Keys = Field(default_factory=dict)


class CancelRequest(Section):
    """A job to cancel."""

    job_id: JobId


class DateRange(Section):
    """Days, both inclusive."""

    start_date: Day | None = None
    end_date: Day | None = None


class ExportRequest(Section):
    """What to export."""

    format: ExportFormat
    entities: Annotated[list[TableName], Field(min_length=1, max_length=100)] | None = Field(
        default=None, description="Tables by either name; all if left out."
    )
    include_metadata: StrictBool = Field(
        default=False, description="Add manifest.json; always a zip."
    )
    date_range: DateRange | None = Field(
        default=None, description="By each table's main date, in Cairo."
    )
    job_id: JobId | None = Field(
        default=None, description="A finished job; the database, else the last job with files."
    )


class ToggleRequest(Section):
    """What the toggle shall be."""

    enable: StrictBool
