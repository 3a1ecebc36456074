"""What is answered: the JSON documents."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from polargen.api.requests import Target
from polargen.scenario import ScenarioProfile

JobStatus = Literal[
    "queued",
    "initializing",
    "generating",
    "validating",
    "writing",
    "completed",
    "failed",
    "rolling_back",
    "cancelled",
]


class Answer(BaseModel):
    """An answer: camelCase outside."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class ProblemError(Answer):
    """One thing that is wrong with a request."""

    path: str
    message: str


class CheckFailure(Answer):
    """One failed check of the safety guard."""

    check: str
    reason: str
    severity: Literal["error", "warning"]
    remedy: str


class Problem(Answer):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    error: str
    errors: list[ProblemError] | None = None
    failures: list[CheckFailure] | None = None
    environment: str | None = None
    available_scenarios: list[str] | None = None
    job_id: str | None = None


class Resolved(Answer):
    """A run's configuration, complete."""

    start_date: str
    end_date: str
    seed: int
    scenario: str
    volume_multiplier: float
    batch_size: int
    dry_run: bool
    target: Target | None
    verify: bool
    workers: int | None


class Started(Answer):
    """A job that was started, or waits."""

    job_id: str
    status: Literal["started", "queued"]
    scenario: str
    config: Resolved
    message: str


class Progress(Answer):
    """How far a job is."""

    job_id: str
    status: JobStatus
    current_entity: str
    current_batch: int
    total_batches: int
    records_generated: dict[str, int]
    progress_percent: int
    estimated_time_remaining: float | None
    throughput: float
    error_count: int
    updated_at: str


class Status(Answer):
    """A job."""

    job_id: str
    status: JobStatus
    scenario: str
    config: dict[str, Any]
    target: str
    created_at: str
    started_at: str | None
    completed_at: str | None
    message: str | None = Field(description="What went wrong, and what to do.")
    progress: Progress
    result: dict[str, Any] | None
    error: dict[str, Any] | None


class Jobs(Answer):
    """Jobs, the newest first."""

    jobs: list[Status]


class Cancelled(Answer):
    """A job that was told to stop."""

    job_id: str
    status: JobStatus
    message: str


class Scenario(ScenarioProfile):
    """A scenario, complete."""

    built_in: bool


class Scenarios(Answer):
    """All scenarios."""

    scenarios: list[Scenario]
    count: int
    default_scenario: str


class DatabasePlace(Answer):
    """The server's database, without credentials."""

    place: str
    schema_: str = Field(alias="schema")


class ServerConfig(Answer):
    """Defaults, and how the server is set up."""

    defaults: dict[str, Any]
    safety_config: dict[str, Any]
    default_entity_rates: dict[str, Any]
    default_distributions: dict[str, Any]
    targets: list[Target]
    database: DatabasePlace | None


class PlanSummary(Answer):
    """What a run would make."""

    rows: dict[str, int]
    total_rows: int
    bytes: int
    estimated_seconds: float
    notes: list[str]


class SafetyCheck(Answer):
    """One check of the safety guard."""

    check: str
    ok: bool
    reason: str
    severity: Literal["error", "warning"]
    remedy: str


class Judged(Answer):
    """What would become of a run."""

    valid: bool
    errors: list[ProblemError]
    config: dict[str, Any] | None
    plan: PlanSummary | None
    safety_checks: list[SafetyCheck]


class TableRows(Answer):
    """A table of a finished job."""

    name: str
    rows: int


class Tables(Answer):
    """The tables of a finished job."""

    tables: list[TableRows]


class ColumnKind(Answer):
    """A column."""

    name: str
    kind: str


class Rows(Answer):
    """A page of rows."""

    table: str
    columns: list[ColumnKind]
    rows: list[list[Any]]
    total: int


class OrdersPerDay(Answer):
    """Orders of each day, by status."""

    dates: list[str]
    weekday: list[int] = Field(description="0 = Sunday.")
    holidays: list[str]
    by_status: dict[str, list[int]]


class Popularity(Answer):
    """Order lines of products, by rank; thinned out where there are many."""

    ranks: list[int]
    lines: list[int]


class PaymentDelay(Answer):
    """Payments by days from the due date."""

    days: list[int]
    payments: list[int]


class Anomalies(Answer):
    """Labels of each day, by type."""

    dates: list[str]
    by_type: dict[str, list[int]]


class Charts(Answer):
    """What a finished job looks like."""

    orders_per_day: OrdersPerDay
    product_popularity: Popularity
    payment_delay: PaymentDelay
    anomalies_over_time: Anomalies


class Removable(Answer):
    """What a cleanup removes."""

    results: dict[str, int] = Field(description="Rows by table.")
    jobs: list[str]
    kept: list[str] = Field(description="What others made in the same schema.")


class Cleaned(Removable):
    """What was removed."""

    success: bool
    timestamp: str


class Toggle(Answer):
    """Whether database writes are enabled."""

    enabled: bool
    environment: str
    can_enable: bool
    message: str


class Health(Answer):
    """The server is there."""

    status: Literal["ok"]
    version: str
