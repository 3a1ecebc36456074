"""The plan: every count, chance and range of a run, before any data.

`make_plan` turns a configuration and a scenario into a `Plan`, a frozen value that travels to the
workers. Generators see the plan and their block, nothing else decides.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from polargen import calendar, popularity, streams, time_series
from polargen.config import MockGeneratorConfig
from polargen.draw import I64, Bool
from polargen.keys import Base
from polargen.plan import counts, shares
from polargen.plan.counts import Segment
from polargen.plan.shares import PaymentChances, StatusChances, Unmet
from polargen.scenario import ScenarioProfile
from polargen.time_series import TimeSeries

__all__ = ["FORMAT_VERSION", "Plan", "Unmet", "branches_of_rank", "make_plan", "plan_hash"]

FORMAT_VERSION = 2
MIN_USERS = 4
MIN_COMPANIES = 2
MIN_PRODUCTS = 10
SAME_DAY_PAYMENT_HOUR = 16
_NOT_CONTENT = ("batchSize", "dryRun", "scenario")
_NAMES = ("name", "description")  # what a scenario is called decides no row


@dataclass(frozen=True)
class Plan:
    """Everything decided about a run before its first row.

    Attributes:
        config, scenario: resolved.
        first_day, last_day: epoch days of Cairo's calendar, inclusive.
        start_us, as_of_us: instants, µs UTC; every event lies in start_us..as_of_us - 1, or
            before the window.
        users, companies, branches, products: rows of the masters.
        orders: without duplicates; `duplicates` come on top, with ids after them.
        visits: root visits.
        orders_per_day, visits_per_day: int64 (days,).
        warehouses: W.
        segments: in time order.
        status, payment: chances by which shares hold.
        zipf_steps: exponent of product popularity in 1/1024.
        unmet: shares that this window cannot hold.
        notes: other things to tell the user.
        base: what earlier runs in the same tables used up.
    """

    config: MockGeneratorConfig
    scenario: ScenarioProfile
    first_day: int
    last_day: int
    start_us: int
    as_of_us: int
    users: int
    companies: int
    branches: int
    products: int
    orders: int
    duplicates: int
    visits: int
    orders_per_day: I64
    visits_per_day: I64
    warehouses: int
    segments: tuple[Segment, ...]
    time_series: TimeSeries
    status: StatusChances
    payment: PaymentChances
    zipf_steps: int
    unmet: tuple[Unmet, ...]
    notes: tuple[str, ...]
    hash: str
    base: Base = field(default_factory=Base)

    @property
    def seed(self) -> int:
        """Seed of every stream."""
        return self.config.seed

    @property
    def days(self) -> int:
        """Days of the window."""
        return self.last_day - self.first_day + 1

    @property
    def anomaly_rate(self) -> float:
        """Chance of an eligible row to carry an anomaly, 0..1."""
        return self.scenario.effective_anomaly_rate

    @property
    def anomaly_types(self) -> tuple[str, ...]:
        """Types that the scenario lists; empty with a rate of 0."""
        return tuple(self.scenario.anomaly_config.types) if self.anomaly_rate > 0 else ()

    def keyed(self, name: str, *indices: ArrayLike) -> streams.U64:
        """Return the words that blocks share; see `streams.keyed`."""
        return streams.keyed(self.seed, name, *indices)

    @property
    def text_seed(self) -> int:
        """Seed of what is one permutation for all runs in the same tables."""
        return self.seed if self.base.text_seed is None else self.base.text_seed

    def name_key(self, name: str, *key: int) -> int:
        """Return the key of a permutation; see `streams.name_key`."""
        return streams.name_key(self.seed, name, *key)


def make_plan(
    config: MockGeneratorConfig, scenario: ScenarioProfile, base: Base | None = None
) -> Plan:
    """Decide everything about a run.

    Args:
        config, scenario: resolved.
        base: what earlier runs in the same tables used up; None: a run of its own.

    Raises:
        ConfigError: the scenario's numbers cannot be combined.
    """
    rates, multiplier = scenario.entity_rates, config.volume_multiplier
    first_day, last_day = calendar.day_of(config.start_date), calendar.day_of(config.end_date)
    edges = calendar.to_utc(np.array([first_day, last_day + 1], dtype=np.int32), 0)
    notes: list[str] = []
    users = _master("users", rates.users, multiplier, MIN_USERS, notes)
    companies = _master("companies", rates.companies, multiplier, MIN_COMPANIES, notes)
    products = _master("products", rates.products, multiplier, MIN_PRODUCTS, notes)
    orders = counts.scaled_over_days(rates.orders_per_day, multiplier, config.days)
    visits = counts.scaled_over_days(rates.maintenance_visits_per_week, multiplier, config.days, 7)
    series = scenario.time_series.build()
    weights = time_series.day_weights(series, first_day, last_day, config.seed, "orders.day_weight")
    orders_per_day = counts.per_day(orders, weights)
    warehouses = counts.warehouses(rates.orders_per_day, multiplier, products)
    regions = scenario.distributions.region_distribution.shares()
    status, delivered, unmet = shares.status_chances(
        first_day, orders_per_day, scenario.distributions.order_status.shares(), regions
    )
    payment, unpaid = shares.payment_chances(
        first_day,
        delivered,
        scenario.distributions.payment_status.shares(),
        scenario.distributions.payment_terms.shares(),
        (_early_share(series, True), _early_share(series, False)),
    )
    return Plan(
        config=config,
        scenario=scenario,
        first_day=first_day,
        last_day=last_day,
        start_us=int(edges[0]),
        as_of_us=int(edges[1]),
        users=users,
        companies=companies,
        branches=_branches(config.seed, companies, rates.branch_ratio),
        products=products,
        orders=orders,
        duplicates=_duplicates(scenario, orders),
        visits=visits,
        orders_per_day=orders_per_day,
        visits_per_day=_visits_per_day(visits, first_day, last_day),
        warehouses=warehouses,
        segments=counts.segments(orders_per_day, first_day, warehouses),
        time_series=series,
        status=status,
        payment=payment,
        zipf_steps=_zipf_steps(scenario, products, warehouses),
        unmet=(*unmet, *unpaid),
        notes=tuple(notes),
        hash=plan_hash(config, scenario, base),
        base=Base() if base is None else base,
    )


def plan_hash(
    config: MockGeneratorConfig, scenario: ScenarioProfile, base: Base | None = None
) -> str:
    """Return the BLAKE2b-128 of everything that decides content, as hex."""
    settings: dict[str, Any] = {
        "format": FORMAT_VERSION,
        "config": {k: v for k, v in config.to_dict().items() if k not in _NOT_CONTENT},
        "scenario": {k: v for k, v in scenario.to_dict().items() if k not in _NAMES},
    }
    if base is not None and base.run > 1:
        settings["base"] = [base.run, base.text_seed, sorted(base.offsets)]
    text = json.dumps(settings, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _master(name: str, rate: float, multiplier: float, least: int, notes: list[str]) -> int:
    count, exact = counts.scaled_floor(rate, multiplier, least)
    if count != exact:
        notes.append(f"{name}: {rate:g} x {multiplier:g} gives {exact}, raised to {count}")
    return count


def _branches(seed: int, companies: int, ratio: float) -> int:
    # The layer above makes the branches; their number follows from the same keyed draw.
    with_branches = int(companies * counts.exact(ratio))
    ranks = np.arange(with_branches, dtype=np.int64)
    return int(np.sum(branches_of_rank(seed, ranks)))


def branches_of_rank(seed: int, rank: ArrayLike) -> I64:
    """Return how many branches (1..3) the rank-th company with branches has; int64."""
    return (streams.keyed(seed, "branches.count", rank) % np.uint64(3)).astype(np.int64) + 1


def _visits_per_day(visits: int, first_day: int, last_day: int) -> I64:
    days = np.arange(first_day, last_day + 1, dtype=np.int32)
    open_days: Bool = (calendar.weekday(days) != 5) & ~calendar.is_holiday(days)
    weights = open_days.astype(np.float64) if open_days.any() else np.ones(len(days))
    return counts.per_day(visits, weights)


def _duplicates(scenario: ScenarioProfile, orders: int) -> int:
    rate = scenario.effective_anomaly_rate
    types = [name for name in scenario.anomaly_config.types if name != "maintenance_failure"]
    if "duplicate_orders" not in types or rate == 0:
        return 0
    return int(orders * counts.exact(rate) / len(types))


def _zipf_steps(scenario: ScenarioProfile, products: int, warehouses: int) -> int:
    wanted = scenario.distributions.product_popularity
    if wanted.kind != "zipf":
        return 0
    if wanted.exponent_steps is not None:
        return wanted.exponent_steps
    share = popularity.DEFAULT_TOP_SHARE if wanted.top_share is None else wanted.top_share
    return popularity.solve_exponent(products // warehouses, share)


def _early_share(series: TimeSeries, ramadan: bool) -> float:
    profile = time_series.hour_profile(series, ramadan)
    return float(profile[:SAME_DAY_PAYMENT_HOUR].sum()) / float(profile.sum())
