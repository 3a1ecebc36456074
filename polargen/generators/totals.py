"""Sums per company and per product that blocks hand back, and masters are finished with."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from polargen.draw import I32, I64

NEVER_DAY = 2**31 - 1  # no overdue order


@dataclass
class Totals:
    """What the facts say about each company and product; index = key - 1.

    Attributes:
        unpaid_orders, outstanding_cents, pending_bulk_cents, revenue_12m_cents: int64, by company.
        late_days_sum, late_count: int64, over 12 months' paid and overdue orders, by company.
        oldest_overdue_due_day: int32 epoch day, `NEVER_DAY` without one, by company.
        total_sold: int64 pieces, by product.
        closing_stock: int64 pieces, -1 where nothing moved in the last segment, by product.
    """

    unpaid_orders: I64
    outstanding_cents: I64
    pending_bulk_cents: I64
    revenue_12m_cents: I64
    late_days_sum: I64
    late_count: I64
    oldest_overdue_due_day: I32
    total_sold: I64
    closing_stock: I64

    @classmethod
    def zero(cls, companies: int, products: int) -> Totals:
        """Return the totals of no fact."""
        return cls(
            unpaid_orders=np.zeros(companies, dtype=np.int64),
            outstanding_cents=np.zeros(companies, dtype=np.int64),
            pending_bulk_cents=np.zeros(companies, dtype=np.int64),
            revenue_12m_cents=np.zeros(companies, dtype=np.int64),
            late_days_sum=np.zeros(companies, dtype=np.int64),
            late_count=np.zeros(companies, dtype=np.int64),
            oldest_overdue_due_day=np.full(companies, NEVER_DAY, dtype=np.int32),
            total_sold=np.zeros(products, dtype=np.int64),
            closing_stock=np.full(products, -1, dtype=np.int64),
        )

    def add(self, other: Totals) -> None:
        """Add another block's totals; the order of blocks does not matter."""
        for item in fields(self):
            mine, theirs = getattr(self, item.name), getattr(other, item.name)
            if item.name == "oldest_overdue_due_day":
                np.minimum(mine, theirs, out=mine)
            elif item.name == "closing_stock":
                np.maximum(mine, theirs, out=mine)
            else:
                mine += theirs

    def to_json(self) -> dict[str, str]:
        """Return the totals as text that JSON can hold."""
        return {
            item.name: base64.b85encode(zlib.compress(getattr(self, item.name).tobytes())).decode()
            for item in fields(self)
        }

    @classmethod
    def from_json(cls, text: Mapping[str, str]) -> Totals:
        """Read what `to_json` wrote."""
        columns: dict[str, Any] = {
            item.name: np.frombuffer(
                bytearray(zlib.decompress(base64.b85decode(text[item.name]))),
                dtype=np.int32 if item.name == "oldest_overdue_due_day" else np.int64,
            )
            for item in fields(cls)
        }
        return cls(**columns)
