"""Days of Cairo's calendar, as rules ask for them."""

from __future__ import annotations

import numpy as np

from polargen import calendar
from polargen.checks.rows import I64, Array, Bool

_MARGIN_DAYS = 40


class MarkedDays:
    """Days that have a property, counted over a window.

    Args:
        first_day, last_day: epoch days that will be asked about; a margin is added on both sides.
        marks: days (int32) -> bool.
    """

    def __init__(self, first_day: int, last_day: int, marks: Array) -> None:
        self._first = first_day
        self._last = last_day
        self._days = np.flatnonzero(marks).astype(np.int64) + first_day
        self._before = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(marks)])

    @classmethod
    def working(cls, first_day: int, last_day: int) -> MarkedDays:
        """Return the working days: Sunday to Thursday, no public holidays."""
        first, last = first_day - _MARGIN_DAYS, last_day + _MARGIN_DAYS
        days = np.arange(first, last + 1, dtype=np.int32)
        weekday = calendar.weekday(days)
        return cls(first, last, (weekday < 5) & ~calendar.is_holiday(days))

    def __contains__(self, day: int) -> bool:
        return bool(self.has(np.array([day]))[0])

    def has(self, day: Array) -> Bool:
        """Return which days are marked."""
        place = self._place(day)
        return np.asarray(self._before[place + 1] > self._before[place])

    def after(self, day: Array) -> I64:
        """Return the first marked day strictly after each day."""
        return np.asarray(self._days[self._before[self._place(day) + 1]])

    def between(self, low: Array, high: Array) -> I64:
        """Return how many days from ``low`` to ``high`` inclusive are marked; 0 if low > high."""
        number = self._before[self._place(high) + 1] - self._before[self._place(low)]
        return np.asarray(np.maximum(number, 0))

    def _place(self, day: Array) -> I64:
        # days that fields labelled invalid may show are far off; they find the nearest edge
        return np.clip(np.asarray(day, dtype=np.int64), self._first, self._last) - self._first
