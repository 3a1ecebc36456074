"""Cairo's calendar: days, instants, holidays, Ramadan, working and delivery days, 1990-2050.

Days are int32 epoch days (days since 1970-01-01) of Cairo; instants are int64 microseconds UTC.
Everything comes from ``data/calendar.json``, made by ``scripts/make_calendar.py``; the file has a
year of margin on both ends. What is looked up by day raises ConfigError beyond it; instants keep
the nearest offset there.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polargen.errors import ConfigError

Days = NDArray[np.int32]
Instants = NDArray[np.int64]
Mask = NDArray[np.bool_]

US_PER_DAY = 86_400_000_000
US_PER_HOUR = 3_600_000_000
EPOCH = date(1970, 1, 1)
FRIDAY, SATURDAY = 5, 6
SCHEDULES = ((0, 2, 4), (1, 3, 6))  # Source: DOMAIN, companies.delivery_days of regions A and B


@dataclass(frozen=True)
class _Tables:
    first_day: int
    last_day: int
    starts_us: Instants  # instant from which an offset holds
    local_starts_us: Instants  # its wall time under the offset before it
    offsets_us: Instants
    holiday: Mask
    ramadan: Mask
    working: Mask
    skipped_hour: NDArray[np.int8]  # -1 where the clock skips none
    month: Days
    day_of_month: NDArray[np.int8]
    month_start: Days  # first day of the next month
    quarter_start: Days  # first day of the next quarter
    schedule: tuple[Days, Days]


def day_of(day: date) -> int:
    """Return a date's epoch day."""
    return (day - EPOCH).days


def date_of(day: int) -> date:
    """Return an epoch day's date."""
    return EPOCH + timedelta(days=int(day))


def weekday(day: ArrayLike) -> NDArray[np.int8]:
    """Return weekdays, 0 = Sunday."""
    return ((np.asarray(day) + 4) % 7).astype(np.int8)


def to_utc(day: ArrayLike, us_of_day: ArrayLike) -> Instants:
    """Return the instants of Cairo's wall time.

    Args:
        day: epoch days.
        us_of_day: microseconds since midnight on the clock.

    Returns:
        int64, µs UTC. An hour that the clock skips moves forward; one that it repeats is the first.
    """
    wall = np.asarray(day).astype(np.int64) * US_PER_DAY + np.asarray(us_of_day, dtype=np.int64)
    tables = _tables()
    return np.asarray(wall - _offsets(wall, tables.local_starts_us, tables.offsets_us))


