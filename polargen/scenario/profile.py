"""The scenario profile: every key of a scenario, with its limits and its default.

The defaults are those of ``scenarios/normal-ops.yaml``. A profile is complete and frozen: what
was inherited or left out has been filled in (`sources` and `inherit` do that).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from polargen.config import Limits, RefusedAt, Section, nearest, number, one_of, shown
from polargen.scenario.maps import (
    CategoryShares,
    CompanySizeShares,
    HourWeights,
    MonthWeights,
    OrderStatusShares,
    PaymentMethodShares,
    PaymentStatusShares,
    PaymentTermShares,
    RegionShares,
    Share,
    WeekdayWeights,
    Weight,
)

if TYPE_CHECKING:
    from polargen.time_series import TimeSeries

PopularityKind = Literal["zipf", "normal", "uniform"]
Clustering = Literal["spread", "burst"]
AnomalyType = Literal[
    "payment_delay",
    "delivery_delay",
    "order_cancellation",
    "maintenance_failure",
    "stock_shortage",
    "duplicate_orders",
    "invalid_data",
]
POPULARITY_KINDS: tuple[PopularityKind, ...] = ("zipf", "normal", "uniform")
CLUSTERINGS: tuple[Clustering, ...] = ("spread", "burst")
ANOMALY_TYPES: tuple[AnomalyType, ...] = (
    "payment_delay",
    "delivery_delay",
    "order_cancellation",
    "maintenance_failure",
    "stock_shortage",
    "duplicate_orders",
    "invalid_data",
)
PACKAGED_LOCALE = "eg"
EXPONENT_STEPS = 1024  # Source: DESIGN, section 3: exponents lie on a grid of 1/1024
LARGEST_ORDER_VALUE = 10_000_000
SMALLEST_MAX_ORDER_VALUE = 50

_NAME = re.compile(r"[a-z0-9-]{1,50}")
_read_anomaly_type = one_of(ANOMALY_TYPES, "anomaly type")


class EntityRates(Section):
    """How much there is of each entity, before the volume multiplier."""

    users: Annotated[int, Limits(1, 10_000)] = 20
    companies: Annotated[int, Limits(1, 100_000)] = 100
    branch_ratio: Share = 0.3
    products: Annotated[int, Limits(1, 50_000)] = 200
    orders_per_day: Annotated[int, Limits(1, 10_000)] = 50
    maintenance_visits_per_week: Annotated[int, Limits(0, 1_000)] = 10


class Popularity(Section):
    """How order lines spread over products; the bare name of a kind will do.

    Attributes:
        kind: zipf, normal or uniform.
        exponent: of zipf, used on a grid of 1/1024.
        top_share: of the order lines that the top 20 % of products get, zipf only; the exponent
            is solved. Without either, it is 0.8.
    """

    kind: Annotated[PopularityKind, BeforeValidator(one_of(POPULARITY_KINDS, "kind"))] = "zipf"
    exponent: Annotated[float, Limits(0, 2)] | None = None
    top_share: Annotated[float, Limits(0.2, 0.99)] | None = None

    @property
    def exponent_steps(self) -> int | None:
        """The exponent in steps of 1/1024, None if it is to be solved."""
        return None if self.exponent is None else round(self.exponent * EXPONENT_STEPS)

    @classmethod
    def shorthand(cls, value: object) -> dict[str, object] | None:
        if not isinstance(value, str):
            return None
        return {"kind": value, "exponent": None, "topShare": None}

    @classmethod
    def complete(cls, given: Mapping[str, object]) -> dict[str, object]:
        if not given:
            return {}
        filled = {"exponent": None, "topShare": None}
        return {key: value for key, value in filled.items() if key not in given}

    @model_validator(mode="after")
    def _fits_the_kind(self) -> Popularity:
        for key, value in (("exponent", self.exponent), ("topShare", self.top_share)):
            if value is not None and self.kind != "zipf":
                raise RefusedAt(key, f"goes with zipf only, remove it or the kind {self.kind}")
        if self.exponent is not None and self.top_share is not None:
            raise ValueError("exponent and topShare exclude each other, keep one of them")
        return self


def _order_status() -> OrderStatusShares:
    return OrderStatusShares(pending=0.10, shipped=0.15, delivered=0.70, cancelled=0.05)


def _payment_status() -> PaymentStatusShares:
    return PaymentStatusShares(paid=0.80, pending=0.15, overdue=0.05)


def _regions() -> RegionShares:
    return RegionShares(a=0.6, b=0.4)  # ASSUMED


def _payment_terms() -> PaymentTermShares:
    return PaymentTermShares(
        immediate=0.10, net15=0.15, net30=0.25, net60=0.20, net90=0.05, monthly=0.15, bulk=0.10
    )


class Distributions(Section):
    """Shares of the base world: what the rows say before anomalies."""

    order_status: OrderStatusShares = Field(default_factory=_order_status)
    payment_status: PaymentStatusShares = Field(default_factory=_payment_status)
    product_popularity: Popularity = Field(default_factory=Popularity)
    region_distribution: RegionShares = Field(default_factory=_regions)
    delivery_delays: Share = 0.1
    payment_terms: PaymentTermShares = Field(default_factory=_payment_terms)


class TimeSeriesSpec(Section):
    """When things happen, in Cairo time."""

    weekday_weights: WeekdayWeights = Field(default_factory=WeekdayWeights)
    hour_weights: HourWeights = Field(default_factory=HourWeights)
    month_weights: MonthWeights = Field(default_factory=MonthWeights)
    holiday_weight: Weight = 0.2
    ramadan_weight: Weight = 0.85
    daily_jitter: Annotated[float, Limits(0, 0.9)] = 0.3
    growth_per_month: Annotated[float, Limits(-0.5, 1)] = 0.0

    def build(self) -> TimeSeries:
        """Return the time series engine with these settings."""
        from polargen.time_series import TimeSeries

        return TimeSeries(
            weekday_weights=self.weekday_weights.weights(),
            hour_weights=self.hour_weights.weights(),
            month_weights=self.month_weights.weights(),
            holiday_weight=self.holiday_weight,
            ramadan_weight=self.ramadan_weight,
            daily_jitter=self.daily_jitter,
            growth_per_month=self.growth_per_month,
        )


def _known_types(value: object) -> object:
    """Read anomaly types into their fixed order, so that the order given decides nothing."""
    if not isinstance(value, (list, tuple)):
        return value
    given = [_read_anomaly_type(entry) for entry in value]
    twice = next((entry for entry in given if given.count(entry) > 1), None)
    if twice is not None:
        raise ValueError(f"{twice} is listed twice, keep one of them")
    return tuple(entry for entry in ANOMALY_TYPES if entry in given)


class AnomalyConfig(Section):
    """What goes wrong on purpose.

    Attributes:
        rate: overrides the profile's ``anomaly_rate`` where given.
        types: of anomalies; an empty list means none.
        clustering: ``spread`` evenly, or ``burst`` in windows.
        window: length of a burst, days.
    """

    rate: Share | None = None
    types: Annotated[tuple[AnomalyType, ...], BeforeValidator(_known_types)] = (
        "payment_delay",
        "delivery_delay",
    )
    clustering: Annotated[Clustering, BeforeValidator(one_of(CLUSTERINGS, "clustering"))] = "spread"
    window: Annotated[int, Limits(1, 366)] = 14


def _whole_piastres(value: object) -> object:
    amount = number(value)
    if Decimal(str(amount)) % Decimal("0.01"):
        raise ValueError(f"{shown(value)} has more than two decimals, round it to piastres")
    return value


Pounds = Annotated[float, BeforeValidator(_whole_piastres), Limits(0, LARGEST_ORDER_VALUE)]


class OrderValueRange(Section):
    """Bounds of an order's subtotal, EGP."""

    min: Pounds = 0.0
    max: Pounds

    @property
    def min_cents(self) -> int:
        """The lower bound in piastres."""
        return int(Decimal(str(self.min)) * 100)

    @property
    def max_cents(self) -> int:
        """The upper bound in piastres."""
        return int(Decimal(str(self.max)) * 100)

    @model_validator(mode="after")
    def _leaves_room(self) -> OrderValueRange:
        if self.max < SMALLEST_MAX_ORDER_VALUE:
            raise RefusedAt("max", f"{self.max:g} is too small, must be 50..10,000,000")
        if self.max < 2 * self.min:
            raise RefusedAt(
                "max", f"{self.max:g} is less than twice the min {self.min:g}, widen it"
            )
        return self


