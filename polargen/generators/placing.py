"""Placing of orders: when, by whom, for which site, promised and due when."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from polargen import calendar, time_series
from polargen.blocks import BlockContext, order_indices
from polargen.draw import I32, I64, U8, Bool, chance, integers
from polargen.generators.market import Market
from polargen.streams import U16, U32

BRANCH_SHARE = 0.3  # Source: DOMAIN, orders.branch_id
LAST_ORDER_US = 85_500_000_000  # 23:45 Cairo; later the day's books are closed
DUPLICATE_US = (60_000_000, 840_000_000)  # a duplicate comes 1 to 15 minutes later
QUARTER_US = 900_000_000


class Draws:
    """Streams over a block's orders and, after them, its duplicates.

    Duplicates draw from streams of their own, so that they change no other row.
    """

    def __init__(self, ctx: BlockContext, orders: int, duplicates: int) -> None:
        self._ctx, self.orders, self.duplicates = ctx, orders, duplicates

    def u32(self, name: str) -> U32:
        """Return 32 random bits for each order."""
        base = self._ctx.stream(name).u32(self.orders)
        if not self.duplicates:
            return base
        return np.concatenate([base, self._ctx.stream(name + ".duplicate").u32(self.duplicates)])

    def u16(self, name: str) -> U16:
        """Return 16 random bits for each order."""
        base = self._ctx.stream(name).u16(self.orders)
        if not self.duplicates:
            return base
        return np.concatenate([base, self._ctx.stream(name + ".duplicate").u16(self.duplicates)])


@dataclass
class Placing:
    """Orders of a block as placed; the duplicates stand at the end.

    Attributes:
        order_id: int64; rises with order_us, duplicates aside.
        original: int32, position of the order repeated; only for the duplicates (n - base).
        base: number of orders that are no duplicates.
        order_us: int64, instant. day: int32, Cairo day.
        company, branch: int32 indices (branch -1: the company's own site).
        warehouse: int32. user_id: int64. region: uint8.
        promise, due: int32 days. term: uint8, code of `TERMS`.
    """

    order_id: I64
    original: I32
    base: int
    order_us: I64
    day: I32
    company: I32
    branch: I32
    warehouse: I32
    user_id: I64
    region: U8
    promise: I32
    due: I32
    term: U8

    def __len__(self) -> int:
        return len(self.order_id)

    @property
    def is_duplicate(self) -> Bool:
        """Which orders repeat another."""
        return np.arange(len(self)) >= self.base


def place(ctx: BlockContext, market: Market) -> Placing:
    """Draw the placing of a block's orders and duplicates."""
    plan, block, world = ctx.plan, ctx.block, ctx.world
    index = order_indices(plan, block)
    order_us, day = _instants(ctx, index)
    company = market.companies.pick(ctx.stream("orders.company_id").u32(len(index)))
    closed = np.flatnonzero(
        (world.companies.created_at[company] > order_us)
        | (world.companies.closed_at[company] <= order_us)
    )
    second = ctx.stream("orders.company_id.second").u32(len(index))
    company[closed] = market.always_active.pick(second[closed])
    branch = _branches(ctx, company, order_us)
    original = _originals(ctx, len(index))
    if len(original):
        stops = world.companies.closed_at[company[original]]
        again = _again(ctx, order_us[original], stops)
        order_us = np.concatenate([order_us, again])
        day, company, branch = (np.append(a, a[original]) for a in (day, company, branch))
    extra = np.arange(len(original), dtype=np.int64) + plan.orders + block.duplicates_before
    draws = Draws(ctx, len(index), len(original))
    region = np.where(
        branch >= 0,
        world.branches.region[branch] if plan.branches else np.uint8(0),
        world.companies.region[company],
    ).astype(np.uint8)
    term = market.terms[company]
    at = day - market.days.first
    return Placing(
        order_id=np.concatenate([index, extra]) + 1,
        original=original,
        base=len(index),
        order_us=order_us,
        day=day,
        company=company,
        branch=branch,
        warehouse=_warehouses(index, original, plan.warehouses),
        user_id=world.roster.sales_on_duty(order_us, draws.u32("orders.created_by_user_id")),
        region=region,
        promise=market.days.served(region, day),
        due=market.days.due[term, at],
        term=term,
    )


def _instants(ctx: BlockContext, index: I64) -> tuple[I64, I32]:
    plan = ctx.plan
    ends = np.cumsum(plan.orders_per_day)
    first, last = ctx.block.first_day - plan.first_day, ctx.block.last_day - plan.first_day
    offset = first + np.searchsorted(ends[first : last + 1], index, side="right")
    of = plan.orders_per_day[offset]
    position = index - (ends[offset] - of)
    day = (offset + plan.first_day).astype(np.int32)
    bits = ctx.stream("orders.order_date").u32(len(index))
    return time_series.instants(day, position, of, bits, plan.time_series), day


def _branches(ctx: BlockContext, company: I32, order_us: I64) -> I32:
    offsets = ctx.world.companies.branch_offset
    first = offsets.take(company)
    number = offsets.take(company + 1) - first
    wants = chance(ctx.stream("orders.branch_id.chance").u32(len(company)), BRANCH_SHARE)
    chosen = np.flatnonzero(wants & (number > 0))
    bits = ctx.stream("orders.branch_id").u32(len(company))[chosen]
    branch = np.full(len(company), -1, dtype=np.int32)
    branch[chosen] = first[chosen] + integers(bits, 0, number[chosen] - 1)
    early = ctx.world.branches.created_at[branch[chosen]] > order_us[chosen]
    branch[chosen[early]] = -1
    return branch


def _originals(ctx: BlockContext, orders: int) -> I32:
    if not ctx.block.duplicates:
        return np.zeros(0, dtype=np.int32)
    lot = np.argsort(ctx.stream("duplicates.original").u64(orders), kind="stable")
    return np.sort(lot[: ctx.block.duplicates]).astype(np.int32)


def _again(ctx: BlockContext, order_us: I64, stops_us: I64) -> I64:
    room = np.minimum(LAST_ORDER_US - calendar.local_us(order_us), stops_us - order_us)
    least = np.minimum(DUPLICATE_US[0], room // 2)
    most = np.minimum(DUPLICATE_US[1], room - 1)
    bits = ctx.stream("duplicates.order_date").u32(len(order_us))
    return order_us + integers(bits, least, np.maximum(most, least))


def _warehouses(index: I64, original: I32, count: int) -> I32:
    warehouse = (index % count).astype(np.int32)
    return np.append(warehouse, warehouse[original]).astype(np.int32)
