"""What a run did: its result, its manifest, and whether the counts agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from polargen.digest import combine
from polargen.errors import RunError
from polargen.executors import BlockResult, GroupResult
from polargen.generators import all_tables
from polargen.manifest import BlockEntry, LabelCount, Manifest, TableEntry
from polargen.options import RunOptions
from polargen.plan import Plan

if TYPE_CHECKING:
    from polargen.checks import Report

LIBRARIES = ("polars", "numpy", "pyarrow", "pydantic", "xxhash")


@dataclass(frozen=True)
class GenerationResult:
    """What a run did.

    Attributes:
        job_id: of the run.
        success: whether it was committed.
        plan: of the run.
        record_counts: rows by table, anomaly_labels among them.
        manifest: as committed.
        frames: rows, of the memory sink.
        report: of the verification, if asked for.
        started_at, completed_at: ISO 8601, UTC.
        duration_ms: from start to end.
        entity_seconds: worker seconds by generator and by "checks", "digests", "sink".
        dry_run: nothing was written.
    """

    job_id: str
    success: bool
    plan: Plan
    record_counts: Mapping[str, int]
    manifest: Manifest
    started_at: str
    completed_at: str
    duration_ms: int
    entity_seconds: Mapping[str, float]
    dry_run: bool
    frames: Mapping[str, Any] = field(default_factory=dict)
    report: Report | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form (camelCase), as the API shows it."""
        tables = all_tables()
        return {
            "jobId": self.job_id,
            "success": self.success,
            "scenario": self.plan.scenario.name,
            "config": self.plan.config.to_dict(),
            "recordCounts": {
                tables[name].json_name: rows for name, rows in self.record_counts.items()
            },
            "errors": [],
            "timing": {
                "startedAt": self.started_at,
                "completedAt": self.completed_at,
                "durationMs": self.duration_ms,
                "entityTiming": {k: round(v, 3) for k, v in self.entity_seconds.items()},
            },
            "dryRun": self.dry_run,
            "seed": self.plan.seed,
            "planHash": self.plan.hash,
            "digests": {name: entry.digest for name, entry in self.manifest.tables.items()},
            "notes": list(self.manifest.notes),
        }


def manifest_of(
    plan: Plan,
    results: Mapping[int, GroupResult],
    options: RunOptions,
    elapsed: float,
) -> Manifest:
    """Return the manifest of a finished run; the sink fills in its parts."""
    blocks, seconds = _blocks(results), seconds_of(results)
    wanted = options.tables
    tables: dict[str, TableEntry] = {}
    for name in all_tables():
        if wanted is not None and name not in wanted:
            continue
        entries = tuple(
            BlockEntry(block.block, group, block.rows[name], block.digests[name])
            for group, block in blocks
            if block.rows.get(name)
        )
        tables[name] = TableEntry(
            sum(entry.rows for entry in entries),
            combine(entry.digest for entry in entries),
            blocks=entries,
        )
    labels: dict[str, LabelCount] = {}
    for _, block in blocks:
        for kind, (eligible, labelled) in block.tally.items():
            before = labels.get(kind, LabelCount(0, 0))
            labels[kind] = LabelCount(before.eligible + eligible, before.labelled + labelled)
    return Manifest(
        polargen=version("polargen"),
        plan_hash=plan.hash,
        scenario=plan.scenario.to_dict(),
        config=plan.config.to_dict(),
        seed=plan.seed,
        libraries={name: version(name) for name in LIBRARIES},
        format=options.format,
        compression=options.compression,
        tables=tables,
        labels=dict(sorted(labels.items())),
        notes=(*plan.notes, *(str(item) for item in plan.unmet)),
        timings={"total": round(elapsed, 3), **{k: round(v, 3) for k, v in seconds.items()}},
    )


def verify_counts(
    plan: Plan, results: Mapping[int, GroupResult], tables: tuple[str, ...] | None
) -> None:
    """Compare planned with made and made with written rows (R05).

    Raises:
        RunError: they differ.
    """
    made = record_counts(results)
    for name, planned in planned_rows(plan).items():
        if made[name] != planned:
            raise RunError(
                f"{name}: {planned:,} rows planned but {made[name]:,} made; the run was rolled "
                "back, please report this scenario"
            )
    for result in results.values():
        written: dict[str, int] = {}
        for part in result.parts:
            written[part.table] = written.get(part.table, 0) + part.rows
        for name, rows in written.items():
            wanted = sum(block.rows.get(name, 0) for block in result.blocks)
            if rows != wanted:
                raise RunError(
                    f"{name}: group {result.group} made {wanted:,} rows but {rows:,} were "
                    "written; the run was rolled back, run it again"
                )


def planned_rows(plan: Plan) -> dict[str, int]:
    """Return the rows of the tables whose count the plan decides."""
    return {
        "users": plan.users,
        "companies": plan.companies,
        "branches": plan.branches,
        "products": plan.products,
        "orders": plan.orders + plan.duplicates,
    }


def _blocks(results: Mapping[int, GroupResult]) -> list[tuple[int, BlockResult]]:
    """Return (group, block) of all groups in block order."""
    pairs = [(group, block) for group, result in results.items() for block in result.blocks]
    return sorted(pairs, key=lambda pair: pair[1].block)


def record_counts(results: Mapping[int, GroupResult]) -> dict[str, int]:
    counts = dict.fromkeys(all_tables(), 0)
    for _, block in _blocks(results):
        for name, rows in block.rows.items():
            counts[name] += rows
    return counts


def seconds_of(results: Mapping[int, GroupResult]) -> dict[str, float]:
    seconds: dict[str, float] = {}
    for result in results.values():
        for name, spent in result.seconds.items():
            seconds[name] = seconds.get(name, 0.0) + spent
    return dict(sorted(seconds.items()))
