"""Totals that are kept for a resumed run come back as they were."""

from __future__ import annotations

import json

import numpy as np

from polargen.generators.totals import PackedTotals, Totals


def test_packed_totals__come_back_from_json() -> None:
    totals = Totals.zero(companies=5_000, products=700)
    totals.pending_bulk_cents[[0, 7, 4_999]] = [1, -(2**40), 2**62]
    totals.oldest_overdue_due_day[3] = 19_800
    totals.total_sold[:] = np.arange(700) * 256
    totals.closing_stock[[5, 699]] = [0, 12]
    kept = json.loads(json.dumps(totals.packed().to_json()))
    back = PackedTotals.from_json(kept).unpacked(5_000, 700)
    for name in ("pending_bulk_cents", "oldest_overdue_due_day", "total_sold", "closing_stock"):
        assert getattr(back, name).tolist() == getattr(totals, name).tolist(), name


def test_packed_totals__of_nothing_come_back_from_json() -> None:
    kept = json.loads(json.dumps(Totals.zero(10, 10).packed().to_json()))
    back = PackedTotals.from_json(kept)
    assert all(len(at) == len(values) == 0 for at, values in back.columns.values())
