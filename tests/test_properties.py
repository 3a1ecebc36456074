"""Any legal scenario, in any window, makes a data set that breaks no rule."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, note, reject, settings
from hypothesis import strategies as st
from runs import Made, profile, run

from polargen import blocks
from polargen.checks import MASTER_COLUMNS, Report, Verifier, context_of
from polargen.config import FIRST_DAY, LAST_DAY
from polargen.errors import ConfigError
from polargen.generators.market import _MARKETS
from polargen.generators.world import _WORLDS
from polargen.plan import counts
from polargen.scenario import ScenarioProfile
from polargen.scenario.profile import ANOMALY_TYPES

STATUSES = ("Pending", "Processing", "Shipped", "Delivered", "Cancelled", "Delivery Failed")
CATEGORIES = tuple(profile().overrides.product_categories.labels())
REFUSED = (
    "no day of the window has a weight",
    "a warehouse's cheapest product costs",
    "orders on one day, at most",
)


def share_map(*names: str) -> st.SearchStrategy[dict[str, float]]:
    """Draw shares that sum to 1, zeros among them."""
    return (
        st.lists(st.integers(0, 10), min_size=len(names), max_size=len(names))
        .filter(any)
        .map(lambda parts: {n: p / sum(parts) for n, p in zip(names, parts, strict=True)})
    )


def weights(number: int) -> st.SearchStrategy[list[float]]:
    some = st.sampled_from([0.0, 0.0, 0.2, 0.7, 1.0, 1.0, 1.5, 4.0])
    return st.lists(some, min_size=number, max_size=number).filter(any)


share = st.sampled_from([0.0, 0.05, 0.3, 0.5, 0.9, 1.0])
value_range = st.none() | st.tuples(st.integers(0, 4000), st.integers(2, 30)).map(
    lambda pair: {"min": float(pair[0]), "max": float(max(50, pair[0]) * pair[1])}
)
popularity: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(["zipf", "normal", "uniform"]),
    st.floats(0, 2).map(lambda a: {"kind": "zipf", "exponent": a}),
    st.floats(0.2, 0.99).map(lambda part: {"kind": "zipf", "topShare": part}),
)
CHANGES = {
    "entityRates.users": st.integers(1, 40),
    "entityRates.companies": st.integers(1, 60),
    "entityRates.branchRatio": share,
    "entityRates.products": st.integers(1, 300),
    "entityRates.ordersPerDay": st.integers(1, 60),
    "entityRates.maintenanceVisitsPerWeek": st.integers(0, 60),
    "distributions.orderStatus": share_map(*STATUSES),
    "distributions.paymentStatus": share_map("Paid", "Pending", "Overdue"),
    "distributions.productPopularity": popularity,
    "distributions.regionDistribution": share_map("A", "B"),
    "distributions.deliveryDelays": share,
    "distributions.paymentTerms": share_map(
        "immediate", "net15", "net30", "net60", "net90", "monthly", "bulk"
    ),
    "timeSeries.weekdayWeights": weights(7),
    "timeSeries.hourWeights": weights(24),
    "timeSeries.monthWeights": weights(12),
    "timeSeries.holidayWeight": st.sampled_from([0.0, 0.2, 3.0]),
    "timeSeries.ramadanWeight": st.sampled_from([0.0, 0.85, 3.0]),
    "timeSeries.dailyJitter": st.floats(0, 0.9),
    "timeSeries.growthPerMonth": st.floats(-0.5, 1),
    "anomalyRate": share,
    "anomalyConfig.rate": st.none() | share,
    "anomalyConfig.types": st.lists(st.sampled_from(ANOMALY_TYPES), unique=True),
    "anomalyConfig.clustering": st.sampled_from(["spread", "burst"]),
    "anomalyConfig.window": st.integers(1, 40),
    "overrides.paymentMethods": share_map("transfer", "check"),
    "overrides.orderValueRange": value_range,
    "overrides.productCategories": share_map(*CATEGORIES),
    "overrides.companySizeDistribution": share_map("small", "medium", "large"),
}


@st.composite
def scenarios(draw: st.DrawFn) -> ScenarioProfile:
    """Draw a few changed values, or all of them."""
    names = draw(
        st.just(list(CHANGES))
        | st.lists(st.sampled_from(list(CHANGES)), min_size=1, max_size=6, unique=True)
    )
    return profile("normal-ops", {name: draw(CHANGES[name]) for name in names})


@st.composite
def windows(draw: st.DrawFn) -> dict[str, Any]:
    days = draw(st.integers(1, 40) | st.integers(7, 40))
    first = draw(st.dates(FIRST_DAY, LAST_DAY - timedelta(days=days)))
    near = draw(st.dates(date(2024, 1, 1), date(2025, 12, 31)) | st.just(first))
    return {
        "start": near.isoformat(),
        "end": (near + timedelta(days=days - 1)).isoformat(),
        "seed": draw(st.integers(0, 2**63 - 1) | st.integers(0, 5)),
        "multiplier": draw(st.sampled_from([1.0, 1.0, 0.1, 2.5])),
    }


def verified(made: Made) -> Report:
    """Return the verifier's report on a run in memory."""
    frames = {name: made[name] for name in made.result.manifest.tables}
    masters = {name: frames[name].select(columns) for name, columns in MASTER_COLUMNS.items()}
    of_masters = pl.col("entity").cast(pl.String).is_in(list(MASTER_COLUMNS))
    labels = frames["anomaly_labels"].filter(of_masters)
    verifier = Verifier(masters, context_of(made.result.manifest), labels)
    verifier.check_group(frames)
    return verifier.finish()


def check(scenario: ScenarioProfile, window: dict[str, Any]) -> None:
    try:
        made = run(scenario, **window)
    except ConfigError as error:
        if any(text in str(error) for text in REFUSED):
            reject()
        raise
    report = verified(made)
    note("\n".join(report.lines()))
    assert report.failed == []


@given(scenarios(), windows())
@settings(max_examples=35, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_scenario__breaks_no_rule(scenario: ScenarioProfile, window: dict[str, Any]) -> None:
    check(scenario, window)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Blocks of a hundred rows or two, so that a small run has many segments and warehouses."""

    def forget() -> None:
        blocks._blocks.cache_clear()
        _WORLDS.clear()
        _MARKETS.clear()

    for module, name, value in (
        (counts, "SEGMENT_ORDERS", 300),
        (counts, "ORDERS_PER_WAREHOUSE", 15),
        (counts, "PRODUCTS_PER_WAREHOUSE", 20),
        (blocks, "BLOCK_ORDERS", 120),
        (blocks, "BLOCK_VISITS", 7),
        (blocks, "BLOCK_ROWS", 200),
    ):
        monkeypatch.setattr(module, name, value)
    forget()
    yield
    forget()


@given(scenarios(), windows())
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_scenario__breaks_no_rule_in_many_small_blocks(
    small_blocks: None, scenario: ScenarioProfile, window: dict[str, Any]
) -> None:
    check(scenario, window)


def test_small_blocks__are_many(small_blocks: None) -> None:
    made = run("anomaly-heavy", start="2024-01-01", end="2024-02-10", seed=1)
    orders = [block for block in blocks.blocks_of(made.plan) if block.kind == "orders"]
    assert len(made.plan.segments) > 5
    assert made.plan.warehouses == 4
    assert len(orders) > 10
    assert verified(made).failed == []
