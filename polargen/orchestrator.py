"""The orchestrator: joins plan, workers, sinks, checks and progress into one run.

Order of a run: guard, plan, sink opened, facts in parallel, totals added up, masters finished,
counts verified, commit; any failure aborts the sink and leaves the earlier data as it was.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from polargen import guard
from polargen.blocks import blocks_of
from polargen.checks import Report, verify_dataset
from polargen.config import MockGeneratorConfig
from polargen.digest import combine
from polargen.errors import (
    ConfigError,
    Interrupted,
    PolargenError,
    RunError,
    TargetError,
    VerificationError,
)
from polargen.estimate import Estimate, estimate
from polargen.executors import (
    BlockResult,
    GroupResult,
    LocalExecutor,
    WorkSettings,
    groups_of,
    run_group,
)
from polargen.generators import all_tables
from polargen.generators.totals import Totals
from polargen.manifest import BlockEntry, LabelCount, Manifest, TableEntry
from polargen.plan import Plan, make_plan
from polargen.progress import Progress, ProgressTracker
from polargen.scenario import ScenarioProfile, resolve_scenario
from polargen.sinks import PartRecord, Sink, SinkSettings

SMALL_RUN_ROWS = 400_000  # below this, starting workers costs more than it brings
LIBRARIES = ("polars", "numpy", "pyarrow", "pydantic", "xxhash")


@dataclass(frozen=True)
class RunOptions:
    """How a run is done; nothing here changes content.

    Attributes:
        format: of the sink: parquet, csv, json, memory, or none (dry run).
        out: folder of file formats.
        tables: names of tables to write; None for all.
        workers: processes; None for one a core.
        compression, compression_level: of the sink; None for its default.
        target_file_size_bytes: wanted size of files; None for one file a block and table.
        resume: continue a killed run.
        verify: check every rule over the whole before the commit becomes final.
        check: run the cheap rules on each block.
        max_records: most rows of one table; None for no limit.
    """

    format: str = "none"
    out: str = ""
    tables: tuple[str, ...] | None = None
    workers: int | None = None
    compression: str | None = None
    compression_level: int | None = None
    target_file_size_bytes: int | None = None
    resume: bool = False
    verify: bool = False
    check: bool = True
    max_records: int | None = None


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


class MockDataOrchestrator:
    """Runs one generation.

    Args:
        config: resolved configuration.
        options: how to run.
        scenario: the profile; None to resolve ``config.scenario`` by name or file.
        listener: hears of progress.
    """

    def __init__(
        self,
        config: MockGeneratorConfig,
        options: RunOptions | None = None,
        *,
        scenario: ScenarioProfile | None = None,
        listener: Callable[[Progress], None] | None = None,
    ) -> None:
        self.config = config
        self.options = options or RunOptions()
        self.scenario = scenario or resolve_scenario(config.scenario)
        self.job_id = f"job-{secrets.token_hex(4)}"
        self._listener = listener

    def execute(self) -> GenerationResult:
        """Generate, verify and commit.

        Raises:
            ConfigError, LimitError, GuardError: before anything is written.
            TargetError, RunError, VerificationError, Interrupted: the run was rolled back.
        """
        started, begun = time.perf_counter(), _now()
        if self.options.format not in ("none", "memory"):
            guard.check_file_write(os.environ)
        plan = make_plan(self.config, self.scenario)
        expected = estimate(plan, self.options.format)
        expected.check(self.options)
        settings = self._settings(plan, expected)
        groups = groups_of(plan, settings.blocks_per_group)
        tracker = ProgressTracker(
            self.job_id, expected.total_rows, len(blocks_of(plan)), self._listener
        )
        tracker.phase("initializing")
        sink = settings.sink.open_sink()
        sink.open(plan.hash, {"job": self.job_id, "config": self.config.to_dict()},
                  self.options.resume)  # fmt: skip
        try:
            results = self._generate(settings, groups, sink, tracker, expected)
            tracker.phase("validating")
            _verify_counts(plan, results, self.options.tables)
            tracker.phase("writing")
            seconds = _seconds(results)
            manifest = self._manifest(plan, results, time.perf_counter() - started, seconds)
            proof = _Proof()
            manifest = sink.commit(manifest, proof.prove if self.options.verify else None)
        except KeyboardInterrupt:
            tracker.phase("rolling_back")
            sink.abort()
            tracker.phase("cancelled")
            raise Interrupted(
                "stopped by Ctrl-C; the run was rolled back, the earlier data is as it was"
            ) from None
        except BaseException as error:
            tracker.phase("rolling_back")
            with suppress(PolargenError):
                sink.abort()
            tracker.phase("failed")
            if isinstance(error, OSError):
                raise TargetError(f"writing failed: {error}") from error
            raise
        tracker.phase("completed")
        return GenerationResult(
            job_id=self.job_id,
            success=True,
            plan=plan,
            record_counts=_record_counts(results),
            manifest=manifest,
            started_at=begun,
            completed_at=_now(),
            duration_ms=int((time.perf_counter() - started) * 1000),
            entity_seconds=seconds,
            dry_run=self.options.format == "none",
            frames=getattr(sink, "frames", {}),
            report=proof.report,
        )

    def _settings(self, plan: Plan, expected: Estimate) -> WorkSettings:
        options, known = self.options, all_tables()
        names = tuple(known) if options.tables is None else options.tables
        unknown = [name for name in names if name not in known]
        if unknown:
            raise ConfigError(
                f"--tables: {', '.join(unknown)} is unknown, must be of {', '.join(known)}"
            )
        joined = 1
        if options.target_file_size_bytes is not None:
            largest = max(expected.bytes.values(), default=0)
            orders = sum(block.kind == "orders" for block in blocks_of(plan))
            joined = max(1, options.target_file_size_bytes * orders // max(largest, 1))
        return WorkSettings(
            plan=plan,
            sink=SinkSettings(
                format=options.format,
                folder=options.out,
                tables=tuple(known[name] for name in known if name in names),
                compression=options.compression,
                compression_level=options.compression_level,
                target_file_size_bytes=options.target_file_size_bytes,
                batch_size=self.config.batch_size,
            ),
            blocks_per_group=joined,
            check=options.check,
        )

    def _workers(self, expected: Estimate) -> int:
        if self.options.workers is not None:
            return self.options.workers
        if expected.total_rows < SMALL_RUN_ROWS or self.options.format == "memory":
            return 1
        return (
            len(os.sched_getaffinity(0))
            if hasattr(os, "sched_getaffinity")
            else (os.cpu_count() or 1)
        )

    def _generate(
        self,
        settings: WorkSettings,
        groups: tuple[tuple[Any, ...], ...],
        sink: Sink,
        tracker: ProgressTracker,
        expected: Estimate,
    ) -> dict[int, GroupResult]:
        """Make every group that is not there yet; masters last, from the facts' totals."""
        tracker.phase("generating")
        results: dict[int, GroupResult] = {}
        for group, record in sink.existing_groups().items():
            results[group] = _from_json(group, record.parts, record.extra)
            for block in results[group].blocks:
                tracker.block_done(block.rows, kept=True)
        masters = [n for n, blocks in enumerate(groups) if blocks[0].kind == "masters"]
        facts = [n for n in range(len(groups)) if n not in results and n not in set(masters)]
        facts.sort(key=lambda n: -sum(block.units for block in groups[n]))
        executor = LocalExecutor(settings, self._workers(expected))

        def keep(result: GroupResult) -> None:
            results[result.group] = result
            sink.record_group(result.group, result.parts, _to_json(result))
            for block in result.blocks:
                tracker.block_done(block.rows)

        for result in executor.run(facts):
            keep(result)
        plan = settings.plan
        totals = Totals.zero(plan.companies, plan.products)
        for result in results.values():
            if result.totals is not None:
                totals.add(result.totals)
        for group in masters:
            if group not in results:
                keep(run_group(settings, group, totals))
        return results

    def _manifest(
        self,
        plan: Plan,
        results: Mapping[int, GroupResult],
        elapsed: float,
        seconds: Mapping[str, float],
    ) -> Manifest:
        blocks = _blocks(results)
        wanted = self.options.tables
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
            format=self.options.format,
            compression=self.options.compression,
            tables=tables,
            labels=dict(sorted(labels.items())),
            notes=(*plan.notes, *(str(item) for item in plan.unmet)),
            timings={"total": round(elapsed, 3), **{k: round(v, 3) for k, v in seconds.items()}},
        )


