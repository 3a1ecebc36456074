"""How many rows, on which days, in which segments: whole numbers before any data."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from polargen import calendar
from polargen.draw import F64, I64, largest_remainder
from polargen.errors import ConfigError

SEGMENT_ORDERS = 65_536  # Source: DESIGN section 2
ORDERS_PER_WAREHOUSE = 160  # a day; Source: DESIGN section 2
PRODUCTS_PER_WAREHOUSE = 100  # Source: DESIGN section 2


@dataclass(frozen=True)
class Segment:
    """A run of days whose orders are generated together.

    Attributes:
        first_day, last_day: epoch days, inclusive.
        first_order, stop_order: 0-based order indices in time order, half open.
    """

    first_day: int
    last_day: int
    first_order: int
    stop_order: int


def scaled_floor(count: float, multiplier: float, least: int) -> tuple[int, int]:
    """Return (rows, floor before the minimum) of a master: floor(count x multiplier)."""
    whole = int(exact(count) * exact(multiplier))
    return max(whole, least), whole


def scaled_over_days(rate: float, multiplier: float, days: int, per_days: int = 1) -> int:
    """Return rate x multiplier x days / per_days, rounded half up."""
    return int(exact(rate) * exact(multiplier) * days / per_days + Fraction(1, 2))


def per_day(total: int, weights: F64) -> I64:
    """Split ``total`` over days by weights; exact, by largest remainder."""
    return largest_remainder(weights, total)


def warehouses(orders_per_day: float, multiplier: float, products: int) -> int:
    """Return W: enough warehouses for the orders, at least 100 products in each."""
    daily = exact(orders_per_day) * exact(multiplier)
    wanted = -(-daily // ORDERS_PER_WAREHOUSE)
    return int(max(1, min(wanted, products // PRODUCTS_PER_WAREHOUSE)))


def segments(orders_per_day: I64, first_day: int, warehouse_count: int) -> tuple[Segment, ...]:
    """Cut the run's days into the coarsest segments that fit.

    Months, weeks (from Sunday) or days, the first in which no warehouse has more than 65,536
    orders; one segment when the whole run has no more.

    Raises:
        ConfigError: a single day of a warehouse has more.
    """
    days = np.arange(first_day, first_day + len(orders_per_day), dtype=np.int32)
    starts = np.concatenate([[0], np.cumsum(orders_per_day)]).astype(np.int64)
    if starts[-1] <= SEGMENT_ORDERS:
        return (Segment(int(days[0]), int(days[-1]), 0, int(starts[-1])),)
    cuts = (
        calendar.month_index(days),
        (days - calendar.weekday(days)).astype(np.int32),
        days,
    )
    for labels in cuts:
        edges = np.flatnonzero(np.diff(labels, prepend=labels[0] - 1))
        stops = np.append(edges[1:], len(days))
        largest = int((starts[stops] - starts[edges]).max())
        if -(-largest // warehouse_count) <= SEGMENT_ORDERS:
            return tuple(
                Segment(int(days[edge]), int(days[stop - 1]), int(starts[edge]), int(starts[stop]))
                for edge, stop in zip(edges, stops, strict=True)
            )
    raise ConfigError(
        f"entityRates: a warehouse has {-(-largest // warehouse_count):,} orders on one day, at "
        f"most {SEGMENT_ORDERS:,} fit; give more products (100 or more for each warehouse)"
    )


def exact(number: float) -> Fraction:
    """Return the number that a float is written as: 0.1 is one tenth."""
    return Fraction(repr(float(number)))
