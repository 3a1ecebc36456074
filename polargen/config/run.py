"""Configuration of a run.

The clock is read by the caller: `resolve_config` takes ``today`` and fills what was not given.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, StrictBool, model_validator

from polargen.config.problems import Problem, RefusedAt, refusal, shown
from polargen.config.settings import Limits, Section, check, key_of, rename

MARGIN_DAYS = 120  # due dates and visits reach beyond the window; companies begin before it
FIRST_DAY = date(1990, 1, 1) + timedelta(days=MARGIN_DAYS)  # Source: DESIGN, calendar 1990-2050
LAST_DAY = date(2050, 12, 31) - timedelta(days=MARGIN_DAYS)
DEFAULT_DAYS = 90
DEFAULT_SCENARIO = "normal-ops"
MAX_SEED = 2**63 - 1

_DRAWN_SEED_BITS = 53  # a reader that keeps JSON numbers as doubles still sees the exact seed
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _read_day(value: object) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _DAY.fullmatch(value.strip()):
        raise ValueError(f"{shown(value)} is not a date, write it as YYYY-MM-DD")
    try:
        return date.fromisoformat(value.strip())
    except ValueError:
        raise ValueError(f"{value} is not a day of the calendar, give a day that exists") from None


def _day_in_calendar(value: object) -> date:
    day = _read_day(value)
    if not FIRST_DAY <= day <= LAST_DAY:
        raise ValueError(
            f"{day} is outside the calendar of polargen, must be {FIRST_DAY}..{LAST_DAY}"
        )
    return day


def _scenario_name(value: object) -> object:
    if isinstance(value, str) and not value.strip():
        raise ValueError("is empty, give the name or file of a scenario")
    return value


Day = Annotated[date, BeforeValidator(_day_in_calendar)]


class MockGeneratorConfig(Section):
    """What a run was asked for, complete.

    Attributes:
        start_date: first day, of Cairo's calendar.
        end_date: last day, inclusive; the data is as of its end.
        seed: 0..2**63-1.
        scenario: name, or path of a file.
        volume_multiplier: scales users, companies, products, orders and visits.
        batch_size: rows handed to a sink at once; never changes content.
        dry_run: generate and check, write nothing.
    """

    start_date: Day
    end_date: Day
    seed: Annotated[int, Limits(0, MAX_SEED)]
    scenario: Annotated[str, BeforeValidator(_scenario_name)] = DEFAULT_SCENARIO
    volume_multiplier: Annotated[float, Limits(0, 10_000, above=True)] = 1.0
    batch_size: Annotated[int, Limits(100, 1_000_000)] = 1000
    dry_run: StrictBool = True

    @model_validator(mode="after")
    def _in_order(self) -> MockGeneratorConfig:
        if self.end_date < self.start_date:
            raise RefusedAt(
                "endDate", f"{self.end_date} lies before the start {self.start_date}, swap them"
            )
        return self

    @property
    def days(self) -> int:
        """Number of days, both ends included."""
        return (self.end_date - self.start_date).days + 1

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form: camelCase keys in a fixed order, dates as text."""
        return self.model_dump(mode="json", by_alias=True)


@dataclass(frozen=True)
class ResolvedConfig:
    """A complete configuration, and what of it the user did not give and should be shown."""

    config: MockGeneratorConfig
    seed_was_drawn: bool
    dates_were_filled: bool


def resolve_config(
    given: Mapping[str, object], *, today: date, names: Mapping[str, str] | None = None
) -> ResolvedConfig:
    """Fill what was not given and check everything.

    Args:
        given: keys of `MockGeneratorConfig` in either spelling; None means not given.
        today: Cairo's calendar day, read from the clock by the caller.
        names: how messages call a key, e.g. ``{"start_date": "--from"}``.

    Raises:
        ConfigError: one sentence for each thing that is wrong, joined.

    Model: without dates the last 90 days, today included; with one of them the 90 days that end
    there, or all days since. Without a seed, one from the system, below 2**53.
    """
    labels = {key_of(MockGeneratorConfig, key): label for key, label in (names or {}).items()}
    values = _renamed(given)
    values = {key: value for key, value in values.items() if value is not None}
    seed_was_drawn = "seed" not in values
    dates_were_filled = not {"startDate", "endDate"} <= set(values)
    if seed_was_drawn:
        values["seed"] = int.from_bytes(os.urandom(8), "little") >> (64 - _DRAWN_SEED_BITS)
    _fill_dates(values, today, labels)
    config, problems = check(MockGeneratorConfig, values)
    if config is None:
        raise refusal(Problem(labels.get(one.path, one.path), one.message) for one in problems)
    return ResolvedConfig(config, seed_was_drawn, dates_were_filled)


def _renamed(given: Mapping[str, object]) -> dict[str, Any]:
    try:
        return rename(MockGeneratorConfig, given)
    except ValueError as error:
        problem = Problem("", str(error))
    raise refusal([problem])


def _fill_dates(values: dict[str, Any], today: date, labels: Mapping[str | None, str]) -> None:
    """Set the dates that are missing; a date that cannot be read is left to the model."""
    start, end = _day_or_none(values.get("startDate")), _day_or_none(values.get("endDate"))
    if "endDate" not in values:
        if start is not None and start > today:
            label = labels.get("endDate", "endDate")
            raise refusal(
                [Problem(label, f"is missing and the start {start} lies after today, give it")]
            )
        end = values["endDate"] = today
    if "startDate" not in values:
        span = timedelta(days=DEFAULT_DAYS - 1)
        last = today if end is None else end
        values["startDate"] = max(FIRST_DAY, last - span) if last >= FIRST_DAY else FIRST_DAY


def _day_or_none(value: object) -> date | None:
    try:
        return _read_day(value)
    except ValueError:
        return None
