"""The stock of a block in one pass is what a slow loop over its events gives."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polargen.generators.stock import (
    CLOSING,
    NEW_DELIVERY,
    POLICY,
    RECALL,
    Demand,
    Path,
    follow,
    sort_by_product,
)

LARGEST = 19  # pieces of a line, and of a count
QUARTER_US = 900_000_000
DAY_US = 86_400_000_000
END_US = 400 * DAY_US
Row = tuple[int, int, int, int, int, int | None]  # product, us, quantity, previous, new, why


@dataclass(frozen=True)
class Case:
    """A block's demands by product and instant, its policy, its shortage windows, its end."""

    products: int
    demands: list[tuple[int, int, int]]
    point: list[int]
    quantity: list[int]
    windows: list[tuple[int, int, int]]
    close_us: int | None

    def path(self) -> Path:
        """Return the path under test."""
        product, us, net = (
            np.array(column, dtype=dtype)
            for column, dtype in zip(
                zip(*self.demands, strict=True) if self.demands else ([], [], []),
                (np.int32, np.int64, np.int64),
                strict=True,
            )
        )
        cuts = zip(*self.windows, strict=True) if self.windows else ([], [], [])
        short, start, end = (np.array(column, dtype=np.int64) for column in cuts)
        return follow(
            Demand(product, us, net),
            np.array(self.point, dtype=np.int64),
            np.array(self.quantity, dtype=np.int64),
            (short.astype(np.int32), start, end),
            self.close_us,
        )


def walk(case: Case) -> tuple[list[Row], list[int | None]]:
    """Follow every product by hand: one event after the other.

    A restock of Q comes as soon as stock is down to s, as often as it takes to stand above s. A
    window writes everything off at its start and delivers s + Q at its end. At a segment's end a
    product that moved is brought back to s + Q.
    """
    rows: list[Row] = []
    closing: list[int | None] = []
    for product in range(case.products):
        s, q = case.point[product], case.quantity[product]
        stock, touched = s + q, False
        events = [(us, 1, net) for p, us, net in case.demands if p == product]
        events += [(start, 0, end) for p, start, end in case.windows if p == product]
        # at the instant of a window's start the recall comes first; demands keep their order
        for us, kind, value in sorted(events, key=lambda event: event[:2]):
            touched = True
            if kind == 0:
                rows.append((product, us, -stock, stock, 0, RECALL))
                rows.append((product, value, s + q, 0, s + q, NEW_DELIVERY))
                stock = s + q
                continue
            rows.append((product, us, -value, stock, stock - value, None))
            stock -= value
            pieces = 0
            while stock + pieces <= s:
                pieces += q
            if pieces:
                rows.append((product, us, pieces, stock, stock + pieces, POLICY))
                stock += pieces
        if touched and case.close_us is not None and stock != s + q:
            rows.append((product, case.close_us, s + q - stock, stock, s + q, CLOSING))
            stock = s + q
        closing.append(stock if touched else None)
    return rows, closing


def rows_of(path: Path) -> list[Row]:
    why: list[int | None] = [None] * len(path.us)
    for at, reason in zip(path.inserted_at.tolist(), path.why.tolist(), strict=True):
        why[at] = reason
    columns = (path.product, path.us, path.quantity, path.previous, path.new)
    return list(zip(*(column.tolist() for column in columns), why, strict=True))


