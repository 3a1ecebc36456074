"""Days and hours get the weight the scenario gives them, and instants rise."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polargen import calendar
from polargen.errors import ConfigError
from polargen.streams import stream
from polargen.time_series import (
    TimeSeries,
    burst_windows,
    day_weights,
    hour_profile,
    instants,
)

HOUR_US = 3_600_000_000
CLOSED_US = 23 * HOUR_US + 45 * 60_000_000
EVEN = TimeSeries(
    weekday_weights=(1.0,) * 7,
    hour_weights=(1.0,) * 24,
    month_weights=(1.0,) * 12,
    holiday_weight=1.0,
    ramadan_weight=1.0,
    daily_jitter=0.0,
    growth_per_month=0.0,
)
SHOP_HOURS = (0.0,) * 8 + (2.0, 3, 4, 3, 1, 1, 2, 3, 4, 2, 1, 1, 1) + (0.0,) * 3
SHOP = replace(EVEN, hour_weights=SHOP_HOURS)
YEAR = calendar.day_of(date(2024, 1, 1)), calendar.day_of(date(2024, 12, 31))
DAYS = np.arange(YEAR[0], YEAR[1] + 1, dtype=np.int32)
ORDINARY = calendar.day_of(date(2024, 2, 5))
FASTING = calendar.day_of(date(2024, 3, 18))
SPRING_DAYS = [  # midnight to 01:00 is skipped, or 01:00 to 02:00
    calendar.day_of(day) for day in (date(2024, 4, 26), date(2030, 4, 26), date(1991, 5, 1))
]
AUTUMN_DAYS = [calendar.day_of(day) for day in (date(2024, 10, 31), date(1991, 10, 1))]


def weights(series: TimeSeries, days: tuple[int, int] = YEAR, seed: int = 1) -> np.ndarray:
    return day_weights(series, *days, seed, "test.day_weight")


def of_a_day(day: int, n: int, series: TimeSeries, name: str = "instants") -> np.ndarray:
    """Return all instants of a day with n orders."""
    bits = stream(1, f"test.{name}").u32(n)
    position = np.arange(n, dtype=np.int64)
    return instants(np.full(n, day, dtype=np.int32), position, np.full(n, n), bits, series)


def hours_of(us: np.ndarray) -> np.ndarray:
    return np.bincount(calendar.local_us(us) // HOUR_US, minlength=24)


def test_day_weights__are_even_where_nothing_weighs() -> None:
    even = weights(EVEN)
    assert even.dtype == np.float64
    assert even.tolist() == [1.0] * 366


def test_day_weights__follow_weekdays_sunday_first() -> None:
    wanted = (1.0, 2.0, 3.0, 4.0, 5.0, 0.5, 0.25)
    found = weights(replace(EVEN, weekday_weights=wanted))
    sunday = calendar.day_of(date(2024, 1, 7)) - YEAR[0]
    assert found[sunday : sunday + 7].tolist() == list(wanted)
    assert (found[7:] == found[:-7]).all()


def test_day_weights__follow_months() -> None:
    found = weights(replace(EVEN, month_weights=tuple(float(m) for m in range(1, 13))))
    assert found.tolist() == [float(calendar.date_of(day).month) for day in DAYS.tolist()]


def test_day_weights__lower_holidays_and_ramadan_together() -> None:
    found = weights(replace(EVEN, holiday_weight=0.25, ramadan_weight=0.5))
    holiday, fasting = calendar.is_holiday(DAYS), calendar.is_ramadan(DAYS)
    assert holiday.any()
    assert fasting.any()
    assert set(found[holiday & ~fasting].tolist()) == {0.25}
    assert set(found[fasting & ~holiday].tolist()) == {0.5}
    assert set(found[~fasting & ~holiday].tolist()) == {1.0}
    # A revolution day inside Ramadan has both factors.
    both = calendar.day_of(date(2014, 7, 23))
    assert calendar.is_holiday(both)
    assert calendar.is_ramadan(both)
    pair = replace(EVEN, holiday_weight=0.25, ramadan_weight=0.5)
    assert weights(pair, (both, both)).tolist() == [0.125]


def test_day_weights__zero_is_a_weight() -> None:
    found = weights(replace(EVEN, holiday_weight=0.0))
    assert ((found == 0.0) == calendar.is_holiday(DAYS)).all()


def test_jitter__stays_in_its_bounds_and_fills_them() -> None:
    """Uniform: the mean of 20,000 days is 1 within 5 deviations, the edges are near the bounds."""
    long = calendar.day_of(date(1991, 1, 1)), calendar.day_of(date(1991, 1, 1)) + 19_999
    found = weights(replace(EVEN, daily_jitter=0.3), long)
    assert 0.7 <= found.min() < 0.701
    assert 1.299 < found.max() <= 1.3
    assert abs(found.mean() - 1.0) < 5 * 0.3 / np.sqrt(3 * 20_000)
    assert abs(np.corrcoef(found[1:], found[:-1])[0, 1]) < 5 / np.sqrt(20_000)


def test_jitter__belongs_to_the_day_the_seed_and_the_name() -> None:
    series = replace(EVEN, daily_jitter=0.3)
    whole = weights(series)
    assert weights(series, (YEAR[0] + 100, YEAR[1] - 100)).tolist() == whole[100:-100].tolist()
    assert (weights(series, seed=2) != whole).mean() > 0.99
    assert (day_weights(series, *YEAR, 1, "test.other") != whole).mean() > 0.99


@pytest.mark.parametrize("growth", [0.1, -0.2, 1.0])
def test_growth__is_the_same_factor_over_any_30_days(growth: float) -> None:
    found = weights(replace(EVEN, growth_per_month=growth))
    assert np.allclose(found[30:] / found[:-30], 1.0 + growth, rtol=1e-12)
    assert (np.sign(np.diff(found)) == np.sign(growth)).all()


def test_day_weights__refuse_a_window_in_which_nothing_happens() -> None:
    friday = calendar.day_of(date(2024, 2, 9))
    series = replace(EVEN, weekday_weights=(1.0,) * 5 + (0.0, 1.0))
    with pytest.raises(ConfigError, match="no day of the window has a weight; choose other dates"):
        weights(series, (friday, friday))
    assert weights(series, (friday, friday + 1)).tolist() == [0.0, 1.0]


def test_hour_profile__keeps_the_ratios_in_whole_numbers() -> None:
    profile = hour_profile(SHOP, False)
    assert profile.dtype == np.int64
    assert profile.shape == (24,)
    assert 0 <= 2**32 - int(profile.sum()) < 24
    assert np.allclose(profile / 2**32, np.array(SHOP_HOURS) / sum(SHOP_HOURS), atol=2**-31)
    assert (profile[[0, 7, 21, 23]] == 0).all()


def test_hour_profile__of_ramadan_is_two_hours_later() -> None:
    usual, fasting = hour_profile(SHOP, False), hour_profile(SHOP, True)
    assert fasting[:2].tolist() == [0, 0]
    assert fasting[2:].tolist() == usual[:-2].tolist()


def test_hour_profile__of_ramadan_folds_the_night_into_the_last_hour() -> None:
    late = replace(EVEN, hour_weights=(0.0,) * 20 + (1.0, 1.0, 2.0, 4.0))
    assert hour_profile(late, True)[20:].tolist() == [0, 0, 2**29, 7 * 2**29]
    assert hour_profile(EVEN, True).sum() == pytest.approx(2**32, abs=24)


HOURS = st.lists(st.sampled_from([0.0, 0.001, 1.0, 3.0]), min_size=24, max_size=24).filter(any)
ANY_DAY = st.one_of(
    st.sampled_from([ORDINARY, FASTING, *SPRING_DAYS, *AUTUMN_DAYS]),
    st.integers(calendar.day_of(date(1990, 1, 1)), calendar.day_of(date(2050, 12, 31))),
)


@given(ANY_DAY, HOURS, st.integers(1, 500), st.integers(0, 99))
def test_instants__never_fall_and_stay_in_their_day(
    day: int, hours: list[float], n: int, name: int
) -> None:
    us = of_a_day(day, n, replace(EVEN, hour_weights=tuple(hours)), str(name))
    assert us.dtype == np.int64
    assert (np.diff(us) >= 0).all()
    assert (calendar.local_day(us) == day).all()
    assert calendar.local_us(us).max() < CLOSED_US


@pytest.mark.parametrize("day", [ORDINARY, FASTING, *SPRING_DAYS, *AUTUMN_DAYS])
def test_instants__rise_strictly_in_a_busy_day_around_the_clock(day: int) -> None:
    us = of_a_day(day, 100_000, EVEN)
    assert (np.diff(us) > 0).all()


@pytest.mark.parametrize(("day", "ramadan"), [(ORDINARY, False), (FASTING, True)])
def test_instants__fill_each_hour_by_its_weight(day: int, ramadan: bool) -> None:
    """Stratified draws: no hour is off by more than an order at each end."""
    n = 10_000
    found = hours_of(of_a_day(day, n, SHOP))
    wanted = n * hour_profile(SHOP, ramadan) / 2**32
    assert (np.abs(found - wanted) <= 2).all()
    assert (found[wanted == 0] == 0).all()


def test_instants__are_uniform_within_an_hour() -> None:
    us = of_a_day(ORDINARY, 13_000, replace(EVEN, hour_weights=(0.0,) * 9 + (1.0,) + (0.0,) * 14))
    minutes = np.bincount((calendar.local_us(us) - 9 * HOUR_US) // 60_000_000, minlength=60)
    assert np.abs(minutes - 13_000 / 60).max() <= 2


def test_instants__use_three_quarters_of_the_last_hour() -> None:
    last = replace(EVEN, hour_weights=(0.0,) * 23 + (1.0,))
    wall = calendar.local_us(of_a_day(ORDINARY, 9000, last))
    assert wall.min() >= 23 * HOUR_US
    assert CLOSED_US - 1_000_000 < wall.max() < CLOSED_US


@pytest.mark.parametrize("day", SPRING_DAYS)
def test_instants__share_the_next_hour_where_one_is_skipped(day: int) -> None:
    hour = int(calendar.skipped_hour(day))
    found = hours_of(of_a_day(day, 2400, EVEN))
    usual = hours_of(of_a_day(ORDINARY, 2400, EVEN))
    assert found[hour] == 0
    assert found[hour + 1] == usual[hour] + usual[hour + 1]
    others = np.delete(np.arange(24), [hour, hour + 1])
    assert (found[others] == usual[others]).all()


def test_instants__are_the_same_for_any_slice_of_the_days() -> None:
    """A block sees some of the orders of some days; Ramadan and summer time begin among them."""
    days = np.repeat(DAYS, 20)
    position = np.tile(np.arange(20, dtype=np.int64), len(DAYS))
    of, bits = np.full(len(days), 20), stream(1, "test.slices").u32(len(days))
    whole = instants(days, position, of, bits, SHOP)
    assert (np.diff(whole) > 0).all()
    for part in (slice(0, 1), slice(5, 900), slice(1300, 1700), slice(3, None, 7), slice(0, 0)):
        some = instants(days[part], position[part], of[part], bits[part], SHOP)
        assert some.tolist() == whole[part].tolist()
    hours = np.bincount(calendar.local_us(whole) // HOUR_US, minlength=24)
    assert hours[[6, 7, 23]].tolist() == [0, 0, 0]
    assert hours[22] > 0  # Ramadan's evenings


def test_instants__of_the_last_of_very_many_orders_stay_in_an_open_hour() -> None:
    """(position + U) / of rounds to 1 there."""
    of = np.array([2**40])
    bits = np.array([2**32 - 1], dtype=np.uint32)
    us = instants(np.array([ORDINARY], dtype=np.int32), of - 1, of, bits, SHOP)
    assert calendar.local_us(us) // HOUR_US == 20


def test_instants__begin_in_the_first_open_hour() -> None:
    """The first order of a day may draw 0, which lies on the edge of all closed hours before."""
    zero, one_order = np.zeros(1, dtype=np.int64), np.ones(1, dtype=np.int64)
    day = np.array([ORDINARY], dtype=np.int32)
    us = instants(day, zero, one_order, zero.astype(np.uint32), SHOP)
    assert calendar.local_us(us).tolist() == [8 * HOUR_US]


@given(
    seed=st.integers(0, 2**63 - 1),
    days=st.integers(1, 800),
    share=st.floats(0.0, 1.0),
    window_days=st.integers(1, 60),
)
def test_burst_windows__are_disjoint_and_cover_their_share(
    seed: int, days: int, share: float, window_days: int
) -> None:
    first, last = YEAR[0], YEAR[0] + days - 1
    starts, ends = burst_windows(seed, "test.windows", first, last, share, window_days)
    assert starts.dtype == ends.dtype == np.int32
    assert first <= starts[0]
    assert ends[-1] <= last
    assert (starts <= ends).all()
    lengths = ends.astype(np.int64) - starts + 1
    covered = int(lengths.sum())
    assert covered == 1 or abs(covered - share * days) <= 0.5 + 1e-9
    assert lengths.max() - lengths.min() <= 1
    assert len(starts) == 1 or 2 * abs(int(lengths.max()) - window_days) <= window_days + 2
    least = 2 if days - covered >= len(starts) - 1 else 1
    assert (starts[1:] - ends[:-1] >= least).all()


def test_burst_windows__lie_anywhere_and_follow_seed_and_name() -> None:
    """Over 2,000 seeds every day but the rim is covered about equally often: 15 % of the year."""
    seen = np.zeros(len(DAYS))
    for seed in range(2000):
        for start, end in zip(*burst_windows(seed, "test.windows", *YEAR, 0.15, 14), strict=True):
            seen[start - YEAR[0] : end + 1 - YEAR[0]] += 1
    inner = seen[60:-60] / 2000
    assert abs(seen.sum() / 2000 / len(DAYS) - 0.15) < 0.002
    assert inner.min() > 0.1
    assert inner.max() < 0.22
    assert seen[0] > 0
    assert seen[-1] > 0
    one = [a.tolist() for a in burst_windows(1, "test.windows", *YEAR, 0.15, 14)]
    assert one == [a.tolist() for a in burst_windows(1, "test.windows", *YEAR, 0.15, 14)]
    assert one != [a.tolist() for a in burst_windows(2, "test.windows", *YEAR, 0.15, 14)]
    assert one != [a.tolist() for a in burst_windows(1, "test.others", *YEAR, 0.15, 14)]
