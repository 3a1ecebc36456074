"""Loads of a real database, and faults at their stages.

Run as a program it loads in a process of its own, and kills it at a stage:
``python loads.py URL STAGE SEED MODE``.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from runs import config, profile

from polargen.database import Database, LoadMode
from polargen.orchestrator import GenerationResult, MockDataOrchestrator, RunOptions
from polargen.progress import Progress

# Each is the begin of "status entity" in some progress of a run that verifies.
STAGES = (
    "generating audit_logs",
    "generating products",
    "validating",
    "writing keys",
    "writing foreign",
    "writing verifying",
    "writing swap",
)
Hear = Callable[[Progress], None]


def load(
    database: Database,
    scenario: str = "normal-ops",
    changes: dict[str, Any] | None = None,
    *,
    hear: Hear | None = None,
    how: dict[str, Any] | None = None,
    **asked: Any,
) -> GenerationResult:
    """Load ten days, or what is asked for."""
    options = RunOptions(
        **{"format": "postgresql", "database": database, "workers": 1, **(how or {})}
    )
    dates = {"start": "2024-01-01", "end": "2024-01-10", **asked}
    chosen = profile(scenario, changes)
    return MockDataOrchestrator(config(**dates), options, scenario=chosen, listener=hear).execute()


def at(stage: str, act: Callable[[], None]) -> Hear:
    """Return a listener that acts once, at a stage."""
    left = [act]

    def hear(progress: Progress) -> None:
        if left and f"{progress.status} {progress.current_entity}".startswith(stage):
            left.pop()()

    return hear


def _main(url: str, stage: str, seed: str, mode: LoadMode) -> None:
    die = at(stage, lambda: os.kill(os.getpid(), signal.SIGKILL))
    load(Database(url, load_mode=mode), hear=die, how={"verify": True}, seed=int(seed))


if __name__ == "__main__":
    _main(*sys.argv[1:])  # type: ignore[arg-type]