def check(case: Case) -> None:
    path = case.path()
    rows, closing = walk(case)
    assert rows_of(path) == rows
    assert path.touched.tolist() == [level is not None for level in closing]
    assert [
        level if touched else None
        for level, touched in zip(path.closing.tolist(), path.touched.tolist(), strict=True)
    ] == closing
    assert (path.new >= 0).all()
    assert (path.previous >= 0).all()
    own = [row[:3] for row in rows if row[5] is None]
    assert own == [(product, us, -net) for product, us, net in case.demands]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw blocks whose windows are disjoint and hold no demand, as shortages promise."""
    products = draw(st.integers(1, 4))
    demands: list[tuple[int, int, int]] = []
    windows: list[tuple[int, int, int]] = []
    for product in range(products):
        edges = sorted(draw(st.lists(st.integers(0, 40), max_size=6, unique=True)))
        mine = [
            (first * DAY_US, second * DAY_US)
            for first, second in itertools.pairwise(edges)
            if draw(st.booleans())
        ]
        windows += [(product, start, end) for start, end in mine]
        slots = draw(st.lists(st.integers(0, 41 * 96), max_size=30))
        nets = st.integers(1, LARGEST) | st.integers(-LARGEST, LARGEST).filter(bool)
        demands += [
            (product, slot * QUARTER_US, draw(nets))
            for slot in sorted(slots)
            if not any(start <= slot * QUARTER_US <= end for start, end in mine)
        ]
    policy = st.lists(st.integers(38, 60), min_size=products, max_size=products)
    quantity = st.lists(st.integers(1, 60), min_size=products, max_size=products)
    close = draw(st.none() | st.just(END_US))
    return Case(products, demands, draw(policy), draw(quantity), windows, close)


@given(cases())
@settings(max_examples=400, deadline=None)
def test_follow__is_what_a_loop_over_the_events_gives(case: Case) -> None:
    check(case)


def busy(seed: int, windows: int, close: bool) -> Case:
    """Return a block of 30 products with some thousand demands and windows in any place."""
    random = np.random.default_rng(seed)
    demands, cuts = [], []
    for product in range(30):
        edges = np.sort(random.choice(360, 2 * windows, replace=False)) * DAY_US
        mine = edges.reshape(-1, 2).tolist()
        cuts += [(product, *edge) for edge in mine]
        us = np.sort(random.integers(0, 360 * 96, random.integers(0, 300))) * QUARTER_US
        us = us[[not any(a <= at <= b for a, b in mine) for at in us]]
        net = random.integers(1, LARGEST + 1, len(us))
        net = np.where(random.random(len(us)) < 0.05, -net, net)
        demands += [(product, int(at), int(n)) for at, n in zip(us, net, strict=True)]
    point = random.integers(38, 200, 30).tolist()
    return Case(30, demands, point, random.integers(1, 200, 30).tolist(), cuts,
                END_US if close else None)  # fmt: skip


@pytest.mark.parametrize("close", [False, True])
@pytest.mark.parametrize("windows", [0, 1, 5])
@pytest.mark.parametrize("seed", [1, 2])
def test_follow__agrees_on_busy_blocks(seed: int, windows: int, close: bool) -> None:
    check(busy(seed, windows, close))


@pytest.mark.parametrize("close", [None, END_US])
def test_follow__cuts_before_the_first_and_after_the_last_demand(close: int | None) -> None:
    demands = [(0, 10 * DAY_US, 19), (0, 11 * DAY_US, 7)]
    check(Case(1, demands, [38], [40], [(0, DAY_US, 2 * DAY_US)], close))
    check(Case(1, demands, [38], [40], [(0, 20 * DAY_US, 22 * DAY_US)], close))
    both = [(0, DAY_US, 2 * DAY_US), (0, 20 * DAY_US, 22 * DAY_US)]
    check(Case(1, demands, [38], [40], both, close))


@pytest.mark.parametrize("close", [None, END_US])
def test_follow__cuts_may_come_back_to_back_or_alone(close: int | None) -> None:
    chain = [(1, day * DAY_US, (day + 2) * DAY_US) for day in (3, 5, 7)]
    check(Case(3, [(1, 20 * DAY_US, 5)], [40] * 3, [50] * 3, chain, close))
    check(Case(3, [], [40] * 3, [50] * 3, chain, close))
    neighbours = [(0, 0, DAY_US), (1, 0, DAY_US), (2, 0, DAY_US)]
    check(Case(3, [(1, 2 * DAY_US, 5)], [40] * 3, [50] * 3, neighbours, close))


def test_follow__a_demand_at_a_windows_end_comes_after_the_delivery() -> None:
    """Goods that waited are committed a quarter of an hour after the window's end."""
    after = 2 * DAY_US + QUARTER_US
    check(Case(1, [(0, after, 19), (0, after, 19), (0, after, 19)], [57], [60],
               [(0, DAY_US, 2 * DAY_US)], None))  # fmt: skip


def test_follow__without_events_nothing_moves() -> None:
    path = Case(3, [], [40] * 3, [50] * 3, [], END_US).path()
    assert len(path.us) == 0
    assert not path.touched.any()


def test_follow__never_runs_dry_at_the_smallest_reorder_point() -> None:
    """s = 38 covers the largest line and the largest count, one right after the other."""
    random = np.random.default_rng(5)
    us = np.sort(random.integers(0, 10**6, 20_000)) * QUARTER_US
    net = np.where(np.arange(20_000) % 7 == 6, random.integers(-LARGEST, LARGEST, 20_000), LARGEST)
    path = Case(1, [(0, int(a), int(n)) for a, n in zip(us, net, strict=True) if n], [38], [1], [],
                None).path()  # fmt: skip
    assert path.new.min() >= 38 - LARGEST
    assert (path.previous[1:] == path.new[:-1]).all()


def test_sort_by_product__is_stable() -> None:
    product = np.random.default_rng(1).integers(0, 9, 5000).astype(np.int32)
    for products in (9, 100_000):
        order = sort_by_product(product, products)
        assert np.array_equal(order, np.lexsort((np.arange(5000), product)))
