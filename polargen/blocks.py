"""Blocks: slices of the plan, the unit of work, of randomness and of retry.

A block of orders is a run of neighbouring warehouses in one segment of time; its orders, and all
that follows from them, are made together. Which blocks there are follows from the plan alone, so
no number of workers and no order of work changes a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from polargen import calendar
from polargen.draw import I64
from polargen.plan import Plan
from polargen.plan.counts import Segment
from polargen.streams import Stream, stream

if TYPE_CHECKING:
    from polargen.generators.book import Book
    from polargen.generators.labels import Labels
    from polargen.generators.totals import Totals
    from polargen.generators.world import World

BlockKind = Literal["orders", "visits", "user_days", "masters"]
KINDS: tuple[BlockKind, ...] = ("user_days", "visits", "orders", "masters")
BLOCK_ROWS = 65_536
BLOCK_ORDERS = 49_152  # measured: fewer cost more calls, more outgrow the cache and the memory
BLOCK_VISITS = 16_384
MASTERS = ("users", "companies", "branches", "products")
# Keys reserved for each unit of a block (an order, a visit's chain, a user's day, a master row).
# ASSUMED: far above what the generators make; a block that makes more is refused.
KEYS_PER_UNIT: Mapping[str, int] = {
    "order_items": 7,
    "inventory_movements": 32,
    "audit_logs": 64,
    "anomaly_labels": 24,
}
OTHER_KEYS_PER_UNIT = 16
# Keys that follow from the order's or the root visit's.
KEYS_PER_ORDER: Mapping[str, int] = {
    "orders": 1,
    "shipments": 1,
    "refunds": 1,
    "payments": 2,
    "discounts": 8,
}
KEYS_PER_VISIT: Mapping[str, int] = {"maintenance_visits": 3}


@dataclass(frozen=True)
class Block:
    """One slice of the plan.

    Attributes:
        number: position among all blocks, from 0; part of every stream's key.
        kind: what it holds.
        units: orders, chains of visits, user days or master rows, with an allowance for stock.
        units_before: of all earlier blocks; keys are reserved by units.
        first_day, last_day: epoch days, inclusive, of "orders" and "user_days".
        first, stop: 0-based rows of "masters" and "visits", half open.
        table: of "masters".
        segment, is_last_segment: of "orders".
        first_warehouse, stop_warehouse: of "orders", half open.
        orders: of "orders", without duplicates.
        duplicates, duplicates_before: duplicated orders of this block and of earlier ones.
    """

    number: int
    kind: BlockKind
    units: int
    units_before: int
    first_day: int = 0
    last_day: int = 0
    first: int = 0
    stop: int = 0
    table: str = ""
    segment: Segment | None = None
    is_last_segment: bool = True
    first_warehouse: int = 0
    stop_warehouse: int = 0
    orders: int = 0
    duplicates: int = 0
    duplicates_before: int = 0


@dataclass
class BlockContext:
    """What a generator sees: the plan, its block, the world, and streams named after columns.

    Attributes:
        labels: collects the block's anomaly labels; generators add to it.
        totals: sums over all blocks of facts for "masters"; sums of this block for "orders".
        book: working arrays of the block's orders, once the order generator has run.
        tally: anomaly type -> (eligible, labelled) rows of this block, filled by generators.
    """

    plan: Plan
    block: Block
    world: World
    labels: Labels
    totals: Totals | None = None
    book: Book | None = None
    tally: dict[str, tuple[int, int]] = field(default_factory=dict)

    def stream(self, name: str) -> Stream:
        """Return the stream ``name`` of this block."""
        return stream(self.plan.seed, name, self.block.number)

    def key_start(self, table: str) -> int:
        """Return the first key of ``table`` that is reserved for this block."""
        return KEYS_PER_UNIT.get(table, OTHER_KEYS_PER_UNIT) * self.block.units_before + 1


@lru_cache(maxsize=4)
def _blocks(plan: _ByHash) -> tuple[Block, ...]:
    return tuple(_number(plan.plan))


@dataclass(frozen=True)
class _ByHash:
    """A plan as a cache key."""

    hash: str
    plan: Plan = field(compare=False, hash=False)


def blocks_of(plan: Plan) -> tuple[Block, ...]:
    """Return all blocks: user days, visits, orders in time order, masters last."""
    return _blocks(_ByHash(plan.hash, plan))


def last_key(plan: Plan, table: str) -> int:
    """Return the largest key that a run can give a row of a table; keys begin at 1."""
    if table in MASTERS:
        return int(getattr(plan, table))
    if table in KEYS_PER_ORDER:
        return KEYS_PER_ORDER[table] * (plan.orders + plan.duplicates)
    if table in KEYS_PER_VISIT:
        return KEYS_PER_VISIT[table] * plan.visits
    last = blocks_of(plan)[-1]
    return KEYS_PER_UNIT.get(table, OTHER_KEYS_PER_UNIT) * (last.units_before + last.units)


def order_indices(plan: Plan, block: Block) -> I64:
    """Return the 0-based indices, in time order, of the block's orders: int64, rising."""
    assert block.segment is not None
    count, first, stop = plan.warehouses, block.segment.first_order, block.segment.stop_order
    if count == 1:
        return np.arange(first, stop, dtype=np.int64)
    turns = np.arange(first // count, -(-stop // count), dtype=np.int64)
    served = np.arange(block.first_warehouse, block.stop_warehouse, dtype=np.int64)
    index = (turns[:, None] * count + served).reshape(-1)
    return index[(index >= first) & (index < stop)]


def _number(plan: Plan) -> list[Block]:
    drafts = [*_user_days(plan), *_visits(plan), *_orders(plan), *_masters(plan)]
    result: list[Block] = []
    units = duplicates = 0
    total = sum(int(draft.get("orders", 0)) for draft in drafts)
    done = 0
    for number, draft in enumerate(drafts):
        share = 0
        if draft["kind"] == "orders" and total:
            # Duplicates fall on blocks by their orders, exactly `plan.duplicates` in all.
            before = plan.duplicates * done // total
            done += int(draft["orders"])
            share = plan.duplicates * done // total - before
        size = int(draft["units"]) + share
        block = Block(
            number=number,
            units_before=units,
            duplicates=share,
            duplicates_before=duplicates,
            **{**draft, "units": size},
        )
        units += size
        duplicates += share
        result.append(block)
    return result


def _user_days(plan: Plan) -> list[dict[str, Any]]:
    days_each = max(1, BLOCK_ROWS // max(plan.users, 1))
    return [
        {
            "kind": "user_days",
            "first_day": first,
            "last_day": min(first + days_each - 1, plan.last_day),
            "units": (plan.users + 2) * (min(first + days_each - 1, plan.last_day) - first + 1),
        }
        for first in range(plan.first_day, plan.last_day + 1, days_each)
    ]


def _visits(plan: Plan) -> list[dict[str, Any]]:
    return [
        {
            "kind": "visits",
            "first": first,
            "stop": min(first + BLOCK_VISITS, plan.visits),
            "units": min(first + BLOCK_VISITS, plan.visits) - first,
        }
        for first in range(0, plan.visits, BLOCK_VISITS)
    ]


def _orders(plan: Plan) -> list[dict[str, Any]]:
    result = []
    products = -(-plan.products // plan.warehouses)
    for segment in plan.segments:
        size = segment.stop_order - segment.first_order
        each = max(1, BLOCK_ORDERS // max(1, -(-size // plan.warehouses)))
        parts = -(-plan.warehouses // each)
        edges = [plan.warehouses * part // parts for part in range(parts + 1)]
        months = 2 + int(
            calendar.month_index(np.array([segment.last_day], dtype=np.int32))[0]
            - calendar.month_index(np.array([segment.first_day], dtype=np.int32))[0]
        )
        for first, stop in pairwise(edges):
            orders = _orders_of(segment, plan.warehouses, first, stop)
            result.append(
                {
                    "kind": "orders",
                    "segment": segment,
                    "is_last_segment": segment is plan.segments[-1],
                    "first_day": segment.first_day,
                    "last_day": segment.last_day,
                    "first_warehouse": first,
                    "stop_warehouse": stop,
                    "orders": orders,
                    "units": orders + products * (stop - first) * (months + 1),
                }
            )
    return result


def _orders_of(segment: Segment, count: int, first: int, stop: int) -> int:
    def below(order: int, warehouse: int) -> int:  # orders i < order with i mod count < warehouse
        return order // count * warehouse + min(order % count, warehouse)

    return (
        below(segment.stop_order, stop)
        - below(segment.first_order, stop)
        - below(segment.stop_order, first)
        + below(segment.first_order, first)
    )


def _masters(plan: Plan) -> list[dict[str, Any]]:
    return [
        {
            "kind": "masters",
            "table": table,
            "first": first,
            "stop": min(first + BLOCK_ROWS, getattr(plan, table)),
            "units": min(first + BLOCK_ROWS, getattr(plan, table)) - first,
        }
        for table in MASTERS
        for first in range(0, getattr(plan, table), BLOCK_ROWS)
    ]
