"""The commands around jobs: status, jobs, cancel."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from polargen.cli import options, output
from polargen.cli.watch import Look, watching

if TYPE_CHECKING:
    from polargen.jobs import JobRecord, JobStore

LOOK_SECONDS = 0.25
CANCEL_SECONDS = 10.0
MOST_JOBS = 1000
STATUSES = (
    "queued", "initializing", "generating", "validating", "writing", "completed", "failed",
    "rolling_back", "cancelled",
)  # fmt: skip
_EXIT = {"failed": 1, "cancelled": 130}


@click.command()
@click.option("--job", metavar="ID", help="[default: the latest]")
@click.option("--watch", is_flag=True, help="Show progress until the job ends.")
@options.common_options
@click.pass_context
def status(ctx: click.Context, job: str | None, watch: bool, as_json: bool) -> None:
    """Show how far a job is, and what came of it.

    With --watch the exit code is that of the job: 0 completed, 1 failed, 130 cancelled.

    \b
    Example:
      polargen status
      polargen status --watch
      polargen status --json
    """
    from polargen.jobs import JobStore

    store = JobStore()
    record = _found(store, job)
    if watch:
        record = _watched(store, record)
    if as_json:
        output.show_json(record.to_dict())
    else:
        output.show(_lines(record))
    ctx.exit(_EXIT.get(record.status, 0) if watch else 0)


@click.command()
@click.option("--limit", metavar="N", help="Newest first.  [default: 20]")
@click.option("--status", "wanted", type=click.Choice(STATUSES), help="Only these.")
@options.common_options
def jobs(limit: str | None, wanted: str | None, as_json: bool) -> None:
    """List jobs, those of the HTTP server too.

    \b
    Example:
      polargen jobs
      polargen jobs --status failed --limit 5
    """
    from polargen.jobs import JobStore

    most = options.whole_number("--limit", limit, 1, MOST_JOBS)
    found = JobStore().list(20 if most is None else most, wanted)
    if as_json:
        output.show_json({"jobs": [record.to_dict() for record in found]})
        return
    if not found:
        none = "no jobs yet; polargen generate makes one"
        output.show([none if wanted is None else f"no job is {wanted}"])
        return
    rows = [
        [record.job_id, record.status, f"{_rows(record):,}", record.scenario, _when(record),
         record.target]
        for record in found
    ]  # fmt: skip
    header = ["job", "status", "rows", "scenario", "created (UTC)", "target"]
    output.show(output.table(header, rows, "llrlll"))


@click.command()
@click.argument("job", metavar="ID")
@options.common_options
@click.pass_context
def cancel(ctx: click.Context, job: str, as_json: bool) -> None:
    """Stop a job: what it wrote is rolled back, the earlier data stays as it was.

    \b
    Example:
      polargen cancel job-1a2b3c4d
    """
    from polargen.jobs import JobStore

    store = JobStore()
    record = store.cancel(job)
    end = time.monotonic() + CANCEL_SECONDS
    while not record.ended and time.monotonic() < end:
        time.sleep(LOOK_SECONDS)
        record = _found(store, job)
    if as_json:
        output.show_json(record.to_dict())
    elif record.ended:
        output.show([f"{job} is {record.status}"])
    else:
        output.show([f"{job} is still rolling back; polargen status --job {job} --watch"])
    ctx.exit(1 if record.status in ("completed", "failed") else 0)


def _found(store: JobStore, job: str | None) -> JobRecord:
    """Return a job, or the latest.

    Raises:
        ConfigError: there is none.
    """
    from polargen.errors import ConfigError

    if job is None:
        latest = store.list(1)
        if not latest:
            raise ConfigError("there is no job yet; polargen generate makes one")
        return latest[0]
    record = store.get(job)
    if record is None:
        raise ConfigError(f"--job: there is no job {job!r}, see polargen jobs")
    return record


def _watched(store: JobStore, record: JobRecord) -> JobRecord:
    """Show a job's progress until it ends."""
    with watching(quiet=False) as watch:
        while not record.ended:
            progress: Mapping[str, Any] = record.progress or {}
            watch(
                Look(
                    phase=record.status.replace("_", " "),
                    percent=progress.get("progressPercent"),
                    rows=_rows(record),
                    rows_per_s=progress.get("throughput", 0.0),
                    table=progress.get("currentEntity", ""),
                    seconds_left=progress.get("estimatedTimeRemaining"),
                )
            )
            time.sleep(LOOK_SECONDS)
            record = _found(store, record.job_id)
    return record


def _lines(record: JobRecord) -> list[str]:
    progress = record.progress or {}
    config = record.config or {}
    said = [
        ["job", record.job_id],
        ["status", record.status],
        ["scenario", f"{record.scenario}, {config.get('startDate')} to {config.get('endDate')}, "
                     f"seed {config.get('seed')}, multiplier {config.get('volumeMultiplier')}"],
        ["target", record.target],
        ["created", _when(record)],
        ["progress", f"{progress.get('progressPercent', 0)} %, {_rows(record):,} rows, "
                     f"{progress.get('throughput', 0):,.0f} rows/s"],
    ]  # fmt: skip
    if not record.ended and progress.get("currentEntity"):
        said.append(["at", str(progress["currentEntity"])])
    if record.completed_at:
        said.append(["ended", record.completed_at])
    if record.error is not None:
        said.append(["error", str(record.error["message"])])
    return output.table(said[0], said[1:])


def _rows(record: JobRecord) -> int:
    return sum((record.progress or {}).get("recordsGenerated", {}).values())


def _when(record: JobRecord) -> str:
    return record.created_at[:19].replace("T", " ")