def local_day(us: ArrayLike) -> Days:
    """Return the Cairo days of instants."""
    return (_wall(us) // US_PER_DAY).astype(np.int32)


def local_us(us: ArrayLike) -> Instants:
    """Return the microseconds since Cairo's midnight of instants."""
    wall = _wall(us)
    return np.asarray(wall - wall // US_PER_DAY * US_PER_DAY)  # a third of the time of %


def skipped_hour(day: ArrayLike) -> NDArray[np.int8]:
    """Return the hour that the clock skips when summer time starts, -1 on other days."""
    return _look_up(_tables().skipped_hour, day)


def is_holiday(day: ArrayLike) -> Mask:
    """Return which days are Egyptian public holidays."""
    return _look_up(_tables().holiday, day)


def is_ramadan(day: ArrayLike) -> Mask:
    """Return which days lie in Ramadan."""
    return _look_up(_tables().ramadan, day)


def is_working(day: ArrayLike) -> Mask:
    """Return which days are Sunday to Thursday and no public holiday."""
    return _look_up(_tables().working, day)


def month_index(day: ArrayLike) -> Days:
    """Return year x 12 + month - 1."""
    return _look_up(_tables().month, day)


def day_of_month(day: ArrayLike) -> NDArray[np.int8]:
    """Return 1..31."""
    return _look_up(_tables().day_of_month, day)


def next_month(day: ArrayLike) -> Days:
    """Return the first day of the next month."""
    return _look_up(_tables().month_start, day)


def quarter_end(day: ArrayLike) -> Days:
    """Return the first day of the next quarter."""
    return _look_up(_tables().quarter_start, day)


def next_schedule_day(region: int, day: ArrayLike) -> Days:
    """Return the region's first delivery day after the day; public holidays have none.

    Args:
        region: 0 for A, 1 for B.
        day: epoch days.
    """
    return _look_up(_tables().schedule[region], day)


class DayCount:
    """Counts marked days in a range of days.

    Args:
        first_day, last_day: epoch days, inclusive.
        mask: which days are marked, e.g. `is_working`.
    """

    def __init__(self, first_day: int, last_day: int, mask: Callable[[Days], Mask]) -> None:
        days = np.arange(first_day, last_day + 1, dtype=np.int32)
        marked = mask(days)
        self._first = first_day
        self._before = np.concatenate([[0], np.cumsum(marked)]).astype(np.int32)
        self._marked = days[marked]

    def count(self, low: ArrayLike, high: ArrayLike) -> Days:
        """Return the marked days in low..high inclusive; 0 where high < low."""
        stop = self._before[np.asarray(high) + 1 - self._first]
        return np.asarray(np.maximum(stop - self._before[np.asarray(low) - self._first], 0))

    def nth(self, low: ArrayLike, k: ArrayLike) -> Days:
        """Return the k-th (from 0) marked day at or after low."""
        return np.asarray(self._marked[self._before[np.asarray(low) - self._first] + k])


def _wall(us: ArrayLike) -> Instants:
    instants = np.asarray(us, dtype=np.int64)
    tables = _tables()
    return np.asarray(instants + _offsets(instants, tables.starts_us, tables.offsets_us))


def _offsets(values: Instants, starts: Instants, offsets: Instants) -> Instants | np.int64:
    """Return the offset that holds at each value; a scalar where one offset holds for all."""
    if values.size == 0:
        return np.int64(0)
    low = int(np.searchsorted(starts, values.min(), side="right"))
    high = int(np.searchsorted(starts, values.max(), side="right"))
    if low == high:
        return np.int64(offsets[max(low - 1, 0)])
    if high == low + 1:
        before, after = offsets[max(low - 1, 0)], offsets[high - 1]
        return np.asarray(np.where(values < starts[low], before, after))
    found = np.searchsorted(starts, values, side="right") - 1
    return np.asarray(offsets[np.maximum(found, 0)])


def _look_up(table: NDArray[Any], day: ArrayLike) -> NDArray[Any]:
    tables = _tables()
    at = np.asarray(day, dtype=np.int64) - tables.first_day
    if at.size and (at.min() < 0 or at.max() >= len(table)):
        outside = int(at.min() if at.min() < 0 else at.max()) + tables.first_day
        raise ConfigError(
            f"calendar: {np.datetime64(outside, 'D')} lies outside "
            f"{date_of(tables.first_day)}..{date_of(tables.last_day)}; choose dates inside it"
        )
    return np.asarray(table[at])


@cache
def _tables() -> _Tables:
    text = files("polargen").joinpath("data/calendar.json").read_text(encoding="utf-8")
    data = json.loads(text)
    first, last = data["first_day"], data["last_day"]
    days = np.arange(first, last + 1, dtype=np.int32)
    holiday = np.isin(days, data["holidays"])
    ramadan = np.zeros(len(days), dtype=bool)
    for start, stop in data["ramadans"]:
        ramadan[max(start - first, 0) : max(stop + 1 - first, 0)] = True
    week = weekday(days)
    months = days.astype("datetime64[D]").astype("datetime64[M]")
    month = months.astype(np.int64) + 1970 * 12
    quarter = (month // 3 + 1) * 3 - 1970 * 12
    edges = np.array(data["offsets"], dtype=np.int64) * 1_000_000
    earlier = np.concatenate([edges[:1, 1], edges[:-1, 1]])
    skips = (edges[:, 0] + earlier)[edges[:, 1] > earlier]
    skipped = np.full(len(days), -1, dtype=np.int8)
    skipped[skips // US_PER_DAY - first] = skips % US_PER_DAY // US_PER_HOUR
    # A skipped hour counts under the old offset and so moves forward; a repeated one is the first.
    return _Tables(
        first_day=first,
        last_day=last,
        starts_us=edges[:, 0],
        local_starts_us=edges[:, 0] + np.maximum(earlier, edges[:, 1]),
        offsets_us=edges[:, 1],
        holiday=holiday,
        ramadan=ramadan,
        working=(week != FRIDAY) & (week != SATURDAY) & ~holiday,
        skipped_hour=skipped,
        month=month.astype(np.int32),
        day_of_month=(days - months.astype("datetime64[D]").astype(np.int32) + 1).astype(np.int8),
        month_start=(months + 1).astype("datetime64[D]").astype(np.int32),
        quarter_start=quarter.astype("datetime64[M]").astype("datetime64[D]").astype(np.int32),
        schedule=(_schedule(days, week, holiday, 0), _schedule(days, week, holiday, 1)),
    )


def _schedule(days: Days, week: NDArray[np.int8], holiday: Mask, region: int) -> Days:
    served = days[np.isin(week, SCHEDULES[region]) & ~holiday]
    at = np.searchsorted(served, days, side="right")
    return np.append(served, served[-1] + 7)[at].astype(np.int32)
