"""Scenarios: the built-in ones, inheritance, every refusal, and what the documents say."""

from __future__ import annotations

import json
import pickle
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from polargen.config import Limits, Section, key_of, keys_of, section_of
from polargen.errors import ScenarioError
from polargen.scenario import (
    ANOMALY_TYPES,
    CategoryShares,
    CompanySizeShares,
    OrderStatusShares,
    PaymentMethodShares,
    PaymentStatusShares,
    RegionShares,
    ScenarioManager,
    ScenarioProfile,
    ShareMap,
    WeightMap,
    get_scenario_manager,
    profile_with_sources,
    resolve_scenario,
)
from polargen.scenario.manager import _builtin_folder
from polargen.scenario.profile import AnomalyConfig, AnomalyType

DOCS = Path(__file__).parent.parent / "docs" / "scenarios.md"
BUILT_IN = (
    "normal-ops",
    "anomaly-heavy",
    "growth-phase",
    "payment-crisis",
    "peak-season",
    "warehouse-outage",
)
NORMAL_STATUS = (0.10, 0.0, 0.15, 0.70, 0.05, 0.0)
NORMAL_TERMS = (0.10, 0.15, 0.25, 0.20, 0.05, 0.15, 0.10)
LATE_TERMS = (0.05, 0.10, 0.20, 0.35, 0.15, 0.10, 0.05)

# Source: DOMAIN section 3. rates: users, companies, branchRatio, products, orders, visits.
DOMAIN: dict[str, dict[str, Any]] = {
    "normal-ops": {
        "rates": (20, 100, 0.3, 200, 50, 10),
        "delays": 0.1,
        "status": NORMAL_STATUS,
        "payment": (0.80, 0.15, 0.05),
        "terms": NORMAL_TERMS,
        "rate": 0.05,
        "types": {"payment_delay", "delivery_delay"},
        "clustering": "spread",
    },
    "peak-season": {
        "rates": (30, 150, 0.4, 250, 150, 25),
        "delays": 0.2,
        "status": (0.15, 0.05, 0.20, 0.55, 0.05, 0.0),
        "payment": (0.60, 0.30, 0.10),
        "terms": LATE_TERMS,
        "rate": 0.15,
        "types": {"payment_delay", "delivery_delay"},
        "clustering": "spread",
    },
    "anomaly-heavy": {
        "rates": (20, 100, 0.3, 200, 50, 15),
        "delays": 0.3,
        "status": (0.20, 0.05, 0.15, 0.45, 0.10, 0.05),
        "payment": (0.40, 0.30, 0.30),
        "terms": LATE_TERMS,
        "rate": 0.40,
        "types": {
            "payment_delay",
            "delivery_delay",
            "order_cancellation",
            "maintenance_failure",
            "stock_shortage",
        },
        "clustering": "spread",
    },
    "warehouse-outage": {
        "rates": (20, 100, 0.3, 200, 30, 5),
        "delays": 0.7,
        "status": (0.45, 0.25, 0.05, 0.10, 0.15, 0.0),
        "payment": (0.30, 0.50, 0.20),
        "terms": (0.05, 0.05, 0.10, 0.15, 0.50, 0.10, 0.05),
        "rate": 0.60,
        "types": {"delivery_delay", "stock_shortage", "order_cancellation"},
        "clustering": "burst",
    },
    "growth-phase": {
        "rates": (20, 200, 0.3, 300, 80, 10),
        "delays": 0.1,
        "status": NORMAL_STATUS,
        "payment": (0.75, 0.20, 0.05),
        "terms": (0.10, 0.10, 0.25, 0.25, 0.05, 0.15, 0.10),
        "rate": 0.08,
        "types": {"payment_delay", "delivery_delay"},
        "clustering": "spread",
    },
    "payment-crisis": {
        "rates": (20, 100, 0.3, 200, 50, 10),
        "delays": 0.1,
        "status": NORMAL_STATUS,
        "payment": (0.30, 0.40, 0.30),
        "terms": (0.05, 0.05, 0.15, 0.40, 0.20, 0.10, 0.05),
        "rate": 0.25,
        "types": {"payment_delay"},
        "clustering": "spread",
    },
}


@pytest.fixture
def manager() -> ScenarioManager:
    return ScenarioManager()


