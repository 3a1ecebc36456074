"""What a plan will cost: expected rows and bytes of each table, and whether there is room."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polargen.blocks import blocks_of
from polargen.errors import LimitError
from polargen.generators import all_tables, generators
from polargen.options import RunOptions
from polargen.plan import Plan
from polargen.plan.shares import HORIZON_DAYS

# Bytes a row; measured on peak-season of 600 thousand rows, default compression.
BYTES_PER_ROW: Mapping[str, Mapping[str, float]] = {
    "parquet": {
        "companies": 160,
        "orders": 60,
        "order_items": 16,
        "payments": 24,
        "refunds": 92,
        "inventory_movements": 16,
        "shipments": 33,
        "discounts": 14,
        "audit_logs": 8,
        "anomaly_labels": 15,
    },
    "csv": {
        "companies": 600,
        "orders": 430,
        "order_items": 93,
        "payments": 116,
        "refunds": 384,
        "inventory_movements": 104,
        "shipments": 304,
        "discounts": 89,
        "maintenance_visits": 517,
        "audit_logs": 112,
        "anomaly_labels": 117,
    },
    "json": {
        "companies": 1283,
        "orders": 909,
        "refunds": 578,
        "shipments": 497,
        "products": 551,
        "maintenance_visits": 970,
        "discounts": 220,
        "audit_logs": 222,
    },
    "postgresql": {  # with indexes
        "users": 820,
        "companies": 1014,
        "branches": 557,
        "products": 584,
        "orders": 557,
        "order_items": 241,
        "payments": 239,
        "refunds": 703,
        "inventory_movements": 209,
        "shipments": 369,
        "discounts": 205,
        "maintenance_visits": 1084,
        "audit_logs": 174,
        "anomaly_labels": 210,
    },
}
OTHER_BYTES = {
    "parquet": 70.0,
    "csv": 250.0,
    "json": 300.0,
    "postgresql": 250.0,
    "memory": 150.0,
    "none": 0.0,
}
WORKER_BYTES = 400 * 2**20  # peak of a process at blocks of the largest size
LABELS_EACH = 2.2  # a labelled order
PAYMENTS_EACH = 1.05  # a paid order; this and the next are measured
REFUNDS_EACH = 0.035
MOVEMENTS_EACH = 4.3  # an accepted order
MASTER_BYTES = 250  # of the world, a row of the masters


@dataclass(frozen=True)
class Estimate:
    """Expected size of a run.

    Attributes:
        rows: by table; exact for masters, orders and visits' roots.
        bytes: by table, for a format.
        blocks: number of blocks.
    """

    rows: Mapping[str, int]
    bytes: Mapping[str, int]
    blocks: int

    @property
    def total_rows(self) -> int:
        """Rows of all tables."""
        return sum(self.rows.values())

    @property
    def total_bytes(self) -> int:
        """Bytes of all tables."""
        return sum(self.bytes.values())

    def check(self, options: RunOptions) -> None:
        """Refuse a run that is too large for its limits or its disk.

        Raises:
            LimitError: names the table or the folder, what is needed and what there is.
        """
        if options.max_records is not None:
            for name, rows in self.rows.items():
                if rows > options.max_records:
                    raise LimitError(
                        f"{name}: about {rows:,} rows are planned, the limit is "
                        f"{options.max_records:,}; lower --multiplier or raise --max-records"
                    )
        self._check_memory(options)
        if not options.out:
            return
        folder = Path(options.out).expanduser().resolve()
        while not folder.exists():
            folder = folder.parent
        disk = shutil.disk_usage(folder)
        free = disk.free
        wanted = sum(
            size
            for name, size in self.bytes.items()
            if options.tables is None or name in options.tables
        )
        if disk.total and wanted > free:  # a file system without a size tells nothing
            raise LimitError(
                f"{options.out}: about {wanted / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are "
                "free; lower --multiplier or choose another disk"
            )

    def _check_memory(self, options: RunOptions) -> None:
        available = available_memory()
        masters = sum(self.rows[name] for name in ("users", "companies", "branches", "products"))
        each = WORKER_BYTES + MASTER_BYTES * masters
        wanted = each * (options.workers or 1)
        wanted += self.total_bytes if options.format == "memory" else 0
        if available is not None and wanted > available:
            raise LimitError(
                f"memory: about {wanted / 1e9:.1f} GB are needed, {available / 1e9:.1f} GB are "
                "free; lower --multiplier or --workers, or write files"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "rows": dict(self.rows),
            "bytes": dict(self.bytes),
            "totalRows": self.total_rows,
            "totalBytes": self.total_bytes,
            "blocks": self.blocks,
        }


def available_memory() -> int | None:
    """Return the bytes of memory that are free for new work, None where the system hides it."""
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
    except OSError:
        return None
    found = [line.split()[1] for line in text.splitlines() if line.startswith("MemAvailable:")]
    return int(found[0]) * 1024 if found else None


def estimate(plan: Plan, format_name: str = "parquet") -> Estimate:
    """Return what to expect of a plan, from each generator's rows for a unit of its blocks."""
    units: dict[str, float] = {"orders": plan.orders + plan.duplicates, "visits": plan.visits}
    units["user_days"] = plan.users * plan.days
    exact = {
        "users": plan.users,
        "companies": plan.companies,
        "branches": plan.branches,
        "products": plan.products,
    }
    orders = units["orders"]
    rows = dict.fromkeys(all_tables(), 0.0)
    for generator in generators():
        for name, each in generator.rows_per_unit.items():
            kind = "orders" if "orders" in generator.kinds else generator.kinds[0]
            rows[name] += each * units.get(kind, 0.0)
    _follow_shares(plan, rows)
    rows["audit_logs"] += 1.4 * units["user_days"] + 4 * units["visits"] + 1.7 * plan.days
    rows["anomaly_labels"] = LABELS_EACH * plan.anomaly_rate * orders if plan.anomaly_types else 0
    rows.update(exact)
    sizes = BYTES_PER_ROW.get(format_name, {})
    other = OTHER_BYTES.get(format_name, OTHER_BYTES["parquet"])
    whole = {name: round(count) for name, count in rows.items()}
    return Estimate(
        rows=whole,
        bytes={name: round(count * sizes.get(name, other)) for name, count in whole.items()},
        blocks=len(blocks_of(plan)),
    )


def _follow_shares(plan: Plan, rows: dict[str, float]) -> None:
    """Scale what depends on how orders end: payments, refunds, shipments, movements."""
    opened = plan.orders_per_day * (
        1.0 - (1.0 - plan.status.open_chance) * plan.status.deliverable.mean(axis=0)
    )
    delivered_share, cancelled_share, _ = plan.status.finished
    finished = float(plan.orders_per_day.sum() - opened.sum())
    pending = plan.scenario.distributions.order_status.shares()[0]
    waiting = min(float(opened.sum()), pending * float(plan.orders_per_day[-HORIZON_DAYS:].sum()))
    accepted = plan.orders - waiting - finished * cancelled_share
    every = plan.orders_per_day - opened
    recent = float(every[-HORIZON_DAYS:].sum()) * delivered_share
    older = finished * delivered_share - recent
    paid = older + recent * plan.scenario.distributions.payment_status.shares()[0]
    rows["payments"] = PAYMENTS_EACH * paid
    rows["refunds"] = REFUNDS_EACH * paid
    rows["shipments"] = accepted
    rows["inventory_movements"] = MOVEMENTS_EACH * accepted
