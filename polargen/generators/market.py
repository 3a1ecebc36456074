"""Lookup tables that order blocks share: who orders, what, and which day follows which.

Made once in each process from the plan and the world; blocks only gather from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import pyarrow as pa

from polargen import calendar, popularity
from polargen.blocks import BlockContext
from polargen.draw import I32, I64, U8, Bool, Table
from polargen.generators.products import product_names
from polargen.generators.world_companies import Companies
from polargen.plan import Plan
from polargen.plan.shares import TERMS, due_days

LOOKAHEAD_DAYS = 200  # latest day any fact can touch after the window
LOOKBACK_DAYS = 40
KEPT_NAMES = 500_000  # products or drivers; about 20 MB of names in each process
BULK = TERMS.index("bulk")
ACTIVE = 0  # code of companies.status


@dataclass(frozen=True)
class Days:
    """Day tables, indexed by day - first; all int32 epoch days unless said otherwise.

    Attributes:
        first: epoch day of index 0.
        schedule: (2, days), next schedule day strictly after the day, by region.
        working: bool (days,).
        working_before: the working day before the day.
        next_working: the working day after the day.
        working_rank: int32, working days before the day, counted from `first`.
        working_list: the working days themselves.
        due: (7, days), due day by payment term.
        midnight: int64, instant of the day's start, µs.
    """

    first: int
    schedule: I32
    working: Bool
    working_before: I32
    next_working: I32
    working_rank: I32
    working_list: I32
    due: I32
    midnight: I64

    def count_working(self, low: I32, high: I32) -> I32:
        """Return the working days in low..high inclusive; 0 where high < low."""
        count = self.working_rank[high + 1 - self.first] - self.working_rank[low - self.first]
        return np.asarray(np.maximum(count, 0))

    def nth_working(self, low: I32, k: I64) -> I32:
        """Return the k-th (from 0) working day at or after ``low``."""
        return np.asarray(self.working_list[self.working_rank[low - self.first] + k])

    def served(self, region: U8, day: I32) -> I32:
        """Return the region's next schedule day after each day."""
        # One index into a flat table takes half the time of one into rows and one into columns.
        return self._served.take((day - np.int32(self.first)) * np.int32(2) + region)

    @cached_property
    def _served(self) -> I32:
        return self.schedule.T.reshape(-1)

    def instant(self, day: I32, us_of_day: I64) -> I64:
        """Return instants (µs UTC) for Cairo's wall time of days."""
        return calendar.to_utc(day, us_of_day)


@dataclass(frozen=True)
class Market:
    """Popularity and day tables of a run.

    Attributes:
        companies, always_active: tables over company indices by order weight.
        terms: uint8, payment term of each company, code of `TERMS`.
        baskets: product tables by number of products in the warehouse; indices are local ranks.
        by_rank: int32, product index of each global rank - 1.
        product_names: of all products, None where they are too many to keep.
        days: day tables.
    """

    companies: Table
    always_active: Table
    terms: U8
    baskets: dict[int, Table]
    by_rank: I32
    product_names: pa.Array | None
    days: Days


def market_of(ctx: BlockContext) -> Market:
    """Return the run's market; made once in each process."""
    key = ctx.plan.hash
    if key not in _MARKETS:
        _MARKETS.clear()
        _MARKETS[key] = _make(ctx)
    return _MARKETS[key]


_MARKETS: dict[str, Market] = {}


def _make(ctx: BlockContext) -> Market:
    plan, companies = ctx.plan, ctx.world.companies
    active = np.where(companies.status == ACTIVE, companies.weight, 0.0)
    kind = plan.scenario.distributions.product_popularity.kind
    smallest = plan.products // plan.warehouses
    sizes = {smallest, smallest + 1} if plan.products % plan.warehouses else {smallest}
    by_rank = np.empty(plan.products, dtype=np.int32)
    by_rank[ctx.world.products.rank - 1] = np.arange(plan.products, dtype=np.int32)
    return Market(
        companies=Table(companies.weight),
        always_active=Table(active),
        terms=payment_terms(companies),
        baskets={n: Table(popularity.weights(kind, n, plan.zipf_steps)) for n in sorted(sizes)},
        by_rank=by_rank,
        product_names=_product_names(ctx),
        days=day_tables(plan.first_day, plan.last_day),
    )


def _product_names(ctx: BlockContext) -> pa.Array | None:
    if ctx.plan.products > KEPT_NAMES:
        return None
    index = np.arange(ctx.plan.products, dtype=np.int64)
    return product_names(ctx.plan, ctx.world.products, index)


def payment_terms(companies: Companies) -> U8:
    """Return each company's payment term as a code of `TERMS`: uint8."""
    by_type = np.array([0, 0, TERMS.index("monthly"), BULK], dtype=np.uint8)
    term = by_type[companies.due_type]
    for code, days in ((1, 15), (2, 30), (3, 60), (4, 90)):
        term[companies.due_days == days] = code
    return term


@lru_cache(maxsize=4)
def day_tables(first_day: int, last_day: int) -> Days:
    """Return the day tables of a window and its surroundings."""
    first = first_day - LOOKBACK_DAYS
    days = np.arange(first, last_day + LOOKAHEAD_DAYS, dtype=np.int32)
    working = calendar.is_working(days)
    rank = np.concatenate([[0], np.cumsum(working)]).astype(np.int32)
    worked = days[working]
    return Days(
        first=first,
        schedule=np.stack([calendar.next_schedule_day(region, days) for region in (0, 1)]),
        working=working,
        working_before=np.concatenate([worked[:1], worked])[rank[:-1]].astype(np.int32),
        next_working=np.append(worked, worked[-1] + 7)[rank[1:]].astype(np.int32),
        working_rank=rank,
        working_list=worked,
        due=np.stack([due_days(days, term) for term in TERMS]),
        midnight=calendar.to_utc(days, 0),
    )


def uniform_instants(plan: Plan, day: I32, bits: np.ndarray, low_h: float, high_h: float) -> I64:
    """Return instants uniform between two hours of Cairo days, to the millisecond."""
    span = int((high_h - low_h) * 3_600_000)
    ms = (bits.astype(np.int64) * span) >> 32
    return calendar.to_utc(day, (ms + int(low_h * 3_600_000)) * 1000)