class _Proof:
    """Every rule, on the finished data set, before it takes the place of the earlier one."""

    def __init__(self) -> None:
        self.report: Report | None = None

    def prove(self, folder: Path) -> None:
        self.report = verify_dataset(folder)
        if not self.report.ok:
            listed = "; ".join(
                f"{number} ({self.report[number].title}): {self.report[number].breaches:,} rows"
                for number in self.report.failed
            )
            raise VerificationError(f"the data breaks {listed}; the run was rolled back")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _blocks(results: Mapping[int, GroupResult]) -> list[tuple[int, BlockResult]]:
    """Return (group, block) of all groups in block order."""
    pairs = [(group, block) for group, result in results.items() for block in result.blocks]
    return sorted(pairs, key=lambda pair: pair[1].block)


def _record_counts(results: Mapping[int, GroupResult]) -> dict[str, int]:
    counts = dict.fromkeys(all_tables(), 0)
    for _, block in _blocks(results):
        for name, rows in block.rows.items():
            counts[name] += rows
    return counts


def _seconds(results: Mapping[int, GroupResult]) -> dict[str, float]:
    seconds: dict[str, float] = {}
    for result in results.values():
        for name, spent in result.seconds.items():
            seconds[name] = seconds.get(name, 0.0) + spent
    return dict(sorted(seconds.items()))


def _verify_counts(
    plan: Plan, results: Mapping[int, GroupResult], tables: tuple[str, ...] | None
) -> None:
    """Compare planned with made and made with written rows (R05).

    Raises:
        RunError: they differ.
    """
    made = _record_counts(results)
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


def _to_json(result: GroupResult) -> dict[str, Any]:
    """Return what a resumed run needs of a finished group."""
    return {
        "blocks": [
            {
                "block": block.block,
                "rows": dict(block.rows),
                "digests": dict(block.digests),
                "tally": {kind: list(pair) for kind, pair in block.tally.items()},
            }
            for block in result.blocks
        ],
        "totals": None if result.totals is None else result.totals.to_json(),
        "seconds": dict(result.seconds),
    }


def _from_json(group: int, parts: tuple[PartRecord, ...], extra: Mapping[str, Any]) -> GroupResult:
    blocks = tuple(
        BlockResult(
            block["block"],
            block["rows"],
            block["digests"],
            {kind: (pair[0], pair[1]) for kind, pair in block["tally"].items()},
        )
        for block in extra["blocks"]
    )
    totals = None if extra["totals"] is None else Totals.from_json(extra["totals"])
    return GroupResult(group, parts, blocks, totals, extra["seconds"])
