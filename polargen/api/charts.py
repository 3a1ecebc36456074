"""Charts of a finished job, as numbers: small, however many rows there are."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np

from polargen import calendar
from polargen.api.results import DayCounts, Results
from polargen.schema import TABLES

MOST_RANKS = 400


def charts(results: Results) -> dict[str, Any]:
    """Return every chart."""
    config = results.manifest.config
    first, last = (date.fromisoformat(str(config[key])) for key in ("startDate", "endDate"))
    days = np.arange(calendar.day_of(first), calendar.day_of(last) + 1, dtype=np.int32)
    dates = [str(day) for day in days.astype("datetime64[D]").tolist()]
    delays = list(results.payments_by_delay())
    return {
        "ordersPerDay": {
            "dates": dates,
            "weekday": calendar.weekday(days).tolist(),
            "holidays": [dates[n] for n in np.flatnonzero(calendar.is_holiday(days))],
            "byStatus": _series(results.orders_by_day(), days, _values("orders", "status")),
        },
        "productPopularity": _popularity(results.lines_by_product()),
        "paymentDelay": {
            "days": [int(day) for day, _ in delays],
            "payments": [int(count) for _, count in delays],
        },
        "anomaliesOverTime": {
            "dates": dates,
            "byType": _series(results.labels_by_day(), days, ()),
        },
    }


def _values(table: str, column: str) -> tuple[str, ...]:
    return TABLES[table][column].values


def _series(
    counts: DayCounts, days: np.ndarray[Any, np.dtype[np.int32]], kinds: tuple[str, ...]
) -> Mapping[str, list[int]]:
    """Return a count for each day and kind; days outside the window are left out."""
    series = {kind: np.zeros(len(days), dtype=np.int64) for kind in kinds}
    for day, kind, count in counts:
        place = calendar.day_of(day) - int(days[0])
        if 0 <= place < len(days):
            series.setdefault(kind, np.zeros(len(days), dtype=np.int64))[place] += count
    known = [kind for kind in kinds if series[kind].any()]
    others = sorted(kind for kind in series if kind not in kinds)
    return {kind: series[kind].tolist() for kind in (*known, *others)}


def _popularity(lines: list[int]) -> dict[str, list[int]]:
    """Return lines by rank, ranks growing by steps where there are many products."""
    ranks = list(range(1, len(lines) + 1))
    if len(ranks) > MOST_RANKS:
        ranks = sorted({int(rank) for rank in np.geomspace(1, len(lines), MOST_RANKS).round()})
    return {"ranks": ranks, "lines": [int(lines[rank - 1]) for rank in ranks]}