def write(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def refused(name: str, *sets: str) -> str:
    with pytest.raises(ScenarioError) as caught:
        resolve_scenario(name, sets)
    assert caught.value.exit_code == 2
    return str(caught.value)


def set_refused(text: str) -> str:
    message = refused("normal-ops", text)
    assert message.startswith("--set: ")
    return message.removeprefix("--set: ")


# --- the built-in ones ---------------------------------------------------------------------------


def test_built_in__are_the_six_with_the_default_first(manager: ScenarioManager) -> None:
    assert tuple(manager.list_scenarios()) == BUILT_IN
    assert {path.stem for path in _builtin_folder().glob("*")} == set(BUILT_IN)


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in__have_the_numbers_of_the_domain(name: str) -> None:
    profile, wanted = resolve_scenario(name), DOMAIN[name]
    shares = profile.distributions
    assert profile.name == name
    assert profile.description
    assert profile.locale == "eg"
    assert profile.entity_rates == type(profile.entity_rates)(
        **dict(zip(type(profile.entity_rates).model_fields, wanted["rates"], strict=True))
    )
    assert shares.delivery_delays == wanted["delays"]
    assert shares.order_status.shares() == wanted["status"]
    assert shares.payment_status.shares() == wanted["payment"]
    assert shares.payment_terms.shares() == wanted["terms"]
    assert shares.product_popularity.kind == "zipf"
    assert profile.anomaly_rate == profile.effective_anomaly_rate == wanted["rate"]
    assert set(profile.anomaly_config.types) == wanted["types"]
    assert profile.anomaly_config.clustering == wanted["clustering"]
    assert profile.anomaly_config.window == 14


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in__have_the_time_series_of_the_domain(name: str) -> None:
    series = resolve_scenario(name).time_series
    hours = series.hour_weights.weights()
    assert series.weekday_weights.weights() == (1, 1, 1, 1, 1, 0.3, 0.6)
    assert [hour for hour in range(24) if hours[hour]] == list(range(8, 21))
    assert max(hours[8:12]) > hours[13] < max(hours[14:18])
    assert (series.holiday_weight, series.ramadan_weight) == (0.2, 0.85)
    assert series.daily_jitter == 0.3
    assert series.growth_per_month == (0.10 if name == "growth-phase" else 0)
    winter = 1.5 if name == "peak-season" else 1
    assert series.month_weights.weights() == (winter, *[1] * 9, winter, winter)


def test_normal_ops__says_every_key_and_equals_the_defaults() -> None:
    profile, values = profile_with_sources("normal-ops")
    assert {one.source for one in values if one.key != "anomalyConfig.rate"} == {
        "scenarios/normal-ops.yaml"
    }
    assert profile == ScenarioProfile(name=profile.name, description=profile.description)


def test_enumerations__agree_with_the_tables() -> None:
    masters = pytest.importorskip("polargen.schema.masters")
    sales = pytest.importorskip("polargen.schema.sales")
    service = pytest.importorskip("polargen.schema.service")
    assert OrderStatusShares.labels() == sales.ORDER_STATUSES
    assert PaymentStatusShares.labels() == sales.PAYMENT_STATUSES
    assert RegionShares.labels() == masters.REGIONS
    assert CategoryShares.labels() == masters.CATEGORIES
    assert CompanySizeShares.labels() == masters.SIZES
    assert PaymentMethodShares.labels() == masters.PAYMENT_METHODS
    assert service.ANOMALY_TYPES == ANOMALY_TYPES == get_args(AnomalyType)


def test_time_series__builds_the_engine() -> None:
    pytest.importorskip("polargen.time_series")
    built = resolve_scenario("peak-season").time_series.build()
    assert tuple(built.month_weights) == (1.5, *[1] * 9, 1.5, 1.5)
    assert built.holiday_weight == 0.2


# --- a profile -----------------------------------------------------------------------------------


def test_profile__is_frozen_and_picklable() -> None:
    profile = resolve_scenario("peak-season")
    with pytest.raises(ValidationError):
        profile.anomaly_rate = 0.5
    assert pickle.loads(pickle.dumps(profile)) == profile
    assert hash(profile) == hash(resolve_scenario("peak-season"))


@pytest.mark.parametrize("name", BUILT_IN)
def test_to_dict__is_complete_and_makes_the_same_profile(name: str) -> None:
    profile = resolve_scenario(name)
    data = json.loads(json.dumps(profile.to_dict()))
    assert ScenarioProfile.model_validate(data) == profile
    assert json.dumps(ScenarioProfile.model_validate(data).to_dict()) == json.dumps(data)
    assert tuple(data) == keys_of(ScenarioProfile)
    assert tuple(data["distributions"]["orderStatus"]) == OrderStatusShares.labels()


def test_anomaly_config_rate__overrides_the_master_rate() -> None:
    assert resolve_scenario("normal-ops", ["anomalyRate=0.3"]).effective_anomaly_rate == 0.3
    sets = ["anomalyRate=0.3", "anomalyConfig.rate=0"]
    assert resolve_scenario("normal-ops", sets).effective_anomaly_rate == 0


def test_anomaly_types__order_and_spelling_decide_nothing() -> None:
    first = AnomalyConfig(types=("stock_shortage", "payment_delay"))
    second = AnomalyConfig.model_validate({"types": ["paymentDelay", "stockShortage"]})
    assert first == second
    assert first.types == ("payment_delay", "stock_shortage")


def test_shares__sum_to_one_even_where_given_ones_nearly_do() -> None:
    shares = PaymentStatusShares(paid=0.333, pending=0.333, overdue=0.333).shares()
    assert sum(shares) == pytest.approx(1, abs=1e-12)


def test_shares__given_directly_leave_out_zeros() -> None:
    status = OrderStatusShares.model_validate({"deliveryFailed": 0.5, "Delivered": 0.5})
    assert status.shares() == (0, 0, 0, 0.5, 0, 0.5)
    assert OrderStatusShares.of(0, 0, 0, 0.5, 0, 0.5) == status


def test_order_value_range__in_piastres() -> None:
    sets = ["overrides.orderValueRange={min: 100.1, max: 5000}"]
    bounds = resolve_scenario("normal-ops", sets).overrides.order_value_range
    assert bounds is not None
    assert (bounds.min_cents, bounds.max_cents) == (10010, 500000)


def test_product_categories__list_gives_equal_shares() -> None:
    sets = ["overrides.productCategories=[Tea, milk_and_alternatives]"]
    categories = resolve_scenario("normal-ops", sets).overrides.product_categories
    assert dict(zip(categories.labels(), categories.shares(), strict=True)) == {
        **dict.fromkeys(categories.labels(), 0.0),
        "Tea": 0.5,
        "Milk & Alternatives": 0.5,
    }


@pytest.mark.parametrize(
    "text",
    ["uniform", "{kind: uniform}"],
)
def test_product_popularity__kind_forgets_the_inherited_exponent(tmp_path: Path, text: str) -> None:
    base = "distributions: {productPopularity: {exponent: 1.25}}"
    write(tmp_path, "base.yaml", base)
    path = write(
        tmp_path, "a.yaml", f"extends: base.yaml\ndistributions: {{productPopularity: {text}}}"
    )
    assert resolve_scenario(str(tmp_path / "base.yaml")).distributions.product_popularity == (
        type(resolve_scenario(path).distributions.product_popularity)(exponent=1.25)
    )
    popularity = resolve_scenario(path).distributions.product_popularity
    assert (popularity.kind, popularity.exponent_steps) == ("uniform", None)


def test_locale__takes_those_of_faker() -> None:
    assert resolve_scenario("normal-ops", ["locale=de_DE"]).locale == "de_DE"
    assert set_refused("locale=de-DE") == (
        "locale: 'de-DE' is an unknown locale, did you mean de_DE?"
    )


# --- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "low", "high"),
    [
        ("entityRates.users", 1, 10_000),
        ("entityRates.companies", 1, 100_000),
        ("entityRates.branchRatio", 0, 1),
        ("entityRates.products", 1, 50_000),
        ("entityRates.ordersPerDay", 1, 10_000),
        ("entityRates.maintenanceVisitsPerWeek", 0, 1_000),
        ("distributions.deliveryDelays", 0, 1),
        ("distributions.productPopularity.exponent", 0, 2),
        ("distributions.productPopularity.topShare", 0.2, 0.99),
        ("timeSeries.holidayWeight", 0, 1_000_000),
        ("timeSeries.ramadanWeight", 0, 1_000_000),
        ("timeSeries.dailyJitter", 0, 0.9),
        ("timeSeries.growthPerMonth", -0.5, 1),
        ("anomalyRate", 0, 1),
        ("anomalyConfig.rate", 0, 1),
        ("anomalyConfig.window", 1, 366),
    ],
)
def test_limits__take_both_ends_and_refuse_what_lies_beyond(
    key: str, low: float, high: float
) -> None:
    for end in (low, high):
        assert resolve_scenario("normal-ops", [f"{key}={end}"])
    optional = key.endswith((".rate", ".exponent", ".topShare"))
    wrong = [str(low - 1), str(high + 1), ".nan", ".inf", "many", "true", "[1]"]
    for value in wrong if optional else [*wrong, "null"]:
        message = set_refused(f"{key}={value}")
        assert message.startswith(f"{key}: ")
        assert message.endswith(f"must be {low:,}..{high:,}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("entityRates.users=2.5", "entityRates.users: 2.5 is not a whole number"),
        (
            "distributions.orderStatus.Delivered=0.68",
            "distributions.orderStatus: shares sum to 0.98, must be 1",
        ),
        (
            "distributions.orderStatus.Delivered=1.2",
            "distributions.orderStatus.Delivered: 1.2 is out of range, must be 0..1",
        ),
        (
            "distributions.orderStatus.Deliverd=1",
            "distributions.orderStatus.Deliverd: unknown key, did you mean Delivered?",
        ),
        ("distributions.regionDistribution.C=1", "unknown key, must be one of A, B"),
        ("distributions.paymentTerms.net45=0", "unknown key, did you mean net15?"),
        (
            "distributions.productPopularity=zip",
            "distributions.productPopularity.kind: 'zip' is an unknown kind, did you mean zipf?",
        ),
        (
            "distributions.productPopularity={kind: normal, exponent: 1}",
            "distributions.productPopularity.exponent: goes with zipf only",
        ),
        (
            "distributions.productPopularity={exponent: 1, topShare: 0.8}",
            "distributions.productPopularity: exponent and topShare exclude each other",
        ),
        (
            "timeSeries.weekdayWeights=[1, 2]",
            "timeSeries.weekdayWeights: 2 weights, must be 7 (Sunday first)",
        ),
        ("timeSeries.hourWeights=[1]", "1 weights, must be 24 (hour 0 first)"),
        ("timeSeries.monthWeights=[1]", "1 weights, must be 12 (January first)"),
        (
            "timeSeries.weekdayWeights=[0, 0, 0, 0, 0, 0, 0]",
            "timeSeries.weekdayWeights: all weights are 0, give at least one above 0",
        ),
        ("timeSeries.weekdayWeights.Friday=-1", "timeSeries.weekdayWeights.Friday: -1 is out of"),
        ("timeSeries.weekdayWeights.Friday=.inf", "inf is not a finite number"),
        ("timeSeries.weekdayWeights.Friday=1e-9", "is too small, must be 0 or at least 0.000001"),
        ("timeSeries.hourWeights.24=1", "timeSeries.hourWeights.24: unknown key"),
        ("timeSeries.monthWeights.13=1", "timeSeries.monthWeights.13: unknown key"),
        (
            "anomalyConfig.types=[late_payment]",
            "anomalyConfig.types: 'late_payment' is an unknown anomaly type",
        ),
        ("anomalyConfig.types=[payment_delay, paymentDelay]", "payment_delay is listed twice"),
        ("anomalyConfig.types=payment_delay", "'payment_delay' is not a list, write [a, b]"),
        (
            "anomalyConfig.clustering=brust",
            "anomalyConfig.clustering: 'brust' is an unknown clustering, did you mean burst?",
        ),
        ("overrides.productCategories=[]", "the list is empty, give at least one category"),
        (
            "overrides.productCategories=[Tee]",
            "overrides.productCategories.Tee: unknown key, did you mean Tea?",
        ),
        ("overrides.productCategories=[Tea, Tea]", "Tea is given twice"),
        ("overrides.productCategories={Tea: 0.4}", "shares sum to 1.3, must be 1"),
        ("overrides.paymentMethods={cash: 1}", "overrides.paymentMethods.cash: unknown key"),
        ("overrides.companySizeDistribution.huge=1", "unknown key, must be one of small, medium"),
        (
            "overrides.orderValueRange={min: 100, max: 150}",
            "overrides.orderValueRange.max: 150 is less than twice the min 100, widen it",
        ),
        (
            "overrides.orderValueRange={max: 49}",
            "overrides.orderValueRange.max: 49 is too small, must be 50..10,000,000",
        ),
        ("overrides.orderValueRange={max: 10000001}", "out of range, must be 0..10,000,000"),
        ("overrides.orderValueRange={min: -1, max: 100}", "out of range, must be 0..10,000,000"),
        ("overrides.orderValueRange={min: 1}", "overrides.orderValueRange.max: is missing"),
        ("overrides.orderValueRange={max: 99.999}", "more than two decimals"),
        ("overrides.orderValueRange={max: 1e300}", "out of range, must be 0..10,000,000"),
        ("name=Big Shop", "name: 'Big Shop' is no name, give 1..50 characters of a-z, 0-9 and -"),
        (f"name={'a' * 51}", "is no name"),
        ("description=5", "description: 5 is not text, put it in quotes"),
        ("locale=xx_YY", "locale: 'xx_YY' is an unknown locale"),
        ("entityRates=5", "entityRates: 5 is not a map, give one with keys of users, companies"),
        ("entityRates=", "entityRates: null is not a map"),
        ("entityRates.ordersPerDey=1", "unknown key, did you mean ordersPerDay?"),
        ("entityRate.users=1", "entityRate: unknown key, did you mean entityRates?"),
        ("anomalyRate.x=1", "anomalyRate.x: anomalyRate is a value, it has no keys"),
        ("anomalyRate", "'anomalyRate' is not KEY=VALUE, write e.g. entityRates.ordersPerDay=100"),
        ("=1", "'=1' is not KEY=VALUE"),
        ("anomalyRate=[1", "anomalyRate: not valid YAML"),
        ("extends=normal-ops", "extends: unknown key"),
    ],
)
def test_wrong_values__are_refused_in_one_sentence(text: str, message: str) -> None:
    found = set_refused(text)
    assert message in found
    assert ";" not in found


