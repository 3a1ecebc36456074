"""Shipments: dispatch, attempts and delivery of accepted orders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import ClassVar

import numpy as np
import pyarrow as pa

from polargen import calendar, pools
from polargen.blocks import BlockContext
from polargen.columns import Array, Frame, Gather, Nested, Nullable, fixed_text
from polargen.draw import chance, choose, integers
from polargen.generators.base import BaseGenerator
from polargen.generators.book import Book, book_of, happened
from polargen.generators.life import CANCELLED, DELIVERED, FAILED, MAX_ATTEMPTS, NEVER_US
from polargen.generators.market import KEPT_NAMES
from polargen.schema.sales import SHIPMENTS

PENDING, DISPATCHED, IN_TRANSIT, DELIVERED_SHIPMENT, FAILED_SHIPMENT = range(5)
SUCCESS, FAILED_ATTEMPT, RESCHEDULED = range(3)
RESCHEDULED_SHARE = 0.3  # ASSUMED: attempts put off on the customer's wish
FAILURE_SHARES = (0.4, 0.1, 0.2, 0.1, 0.15, 0.05)  # ASSUMED
DROPS_PER_DRIVER = 12  # a delivery day; ASSUMED
DELIVERY_DAYS_A_WEEK = 3
PEAK = 2.0  # busiest day against the mean; ASSUMED
ATTEMPT_NOTES = ("Customer will call back", "Left a note at the door", "Signed by the store keeper")
_NOTE_SHARES = (0.7, 0.1, 0.1, 0.1)


class ShipmentGenerator(BaseGenerator):
    """Makes one shipment for each accepted order that was not cancelled before dispatch."""

    name = "shipments"
    tables = (SHIPMENTS,)
    depends_on = ("orders",)
    rows_per_unit: ClassVar[Mapping[str, float]] = {"shipments": 0.86}

    def generate(self, ctx: BlockContext, upstream: Mapping[str, Frame]) -> dict[str, Frame]:
        """Return the shipments, in the order of the orders; shipment_id equals order_id."""
        book = book_of(ctx)
        life, placing = book.life, book.placing
        has = (life.accepted_us < NEVER_US) & (
            (life.status != CANCELLED) | (life.dispatched_us < NEVER_US)
        )
        at = np.flatnonzero(has)
        delivered = life.delivered_us[at]
        arrived = happened(delivered)
        delay = np.zeros(len(at), dtype=np.int32)
        delay[arrived] = calendar.local_day(delivered[arrived]) - placing.promise[at[arrived]]
        sent = life.dispatched_us[at]
        latest = np.maximum(life.accepted_us[at], np.where(sent < NEVER_US, sent, 0))
        for number, attempt_us in enumerate(life.attempt_us):
            tried = attempt_us.take(at)
            seen = (life.attempts[at] > number) & happened(tried)
            latest = np.maximum(latest, np.where(seen, tried, 0))
        dropped = life.status[at] == CANCELLED
        latest = np.where(dropped, np.maximum(latest, life.cancelled_us[at]), latest)
        driver, names, vehicles = _drivers(ctx, book, at)
        frame = Frame(
            SHIPMENTS,
            {
                "shipment_id": placing.order_id[at],
                "order_id": placing.order_id[at],
                "status": _status(ctx, book, at),
                "scheduled_delivery_date": life.scheduled[at],
                "dispatched_at": Nullable(sent, happened(sent)),
                "actual_delivery_at": Nullable(delivered, arrived),
                "attempt_count": life.attempts[at].astype(np.int32),
                "attempts": _attempts(book, at),
                "delay_days": delay,
                "driver_name": Gather(driver, names),
                "vehicle_id": Gather(driver, vehicles),
                "created_at": life.accepted_us[at],
                "updated_at": latest,
            },
        )
        return {"shipments": frame}


def _status(ctx: BlockContext, book: Book, at: Array) -> Array:
    life = book.life
    sent = life.dispatched_us[at]
    last_morning = book.market.days.midnight[ctx.plan.last_day - book.market.days.first]
    waiting = np.where(happened(sent), np.where(sent >= last_morning, DISPATCHED, IN_TRANSIT),
                       PENDING)  # fmt: skip
    status = np.where(life.attempts[at] > 0, IN_TRANSIT, waiting)
    status = np.where(life.status[at] == DELIVERED, DELIVERED_SHIPMENT, status)
    lost = (life.status[at] == FAILED) | (life.status[at] == CANCELLED)
    return np.where(lost, FAILED_SHIPMENT, status).astype(np.uint8)


def _attempts(book: Book, at: Array) -> Nested:
    life, draws = book.life, book.draws
    n, count = len(at), life.attempts[at]
    offsets = np.zeros(n + 1, dtype=np.int32)
    np.cumsum(count, out=offsets[1:])
    row = np.repeat(np.arange(n), count)
    number = np.arange(len(row), dtype=np.int32) - offsets[row]
    of = at[row]
    last = number == count[row] - 1
    order_status = life.status[of]
    put_off = chance(_bits(draws.u32, "rescheduled", number, of), RESCHEDULED_SHARE)
    why = choose(_bits(draws.u16, "failure_reason", number, of), FAILURE_SHARES)
    note = choose(_bits(draws.u16, "notes", number, of), _NOTE_SHARES)
    won, final = last & (order_status == DELIVERED), last & (order_status == FAILED)
    lost = np.where(put_off & ~final, RESCHEDULED, FAILED_ATTEMPT)
    status = np.where(won, SUCCESS, lost).astype(np.uint8)
    failed = status != SUCCESS
    notes = note.astype(np.int32)
    shown = (notes > 0) & ((notes == len(ATTEMPT_NOTES)) == ~failed)
    return Nested(
        offsets,
        {
            "attempt_number": number + np.int32(1),
            "attempted_at": life.attempt_us[number, of],
            "status": status,
            "failure_reason": Nullable(np.where(failed, why, 0).astype(np.uint8), failed),
            "notes": Nullable(Gather(np.maximum(notes - 1, 0), pa.array(ATTEMPT_NOTES)), shown),
        },
    )


def _bits(draw: Callable[[str], Array], name: str, number: Array, of: Array) -> Array:
    """Return the words of attempts ``number`` (from 0) of orders ``of``."""
    bits = np.stack([draw(f"shipments.{name}_{k}") for k in range(1, MAX_ATTEMPTS + 1)])
    return np.asarray(bits.reshape(-1).take(number * bits.shape[1] + of))


def _drivers(ctx: BlockContext, book: Book, at: Array) -> tuple[Array, pa.Array, pa.Array]:
    """Return each shipment's driver, and the drivers' names and vehicles.

    A warehouse has as many drivers as its busiest delivery day needs.
    """
    plan, block = ctx.plan, ctx.block
    daily = float(plan.orders_per_day.max(initial=0)) / plan.warehouses
    drops = daily * 7.0 / (2 * DELIVERY_DAYS_A_WEEK)
    each = max(2, int(PEAK * drops / DROPS_PER_DRIVER) + 1)
    bits = book.draws.u32("shipments.driver_name")[at]
    local = book.placing.warehouse[at] - block.first_warehouse
    driver = (local * each + integers(bits, 0, each - 1)).astype(np.int32)
    number = np.arange(block.first_warehouse * each, block.stop_warehouse * each, dtype=np.int64)
    key = plan.name_key("shipments.drivers")
    count = plan.warehouses * each
    if count > KEPT_NAMES:
        names = pools.person_names(number, key, plan.scenario.locale, plan.seed, men=True)
    else:
        names = _names(count, key, plan.scenario.locale, plan.seed).take(pa.array(number))
    return driver, names, fixed_text("VH-", number + 1, 5 if number[-1] < 99_999 else 9)


@lru_cache(maxsize=1)
def _names(count: int, key: int, locale: str, seed: int) -> pa.Array:
    """Return all drivers' names, made once in each process."""
    return pools.person_names(np.arange(count, dtype=np.int64), key, locale, seed, men=True)
