"""Popularity: the chance to be among an order's lines, and exponents that give a wanted share."""

from __future__ import annotations

import numpy as np
import pytest

from polargen import popularity
from polargen.draw import EXPONENT_STEPS, Table
from polargen.generators.basket import _distinct
from polargen.streams import stream

ORDERS = 40_000


def simulated(weight: np.ndarray, k: int, orders: int = ORDERS, seed: int = 1) -> np.ndarray:
    """Return each rank's share of orders that hold it, of k distinct draws one after the other.

    By exponential races (Efraimidis and Spirakis 2006): the k smallest of E / weight.
    """
    random = np.random.default_rng(seed)
    counts = np.zeros(len(weight))
    for _ in range(8):
        race = random.exponential(size=(orders // 8, len(weight))) / weight
        chosen = np.argpartition(race, k - 1, axis=1)[:, :k] if k < len(weight) else np.tile(
            np.arange(len(weight)), (orders // 8, 1)
        )  # fmt: skip
        counts += np.bincount(chosen.ravel(), minlength=len(weight))
    return counts / (orders // 8 * 8)


def simulated_top_share(weight: np.ndarray) -> float:
    lines = sum(simulated(weight, k, orders=8000, seed=k) for k in range(1, 8))
    return float(lines[: round(len(weight) * 0.2)].sum() / lines.sum())


@pytest.mark.parametrize("n", [20, 100, 200])
@pytest.mark.parametrize(("k", "close"), [(1, 0.04), (2, 0.03), (4, 0.015), (7, 0.01)])
def test_inclusion__agrees_with_a_simulation(n: int, k: int, close: float) -> None:
    """Within Rosén's approximation, which is worst for few draws, and 4.5 binomial deviations."""
    weight = popularity.weights("zipf", n, 1240)
    chance = popularity._inclusion(weight, np.array([k]))[0]
    assert chance.sum() == pytest.approx(k, rel=1e-6)
    error = np.sqrt(chance * (1 - chance) / ORDERS)
    assert (np.abs(simulated(weight, k) - chance) < close + 4.5 * error).all()


def test_inclusion__of_as_many_as_there_are_is_certain() -> None:
    chances = popularity._inclusion(popularity.weights("zipf", 5, 1024), np.array([4, 5]))
    assert chances[1].tolist() == [1.0] * 5
    assert chances[0].sum() == pytest.approx(4)


def test_baskets__are_drawn_with_these_chances() -> None:
    """The basket's own draw without replacement against the exponential races, 4.5 deviations."""
    weight = popularity.weights("zipf", 100, 1100)
    bits = stream(2, "test").u32(ORDERS * popularity.MAX_LINES).reshape(popularity.MAX_LINES, -1)
    for k in (1, 3, 7):
        drawn = _distinct(Table(weight), np.full(ORDERS, k), bits)[:k]
        ordered = np.sort(drawn, axis=0)
        assert (ordered[1:] > ordered[:-1]).all()
        share = np.bincount(drawn.ravel(), minlength=100) / ORDERS
        wanted = simulated(weight, k)
        error = np.sqrt(2 * wanted * (1 - wanted) / ORDERS)
        assert (np.abs(share - wanted) <= 4.5 * error + 1e-9).all()


def test_solve_exponent__is_about_1_2_for_200_products() -> None:
    assert popularity.solve_exponent(200) / EXPONENT_STEPS == pytest.approx(1.2, abs=0.05)


@pytest.mark.parametrize("n", [100, 200, 500, 1500])
def test_solve_exponent__gives_the_top_fifth_80_percent(n: int) -> None:
    """Within 1 point, by simulation."""
    weight = popularity.weights("zipf", n, popularity.solve_exponent(n))
    assert simulated_top_share(weight) == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize("wanted", [0.3, 0.5, 0.7, 0.9])
def test_solve_exponent__gives_any_share_that_can_be_reached(wanted: float) -> None:
    weight = popularity.weights("zipf", 400, popularity.solve_exponent(400, wanted))
    assert simulated_top_share(weight) == pytest.approx(wanted, abs=0.015)


def test_solve_exponent__goes_as_near_as_it_can() -> None:
    assert popularity.solve_exponent(10) == 2 * EXPONENT_STEPS
    assert popularity.solve_exponent(200, 0.1) == 0


@pytest.mark.parametrize("kind", ["zipf", "normal", "uniform"])
def test_weights__are_positive_and_fall(kind: str) -> None:
    weight = popularity.weights(kind, 300, 1240)
    assert weight.shape == (300,)
    assert (weight > 0).all()
    assert (np.diff(weight) <= 0).all()


def test_weights__of_a_bell_have_a_third_of_the_ranks_as_deviation() -> None:
    weight = popularity.weights("normal", 300, 0)
    sigmas = np.arange(300) / 100
    assert np.abs(weight / np.exp(-sigmas * sigmas / 2) - 1).max() < 1e-4
    assert weight[100] / weight[0] == pytest.approx(np.exp(-0.5), rel=1e-4)


def test_weights__uniform_are_all_the_same() -> None:
    assert len(set(popularity.weights("uniform", 50, 0).tolist())) == 1
