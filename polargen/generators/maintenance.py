"""Maintenance visits: rows, and the labels of maintenance_failure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import pyarrow as pa

from polargen import anomalies, pools
from polargen.blocks import BlockContext, BlockKind
from polargen.columns import Array, Frame, Gather, Nullable, Values
from polargen.draw import I64, chance, integers
from polargen.generators.base import BaseGenerator
from polargen.generators.visit_work import (
    Fault,
    fault_columns,
    find_faults,
    report_pool,
    work_columns,
)
from polargen.generators.visits import (
    ANOMALY,
    CHAIN,
    REQUESTED,
    Course,
    course,
    visit_bits,
)
from polargen.schema import Table
from polargen.schema.service import (
    DELAY_REASONS,
    MAINTENANCE_VISITS,
    SEVERITIES,
)

BARISTA_SHARE = 0.25  # ASSUMED
SIGNIFICANT_DELAY_DAYS = 3  # Source: DOMAIN


class MaintenanceGenerator(BaseGenerator):
    """Makes visits of technicians and the labels of maintenance_failure."""

    name: ClassVar[str] = "maintenance"
    tables: ClassVar[tuple[Table, ...]] = (MAINTENANCE_VISITS,)
    kinds: ClassVar[tuple[BlockKind, ...]] = ("visits",)
    rows_per_unit: ClassVar[Mapping[str, float]] = {"maintenance_visits": 1.1}

    def generate(self, ctx: BlockContext, upstream: Mapping[str, Frame]) -> Mapping[str, Frame]:
        """Return the visits of one block; label those that failed."""
        visits = course(ctx)
        fault = find_faults(ctx, visits)
        frame = Frame(
            MAINTENANCE_VISITS,
            {
                **_course_columns(ctx, visits),
                **fault_columns(visits, fault),
                **work_columns(ctx, visits, fault),
                **_report_columns(ctx, visits, fault),
            },
        )
        _label(ctx, visits, fault)
        return {MAINTENANCE_VISITS.name: frame}


def _course_columns(ctx: BlockContext, visits: Course) -> dict[str, Values]:
    delay_days = np.where(visits.arrived, visits.arrival_day - visits.scheduled_day, 0)
    reason = integers(visit_bits(ctx, visits, "delay_reason"), 0, len(DELAY_REASONS) - 1)
    barista = integers(visit_bits(ctx, visits, "barista_name"), 0, visits.technicians - 1)
    trains = chance(visit_bits(ctx, visits, "barista_goes"), BARISTA_SHARE)
    return {
        "visit_id": visits.visit_id,
        "company_id": visits.company_id,
        "branch_id": Nullable(visits.branch_id, visits.branch_id > 0),
        "root_visit_id": Nullable(visits.root_id, visits.root_id != visits.visit_id),
        "visit_number": (visits.slot % CHAIN + 1).astype(np.int32),
        "visit_type": visits.kind,
        "status": visits.status,
        "scheduled_date": visits.scheduled_day,
        "actual_arrival_at": Nullable(visits.arrival_us, visits.arrived),
        "resolution_at": Nullable(visits.resolution_us, visits.resolved),
        "delay_days": delay_days.astype(np.int32),
        "delay_reason": Nullable(reason.astype(np.uint8), delay_days > 0),
        "is_significant_delay": delay_days > SIGNIFICANT_DELAY_DAYS,
        "technician_name": _people(ctx, "maintenance_visits.technician_name", visits.technician),
        "barista_name": Nullable(_people(ctx, "maintenance_visits.barista_name", barista), trains),
        "created_at": visits.created_us,
        "updated_at": visits.updated_us,
    }


def _report_columns(ctx: BlockContext, visits: Course, fault: Fault) -> dict[str, Values]:
    written = fault.report >= 0
    return {
        "report": Nullable(Gather(np.maximum(fault.report, 0), report_pool()), written),
        "report_signed_by": Nullable(_managers(ctx, visits), written),
    }


def _managers(ctx: BlockContext, visits: Course) -> Gather:
    """Return who runs each visit's site: the names of its company or branch."""
    own, place = np.unique(visits.company_id - 1, return_inverse=True)
    other, branch_place = np.unique(np.maximum(visits.branch_id - 1, 0), return_inverse=True)
    names = pa.concat_arrays(
        [
            _names(ctx, "companies.manager_name", own),
            _names(ctx, "branches.manager_name", other),
        ]
    )
    return _pooled(names, np.where(visits.branch_id > 0, len(own) + branch_place, place))


def _label(ctx: BlockContext, visits: Course, fault: Fault) -> None:
    """Add one label for each plain field that maintenance_failure changed.

    A fault that it brings has reasons too, a list that follows from problem_occurred. Severity:
    low on a periodic visit without a fault, medium with one, high where the customer had asked
    for the visit.
    """
    rows = np.flatnonzero(visits.failed)
    new = np.flatnonzero(visits.failed & ~fault.base_occurred)
    severity = np.select(
        [visits.kind == REQUESTED, fault.base_occurred],
        [SEVERITIES.index("high"), SEVERITIES.index("medium")],
        SEVERITIES.index("low"),
    ).astype(np.uint8)
    cluster = anomalies.window_of(ctx.plan, visits.scheduled_day).astype(np.int64)

    def add(field: str, at: I64, original: Array | Nullable, injected: Array | Nullable) -> None:
        ctx.labels.add(
            ANOMALY,
            MAINTENANCE_VISITS.name,
            field,
            visits.visit_id[at],
            original,
            injected,
            severity[at],
            visits.resolution_us[at],
            cluster[at],
        )

    def some(column: Nullable, at: I64) -> Nullable:
        assert isinstance(column.values, np.ndarray)
        return Nullable(column.values[at], column.valid[at])

    add("status", rows, visits.base_status[rows], visits.status[rows])
    add("problem_occurred", new, fault.base_occurred[new], fault.occurred[new])
    add(
        "resolution_status",
        rows,
        some(fault.base_resolution, rows),
        some(fault.resolution, rows),
    )
    add(
        "non_resolution_reason",
        rows,
        some(fault.base_non_resolution, rows),
        some(fault.non_resolution, rows),
    )
    pool = report_pool()
    add(
        "report",
        rows,
        pool.take(pa.array(fault.base_report[rows])),
        pool.take(pa.array(fault.report[rows])),
    )


def _people(ctx: BlockContext, name: str, index: I64) -> Gather:
    """Return the names of people by their number."""
    people, place = np.unique(index, return_inverse=True)
    return _pooled(_names(ctx, name, people), place)


def _names(ctx: BlockContext, name: str, index: I64) -> pa.Array:
    plan = ctx.plan
    return pools.person_names(index, plan.name_key(name), plan.scenario.locale, plan.seed)


def _pooled(names: pa.Array, place: I64) -> Gather:
    """Return names by their place, each of them once in the pool."""
    coded = names.dictionary_encode()
    index = coded.indices.to_numpy(zero_copy_only=False)[place]
    return Gather(index.astype(np.int32), coded.dictionary)
