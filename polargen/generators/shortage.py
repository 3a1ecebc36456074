"""Shortages: windows in which products of a block cannot be taken from stock."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from polargen import anomalies, calendar
from polargen.blocks import BlockContext
from polargen.draw import I32, I64, Bool
from polargen.generators.basket import Basket
from polargen.generators.life import NEVER_US, Life
from polargen.generators.market import Market
from polargen.generators.placing import QUARTER_US

MORNING_US = 6 * 3_600_000_000
SPREAD_DAYS = 5  # ASSUMED: length of a window that is not part of a burst
GAP_DAYS = 2  # between windows, so that what waited is committed before the next


@dataclass(frozen=True)
class Shortage:
    """Windows of a block in which products are short.

    Attributes:
        starts, ends: int64 instants of the windows, rising and disjoint.
        products: int32, product indices of the block, rising.
        short: bool (products, windows).
        cluster: int64, id of each window.
    """

    starts: I64
    ends: I64
    products: I32
    short: Bool
    cluster: I64

    def window_at(self, us: I64) -> I32:
        """Return the window of each instant: int32, -1 outside of all."""
        if not len(self.starts):
            return np.full(len(us), -1, dtype=np.int32)
        at = np.searchsorted(self.starts, us, side="right") - 1
        return np.where((at >= 0) & (us < self.ends[np.maximum(at, 0)]), at, -1).astype(np.int32)

    def short_lines(self, product: I32, us: I64) -> Bool:
        """Return which lines ask for a product that is short at an instant."""
        window = self.window_at(us)
        if not len(self.starts):
            return np.zeros(len(us), dtype=bool)
        place = np.searchsorted(self.products, product)
        return np.asarray((window >= 0) & self.short[place, np.maximum(window, 0)])

    def pairs(self) -> tuple[I32, I64, I64]:
        """Return (product index, start, end) of each shortage, by product and start."""
        row, window = np.nonzero(self.short)
        return self.products[row], self.starts[window], self.ends[window]


def draw_shortage(
    ctx: BlockContext, market: Market, basket: Basket, life: Life, wanted: int
) -> Shortage:
    """Choose windows so that about ``wanted`` accepted orders of the block meet one."""
    block, plan = ctx.block, ctx.plan
    products = block_products(ctx, market)
    starts, ends, days = _windows(ctx)
    n = len(starts)
    if "stock_shortage" not in plan.anomaly_types or n == 0 or wanted == 0:
        none = np.zeros(0, dtype=np.int64)
        return Shortage(none, none, products, np.zeros((len(products), 0), dtype=bool), none)
    cluster = (plan.keyed("shortage.cluster", block.number, np.arange(n)) >> np.uint64(34)).astype(
        np.int64
    ) + 1
    every = Shortage(starts, ends, products, np.ones((len(products), n), dtype=bool), cluster)
    if plan.scenario.anomaly_config.clustering == "burst":
        short = _burst(ctx, products, days)
    else:
        short = _spread(ctx, every, basket, life, wanted)
    return Shortage(starts, ends, products, short, cluster)


def block_products(ctx: BlockContext, market: Market) -> I32:
    """Return the product indices stocked in the block's warehouses, rising."""
    warehouse = ctx.world.products.warehouse
    here = (warehouse >= ctx.block.first_warehouse) & (warehouse < ctx.block.stop_warehouse)
    return np.flatnonzero(here).astype(np.int32)


def _windows(ctx: BlockContext) -> tuple[I64, I64, I32]:
    """Return starts, ends (instants) and first days of the windows a segment has room for."""
    first, last = ctx.block.first_day + 1, ctx.block.last_day
    if ctx.plan.scenario.anomaly_config.clustering == "burst":
        starts, ends = anomalies.windows(ctx.plan)
        starts, ends = np.maximum(starts, first), np.minimum(ends + 1, last)
    else:
        starts = np.arange(first, last, SPREAD_DAYS + GAP_DAYS, dtype=np.int32)
        ends = np.minimum(starts + SPREAD_DAYS, last).astype(np.int32)
    fits = starts < ends
    starts, ends = starts[fits].astype(np.int32), ends[fits].astype(np.int32)
    return (
        calendar.to_utc(starts, MORNING_US),
        calendar.to_utc(ends, MORNING_US),
        starts,
    )


def _burst(ctx: BlockContext, products: I32, days: I32) -> Bool:
    """One warehouse's products, in the part of the windows that falls to shortages."""
    plan = ctx.plan
    window = anomalies.window_of(plan, days)
    lot = plan.keyed("shortage.window", window) >> np.uint64(32)
    chosen = lot < np.uint64(int(anomalies.type_share(plan) * 2**32))
    where = (plan.keyed("shortage.warehouse", window) % np.uint64(plan.warehouses)).astype(np.int32)
    return np.asarray(chosen & (ctx.world.products.warehouse[products][:, None] == where))


def _spread(ctx: BlockContext, every: Shortage, basket: Basket, life: Life, wanted: int) -> Bool:
    """Pairs of product and window in random order, until enough lines fall into them."""
    accepted = life.accepted_us[basket.order]
    window = every.window_at(accepted)
    met = (window >= 0) & (accepted < NEVER_US)
    shape = every.short.shape
    place = np.searchsorted(every.products, basket.product[met])
    lines = np.bincount(place * shape[1] + window[met], minlength=every.short.size)
    order = np.argsort(ctx.stream("shortage.pairs").u64(len(lines)), kind="stable")
    order = order[(lines[order] <= max(1, wanted // 4)) & (lines[order] > 0)]
    taken = order[np.cumsum(lines[order]) <= wanted]
    short = np.zeros(len(lines), dtype=bool)
    short[taken] = True
    return short.reshape(shape)


def commit_after(end_us: I64) -> I64:
    """Return when an order that waited for a window's end is committed."""
    return end_us + QUARTER_US
