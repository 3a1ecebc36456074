"""Runs that are written down as jobs; ``python -m polargen.run_job ID`` runs one that waits.

A waiting job's request holds everything but the connection string, which comes by the environment
(POLARGEN_DATABASE_URL), so that it is never written down and no list of processes shows it.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from polargen.config import MockGeneratorConfig
from polargen.database import Database
from polargen.errors import ConfigError, GuardError, Interrupted, PolargenError, RunError
from polargen.jobs import JobRecord, JobStore, Recorder
from polargen.options import RunOptions
from polargen.orchestrator import GenerationResult, MockDataOrchestrator
from polargen.progress import Progress
from polargen.scenario import ScenarioProfile

URL_VARIABLE = "POLARGEN_DATABASE_URL"


def request_of(
    config: MockGeneratorConfig, scenario: ScenarioProfile, options: RunOptions
) -> dict[str, Any]:
    """Return everything that a run needs as JSON values, without the connection string."""
    plain = asdict(options)
    if options.database is not None:
        del plain["database"]["url"]
    return {"config": config.to_dict(), "scenario": scenario.to_dict(), "options": plain}


def target_of(options: RunOptions) -> str:
    """Return where a run's rows go, in words."""
    if options.database is not None:
        return f"{options.database.place}, schema {options.database.schema}"
    return options.out or "dry run"


def run_recorded(
    store: JobStore | None,
    orchestrator: MockDataOrchestrator,
    listener: Callable[[Progress], None] | None = None,
) -> GenerationResult:
    """Run a generation and write down how it goes and ends.

    Args:
        store: None to write nothing down.
        orchestrator: its job id names the job, which is there if it waited.
        listener: hears of progress too.

    Raises:
        PolargenError: as the orchestrator does.
    """
    if store is None:
        orchestrator.listen(listener)
        return orchestrator.execute()
    job = orchestrator.job_id
    if store.get(job) is None:
        store.add(
            job,
            scenario=orchestrator.scenario.name,
            target=target_of(orchestrator.options),
            config=orchestrator.config.to_dict(),
            request=request_of(orchestrator.config, orchestrator.scenario, orchestrator.options),
        )
    if store.begin(job) is None:
        raise ConfigError(f"{job}: does not wait any more, see polargen status --job {job}")
    recorder = Recorder(store)

    def hear(progress: Progress) -> None:
        recorder.hear(progress)
        if listener is not None:
            listener(progress)

    orchestrator.listen(hear)
    try:
        result = orchestrator.execute()
    except (KeyboardInterrupt, Interrupted) as error:
        said = str(error) or "stopped; the run was rolled back"
        store.finish(job, "cancelled", said, exit_code=Interrupted.exit_code)
        raise
    except PolargenError as error:
        failures = None
        if isinstance(error, GuardError):
            failures = [vars(failure) for failure in error.failures]
        said = str(error)
        store.finish(job, "failed", said, exit_code=error.exit_code, failures=failures)
        raise
    except BaseException as error:
        said = f"internal error: {type(error).__name__}: {error}"
        store.finish(job, "failed", said, exit_code=RunError.exit_code)
        raise
    store.finish(job, "completed", result=_result(result, orchestrator.options))
    return result


def run_waiting(job_id: str, environment: Mapping[str, str]) -> int:
    """Run a job that waits, and return its exit code; what went wrong stands in its record."""
    store = JobStore()
    record = store.get(job_id)
    if record is None:
        raise ConfigError(f"{job_id}: there is no such job, see polargen jobs")
    try:
        orchestrator = _orchestrator(record, environment)
    except PolargenError as error:
        store.finish(job_id, "failed", str(error), exit_code=error.exit_code)
        return error.exit_code
    try:
        run_recorded(store, orchestrator)
    except KeyboardInterrupt:
        return Interrupted.exit_code
    except PolargenError as error:
        return error.exit_code
    return 0


def _orchestrator(record: JobRecord, environment: Mapping[str, str]) -> MockDataOrchestrator:
    request = record.request
    if request is None:
        raise ConfigError(f"{record.job_id}: holds nothing to run")
    options = dict(request["options"])
    tables = options["tables"]
    options["tables"] = None if tables is None else tuple(tables)
    if options["database"] is not None:
        url = environment.get(URL_VARIABLE, "")
        grants = tuple(options["database"].pop("grants"))
        options["database"] = Database(url=url, grants=grants, **options["database"])
    return MockDataOrchestrator(
        MockGeneratorConfig.model_validate(request["config"]),
        RunOptions(**options),
        scenario=ScenarioProfile.model_validate(request["scenario"]),
        job_id=record.job_id,
    )


def _result(result: GenerationResult, options: RunOptions) -> dict[str, Any]:
    """Return the result as it is written down."""
    document = result.to_dict()
    entries = result.manifest.tables.values()
    document["bytes"] = sum(part.bytes for entry in entries for part in entry.parts)
    document["format"] = result.manifest.format
    document["out"] = options.out or None
    if options.database is not None:
        document["database"] = options.database.place
        document["schema"] = options.database.schema
    if result.report is not None:
        document["verification"] = result.report.to_dict()
    return document


def _main() -> int:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    return run_waiting(sys.argv[1], os.environ)


if __name__ == "__main__":
    sys.exit(_main())
