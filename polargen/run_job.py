"""Runs that are written down as jobs; ``python -m polargen.run_job ID`` runs one that waits.

A waiting job's request holds everything but the connection string, which comes by the environment
(POLARGEN_DATABASE_URL), so that it is never written down and no list of processes shows it.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
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
    plain["out"] = _absolute(options.out)
    if options.database is not None:
        del plain["database"]["url"]
    return {"config": config.to_dict(), "scenario": scenario.to_dict(), "options": plain}


def target_of(options: RunOptions) -> str:
    """Return where a run's rows go, in words."""
    if options.database is not None:
        return f"{options.database.place}, schema {options.database.schema}"
    return _absolute(options.out) or "dry run"


def _absolute(out: str) -> str:
    """Return a folder as any process finds it; "" stays."""
    return str(Path(out).expanduser().absolute()) if out else ""


def write_down(store: JobStore, orchestrator: MockDataOrchestrator) -> None:
    """Write a run down as a job that this process begins now.

    Raises:
        TargetError: the store cannot be written.
        ConfigError: a job of this id is there already.
    """
    store.add(
        orchestrator.job_id,
        scenario=orchestrator.scenario.name,
        target=target_of(orchestrator.options),
        config=orchestrator.config.to_dict(),
        request=request_of(orchestrator.config, orchestrator.scenario, orchestrator.options),
    )
    store.begin(orchestrator.job_id)


def run_recorded(
    store: JobStore | None,
    orchestrator: MockDataOrchestrator,
    listener: Callable[[Progress], None] | None = None,
    note: Callable[[str], None] | None = None,
) -> GenerationResult:
    """Run a generation, whose job has begun, and write down how it goes and ends.

    Args:
        store: None to write nothing down.
        orchestrator: its job id names the job.
        listener: hears of progress too.
        note: hears if the end cannot be written down. The run ends as it would have without.

    Raises:
        PolargenError: as the orchestrator does.
    """
    if store is None:
        orchestrator.listen(listener)
        return orchestrator.execute()
    end = _End(store, orchestrator, note)
    recorder = Recorder(store)

    def hear(progress: Progress) -> None:
        recorder.hear(progress)
        if listener is not None:
            listener(progress)

    orchestrator.listen(hear)
    try:
        result = orchestrator.execute()
    except (KeyboardInterrupt, Interrupted) as error:
        said = str(error).replace(" by Ctrl-C", "") or "stopped; the earlier data is as it was"
        end.write("cancelled", said, exit_code=Interrupted.exit_code)
        raise
    except PolargenError as error:
        failures = None
        if isinstance(error, GuardError):
            failures = [vars(failure) for failure in error.failures]
        end.write("failed", str(error), exit_code=error.exit_code, failures=failures)
        raise
    except BaseException as error:
        said = f"internal error: {type(error).__name__}: {error}"
        end.write("failed", said, exit_code=RunError.exit_code)
        raise
    end.write("completed", result=_result(result, orchestrator.options))
    return result


class _End:
    """How a run ends, written down if that can be done: it must not change how the run ends."""

    def __init__(
        self,
        store: JobStore,
        orchestrator: MockDataOrchestrator,
        note: Callable[[str], None] | None,
    ) -> None:
        self._store = store
        self._job = orchestrator.job_id
        self._database = orchestrator.options.database
        self._note = note

    def write(self, status: str, error: str | None = None, **more: Any) -> None:
        if error is not None and self._database is not None:
            error = self._database.redact(error)
        try:
            self._store.finish(self._job, status, error, **more)
        except PolargenError as why:
            if self._note is not None:
                self._note(f"how the run ended is not written down: {why}")


def run_waiting(job_id: str, environment: Mapping[str, str]) -> int:
    """Run a job that waits, and return its exit code; what went wrong stands in its record.

    Raises:
        ConfigError: there is no such job, or it does not wait any more.
        TargetError: the store cannot be used.
    """
    store = JobStore()
    record = store.begin(job_id)
    if record is None:
        raise ConfigError(f"{job_id}: is not a job that waits, see polargen jobs")
    try:
        orchestrator = _orchestrator(record, environment)
    except PolargenError as error:
        store.finish(job_id, "failed", str(error), exit_code=error.exit_code)
        return error.exit_code
    except KeyboardInterrupt:
        code = Interrupted.exit_code
        store.finish(job_id, "cancelled", "cancelled before it began", exit_code=code)
        return code
    try:
        run_recorded(store, orchestrator, note=_say)
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
    document["out"] = _absolute(options.out) or None
    if options.database is not None:
        document["database"] = options.database.place
        document["schema"] = options.database.schema
    if result.report is not None:
        document["verification"] = result.report.to_dict()
    return document


def _main(arguments: Sequence[str]) -> int:
    signals = (signal.SIGINT, signal.SIGTERM)

    def stop(*_: object) -> None:
        for number in signals:  # another one would break off the rollback
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in signals:
        signal.signal(number, stop)
    try:
        if len(arguments) != 1:
            raise ConfigError("run_job: give the id of one job that waits")
        return run_waiting(arguments[0], os.environ)
    except PolargenError as error:
        _say(str(error))
        return error.exit_code


def _say(text: str) -> None:
    sys.stderr.write(f"polargen: {text}\n")


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
