"""What a run would make, before it is started."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from polargen import state
from polargen.api import names
from polargen.api.problems import ApiProblem, error_at, errors_of, invalid
from polargen.api.requests import RunConfig, Target
from polargen.config import MockGeneratorConfig
from polargen.errors import ConfigError, LimitError
from polargen.estimate import Estimate, estimate
from polargen.options import RunOptions
from polargen.orchestrator import MOST_DATABASE_RECORDS
from polargen.plan import Plan, make_plan
from polargen.scenario import ScenarioProfile

MOST_ORDERS = 1_000_000_000  # of a run that is asked for over HTTP
ROWS_PER_S: dict[Target, float] = {"files": 300_000, "database": 80_000}  # ASSUMED, two cores
_one_at_a_time = threading.Lock()  # the plan of a large run takes memory


@dataclass(frozen=True)
class Expected:
    """What to expect of a run.

    Attributes:
        plan: of the run.
        size: its rows and bytes.
        too_large: why it cannot be run here; "" if it can.
    """

    plan: Plan
    size: Estimate
    too_large: str

    def to_dict(self, target: Target) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "rows": names.entities(self.size.rows),
            "totalRows": self.size.total_rows,
            "bytes": self.size.total_bytes,
            "estimatedSeconds": round(self.size.total_rows / ROWS_PER_S[target], 1),
            "notes": [*self.plan.notes, *map(str, self.plan.unmet)],
        }


def expected(config: MockGeneratorConfig, profile: ScenarioProfile, target: Target) -> Expected:
    """Return what to expect of a run.

    Raises:
        ApiProblem: 422, nothing can be planned.
    """
    with _one_at_a_time:
        try:
            plan = make_plan(config, profile)
        except ConfigError as error:
            raise invalid(errors_of(error, "config")) from None
        if plan.orders > MOST_ORDERS:
            raise ApiProblem(
                "limit",
                f"config.volumeMultiplier: {plan.orders:,} orders are planned, a server makes "
                f"at most {MOST_ORDERS:,}; lower it, or use the command line",
            )
        size = estimate(plan, "parquet")
    options = RunOptions(out=str(state.home()))
    if target == "database":
        options = RunOptions(max_records=MOST_DATABASE_RECORDS)
    try:
        size.check(RunOptions() if config.dry_run else options)
    except LimitError as error:
        return Expected(plan, size, _in_keys(str(error)))
    return Expected(plan, size, "")


def read_config(given: dict[str, Any]) -> RunConfig:
    """Return a run's configuration.

    Raises:
        ApiProblem: 422, with a path for each error.
    """
    try:
        return RunConfig.model_validate(given)
    except ValidationError as error:
        listed = error.errors(include_url=False)
        raise invalid([error_at(("config", *one["loc"]), one) for one in listed]) from None


def _in_keys(text: str) -> str:
    """Return a sentence with keys in the place of options."""
    return text.replace("--multiplier", "config.volumeMultiplier").replace(
        " or raise --max-records", ""
    )
