"""The plan decides every count, segment and chance before any data."""

from __future__ import annotations

import itertools
import pickle
from datetime import UTC, date, datetime, timedelta
from math import ceil
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from polargen import calendar
from polargen.config import MockGeneratorConfig
from polargen.errors import ConfigError, LimitError
from polargen.estimate import estimate
from polargen.orchestrator import RunOptions
from polargen.plan import Plan, make_plan
from polargen.plan.counts import SEGMENT_ORDERS
from polargen.scenario import ScenarioProfile, resolve_scenario

SCENARIOS = (
    "normal-ops",
    "peak-season",
    "anomaly-heavy",
    "warehouse-outage",
    "growth-phase",
    "payment-crisis",
)
CAIRO = ZoneInfo("Africa/Cairo")


def plan_of(
    start: str = "2024-01-01",
    end: str = "2024-03-30",
    scenario: str = "normal-ops",
    multiplier: float = 1.0,
    seed: int = 1,
    rates: dict[str, Any] | None = None,
    **changes: Any,
) -> Plan:
    document = resolve_scenario(scenario).to_dict()
    document["entityRates"].update(rates or {})
    for key, value in changes.items():
        document[key] = {**document[key], **value} if isinstance(value, dict) else value
    config = MockGeneratorConfig(
        start_date=date.fromisoformat(start),
        end_date=date.fromisoformat(end),
        seed=seed,
        volume_multiplier=multiplier,
    )
    return make_plan(config, ScenarioProfile.model_validate(document))


@pytest.mark.parametrize(
    ("multiplier", "users", "companies", "products", "orders", "visits"),
    [
        (1.0, 20, 100, 200, 4500, 129),  # 10 visits a week, 90 days: 128.57
        (2.5, 50, 250, 500, 11_250, 321),
        (0.29, 5, 29, 58, 1305, 37),  # 100 x 0.29 is 28.999999999999996 in binary
        (0.1, 4, 10, 20, 450, 13),
        (0.01, 4, 2, 10, 45, 1),
        (0.0001, 4, 2, 10, 0, 0),
        (10_000.0, 200_000, 1_000_000, 2_000_000, 45_000_000, 1_285_714),
    ],
)
def test_counts__follow_the_multiplier_and_the_minimums(
    multiplier: float, users: int, companies: int, products: int, orders: int, visits: int
) -> None:
    plan = plan_of(multiplier=multiplier)
    found = (plan.users, plan.companies, plan.products, plan.orders, plan.visits)
    assert found == (users, companies, products, orders, visits)


def test_counts__raised_to_a_minimum_are_said() -> None:
    notes = plan_of(multiplier=0.01).notes
    assert [note.split(":")[0] for note in notes] == ["users", "companies", "products"]
    assert "raised to 4" in notes[0]
    assert "raised to 2" in notes[1]
    assert "raised to 10" in notes[2]
    assert plan_of().notes == ()


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_orders__are_exact_over_the_days(scenario: str) -> None:
    plan = plan_of(scenario=scenario)
    daily = resolve_scenario(scenario).entity_rates.orders_per_day
    assert plan.orders_per_day.sum() == plan.orders == daily * 90
    assert plan.orders_per_day.shape == plan.visits_per_day.shape == (90,)
    assert plan.visits_per_day.sum() == plan.visits
    assert (plan.orders_per_day >= 0).all()


def test_orders__follow_weekdays_holidays_and_growth() -> None:
    """Over two years, so that the jitter of +-30 % averages out within a few points."""
    plan = plan_of("2022-01-01", "2023-12-31", scenario="growth-phase")
    days = np.arange(plan.first_day, plan.last_day + 1)
    usual = ~calendar.is_holiday(days) & ~calendar.is_ramadan(days)
    trend = plan.orders_per_day / 1.1 ** (np.arange(len(days)) / 30)
    by_weekday = np.array([trend[usual & (calendar.weekday(days) == d)].mean() for d in range(7)])
    by_weekday /= by_weekday[:5].mean()
    assert by_weekday == pytest.approx([1, 1, 1, 1, 1, 0.3, 0.6], abs=0.08)
    work = usual & (calendar.weekday(days) < 5)
    holiday = calendar.is_holiday(days) & (calendar.weekday(days) < 5) & ~calendar.is_ramadan(days)
    assert trend[holiday].mean() / trend[work].mean() == pytest.approx(0.2, abs=0.05)


