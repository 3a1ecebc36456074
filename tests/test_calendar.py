"""The packaged calendar tells Cairo's time, its holidays and Ramadan, as the libraries do."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import holidays
import numpy as np
import pytest
from hijridate import Gregorian
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray

from polargen import calendar
from polargen.errors import ConfigError

CAIRO = ZoneInfo("Africa/Cairo")
UNIX = datetime(1970, 1, 1, tzinfo=UTC)
HOUR_US = 3_600_000_000
FIRST, LAST = calendar.day_of(date(1990, 1, 1)), calendar.day_of(date(2050, 12, 31))
EVERY_DAY = np.arange(FIRST, LAST + 1, dtype=np.int32)
# Later rules and sightings can still change in the libraries; the packaged file stays.
SETTLED = date(2025, 1, 1)
BY_DAY = [
    calendar.is_holiday,
    calendar.is_ramadan,
    calendar.is_working,
    calendar.skipped_hour,
    calendar.month_index,
    calendar.day_of_month,
    calendar.next_month,
    calendar.quarter_end,
    lambda day: calendar.next_schedule_day(0, day),
    lambda day: calendar.next_schedule_day(1, day),
]


def us_of(moment: datetime) -> int:
    """Return an aware instant in microseconds, by whole numbers."""
    return (moment - UNIX) // timedelta(microseconds=1)


def cairo(us: int) -> datetime:
    """Return Cairo's wall time of an instant, by zoneinfo."""
    return (UNIX + timedelta(microseconds=us)).astimezone(CAIRO)


def us_of_day(moment: datetime) -> int:
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    return (moment.replace(tzinfo=None) - midnight) // timedelta(microseconds=1)


def changes() -> list[int]:
    """Return the days before SETTLED on which zoneinfo moves Cairo's clock."""
    days = [calendar.date_of(day) for day in EVERY_DAY.tolist() if calendar.date_of(day) < SETTLED]
    noons = [datetime(d.year, d.month, d.day, 12, tzinfo=CAIRO).utcoffset() for d in days]
    return [FIRST + at for at in range(1, len(days)) if noons[at] != noons[at - 1]]


def sample() -> np.ndarray:
    """Return instants all over the settled years, and a second around each change of the clock."""
    spread = np.linspace(us_of(datetime(1990, 1, 1, tzinfo=UTC)), 1_735_600_000_000_000, 3001)
    near = [
        calendar.to_utc(day, 0) + hour * HOUR_US + step
        for day in changes()
        for hour in range(-3, 5)
        for step in (-1_000_000, -1, 0, 1, 1_000_000)
    ]
    return np.concatenate([spread.astype(np.int64), np.array(near, dtype=np.int64)])


def test_clock__changes_in_the_settled_years() -> None:
    assert len(changes()) > 50  # or the samples below would prove little


def test_local_time__is_that_of_zoneinfo() -> None:
    us = sample()
    told = [cairo(int(one)) for one in us]
    assert calendar.local_day(us).tolist() == [calendar.day_of(one.date()) for one in told]
    assert calendar.local_us(us).tolist() == [us_of_day(one) for one in told]


