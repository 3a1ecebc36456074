"""When masters came to be: office hours of working days, before or inside the window."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from polargen import calendar
from polargen.calendar import DayCount
from polargen.draw import I32, I64, integers
from polargen.streams import U64

if TYPE_CHECKING:
    from polargen.plan import Plan

HISTORY_DAYS = 5 * 365  # the oldest user, company or product; ASSUMED
OFFICE_START_US = 9 * 3_600_000_000
_OFFICE_MS = 8 * 3_600_000
_CALENDAR_START = date(1990, 1, 2)  # Source: DESIGN, calendar data 1990-2050


def history_start(plan: Plan) -> int:
    """Return the first day on which a master can have been made; at least 119 before the window."""
    return max(plan.first_day - HISTORY_DAYS, calendar.day_of(_CALENDAR_START))


def office_us(day: I32, bits: U64) -> I64:
    """Return an instant of the office hours of each day: int64, µs UTC, whole milliseconds."""
    return np.asarray(
        calendar.to_utc(day, OFFICE_START_US + integers(bits, 0, _OFFICE_MS - 1) * 1000)
    )


def working_days(bits: U64, low: ArrayLike, stop: ArrayLike, count: DayCount) -> I32:
    """Draw a working day of each range ``low..stop - 1``, any day where it has none.

    Args:
        bits: uint64, one word a range.
        low, stop: epoch days, scalars or of the shape of ``bits``; low < stop.
        count: of the working days; covers all ranges.

    Returns:
        int32 epoch days, of the shape of ``bits``.
    """
    first = np.broadcast_to(np.asarray(low, dtype=np.int32), bits.shape)
    last = np.broadcast_to(np.asarray(stop, dtype=np.int32), bits.shape) - np.int32(1)
    choices = count.count(first, last)
    some = choices > 0
    most = np.where(some, choices - 1, last - first)
    k = integers(bits, 0, most)
    day = first + k
    day[some] = count.nth(first[some], k[some])
    return day.astype(np.int32)


def before_window(
    plan: Plan,
    name: str,
    index: I64,
    low: ArrayLike,
    stop: ArrayLike,
    count: DayCount | None = None,
) -> I64:
    """Draw an instant in the office hours of a working day in ``low..stop - 1``, keyed by index.

    Returns:
        int64, µs UTC.
    """
    if count is None:
        count = DayCount(history_start(plan), plan.last_day + 1, calendar.is_working)
    day = working_days(plan.keyed(name + ".day", index), low, stop, count)
    return office_us(day, plan.keyed(name + ".time", index))


def changed_later(plan: Plan, name: str, index: I64, since_us: I64, until_us: I64) -> I64:
    """Draw when a master was last changed: in office hours of a working day between two instants.

    Args:
        since_us, until_us: int64, µs UTC, of the shape of ``index``.

    Returns:
        int64, µs UTC, on a day after that of ``since_us`` and before that of ``until_us``;
        ``since_us`` where no working day lies between.
    """
    low = calendar.local_day(since_us) + np.int32(1)
    stop = np.maximum(calendar.local_day(until_us), low + 1)
    count = DayCount(history_start(plan), plan.last_day + 2, calendar.is_working)
    day = working_days(plan.keyed(name + ".day", index), low, stop, count)
    later = office_us(day, plan.keyed(name + ".time", index))
    between = (later > since_us) & (later < until_us)
    return np.where(between, later, since_us)
