"""Discounts: one row for each discounted order and each discounted line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from polargen.blocks import BlockContext
from polargen.columns import Frame, Nullable
from polargen.draw import choose
from polargen.generators.base import BaseGenerator
from polargen.generators.basket import NO_DISCOUNT
from polargen.generators.book import book_of
from polargen.popularity import MAX_LINES
from polargen.schema.sales import DISCOUNTS

ORDER, ITEM = 0, 1
REASON_SHARES = (0.2, 0.2, 0.15, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05, 0.05)  # ASSUMED


class DiscountGenerator(BaseGenerator):
    """Shows every discount that the baskets hold."""

    name = "discounts"
    tables = (DISCOUNTS,)
    depends_on = ("orders", "order_items")
    rows_per_unit: ClassVar[Mapping[str, float]] = {"discounts": 0.6}

    def generate(self, ctx: BlockContext, upstream: Mapping[str, Frame]) -> dict[str, Frame]:
        """Return discounts of orders, then of lines; the key follows from order and line."""
        book = book_of(ctx)
        basket, placing = book.basket, book.placing
        orders = np.flatnonzero(basket.order_discount.kind != NO_DISCOUNT)
        lines = np.flatnonzero(basket.discount.kind != NO_DISCOUNT)
        at = np.concatenate([orders, basket.order[lines]])
        line_no = np.concatenate([np.zeros(len(orders), dtype=np.int64), basket.line_no[lines]])
        item = np.concatenate([np.zeros(len(orders), dtype=np.int64), book.order_item_id[lines]])
        of_order, of_line = basket.order_discount.take(orders), basket.discount.take(lines)
        n = len(at)
        frame = Frame(
            DISCOUNTS,
            {
                "discount_id": (placing.order_id[at] - 1) * (MAX_LINES + 1) + line_no + 1,
                "order_id": placing.order_id[at],
                "order_item_id": Nullable(item, item > 0),
                "scope": np.where(item > 0, ITEM, ORDER).astype(np.uint8),
                "type": np.concatenate([of_order.kind, of_line.kind]),
                "value": np.concatenate([of_order.value_cents, of_line.value_cents]),
                "amount": np.concatenate([of_order.amount_cents, of_line.amount_cents]),
                "reason": choose(ctx.stream("discounts.reason").u16(n), REASON_SHARES),
                "applied_by_user_id": placing.user_id[at],
                "applied_at": placing.order_us[at],
            },
        )
        return {"discounts": frame}