def test_to_utc__is_that_of_zoneinfo_in_gaps_and_overlaps_too() -> None:
    """zoneinfo's fold 0 is the same promise: forward in a gap, the first in an overlap."""
    near = (np.array(changes())[:, None] + np.arange(-2, 3)).ravel()
    days = np.repeat(near, 48)
    halves = np.tile(np.arange(48) * (HOUR_US // 2) + 7, len(near))
    wanted = [
        us_of(
            datetime.combine(calendar.date_of(day), datetime.min.time(), CAIRO)
            + timedelta(microseconds=half)
        )
        for day, half in zip(days.tolist(), halves.tolist(), strict=True)
    ]
    assert calendar.to_utc(days, halves).tolist() == wanted


def test_to_utc__moves_a_skipped_hour_forward() -> None:
    """On 2024-04-26 Cairo's clock went from 00:00 to 01:00."""
    day = calendar.day_of(date(2024, 4, 26))
    skipped = calendar.to_utc(day, HOUR_US // 2)
    assert skipped == us_of(datetime(2024, 4, 25, 22, 30, tzinfo=UTC))
    assert calendar.local_day(skipped) == day
    assert calendar.local_us(skipped) == 3 * HOUR_US // 2
    assert calendar.local_us(calendar.to_utc(day, 0)) == HOUR_US
    assert calendar.skipped_hour([day - 1, day, day + 1]).tolist() == [-1, 0, -1]


def test_to_utc__takes_the_first_of_a_repeated_hour() -> None:
    """On 2024-10-31 Cairo's clock went from 24:00 back to 23:00."""
    day = calendar.day_of(date(2024, 10, 31))
    first = calendar.to_utc(day, 23 * HOUR_US + HOUR_US // 2)
    assert first == us_of(datetime(2024, 10, 31, 20, 30, tzinfo=UTC))
    for us in (first, first + HOUR_US):
        assert calendar.local_day(us) == day
        assert calendar.local_us(us) == 23 * HOUR_US + HOUR_US // 2
    assert calendar.to_utc(day + 1, 0) - calendar.to_utc(day, 0) == 25 * HOUR_US


def test_days__follow_each_other_without_hole_or_overlap() -> None:
    starts = calendar.to_utc(np.arange(FIRST, LAST + 2), 0)
    assert set(np.diff(starts).tolist()) == {23 * HOUR_US, 24 * HOUR_US, 25 * HOUR_US}
    assert (calendar.local_day(starts[:-1]) == EVERY_DAY).all()
    assert (calendar.local_day(starts[1:] - 1) == EVERY_DAY).all()
    short = np.flatnonzero(np.diff(starts) == 23 * HOUR_US)
    assert (np.flatnonzero(calendar.skipped_hour(EVERY_DAY) >= 0) == short).all()


def test_summer_time__keeps_the_rule_of_2023_to_the_end() -> None:
    """From the last Friday of April to the last Thursday of October."""
    for year in range(2023, 2051):
        days = np.arange(calendar.day_of(date(year, 1, 1)), calendar.day_of(date(year + 1, 1, 1)))
        hours = np.diff(calendar.to_utc(np.append(days, days[-1] + 1), 0)) // HOUR_US
        month = calendar.month_index(days) % 12
        april = days[(month == 3) & (calendar.weekday(days) == 5)][-1]
        october = days[(month == 9) & (calendar.weekday(days) == 4)][-1]
        assert days[hours == 23].tolist() == [april]
        assert days[hours == 25].tolist() == [october]


@given(st.lists(st.integers(FIRST * 86_400_000_000, LAST * 86_400_000_000), max_size=20))
def test_instants__do_not_depend_on_their_neighbours(instants: list[int]) -> None:
    """However many offsets an array spans, each element is what it is alone."""
    us = np.array(instants, dtype=np.int64)
    day, wall = calendar.local_day(us), calendar.local_us(us)
    assert day.tolist() == [int(calendar.local_day(one)) for one in instants]
    assert wall.tolist() == [int(calendar.local_us(one)) for one in instants]
    again = calendar.to_utc(day, wall)
    alone = zip(day, wall, strict=True)
    assert again.tolist() == [int(calendar.to_utc(d, w)) for d, w in alone]
    assert set((us - again).tolist()) <= {0, HOUR_US}  # the second of a repeated hour is the first


def test_offsets__change_at_the_very_instant() -> None:
    """An array around one change of the clock, or one of the wall time, is told as by zoneinfo."""
    for day in changes():
        hour = np.arange(-2, 4) * HOUR_US
        us = calendar.to_utc(day, 0) + np.concatenate([hour - 1, hour])
        told = [cairo(int(one)) for one in us]
        assert calendar.local_us(us).tolist() == [us_of_day(one) for one in told]
        wall = np.concatenate([np.maximum(hour - 1, 0), np.maximum(hour, 0)])
        alone = [int(calendar.to_utc(day, one)) for one in wall]
        assert calendar.to_utc(day, wall).tolist() == alone


def test_dates__go_to_days_and_back() -> None:
    assert calendar.day_of(date(1970, 1, 1)) == 0
    for day in (date(1990, 1, 1), date(2000, 2, 29), date(2024, 12, 31), date(2050, 12, 31)):
        assert calendar.date_of(calendar.day_of(day)) == day


def test_days__have_the_parts_of_their_dates() -> None:
    dates = [calendar.date_of(day) for day in EVERY_DAY.tolist()]
    assert calendar.weekday(EVERY_DAY).tolist() == [d.isoweekday() % 7 for d in dates]
    assert calendar.day_of_month(EVERY_DAY).tolist() == [d.day for d in dates]
    assert calendar.month_index(EVERY_DAY).tolist() == [d.year * 12 + d.month - 1 for d in dates]


@pytest.mark.parametrize(
    ("day", "month", "quarter"),
    [
        (date(2024, 1, 1), date(2024, 2, 1), date(2024, 4, 1)),
        (date(2024, 3, 31), date(2024, 4, 1), date(2024, 4, 1)),
        (date(2024, 4, 1), date(2024, 5, 1), date(2024, 7, 1)),
        (date(2023, 11, 5), date(2023, 12, 1), date(2024, 1, 1)),
        (date(2050, 12, 31), date(2051, 1, 1), date(2051, 1, 1)),
    ],
)
def test_next_month_and_quarter__begin_after_the_day(day: date, month: date, quarter: date) -> None:
    at = calendar.day_of(day)
    assert calendar.date_of(int(calendar.next_month(at))) == month
    assert calendar.date_of(int(calendar.quarter_end(at))) == quarter


def test_ramadan__is_the_ninth_month_of_the_hijri_year() -> None:
    ninth = [
        Gregorian.fromdate(calendar.date_of(day)).to_hijri().month == 9
        for day in EVERY_DAY.tolist()
    ]
    assert calendar.is_ramadan(EVERY_DAY).tolist() == ninth


def test_holidays__are_those_of_the_library() -> None:
    known = holidays.country_holidays("EG", years=range(1990, SETTLED.year))
    settled = EVERY_DAY[calendar.day_of(SETTLED) > EVERY_DAY]
    wanted = [calendar.date_of(day) in known for day in settled.tolist()]
    assert calendar.is_holiday(settled).tolist() == wanted


@pytest.mark.parametrize(
    ("day", "holiday"),
    [
        (date(2024, 4, 9), False),  # last day of Ramadan
        (date(2024, 4, 10), True),  # Eid al-Fitr
        (date(2024, 4, 11), True),
        (date(2024, 4, 14), False),
        (date(2024, 6, 15), True),  # Arafah
        (date(2024, 6, 16), True),  # Eid al-Adha
        (date(2024, 6, 18), True),
        (date(2024, 6, 19), False),
        (date(2024, 1, 7), True),  # Coptic Christmas
        (date(2024, 10, 6), True),  # Armed Forces Day
        (date(2024, 10, 7), False),
    ],
)
def test_holidays__lie_where_egypt_kept_them(day: date, holiday: bool) -> None:
    assert bool(calendar.is_holiday(calendar.day_of(day))) is holiday


def test_eid__follows_each_ramadan() -> None:
    fasting = calendar.is_ramadan(EVERY_DAY)
    eid = EVERY_DAY[1:][fasting[:-1] & ~fasting[1:]]
    assert len(eid) == 63  # two in 2000 and in 2033
    assert calendar.is_holiday(eid).all()
    assert not calendar.is_ramadan(eid).any()


def test_working_days__are_sunday_to_thursday_without_holidays() -> None:
    week = EVERY_DAY[:7]
    assert sorted(calendar.weekday(week).tolist()) == list(range(7))
    for day in range(7):
        mine = EVERY_DAY[calendar.weekday(EVERY_DAY) == day]
        wanted = ~calendar.is_holiday(mine) if day <= 4 else np.zeros(len(mine), dtype=bool)
        assert (calendar.is_working(mine) == wanted).all()


@pytest.mark.parametrize(("region", "served"), [(0, {0, 2, 4}), (1, {1, 3, 6})])
def test_next_schedule_day__is_the_first_open_one_after_the_day(
    region: int, served: set[int]
) -> None:
    days = EVERY_DAY[::3]
    after = calendar.next_schedule_day(region, days)
    assert (after > days).all()
    assert set(calendar.weekday(after).tolist()) == served
    assert not calendar.is_holiday(after).any()
    for step in range(1, int((after - days).max())):
        between = days[days + step < after] + step
        open_day = np.isin(calendar.weekday(between), sorted(served))
        assert not (open_day & ~calendar.is_holiday(between)).any()


@given(st.integers(0, 399), st.integers(-1, 399), st.integers(0, 100))
def test_day_count__counts_and_finds_as_a_list_does(low: int, length: int, k: int) -> None:
    first = calendar.day_of(date(2024, 1, 1))
    count = calendar.DayCount(first, first + 399, calendar.is_working)
    high = min(low + length, 399)
    marked = [d for d in range(first, first + 400) if calendar.is_working(d)]
    within = [d for d in marked if first + low <= d <= first + high]
    assert int(count.count(first + low, first + high)) == len(within)
    if k < len(within):
        assert int(count.nth(first + low, k)) == within[k]


def test_day_count__takes_arrays() -> None:
    first = calendar.day_of(date(2024, 6, 1))
    count = calendar.DayCount(first, first + 99, calendar.is_holiday)
    low = np.arange(first, first + 50, dtype=np.int32)
    found = count.nth(low, np.zeros(50, dtype=np.int64))
    assert calendar.is_holiday(found).all()
    assert (count.count(low, found) == 1).all()
    assert (count.count(low, low - 1) == 0).all()


@pytest.mark.parametrize("look_up", BY_DAY)
def test_look_ups__refuse_days_outside_the_calendar(
    look_up: Callable[[ArrayLike], NDArray[Any]],
) -> None:
    look_up([FIRST, LAST])
    for day, shown in ((date(1988, 12, 31), "1988-12-31"), (date(2052, 1, 1), "2052-01-01")):
        with pytest.raises(ConfigError, match=rf"{shown} lies outside .*; choose dates inside it"):
            look_up([FIRST, calendar.day_of(day)])
    with pytest.raises(ConfigError, match="lies outside"):
        look_up(np.array([10**9]))


def test_functions__keep_shape_and_type() -> None:
    for shape in ((0,), (3,), (2, 2)):
        day = np.full(shape, FIRST, dtype=np.int32)
        us = calendar.to_utc(day, 0)
        results: dict[str, list[NDArray[Any]]] = {
            "int64": [us, calendar.local_us(us)],
            "int32": [
                calendar.local_day(us),
                calendar.month_index(day),
                calendar.next_month(day),
                calendar.quarter_end(day),
                calendar.next_schedule_day(1, day),
            ],
            "int8": [
                calendar.weekday(day),
                calendar.day_of_month(day),
                calendar.skipped_hour(day),
            ],
            "bool": [calendar.is_holiday(day), calendar.is_ramadan(day), calendar.is_working(day)],
        }
        for dtype, arrays in results.items():
            assert all(array.shape == shape and array.dtype == dtype for array in arrays)


def test_package__needs_none_of_the_libraries_that_made_its_calendar() -> None:
    code = (
        "import sys; from polargen import calendar; calendar.is_holiday(20000); "
        "calendar.local_day(0); "
        "print([m for m in ('holidays', 'hijridate', 'zoneinfo', 'tzdata', 'polars', 'pyarrow') "
        "if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
