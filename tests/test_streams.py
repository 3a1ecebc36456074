"""Streams are distinct, independent of how they are asked for, uniform, and the same for ever."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from polargen.schema import TABLES
from polargen.streams import Stream, keyed, name_key, stream

NAMES = tuple(
    f"{table.name}.{column.name}" for table in TABLES.values() for column in table.columns
)
SEEDS = (0, 1, 2, 12345, 2**63 - 1)
BLOCKS = (0, 1, 2, 10, 11, 110, 65_535)
WORDS = 200_000
# Source: BLAKE2b, SFC64 and splitmix64 written out in plain Python integers, not by the package.
GOLDEN_WORDS = [16783556314436619620, 18136756272342562854, 17712479254862682675]
GOLDEN_U16 = [36194, 52668, 33195, 32999]
GOLDEN_U32 = [3451686242, 2162655659, 875332485]
GOLDEN_KEYED = [11794180219709869508, 13801057758491710903, 12614770021577587827]
GOLDEN_KEYED_ALONE = 17176874163657620184
GOLDEN_NAME_KEY = 1096681349778880202


PACKAGE = Path(__file__).parent.parent / "polargen"
DRAWS = ("stream", "keyed", "u16", "u32", "u64", "name_key", "_seed_words")


def chi_square(values: np.ndarray, cells: int) -> float:
    """Return how many standard deviations the cells' chi-square lies from its mean."""
    expected = len(values) / cells
    counts = np.bincount(values, minlength=cells)
    statistic = float(((counts - expected) ** 2).sum() / expected)
    return (statistic - (cells - 1)) / np.sqrt(2.0 * (cells - 1))


def byte(words: np.ndarray, number: int) -> np.ndarray:
    return (words >> np.uint64(8 * number)).astype(np.uint8).astype(np.int64)


def test_streams__are_distinct_over_seed_column_and_block() -> None:
    first = np.array(
        [stream(seed, name, block).u64(2) for seed in SEEDS for name in NAMES for block in BLOCKS]
    )
    assert len(np.unique(first[:, 0])) == len(first) == len(SEEDS) * len(NAMES) * len(BLOCKS)
    assert len(np.unique(first)) == 2 * len(first)


def test_streams__tell_parts_of_a_key_apart() -> None:
    asked = ((1, "a", 1, 1), (1, "a", 11), (11, "a", 1), (1, "a1", 1), (1, "a"), (1, "a", -1, 1))
    words = [int(stream(seed, name, *key).u64(1)[0]) for seed, name, *key in asked]
    assert len(set(words)) == len(words)


def test_streams__of_neighbours_are_uncorrelated() -> None:
    """A correlation of independent words has a deviation of 1 / sqrt(n); 5 of them are allowed."""
    words = [
        stream(seed, name, block).u64(WORDS) >> np.uint64(11)
        for seed, name, block in (
            (7, "orders.status", 0),
            (8, "orders.status", 0),
            (7, "orders.status", 1),
            (7, "orders.statut", 0),
        )
    ]
    off = np.corrcoef(np.array(words, dtype=np.float64)) - np.eye(len(words))
    assert np.abs(off).max() < 5.0 / np.sqrt(WORDS)


@pytest.mark.parametrize("number", range(8))
def test_streams__bytes_are_uniform(number: int) -> None:
    """Chi-square over 256 cells within 5 deviations of its mean, in each byte of a word."""
    assert abs(chi_square(byte(stream(3, "x").u64(WORDS), number), 256)) < 5.0


def test_streams__pairs_of_words_are_uniform() -> None:
    low = byte(stream(4, "x").u64(WORDS), 0)
    pairs = (low[:-1] >> 4) * 16 + (low[1:] >> 4)
    assert abs(chi_square(pairs, 256)) < 5.0


@pytest.mark.parametrize("width", [16, 32, 64])
def test_streams__a_shorter_request_is_the_start_of_a_longer_one(width: int) -> None:
    def words(n: int) -> np.ndarray:
        fresh: Stream = stream(5, "x", 2)
        return {16: fresh.u16, 32: fresh.u32, 64: fresh.u64}[width](n)

    longest = words(1000)
    assert longest.dtype == np.dtype(f"uint{width}")
    for n in (0, 1, 2, 3, 4, 5, 63, 999):
        assert np.array_equal(words(n), longest[:n])


def test_streams__continue_where_they_stopped() -> None:
    whole, parts = stream(5, "x").u64(30), stream(5, "x")
    assert np.array_equal(np.concatenate([parts.u64(n) for n in (1, 0, 9, 20)]), whole)


def test_streams__survive_the_process() -> None:
    assert stream(12345, "orders.status", 7).u64(3).tolist() == GOLDEN_WORDS
    assert stream(0, "x").u16(4).tolist() == GOLDEN_U16
    assert stream(0, "x").u32(3).tolist() == GOLDEN_U32


