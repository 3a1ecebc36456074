"""Products: the price list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import pyarrow as pa

from polargen import pools
from polargen.blocks import BlockContext, BlockKind
from polargen.columns import Frame, Gather, Nullable, fixed_text
from polargen.draw import I32, I64, chance, half_up, integers, permute, permute_each
from polargen.generators.base import BaseGenerator
from polargen.generators.catalogue import CATALOGUE, MACHINE_TIERS
from polargen.generators.totals import Totals
from polargen.generators.world_days import changed_later
from polargen.generators.world_products import Products
from polargen.plan import Plan
from polargen.schema import Table
from polargen.schema.masters import PRODUCTS

COST_PCT = (55, 80)  # of the price; ASSUMED
DROPPED_SHARE = 0.5  # of the products that nobody bought in the window; ASSUMED
_MACHINE_MODELS = 89  # models 110, 120 ... 990 of a series
_MIN_SKU_DIGITS = 6


class ProductGenerator(BaseGenerator):
    """Makes the rows of `products`."""

    name: ClassVar[str] = "products"
    tables: ClassVar[tuple[Table, ...]] = (PRODUCTS,)
    kinds: ClassVar[tuple[BlockKind, ...]] = ("masters",)
    rows_per_unit: ClassVar[Mapping[str, float]] = {"products": 1.0}

    def generate(self, ctx: BlockContext, upstream: Mapping[str, Frame]) -> Mapping[str, Frame]:
        """Return the products of the block; nothing for a block of another table."""
        if ctx.block.table != PRODUCTS.name:
            return {}
        index = np.arange(ctx.block.first, ctx.block.stop, dtype=np.int64)
        return {PRODUCTS.name: _products(ctx, index)}


def product_names(plan: Plan, products: Products, index: I64) -> pa.Array:
    """Return the names of products, distinct over all of them; e.g. ``Hazelnut Syrup 700 ml``.

    Args:
        index: int64, product_id - 1, in any order.
    """
    words = pools.packaged()["products"]
    lists = [[pools.strings(*part) for part in words[item.name]["parts"]] for item in CATALOGUE]
    sizes = [
        [*map(len, parts), *([] if item.sizes else [_MACHINE_MODELS])]
        for item, parts in zip(CATALOGUE, lists, strict=True)
    ]
    choice = permute_each(
        products.ordinal[index].astype(np.int64),
        products.category[index],
        [pools.domain_of(int(n), s) for n, s in zip(products.parents, sizes, strict=True)],
        [plan.name_key("products.name", code) for code in range(len(CATALOGUE))],
    )
    texts: list[pa.Array] = []
    rows: list[np.ndarray] = []
    for code, category in enumerate(CATALOGUE):
        here = np.flatnonzero(products.category[index] == code)
        *parts, turn = pools.digits(choice[here], sizes[code])
        if not category.sizes:
            text = _machine_names(plan, products, index[here], lists[code][0], *parts)
        else:
            text = pools.joined(
                *(pool.take(pa.array(p)) for pool, p in zip(lists[code], parts, strict=True))
            )
        text = pools.numbered(text, turn, " No. ")
        texts.append(_with_size(text, products, index[here], code))
        rows.append(here)
    place = np.empty(len(index), dtype=np.int64)
    place[np.concatenate(rows)] = np.arange(len(index))
    return pools.marked(pa.concat_arrays(texts).take(pa.array(place)), plan.base)


def _family(products: Products, index: I64) -> I64:
    """Return the index of the product that is varied, or its own."""
    parent = products.parent[index]
    return np.where(parent >= 0, parent, index)


def _machine_names(
    plan: Plan, products: Products, index: I64, series: pa.Array, which: I64, model: I64
) -> pa.Array:
    """Return names like ``Two-Group Espresso Machine Corsa 420``; the kind goes with the price."""
    tiers = pools.packaged()["machines"]
    edges = np.array([edge * 100 for edge in MACHINE_TIERS])
    tier = np.searchsorted(edges, products.price_cents[index], side="right")
    counts = np.array([len(kinds) for kinds in tiers])
    bits = plan.keyed("products.machine_kind", index)
    kind = (np.cumsum(counts) - counts)[tier] + integers(bits, 0, counts[tier] - 1)
    return pools.joined(
        pools.strings(*(kind for kinds in tiers for kind in kinds)).take(pa.array(kind)),
        " ",
        series.take(pa.array(which)),
        " ",
        pa.array(110 + 10 * model).cast(pa.string()),
    )


def _with_size(text: pa.Array, products: Products, index: I64, code: int) -> pa.Array:
    category = CATALOGUE[code]
    if not category.sizes:
        return text
    sizes = pools.strings(*(category.size_format.format(label) for label, _ in category.sizes))
    options = pools.strings("", *(f", {label}" for label in category.options))
    return pools.joined(
        text,
        sizes.take(pa.array(products.size[index])),
        options.take(pa.array(products.option[index] + 1)),
    )


def _labels(lists: list[tuple[str, ...]], code: np.ndarray, which: np.ndarray) -> Gather:
    """Gather one label for each row: ``lists[code][which]``."""
    counts = np.array([len(labels) for labels in lists])
    starts = (np.cumsum(counts) - counts)[code]
    pool = pools.strings(*(label for labels in lists for label in labels))
    return Gather((starts + which).astype(np.int32), pool)


def _products(ctx: BlockContext, index: I64) -> Frame:
    plan, products = ctx.plan, ctx.world.products
    totals = Totals.zero(plan.companies, plan.products) if ctx.totals is None else ctx.totals
    price = products.price_cents[index]
    parent = products.parent[index]
    opening = (products.reorder_point + products.reorder_quantity)[index]
    closing, sold = totals.closing_stock[index], totals.total_sold[index]
    created_at = products.created_at[index]
    percent = integers(plan.keyed("products.unit_cost", _family(products, index)), *COST_PCT)
    dropped = (sold == 0) & chance(plan.keyed("products.is_active", index), DROPPED_SHARE)
    maker, description = _makers(plan, products, index)
    columns = {
        "product_id": index + 1,
        "sku": _skus(plan, products, index),
        "name": product_names(plan, products, index),
        "description": description,
        "category": products.category[index],
        "unit_price": price,
        "unit_cost": half_up(price * percent, 100),
        "is_variant": parent >= 0,
        "parent_product_id": Nullable(parent.astype(np.int64) + 1, parent >= 0),
        "variant_name": Nullable(_variant_names(products, index), parent >= 0),
        "manufacturer": maker,
        "popularity_rank": products.rank[index],
        "warehouse": products.warehouse[index],
        "reorder_point": products.reorder_point[index],
        "reorder_quantity": products.reorder_quantity[index],
        "opening_stock": opening,
        "stock": np.where(closing < 0, opening, closing).astype(np.int32),
        "total_sold": sold,
        "is_active": ~dropped,
        "created_at": created_at,
        "updated_at": changed_later(
            plan, "products.updated_at", index, created_at, np.full(len(index), plan.start_us)
        ),
    }
    return Frame(PRODUCTS, columns)


def _skus(plan: Plan, products: Products, index: I64) -> pa.Array:
    """Return distinct codes like ``CB-048213``: the category, and a permuted number."""
    size = max(_MIN_SKU_DIGITS, len(str(plan.products)) + 1)
    number = permute(index, 10**size, plan.name_key("products.sku"))
    codes = pools.strings(*(f"{category.code}{plan.base.mark}-" for category in CATALOGUE))
    return pools.joined(
        codes.take(pa.array(products.category[index])), fixed_text("", number, size)
    )


def _variant_names(products: Products, index: I64) -> Gather:
    lists = [(*(label for label, _ in c.sizes), *c.options) or ("",) for c in CATALOGUE]
    code, size, option = products.category[index], products.size[index], products.option[index]
    sizes = np.array([len(category.sizes) for category in CATALOGUE])[code]
    return _labels(lists, code, np.where(option >= 0, sizes + option, np.maximum(size, 0)))


def _makers(plan: Plan, products: Products, index: I64) -> tuple[Gather, pa.Array]:
    """Return manufacturers and descriptions; a family has one maker and one description."""
    words = [pools.packaged()["products"][category.name] for category in CATALOGUE]
    code, family = products.category[index], _family(products, index)
    gathered = []
    for what in ("makers", "facts"):
        lists = [tuple(entry[what]) for entry in words]
        counts: I32 = np.array([len(entry) for entry in lists], dtype=np.int32)
        bits = plan.keyed(f"products.{what}", family)
        gathered.append(_labels(lists, code, integers(bits, 0, counts[code] - 1)))
    maker, fact = gathered
    text = pools.joined(
        fact.pool.take(pa.array(fact.index)),
        ", by ",
        maker.pool.take(pa.array(maker.index)),
        ".",
    )
    return maker, text