def _methods() -> PaymentMethodShares:
    return PaymentMethodShares(transfer=0.7, check=0.3)  # ASSUMED


def _categories() -> CategoryShares:
    return CategoryShares.model_validate(list(CategoryShares.labels()))  # ASSUMED


def _sizes() -> CompanySizeShares:
    return CompanySizeShares(small=0.6, medium=0.3, large=0.1)


class Overrides(Section):
    """What scenarios seldom change."""

    payment_methods: PaymentMethodShares = Field(default_factory=_methods)
    order_value_range: OrderValueRange | None = None
    product_categories: CategoryShares = Field(default_factory=_categories)
    company_size_distribution: CompanySizeShares = Field(default_factory=_sizes)


def _valid_name(value: object) -> object:
    if isinstance(value, str) and not _NAME.fullmatch(value):
        raise ValueError(f"{shown(value)} is no name, give 1..50 characters of a-z, 0-9 and -")
    return value


def _valid_description(value: object) -> object:
    if isinstance(value, str) and len(value) > 1000:
        raise ValueError(f"{len(value)} characters are too many, must be 0..1,000")
    return value


def _known_locale(value: object) -> object:
    if not isinstance(value, str) or value == PACKAGED_LOCALE:
        return value
    from faker.config import AVAILABLE_LOCALES  # imported only where another locale is asked for

    if value not in AVAILABLE_LOCALES:
        near = nearest(value, sorted(AVAILABLE_LOCALES))
        hint = "give eg or a locale of Faker" if near is None else f"did you mean {near}?"
        raise ValueError(f"{shown(value)} is an unknown locale, {hint}")
    return value


class ScenarioProfile(Section):
    """One scenario, complete.

    ``anomaly_rate`` is the master rate: the chance that an eligible row carries an anomaly.
    ``anomaly_config.rate`` overrides it where given; `effective_anomaly_rate` is what holds.
    """

    name: Annotated[str, BeforeValidator(_valid_name)]
    description: Annotated[str, BeforeValidator(_valid_description)] = ""
    locale: Annotated[str, BeforeValidator(_known_locale)] = PACKAGED_LOCALE
    entity_rates: EntityRates = Field(default_factory=EntityRates)
    distributions: Distributions = Field(default_factory=Distributions)
    time_series: TimeSeriesSpec = Field(default_factory=TimeSeriesSpec)
    anomaly_rate: Share = 0.05
    anomaly_config: AnomalyConfig = Field(default_factory=AnomalyConfig)
    overrides: Overrides = Field(default_factory=Overrides)

    @property
    def effective_anomaly_rate(self) -> float:
        """The rate that holds: ``anomaly_config.rate`` where given, else ``anomaly_rate``."""
        rate = self.anomaly_config.rate
        return self.anomaly_rate if rate is None else rate

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form: every key in camelCase, resolved, in a fixed order."""
        return self.model_dump(mode="json", by_alias=True)