def test_unknown_scenario__is_refused_with_the_nearest_and_all_names() -> None:
    assert refused("peak-seson") == (
        "scenario: 'peak-seson' is unknown, did you mean peak-season? "
        f"(available: {', '.join(get_scenario_manager().list_scenarios())})"
    )
    assert "is unknown, give a file or one of normal-ops" in refused("zzz")
    assert "is unknown" in refused("x" * 5000)
    assert "is unknown" in refused(str(Path(__file__).parent))


# --- files ---------------------------------------------------------------------------------------


def test_file__is_named_after_itself_and_starts_from_the_defaults(tmp_path: Path) -> None:
    profile = resolve_scenario(write(tmp_path, "whole-sale.yaml", "anomalyRate: 0.2\n"))
    assert profile == ScenarioProfile(name="whole-sale", anomaly_rate=0.2)


def test_file__shares_message_has_file_key_and_line(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "wholesale.yaml",
        "extends: normal-ops\ndistributions:\n  orderStatus:\n    Pending: 0.08\n",
    )
    assert refused(path) == (
        f"{path}: distributions.orderStatus: shares sum to 0.98, must be 1 (line 4)"
    )


def test_file__says_everything_wrong_at_once_with_lines(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "a.yaml",
        "extends: normal-ops\nentityRates:\n  ordersPerDey: 5\n  users: many\nlocal: eg\n",
    )
    assert refused(path) == "; ".join(
        [
            f"{path}: entityRates.ordersPerDey: unknown key, did you mean ordersPerDay? (line 3)",
            f"{path}: local: unknown key, did you mean locale? (line 5)",
            f"{path}: entityRates.users: 'many' is not a number, must be 1..10,000 (line 4)",
        ]
    )


