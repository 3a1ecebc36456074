"""What a plan will cost: expected rows and bytes of each table, and whether there is room."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polargen.blocks import blocks_of
from polargen.errors import LimitError
from polargen.generators import all_tables, generators
from polargen.plan import Plan

if TYPE_CHECKING:
    from polargen.orchestrator import RunOptions

# Bytes a row, measured on normal-ops of 20 million rows; see benchmarks/README.md.
BYTES_PER_ROW: Mapping[str, Mapping[str, float]] = {
    "parquet": {
        "orders": 95,
        "order_items": 20,
        "inventory_movements": 18,
        "shipments": 55,
        "payments": 40,
        "discounts": 15,
        "refunds": 90,
        "maintenance_visits": 130,
        "audit_logs": 16,
        "anomaly_labels": 20,
    },
    "csv": {"orders": 620, "shipments": 420, "maintenance_visits": 800},
    "json": {"orders": 1150, "shipments": 640, "maintenance_visits": 1500},
}
OTHER_BYTES = {"parquet": 80.0, "csv": 150.0, "json": 330.0}
WORKER_BYTES = 600 * 2**20


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
        if not options.out:
            return
        folder = Path(options.out).expanduser().resolve()
        while not folder.exists():
            folder = folder.parent
        free = shutil.disk_usage(folder).free
        wanted = sum(
            size
            for name, size in self.bytes.items()
            if options.tables is None or name in options.tables
        )
        if wanted > free:
            raise LimitError(
                f"{options.out}: about {wanted / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are "
                "free; lower --multiplier or choose another disk"
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
    rows = dict.fromkeys(all_tables(), 0.0)
    for generator in generators():
        for name, each in generator.rows_per_unit.items():
            kind = "orders" if "orders" in generator.kinds else generator.kinds[0]
            rows[name] += each * units.get(kind, 0.0)
    rows["audit_logs"] += 2 * 0.7 * units["user_days"] + 4 * units["visits"] + plan.days * 2
    orders = units["orders"]
    rows["anomaly_labels"] += 3.0 * plan.anomaly_rate * orders if plan.anomaly_types else 0.0
    rows.update(exact)
    sizes = BYTES_PER_ROW.get(format_name, {})
    other = OTHER_BYTES.get(format_name, OTHER_BYTES["parquet"])
    whole = {name: round(count) for name, count in rows.items()}
    return Estimate(
        rows=whole,
        bytes={name: round(count * sizes.get(name, other)) for name, count in whole.items()},
        blocks=len(blocks_of(plan)),
    )
