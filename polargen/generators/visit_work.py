"""The work of maintenance visits: the fault, how it ended, parts, services and costs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa

from polargen.blocks import BlockContext
from polargen.columns import Array, Gather, Nested, Nullable, Values
from polargen.draw import I32, I64, U8, Bool, chance, integers
from polargen.generators.visits import (
    CHAIN,
    COMPLETED,
    FOLLOW_UP,
    REQUESTED,
    WAITING,
    Course,
    visit_bits,
)
from polargen.schema.service import (
    NON_RESOLUTION_REASONS,
    PAYERS,
    PROBLEM_REASONS,
    RESOLUTIONS,
)

# Source: DOMAIN, maintenance_visits: .4 of periodic visits find a fault. Those that end unresolved
# (.12 of the .82 that take place) always do, which leaves .297 for the others.
PERIODIC_PROBLEM_SHARE = 0.297
SECOND_REASON_SHARE = 0.3  # ASSUMED
SYNERGYFLOW_PAYS_SHARE = 0.6  # ASSUMED: guarantee or lease
PARTIAL_SHARE = 0.5  # of Follow-up Required, the rest is not solved; ASSUMED
MAX_PARTS = 3  # Source: DOMAIN
MAX_SERVICES = 3  # Source: DOMAIN
MAX_PIECES = 3  # of a part; ASSUMED
MAX_TIMES = 2  # of a service other than the first; ASSUMED
LABOR_EGP = (100, 500)  # Source: DOMAIN

# (name, EGP), ASSUMED within the 50-2500 EGP of DOMAIN: two for each of PROBLEM_REASONS in order,
# then those that suit any fault.
PARTS = (
    ("Grinder burr set", 1450),
    ("Grinder drive belt", 220),
    ("Group head gasket", 95),
    ("Shower screen", 130),
    ("Pressure valve", 640),
    ("Pressure gauge", 310),
    ("Boiler heating element", 1850),
    ("Descaling cartridge", 260),
    ("Rotary pump", 2500),
    ("Pump motor capacitor", 340),
    ("Control board", 2200),
    ("Power switch", 180),
    ("Steam wand tip", 75),
    ("Steam valve seal kit", 150),
    ("Thermostat", 420),
    ("Temperature probe", 380),
    ("Water filter", 290),
    ("O-ring set", 50),
    ("Hose and clamps", 110),
    ("Drip tray", 240),
)
GENERAL_PARTS = len(PARTS) - 2 * len(PROBLEM_REASONS)
# (name, EGP), ASSUMED within the 100-1500 EGP of DOMAIN; the first two open a visit by its type.
SERVICES = (
    ("General inspection", 250),
    ("Call-out on request", 400),
    ("Deep cleaning", 350),
    ("Descaling", 600),
    ("Calibration of grinder", 300),
    ("Pressure and temperature test", 200),
    ("Filter change", 100),
    ("Electrical safety check", 450),
    ("Barista training", 1500),
)
OTHER_SERVICES = len(SERVICES) - 2  # a prime, so that any step visits all of them
REPORTS = (
    (  # completed, no fault
        "Inspection done, machine in good order.",
        "Cleaned and calibrated, no fault found.",
        "Routine service done, all values within limits.",
        "Machine serviced, next visit as planned.",
    ),
    (  # completed, fault solved
        "Fault repaired, machine tested and handed over.",
        "Worn part replaced, machine runs normally.",
        "Fault found and solved, staff informed.",
        "Repair finished, test brew without complaint.",
    ),
    (  # follow-up required
        "Fault not solved yet, another visit is needed.",
        "Machine runs for the time being, cause still to be found.",
        "Repair could not be finished, follow-up agreed with the site.",
        "Fault came back during the test, follow-up required.",
    ),
    (  # waiting for parts
        "Spare part ordered, repair follows when it arrives.",
        "Fault located, the part is not in stock.",
        "Machine secured, waiting for the spare part.",
        "Replacement part requested from the manufacturer.",
    ),
)
_REPORTS_EACH = len(REPORTS[0])
_NO_REASON = len(PROBLEM_REASONS)
_SOLVED, _PARTIAL, _WAITING_PARTS, _NOT_SOLVED = range(len(RESOLUTIONS))


@dataclass(frozen=True)
class Fault:
    """What was wrong and how it ended; the ``base_`` arrays tell it without anomalies.

    Attributes:
        first, second: int64, codes of the fault's reasons; `_NO_REASON` for no second one.
        resolution, non_resolution: uint8 codes, meaningless where the outcome has none.
        report: int32, into the pool of reports; -1 for none.
    """

    base_occurred: Bool
    occurred: Bool
    first: I64
    second: I64
    base_resolution: Nullable
    resolution: Nullable
    base_non_resolution: Nullable
    non_resolution: Nullable
    base_report: I32
    report: I32


def find_faults(ctx: BlockContext, visits: Course) -> Fault:
    status, base = visits.status, visits.base_status
    requested = visits.kind == REQUESTED
    follows = visits.visit_id != visits.root_id
    found = visits.arrived & chance(
        visit_bits(ctx, visits, "problem_occurred"), PERIODIC_PROBLEM_SHARE
    )
    base_occurred = requested | follows | found | (base == FOLLOW_UP) | (base == WAITING)
    occurred = base_occurred | visits.failed
    # The fault is the chain's, so its reasons are drawn once for each root.
    of_root = visits.slot // CHAIN
    roots = ctx.block.stop - ctx.block.first
    bits = ctx.stream("maintenance_visits.problem_reasons").u32(3 * roots).reshape(3, roots)
    first = integers(bits[0], 0, len(PROBLEM_REASONS) - 1)
    second = (first + integers(bits[1], 1, len(PROBLEM_REASONS) - 1)) % len(PROBLEM_REASONS)
    second = np.where(chance(bits[2], SECOND_REASON_SHARE), second, _NO_REASON)
    partial = chance(visit_bits(ctx, visits, "resolution_status"), PARTIAL_SHARE)
    why_not = integers(
        visit_bits(ctx, visits, "non_resolution_reason"), 1, len(NON_RESOLUTION_REASONS) - 1
    )
    text = integers(visit_bits(ctx, visits, "report"), 0, _REPORTS_EACH - 1)
    return Fault(
        base_occurred=base_occurred,
        occurred=occurred,
        first=first[of_root],
        second=second[of_root],
        base_resolution=_resolution(base, base_occurred, partial),
        resolution=_resolution(status, occurred, partial & ~visits.failed),
        base_non_resolution=_non_resolution(base, why_not),
        non_resolution=_non_resolution(status, why_not),
        base_report=_report(base, base_occurred, text),
        report=_report(status, occurred, text),
    )


def _resolution(status: U8, occurred: Bool, partial: Bool) -> Nullable:
    unsolved = np.where(partial, _PARTIAL, _NOT_SOLVED)
    code = np.select([status == COMPLETED, status == WAITING], [_SOLVED, _WAITING_PARTS], unsolved)
    ended = (status == COMPLETED) | (status == WAITING) | (status == FOLLOW_UP)
    return Nullable(code.astype(np.uint8), occurred & ended)


def _non_resolution(status: U8, why_not: I64) -> Nullable:
    # The first reason is the missing part's; the others go with every other end.
    code = np.where(status == WAITING, 0, why_not).astype(np.uint8)
    return Nullable(code, (status == WAITING) | (status == FOLLOW_UP))


def _report(status: U8, occurred: Bool, text: I64) -> I32:
    outcome = np.select(
        [status == COMPLETED, status == FOLLOW_UP, status == WAITING],
        [occurred.astype(np.int64), 2, 3],
        -1,
    )
    return np.where(outcome < 0, -1, outcome * _REPORTS_EACH + text).astype(np.int32)


def fault_columns(visits: Course, fault: Fault) -> dict[str, Values]:
    both = np.stack([fault.first, fault.second], axis=1)
    shown = fault.occurred[:, None] & (both < _NO_REASON)
    return {
        "problem_occurred": fault.occurred,
        "problem_reasons": Nested(_offsets(shown), {"item": both[shown].astype(np.uint8)}),
        "resolution_status": fault.resolution,
        "non_resolution_reason": fault.non_resolution,
    }


def work_columns(ctx: BlockContext, visits: Course, fault: Fault) -> dict[str, Values]:
    n = len(visits.slot)
    # Parts belong to faults of the base world, so that an anomaly costs nothing.
    parts = integers(visit_bits(ctx, visits, "spare_parts"), 0, MAX_PARTS)
    parts = np.where(visits.arrived & fault.base_occurred, parts, 0)
    part, shown_parts = _parts(visit_bits(ctx, visits, "part"), fault), _first(parts, MAX_PARTS)
    part_pieces = np.stack(
        [
            integers(visit_bits(ctx, visits, f"part_quantity.{k}"), 1, MAX_PIECES)
            for k in range(MAX_PARTS)
        ],
        axis=1,
    )
    services = integers(visit_bits(ctx, visits, "services"), 1, MAX_SERVICES)
    services = np.where(visits.arrived, services, 0)
    service = _services(visit_bits(ctx, visits, "service"), visits.kind)
    shown_services = _first(services, MAX_SERVICES)
    times = np.ones((n, MAX_SERVICES), dtype=np.int64)
    times[:, 1:] = integers(visit_bits(ctx, visits, "service_quantity"), 1, MAX_TIMES)[:, None]
    part_cents = _cents(PARTS)[part]
    service_cents = _cents(SERVICES)[service]
    labor = integers(visit_bits(ctx, visits, "labor_cost"), *LABOR_EGP) * 100
    labor = np.where(visits.arrived, labor, 0)
    parts_cost = (part_cents * part_pieces * shown_parts).sum(axis=1)
    services_cost = (service_cents * times * shown_services).sum(axis=1)
    return {
        "spare_parts": Nested(
            _offsets(shown_parts),
            {
                "name": Gather(
                    part[shown_parts].astype(np.int32), _texts(tuple(name for name, _ in PARTS))
                ),
                "quantity": part_pieces[shown_parts].astype(np.int32),
                "unit_price": part_cents[shown_parts],
                "paid_by": _payers(ctx, visits, "part_paid_by", shown_parts),
            },
        ),
        "services": Nested(
            _offsets(shown_services),
            {
                "name": Gather(
                    service[shown_services].astype(np.int32),
                    _texts(tuple(name for name, _ in SERVICES)),
                ),
                "cost": service_cents[shown_services],
                "quantity": times[shown_services].astype(np.int32),
                "paid_by": _payers(ctx, visits, "service_paid_by", shown_services),
            },
        ),
        "parts_cost": parts_cost,
        "services_cost": services_cost,
        "labor_cost": labor,
        "total_cost": parts_cost + services_cost + labor,
    }


def _parts(bits: Array, fault: Fault) -> I64:
    """Return three distinct parts a visit, those of its faults first: int64, shape (n, 3)."""
    variant = integers(bits, 0, 2 * GENERAL_PARTS - 1)
    own = 2 * fault.first + variant % 2
    other = np.where(
        fault.second < _NO_REASON, 2 * fault.second, 2 * fault.first + (variant + 1) % 2
    )
    general = 2 * len(PROBLEM_REASONS) + variant // 2
    return np.stack([own, other, general], axis=1)


def _services(bits: Array, kind: U8) -> I64:
    """Return three distinct services a visit, first the one of its type: int64, shape (n, 3)."""
    pair = integers(bits, 0, OTHER_SERVICES * (OTHER_SERVICES - 1) - 1)
    second = pair % OTHER_SERVICES
    third = (second + 1 + pair // OTHER_SERVICES) % OTHER_SERVICES
    return np.stack([kind.astype(np.int64), second + 2, third + 2], axis=1)


def report_pool() -> pa.Array:
    """Return the sentences of all outcomes; `Fault.report` points into them."""
    return _texts(tuple(text for outcome in REPORTS for text in outcome))


def _payers(ctx: BlockContext, visits: Course, name: str, shown: Bool) -> U8:
    words = np.stack(
        [visit_bits(ctx, visits, f"{name}.{k}") for k in range(shown.shape[1])], axis=1
    )
    by_customer = ~chance(words[shown], SYNERGYFLOW_PAYS_SHARE)
    return np.where(by_customer, PAYERS.index("customer"), PAYERS.index("company")).astype(np.uint8)


def _first(count: I64, most: int) -> Bool:
    """Return a mask of shape (n, most) with the first ``count`` of each row set."""
    return np.asarray(np.arange(most) < count[:, None])


def _offsets(shown: Bool) -> I32:
    """Return the list offsets of the set cells of each row."""
    ends = np.cumsum(shown.sum(axis=1), dtype=np.int32)
    return np.concatenate([np.zeros(1, dtype=np.int32), ends])


def _cents(prices: tuple[tuple[str, int], ...]) -> I64:
    return np.array([100 * pounds for _, pounds in prices], dtype=np.int64)


@lru_cache(maxsize=8)
def _texts(texts: tuple[str, ...]) -> pa.Array:
    return pa.array(texts, type=pa.string())