def test_keyed__survives_the_process() -> None:
    assert keyed(12345, "payments.bulk_day", np.arange(3), 19_723).tolist() == GOLDEN_KEYED
    assert int(keyed(0, "x")) == GOLDEN_KEYED_ALONE
    assert name_key(12345, "products.popularity_rank") == GOLDEN_NAME_KEY


def test_keyed__is_the_same_whatever_the_shape() -> None:
    rows, columns = np.arange(40), np.arange(50)
    grid = keyed(9, "grid", rows[:, None], columns)
    assert grid.shape == (40, 50)
    assert grid.dtype == np.uint64
    assert np.array_equal(keyed(9, "grid", np.repeat(rows, 50), np.tile(columns, 40)), grid.ravel())
    assert np.array_equal(keyed(9, "grid", rows[::-1, None], columns[::3]), grid[::-1, ::3])
    assert int(keyed(9, "grid", 3, 4)) == int(grid[3, 4])
    assert keyed(9, "grid", 3, 4).shape == ()
    assert keyed(9, "grid", np.arange(0), 1).shape == (0,)


def test_keyed__does_not_depend_on_the_integer_type() -> None:
    wanted = keyed(9, "x", np.array([0, 1, 100], dtype=np.int64))
    for dtype in (np.int8, np.uint8, np.int16, np.int32, np.uint32, np.uint64):
        assert np.array_equal(keyed(9, "x", np.array([0, 1, 100], dtype=dtype)), wanted)
    days = np.array([-400, -1, 19_000])
    assert np.array_equal(keyed(9, "x", days.astype(np.int32)), keyed(9, "x", days))


def test_keyed__tells_seeds_names_and_the_order_of_indices_apart() -> None:
    index = np.arange(300)
    words = np.concatenate(
        [
            keyed(1, "a", index[:, None], index).ravel(),
            keyed(2, "a", index[:, None], index).ravel(),
            keyed(1, "b", index[:, None], index).ravel(),
            keyed(1, "a", index, 0, 0),
            keyed(1, "a", index),
            keyed(1, "a", -1 - index),
        ]
    )
    assert len(np.unique(words)) == len(words)


@pytest.mark.parametrize("number", range(8))
def test_keyed__counted_indices_give_uniform_bytes(number: int) -> None:
    """Chi-square over 256 cells within 5 deviations, for neighbouring indices of both places."""
    for words in (keyed(3, "x", np.arange(WORDS)), keyed(3, "x", 5, np.arange(WORDS))):
        assert abs(chi_square(byte(words, number), 256)) < 5.0


def test_keyed__neighbouring_indices_are_uncorrelated() -> None:
    """Lag correlations within 5 / sqrt(n), along each of two indices."""
    grid = (keyed(3, "x", np.arange(500)[:, None], np.arange(500)) >> np.uint64(11)).astype(float)
    grid = (grid - grid.mean()) / grid.std()
    for one, other in ((grid[1:], grid[:-1]), (grid[:, 1:], grid[:, :-1]), (grid, grid.T)):
        off = ~np.eye(500, dtype=bool) if one.shape == (500, 500) else slice(None)
        assert abs(float((one * other)[off].mean())) < 5.0 * np.sqrt(2.0) / 500


def test_name_key__is_a_non_negative_63_bit_number() -> None:
    keys = {name_key(seed, name, part) for seed in SEEDS for name in NAMES for part in (0, 1)}
    assert len(keys) == len(SEEDS) * len(NAMES) * 2
    assert 0 <= min(keys) <= max(keys) < 2**63


def asked_names() -> list[str]:
    """Return the names by which the package's code asks for bits; what it fills in is a number."""
    names = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            for given in node.args if called in DRAWS else ():
                if isinstance(given, ast.Constant) and isinstance(given.value, str):
                    names.append(re.escape(given.value))
                elif isinstance(given, ast.JoinedStr):
                    parts = (getattr(part, "value", None) for part in given.values)
                    names.append(
                        "".join(re.escape(p) if isinstance(p, str) else "[0-9]+" for p in parts)
                    )
    return names


def test_streams__each_name_is_asked_for_in_one_place() -> None:
    """Two columns that shared a stream would be copies of each other."""
    names = asked_names()
    assert len(names) > 100
    assert [name for name, count in Counter(names).items() if count > 1] == []
    plain = [re.sub(r"\\(.)", r"\1", name) for name in names if "[0-9]+" not in name]
    patterns = [name for name in names if "[0-9]+" in name]
    shared = [(p, name) for p in patterns for name in plain if re.fullmatch(p, name)]
    assert shared == []