@pytest.mark.parametrize(
    ("name", "text", "message", "line"),
    [
        ("a.yaml", "name: x\nentityRates: [1\n", "not valid YAML", 3),
        ("a.yaml", "name: x\n\tusers: 1\n", "not valid YAML", 2),
        ("a.yaml", "name: x\nanomalyRate: 0\nname: y\n", "name is given twice", 3),
        ("a.yaml", "entityRates:\n  users: 1\n  users: 2\n", "users is given twice", 3),
        ("a.yaml", "anomalyRate: 0\nanomaly_rate: 0\n", "given twice, as anomalyRate and", 2),
        ("a.yaml", "- 1\n", "[1] is not a map, write KEY: VALUE", 1),
        ("a.yaml", "? [a]\n: 1\n", "a list or map stands as a key", 1),
        ("a.yaml", "name: x\ndescription: 2024-02-30\n", "'2024-02-30' is refused", 2),
        ("a.yaml", "name: x\ndescription: !!python/name:os.system a\n", "not valid YAML", 2),
        ("a.yaml", "name: x\ndescription: a\x01b\n", "control character", 2),
        ("a.yaml", "---\nname: x\n---\nname: y\n", "not valid YAML", 3),
        ("a.json", '{\n"name": x}', "not valid JSON", 2),
        ("a.json", '{\n\t"name": "x",\n\t"name": "y"}', "name is given twice", 3),
        ("a.json", '{\n"nam": "x"}', "nam: unknown key, did you mean name?", 2),
        ("a.yaml", "[" * 500, "", 1),
        ("a.yaml", "name: x\na: " + "{a: " * 30 + "1" + "}" * 30, "nested more than 20", 2),
        ("a.json", "[" * 100_000, "nested more than 20", 1),
    ],
)
def test_file__malformed_is_refused_with_file_and_line(
    tmp_path: Path, name: str, text: str, message: str, line: int
) -> None:
    path = write(tmp_path, name, text)
    found = refused(path)
    assert found.startswith(f"{path}: ")
    assert message in found
    assert found.endswith(f"(line {line})")
    assert "\n" not in found