def test_window__is_cairos_and_its_end_is_the_as_of_instant() -> None:
    plan = plan_of("2024-04-20", "2024-05-09")  # summer time begins on 26 April 2024
    start = datetime(2024, 4, 20, tzinfo=CAIRO).astimezone(UTC)
    end = datetime(2024, 5, 10, tzinfo=CAIRO).astimezone(UTC)
    assert (plan.start_us, plan.as_of_us) == (
        int(start.timestamp()) * 10**6,
        int(end.timestamp()) * 10**6,
    )
    assert plan.days == 20


@pytest.mark.parametrize(
    ("daily", "multiplier", "products", "warehouses"),
    [
        (50, 1, 200, 1),
        (160, 1, 200, 1),
        (161, 1, 200, 2),
        (320, 1, 200, 2),
        (10_000, 1, 200, 2),  # no more than a warehouse for 100 products
        (10_000, 1, 199, 1),
        (10_000, 1, 50_000, 63),
        (50, 3.2, 200, 1),
        (50, 3.3, 200, 2),
        (10, 0.1, 10, 1),
        (50, 40, 200, 13),  # 2,000 orders a day, 8,000 products
    ],
)
def test_warehouses__are_enough_for_the_orders_and_hold_100_products(
    daily: int, multiplier: float, products: int, warehouses: int
) -> None:
    plan = plan_of(multiplier=multiplier, rates={"ordersPerDay": daily, "products": products})
    assert plan.warehouses == warehouses
    rule = max(1, min(ceil(round(daily * multiplier, 6) / 160), plan.products // 100))
    assert plan.warehouses == rule


def test_segments__a_run_of_65536_orders_is_one_and_of_one_more_is_cut_by_months() -> None:
    days, rates = ("2024-01-01", "2024-03-04"), {"ordersPerDay": 1024}  # 64 days
    at, over = plan_of(*days, rates=rates), plan_of(*days, rates=rates, multiplier=65_537 / 65_536)
    assert at.orders == SEGMENT_ORDERS == 65_536
    assert over.orders == 65_537
    assert len(at.segments) == 1
    firsts = [calendar.date_of(segment.first_day) for segment in over.segments]
    assert firsts == [date(2024, 1, 1), date(2024, 2, 1), date(2024, 3, 1)]


@pytest.mark.parametrize(
    ("daily", "multiplier", "products", "starts"),
    [
        (2_000, 1.0, 200, "months"),  # W = 2, at most 31,000 orders a warehouse and month
        (8_000, 1.0, 100, "weeks"),  # W = 1, 240,000 orders a month, 56,000 a week
        (10_000, 4.0, 100, "days"),  # W = 4, 70,000 orders a warehouse and week
    ],
)
def test_segments__are_the_coarsest_that_fit(
    daily: int, multiplier: float, products: int, starts: str
) -> None:
    rates = {"ordersPerDay": daily, "products": products, "companies": 10}
    series = {"weekdayWeights": [1] * 7, "dailyJitter": 0.05, "holidayWeight": 1}
    plan = plan_of("2023-01-04", "2023-03-15", rates=rates, multiplier=multiplier,
                   timeSeries=series)  # fmt: skip
    days = [calendar.date_of(day) for day in range(plan.first_day, plan.last_day + 1)]
    key = {
        "months": lambda day: (day.year, day.month),
        "weeks": lambda day: day - timedelta(days=(day.weekday() + 1) % 7),
        "days": lambda day: day,
    }[starts]
    cuts = [day for n, day in enumerate(days) if n == 0 or key(days[n - 1]) != key(day)]
    assert [calendar.date_of(segment.first_day) for segment in plan.segments] == cuts


@pytest.mark.parametrize("daily", [50, 1024, 5_000, 10_000])
def test_segments__hold_every_day_and_order_once_and_fit(daily: int) -> None:
    plan = plan_of("2023-01-04", "2023-12-15", rates={"ordersPerDay": daily})
    ends = np.concatenate([[0], np.cumsum(plan.orders_per_day)])
    segments = plan.segments
    assert (segments[0].first_day, segments[-1].last_day) == (plan.first_day, plan.last_day)
    assert (segments[0].first_order, segments[-1].stop_order) == (0, plan.orders)
    for before, after in itertools.pairwise(segments):
        assert after.first_day == before.last_day + 1
        assert after.first_order == before.stop_order
    for segment in segments:
        assert segment.first_order == ends[segment.first_day - plan.first_day]
        assert ceil((segment.stop_order - segment.first_order) / plan.warehouses) <= SEGMENT_ORDERS


def test_segments__a_day_too_large_for_its_warehouses_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"entityRates: a warehouse has .* orders on one day"):
        plan_of(rates={"ordersPerDay": 10_000, "products": 1}, multiplier=70)


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("end", ["2024-03-30", "2024-04-15", "2024-07-01", "2024-09-30"])
def test_status_chances__make_the_shares_hold(scenario: str, end: str) -> None:
    """Within half a point, summed over days and regions by the meaning of the chances."""
    start = date.fromisoformat(end) - timedelta(days=89)
    plan = plan_of(start.isoformat(), end, scenario=scenario)
    wanted = resolve_scenario(scenario).distributions.order_status.shares()
    region = np.array(resolve_scenario(scenario).distributions.region_distribution.shares())
    chances, orders = plan.status, plan.orders_per_day / plan.orders
    can = chances.deliverable.astype(float)
    opened = 1 - can * (1 - chances.open_chance)  # who cannot be delivered yet is open
    is_open = float((region[:, None] * orders * opened).sum())
    shipped = float((region[:, None] * orders * opened * chances.shippable).sum())
    shipped *= chances.shipped_chance
    found = [
        (is_open - shipped) * chances.pending_chance,
        (is_open - shipped) * (1 - chances.pending_chance),
        shipped,
        *((1 - is_open) * share for share in chances.finished),
    ]
    assert found == pytest.approx(wanted, abs=0.005)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_status_chances__fall_with_age_and_older_orders_are_finished(scenario: str) -> None:
    plan = plan_of("2023-06-01", "2024-03-30", scenario=scenario)
    chance = plan.status.open_chance
    reach = plan.status.deliverable.all(axis=0)
    assert (np.diff(chance[reach]) >= -1e-12).all()
    assert not chance[:-90][reach[:-90]].any()
    assert chance[reach].max() <= 1.0
    assert plan.payment.horizon_start == plan.last_day - 89


def test_status_chances__say_which_orders_can_have_arrived() -> None:
    """An order of the last day cannot; one of ten days before T can, in both regions."""
    plan = plan_of()
    assert not plan.status.deliverable[:, -1].any()
    assert plan.status.deliverable[:, :-10].all()


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_shares__can_be_met_throughout_the_year(scenario: str) -> None:
    """But for the weeks after a quarter's end, when all bulk cycles are due and few are paid.

    With 10 % of the orders in cycles that are paid 0-44 days late, more than 5 % are Overdue until
    about half of the cycles are paid.
    """
    for step in range(13):
        end = date(2024, 1, 3) + timedelta(days=29 * step)
        plan = plan_of((end - timedelta(days=89)).isoformat(), end.isoformat(), scenario=scenario)
        since_quarter = (end - date(end.year, (end.month - 1) // 3 * 3 + 1, 1)).days
        may_miss = scenario in ("normal-ops", "growth-phase") and since_quarter < 25
        assert {item.name for item in plan.unmet} <= (
            {"paymentStatus.Overdue"} if may_miss else set()
        )
        assert all(0.05 < item.expected < 0.1 for item in plan.unmet)


def test_unmet__a_day_alone_has_no_deliveries_and_says_so() -> None:
    plan = plan_of("2024-03-05", "2024-03-05")
    names = {item.name: item for item in plan.unmet}
    assert set(names) == {"orderStatus, open orders", "orderStatus.Shipped", "paymentStatus.Paid",
                          "paymentStatus.Overdue"}  # fmt: skip
    assert names["orderStatus, open orders"].expected == pytest.approx(1.0)
    assert names["orderStatus.Shipped"].expected == 0.0
    assert names["paymentStatus.Paid"].wanted == 0.80
    assert "the scenario wants 0.800" in str(names["paymentStatus.Paid"])


@pytest.mark.parametrize("ratio", [0.0, 0.29, 0.3, 1.0])
def test_branches__are_one_to_three_of_the_floor_of_the_companies(ratio: float) -> None:
    having = round(1000 * ratio)
    plan = plan_of(rates={"branchRatio": ratio, "companies": 1000})
    assert having <= plan.branches <= 3 * having
    deviation = 4.5 * np.sqrt(having * 2 / 3)
    assert abs(plan.branches - 2 * having) <= deviation


@pytest.mark.parametrize(
    ("types", "rate", "duplicates"),
    [
        (["duplicate_orders"], 0.1, 450),
        (["payment_delay", "duplicate_orders"], 0.1, 225),
        (["payment_delay", "duplicate_orders", "maintenance_failure"], 0.1, 225),
        (["duplicate_orders"], 0.0, 0),
        (["payment_delay"], 0.5, 0),
    ],
)
def test_duplicates__are_planned_as_their_part_of_the_rate(
    types: list[str], rate: float, duplicates: int
) -> None:
    plan = plan_of(anomalyRate=rate, anomalyConfig={"types": types})
    assert plan.duplicates == duplicates
    assert plan.orders == 4500


def test_anomaly_rate__of_the_config_wins_and_zero_is_a_rate() -> None:
    assert plan_of(anomalyRate=0.2).anomaly_rate == 0.2
    assert plan_of(anomalyRate=0.2, anomalyConfig={"rate": 0.0}).anomaly_rate == 0.0
    assert plan_of(anomalyRate=0.2, anomalyConfig={"rate": 0.0}).anomaly_types == ()


def test_zipf__the_exponent_is_given_or_solved_for_a_warehouse() -> None:
    assert plan_of().zipf_steps / 1024 == pytest.approx(1.2, abs=0.05)
    popularity = {"productPopularity": {"kind": "zipf", "exponent": 0.75}}
    assert plan_of(distributions=popularity).zipf_steps == 768
    assert plan_of(distributions={"productPopularity": "uniform"}).zipf_steps == 0
    lower = {"productPopularity": {"kind": "zipf", "topShare": 0.5}}
    assert plan_of(distributions=lower).zipf_steps < plan_of().zipf_steps


def test_hash__is_of_what_decides_content_alone() -> None:
    config = {"start_date": "2024-01-01", "end_date": "2024-01-31", "seed": 7}
    scenario = resolve_scenario("normal-ops")

    def hash_of(profile: ScenarioProfile = scenario, **changes: Any) -> str:
        return make_plan(MockGeneratorConfig.model_validate({**config, **changes}), profile).hash

    assert hash_of() == hash_of(batch_size=100) == hash_of(dry_run=False)
    assert hash_of() == hash_of(scenario="./normal-ops.yaml")
    others = {
        hash_of(),
        hash_of(seed=8),
        hash_of(end_date="2024-02-01"),
        hash_of(start_date="2024-01-02"),
        hash_of(volume_multiplier=1.01),
        hash_of(resolve_scenario("normal-ops", ["anomalyRate=0.06"])),
    }
    assert len(others) == 6


def test_plan__travels_unchanged() -> None:
    plan = plan_of(multiplier=3.0)
    again = pickle.loads(pickle.dumps(plan))
    assert again.hash == plan.hash
    assert np.array_equal(again.orders_per_day, plan.orders_per_day)
    assert again.segments == plan.segments
    assert len(pickle.dumps(plan)) < 50_000


@pytest.mark.parametrize("multiplier", [0.0001, 1, 10_000])
def test_plan__of_any_size_takes_no_time(multiplier: float) -> None:
    begun = datetime.now(UTC)
    plan = plan_of("2023-01-01", "2024-12-31", multiplier=multiplier)
    estimate(plan)
    assert datetime.now(UTC) - begun < timedelta(seconds=5)


def test_limit__more_rows_than_allowed_are_refused_with_both_numbers() -> None:
    expected = estimate(plan_of())
    assert expected.rows["orders"] == 4500
    with pytest.raises(LimitError, match=r"order_items: about 18,000 rows .* 17,999; lower"):
        expected.check(RunOptions(max_records=17_999))
    expected.check(RunOptions(max_records=10_000_000))
    expected.check(RunOptions())


def test_limit__more_bytes_than_free_are_refused(tmp_path: Any) -> None:
    huge = estimate(plan_of("2020-01-01", "2049-12-31", multiplier=10_000))
    with pytest.raises(LimitError, match=r"GB are needed, .* GB are free"):
        huge.check(RunOptions(format="parquet", out=str(tmp_path / "not" / "yet" / "there")))


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_estimate__is_exact_where_the_plan_is(scenario: str) -> None:
    plan = plan_of(scenario=scenario)
    rows = estimate(plan).rows
    for name in ("users", "companies", "branches", "products"):
        assert rows[name] == getattr(plan, name)
    assert rows["orders"] == plan.orders + plan.duplicates
