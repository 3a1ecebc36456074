"""The orchestrator: joins plan, workers, sinks, checks and progress into one run.

Order of a run: guard, plan, sink opened, facts in parallel, totals added up, masters finished,
counts verified, commit; any failure aborts the sink and leaves the earlier data as it was.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polargen import guard
from polargen.blocks import KINDS, Block, blocks_of, last_key
from polargen.config import MockGeneratorConfig
from polargen.errors import (
    ConfigError,
    Interrupted,
    PolargenError,
    TargetError,
    VerificationError,
)
from polargen.estimate import Estimate, estimate
from polargen.executors import (
    GroupResult,
    LocalExecutor,
    WorkSettings,
    groups_of,
    joined_blocks,
)
from polargen.generators import all_tables
from polargen.generators.totals import Totals
from polargen.options import RunOptions
from polargen.plan import Plan, make_plan
from polargen.progress import Progress, ProgressTracker
from polargen.result import (
    GenerationResult,
    manifest_of,
    planned_rows,
    record_counts,
    seconds_of,
    verify_counts,
)
from polargen.scenario import ScenarioProfile, resolve_scenario
from polargen.sinks import Sink, SinkSettings
from polargen.workers import Workers, workers_for

if TYPE_CHECKING:
    from polargen.checks import Report
    from polargen.database import Database
    from polargen.sinks.claim import Claim

MOST_DATABASE_RECORDS = 10_000_000  # rows of one table that a database gets unasked


__all__ = ["GenerationResult", "MockDataOrchestrator", "RunOptions", "planned_rows"]


class MockDataOrchestrator:
    """Runs one generation.

    Args:
        config: resolved configuration.
        options: how to run.
        scenario: the profile; None to resolve ``config.scenario`` by name or file.
        listener: hears of progress.
        job_id: ``job-`` and eight hex digits; None to draw one.
        workers: that were started already; `execute` ends them.
    """

    def __init__(
        self,
        config: MockGeneratorConfig,
        options: RunOptions | None = None,
        *,
        scenario: ScenarioProfile | None = None,
        listener: Callable[[Progress], None] | None = None,
        job_id: str | None = None,
        workers: Workers | None = None,
    ) -> None:
        self.config = config
        self.options = options or RunOptions()
        self.scenario = scenario or resolve_scenario(config.scenario)
        self.job_id = new_job_id() if job_id is None else job_id
        self._listener = listener
        self._workers = workers or Workers()

    def listen(self, listener: Callable[[Progress], None] | None) -> None:
        """Let someone else hear of progress."""
        self._listener = listener

    def execute(self) -> GenerationResult:
        """Generate, verify and commit.

        Raises:
            ConfigError, LimitError, GuardError: before anything is written.
            TargetError, RunError, VerificationError, Interrupted: the run was rolled back.
        """
        with self._workers:
            return self._execute()

    def _execute(self) -> GenerationResult:
        started, begun = time.perf_counter(), _now()
        plan = make_plan(self.config, self.scenario)
        expected = estimate(plan, self.options.format)
        expected.check(self._limits())
        self._workers.prepare(expected.total_rows, self._count(expected))
        self._guard(expected)
        tracker = ProgressTracker(
            self.job_id, expected.total_rows, len(blocks_of(plan)), self._listener
        )
        tracker.phase("initializing")
        settings, sink = self._opened(plan, expected, tracker)
        plan = settings.plan
        groups = groups_of(plan, settings.blocks_per_group)
        try:
            results = self._generate(settings, groups, sink, tracker, expected)
            tracker.phase("validating")
            verify_counts(plan, results, self.options.tables)
            tracker.phase("writing")
            elapsed = time.perf_counter() - started
            written = tuple(table.name for table in settings.sink.tables)
            options = replace(self.options, tables=written)
            manifest = manifest_of(plan, results, options, elapsed)
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
            record_counts=record_counts(results),
            manifest=manifest,
            started_at=begun,
            completed_at=_now(),
            duration_ms=int((time.perf_counter() - started) * 1000),
            entity_seconds=seconds_of(results),
            dry_run=self.options.format == "none",
            frames=getattr(sink, "frames", {}),
            report=proof.report,
        )

    def _guard(self, expected: Estimate) -> None:
        """Refuse to write where production may be, or where there is no room."""
        if self.options.database is not None:
            from polargen import guard_database
            from polargen.sinks import staging

            needs = guard_database.Needs(
                connections=1 + max(self._count(expected), staging.sessions()),
                bytes=sum(expected.bytes.values()),
            )
            guard_database.check_database_write(self.options.database, os.environ, needs)
        elif self.options.format not in ("none", "memory"):
            guard.check_file_write(os.environ)

    def _limits(self) -> RunOptions:
        if self.options.database is None or self.options.max_records is not None:
            return self.options
        return replace(self.options, max_records=MOST_DATABASE_RECORDS)

    def _opened(
        self, plan: Plan, expected: Estimate, tracker: ProgressTracker
    ) -> tuple[WorkSettings, Sink]:
        """Return the settings of the work, and the sink, opened."""
        settings = self._settings(plan, expected)
        if self.options.database is not None:
            return self._opened_database(settings, tracker)
        sink = settings.sink.open_sink()
        sink.open(settings.plan.hash, self._run_info(), self.options.resume)
        return settings, sink

    def _opened_database(
        self, settings: WorkSettings, tracker: ProgressTracker
    ) -> tuple[WorkSettings, Sink]:
        """Return the settings of the work, and the sink of a database, opened.

        What is in a database already decides where keys begin, so its claim comes before the
        final plan.
        """
        from polargen.sinks.postgres import PostgresSink, make_claim  # takes Polars

        claim = make_claim(settings.sink, tracker.stage)
        try:
            settings = self._claimed(settings, claim)
            sink = settings.sink.open_sink()
            if isinstance(sink, PostgresSink):
                sink.on_stage, sink.claim = tracker.stage, claim
            sink.open(settings.plan.hash, self._run_info(), self.options.resume)
        except BaseException:
            claim.session.close()
            raise
        return settings, sink

    def _run_info(self) -> dict[str, Any]:
        return {"job": self.job_id, "config": self.config.to_dict()}

    def _claimed(self, settings: WorkSettings, claim: Claim) -> WorkSettings:
        """Return settings with the plan, the tables and the keys that the target asks for."""
        plan = settings.plan
        if claim.keys.base != plan.base:
            plan = make_plan(self.config, self.scenario, claim.keys.base)
        claim.check(plan)
        tables = claim.tables(settings.sink.tables)
        last_keys = {table.name: last_key(plan, table.name) for table in tables}
        sink = replace(settings.sink, tables=tables, keys=claim.keys, last_keys=last_keys)
        return replace(settings, plan=plan, sink=sink)

    def _settings(self, plan: Plan, expected: Estimate) -> WorkSettings:
        options, known = self.options, all_tables()
        names = tuple(known) if options.tables is None else options.tables
        unknown = [name for name in names if name not in known]
        if unknown:
            raise ConfigError(
                f"--tables: {', '.join(unknown)} is unknown, must be of {', '.join(known)}"
            )
        joined = joined_blocks(plan)
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
                database=options.database,
                lenient="invalid_data" in plan.anomaly_types,
                job=self.job_id,
            ),
            blocks_per_group=joined,
            check=options.check,
        )

    def _count(self, expected: Estimate) -> int:
        if self.options.format == "memory" and self.options.workers is None:
            return 1
        return workers_for(expected.total_rows, self.options.workers)

    def _generate(
        self,
        settings: WorkSettings,
        groups: Sequence[Sequence[Block]],
        sink: Sink,
        tracker: ProgressTracker,
        expected: Estimate,
    ) -> dict[int, GroupResult]:
        """Make every group that is not there yet; masters last, from the facts' totals."""
        tracker.phase("generating")
        plan = settings.plan
        results: dict[int, GroupResult] = {}
        totals = Totals.zero(plan.companies, plan.products)

        def keep(result: GroupResult, *, kept: bool = False) -> None:
            if not kept:
                kept_for_resume = result.to_json() if sink.resumable else None
                sink.record_group(result.group, result.parts, kept_for_resume)
            if result.totals is not None:
                result.totals.add_to(totals)
            results[result.group] = replace(result, totals=None)
            for block in result.blocks:
                tracker.block_done(block.rows, kept=kept)

        for group, record in sink.existing_groups().items():
            keep(GroupResult.from_json(group, record.parts, record.extra), kept=True)
        masters = [n for n, blocks in enumerate(groups) if blocks[0].kind == "masters"]
        facts = [n for n in range(len(groups)) if n not in results and n not in set(masters)]
        facts.sort(key=lambda n: _work(groups[n]), reverse=True)
        with self._workers:
            executor = LocalExecutor(settings, self._workers, self._count(expected))
            for result in executor.run(facts):
                keep(result)
            for result in executor.run([n for n in masters if n not in results], totals):
                keep(result)
        return results


def _work(group: Sequence[Block]) -> tuple[int, int]:
    """Return what sorts groups by their work: a unit of orders costs most, a user's day least."""
    return KINDS.index(group[-1].kind), sum(block.units for block in group)


def new_job_id() -> str:
    """Return an id for a run: ``job-`` and eight hex digits."""
    return f"job-{secrets.token_hex(4)}"


class _Proof:
    """Every rule, on the finished data set, before it takes the place of the earlier one."""

    def __init__(self) -> None:
        self.report: Report | None = None

    def prove(self, where: Path | Database) -> None:
        self.report = _verified(where)
        if not self.report.ok:
            listed = "; ".join(
                f"{number} ({self.report[number].title}): {self.report[number].breaches:,} rows"
                for number in self.report.failed
            )
            raise VerificationError(f"the data breaks {listed}; the run was rolled back")


def _verified(where: Path | Database) -> Report:
    if isinstance(where, Path):
        from polargen.checks import verify_dataset  # only here: the rules take Polars

        return verify_dataset(where, all_tables())
    from polargen.database_set import verify_database

    return verify_database(where)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