def test_file__aliases_cannot_blow_up(tmp_path: Path) -> None:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    assert "has more than 20,000 values" in refused(write(tmp_path, "a.yaml", "\n".join(lines)))
    assert "nested" in refused(write(tmp_path, "b.yaml", "a: &a {b: *a}"))


def test_file__that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    missing = str(tmp_path / "none.yaml")
    assert refused(missing) == (
        f"{missing}: cannot be read (No such file or directory), check the path"
    )
    (tmp_path / "folder.yaml").mkdir()
    assert "cannot be read (Is a directory)" in refused(str(tmp_path / "folder.yaml"))
    assert "is empty" in refused(write(tmp_path, "empty.yaml", "# nothing\n"))
    (tmp_path / "latin.yaml").write_bytes("name: x\ndescription: café".encode("latin-1"))
    assert "is not UTF-8 text, save it as UTF-8 (line 2)" in refused(str(tmp_path / "latin.yaml"))
    (tmp_path / "large.yaml").write_bytes(b"#" * 1_000_001)
    assert "is larger than 1 MB" in refused(str(tmp_path / "large.yaml"))


def test_file__without_a_usable_name_says_so(tmp_path: Path) -> None:
    path = write(tmp_path, "My Shop.yaml", "anomalyRate: 0\n")
    assert "name: 'My Shop' is no name" in refused(path)


def test_file__json_tabs_byte_order_mark_and_escapes_are_read(tmp_path: Path) -> None:
    text = '\ufeff{\n\t"name": "j",\n\t"description": "\\ud83d\\ude00",\n\t"anomalyRate": 1e-1}'
    profile = resolve_scenario(write(tmp_path, "j.json", text))
    assert (profile.name, profile.description, profile.anomaly_rate) == ("j", "\U0001f600", 0.1)


def test_file__without_suffix_is_found_unless_a_scenario_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "mine", "anomalyRate: 0.5\n")
    write(tmp_path, "peak-season", "anomalyRate: 0.5\n")
    assert resolve_scenario("mine").anomaly_rate == 0.5
    assert resolve_scenario("peak-season").anomaly_rate == 0.15


CAMEL = """
entityRates: {ordersPerDay: 7, maintenanceVisitsPerWeek: 3}
distributions:
  orderStatus: {Delivered: 0.5, Delivery Failed: 0.5}
  productPopularity: {topShare: 0.6}
  paymentTerms: {net30: 1}
timeSeries:
  weekdayWeights: {Friday: 2}
  hourWeights: {8: 3}
  monthWeights: {1: 4}
anomalyConfig: {types: [paymentDelay]}
overrides:
  orderValueRange: {max: 500}
  productCategories: {milkAndAlternatives: 1}
"""
SNAKE = """
entity_rates: {orders_per_day: 7, maintenance_visits_per_week: 3}
distributions:
  order_status: {delivered: 0.5, delivery_failed: 0.5}
  product_popularity: {top_share: 0.6}
  payment_terms: {net30: 1}
time_series:
  weekday_weights: {fri: 2}
  hour_weights: {08: 3}
  month_weights: {Jan: 4}
anomaly_config: {types: [payment_delay]}
overrides:
  order_value_range: {max: 500}
  product_categories: [Milk & Alternatives]
"""


