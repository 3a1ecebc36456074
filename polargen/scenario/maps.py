"""Maps of a scenario whose keys are an enumeration: shares that sum to 1, and weights over time.

The names and their order are part of the data: `shares` and `weights` give tuples in that order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import ConfigDict, model_validator

from polargen.config import Limits, Section, given_twice, keys_of, number, rename, shown

SHARE_TOLERANCE = 0.001  # Source: DESIGN, section 4
SMALLEST_WEIGHT = 1e-6  # smaller ones could vanish where several weights are multiplied
LARGEST_WEIGHT = 1_000_000

Share = Annotated[float, Limits(0, 1)]
Weight = Annotated[float, Limits(0, LARGEST_WEIGHT)]


def _title(field: str) -> str:
    return field.replace("_", " ").title()


def _same(field: str) -> str:
    return field


class _Enumerated(Section):
    """A map with one entry for each name; names are read in any case and without signs."""

    @classmethod
    def fold(cls, key: str) -> str:
        return re.sub(r"[^a-z0-9]", "", key.lower())

    @classmethod
    def spellings(cls) -> dict[str, str]:
        return {cls.fold(spelling): key for spelling, key in super().spellings().items()}

    def values(self) -> tuple[float, ...]:
        """Return the entries as given, in the order of the names."""
        return tuple(getattr(self, field) for field in type(self).model_fields)


class ShareMap(_Enumerated):
    """Shares over an enumeration; a name left out has none.

    On top of an inherited map, one that sums to 1 by itself replaces it, and any other one
    changes the names that it gives.
    """

    @classmethod
    def of(cls, *shares: float) -> ShareMap:
        """Return the map with ``shares`` in the order of the names."""
        return cls.model_validate(dict(zip(keys_of(cls), shares, strict=True)))

    @classmethod
    def labels(cls) -> tuple[str, ...]:
        """Return the names in their order."""
        return keys_of(cls)

    def shares(self) -> tuple[float, ...]:
        """Return the shares in the order of the names; they sum to 1."""
        values = self.values()
        total = sum(values)
        return values if abs(total - 1.0) < 1e-9 else tuple(value / total for value in values)

    @classmethod
    def complete(cls, given: Mapping[str, object]) -> dict[str, object]:
        try:
            total = sum(number(value) for value in given.values())
        except (ValueError, OverflowError):
            return {}
        if abs(total - 1.0) > SHARE_TOLERANCE:
            return {}
        return {name: 0.0 for name in keys_of(cls) if name not in given}

    @model_validator(mode="after")
    def _sums_to_one(self) -> ShareMap:
        total = sum(self.values())
        if abs(total - 1.0) > SHARE_TOLERANCE + 1e-9:
            raise ValueError(f"shares sum to {round(total, 6):.10g}, must be 1")
        return self


class OrderStatusShares(ShareMap):
    """Shares of the order statuses."""

    model_config = ConfigDict(alias_generator=_title)

    pending: Share = 0.0
    processing: Share = 0.0
    shipped: Share = 0.0
    delivered: Share = 0.0
    cancelled: Share = 0.0
    delivery_failed: Share = 0.0


class PaymentStatusShares(ShareMap):
    """Shares of the payment statuses, of delivered orders."""

    model_config = ConfigDict(alias_generator=_title)

    paid: Share = 0.0
    pending: Share = 0.0
    overdue: Share = 0.0


class RegionShares(ShareMap):
    """Shares of companies by delivery region."""

    model_config = ConfigDict(alias_generator=_title)

    a: Share = 0.0
    b: Share = 0.0


class PaymentTermShares(ShareMap):
    """Shares of orders by payment terms."""

    model_config = ConfigDict(alias_generator=_same)

    immediate: Share = 0.0
    net15: Share = 0.0
    net30: Share = 0.0
    net60: Share = 0.0
    net90: Share = 0.0
    monthly: Share = 0.0
    bulk: Share = 0.0


class PaymentMethodShares(ShareMap):
    """Shares of companies by payment method."""

    model_config = ConfigDict(alias_generator=_same)

    transfer: Share = 0.0
    check: Share = 0.0


class CompanySizeShares(ShareMap):
    """Shares of companies by size."""

    model_config = ConfigDict(alias_generator=_same)

    small: Share = 0.0
    medium: Share = 0.0
    large: Share = 0.0


class CategoryShares(ShareMap):
    """Shares of products by category; a list of names gives each the same share."""

    model_config = ConfigDict(alias_generator=lambda field: _title(field).replace(" And ", " & "))

    coffee_beans: Share = 0.0
    ground_coffee: Share = 0.0
    espresso: Share = 0.0
    cold_brew: Share = 0.0
    tea: Share = 0.0
    syrups: Share = 0.0
    milk_and_alternatives: Share = 0.0
    equipment: Share = 0.0
    accessories: Share = 0.0
    consumables: Share = 0.0

    @classmethod
    def shorthand(cls, value: object) -> dict[str, object] | None:
        if not isinstance(value, (list, tuple)):
            return None
        if not value:
            raise ValueError("the list is empty, give at least one category")
        names = [str(name) for name in value]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(given_twice(twice, twice))
        given = rename(cls, dict.fromkeys(names, 1.0 / len(names)))
        return {**dict.fromkeys(keys_of(cls), 0.0), **given}


class WeightMap(_Enumerated):
    """Weights over an enumeration, at least one above 0; a list gives all of them in order.

    A map changes the names that it gives and leaves the others as they were.
    """

    order: ClassVar[str]

    def weights(self) -> tuple[float, ...]:
        """Return the weights in the order of the names."""
        return self.values()

    @classmethod
    def shorthand(cls, value: object) -> dict[str, object] | None:
        if not isinstance(value, (list, tuple)):
            return None
        names = keys_of(cls)
        if len(value) != len(names):
            raise ValueError(f"{len(value)} weights, must be {len(names)} ({cls.order})")
        return dict(zip(names, value, strict=True))

    @model_validator(mode="after")
    def _some_weight(self) -> WeightMap:
        values = self.values()
        small = [value for value in values if 0 < value < SMALLEST_WEIGHT]
        if small:
            raise ValueError(f"{shown(small[0])} is too small, must be 0 or at least 0.000001")
        if not any(values):
            raise ValueError("all weights are 0, give at least one above 0")
        return self


class WeekdayWeights(WeightMap):
    """Weights of the days of the week."""

    model_config = ConfigDict(alias_generator=_title)
    order: ClassVar[str] = "Sunday first"

    sunday: Weight = 1.0
    monday: Weight = 1.0
    tuesday: Weight = 1.0
    wednesday: Weight = 1.0
    thursday: Weight = 1.0
    friday: Weight = 0.3
    saturday: Weight = 0.6

    @classmethod
    def spellings(cls) -> dict[str, str]:
        return {**super().spellings(), **{key[:3].lower(): key for key in keys_of(cls)}}


class MonthWeights(WeightMap):
    """Weights of the months of the year."""

    model_config = ConfigDict(alias_generator=_title)
    order: ClassVar[str] = "January first"

    january: Weight = 1.0
    february: Weight = 1.0
    march: Weight = 1.0
    april: Weight = 1.0
    may: Weight = 1.0
    june: Weight = 1.0
    july: Weight = 1.0
    august: Weight = 1.0
    september: Weight = 1.0
    october: Weight = 1.0
    november: Weight = 1.0
    december: Weight = 1.0

    @classmethod
    def spellings(cls) -> dict[str, str]:
        spellings = super().spellings()
        for place, key in enumerate(keys_of(cls), start=1):
            spellings |= {key[:3].lower(): key, f"{place}": key, f"{place:02}": key}
        return spellings


class HourWeights(WeightMap):
    """Weights of the hours of the day: a morning peak, a lunch dip, an afternoon peak (ASSUMED)."""

    model_config = ConfigDict(alias_generator=lambda field: str(int(field.removeprefix("hour_"))))
    order: ClassVar[str] = "hour 0 first"

    hour_00: Weight = 0.0
    hour_01: Weight = 0.0
    hour_02: Weight = 0.0
    hour_03: Weight = 0.0
    hour_04: Weight = 0.0
    hour_05: Weight = 0.0
    hour_06: Weight = 0.0
    hour_07: Weight = 0.0
    hour_08: Weight = 0.5
    hour_09: Weight = 1.0
    hour_10: Weight = 1.3
    hour_11: Weight = 1.1
    hour_12: Weight = 0.7
    hour_13: Weight = 0.5
    hour_14: Weight = 0.8
    hour_15: Weight = 1.1
    hour_16: Weight = 1.2
    hour_17: Weight = 0.9
    hour_18: Weight = 0.6
    hour_19: Weight = 0.4
    hour_20: Weight = 0.2
    hour_21: Weight = 0.0
    hour_22: Weight = 0.0
    hour_23: Weight = 0.0

    @classmethod
    def spellings(cls) -> dict[str, str]:
        spellings = super().spellings()
        return {**spellings, **{f"{int(key):02}": key for key in keys_of(cls)}}
