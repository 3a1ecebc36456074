"""Which rows an anomaly befalls: rates in time, burst windows, types.

The rate is the chance of an eligible row; its type is uniform among the listed types that can
befall it. "spread" is even in time; "burst" gathers about nine of ten rows of its windows and one
in fifty outside of them.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from polargen import time_series
from polargen.draw import F64, I32, U8, Bool, integers
from polargen.plan import Plan
from polargen.schema.service import ANOMALY_TYPES
from polargen.streams import U32

BURST_INSIDE = 0.9  # Source: DOMAIN section 4
BURST_OUTSIDE = 0.02
OWN_WAY = ("duplicate_orders", "invalid_data")  # planned rows, and fields of any row
NO_ANOMALY = 255
CODE = {name: code for code, name in enumerate(ANOMALY_TYPES)}


def order_types(plan: Plan) -> tuple[str, ...]:
    """Return the listed types that befall orders."""
    return tuple(name for name in plan.anomaly_types if name != "maintenance_failure")


def type_share(plan: Plan) -> float:
    """Return the part of the rate that each listed type of orders gets."""
    return 1.0 / max(1, len(order_types(plan)))


def windows(plan: Plan) -> tuple[I32, I32]:
    """Return first and last days of the burst windows (int32); empty for "spread"."""
    return _windows(
        plan.seed,
        plan.first_day,
        plan.last_day,
        plan.anomaly_rate,
        plan.scenario.anomaly_config.window,
        plan.scenario.anomaly_config.clustering == "burst",
    )


@lru_cache(maxsize=4)
def _windows(
    seed: int, first_day: int, last_day: int, rate: float, length: int, burst: bool
) -> tuple[I32, I32]:
    share = (rate - BURST_OUTSIDE) / (BURST_INSIDE - BURST_OUTSIDE)
    if not burst or share <= 0:
        return np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int32)
    return time_series.burst_windows(
        seed, "anomalies.windows", first_day, last_day, min(share, 1.0), length
    )


def window_of(plan: Plan, day: I32) -> I32:
    """Return the burst window of each day: int32, from 1; 0 outside of all."""
    starts, ends = windows(plan)
    if not len(starts):
        return np.zeros(len(day), dtype=np.int32)
    at = np.searchsorted(starts, day, side="right") - 1
    inside = (at >= 0) & (day <= ends[np.maximum(at, 0)])
    return np.where(inside, at + 1, 0).astype(np.int32)


def row_rate(plan: Plan, day: I32) -> F64:
    """Return the chance of an eligible row of each day: float64, 0..1.

    Inside the windows it is about 0.9: what makes the whole run keep the rate, given the orders
    that the windows cover.
    """
    if plan.scenario.anomaly_config.clustering != "burst" or not len(windows(plan)[0]):
        return np.full(len(day), plan.anomaly_rate)
    every = np.arange(plan.first_day, plan.last_day + 1, dtype=np.int32)
    # Cancelled orders of the base world are finished ones, and nothing can befall them.
    finished = (1.0 - plan.status.open_chance) * plan.status.deliverable.mean(axis=0)
    weight = plan.orders_per_day * (1.0 - finished * plan.status.finished[1])
    covered = np.where(window_of(plan, every) > 0, weight, 0.0)
    part = float(np.cumsum(covered)[-1]) / max(float(np.cumsum(weight)[-1]), 1.0)
    wanted = plan.anomaly_rate - BURST_OUTSIDE * (1.0 - part)
    inside = min(1.0, max(0.0, wanted / part)) if part > 0.0 else BURST_INSIDE
    return np.where(window_of(plan, day) > 0, inside, BURST_OUTSIDE)


def choose_type(eligible: dict[str, Bool], bits: U32) -> U8:
    """Return a type for each row, uniform among those it is eligible for.

    Args:
        eligible: type -> rows it can befall; the order of types is the listed one.
        bits: one word a row.

    Returns:
        uint8, code of `ANOMALY_TYPES`, `NO_ANOMALY` where no type fits.
    """
    number = np.zeros(len(bits), dtype=np.int64)
    for mask in eligible.values():
        number += mask
    nth = integers(bits, 0, np.maximum(number, 1) - 1)
    result = np.full(len(bits), NO_ANOMALY, dtype=np.uint8)
    seen = np.zeros(len(bits), dtype=np.int64)
    for name, mask in eligible.items():
        result[mask & (seen == nth) & (result == NO_ANOMALY)] = CODE[name]
        seen += mask
    return result
