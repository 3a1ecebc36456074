"""Draws keep their bounds, their shares and their bijections, in integers."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polargen.draw import (
    Table,
    chance,
    choose,
    half_up,
    integers,
    largest_remainder,
    permute,
    permute_each,
    zipf_weights,
)
from polargen.streams import stream

N = 200_000
SIZES = (1, 2, 3, 4, 5, 7, 10, 15, 16, 17, 63, 64, 65, 100, 255, 256, 257, 1000, 4096, 65_537)


def off_in_deviations(counts: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return how many binomial deviations each count lies from its share."""
    n = counts.sum()
    return (counts - n * shares) / np.sqrt(n * shares * (1 - shares))


def bits(width: int, n: int = N, name: str = "bits") -> np.ndarray:
    source = stream(1, f"test.{name}")
    return {16: source.u16, 32: source.u32, 64: source.u64}[width](n)


@pytest.mark.parametrize("width", [16, 32, 64])
@pytest.mark.parametrize(("low", "high"), [(0, 0), (1, 7), (-5, 5), (1, 19), (0, 250)])
def test_integers__are_uniform_between_their_bounds(width: int, low: int, high: int) -> None:
    """Chi-square over all values within 5 deviations of its mean."""
    drawn = integers(bits(width), low, high)
    assert drawn.dtype == np.int64
    span = high - low + 1
    counts = np.bincount(drawn - low, minlength=span)
    assert len(counts) == span
    statistic = float(((counts - N / span) ** 2).sum() / (N / span))
    assert abs(statistic - (span - 1)) < 5 * np.sqrt(2 * span)


def test_integers__reach_both_bounds_exactly() -> None:
    for dtype in (np.uint16, np.uint32, np.uint64):
        edges = np.array([0, np.iinfo(dtype).max], dtype=dtype)
        assert integers(edges, 3, 9).tolist() == [3, 9]
        assert integers(edges, [3, -4], [3, -1]).tolist() == [3, -1]
    widest = np.array([0, 2**32 - 1], dtype=np.uint32)
    assert integers(widest, 0, 2**31 - 2).tolist() == [0, 2**31 - 2]


def test_integers__take_bounds_of_their_own() -> None:
    low = np.arange(N) % 97
    high = low + np.arange(N) % 13
    drawn = integers(bits(32), low, high)
    assert ((drawn >= low) & (drawn <= high)).all()
    assert (drawn == low)[high == low].all()
    wide = high - low == 12
    counts = np.bincount((drawn - low)[wide])
    assert np.abs(off_in_deviations(counts, np.full(13, 1 / 13))).max() < 5


def test_integers__refuse_a_span_that_is_too_wide() -> None:
    with pytest.raises(ValueError, match="too wide"):
        integers(bits(32, 4), 0, 2**31)


def test_integers__of_nothing_are_nothing() -> None:
    assert integers(bits(32, 0), 1, 7).shape == (0,)
    assert integers(bits(32, 0), np.zeros(0), np.zeros(0)).shape == (0,)


@pytest.mark.parametrize("width", [32, 64])
@pytest.mark.parametrize("probability", [0.001, 0.05, 0.3, 0.999])
def test_chance__holds(width: int, probability: float) -> None:
    """Within 4.5 binomial deviations."""
    share = chance(bits(width), probability).mean()
    assert abs(share - probability) < 4.5 * np.sqrt(probability * (1 - probability) / N)


@pytest.mark.parametrize("width", [32, 64])
def test_chance__of_zero_and_one_are_certain(width: int) -> None:
    edges = np.array([0, 1, 2**width - 1], dtype=f"uint{width}")
    assert not chance(edges, 0.0).any()
    assert chance(edges, 1.0).all()
    assert chance(edges, np.array([0.0, 1.0, 0.5])).tolist() == [False, True, False]


