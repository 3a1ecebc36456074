"""Flat memory: a worker's peak depends on the block, not on the number of rows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from polargen.dataset import Dataset

ROOT = Path(__file__).parent.parent
LIMIT_BYTES = 400 * 10**6
SHORT = ("2024-01-01", "2024-02-29")
# Days alike, so that the largest block is the same in both windows: that of a month of 31 days.
FLAT = tuple(
    part
    for key in ("dailyJitter=0", "holidayWeight=1", "ramadanWeight=1")
    for part in ("--set", f"timeSeries.{key}")
)
LONG = ("2024-01-01", "2024-08-27")  # four times the days, so four times the blocks


def peaks(out: Path, window: tuple[str, str], workers: int) -> tuple[list[int], int]:
    """Make 1,500 orders a day and return each process's peak, and the rows made.

    The workers' peaks come first, the orchestrator's last.
    """
    run = subprocess.Popen(
        [
            *(sys.executable, "-m", "polargen", "generate", "--quiet", "-o", str(out)),
            *("--scenario", "anomaly-heavy", "--seed", "3", "--workers", str(workers)),
            *("--set", "entityRates.ordersPerDay=1500", "--set", "entityRates.products=1000"),
            *FLAT,
            *("--from", window[0], "--to", window[1]),
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    seen: dict[int, int] = {}
    main = psutil.Process(run.pid)
    while run.poll() is None:
        for process in [main, *_children(main)]:
            try:
                seen[process.pid] = max(seen.get(process.pid, 0), peak_bytes(process))
            except (psutil.NoSuchProcess, OSError):
                continue
        time.sleep(0.01)
    assert run.returncode == 0, run.stderr.read() if run.stderr else ""
    rows = sum(entry.rows for entry in Dataset.open(out).manifest.tables.values())
    orchestrator = seen.pop(run.pid)
    largest = sorted(seen.values(), reverse=True)[:workers]
    return [*largest, orchestrator], rows


def peak_bytes(process: psutil.Process) -> int:
    """Return the largest resident memory so far; where the system keeps none, that of now."""
    status = Path(f"/proc/{process.pid}/status")
    if status.exists():
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text(encoding="ascii"))
        if found:  # a process that has ended has none
            return int(found[1]) << 10
    return int(process.memory_info().rss)


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_memory__of_every_process_is_small_and_flat(tmp_path: Path, workers: int) -> None:
    """Under 400 MB, and between 1.5 and 6 million rows within 20 %: the heap wears in."""
    small, few = peaks(tmp_path / "small", SHORT, workers)
    large, many = peaks(tmp_path / "large", LONG, workers)
    assert few > 1_200_000
    assert many > 3.8 * few
    used = [round(peak / 2**20) for peak in (*small, *large)]
    assert max(small + large) < LIMIT_BYTES, f"MB: {used}"
    working = slice(0, workers) if workers > 1 else slice(None)
    assert max(large[working]) <= 1.20 * max(small[working]), f"MB: {used}"
    assert large[-1] <= 1.10 * small[-1], f"MB: {used}"
