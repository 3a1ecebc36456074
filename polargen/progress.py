"""The progress tracker: what a run has done and how long the rest will take."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

Status = Literal[
    "initializing",
    "generating",
    "validating",
    "writing",
    "completed",
    "failed",
    "rolling_back",
    "cancelled",
]
MOST_BEFORE_END_PCT = 99


@dataclass
class Progress:
    """One look at a run.

    Attributes:
        job_id: of the run.
        status: phase of the run.
        current_entity: table written last.
        current_batch, total_batches: blocks.
        records: rows by table.
        percent: of planned rows, below 100 before the end.
        throughput: rows a second since the start.
        seconds_left: estimated, None while unknown.
        error_count: errors so far.
        updated_at: ISO 8601, UTC.
    """

    job_id: str
    status: Status = "initializing"
    current_entity: str = ""
    current_batch: int = 0
    total_batches: int = 0
    records: dict[str, int] = field(default_factory=dict)
    percent: int = 0
    throughput: float = 0.0
    seconds_left: float | None = None
    error_count: int = 0
    updated_at: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form (camelCase), as the API shows it."""
        return {
            "jobId": self.job_id,
            "status": self.status,
            "currentEntity": self.current_entity,
            "currentBatch": self.current_batch,
            "totalBatches": self.total_batches,
            "recordsGenerated": dict(self.records),
            "progressPercent": self.percent,
            "estimatedTimeRemaining": self.seconds_left,
            "throughput": round(self.throughput, 1),
            "errorCount": self.error_count,
            "updatedAt": self.updated_at,
        }


class ProgressTracker:
    """Counts what is done and tells whoever listens.

    Args:
        job_id: of the run.
        expected_rows: planned rows of all tables.
        total_batches: blocks of the run.
        listener: called with each change; must not fail.
    """

    def __init__(
        self,
        job_id: str,
        expected_rows: int,
        total_batches: int,
        listener: Callable[[Progress], None] | None = None,
    ) -> None:
        self.progress = Progress(job_id, total_batches=total_batches)
        self._expected = max(expected_rows, 1)
        self._listener = listener
        self._started = time.monotonic()
        self._kept_rows = 0

    def phase(self, status: Status) -> None:
        """Enter a phase."""
        self.progress.status = status
        if status == "completed":
            self.progress.percent = 100
            self.progress.seconds_left = 0.0
        if status == "failed":
            self.progress.error_count += 1
        self._tell()

    def stage(self, what: str) -> None:
        """Show a step of a phase, in the place of the table."""
        self.progress.current_entity = what
        self._tell()

    def block_done(self, rows: Mapping[str, int], *, kept: bool = False) -> None:
        """Count a block's rows; ``kept`` for one that a resumed run found."""
        progress = self.progress
        progress.current_batch += 1
        for table, count in rows.items():
            progress.records[table] = progress.records.get(table, 0) + count
            progress.current_entity = table if count else progress.current_entity
        done = sum(progress.records.values())
        self._kept_rows += sum(rows.values()) if kept else 0
        seconds = max(time.monotonic() - self._started, 1e-6)
        progress.throughput = (done - self._kept_rows) / seconds
        progress.percent = min(MOST_BEFORE_END_PCT, 100 * done // self._expected)
        left = max(self._expected - done, 0)
        progress.seconds_left = (
            round(left / progress.throughput, 1) if progress.throughput > 0 else None
        )
        self._tell()

    def _tell(self) -> None:
        self.progress.updated_at = datetime.now(UTC).isoformat(timespec="milliseconds")
        if self._listener is not None:
            self._listener(self.progress)
