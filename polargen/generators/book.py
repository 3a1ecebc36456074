"""The book of a block's orders: working arrays that the order's family shares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from polargen.blocks import BlockContext
from polargen.draw import I64
from polargen.errors import RunError
from polargen.generators.basket import Basket
from polargen.generators.life import NEVER_US, Life
from polargen.generators.market import Market
from polargen.generators.order_anomalies import Befallen
from polargen.generators.paying import Paying
from polargen.generators.placing import Draws, Placing


@dataclass
class Book:
    """Everything known about a block's orders before it is shown as tables.

    Attributes:
        market, placing, basket, befallen: see their modules.
        draws: streams over orders and duplicates.
        order_item_id: int64 (lines,).
        order_numbers: text of each order.
    """

    market: Market
    placing: Placing
    basket: Basket
    befallen: Befallen
    draws: Draws
    order_item_id: I64
    order_numbers: pa.Array

    @property
    def life(self) -> Life:
        """Lives of the orders, with anomalies."""
        return self.befallen.life

    @property
    def paying(self) -> Paying:
        """Payments of the orders, with anomalies."""
        return self.befallen.paying


def book_of(ctx: BlockContext) -> Book:
    """Return the block's book.

    Raises:
        RunError: the order generator has not run in this block.
    """
    if ctx.book is None:
        raise RunError("the block has no orders yet: declare depends_on = ('orders',)")
    return ctx.book


def happened(us: I64) -> np.ndarray:
    """Return which instants have come."""
    return np.asarray(us < NEVER_US)
