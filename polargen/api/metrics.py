"""What a server did, for Prometheus; a registry of its own, nothing global."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import psutil
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (1, 5, 15, 60, 300, 1800, 7200, 28800)


@dataclass(frozen=True)
class Live:
    """A job that runs now.

    Attributes:
        pid: of its process.
        records: made so far.
        throughput: records a second.
    """

    pid: int | None
    records: int
    throughput: float


class Metrics:
    """Counters of one server.

    Args:
        running: returns the jobs that run now, by id.
        waiting: returns how many wait.
    """

    def __init__(
        self, running: Callable[[], Mapping[str, Live]], waiting: Callable[[], int]
    ) -> None:
        self._registry = CollectorRegistry()
        self._records = Counter(
            "polargen_records", "Records made by jobs that ended.", registry=self._registry
        )
        self._jobs = Counter(
            "polargen_jobs", "Jobs that ended.", ["status"], registry=self._registry
        )
        self._errors = Counter("polargen_job_errors", "Jobs that failed.", registry=self._registry)
        self._seconds = Histogram(
            "polargen_job_duration_seconds",
            "From start to end of a job.",
            ["status"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._registry.register(_Now(running, waiting))
        ProcessCollector(registry=self._registry)

    def ended(self, status: str, seconds: float, records: int) -> None:
        """Count a job that ended."""
        self._jobs.labels(status).inc()
        self._seconds.labels(status).observe(seconds)
        self._records.inc(records)
        if status == "failed":
            self._errors.inc()

    def text(self) -> bytes:
        """Return all of it in Prometheus' text format."""
        return generate_latest(self._registry)


class _Now(Collector):
    """What is looked up when it is asked for."""

    def __init__(
        self, running: Callable[[], Mapping[str, Live]], waiting: Callable[[], int]
    ) -> None:
        self._running = running
        self._waiting = waiting

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        live = self._running()
        yield GaugeMetricFamily("polargen_jobs_running", "Jobs that run.", value=len(live))
        yield GaugeMetricFamily("polargen_jobs_waiting", "Jobs that wait.", value=self._waiting())
        for name, about, values in (
            (
                "polargen_job_records",
                "Records made so far.",
                {k: v.records for k, v in live.items()},
            ),
            (
                "polargen_job_records_per_second",
                "Records a second.",
                {k: v.throughput for k, v in live.items()},
            ),
            (
                "polargen_job_memory_bytes",
                "Resident memory of a job's processes.",
                {k: memory_bytes(v.pid) for k, v in live.items()},
            ),
        ):
            family = GaugeMetricFamily(name, about, labels=["job"])
            for job, value in values.items():
                family.add_metric([job], value)
            yield family


def memory_bytes(pid: int | None) -> int:
    """Return the resident memory of a process and its children; 0 if it is gone."""
    if pid is None:
        return 0
    total = 0
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            with suppress(psutil.Error):
                total += one.memory_info().rss
    return total
