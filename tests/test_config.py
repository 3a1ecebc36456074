"""What a run takes, what it refuses, and the words in which it refuses."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from polargen.config import (
    DEFAULT_DAYS,
    FIRST_DAY,
    LAST_DAY,
    MAX_SEED,
    Limits,
    MockGeneratorConfig,
    ResolvedConfig,
    config_error,
    key_of,
    problems_in,
    resolve_config,
)
from polargen.errors import ConfigError

TODAY = date(2026, 1, 5)
DOCS = Path(__file__).parent.parent / "docs" / "configuration.md"


def resolved(**given: Any) -> ResolvedConfig:
    return resolve_config(given, today=TODAY)


def refused(**given: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        resolve_config(given, today=TODAY)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_defaults__are_those_of_the_specification() -> None:
    config = resolved().config
    assert config.scenario == "normal-ops"
    assert config.volume_multiplier == 1.0
    assert config.batch_size == 1000
    assert config.dry_run is True


def test_default_dates__are_the_last_90_days() -> None:
    found = resolved()
    assert found.config.end_date == TODAY
    assert found.config.days == DEFAULT_DAYS == 90
    assert found.dates_were_filled


def test_default_dates__follow_the_date_that_was_given() -> None:
    assert resolved(end_date="2024-03-31").config.start_date == date(2024, 1, 2)
    assert resolved(start_date="2025-12-01").config.end_date == TODAY
    assert "endDate: is missing and the start 2026-02-01" in refused(start_date="2026-02-01")


def test_default_start__stays_inside_the_calendar() -> None:
    assert resolved(end_date="1990-05-03").config.start_date == FIRST_DAY


def test_given_dates__are_not_flagged() -> None:
    found = resolved(start_date="2024-01-01", end_date=date(2024, 1, 1), seed=0)
    assert found.config.days == 1
    assert not found.dates_were_filled
    assert not found.seed_was_drawn
    assert found.config.seed == 0


def test_missing_seed__is_drawn_anew_and_flagged() -> None:
    first, second = resolved(), resolved(seed=None)
    assert first.seed_was_drawn
    assert second.seed_was_drawn
    assert first.config.seed != second.config.seed
    assert 0 <= first.config.seed < 2**53


@pytest.mark.parametrize("seed", [0, 12345, MAX_SEED, str(MAX_SEED), 5.0])
def test_seed__takes_whole_numbers(seed: object) -> None:
    assert resolved(seed=seed).config.seed == int(seed)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("seed", "what"),
    [
        (-1, "-1 is out of range"),
        (2**63, "9223372036854775808 is out of range"),
        ("ten", "'ten' is not a number"),
        (1.5, "1.5 is not a whole number"),
        (1e18, "1e+18 is not a whole number"),
        (True, "true is not a number"),
        (float("nan"), "nan is not a finite number"),
        ("9" * 300, "is out of range"),
        ("9" * 5000, "is not a number"),
        ("", "'' is not a number"),
    ],
)
def test_seed__refuses_everything_else(seed: object, what: str) -> None:
    message = refused(seed=seed)
    assert message.startswith("seed: ")
    assert what in message
    assert message.endswith("must be 0..9,223,372,036,854,775,807")


@pytest.mark.parametrize("multiplier", [0.001, 1, 10_000, "2", "1e3", "0.5"])
def test_multiplier__takes_numbers_and_digits(multiplier: object) -> None:
    assert resolved(volume_multiplier=multiplier).config.volume_multiplier == float(
        multiplier  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("multiplier", "what"),
    [
        (0, "0 is out of range"),
        (-1, "-1 is out of range"),
        (10_000.1, "10000.1 is out of range"),
        ("ten", "'ten' is not a number"),
        ("nan", "'nan' is not a number"),
        ("inf", "'inf' is not a number"),
        (float("nan"), "nan is not a finite number"),
        (float("inf"), "inf is not a finite number"),
        ("1e999", "'1e999' is not a finite number"),
        (10**400, "is not a finite number"),
        (True, "true is not a number"),
        ([1], "[1] is not a number"),
    ],
)
def test_multiplier__refuses_everything_else(multiplier: object, what: str) -> None:
    message = refused(volumeMultiplier=multiplier)
    assert message.startswith("volumeMultiplier: ")
    assert what in message
    assert message.endswith("must be above 0 and at most 10,000")


@pytest.mark.parametrize("size", [99, 1_000_001, 0])
def test_batch_size__is_bounded(size: int) -> None:
    assert refused(batch_size=size) == (
        f"batchSize: {size} is out of range, must be 100..1,000,000"
    )


@pytest.mark.parametrize(
    ("day", "what"),
    [
        ("2024-02-30", "2024-02-30 is not a day of the calendar, give a day that exists"),
        ("2023-02-29", "2023-02-29 is not a day of the calendar, give a day that exists"),
        ("2024-13-01", "2024-13-01 is not a day of the calendar, give a day that exists"),
        ("01/02/2024", "'01/02/2024' is not a date, write it as YYYY-MM-DD"),
        ("20240101", "'20240101' is not a date, write it as YYYY-MM-DD"),
        ("yesterday", "'yesterday' is not a date, write it as YYYY-MM-DD"),
        ("2024-01-01T00:00:00Z", "write it as YYYY-MM-DD"),
        (datetime(2024, 1, 1), "write it as YYYY-MM-DD"),
        (20240101, "20240101 is not a date, write it as YYYY-MM-DD"),
        ("1990-04-30", "must be 1990-05-01..2050-09-02"),
        ("2050-09-03", "must be 1990-05-01..2050-09-02"),
        ("0001-01-01", "is outside the calendar of polargen"),
    ],
)
def test_dates__that_cannot_be_are_refused(day: object, what: str) -> None:
    message = refused(end_date=day)
    assert message.startswith("endDate: ")
    assert what in message
    assert ";" not in message


def test_dates__leave_120_days_of_the_calendar_on_both_sides() -> None:
    assert (FIRST_DAY - date(1990, 1, 1)).days == 120
    assert (date(2050, 12, 31) - LAST_DAY).days == 120
    assert resolved(start_date=FIRST_DAY, end_date=LAST_DAY).config.days > 20_000


def test_end_before_start__is_refused() -> None:
    assert refused(start_date="2024-03-31", end_date="2024-01-01") == (
        "endDate: 2024-01-01 lies before the start 2024-03-31, swap them"
    )


def test_dry_run__takes_truth_values_only() -> None:
    assert resolved(dryRun=False).config.dry_run is False
    assert refused(dry_run="no") == ("dryRun: 'no' is neither true nor false, give one of them")


def test_scenario__is_text_and_not_empty() -> None:
    assert "scenario: is empty" in refused(scenario=" ")
    assert "scenario: 5 is not text" in refused(scenario=5)


def test_keys__in_both_spellings_mean_the_same() -> None:
    camel = {"startDate": "2024-01-01", "endDate": "2024-01-31", "seed": 1, "batchSize": 200}
    snake = {"start_date": "2024-01-01", "end_date": "2024-01-31", "seed": 1, "batch_size": 200}
    first, second = (resolve_config(given, today=TODAY).config for given in (camel, snake))
    assert first == second
    assert key_of(MockGeneratorConfig, "volume_multiplier") == "volumeMultiplier"


def test_key_in_two_spellings_at_once__is_refused() -> None:
    assert refused(seed=1, batch_size=200, batchSize=200) == (
        "given twice, as batch_size and as batchSize, keep one of them"
    )


def test_unknown_key__is_refused_with_the_nearest() -> None:
    assert refused(sed=1) == "sed: unknown key, did you mean seed?"
    assert "must be one of startDate, endDate" in refused(zzzzzz=1)


def test_everything_wrong__is_said_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        resolved(seed=-1, volumeMultiplier="x", batchSize=1)
    assert str(caught.value).count("; ") == 2
    problems = problems_in(caught.value)
    assert [one.path for one in problems] == ["seed", "volumeMultiplier", "batchSize"]


def test_names__replace_keys_in_messages() -> None:
    with pytest.raises(ConfigError, match=r"^--from: 2024-02-30 is not a day"):
        resolve_config({"start_date": "2024-02-30"}, today=TODAY, names={"start_date": "--from"})


def test_validation_error__becomes_one_config_error() -> None:
    with pytest.raises(ValidationError) as caught:
        MockGeneratorConfig.model_validate({"seed": "x"})
    error = config_error(caught.value, MockGeneratorConfig, "request")
    assert "request: seed: 'x' is not a number" in str(error)
    assert "request: startDate: is missing, give it" in str(error)
    assert len(problems_in(error)) == 3


def test_problems_in__a_plain_error_is_the_error() -> None:
    assert [str(one) for one in problems_in(ConfigError("a: b"))] == ["a: b"]


def test_config__is_frozen_picklable_and_json() -> None:
    config = resolved(start_date="2024-01-01", end_date="2024-03-31", seed=7).config
    with pytest.raises(ValidationError):
        config.seed = 8
    assert pickle.loads(pickle.dumps(config)) == config
    assert config.to_dict() == {
        "startDate": "2024-01-01",
        "endDate": "2024-03-31",
        "seed": 7,
        "scenario": "normal-ops",
        "volumeMultiplier": 1.0,
        "batchSize": 1000,
        "dryRun": True,
    }


def test_json_schema__has_the_limits() -> None:
    properties = MockGeneratorConfig.model_json_schema(by_alias=True)["properties"]
    assert properties["batchSize"]["minimum"] == 100
    assert properties["volumeMultiplier"]["exclusiveMinimum"] == 0
    assert properties["seed"]["maximum"] == MAX_SEED


def test_import__needs_neither_polars_nor_faker() -> None:
    code = (
        "import sys, polargen.config, polargen.scenario;"
        "print([m for m in ('polars', 'faker', 'pyarrow', 'fastapi') if m in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parent.parent,
    )
    assert found.stdout.strip() == "[]"


def test_docs__state_each_option_with_its_limits_and_default() -> None:
    text = DOCS.read_text(encoding="utf-8")
    rows = {row[0]: row for row in map(_cells, text.splitlines()) if len(row) == 5}
    for field, info in MockGeneratorConfig.model_fields.items():
        row = rows[f"`{key_of(MockGeneratorConfig, field)}`"]
        limits = [one for one in info.metadata if isinstance(one, Limits)]
        if limits:
            assert str(limits[0]) in row[2], row
        if not info.is_required():
            assert row[3].strip("`") == f"{info.default}".removesuffix(".0").lower(), row
    assert f"{FIRST_DAY}..{LAST_DAY}" in text


def test_docs__refusals_are_the_real_ones() -> None:
    block = re.findall(r"```text\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.S)[0]
    real = [
        refused(start_date="2024-02-30"),
        refused(start_date="2024-03-31", end_date="2024-01-01"),
        refused(volume_multiplier="ten"),
        refused(seed=-1),
    ]
    assert block.splitlines() == real


def test_docs__python_runs(capsys: pytest.CaptureFixture[str]) -> None:
    for block in re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.S):
        exec(compile(block, str(DOCS), "exec"), {})
    assert "'seed': 12345" in capsys.readouterr().out


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]