def test_choose__holds_its_shares() -> None:
    """Within 4.5 binomial deviations; a share of 0 never comes."""
    shares = np.array([0.1, 0.0, 0.15, 0.7, 0.05])
    codes = choose(bits(16), tuple(shares))
    assert codes.dtype == np.uint8
    counts = np.bincount(codes, minlength=5)
    assert counts[1] == 0
    some = shares > 0
    assert np.abs(off_in_deviations(counts[some], shares[some])).max() < 4.5


def test_choose__gives_each_share_its_part_of_all_words() -> None:
    every = np.arange(65_536, dtype=np.uint16)
    counts = np.bincount(choose(every, (0.5, 0.25, 0.25)))
    assert counts.tolist() == [32_768, 16_384, 16_384]
    thirds = np.bincount(choose(every, (1 / 3, 1 / 3, 1 / 3)))
    assert thirds.sum() == 65_536
    assert thirds.max() - thirds.min() <= 1


@pytest.mark.parametrize(
    "weights",
    [
        [1.0],
        [1.0, 3.0],
        [0.0, 1.0, 0.0, 2.0, 0.0],
        list(range(1, 101)),
        [1e-9, 1.0, 1e-9],
        [1.0 / rank for rank in range(1, 2001)],
    ],
    ids=["one", "two", "zeros", "rising", "tiny", "zipf"],
)
def test_table__draws_by_its_weights(weights: list[float]) -> None:
    """Each index within 5 binomial deviations; one without weight never comes."""
    drawn = Table(weights).pick(bits(32))
    assert drawn.dtype == np.int32
    counts = np.bincount(drawn, minlength=len(weights))
    assert len(counts) == len(weights)
    shares = np.array(weights) / sum(weights)
    assert not counts[shares == 0].any()
    common = shares * N > 20
    deviation = np.sqrt(N * shares[common] * (1 - shares[common]))
    assert (np.abs(counts - N * shares)[common] <= 5 * deviation).all()


def test_table__locates_every_position_in_its_own_weight() -> None:
    table = Table([5.0, 0.0, 1.0, 2.0, 1e-7, 3.0])
    edges = np.concatenate([table.ends - 1, table.ends - table.counts])
    index = np.tile(np.arange(6), 2)
    there = np.tile(table.counts > 0, 2)
    assert np.array_equal(table.locate(edges[there]), index[there])
    assert table.counts.sum() == Table.TOTAL
    wanted = np.array([5, 0, 1, 2, 1e-7, 3]) / (11 + 1e-7) * Table.TOTAL
    assert np.abs(table.counts - wanted).max() <= 1


@pytest.mark.parametrize("steps", [0, 1, 5, 511, 512, 819, 1023, 1024, 1025, 1240, 2047, 2048])
def test_zipf_weights__are_powers_of_the_rank(steps: int) -> None:
    """Against the C library's pow, within 1e-12 of each weight."""
    rank = np.arange(1, 5001, dtype=np.float64)
    wanted = rank ** -(steps / 1024)
    assert np.abs(zipf_weights(5000, steps) / wanted - 1.0).max() < 1e-12


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("key", [0, 1, 2**62 + 12345, 2**63 - 1])
def test_permute__is_a_bijection(n: int, key: int) -> None:
    image = permute(np.arange(n), n, key)
    assert image.dtype == np.int64
    assert np.array_equal(np.sort(image), np.arange(n))


def test_permute__does_not_depend_on_what_else_is_asked() -> None:
    whole = permute(np.arange(1000), 1000, 77)
    assert np.array_equal(permute(np.arange(999, -1, -7), 1000, 77), whole[999::-1][::7])
    assert int(permute(13, 1000, 77)) == whole[13]
    assert (
        permute(np.arange(6).reshape(2, 3), 1000, 77).tolist() == whole[:6].reshape(2, 3).tolist()
    )
    assert permute(np.zeros(0, dtype=np.int64), 1000, 77).shape == (0,)


def test_permute__leaves_what_it_was_given() -> None:
    index = np.arange(1000, dtype=np.uint64)
    permute(index, 1000, 5)
    assert np.array_equal(index, np.arange(1000))


