"""Sums per company and per product that blocks hand back, and masters are finished with."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pyarrow as pa

from polargen.draw import I32, I64

NEVER_DAY = 2**31 - 1  # no overdue order
_CODEC = pa.Codec("zstd", 1)
_NO_STOCK = -1
_OF_PRODUCTS = frozenset({"total_sold", "closing_stock"})
_UNTOUCHED = {"oldest_overdue_due_day": NEVER_DAY, "closing_stock": _NO_STOCK}  # 0 elsewhere


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
            closing_stock=np.full(products, _NO_STOCK, dtype=np.int64),
        )

    def packed(self, companies: range | None = None, products: range | None = None) -> PackedTotals:
        """Return the totals as they travel and are kept: what differs from `zero` only.

        Args:
            companies, products: indices that are wanted; None: all.
        """
        columns: dict[str, tuple[I32, I64]] = {}
        for item in fields(self):
            whole = getattr(self, item.name)
            wanted = products if item.name in _OF_PRODUCTS else companies
            first, stop = (0, len(whole)) if wanted is None else (wanted.start, wanted.stop)
            values = whole[first:stop]
            at = np.flatnonzero(values != _UNTOUCHED.get(item.name, 0))
            columns[item.name] = ((at + first).astype(np.int32), values[at].astype(np.int64))
        return PackedTotals(columns)


@dataclass(frozen=True)
class PackedTotals:
    """Totals of one group: by column, the indices that have any, and their values."""

    columns: Mapping[str, tuple[I32, I64]]

    def add_to(self, totals: Totals) -> None:
        """Add these to the totals of a run."""
        for name, (at, values) in self.columns.items():
            target = getattr(totals, name)
            if name == "oldest_overdue_due_day":
                target[at] = np.minimum(target[at], values)
            elif name == "closing_stock":
                target[at] = np.maximum(target[at], values)
            else:
                target[at] += values

    def unpacked(self, companies: int, products: int) -> Totals:
        """Return the totals of so many companies and products."""
        totals = Totals.zero(companies, products)
        self.add_to(totals)
        return totals

    def to_json(self) -> dict[str, list[str]]:
        """Return the totals as text that JSON can hold."""
        return {
            name: [_text(np.diff(at, prepend=np.int32(0))), _text(values)]
            for name, (at, values) in self.columns.items()
        }

    @classmethod
    def from_json(cls, text: Mapping[str, list[str]]) -> PackedTotals:
        """Read what `to_json` wrote."""
        return cls(
            {
                name: (np.cumsum(_array(steps, np.int32), dtype=np.int32), _array(values, np.int64))
                for name, (steps, values) in text.items()
            }
        )


def _text(values: I32 | I64) -> str:
    """Write numbers byte by byte, all lowest ones first: the high ones are alike and shrink."""
    planes = values.view(np.uint8).reshape(-1, values.itemsize).T
    return base64.b64encode(_CODEC.compress(planes.tobytes(), asbytes=True)).decode("ascii")


def _array(text: str, dtype: type) -> Any:
    packed = pa.BufferReader(base64.b64decode(text))
    data = np.frombuffer(pa.CompressedInputStream(packed, "zstd").read(), dtype=np.uint8)
    planes = data.reshape(np.dtype(dtype).itemsize, -1)
    return np.ascontiguousarray(planes.T).reshape(-1).view(dtype)
