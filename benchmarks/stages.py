"""One database load in this process, with the seconds of its stages.

``python -m benchmarks.stages URL MULTIPLIER WORKERS SINCE`` prints JSON: seconds by stage, and the
worker seconds of each part. SINCE is the time when the process was started.
"""

from __future__ import annotations

import json
import sys
import time

from benchmarks.plans import config_of
from polargen.database import Database
from polargen.options import RunOptions
from polargen.orchestrator import MockDataOrchestrator
from polargen.progress import Progress

# What is heard when a stage is over, or the next one begins: (status, begin of the entity).
_ENDS = {
    "start": ("generating", ""),
    "rows": ("validating", ""),
    "keys, checks and indexes": ("writing", "keys, checks and indexes"),
    "foreign keys": ("writing", "foreign keys"),
    "comments and swap": ("completed", ""),
}


def main() -> None:
    """Load and print JSON."""
    url, multiplier, workers = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
    since = float(sys.argv[4])
    ends: dict[str, float] = {}

    def hear(progress: Progress) -> None:
        for stage, (status, entity) in _ENDS.items():
            if progress.status == status and progress.current_entity.startswith(entity):
                first = stage == "start" and stage in ends
                ends[stage] = ends[stage] if first else time.time()

    options = RunOptions(format="postgresql", database=Database(url), workers=workers)
    result = MockDataOrchestrator(config_of(multiplier), options, listener=hear).execute()
    seconds: dict[str, float] = {}
    for stage in _ENDS:
        seconds[stage], since = ends[stage] - since, ends[stage]
    print(json.dumps({"stages": seconds, "workers": dict(result.entity_seconds)}))


if __name__ == "__main__":
    main()
