"""Scenarios: what a run looks like, from a name, a file or Python.

`profile` declares every key, `maps` those with shares and weights, `sources` reads files,
`inherit` merges layers and remembers where values came from, `manager` knows the names.
"""

from polargen.scenario.inherit import SourcedValue
from polargen.scenario.manager import (
    ScenarioManager,
    SourcedProfile,
    get_scenario_manager,
    profile_with_sources,
    resolve_scenario,
)
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
    ShareMap,
    WeekdayWeights,
    WeightMap,
)
from polargen.scenario.profile import (
    ANOMALY_TYPES,
    PACKAGED_LOCALE,
    AnomalyConfig,
    Distributions,
    EntityRates,
    OrderValueRange,
    Overrides,
    Popularity,
    ScenarioProfile,
    TimeSeriesSpec,
)

__all__ = [
    "ANOMALY_TYPES",
    "PACKAGED_LOCALE",
    "AnomalyConfig",
    "CategoryShares",
    "CompanySizeShares",
    "Distributions",
    "EntityRates",
    "HourWeights",
    "MonthWeights",
    "OrderStatusShares",
    "OrderValueRange",
    "Overrides",
    "PaymentMethodShares",
    "PaymentStatusShares",
    "PaymentTermShares",
    "Popularity",
    "RegionShares",
    "ScenarioManager",
    "ScenarioProfile",
    "ShareMap",
    "SourcedProfile",
    "SourcedValue",
    "TimeSeriesSpec",
    "WeekdayWeights",
    "WeightMap",
    "get_scenario_manager",
    "profile_with_sources",
    "resolve_scenario",
]
