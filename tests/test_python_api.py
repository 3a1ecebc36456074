"""The Python API: a data set as typed frames, in one call."""

from __future__ import annotations

from datetime import date
from importlib import import_module
from pathlib import Path

import polars as pl
import pytest

import polargen
from polargen.errors import ConfigError
from polargen.scenario import get_scenario_manager
from polargen.schema import TABLES

MONTH = {"start": "2024-01-01", "end": "2024-01-31", "seed": 7}


@pytest.fixture(scope="module")
def data() -> dict[str, pl.DataFrame]:
    """What a user's own test suite would write."""
    return polargen.generate("normal-ops", **MONTH)


def test_generate__returns_every_table_as_declared(data: dict[str, pl.DataFrame]) -> None:
    assert list(data) == list(TABLES)
    for name, frame in data.items():
        assert dict(frame.schema) == TABLES[name].polars_schema
        assert frame.height > 0


def test_generate__works_in_a_fixture(data: dict[str, pl.DataFrame]) -> None:
    orders = data["orders"].join(data["companies"], on="company_id")
    assert orders.height == data["orders"].height == 50 * 31
    items = (
        data["order_items"]
        .group_by("order_id")
        .agg((pl.col("line_total") + pl.col("tax_amount")).sum())
    )
    assert items.height == orders.height


def test_generate__is_the_same_again_and_another_with_another_seed(
    data: dict[str, pl.DataFrame],
) -> None:
    again = polargen.generate("normal-ops", date(2024, 1, 1), date(2024, 1, 31), 7)
    assert all(again[name].equals(frame, null_equal=True) for name, frame in data.items())
    other = polargen.generate("normal-ops", "2024-01-01", "2024-01-31", 8)
    assert not other["orders"].equals(data["orders"])


def test_generate__returns_only_the_tables_asked_for(data: dict[str, pl.DataFrame]) -> None:
    some = polargen.generate("normal-ops", tables=["payments", "orders"], **MONTH)
    assert set(some) == {"orders", "payments"}
    assert some["payments"].equals(data["payments"])
    with pytest.raises(ConfigError, match="order"):
        polargen.generate("normal-ops", tables=["order"], **MONTH)


def test_generate__scales_and_changes_values() -> None:
    small = polargen.generate("normal-ops", multiplier=0.1, **MONTH)
    assert small["orders"].height == 155
    by_text = polargen.generate(set_values=["entityRates.ordersPerDay=3"], **MONTH)
    by_map = polargen.generate(set_values={"entityRates.ordersPerDay": 3}, **MONTH)
    assert by_text["orders"].height == 93
    assert by_text["orders"].equals(by_map["orders"])


def test_generate__without_a_seed_draws_another_one_each_time() -> None:
    one, other = (
        polargen.generate(start="2024-01-01", end="2024-01-03", multiplier=0.1) for _ in range(2)
    )
    assert one["orders"].height == other["orders"].height == 15
    assert not one["orders"].equals(other["orders"])


def test_generate__takes_seed_zero() -> None:
    frames = [
        polargen.generate(start="2024-01-01", end="2024-01-03", seed=0, multiplier=0.1)["orders"]
        for _ in range(2)
    ]
    assert frames[0].equals(frames[1])


def test_generate__without_dates_makes_the_last_ninety_days() -> None:
    orders = polargen.generate(seed=1, multiplier=0.1, tables=["orders"])["orders"]
    assert orders.height == 450
    span = orders["order_date"].max() - orders["order_date"].min()
    assert 80 < span.days <= 90


def test_generate__takes_a_profile_and_a_file(tmp_path: Path) -> None:
    custom = get_scenario_manager().create_custom_scenario(
        "normal-ops", "tiny", entity_rates={"orders_per_day": 2}
    )
    assert polargen.generate(custom, **MONTH)["orders"].height == 62
    file = tmp_path / "two.yaml"
    file.write_text("name: two\nextends: normal-ops\nentityRates: {ordersPerDay: 2}\n")
    assert polargen.generate(str(file), **MONTH)["orders"].height == 62


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"start": "2024-02-30"}, "start"),
        ({"start": "2024-03-01", "end": "2024-02-01"}, "end"),
        ({"seed": -1}, "seed"),
        ({"multiplier": 0}, "multiplier"),
        ({"scenario": "normal-op"}, "normal-ops"),
    ],
)
def test_generate__refuses_with_the_argument_by_its_name(given: dict, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        polargen.generate(**{**MONTH, **given})


def test_all__names_what_is_there() -> None:
    for name in polargen.__all__:
        assert getattr(polargen, name) is not None
    assert set(polargen.__all__) <= set(dir(polargen))
    for module in ("polargen.schema", "polargen.checks", "polargen.scenario", "polargen.config"):
        loaded = import_module(module)
        assert all(hasattr(loaded, name) for name in loaded.__all__)
