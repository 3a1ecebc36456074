"""Runs whose digests are pinned in golden.json: what a change of bytes shows up in.

``python scripts/make_golden.py`` writes the file anew; a change of it is a changelog entry.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from runs import SCENARIOS, Made, run

FILE = Path(__file__).with_name("golden.json")
MONTH = {"start": "2024-01-01", "end": "2024-01-31", "seed": 12345, "multiplier": 0.3}
EVERY_TYPE = [
    "payment_delay",
    "delivery_delay",
    "order_cancellation",
    "maintenance_failure",
    "stock_shortage",
    "duplicate_orders",
    "invalid_data",
]
# 108,000 orders: three segments, eight warehouses, four blocks of orders, every kind of anomaly.
LARGE = "three segments"
LARGE_CHANGES = {
    "entityRates.ordersPerDay": 1800,
    "entityRates.products": 800,
    "anomalyConfig.types": EVERY_TYPE,
    "anomalyRate": 0.2,
}
LARGE_WINDOW = {"start": "2024-02-10", "end": "2024-04-09", "seed": 12345}
NAMES = (*SCENARIOS, LARGE)


def make(name: str, **how: Any) -> Made:
    """Make a pinned run; ``how`` are arguments of `runs.run`."""
    if name == LARGE:
        return run("anomaly-heavy", LARGE_CHANGES, **{**LARGE_WINDOW, **how})
    return run(name, **{**MONTH, **how})


def digests(made: Made) -> dict[str, dict[str, Any]]:
    """Return rows and digest of each table."""
    return {
        name: {"rows": entry.rows, "digest": entry.digest}
        for name, entry in made.result.manifest.tables.items()
    }


def compute(name: str) -> dict[str, Any]:
    """Return what the file holds of a run."""
    made = make(name, options={"format": "none"})
    return {"planHash": made.plan.hash, "tables": digests(made)}


def pinned() -> dict[str, Any]:
    """Return what the file holds."""
    document: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return document


def write() -> None:
    """Compute every run and write the file."""
    document = {name: compute(name) for name in NAMES}
    FILE.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()