def test_permute__of_a_huge_domain_stays_in_it_and_is_distinct() -> None:
    index = np.concatenate([np.arange(50_000), 2**61 + np.arange(50_000)])
    image = permute(index, 2**62, 3)
    assert len(np.unique(image)) == len(index)
    assert 0 <= image.min() <= image.max() < 2**62


def test_permute__scatters_and_keys_differ() -> None:
    """Rank correlation with the identity, and between keys, within 5 / sqrt(n)."""
    n = 20_000
    images = [permute(np.arange(n), n, key).astype(float) for key in (1, 2, 3, 2**40)]
    off = np.corrcoef([np.arange(n), *images]) - np.eye(5)
    assert np.abs(off).max() < 5 / np.sqrt(n)


def test_permute__moves_every_place_about_equally() -> None:
    """Where 0 goes, over 20,000 keys: chi-square over 64 cells within 5 deviations."""
    to = np.array([int(permute(0, 64, key * 7919 + 1)) for key in range(20_000)])
    counts = np.bincount(to, minlength=64)
    statistic = float(((counts - 312.5) ** 2).sum() / 312.5)
    assert abs(statistic - 63) < 5 * np.sqrt(126)


@given(
    weights=st.lists(st.floats(0, 1e6), min_size=1, max_size=40).filter(lambda w: sum(w) > 1e-3),
    total=st.integers(0, 10**12),
)
@settings(max_examples=200, deadline=None)
def test_largest_remainder__sums_to_the_total_and_stays_within_one(
    weights: list[float], total: int
) -> None:
    counts = largest_remainder(weights, total)
    assert int(counts.sum()) == total
    exact = np.array(weights) / sum(weights) * total
    assert (np.abs(counts - exact) <= 1 + 1e-9 * total).all()
    assert (counts >= 0).all()


def test_largest_remainder__gives_the_rest_to_the_largest_fractions_and_ties_to_the_first() -> None:
    assert largest_remainder([0.05, 0.15, 0.50, 0.30], 20).tolist() == [1, 3, 10, 6]
    assert largest_remainder([1, 1, 1], 2).tolist() == [1, 1, 0]
    assert largest_remainder([0.4, 0.35, 0.25], 10).tolist() == [4, 4, 2]
    assert largest_remainder([0.44, 0.31, 0.25], 10).tolist() == [4, 3, 3]
    assert largest_remainder([0.0, 2.0], 7).tolist() == [0, 7]


@given(st.lists(st.tuples(st.integers(0, 10**15), st.integers(1, 10**6)), min_size=1, max_size=50))
@settings(max_examples=200, deadline=None)
def test_half_up__rounds_as_decimal_does(pairs: list[tuple[int, int]]) -> None:
    top, bottom = (np.array(column) for column in zip(*pairs, strict=True))
    wanted = [
        int((Decimal(a) / Decimal(b)).quantize(Decimal(1), rounding=ROUND_HALF_UP))
        for a, b in pairs
    ]
    assert half_up(top, bottom).tolist() == wanted


def test_half_up__halves_go_up() -> None:
    assert half_up([0, 1, 2, 3, 5], [2, 2, 4, 2, 2]).tolist() == [0, 1, 1, 2, 3]
    assert half_up([25, 35, 49, 50, 51], [50, 50, 100, 100, 100]).tolist() == [1, 1, 0, 1, 1]
    assert half_up(np.arange(1000) * 14, 100).tolist() == [
        int((Decimal(cents) * Decimal("0.14")).quantize(Decimal(1), rounding=ROUND_HALF_UP))
        for cents in range(1000)
    ]


def test_permute_each__is_permute_in_each_domain() -> None:
    domains, keys = [7, 1000, 2**40], [5, 2**62 + 1, 77]
    which = np.arange(600) % 3
    index = np.arange(600) % 7
    image = permute_each(index, which, domains, keys)
    for domain in range(3):
        here = which == domain
        alone = permute(index[here], domains[domain], keys[domain])
        assert image[here].tolist() == alone.tolist()
    assert index.tolist() == (np.arange(600) % 7).tolist()
