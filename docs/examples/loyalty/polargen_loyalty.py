"""Loyalty points: what a company earns with each order that it has paid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import polars as pl

from polargen import BaseGenerator
from polargen.blocks import BlockContext
from polargen.columns import Frame
from polargen.draw import choose
from polargen.schema import Column, Table

CAMPAIGNS = ("regular", "double points", "birthday")
CAMPAIGN_SHARES = (0.85, 0.10, 0.05)
CAMPAIGN_FACTORS = np.array([1, 2, 3])
SIZE_FACTORS = np.array([1, 2, 3])  # small, medium, large companies
EGP_PER_POINT = 10

LOYALTY_POINTS = Table(
    "loyalty_points",
    "loyaltyPoints",
    "Points that companies earned with paid orders.",
    "loyalty_point_id",
    (
        Column("loyalty_point_id", "key", "Key.", low=1),
        Column("order_id", "key", "The order that earned them.", references="orders", unique=True),
        Column("company_id", "key", "Who earned them.", references="companies"),
        Column("campaign", "enum", "What was on when the order was paid.", values=CAMPAIGNS),
        Column("points", "int", "Points, 10 EGP each, times size and campaign.", low=0),
        Column("earned_at", "instant", "When the order was paid."),
    ),
    main_date="earned_at",
)


class LoyaltyGenerator(BaseGenerator):
    """Gives points for each Paid order: more to larger companies, more in campaigns."""

    name = "loyalty"
    tables = (LOYALTY_POINTS,)
    depends_on = ("orders", "companies")
    kinds = ("orders",)
    rows_per_unit: ClassVar[Mapping[str, float]] = {"loyalty_points": 0.56}

    def generate(self, ctx: BlockContext, upstream: Mapping[str, Frame]) -> dict[str, pl.DataFrame]:
        """Return the points of one block's orders, a row for each Paid one, in order of order_id.

        Model: grand_total / 10 EGP, rounded down, x size (1..3) x campaign (1..3).
        """
        paid = upstream["orders"].to_polars().filter(pl.col("payment_status") == "Paid")
        n = paid.height
        size = ctx.world.companies.size[paid["company_id"].to_numpy() - 1]
        campaign = choose(ctx.stream("loyalty_points.campaign").u16(n), CAMPAIGN_SHARES)
        points = (
            paid["grand_total"].cast(pl.Int64).to_numpy()
            // EGP_PER_POINT
            * SIZE_FACTORS[size]
            * CAMPAIGN_FACTORS[campaign]
        )
        frame = pl.DataFrame(
            {
                "loyalty_point_id": ctx.key_start("loyalty_points") + np.arange(n, dtype=np.int64),
                "order_id": paid["order_id"],
                "company_id": paid["company_id"],
                "campaign": np.array(CAMPAIGNS)[campaign],
                "points": points,
                "earned_at": paid["paid_at"],
            },
            schema=LOYALTY_POINTS.polars_schema,
        )
        return {"loyalty_points": frame}