def test_file__camel_case_and_snake_case_mean_the_same(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    first = resolve_scenario(write(tmp_path, "a.yaml", CAMEL))
    second = resolve_scenario(write(tmp_path / "b", "a.yaml", SNAKE))
    assert first == second
    assert first.distributions.order_status.delivery_failed == 0.5
    assert first.time_series.hour_weights.hour_08 == 3


# --- inheritance ---------------------------------------------------------------------------------


def test_extends__merges_deeply_over_any_depth(tmp_path: Path) -> None:
    write(tmp_path, "s0.yaml", "extends: peak-season\nentityRates: {users: 1}\n")
    for step in range(1, 1200):
        write(tmp_path, f"s{step}.yaml", f"extends: s{step - 1}.yaml\n")
    path = write(tmp_path, "last.yaml", "extends: s1199.yaml\nentity_rates: {companies: 2}\n")
    profile = resolve_scenario(path)
    assert (profile.entity_rates.users, profile.entity_rates.companies) == (1, 2)
    assert profile.entity_rates.products == 250
    assert profile.name == "last"
    assert profile.description == ""


def test_extends__share_map_that_sums_to_one_is_the_whole_map(tmp_path: Path) -> None:
    text = "extends: normal-ops\ndistributions: {orderStatus: {Delivered: 0.9, Pending: 0.1}}"
    status = resolve_scenario(write(tmp_path, "a.yaml", text)).distributions.order_status
    assert status.shares() == (0.1, 0, 0, 0.9, 0, 0)


def test_extends__other_share_maps_change_what_they_name(tmp_path: Path) -> None:
    text = "extends: normal-ops\ndistributions: {orderStatus: {Delivered: 0.6, Pending: 0.2}}"
    status = resolve_scenario(write(tmp_path, "a.yaml", text)).distributions.order_status
    assert status.shares() == (0.2, 0, 0.15, 0.6, 0.05, 0)


def test_extends__weight_maps_change_what_they_name_and_lists_everything(tmp_path: Path) -> None:
    text = "extends: normal-ops\ntimeSeries: {weekdayWeights: {Friday: 1}, hourWeights: {8: 9}}"
    series = resolve_scenario(write(tmp_path, "a.yaml", text)).time_series
    assert series.weekday_weights.weights() == (1, 1, 1, 1, 1, 1, 0.6)
    assert series.hour_weights.weights()[8:10] == (9, 1)
    text = "extends: a.yaml\ntimeSeries: {weekdayWeights: [0, 1, 0, 0, 0, 0, 0]}"
    series = resolve_scenario(write(tmp_path, "b.yaml", text)).time_series
    assert series.weekday_weights.weights() == (0, 1, 0, 0, 0, 0, 0)


def test_extends__paths_are_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    write(tmp_path, "base.yaml", "anomalyRate: 0.9\n")
    path = write(tmp_path / "deep", "a.yaml", "extends: ../base.yaml\n")
    assert resolve_scenario(path).anomaly_rate == 0.9
    missing = write(tmp_path, "b.yaml", "name: b\nextends: bas.yaml\n")
    assert refused(missing) == (
        f"{missing}: extends: 'bas.yaml' is not there, "
        "give a file beside this one or a scenario's name (line 2)"
    )


def test_extends__a_built_in_of_the_same_name_is_no_cycle(tmp_path: Path) -> None:
    text = "name: normal-ops\nextends: normal-ops\nanomalyRate: 0\n"
    assert resolve_scenario(write(tmp_path, "normal-ops.yaml", text)).anomaly_rate == 0


def test_extends__cycles_are_refused_with_their_chain(tmp_path: Path) -> None:
    a = write(tmp_path, "a.yaml", "extends: b.yaml\n")
    b = write(tmp_path, "b.yaml", "extends: sub/../c.yaml\n")
    c = write(tmp_path, "c.yaml", "extends: a.yaml\n")
    (tmp_path / "sub").mkdir()
    assert refused(a) == (
        f"{c}: extends: cycle {a} -> {b} -> {c} -> {a}, remove one of these extends"
    )
    own = write(tmp_path, "own.yaml", "extends: own.yaml\n")
    assert f"cycle {own} -> {own}" in refused(own)


def test_extends__unknown_name_is_refused_with_the_nearest(tmp_path: Path) -> None:
    path = write(tmp_path, "a.yaml", "extends: normal-op\n")
    message = refused(path)
    assert message.startswith(f"{path}: extends: 'normal-op' is unknown, did you mean normal-ops?")
    assert message.endswith("(line 1)")
    assert "extends: 5 is not text" in refused(write(tmp_path, "b.yaml", "extends: 5\n"))


# --- where values come from ----------------------------------------------------------------------


def test_sources__name_file_and_line_of_each_value(tmp_path: Path) -> None:
    write(tmp_path, "base.yaml", "extends: normal-ops\nentityRates:\n  users: 5\n  companies: 6\n")
    path = write(
        tmp_path,
        "a.yaml",
        "extends: base.yaml\nentity_rates:\n  users: 7\n"
        "timeSeries:\n  weekdayWeights: {Friday: 1}\n",
    )
    profile, values = profile_with_sources(path, ["anomaly_rate=0.5"])
    found = {one.key: one for one in values}
    assert found["entityRates.users"] == ("entityRates.users", 7, path, 3)
    assert found["entityRates.companies"][1:] == (6, str(tmp_path / "base.yaml"), 4)
    assert found["entityRates.products"].source == "scenarios/normal-ops.yaml"
    assert found["timeSeries.weekdayWeights.Friday"][1:] == (1.0, path, 5)
    assert found["timeSeries.weekdayWeights.Sunday"].source == "scenarios/normal-ops.yaml"
    assert len(found["timeSeries.hourWeights"].value) == 24
    assert found["anomalyRate"][1:] == (0.5, "--set", None)
    assert found["anomalyConfig.rate"].source == "default"
    assert found["name"][1:3] == ("a", path)
    assert profile.anomaly_rate == 0.5


@pytest.mark.parametrize("name", BUILT_IN)
def test_sources__lines_are_those_of_the_files(name: str) -> None:
    for one in profile_with_sources(name).values:
        if one.line is None:
            assert one.source == "default"
            continue
        lines = (_builtin_folder().parent / one.source).read_text(encoding="utf-8").splitlines()
        parts = one.key.split(".")
        assert any(part in lines[one.line - 1] for part in (*parts[-2:], "Sunday")), one


def test_sources__cover_every_value_once() -> None:
    profile, values = profile_with_sources("peak-season")
    leaves = dict(_leaves(profile.to_dict(), ""))
    covered: dict[str, Any] = {}
    for one in values:
        below = [key for key in leaves if key.startswith(f"{one.key}.")]
        covered |= dict(zip(below, one.value, strict=True)) if below else {one.key: one.value}
    assert covered == leaves


def _leaves(tree: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


# --- --set ---------------------------------------------------------------------------------------


def test_set__is_applied_last_and_a_later_one_wins(tmp_path: Path) -> None:
    path = write(tmp_path, "a.yaml", "entityRates: {users: 5}\n")
    sets = ["entityRates.users=6", "entity_rates.users=7", "name=other"]
    profile = resolve_scenario(path, sets)
    assert profile.entity_rates.users == 7
    assert profile.name == "other"


def test_set__values_are_yaml() -> None:
    sets = [
        "anomalyConfig.types=[invalid_data]",
        "overrides.orderValueRange={min: 10, max: 100}",
        "description=a: b = c",
    ]
    with pytest.raises(ScenarioError, match=r"description: \{.* is not text, put it in quotes"):
        resolve_scenario("normal-ops", sets)
    profile = resolve_scenario("normal-ops", [*sets[:2], "description='a: b = c'"])
    assert profile.anomaly_config.types == ("invalid_data",)
    assert profile.description == "a: b = c"


def test_set__shares_given_one_by_one_count_together() -> None:
    sets = ["distributions.paymentStatus.Paid=0.5", "distributions.payment_status.overdue=0.5"]
    status = resolve_scenario("normal-ops", sets).distributions.payment_status
    assert status.shares() == (0.5, 0, 0.5)


def test_set__says_everything_wrong_at_once() -> None:
    message = refused("normal-ops", "anomalyRate=2", "nam=x", "entityRates.users=0")
    assert message.count("--set: ") == 3
    assert message.count("; ") == 2


# --- the manager ---------------------------------------------------------------------------------


def test_create_custom__as_in_the_specification(manager: ScenarioManager) -> None:
    custom = manager.create_custom_scenario(
        "normal-ops",
        "my-scenario",
        {
            "anomalyRate": 0.15,
            "description": "Custom testing scenario",
            "entityRates": {"ordersPerDay": 100},
        },
    )
    again = ScenarioManager().create_custom_scenario(
        "normal-ops",
        "my-scenario",
        anomaly_rate=0.15,
        description="Custom testing scenario",
        entity_rates={"orders_per_day": 100},
    )
    assert custom == again
    assert custom.entity_rates.orders_per_day == 100
    assert custom.entity_rates.users == 20
    assert manager.load_scenario("my-scenario") == custom
    assert manager.list_scenarios()[-1] == "my-scenario"


def test_create_custom__from_a_custom_one_takes_sections_too(manager: ScenarioManager) -> None:
    base = manager.create_custom_scenario("peak-season", "one", anomaly_rate=0.9)
    rates = type(base.entity_rates)(users=3)
    custom = manager.create_custom_scenario("one", "two", entity_rates=rates)
    assert custom.anomaly_rate == 0.9
    assert (custom.entity_rates.users, custom.entity_rates.companies) == (3, 150)


def test_create_custom__refuses_what_is_wrong(manager: ScenarioManager) -> None:
    with pytest.raises(ScenarioError, match=r"^mine: anomalyRate: 2 is out of range, must be 0"):
        manager.create_custom_scenario("normal-ops", "mine", anomaly_rate=2)
    with pytest.raises(ScenarioError, match="given twice, as anomalyRate and as anomaly_rate"):
        manager.create_custom_scenario("normal-ops", "mine", {"anomalyRate": 0}, anomaly_rate=0)
    with pytest.raises(ScenarioError, match="'nowhere' is unknown"):
        manager.create_custom_scenario("nowhere", "mine")
    with pytest.raises(ScenarioError, match="that of a built-in scenario, give another one"):
        manager.create_custom_scenario("normal-ops", "peak-season")
    with pytest.raises(ScenarioError, match="'My One' is no name"):
        manager.create_custom_scenario("normal-ops", "My One")
    with pytest.raises(ScenarioError, match="extends: is given by an argument"):
        manager.create_custom_scenario("normal-ops", "mine", extends="peak-season")
    assert manager.list_scenarios() == list(BUILT_IN)


def test_register__takes_profiles_and_maps(manager: ScenarioManager) -> None:
    manager.register_scenario(ScenarioProfile(name="one", anomaly_rate=0.4))
    manager.register_scenario({"name": "two", "extends": "one", "entity_rates": {"users": 9}})
    two = manager.load_scenario("two")
    assert (two.anomaly_rate, two.entity_rates.users) == (0.4, 9)
    with pytest.raises(ScenarioError, match="is that of a built-in scenario"):
        manager.register_scenario(ScenarioProfile(name="normal-ops"))


def test_register__keeps_sources_and_takes_sets(manager: ScenarioManager) -> None:
    manager.create_custom_scenario("normal-ops", "mine", anomaly_rate=0.4)
    changed = manager.resolve("mine", ["entityRates.users=5"])
    assert changed.profile.name == "mine"
    assert changed.profile.anomaly_rate == 0.4
    assert changed.profile.description == "Custom scenario, from normal-ops"
    assert changed.tree["anomalyRate"].where == "mine"
    assert changed.tree["entityRates"]["users"].where == "--set"
    assert changed.tree["entityRates"]["products"].where == "scenarios/normal-ops.yaml"


def test_map_from_python__cannot_read_files(manager: ScenarioManager, tmp_path: Path) -> None:
    path = write(tmp_path, "a.yaml", "anomalyRate: 0\n")
    with pytest.raises(ScenarioError, match="only a file can extend one"):
        manager.register_scenario({"name": "mine", "extends": path})


def test_validate__lists_problems_or_nothing(manager: ScenarioManager) -> None:
    assert manager.validate_scenario("peak-season") == []
    assert manager.validate_scenario(ScenarioProfile(name="x")) == []
    assert manager.validate_scenario({"name": "x", "extends": "normal-ops"}) == []
    problems = manager.validate_scenario({"name": "x", "anomalyRate": 2, "entityRates": {"a": 1}})
    assert {one.path for one in problems} == {"anomalyRate", "entityRates.a"}
    broken = ScenarioProfile(name="x").model_copy(update={"anomaly_rate": 7.0})
    assert [str(one) for one in manager.validate_scenario(broken)] == [
        "x (registered): anomalyRate: 7.0 is out of range, must be 0..1"
    ]
    assert "is unknown" in str(manager.validate_scenario("nowhere")[0])
    assert "name: '' is no name" in str(manager.validate_scenario({})[0])


def test_map_from_python__nested_without_end_is_refused(manager: ScenarioManager) -> None:
    deep: dict[str, Any] = {"name": "x"}
    for _ in range(500):
        deep = {"a": deep}
    assert "nested more than 20 levels" in str(manager.validate_scenario(deep)[0])


def test_built_in__are_found_in_an_installed_package(tmp_path: Path) -> None:
    package = _builtin_folder().parent / "polargen"
    for name in ("config", "scenario"):
        shutil.copytree(package / name, tmp_path / "polargen" / name)
    shutil.copy(package / "errors.py", tmp_path / "polargen")
    shutil.copytree(_builtin_folder(), tmp_path / "polargen" / "scenarios")
    code = "from polargen.scenario import *; print(get_scenario_manager().list_scenarios())"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert found.stdout.strip() == str(list(BUILT_IN))


def test_manager__is_one_in_a_process() -> None:
    assert get_scenario_manager() is get_scenario_manager()


# --- any legal scenario --------------------------------------------------------------------------


def _shares(model: type[ShareMap]) -> st.SearchStrategy[dict[str, float]]:
    def normalised(parts: list[int]) -> dict[str, float]:
        return {key: part / sum(parts) for key, part in zip(model.labels(), parts, strict=True)}

    count = len(model.labels())
    return st.lists(st.integers(0, 50), min_size=count, max_size=count).filter(any).map(normalised)


@settings(max_examples=40, deadline=None)
@given(
    status=_shares(OrderStatusShares),
    categories=_shares(CategoryShares),
    rate=st.floats(0, 1),
    users=st.integers(1, 10_000),
    days=st.lists(st.floats(0.001, 1e6), min_size=7, max_size=7),
)
def test_any_legal_scenario__survives_its_own_json(
    status: dict[str, float],
    categories: dict[str, float],
    rate: float,
    users: int,
    days: list[float],
) -> None:
    profile = ScenarioManager().register_scenario(
        {
            "name": "any",
            "distributions": {"orderStatus": status},
            "overrides": {"productCategories": categories},
            "timeSeries": {"weekdayWeights": days},
            "anomalyRate": rate,
            "entityRates": {"users": users},
        }
    )
    assert ScenarioProfile.model_validate(json.loads(json.dumps(profile.to_dict()))) == profile
    assert sum(profile.distributions.order_status.shares()) == pytest.approx(1, abs=1e-9)


# --- the documents -------------------------------------------------------------------------------


def _doc_rows() -> dict[str, list[str]]:
    rows = {}
    for line in DOCS.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("| `"):
            rows[cells[0].strip("`")] = cells
    return rows


def _documented(model: type[Section], prefix: str) -> Iterator[tuple[str, Any, Any]]:
    """Yield (key, field, default) of what has a row: values, and maps of shares or weights."""
    defaults = ScenarioProfile(name="x") if model is ScenarioProfile else None
    for name, info in model.model_fields.items():
        key = str(key_of(model, name))
        section = section_of(model, key)
        if section is None or issubclass(section, (ShareMap, WeightMap)):
            default = (
                getattr(defaults, name) if defaults else info.get_default(call_default_factory=True)
            )
            yield prefix + key, info, default
        else:
            yield from _documented(section, f"{prefix}{key}.")


def test_docs__state_every_key_with_limits_and_default() -> None:
    rows = _doc_rows()
    for key, info, default in _documented(ScenarioProfile, ""):
        row = rows[key]
        limits = [one for one in info.metadata if isinstance(one, Limits)]
        if limits and "orderValueRange" not in key:
            assert str(limits[0]) in row[1], row
        if isinstance(default, ShareMap):
            shown = ", ".join(f"{share:g}" for share in default.shares())
            assert row[2] in (shown, "all ten, 0.1 each"), row
            assert ", ".join(default.labels()) in row[1], row
        elif isinstance(default, (int, float, str)) and key not in ("name", "description"):
            text = default if isinstance(default, str) else f"{default:g}"
            assert row[2].strip("`") == text, row
    series = ScenarioProfile(name="x").time_series
    for field in ("weekday", "hour", "month"):
        key = f"timeSeries.{field}Weights"
        weights = [f"{one:g}" for one in getattr(series, f"{field}_weights").weights() if one]
        assert rows[key][2].startswith(", ".join(weights) if field != "month" else "1 each")
    for name in ANOMALY_TYPES:
        assert name in rows


def test_docs__name_the_built_in_ones_with_their_numbers() -> None:
    rows = _doc_rows()
    for name in BUILT_IN:
        profile, row = resolve_scenario(name), rows[name]
        assert row[2] == str(profile.entity_rates.orders_per_day)
        assert row[3] == f"{profile.anomaly_rate:g}"
        assert row[4].removesuffix(", in bursts") == ", ".join(profile.anomaly_config.types)


def test_docs__yaml_loads_and_does_what_they_say(tmp_path: Path) -> None:
    block = re.findall(r"```yaml\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.S)[0]
    profile = resolve_scenario(write(tmp_path, "wholesale.yaml", block))
    assert profile.entity_rates.companies == 40
    assert profile.entity_rates.users == 20
    assert profile.distributions.payment_terms.shares() == (0, 0, 0, 0.7, 0.3, 0, 0)
    assert profile.time_series.weekday_weights.saturday == 0
    assert profile.time_series.weekday_weights.friday == 0.3


def test_docs__sets_are_accepted() -> None:
    text = DOCS.read_text(encoding="utf-8")
    sets = [
        quoted or bare for quoted, bare in re.findall(r"--set (?:'([^']+)'|([\w.]+=\S+))", text)
    ]
    assert len(sets) == 3
    assert resolve_scenario("normal-ops", sets).entity_rates.orders_per_day == 100


def test_docs__python_runs(capsys: pytest.CaptureFixture[str]) -> None:
    for block in re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.S):
        exec(compile(block, str(DOCS), "exec"), {})
    out = capsys.readouterr().out
    assert "100" in out
    assert "wrong: anomalyRate: 2 is out of range, must be 0..1" in out
