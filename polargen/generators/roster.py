"""Who works when: shifts of the Sales users, office hours of the others, and their sessions.

Sales users work in two shifts on all seven days, the others Sunday to Thursday without public
holidays. Everything follows from the plan and a user's place, so every block sees the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from polargen import calendar, time_series
from polargen.draw import I32, I64, U8, Bool, integers
from polargen.schema.masters import ROLES
from polargen.streams import U16, U32, U64

if TYPE_CHECKING:
    from polargen.generators.world import Users
    from polargen.plan import Plan

_AWAY, _OFFICE, _MORNING, _EVENING, _BOTH = range(5)
_OFFICE_MINUTES = (9 * 60, 17 * 60)  # Source: DOMAIN, office work is done 9-17 h
_LEAST_MINUTES = ((8 * 60, 21 * 60 + 30), (10 * 60, 23 * 60 + 30))  # outside and in Ramadan
_CLOSING_MINUTES = 30  # a shift goes on after the last hour with orders
_LAST_MINUTE = 24 * 60 - 1
_MINUTE_US = 60_000_000
_LAST_WALL_US = 86_399_999_000
_EARLY_MS, _LATE_MS = 20 * 60_000, 30 * 60_000  # login before, logout after the shift; ASSUMED
_DAYS_OFF = 2  # of seven


class Roster:
    """Working times of all users.

    Args:
        plan: for the seed, the as-of instant and the hours of orders.
        users: role and activity, index = user_id - 1; at least one active user of each role.

    Model: the active Sales users take the two shifts in turn. Of each shift, the p-th user is off
    on the days of phase 2p and 2p + 1 (mod 7), a phase that moves on by one weekday each week, so
    two users of a shift are never off on the same day. One alone has no day off, and a single
    Sales user has both shifts.
    """

    def __init__(self, plan: Plan, users: Users) -> None:
        self._seed_words = plan.keyed
        self._as_of_us = plan.as_of_us
        self._role = users.role
        self._active = users.is_active
        is_sales = users.role == ROLES.index("Sales")
        sales = np.flatnonzero(users.is_active & is_sales)
        self._kind: U8 = np.where(users.is_active, _OFFICE, _AWAY).astype(np.uint8)
        self._place: I32 = np.zeros(len(users.role), dtype=np.int32)
        self._alone: Bool = np.zeros(len(users.role), dtype=bool)
        turn = np.arange(len(sales))
        self._kind[sales] = _BOTH if len(sales) == 1 else _MORNING + turn % 2
        self._place[sales] = turn // 2
        for shift in (_MORNING, _EVENING, _BOTH):
            members = np.flatnonzero(self._kind == shift)
            self._alone[members] = len(members) == 1
        self._shift_minutes = _shift_minutes(plan.time_series)
        self._duty, self._duty_start = self._duties(sales)
        self._offices: dict[tuple[str, ...], I64] = {}

    def sales_on_duty(self, us: I64, bits: U32) -> I64:
        """Draw a Sales user on duty for each instant.

        Args:
            us: int64, µs UTC, within the hours of orders.
            bits: uint32, one word an instant.

        Returns:
            int64 user_id, uniform over the shift's users who work that day.
        """
        day = calendar.local_day(us)
        middle = self._shift_minutes[calendar.is_ramadan(day).astype(np.int64), _EVENING, 0]
        shift = (calendar.local_us(us) >= middle * _MINUTE_US).astype(np.int64)
        cell = shift * 7 + _phase(day)
        first = self._duty_start[cell]
        pick = integers(bits, 0, self._duty_start[cell + 1] - first - 1)
        return np.asarray(self._duty[first + pick])

    def office(self, day: I32, bits: U16 | U32 | U64, roles: tuple[str, ...]) -> I64:
        """Draw a user of ``roles`` at the office for each working day.

        Args:
            day: int32 epoch days, working days.
            bits: one word a day.
            roles: any of Admin, Manager, Support.

        Returns:
            int64 user_id, uniform over the active users of these roles.
        """
        if roles not in self._offices:
            codes = [ROLES.index(role) for role in roles]
            wanted = self._active & np.isin(self._role, codes)
            self._offices[roles] = np.flatnonzero(wanted).astype(np.int64) + 1
        users = self._offices[roles]
        return np.asarray(users[integers(bits, 0, np.full(len(day), len(users) - 1))])

    def in_session(self, user_id: I64, us: I64) -> Bool:
        """Return whether each instant lies in a session of its user; False for user_id < 1."""
        known = user_id > 0
        user = np.where(known, user_id - 1, 0)
        day = calendar.local_day(us)
        login, logout = self._bounds(user, day)
        return np.asarray(known & self._works(user, day) & (us >= login) & (us < logout))

    def sessions(self, first_day: int, last_day: int) -> tuple[I64, I64, I64]:
        """Return the sessions of all active users, by day, then by user.

        Args:
            first_day, last_day: epoch days, inclusive.

        Returns:
            user_id, login and logout (int64, µs UTC); logout is -1 for a session that is still
            open at the as-of instant.
        """
        days = np.arange(first_day, last_day + 1, dtype=np.int32)
        active = np.flatnonzero(self._active)
        day, user = np.repeat(days, len(active)), np.tile(active, len(days))
        works = self._works(user, day)
        day, user = day[works], user[works]
        login, logout = self._bounds(user, day)
        begun = login < self._as_of_us
        user, login, logout = user[begun], login[begun], logout[begun]
        return user + 1, login, np.where(logout < self._as_of_us, logout, -1)

    def _works(self, user: I64, day: I32) -> Bool:
        kind = self._kind[user]
        off = (_phase(day) - 2 * self._place[user]) % 7 < _DAYS_OFF
        sales = (kind >= _MORNING) & (self._alone[user] | ~off)
        return np.asarray(sales | ((kind == _OFFICE) & calendar.is_working(day)))

    def _bounds(self, user: I64, day: I32) -> tuple[I64, I64]:
        ramadan = calendar.is_ramadan(day).astype(np.int64)
        minutes = self._shift_minutes[ramadan, self._kind[user]]
        early = integers(self._seed_words("users.login", user, day), 0, _EARLY_MS) * 1000
        late = integers(self._seed_words("users.logout", user, day), 0, _LATE_MS) * 1000
        # Subtracted from the instant, not the clock: summer time may skip the hour before a shift.
        login = calendar.to_utc(day, minutes[:, 0] * _MINUTE_US) - early
        logout = np.minimum(minutes[:, 1] * _MINUTE_US + late, _LAST_WALL_US)
        return np.maximum(login, calendar.to_utc(day, 0)), calendar.to_utc(day, logout)

    def _duties(self, sales: I64) -> tuple[I64, I64]:
        """Return user ids by (shift, phase), and where each of the 14 lists starts."""
        lists = []
        for shift in (_MORNING, _EVENING):
            mine = sales[np.isin(self._kind[sales], (shift, _BOTH))]
            for phase in range(7):
                off = (phase - 2 * self._place[mine]) % 7 < _DAYS_OFF
                lists.append(mine[self._alone[mine] | ~off] + 1)
        starts = np.cumsum([0, *(len(users) for users in lists)])
        return np.concatenate(lists).astype(np.int64), starts.astype(np.int64)


def _phase(day: I32) -> I64:
    weekday = calendar.weekday(day).astype(np.int64)
    return np.asarray((weekday - (day - weekday) // 7) % 7)


def _shift_minutes(series: time_series.TimeSeries) -> I64:
    """Return start and end, in minutes of the day, of each kind of work: int64 (2, 5, 2)."""
    minutes = np.zeros((2, 5, 2), dtype=np.int64)
    for ramadan, least in enumerate(_LEAST_MINUTES):
        hours = np.flatnonzero(time_series.hour_profile(series, bool(ramadan)))
        start = min(int(hours[0]) * 60, least[0])
        end = max((int(hours[-1]) + 1) * 60 + _CLOSING_MINUTES, least[1])
        end = min(end, _LAST_MINUTE)
        middle = (start + end) // 60 * 30
        minutes[ramadan, _OFFICE] = _OFFICE_MINUTES
        minutes[ramadan, _MORNING] = start, middle
        minutes[ramadan, _EVENING] = middle, end
        minutes[ramadan, _BOTH] = start, end
    return minutes
