"""The time-series engine: when things happen.

A day's weight is trend x month x weekday x holiday x Ramadan x jitter; within a day, hours have
weights of their own. Only + - * / decide, so every processor gives the same instants.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from polargen import calendar
from polargen.draw import F64, I32, I64, integers
from polargen.errors import ConfigError
from polargen.streams import U32, keyed

DAYS_PER_MONTH = 30
RAMADAN_SHIFT_HOURS = 2  # ASSUMED: business starts and ends two hours later
LAST_HOUR_MINUTES = 45  # of hour 23: what comes later belongs to the next day's books
_HOUR_TOTAL = 1 << 32


@dataclass(frozen=True)
class TimeSeries:
    """Rhythm of a scenario.

    Attributes:
        weekday_weights: seven, Sunday first.
        hour_weights: 24. month_weights: twelve, January first.
        holiday_weight, ramadan_weight: factors of such days.
        daily_jitter: each day's weight varies by up to this part, 0..0.9.
        growth_per_month: of the trend, over 30 days; leaves the mean.
    """

    weekday_weights: tuple[float, ...]
    hour_weights: tuple[float, ...]
    month_weights: tuple[float, ...]
    holiday_weight: float
    ramadan_weight: float
    daily_jitter: float
    growth_per_month: float


def day_weights(series: TimeSeries, first_day: int, last_day: int, seed: int, name: str) -> F64:
    """Return the weight of each day: float64 (days,), not all 0.

    Raises:
        ConfigError: no day of the window has a weight.
    """
    days = np.arange(first_day, last_day + 1, dtype=np.int32)
    month = calendar.month_index(days) % 12
    weights = np.asarray(series.weekday_weights, dtype=np.float64)[calendar.weekday(days)]
    weights = weights * np.asarray(series.month_weights, dtype=np.float64)[month]
    weights = weights * np.where(calendar.is_holiday(days), series.holiday_weight, 1.0)
    weights = weights * np.where(calendar.is_ramadan(days), series.ramadan_weight, 1.0)
    unit = (keyed(seed, name, days) >> np.uint64(11)).astype(np.float64) * (1.0 / 9007199254740992)
    weights = weights * (1.0 + series.daily_jitter * (2.0 * unit - 1.0)) * _trend(series, len(days))
    if not weights.any():
        raise ConfigError(
            "timeSeries: no day of the window has a weight; choose other dates or raise "
            "weekdayWeights, monthWeights, holidayWeight or ramadanWeight"
        )
    return weights


def hour_profile(series: TimeSeries, ramadan: bool) -> I64:
    """Return whole weights of the hours, int64 (24,); in Ramadan two hours later."""
    weights = np.asarray(series.hour_weights, dtype=np.float64)
    if ramadan:
        later = np.zeros(24, dtype=np.float64)
        later[RAMADAN_SHIFT_HOURS:] = weights[:-RAMADAN_SHIFT_HOURS]
        later[23] = later[23] + weights[22] + weights[23]
        weights = later
    scale = _HOUR_TOTAL / float(np.cumsum(weights)[-1])
    return np.floor(weights * scale).astype(np.int64)


def instants(day: I32, position: I64, of: I64, bits: U32, series: TimeSeries) -> I64:
    """Return instants that never fall while ``position`` rises within a day.

    Args:
        day: int32, Cairo days. position: int64, 0-based place among the ``of`` of the day.
        bits: one word each.
        series: its hours.

    Returns:
        int64, µs UTC.

    Model: inverse CDF, linear within an hour, at (position + U) / of. Where the clock skips an
    hour, that hour and the next share the next, so that the order stays.
    """
    result = np.empty(len(day), dtype=np.int64)
    fasting = calendar.is_ramadan(day)
    unit = (position.astype(np.float64) + bits.astype(np.float64) * (1.0 / _HOUR_TOTAL)) / of
    for ramadan in (False, True):
        mine = np.flatnonzero(fasting == ramadan) if fasting.any() else slice(None)
        if ramadan and not fasting.any():
            break
        result[mine] = _wall_us(unit[mine], hour_profile(series, ramadan))
    return calendar.to_utc(day, _past_the_skip(day, result))


def _past_the_skip(day: I32, wall_us: I64) -> I64:
    hour = calendar.skipped_hour(day)
    at = np.flatnonzero(hour >= 0)
    if at.size:
        start = hour[at] * np.int64(calendar.US_PER_HOUR)
        late = wall_us[at] - start
        moved = (late >= 0) & (late < 2 * calendar.US_PER_HOUR)
        wall_us[at] = np.where(moved, start + calendar.US_PER_HOUR + late // 2, wall_us[at])
    return wall_us


def _wall_us(unit: F64, profile: I64) -> I64:
    ends = np.cumsum(profile)
    mark = np.minimum(unit * float(ends[-1]), float(ends[-1] - 1))  # a unit may round to 1
    hour = np.minimum(np.searchsorted(ends, mark, side="right"), 23)
    start = (ends - profile).astype(np.float64)[hour]
    length = np.where(hour == 23, LAST_HOUR_MINUTES * 60_000_000, calendar.US_PER_HOUR)
    part = (mark - start) / np.maximum(profile, 1).astype(np.float64)[hour]
    within = np.floor(part * length).astype(np.int64)
    return np.asarray(hour.astype(np.int64) * calendar.US_PER_HOUR + np.minimum(within, length - 1))


def burst_windows(
    seed: int, name: str, first_day: int, last_day: int, share: float, window_days: int
) -> tuple[I32, I32]:
    """Return disjoint windows that cover about ``share`` of the days.

    Returns:
        First and last days, int32, rising; at least a day lies between two windows while the
        share leaves one.
    """
    days = last_day - first_day + 1
    covered = min(days, max(1, int(share * days + 0.5)))
    number = max(1, (covered + window_days // 2) // window_days)
    edges = np.arange(number + 1, dtype=np.int64)
    lengths = np.diff(covered * edges // number)
    free = days - covered
    gap = 1 if free >= number - 1 else 0
    lots = integers(keyed(seed, name, np.arange(number)), 0, free - gap * (number - 1))
    before = np.concatenate([[0], np.cumsum(lengths)[:-1]]) + gap * np.arange(number)
    starts = first_day + np.sort(lots) + before
    keep = lengths > 0
    starts, lengths = starts[keep], lengths[keep]
    return starts.astype(np.int32), (starts + lengths - 1).astype(np.int32)


@lru_cache(maxsize=16)
def _trend(series: TimeSeries, days: int) -> F64:
    """Return the trend: grows by a constant factor each 30 days, linear in between."""
    months = days // DAYS_PER_MONTH + 2
    factor = np.cumprod(np.full(months, 1.0 + series.growth_per_month))
    month = np.arange(days) // DAYS_PER_MONTH
    part = (np.arange(days) % DAYS_PER_MONTH).astype(np.float64) * (1.0 / DAYS_PER_MONTH)
    return np.asarray(factor[month] + (factor[month + 1] - factor[month]) * part)
